//! `fraud-registry push`: what the local store holds, to a server.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use serde_json::{Value, json};

use super::runs::find_run;
use super::terminal::{self, cut, minute, or_nothing, short, thousands};
use crate::cli::Common;
use crate::config::ServerConfig;
use crate::local::LocalStore;
use crate::push::{KeptAlias, Outcome, Push, PushedRun};
use crate::server::MlflowServer;
use crate::store::Store;
use crate::types::RunSearch;

/// Copy runs of the local store to the server, with measures, files, models, versions and aliases
///
/// What is there already stays as it is: pushed twice it is there once, and a push that was cut off
/// goes on where it was. Run ids and version numbers are given by the server, and the tag
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

/// Copies the runs, and prints on stdout where they are now.
///
/// # Errors
///
/// If no server is named, there is no such run, or the disk or the server fails. What has arrived stays
/// there.
pub async fn run(args: &PushArgs, common: &Common) -> anyhow::Result<ExitCode> {
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
    let mut pushed = Vec::with_capacity(runs.len());
    for (done, run) in runs.iter().enumerate() {
        tracing::info!("run {} of {}: {}", done + 1, runs.len(), run.info.run_name);
        let run = push.run(run).await.with_context(|| {
            format!(
                "{} of {} runs are there, and {} not as a whole; the same command goes on with it",
                thousands(done as u64),
                thousands(runs.len() as u64),
                run.info.run_name
            )
        })?;
        pushed.push(run);
    }
    let kept = push.aliases().await.context("the runs are there, their aliases are not all set")?;

    if common.json {
        terminal::print_json(&as_json(&pushed, &kept, &server.location()))?;
    } else if pushed.is_empty() {
        terminal::print(&format!("No runs in {}\n", local.location()))?;
    } else {
        terminal::print(&as_text(&pushed, &kept, &server.location()))?;
    }
    Ok(ExitCode::SUCCESS)
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

fn as_json(pushed: &[PushedRun], kept: &[KeptAlias], location: &str) -> Value {
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
    json!({ "server": location, "runs": runs, "kept_aliases": kept })
}
