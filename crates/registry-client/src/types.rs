//! What a tracking server keeps, as its REST API words it.
//!
//! Times are milliseconds since 1970 (UTC). Fields that a server leaves out are empty.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json::{int, number, text};

/// A named place for runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Experiment {
    /// Its id, a number in text form.
    pub experiment_id: String,
    /// Its name, unique on a server.
    pub name: String,
    /// Where its runs keep their artifacts.
    pub artifact_location: String,
    /// `active` or `deleted`.
    pub lifecycle_stage: String,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// It goes on.
    #[default]
    Running,
    /// It waits to be started.
    Scheduled,
    /// It ended well.
    Finished,
    /// It ended with an error.
    Failed,
    /// It was stopped from outside.
    Killed,
}

impl RunStatus {
    /// Whether a run in this state has ended.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        })
    }
}

/// One value of a measure, at a time and a step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metric {
    /// Name, at most 250 characters.
    pub key: String,
    /// Any number; NaN and the infinities too.
    #[serde(with = "number")]
    pub value: f64,
    /// When it was measured.
    #[serde(default, deserialize_with = "int")]
    pub timestamp: i64,
    /// Position on the x-axis, for instance the iteration.
    #[serde(default, deserialize_with = "int")]
    pub step: i64,
    /// The logged model that it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// Name of the data set that it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    /// Digest of that data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
}

impl Metric {
    /// A value at step 0, measured now.
    #[must_use]
    pub fn now(key: impl Into<String>, value: f64) -> Self {
        Self::at_step(key, value, 0)
    }

    /// A value at a step, measured now.
    #[must_use]
    pub fn at_step(key: impl Into<String>, value: f64, step: i64) -> Self {
        let timestamp = crate::clock::now_millis();
        Self { key: key.into(), value, timestamp, step, ..Self::default() }
    }
}

/// A name with a text: a parameter of a run, or a tag of anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyValue {
    /// Name, at most 250 characters.
    pub key: String,
    /// Text; at most 6,000 characters for a parameter, 8,000 for a tag.
    #[serde(default)]
    pub value: String,
}

impl KeyValue {
    /// A name with a text.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl fmt::Display) -> Self {
        Self { key: key.into(), value: value.to_string() }
    }
}

/// The text of a key, if it is there.
#[must_use]
pub fn value_of<'a>(list: &'a [KeyValue], key: &str) -> Option<&'a str> {
    list.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

/// Metrics, parameters and tags to log together; any number of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Measured values.
    pub metrics: Vec<Metric>,
    /// Settings; a key can be set once.
    pub params: Vec<KeyValue>,
    /// Notes; the last one of a key holds.
    pub tags: Vec<KeyValue>,
}

/// A run to create.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRun {
    /// Its experiment's id.
    pub experiment_id: String,
    /// Its name; the server makes one up for an empty one.
    pub name: String,
    /// Its notes.
    pub tags: Vec<KeyValue>,
    /// When it started; now if not set.
    pub start_time: Option<i64>,
}

/// A run without its content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInfo {
    /// Its id, 32 hexadecimal digits.
    pub run_id: String,
    /// Its name.
    pub run_name: String,
    /// Its experiment's id.
    pub experiment_id: String,
    /// Who started it.
    pub user_id: String,
    /// How it stands.
    pub status: RunStatus,
    /// When it started.
    #[serde(deserialize_with = "int")]
    pub start_time: i64,
    /// When it ended; 0 before.
    #[serde(deserialize_with = "int")]
    pub end_time: i64,
    /// Where its artifacts are.
    pub artifact_uri: String,
    /// `active` or `deleted`.
    pub lifecycle_stage: String,
}

/// The content of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunData {
    /// The latest value of each metric.
    pub metrics: Vec<Metric>,
    /// Its settings.
    pub params: Vec<KeyValue>,
    /// Its notes.
    pub tags: Vec<KeyValue>,
}

/// What went into a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInputs {
    /// Data sets.
    pub dataset_inputs: Vec<DatasetInput>,
}

/// What came out of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOutputs {
    /// Logged models.
    pub model_outputs: Vec<ModelOutput>,
}

/// A logged model that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelOutput {
    /// Its id.
    pub model_id: String,
    /// The step that it is of.
    #[serde(deserialize_with = "int")]
    pub step: i64,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Its id, state and place.
    pub info: RunInfo,
    /// Its metrics, parameters and tags.
    pub data: RunData,
    /// Its data sets.
    pub inputs: RunInputs,
    /// Its models.
    pub outputs: RunOutputs,
}

impl Run {
    /// The latest value of a metric.
    #[must_use]
    pub fn metric(&self, key: &str) -> Option<f64> {
        self.data.metrics.iter().find(|metric| metric.key == key).map(|metric| metric.value)
    }

    /// The data set that the run used as `context` (`training`, `validation`).
    #[must_use]
    pub fn dataset(&self, context: &str) -> Option<&Dataset> {
        let is_it = |input: &&DatasetInput| value_of(&input.tags, CONTEXT) == Some(context);
        self.inputs.dataset_inputs.iter().find(is_it).map(|input| &input.dataset)
    }
}

/// Tag of a data set's input that says what it was used for.
pub const CONTEXT: &str = "mlflow.data.context";

/// Which runs to look for; what is empty does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunSearch {
    /// Ids of experiments; none is all.
    pub experiment_ids: Vec<String>,
    /// Tags that a run must have.
    pub tags: Vec<KeyValue>,
    /// The state that it must be in.
    pub status: Option<RunStatus>,
    /// At most so many, the latest first.
    pub limit: Option<usize>,
}

