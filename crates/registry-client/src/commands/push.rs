//! `fraud-registry push`: what the local store holds, to a server.

use std::fmt::Write as _;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use serde_json::{Value, json};

use super::runs::find_run;
use super::terminal::{self, cut, minute, or_nothing, short, thousands};
use crate::cli::Common;
use crate::config::ServerConfig;
use crate::error::Error;
use crate::local::LocalStore;
use crate::push::{KeptAlias, Outcome, Push, PushedRun};
use crate::server::MlflowServer;
use crate::store::Store;
use crate::types::{Run, RunSearch};

/// Copy runs of the local store to the server, with measures, files, models, versions and aliases
///
/// What is there already stays as it is: pushed twice it is there once, and a push that was cut off
/// goes on where it was. A run that the server refuses does not keep the others back: it is named in the
/// end, and the exit code is 2. Run ids and version numbers are given by the server, and the tag
/// `fraud.local_id` says which they were here. An alias that the server has is left where it stands for
/// another version, except that it goes from a version pushed before to a later one; champion never
/// does, since promote decides on that.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["runs", "all"])]
pub struct PushArgs {
    /// Runs by their ids, 8 digits of each or more
    #[arg(value_name = "RUN_ID")]
    pub runs: Vec<String>,

    /// All runs of the local store. Set it when the server is back, or new
    #[arg(
        long,
        env = "FRAUD_REGISTRY_PUSH_ALL",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub all: bool,

    /// Let every alias stand for what it stands for here, champion too. Set it to move a registry to a
    /// server that is to be like it
    #[arg(
        long,
        env = "FRAUD_REGISTRY_PUSH_FORCE_ALIASES",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub force_aliases: bool,
}

/// How long a run that is being created may take to be there as one that has ended, after a signal.
const PATIENCE: Duration = Duration::from_secs(10);

/// A run that could not be copied.
struct Failed<'a> {
    run: &'a Run,
    error: Error,
}

/// Copies the runs, and prints on stdout where they are now. When `stopped` comes, it ends with that, but
/// leaves no run on the server as if it went on.
///
/// # Errors
///
/// If no server is named, there is no such run, or the disk or the server fails; of several runs, after
/// the others. What has arrived stays there.
pub async fn run(
    args: &PushArgs,
    common: &Common,
    stopped: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let Some(config) = ServerConfig::from_env()? else {
        bail!(
            "push needs a server: MLFLOW_TRACKING_URI is not set, expected its URL such as \
             http://127.0.0.1:5000"
        );
    };
    let server = MlflowServer::new(config)?;
    let local = LocalStore::open(&common.registry)?;
    let mut runs = if args.all {
        local.search_runs(&RunSearch::default()).await?
    } else {
        let mut runs = Vec::with_capacity(args.runs.len());
        for id in &args.runs {
            runs.push(find_run(&local, id).await?);
        }
        runs
    };
    runs.sort_by_key(|run| run.info.start_time);
    runs.dedup_by(|a, b| a.info.run_id == b.info.run_id);

    let mut push = Push::new(&local, &server).await?;
    push.force_aliases = args.force_aliases;
    let mut creating = push.creating();
    let mut work = pin!(async {
        let (mut pushed, mut failed) = (Vec::with_capacity(runs.len()), Vec::new());
        for (at, run) in runs.iter().enumerate() {
            tracing::info!("run {} of {}: {}", at + 1, runs.len(), run.info.run_name);
            match push.run(run).await {
                Ok(run) => pushed.push(run),
                Err(error) => {
                    let is_over = ends_all(&error);
                    failed.push(Failed { run, error });
                    if is_over {
                        return Err(as_error(&failed, pushed.len(), runs.len()));
                    }
                }
            }
        }
        let kept = push.aliases().await.map_err(|error| {
            let what = format!("the aliases are not all set: {error}");
            match &failed[..] {
                [] => anyhow!("the runs are there, {what}"),
                failed => as_error(failed, pushed.len(), runs.len()).context(what),
            }
        })?;
        Ok((pushed, failed, kept))
    });
    let mut stopped = pin!(stopped);
    let (pushed, failed, kept) = tokio::select! {
        done = &mut work => done?,
        code = &mut stopped => {
            // What has begun to be created is not left behind as a run that goes on.
            tokio::select! {
                _ = &mut work => {}
                _ = creating.wait_for(|creating| !creating) => {}
                () = tokio::time::sleep(PATIENCE) => {
                    tracing::warn!("a run may show as RUNNING until the same is pushed again");
                }
            }
            return code;
        }
    };

    if common.json {
        terminal::print_json(&as_json(&pushed, &failed, &kept, &server.location()))?;
    } else if runs.is_empty() {
        terminal::print(&format!("No runs in {}\n", local.location()))?;
    } else if !pushed.is_empty() {
        terminal::print(&as_text(&pushed, &kept, &server.location()))?;
    }
    if failed.is_empty() {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(as_error(&failed, pushed.len(), runs.len()))
    }
}

