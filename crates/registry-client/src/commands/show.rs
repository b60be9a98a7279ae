//! `fraud-registry show`: all that there is to read about one run or one model.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use fraud_core::ModelArtifact;
use fraud_core::artifact::MODEL_FILE;
use serde_json::{Value, json};

use super::model::{self, Name};
use super::terminal::{self, cut, or_nothing, second, short, thousands};
use super::{runs, versions};
use crate::artifact_path::join;
use crate::cli::Common;
use crate::error::Error;
use crate::gates::numbers;
use crate::store::Store;
use crate::types::{
    CONTEXT, Dataset, Experiment, FileInfo, KeyValue, LoggedModel, ModelVersion, Run, value_of,
};
use crate::uri::{ModelUri, Resolved, list_recursively, load};

/// Characters of a tag or parameter in a table; JSON has all.
const LONGEST_TEXT: usize = 400;

/// Show a run or a model: parameters, measures, tags, data sets, files
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A run by its id (8 digits of it or more), or a model: a version's number or alias, a model URI
    /// such as `models:/NAME@ALIAS` or `runs:/RUN_ID/PATH`, or a folder such as models/production
    pub what: String,

    /// Which model.
    #[command(flatten)]
    pub name: Name,
}

/// Prints it on stdout.
///
/// # Errors
///
/// If there is no such run or model, or the store cannot be asked.
pub async fn run(args: &ShowArgs, common: &Common) -> anyhow::Result<ExitCode> {
    let store = common.store()?;
    let is_run_id = (8..=32).contains(&args.what.len())
        && args.what.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_run_id {
        let run = runs::find_run(&*store, &args.what).await?;
        let page = RunPage::of(&*store, run).await?;
        if common.json {
            terminal::print_json(&page.as_json())?;
        } else {
            terminal::print(&page.as_text())?;
        }
    } else {
        let page = ModelPage::of(&*store, model::uri(&args.what, &args.name.name)?).await?;
        if common.json {
            terminal::print_json(&page.as_json())?;
        } else {
            terminal::print(&page.as_text())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of a run.
struct RunPage {
    run: Run,
    experiments: Vec<Experiment>,
    files: Vec<FileInfo>,
    models: Vec<LoggedModel>,
    versions: Vec<ModelVersion>,
}

impl RunPage {
    async fn of(store: &dyn Store, run: Run) -> Result<Self, Error> {
        let mut models = Vec::new();
        for output in &run.outputs.model_outputs {
            match store.logged_model(&output.model_id).await {
                Ok(model) => models.push(model),
                // It has been deleted since.
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let (experiments, files, mut versions) = tokio::try_join!(
            store.experiments(),
            list_recursively(store, &run.info.artifact_uri, ""),
            store.versions(None),
        )?;
        versions.retain(|version| version.run_id == run.info.run_id);
        Ok(Self { run, experiments, files, models, versions })
    }

    fn as_json(&self) -> Value {
        let mut value = runs::as_json(&self.run, &self.experiments);
        let datasets: Vec<Value> = self
            .run
            .inputs
            .dataset_inputs
            .iter()
            .map(|input| {
                let Dataset { name, digest, source_type, source, schema, profile } = &input.dataset;
                json!({
                    "name": name,
                    "digest": digest,
                    "context": value_of(&input.tags, CONTEXT),
                    "source_type": source_type,
                    "source": parsed(source),
                    "schema": parsed(schema),
                    "profile": parsed(profile),
                })
            })
            .collect();
        value["datasets"] = datasets.into();
        value["logged_models"] = json!(self.models);
        value["versions"] = self
            .versions
            .iter()
            .map(|version| versions::as_json(version, Some(&self.run)))
            .collect();
        value["artifacts"] = json!(self.files);
        value
    }

    fn as_text(&self) -> String {
        let info = &self.run.info;
        let experiment = runs::experiment_name(&self.experiments, &info.experiment_id);
        let versions: Vec<String> = self.versions.iter().map(version_title).collect();
        let ended = match runs::took(&self.run) {
            Some(took) => format!("{} (took {})", second(info.end_time), terminal::duration(took)),
            None => terminal::NOTHING.to_owned(),
        };
        let mut text = format!("Run {}\n", terminal::visible(&info.run_name));
        text += &terminal::list([
            ("id", info.run_id.clone()),
            ("status", info.status.to_string()),
            ("experiment", format!("{experiment} ({})", info.experiment_id)),
            ("started", second(info.start_time)),
            ("ended", ended),
            ("by", or_nothing(&info.user_id)),
            ("registered as", or_nothing(&versions.join("\n"))),
            ("artifacts at", info.artifact_uri.clone()),
        ]);
        section(&mut text, "Parameters", key_values(&self.run.data.params));
        let mut metrics = self.run.data.metrics.clone();
        metrics.sort_by(|a, b| a.key.cmp(&b.key));
        let row = |metric: &crate::types::Metric| {
            [metric.key.clone(), terminal::measure(Some(metric.value)), metric.step.to_string()]
        };
        let table = terminal::table(["metric", "latest", "step"], [1, 2], metrics.iter().map(row));
        section(&mut text, "Metrics", (!metrics.is_empty()).then_some(table));
        section(&mut text, "Data sets", datasets(&self.run));
        section(&mut text, "Tags", key_values(&self.run.data.tags));
        let row = |model: &LoggedModel| {
            [
                model.info.name.clone(),
                model.info.model_id.clone(),
                second(model.info.creation_timestamp_ms),
            ]
        };
        let models = terminal::table(["name", "id", "created"], [], self.models.iter().map(row));
        section(&mut text, "Logged models", (!self.models.is_empty()).then_some(models));
        section(&mut text, "Artifacts", files(&self.files));
        text
    }
}

/// What is known of a model.
struct ModelPage {
    uri: ModelUri,
    resolved: Option<Resolved>,
    /// The run that made it, if it is known.
    run: Option<Run>,
    files: Vec<FileInfo>,
    /// What its `model.json` says, or why it cannot be used.
    artifact: Result<ModelArtifact, String>,
}

impl ModelPage {
    async fn of(store: &dyn Store, uri: ModelUri) -> anyhow::Result<Self> {
        if let ModelUri::Folder(folder) = &uri {
            let artifact = Ok(load(folder)?);
            let files = files_in(folder)?;
            return Ok(Self { uri, resolved: None, run: None, files, artifact });
        }
        let resolved = uri.resolve(store).await?;
        let run = match &resolved.version {
            Some(version) => versions::run_of(store, version).await?,
            None => None,
        };
        let files = list_recursively(store, &resolved.artifact_uri, &resolved.path).await?;
        let file = join(&resolved.path, MODEL_FILE);
        let artifact = if files.iter().any(|info| info.path == file) {
            let folder = model::temporary_folder()?;
            let path = folder.path().join(MODEL_FILE);
            store.download_artifact(&resolved.artifact_uri, &file, &path).await?;
            let text = std::fs::read_to_string(&path).map_err(Error::file("read", path))?;
            ModelArtifact::from_json(&text).map_err(|error| error.to_string())
        } else {
            Err(format!("it has no {MODEL_FILE}, as every model of this product has"))
        };
        Ok(Self { uri, resolved: Some(resolved), run, files, artifact })
    }

    fn version(&self) -> Option<&ModelVersion> {
        self.resolved.as_ref()?.version.as_ref()
    }

    fn as_json(&self) -> Value {
        let model = match &self.artifact {
            // Written by serde and read back: it is JSON.
            Ok(artifact) => {
                let mut model = parsed(&artifact.to_json());
                model["digest"] = artifact.digest().into();
                model
            }
            Err(reason) => json!({ "error": reason }),
        };
        json!({
            "uri": self.uri.to_string(),
            "artifact_uri": self.resolved.as_ref().map(|resolved| &resolved.artifact_uri),
            "path": self.resolved.as_ref().map(|resolved| &resolved.path),
            "version": self.version().map(|version| versions::as_json(version, self.run.as_ref())),
            "model": model,
            "artifacts": self.files,
        })
    }

    fn as_text(&self) -> String {
        let title = self.version().map_or_else(|| format!("Model {}", self.uri), version_title);
        let mut text = format!("{}\n", terminal::visible(&title));
        let mut rows = Vec::new();
        if let Some(version) = self.version() {
            let run = match &self.run {
                Some(run) => {
                    format!("{} ({}, {})", run.info.run_id, run.info.run_name, run.info.status)
                }
                None => or_nothing(&version.run_id),
            };
            rows.extend([
                ("status", versions::status(version).to_owned()),
                ("created", second(version.creation_timestamp)),
                ("run", run),
                ("source", version.source.clone()),
                ("description", or_nothing(&cut(&version.description, LONGEST_TEXT))),
            ]);
        }
        if let Some(resolved) = &self.resolved {
            rows.push(("artifacts at", join(&resolved.artifact_uri, &resolved.path)));
        }
        match &self.artifact {
            Ok(artifact) => rows.extend(contents(artifact)),
            Err(reason) => rows.push(("model", format!("CANNOT BE USED: {reason}"))),
        }
        text += &terminal::list(rows);
        let measures = self.artifact.as_ref().ok().and_then(|a| a.provenance.measures.as_ref());
        let table = measures.map(|measures| {
            let row = |(name, value)| (name, terminal::measure(Some(value)));
            terminal::list(
                numbers(measures)
                    .into_iter()
                    .filter(|(name, _)| name != "rows" && name != "frauds")
                    .map(row),
            )
        });
        section(&mut text, "Measures on its validation rows", table);
        section(&mut text, "Tags", self.version().and_then(|version| key_values(&version.tags)));
        section(&mut text, "Files", files(&self.files));
        text
    }
}

/// `fraud_detection_logreg version 3 (champion)`
pub(super) fn version_title(version: &ModelVersion) -> String {
    let ModelVersion { name, version: number, aliases, .. } = version;
    if aliases.is_empty() {
        format!("{name} version {number}")
    } else {
        format!("{name} version {number} ({})", aliases.join(", "))
    }
}

/// What `model.json` says.
fn contents(artifact: &ModelArtifact) -> Vec<(&'static str, String)> {
    let provenance = &artifact.provenance;
    let data: Vec<String> = provenance
        .data
        .iter()
        .map(|file| {
            format!(
                "{} ({}): {} rows, {} frauds, SHA-256 {}…",
                file.file,
                file.role,
                thousands(file.rows),
                thousands(file.frauds),
                short(&file.sha256)
            )
        })
        .collect();
    let synthetic = if provenance.is_synthetic() {
        format!("SYNTHETIC: {} rows come from a generator", thousands(provenance.synthetic_rows))
    } else {
        "real".to_owned()
    };
    let fit = format!(
        "{} iterations, gradient norm {:.1e}, {}",
        thousands(provenance.iterations),
        provenance.gradient_norm,
        if provenance.converged { "converged" } else { "NOT CONVERGED" }
    );
    let validation = provenance.measures.as_ref().map_or_else(String::new, |measures| {
        format!("{} rows, {} frauds", thousands(measures.rows), thousands(measures.frauds))
    });
    vec![
        ("digest", artifact.digest()),
        (
            "threshold",
            format!("{} ({})", artifact.threshold, or_nothing(&provenance.threshold_rule)),
        ),
        ("intercept", artifact.model.intercept().to_string()),
        ("trained", or_nothing(&provenance.created_at)),
        ("by", format!("fraud-trainer {}", or_nothing(&provenance.crate_version))),
        (
            "fitted to",
            format!("{} rows, {} frauds", thousands(provenance.rows), thousands(provenance.frauds)),
        ),
        ("validated on", or_nothing(&validation)),
        ("data", or_nothing(&data.join("\n"))),
        ("rows are", synthetic),
        ("split", format!("{}, seed {}", or_nothing(&provenance.split), provenance.seed)),
        (
            "solver",
            format!(
                "{}, class weight {}, L2 {}",
                or_nothing(&provenance.solver),
                or_nothing(&provenance.class_weight),
                provenance.l2
            ),
        ),
        ("fit", fit),
    ]
}

fn section(text: &mut String, title: &str, table: Option<String>) {
    if let Some(table) = table {
        for part in ["\n", title, "\n", &table] {
            text.push_str(part);
        }
    }
}

fn key_values(list: &[KeyValue]) -> Option<String> {
    let mut list: Vec<&KeyValue> = list.iter().collect();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    let row = |entry: &&KeyValue| (entry.key.clone(), cut(&entry.value, LONGEST_TEXT));
    (!list.is_empty()).then(|| terminal::list(list.iter().map(row)))
}

fn datasets(run: &Run) -> Option<String> {
    let inputs = &run.inputs.dataset_inputs;
    let rows = inputs.iter().map(|input| {
        let profile = parsed(&input.dataset.profile);
        [
            input.dataset.name.clone(),
            or_nothing(value_of(&input.tags, CONTEXT).unwrap_or_default()),
            profile["num_rows"].as_u64().map_or_else(|| terminal::NOTHING.to_owned(), thousands),
            input.dataset.digest.clone(),
            or_nothing(&cut(&input.dataset.source, 60)),
        ]
    });
    let header = ["name", "context", "rows", "digest", "source"];
    (!inputs.is_empty()).then(|| terminal::table(header, [2], rows))
}

fn files(files: &[FileInfo]) -> Option<String> {
    let row = |file: &FileInfo| [file.path.clone(), thousands(file.file_size)];
    (!files.is_empty()).then(|| terminal::table(["path", "bytes"], [1], files.iter().map(row)))
}

/// The files of a model's folder.
fn files_in(folder: &Path) -> Result<Vec<FileInfo>, Error> {
    let mut files = Vec::new();
    // For a path to model.json itself there is nothing else to list.
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).map_err(Error::file("read", folder))? {
            let entry = entry.map_err(Error::file("read", folder))?;
            let metadata = entry.metadata().map_err(Error::file("read", entry.path()))?;
            let path = entry.file_name().to_string_lossy().into_owned();
            if metadata.is_file() {
                files.push(FileInfo { path, is_dir: false, file_size: metadata.len() });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// JSON in a text, as such; other text as text.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}
