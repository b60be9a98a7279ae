//! The local store: a folder that people can read, and that survives a crash.
//!
//! ```text
//! format.json                                 {"format": "fraud-registry/1"}
//! experiments/<number>.json
//! runs/<run id>/run.json                      state, params, tags, metrics with history, data sets, models
//! runs/<run id>/active                        locked by the process that runs it
//! runs/<run id>/artifacts/…
//! logged-models/<model id>/model.json
//! logged-models/<model id>/artifacts/…
//! registered/<name>/model.json                description, tags, aliases
//! registered/<name>/versions/<number>.json
//! .lock, .tmp/                                the writer's lock, and files that are being written
//! ```
//!
//! Each file is written under another name, flushed to the disk and renamed, so it is there as a whole
//! or not at all. What refers to something is written after it. Writers exclude each other by the lock
//! on `.lock`; readers need none.
//!
//! An artifact URI is `local:` and the path in the store (`local:runs/<run id>/artifacts`, and what
//! is below it): the store can be moved or copied as a folder, and its URIs hold.

mod active;
mod artifacts;
mod experiments;
mod folder;
mod logged;
mod names;
mod registered;
mod runs;
#[cfg(test)]
mod tests;
mod versions;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::active::ActiveRuns;
use self::folder::Folder;
use crate::error::Error;
use crate::store::Store;
use crate::types::{
    Batch, DatasetInput, Experiment, FileInfo, KeyValue, LoggedModel, LoggedModelStatus, Metric,
    ModelVersion, NewLoggedModel, NewModelVersion, NewRun, RegisteredModel, Run, RunSearch,
    RunStatus,
};

/// How long a writer waits for another.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Experiments, runs, models and versions in a folder: what there is without a server.
///
/// Any number of processes may read and write it at the same time. A process that is killed at any
/// moment leaves it readable, with everything whose write had returned. Its runs then show as
/// [`RunStatus::Killed`], since a run shows as [`RunStatus::Running`] only as long as the store that
/// created it, or set it running, lives.
///
/// Besides the errors of [`Store`], calls fail with [`Error::File`] if the disk does, or another
/// process keeps the store locked for more than 30 seconds, and with [`Error::Damaged`] for a file
/// that does not hold what it should. Lists leave such files out with a warning. Calls need a tokio
/// runtime, whose blocking threads do the work.
#[derive(Debug)]
pub struct LocalStore {
    files: Arc<Files>,
}

/// The work itself, which blocks.
#[derive(Debug)]
struct Files {
    folder: Folder,
    active: ActiveRuns,
}

impl LocalStore {
    /// A store in a folder. One that is not there is an empty store; the first write makes it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read, holds something else than a store, or a store of a format that
    /// this version does not know.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::with_lock_wait(&folder.into(), LOCK_WAIT)
    }

    fn with_lock_wait(folder: &Path, wait: Duration) -> Result<Self, Error> {
        // The current folder may change while the store is open.
        let folder = std::path::absolute(folder).map_err(Error::file("find", folder))?;
        let folder = Folder::open(folder, wait)?;
        Ok(Self { files: Arc::new(Files { folder, active: ActiveRuns::default() }) })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let files = Arc::clone(&self.files);
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(error) => {
                Err(Error::file("work in", self.location())(std::io::Error::other(error)))
            }
        })
    }
}

impl Files {
    fn not_found(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::NotFound {
            what: what.into(),
            location: self.folder.location(),
            hint: hint.into(),
            answer: None,
        }
    }

    fn invalid(&self, what: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Invalid {
            what: what.into(),
            location: self.folder.location(),
            reason: reason.into(),
            answer: None,
        }
    }

    /// Refuses an entry without a key.
    fn check_not_empty(&self, kind: &str, key: &str) -> Result<(), Error> {
        if key.is_empty() {
            let what = format!("a {kind} without a key");
            return Err(self.invalid(what, "expected a key, not \"\""));
        }
        Ok(())
    }

    /// Refuses entries without a key, or with one that a server refuses: it is to be pushed one day.
    fn check_keys<'a>(
        &self,
        kind: &str,
        keys: impl IntoIterator<Item = &'a String>,
    ) -> Result<(), Error> {
        for key in keys {
            self.check_not_empty(kind, key)?;
            if !names::is_key(key) {
                let reason = "expected letters, digits, spaces and _ - . : /, and \"/\" between names \
                              none of which is empty, \".\" or \"..\", as a server does";
                return Err(self.invalid(format!("the {kind} {key:?}"), reason));
            }
        }
        Ok(())
    }
}

