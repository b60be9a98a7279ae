//! `fraud-registry versions`: the versions of a registered model.

use std::process::ExitCode;

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::model::Name;
use super::terminal::{self, minute, or_nothing, rfc3339, short};
use crate::cli::Common;
use crate::error::Error;
use crate::store::Store;
use crate::tags::THRESHOLD;
use crate::types::{ModelVersion, ModelVersionStatus, Run, value_of};

/// How many runs are asked for at the same time.
const AT_ONCE: usize = 8;

/// List the versions of a registered model, the latest first
#[derive(Debug, Args)]
pub struct VersionsArgs {
    /// Which model.
    #[command(flatten)]
    pub name: Name,

    /// At most so many. Raise it to look further back; each one costs a call of the server
    #[arg(long, env = "FRAUD_REGISTRY_VERSIONS_LIMIT", value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

/// Prints the versions on stdout.
///
/// # Errors
///
/// If there is no such model, or the store cannot be asked.
pub async fn run(args: &VersionsArgs, common: &Common) -> anyhow::Result<ExitCode> {
    let store = common.store()?;
    let name = &args.name.name;
    let mut versions = store.versions(Some(name)).await?;
    versions.truncate(args.limit);
    let store = &*store;
    let rows: Vec<(ModelVersion, Option<Run>)> = stream::iter(versions)
        .map(|version| async move {
            let run = run_of(store, &version).await?;
            Ok::<_, Error>((version, run))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    if common.json {
        let list: Vec<Value> =
            rows.iter().map(|(version, run)| as_json(version, run.as_ref())).collect();
        terminal::print_json(&list)?;
    } else if rows.is_empty() {
        terminal::print(&format!("No versions of {name:?} in {}\n", store.location()))?;
    } else {
        terminal::print(&as_table(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The run of a version; `None` if it has none, or that has been deleted.
pub(super) async fn run_of(
    store: &dyn Store,
    version: &ModelVersion,
) -> Result<Option<Run>, Error> {
    if version.run_id.is_empty() {
        return Ok(None);
    }
    match store.run(&version.run_id).await {
        Ok(run) => Ok(Some(run)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) const fn status(version: &ModelVersion) -> &'static str {
    match version.status {
        ModelVersionStatus::Pending => "PENDING_REGISTRATION",
        ModelVersionStatus::Failed => "FAILED_REGISTRATION",
        ModelVersionStatus::Ready => "READY",
    }
}

/// What is known of the threshold without the model's files.
fn threshold<'a>(version: &'a ModelVersion, run: Option<&'a Run>) -> Option<&'a str> {
    let of_version = [THRESHOLD, "threshold"].iter().find_map(|key| value_of(&version.tags, key));
    of_version.or_else(|| value_of(&run?.data.params, "threshold"))
}

fn average_precision(run: Option<&Run>) -> Option<f64> {
    run?.metric("average_precision")
}

fn as_table(rows: &[(ModelVersion, Option<Run>)]) -> String {
    let header =
        ["version", "aliases", "created (UTC)", "run", "avg. precision", "threshold", "status"];
    let row = |(version, run): &(ModelVersion, Option<Run>)| {
        [
            version.version.clone(),
            or_nothing(&version.aliases.join("\n")),
            minute(version.creation_timestamp),
            or_nothing(short(&version.run_id)),
            terminal::measure(average_precision(run.as_ref())),
            or_nothing(threshold(version, run.as_ref()).unwrap_or_default()),
            status(version).to_owned(),
        ]
    };
    terminal::table(header, [0, 4, 5], rows.iter().map(row))
}

/// A version for scripts.
pub(super) fn as_json(version: &ModelVersion, run: Option<&Run>) -> Value {
    json!({
        "name": version.name,
        "version": version.version,
        "aliases": version.aliases,
        "status": version.status,
        "created": rfc3339(version.creation_timestamp),
        "run_id": or_null(&version.run_id),
        "run_name": run.map(|run| &run.info.run_name),
        "model_id": or_null(&version.model_id),
        "source": version.source,
        "description": version.description,
        "average_precision": average_precision(run),
        "threshold": threshold(version, run).and_then(|text| text.parse::<f64>().ok()),
        "tags": tags(version),
    })
}

fn or_null(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn tags(version: &ModelVersion) -> serde_json::Map<String, Value> {
    version.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone().into())).collect()
}