/// Whether the other runs wait for a better time. Versions get their numbers in the order of the runs, so
/// those after one that may arrive the next time do not go before it; those after one that is refused, or
/// that the server fails on (500), do.
const fn ends_all(error: &Error) -> bool {
    match error {
        Error::Denied { status, .. } => *status == 401,
        Error::Server { status: 500, .. } => false,
        error => error.is_unavailable(),
    }
}

fn as_error(failed: &[Failed<'_>], done: usize, all: usize) -> anyhow::Error {
    let of_all = format!("{} of {} runs are there", thousands(done as u64), thousands(all as u64));
    let list = |Failed { run, error }: &Failed<'_>| {
        format!("{} ({}): {error}", run.info.run_name, short(&run.info.run_id))
    };
    let list: Vec<String> = failed.iter().map(list).collect();
    let untried = match all - done - failed.len() {
        0 => String::new(),
        untried => format!(", {} were not tried", thousands(untried as u64)),
    };
    anyhow!(
        "{of_all}{untried}; the same command goes on with {}\n  {}",
        if failed.len() == 1 { "it".to_owned() } else { format!("these {}", failed.len()) },
        list.join("\n  ")
    )
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Copied => "copied",
        Outcome::Completed => "completed",
        Outcome::Unchanged => "was there",
        Outcome::StillRunning => "still runs, left",
    }
}

fn as_text(pushed: &[PushedRun], kept: &[KeptAlias], location: &str) -> String {
    let header = ["run", "started (UTC)", "id here", "id there", "", "versions there"];
    let row = |pushed: &PushedRun| {
        let versions: Vec<String> = pushed
            .versions
            .iter()
            .map(|version| format!("{} of {}", version.version, version.name))
            .collect();
        [
            cut(&pushed.run.info.run_name, 22),
            minute(pushed.run.info.start_time),
            short(&pushed.run.info.run_id).to_owned(),
            or_nothing(short(&pushed.run_id)),
            word(pushed.outcome).to_owned(),
            or_nothing(&versions.join("\n")),
        ]
    };
    let mut text = terminal::table(header, [], pushed.iter().map(row));
    let count = |outcome| pushed.iter().filter(|run| run.outcome == outcome).count() as u64;
    let counts = [Outcome::Copied, Outcome::Completed, Outcome::Unchanged, Outcome::StillRunning]
        .map(|outcome| (count(outcome), word(outcome)))
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", thousands(count)));
    let counts: Vec<String> = counts.collect();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{location}: {}", counts.join(", "));
    for KeptAlias { name, alias, version, instead_of } in kept {
        text += &terminal::visible(&format!(
            "The alias {alias} of {name} stays with version {version}, not {instead_of} \
             (--force-aliases moves it)\n"
        ));
    }
    text
}

fn as_json(
    pushed: &[PushedRun],
    failed: &[Failed<'_>],
    kept: &[KeptAlias],
    location: &str,
) -> Value {
    let runs: Vec<Value> = pushed
        .iter()
        .map(|pushed| {
            let versions: Vec<Value> = pushed
                .versions
                .iter()
                .map(|v| json!({ "name": v.name, "local": v.local, "version": v.version }))
                .collect();
            json!({
                "name": pushed.run.info.run_name,
                "local_run_id": pushed.run.info.run_id,
                "run_id": (!pushed.run_id.is_empty()).then_some(&pushed.run_id),
                "outcome": match pushed.outcome {
                    Outcome::Copied => "copied",
                    Outcome::Completed => "completed",
                    Outcome::Unchanged => "unchanged",
                    Outcome::StillRunning => "running",
                },
                "versions": versions,
            })
        })
        .collect();
    let kept: Vec<Value> = kept
        .iter()
        .map(|alias| {
            json!({
                "name": alias.name,
                "alias": alias.alias,
                "version": alias.version,
                "instead_of": alias.instead_of,
            })
        })
        .collect();
    let failed: Vec<Value> = failed
        .iter()
        .map(|Failed { run, error }| {
            json!({
                "name": run.info.run_name,
                "local_run_id": run.info.run_id,
                "error": error.to_string(),
            })
        })
        .collect();
    json!({ "server": location, "runs": runs, "failed": failed, "kept_aliases": kept })
}