/// Leaves out of a list what is damaged, with a warning: the rest is of use.
fn readable<T>(entry: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match entry {
        Err(error @ Error::Damaged { .. }) => {
            tracing::warn!("left out: {error}");
            Ok(None)
        }
        entry => entry,
    }
}

/// Sets tags, the last of a key.
fn set_tags(tags: &mut Vec<KeyValue>, new: &[KeyValue]) {
    for tag in new {
        match tags.iter_mut().find(|old| old.key == tag.key) {
            Some(old) => old.value.clone_from(&tag.value),
            None => tags.push(tag.clone()),
        }
    }
}

/// Who runs this program, as far as the environment says.
fn user() -> String {
    let variable = |name| std::env::var(name).ok().filter(|user| !user.is_empty());
    variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "unknown".to_owned())
}

#[async_trait]
impl Store for LocalStore {
    fn location(&self) -> String {
        self.files.folder.location()
    }

    async fn experiment(&self, name: &str) -> Result<Experiment, Error> {
        let name = name.to_owned();
        self.blocking(move |files| files.experiment(&name)).await
    }

    async fn experiments(&self) -> Result<Vec<Experiment>, Error> {
        self.blocking(Files::experiments).await
    }

    async fn create_run(&self, run: &NewRun) -> Result<Run, Error> {
        let run = run.clone();
        self.blocking(move |files| files.create_run(run)).await
    }

    async fn update_run(
        &self,
        run_id: &str,
        status: RunStatus,
        end_time: Option<i64>,
    ) -> Result<(), Error> {
        let run_id = run_id.to_owned();
        self.blocking(move |files| files.update_run(&run_id, status, end_time)).await
    }

    async fn run(&self, run_id: &str) -> Result<Run, Error> {
        let run_id = run_id.to_owned();
        self.blocking(move |files| files.run(&run_id)).await
    }

    async fn search_runs(&self, search: &RunSearch) -> Result<Vec<Run>, Error> {
        let search = search.clone();
        self.blocking(move |files| files.search_runs(&search)).await
    }

    async fn log_batch(&self, run_id: &str, batch: &Batch) -> Result<(), Error> {
        let (run_id, batch) = (run_id.to_owned(), batch.clone());
        self.blocking(move |files| files.log_batch(&run_id, &batch)).await
    }

    async fn log_inputs(&self, run_id: &str, datasets: &[DatasetInput]) -> Result<(), Error> {
        let (run_id, datasets) = (run_id.to_owned(), datasets.to_vec());
        self.blocking(move |files| files.log_inputs(&run_id, &datasets)).await
    }

    async fn log_outputs(&self, run_id: &str, model_ids: &[String]) -> Result<(), Error> {
        let (run_id, model_ids) = (run_id.to_owned(), model_ids.to_vec());
        self.blocking(move |files| files.log_outputs(&run_id, &model_ids)).await
    }

    async fn metric_history(&self, run_id: &str, key: &str) -> Result<Vec<Metric>, Error> {
        let (run_id, key) = (run_id.to_owned(), key.to_owned());
        self.blocking(move |files| files.metric_history(&run_id, &key)).await
    }

    async fn upload_artifact(
        &self,
        artifact_uri: &str,
        path: &str,
        file: &Path,
    ) -> Result<(), Error> {
        let (uri, path, file) = (artifact_uri.to_owned(), path.to_owned(), file.to_owned());
        self.blocking(move |files| files.upload_artifact(&uri, &path, &file)).await
    }

    /// What is not there has nothing in it, as on a server.
    async fn list_artifacts(&self, artifact_uri: &str, path: &str) -> Result<Vec<FileInfo>, Error> {
        let (uri, path) = (artifact_uri.to_owned(), path.to_owned());
        self.blocking(move |files| files.list_artifacts(&uri, &path)).await
    }