/// A data set, by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dataset {
    /// Its name, for instance that of its file.
    pub name: String,
    /// Its digest, at most 36 characters.
    pub digest: String,
    /// Kind of its source, `local` for a file.
    pub source_type: String,
    /// Its source, JSON.
    pub source: String,
    /// Its columns, JSON: `{"mlflow_colspec": […]}`.
    pub schema: String,
    /// Its size, JSON: `{"num_rows": …, "num_elements": …}`.
    pub profile: String,
}

/// A data set as input of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DatasetInput {
    /// Among them [`CONTEXT`].
    pub tags: Vec<KeyValue>,
    /// The data set.
    pub dataset: Dataset,
}

/// A file or folder below an artifact root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileInfo {
    /// Path from the artifact root.
    pub path: String,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Size in bytes; 0 for a folder.
    #[serde(deserialize_with = "int")]
    pub file_size: u64,
}

/// How a logged model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LoggedModelStatus {
    /// The server did not say.
    #[default]
    #[serde(rename = "LOGGED_MODEL_STATUS_UNSPECIFIED")]
    Unspecified,
    /// Its files are on their way.
    #[serde(rename = "LOGGED_MODEL_PENDING")]
    Pending,
    /// Its files are there.
    #[serde(rename = "LOGGED_MODEL_READY")]
    Ready,
    /// Its files did not arrive.
    #[serde(rename = "LOGGED_MODEL_UPLOAD_FAILED")]
    UploadFailed,
}

/// A model to log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewLoggedModel {
    /// Its experiment's id.
    pub experiment_id: String,
    /// Its name, as the artifact is called in the run.
    pub name: String,
    /// The run that made it.
    pub source_run_id: String,
    /// Its settings, any number.
    pub params: Vec<KeyValue>,
    /// Its notes.
    pub tags: Vec<KeyValue>,
}

/// A logged model: the files of a model, with an id of their own (MLflow 3).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoggedModel {
    /// Its id, state and place.
    pub info: LoggedModelInfo,
    /// Its parameters and metrics.
    pub data: LoggedModelData,
}

/// A logged model without its content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoggedModelInfo {
    /// Its id: `m-` and 32 hexadecimal digits.
    pub model_id: String,
    /// Its experiment's id.
    pub experiment_id: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    #[serde(deserialize_with = "int")]
    pub creation_timestamp_ms: i64,
    /// Where its files are.
    pub artifact_uri: String,
    /// How it stands.
    pub status: LoggedModelStatus,
    /// The run that made it.
    pub source_run_id: String,
    /// Its notes.
    pub tags: Vec<KeyValue>,
}

/// The content of a logged model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoggedModelData {
    /// Its settings.
    pub params: Vec<KeyValue>,
    /// Metrics that were logged with its id.
    pub metrics: Vec<Metric>,
}

/// A name in the registry, over versions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RegisteredModel {
    /// Its name.
    pub name: String,
    /// When it was created.
    #[serde(deserialize_with = "int")]
    pub creation_timestamp: i64,
    /// When it or a version of it changed last.
    #[serde(deserialize_with = "int")]
    pub last_updated_timestamp: i64,
    /// For people.
    pub description: String,
    /// Its notes.
    pub tags: Vec<KeyValue>,
    /// Names of versions.
    pub aliases: Vec<Alias>,
}

impl RegisteredModel {
    /// The version that an alias stands for.
    #[must_use]
    pub fn version_of(&self, alias: &str) -> Option<&str> {
        let is_it = |entry: &&Alias| entry.alias == alias;
        self.aliases.iter().find(is_it).map(|entry| entry.version.as_str())
    }
}

/// A name of a version, that may move to another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Alias {
    /// Letters, digits, `-` and `_`.
    pub alias: String,
    /// The version's number.
    #[serde(deserialize_with = "text")]
    pub version: String,
}

/// A version to create.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewModelVersion {
    /// The registered model's name.
    pub name: String,
    /// Where the files are: `models:/m-…` with `model_id`, or an artifact URI inside the run's.
    pub source: String,
    /// The run that made it.
    pub run_id: Option<String>,
    /// The logged model that it is.
    pub model_id: Option<String>,
    /// For people.
    pub description: String,
    /// Its notes.
    pub tags: Vec<KeyValue>,
}

/// How a model version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ModelVersionStatus {
    /// It is being copied.
    #[serde(rename = "PENDING_REGISTRATION")]
    Pending,
    /// It could not be registered.
    #[serde(rename = "FAILED_REGISTRATION")]
    Failed,
    /// It can be used.
    #[default]
    #[serde(rename = "READY")]
    Ready,
}

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelVersion {
    /// The registered model's name.
    pub name: String,
    /// Its number, from 1.
    #[serde(deserialize_with = "text")]
    pub version: String,
    /// When it was created.
    #[serde(deserialize_with = "int")]
    pub creation_timestamp: i64,
    /// When it changed last.
    #[serde(deserialize_with = "int")]
    pub last_updated_timestamp: i64,
    /// Who created it.
    pub user_id: String,
    /// For people.
    pub description: String,
    /// Where its files are.
    pub source: String,
    /// The run that made it; empty if unknown.
    pub run_id: String,
    /// The logged model that it is; empty if none.
    pub model_id: String,
    /// How it stands.
    pub status: ModelVersionStatus,
    /// Its notes.
    pub tags: Vec<KeyValue>,
    /// The aliases that stand for it.
    pub aliases: Vec<String>,
}
