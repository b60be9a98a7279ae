//! The interface that a tracking server and the local store have in common.

use std::fmt::Debug;
use std::path::Path;

use async_trait::async_trait;

use crate::error::Error;
use crate::types::{
    Batch, DatasetInput, Experiment, FileInfo, KeyValue, LoggedModel, LoggedModelStatus, Metric,
    ModelVersion, NewLoggedModel, NewModelVersion, NewRun, RegisteredModel, Run, RunSearch,
    RunStatus,
};

/// Experiments, runs, artifacts, logged models and the model registry.
///
/// All calls fail with [`Error::NotFound`] for what is not there, with [`Error::AlreadyExists`] and
/// [`Error::Invalid`] for what the store refuses, and otherwise as the store at hand can fail. A
/// creation that is cut off and repeated by the store itself creates one thing.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Where it is, for people: a URL without credentials, or a folder.
    fn location(&self) -> String;

    /// The experiment of a name, created if it is not there. Safe against others who do the same.
    async fn experiment(&self, name: &str) -> Result<Experiment, Error>;

    /// All active experiments.
    async fn experiments(&self) -> Result<Vec<Experiment>, Error>;

    /// Starts a run.
    async fn create_run(&self, run: &NewRun) -> Result<Run, Error>;

    /// Says how a run stands. With a state that ends it, `end_time` is when it ended; now if not set.
    async fn update_run(
        &self,
        run_id: &str,
        status: RunStatus,
        end_time: Option<i64>,
    ) -> Result<(), Error>;

    /// A run with the latest value of each metric.
    async fn run(&self, run_id: &str) -> Result<Run, Error>;

    /// Active runs, the latest start first.
    async fn search_runs(&self, search: &RunSearch) -> Result<Vec<Run>, Error>;

    /// Logs any number of metrics, parameters and tags. A parameter that is set to another value is
    /// [`Error::Invalid`]; the same metric value twice (key, step, time, value) is kept once.
    async fn log_batch(&self, run_id: &str, batch: &Batch) -> Result<(), Error>;

    /// Notes data sets that go into a run; one that is noted already stays once.
    async fn log_inputs(&self, run_id: &str, datasets: &[DatasetInput]) -> Result<(), Error>;

    /// Notes logged models that come out of a run.
    async fn log_outputs(&self, run_id: &str, model_ids: &[String]) -> Result<(), Error>;

    /// All values of a metric, in the order of steps and times.
    async fn metric_history(&self, run_id: &str, key: &str) -> Result<Vec<Metric>, Error>;

    /// Puts a file under an artifact root (a run's or logged model's `artifact_uri`) as `path`,
    /// folders separated by `/`; one that is there is replaced. Memory stays bounded whatever its size.
    async fn upload_artifact(
        &self,
        artifact_uri: &str,
        path: &str,
        file: &Path,
    ) -> Result<(), Error>;

    /// What is directly in a folder under an artifact root; `""` is the root. Paths count from the
    /// root.
    async fn list_artifacts(&self, artifact_uri: &str, path: &str) -> Result<Vec<FileInfo>, Error>;

    /// Writes an artifact to a file, which appears whole or not at all.
    async fn download_artifact(
        &self,
        artifact_uri: &str,
        path: &str,
        to: &Path,
    ) -> Result<(), Error>;

    /// Starts a logged model; it is pending until [`Store::finish_logged_model`].
    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<LoggedModel, Error>;

    /// Says that a logged model's files are there, or did not arrive.
    async fn finish_logged_model(
        &self,
        model_id: &str,
        status: LoggedModelStatus,
    ) -> Result<LoggedModel, Error>;

    /// A logged model.
    async fn logged_model(&self, model_id: &str) -> Result<LoggedModel, Error>;

    /// The logged models of some experiments, the latest first.
    async fn logged_models(&self, experiment_ids: &[String]) -> Result<Vec<LoggedModel>, Error>;

    /// The registered model of a name, created if it is not there. Safe against others who do the
    /// same.
    async fn register_model(&self, name: &str) -> Result<RegisteredModel, Error>;

    /// The registered model of a name.
    async fn registered_model(&self, name: &str) -> Result<RegisteredModel, Error>;

    /// All registered models, by name.
    async fn registered_models(&self) -> Result<Vec<RegisteredModel>, Error>;

    /// Changes the description of a registered model.
    async fn describe_model(&self, name: &str, description: &str) -> Result<(), Error>;

    /// Sets tags of a registered model.
    async fn tag_model(&self, name: &str, tags: &[KeyValue]) -> Result<(), Error>;

    /// Removes a tag of a registered model.
    async fn untag_model(&self, name: &str, key: &str) -> Result<(), Error>;

    /// Adds a version with the next number to a registered model.
    async fn create_version(&self, version: &NewModelVersion) -> Result<ModelVersion, Error>;

    /// A version by its number.
    async fn version(&self, name: &str, version: &str) -> Result<ModelVersion, Error>;

    /// The version that an alias stands for.
    async fn version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion, Error>;

    /// All versions of a registered model, the latest first; of all models for `None`.
    async fn versions(&self, name: Option<&str>) -> Result<Vec<ModelVersion>, Error>;

    /// Changes the description of a version.
    async fn describe_version(
        &self,
        name: &str,
        version: &str,
        description: &str,
    ) -> Result<(), Error>;

    /// Sets tags of a version.
    async fn tag_version(&self, name: &str, version: &str, tags: &[KeyValue]) -> Result<(), Error>;

    /// Removes a tag of a version.
    async fn untag_version(&self, name: &str, version: &str, key: &str) -> Result<(), Error>;

    /// The artifact root of a version's files.
    async fn version_artifacts(&self, version: &ModelVersion) -> Result<String, Error>;

    /// Lets an alias stand for a version, taking it from another.
    async fn set_alias(&self, name: &str, alias: &str, version: &str) -> Result<(), Error>;

    /// Removes an alias; one that is not there is no error.
    async fn delete_alias(&self, name: &str, alias: &str) -> Result<(), Error>;
}