    async fn download_artifact(
        &self,
        artifact_uri: &str,
        path: &str,
        to: &Path,
    ) -> Result<(), Error> {
        let (uri, path, to) = (artifact_uri.to_owned(), path.to_owned(), to.to_owned());
        self.blocking(move |files| files.download_artifact(&uri, &path, &to)).await
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<LoggedModel, Error> {
        let model = model.clone();
        self.blocking(move |files| files.create_logged_model(model)).await
    }

    async fn finish_logged_model(
        &self,
        model_id: &str,
        status: LoggedModelStatus,
    ) -> Result<LoggedModel, Error> {
        let model_id = model_id.to_owned();
        self.blocking(move |files| files.finish_logged_model(&model_id, status)).await
    }

    async fn logged_model(&self, model_id: &str) -> Result<LoggedModel, Error> {
        let model_id = model_id.to_owned();
        self.blocking(move |files| files.logged_model(&model_id)).await
    }

    async fn logged_models(&self, experiment_ids: &[String]) -> Result<Vec<LoggedModel>, Error> {
        let experiment_ids = experiment_ids.to_vec();
        self.blocking(move |files| files.logged_models(&experiment_ids)).await
    }

    async fn register_model(&self, name: &str) -> Result<RegisteredModel, Error> {
        let name = name.to_owned();
        self.blocking(move |files| files.register_model(&name)).await
    }

    async fn registered_model(&self, name: &str) -> Result<RegisteredModel, Error> {
        let name = name.to_owned();
        self.blocking(move |files| files.registered_model(&name)).await
    }

    async fn registered_models(&self) -> Result<Vec<RegisteredModel>, Error> {
        self.blocking(Files::registered_models).await
    }

    async fn describe_model(&self, name: &str, description: &str) -> Result<(), Error> {
        let (name, description) = (name.to_owned(), description.to_owned());
        self.blocking(move |files| files.describe_model(&name, description)).await
    }

    async fn tag_model(&self, name: &str, tags: &[KeyValue]) -> Result<(), Error> {
        let (name, tags) = (name.to_owned(), tags.to_vec());
        self.blocking(move |files| files.tag_model(&name, &tags)).await
    }

    async fn untag_model(&self, name: &str, key: &str) -> Result<(), Error> {
        let (name, key) = (name.to_owned(), key.to_owned());
        self.blocking(move |files| files.untag_model(&name, &key)).await
    }

    async fn create_version(&self, version: &NewModelVersion) -> Result<ModelVersion, Error> {
        let version = version.clone();
        self.blocking(move |files| files.create_version(version)).await
    }

    async fn version(&self, name: &str, version: &str) -> Result<ModelVersion, Error> {
        let (name, version) = (name.to_owned(), version.to_owned());
        self.blocking(move |files| files.version(&name, &version)).await
    }

    async fn version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion, Error> {
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.blocking(move |files| files.version_by_alias(&name, &alias)).await
    }

    async fn versions(&self, name: Option<&str>) -> Result<Vec<ModelVersion>, Error> {
        let name = name.map(str::to_owned);
        self.blocking(move |files| files.versions(name.as_deref())).await
    }

    async fn describe_version(
        &self,
        name: &str,
        version: &str,
        description: &str,
    ) -> Result<(), Error> {
        let (name, version) = (name.to_owned(), version.to_owned());
        let description = description.to_owned();
        self.blocking(move |files| files.describe_version(&name, &version, description)).await
    }

    async fn tag_version(&self, name: &str, version: &str, tags: &[KeyValue]) -> Result<(), Error> {
        let (name, version, tags) = (name.to_owned(), version.to_owned(), tags.to_vec());
        self.blocking(move |files| files.tag_version(&name, &version, &tags)).await
    }

    async fn untag_version(&self, name: &str, version: &str, key: &str) -> Result<(), Error> {
        let (name, version, key) = (name.to_owned(), version.to_owned(), key.to_owned());
        self.blocking(move |files| files.untag_version(&name, &version, &key)).await
    }

    async fn version_artifacts(&self, version: &ModelVersion) -> Result<String, Error> {
        let version = version.clone();
        self.blocking(move |files| files.version_artifacts(version)).await
    }

    async fn set_alias(&self, name: &str, alias: &str, version: &str) -> Result<(), Error> {
        let (name, alias, version) = (name.to_owned(), alias.to_owned(), version.to_owned());
        self.blocking(move |files| files.set_alias(&name, &alias, &version)).await
    }

    async fn delete_alias(&self, name: &str, alias: &str) -> Result<(), Error> {
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.blocking(move |files| files.delete_alias(&name, &alias)).await
    }
}
