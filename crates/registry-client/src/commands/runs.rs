//! `fraud-registry runs`: what was trained, the latest first.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::terminal::{self, cut, duration, minute, rfc3339, short, thousands};
use crate::cli::Common;
use crate::store::Store;
use crate::types::{Experiment, Run, RunSearch, RunStatus};

/// Among how many runs an abbreviated id is looked for.
const ABBREVIATED_AMONG: usize = 5_000;

/// List runs, the latest first
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// At most so many. Raise it to look further back
    #[arg(long, env = "FRAUD_REGISTRY_RUNS_LIMIT", value_name = "N", default_value_t = 20)]
    pub limit: usize,

    /// Only runs of the experiment of this name. Set it where several teams share a server
    #[arg(long, env = "FRAUD_REGISTRY_RUNS_EXPERIMENT", value_name = "NAME")]
    pub experiment: Option<String>,

    /// Only runs in this state. Set it to see what is at work, or what went wrong
    #[arg(long, env = "FRAUD_REGISTRY_RUNS_STATUS", value_name = "STATUS", ignore_case = true)]
    pub status: Option<Status>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "as in RunStatus")]
pub enum Status {
    Running,
    Scheduled,
    Finished,
    Failed,
    Killed,
}

impl From<Status> for RunStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Scheduled => Self::Scheduled,
            Status::Finished => Self::Finished,
            Status::Failed => Self::Failed,
            Status::Killed => Self::Killed,
        }
    }
}

/// Prints the runs on stdout.
///
/// # Errors
///
/// If there is no such experiment, or the store cannot be asked.
pub async fn run(args: &RunsArgs, common: &Common) -> anyhow::Result<ExitCode> {
    let store = common.store()?;
    let experiments = store.experiments().await?;
    let experiment_ids = match &args.experiment {
        Some(name) => vec![id_of(&experiments, name, &store.location())?],
        None => Vec::new(),
    };
    let search = RunSearch {
        experiment_ids,
        status: args.status.map(RunStatus::from),
        limit: Some(args.limit),
        ..RunSearch::default()
    };
    let runs = if experiments.is_empty() { Vec::new() } else { store.search_runs(&search).await? };
    if common.json {
        let list: Vec<Value> = runs.iter().map(|run| as_json(run, &experiments)).collect();
        terminal::print_json(&list)?;
    } else if runs.is_empty() {
        let any = args.experiment.is_none() && args.status.is_none();
        let which = if any { "" } else { " of this kind" };
        terminal::print(&format!("No runs{which} in {}\n", store.location()))?;
    } else {
        terminal::print(&as_table(&runs, &experiments))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The run of an id, which may be cut short as in the list of runs.
///
/// # Errors
///
/// If there is none, or several begin so.
pub(super) async fn find_run(store: &dyn Store, id: &str) -> anyhow::Result<Run> {
    if id.len() == 32 {
        return Ok(store.run(id).await?);
    }
    let search = RunSearch { limit: Some(ABBREVIATED_AMONG), ..RunSearch::default() };
    let mut runs = store.search_runs(&search).await?;
    runs.retain(|run| run.info.run_id.starts_with(id));
    match runs.pop() {
        None => bail!(
            "no run whose id begins with {id} is among the latest {} of {}; `fraud-registry runs` \
             lists them, or give all 32 digits",
            thousands(ABBREVIATED_AMONG as u64),
            store.location()
        ),
        Some(run) if runs.is_empty() => Ok(run),
        Some(run) => {
            let ids: Vec<String> =
                runs.into_iter().chain([run]).take(10).map(|run| run.info.run_id).collect();
            bail!("several runs have an id that begins with {id}: {}", ids.join(", "))
        }
    }
}

fn id_of(experiments: &[Experiment], name: &str, location: &str) -> anyhow::Result<String> {
    if let Some(experiment) = experiments.iter().find(|experiment| experiment.name == name) {
        return Ok(experiment.experiment_id.clone());
    }
    let names: Vec<String> =
        experiments.iter().take(10).map(|experiment| format!("{:?}", experiment.name)).collect();
    let there = match &names[..] {
        [] => "there are none".to_owned(),
        names => format!("expected one of {}", names.join(", ")),
    };
    bail!("experiment {name:?} is not in {location}; {there}");
}

/// The name of an experiment; its id if it has been deleted.
pub(super) fn experiment_name<'a>(experiments: &'a [Experiment], id: &'a str) -> &'a str {
    let named = experiments.iter().find(|experiment| experiment.experiment_id == id);
    named.map_or(id, |experiment| &experiment.name)
}

/// Milliseconds that a run took; `None` while it runs.
pub(super) const fn took(run: &Run) -> Option<i64> {
    if run.info.end_time == 0 { None } else { Some(run.info.end_time - run.info.start_time) }
}

fn as_table(runs: &[Run], experiments: &[Experiment]) -> String {
    let header =
        ["name", "id", "status", "started (UTC)", "took", "avg. prec.", "ROC AUC", "experiment"];
    let row = |run: &Run| {
        let info = &run.info;
        [
            cut(&info.run_name, 18),
            short(&info.run_id).to_owned(),
            info.status.to_string(),
            minute(info.start_time),
            took(run).map_or_else(|| terminal::NOTHING.to_owned(), duration),
            terminal::measure(run.metric("average_precision")),
            terminal::measure(run.metric("roc_auc")),
            cut(experiment_name(experiments, &info.experiment_id), 14),
        ]
    };
    terminal::table(header, 4..7, runs.iter().map(row))
}

/// A run for scripts: times in RFC 3339, metrics and parameters by name.
pub(super) fn as_json(run: &Run, experiments: &[Experiment]) -> Value {
    let info = &run.info;
    let texts = |list: &[crate::types::KeyValue]| -> Map<String, Value> {
        list.iter().map(|entry| (entry.key.clone(), entry.value.clone().into())).collect()
    };
    let metrics: Map<String, Value> =
        run.data.metrics.iter().map(|metric| (metric.key.clone(), metric.value.into())).collect();
    json!({
        "run_id": info.run_id,
        "name": info.run_name,
        "status": info.status,
        "experiment_id": info.experiment_id,
        "experiment": experiment_name(experiments, &info.experiment_id),
        "user": info.user_id,
        "started": rfc3339(info.start_time),
        "ended": rfc3339(info.end_time),
        "seconds": took(run).map(|millis| millis as f64 / 1_000.0),
        "artifact_uri": info.artifact_uri,
        "params": texts(&run.data.params),
        "metrics": metrics,
        "tags": texts(&run.data.tags),
    })
}
