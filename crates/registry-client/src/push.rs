//! Runs, models and versions of one store, copied to another.
//!
//! What is copied is found again by its tag [`LOCAL_ID`], so a copy that was cut off is gone on with,
//! and one that is complete is left as it is: however often the same is pushed, it is there once.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::CHAMPION;
use crate::artifact_path::join;
use crate::error::Error;
use crate::store::Store;
use crate::tags::{
    CHAMPION_VERSION, LOCAL_ID, NO_CHAMPION, PREVIOUS_CHAMPION, PROMOTED_AT, PUSHED, REQUEST_ID,
    ROLLED_BACK_AT,
};
use crate::types::{
    Batch, FileInfo, KeyValue, LoggedModel, LoggedModelStatus, ModelVersion, NewLoggedModel,
    NewModelVersion, NewRun, RegisteredModel, Run, RunSearch, value_of,
};
use crate::uri::list_recursively;

/// The file of a model that says where it is.
const MLMODEL: &str = "MLmodel";

/// How a run was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not in the other store.
    Copied,
    /// It was there in part, or has changed since.
    Completed,
    /// It was there as a whole.
    Unchanged,
    /// It goes on, and is not copied before it has ended.
    StillRunning,
}

/// A run, and where it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct PushedRun {
    /// The run as it is in the store that it comes from.
    pub run: Run,
    /// Its id in the other store; empty if it still runs.
    pub run_id: String,
    /// What was done.
    pub outcome: Outcome,
    /// The versions that it made.
    pub versions: Vec<PushedVersion>,
}

/// A version, and where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedVersion {
    /// The registered model's name.
    pub name: String,
    /// Its number in the store that it comes from.
    pub local: String,
    /// Its number in the other store.
    pub version: String,
}

/// An alias that stands for another version in the other store, and was left there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAlias {
    /// The registered model's name.
    pub name: String,
    /// The alias.
    pub alias: String,
    /// The version that it stands for in the other store.
    pub version: String,
    /// The version that it would stand for.
    pub instead_of: String,
}

/// Copies runs with all that belongs to them: parameters, measures with their history, tags, data sets,
/// artifacts, logged models, versions and aliases.
///
/// An alias that the other store does not have is set. One that it has moves on only from a version
/// that was pushed before to a later one of the same store, and [`CHAMPION`] not at all: what is in
/// production is decided there. With [`Push::force_aliases`] each stands for what it stands for here.
///
/// ```no_run
/// use fraud_registry::types::RunSearch;
/// use fraud_registry::{LocalStore, MlflowServer, ServerConfig, Store, push::Push};
///
/// # async fn example() -> Result<(), fraud_registry::Error> {
/// let local = LocalStore::open("models/registry")?;
/// let server = MlflowServer::new(ServerConfig::new("http://127.0.0.1:5000")?)?;
/// let mut push = Push::new(&local, &server).await?;
/// for run in local.search_runs(&RunSearch::default()).await?.iter().rev() {
///     println!("{:?}", push.run(run).await?.outcome);
/// }
/// push.aliases().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Push<'a> {
    from: &'a dyn Store,
    to: &'a dyn Store,
    /// Whether an alias moves from whatever it stands for in the other store.
    pub force_aliases: bool,
    /// Names of experiments, by id in the store that the runs come from.
    experiments: BTreeMap<String, String>,
    /// All versions of the store that the runs come from, the first first.
    versions: Vec<ModelVersion>,
    pushed: Vec<PushedVersion>,
    /// Where files are on their way.
    folder: TempDir,
    /// Whether a run is being created, and not said yet to have ended.
    creating: watch::Sender<bool>,
}

impl<'a> Push<'a> {
    /// Looks at what there is in `from`.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or no temporary folder can be made.
    pub async fn new(from: &'a dyn Store, to: &'a dyn Store) -> Result<Self, Error> {
        let experiments = from.experiments().await?;
        let mut versions = from.versions(None).await?;
        versions.reverse();
        let folder = tempfile::Builder::new()
            .prefix("fraud-registry-")
            .tempdir()
            .map_err(Error::file("make", std::env::temp_dir()))?;
        Ok(Self {
            from,
            to,
            force_aliases: false,
            experiments: experiments.into_iter().map(|e| (e.experiment_id, e.name)).collect(),
            versions,
            pushed: Vec::new(),
            folder,
            creating: watch::Sender::new(false),
        })
    }

    /// Whether a run is being created in the other store. One whose [`Push::run`] is dropped while this
    /// is true may be left there as if it went on, until the same is pushed again.
    #[must_use]
    pub fn creating(&self) -> watch::Receiver<bool> {
        self.creating.subscribe()
    }

    /// Copies a run. Runs are to come in the order of their start, so that versions get their numbers
    /// in that order.
    ///
    /// # Errors
    ///
    /// If one of the stores fails. What has arrived stays there; the next time goes on with it.
    pub async fn run(&mut self, run: &Run) -> Result<PushedRun, Error> {
        let info = &run.info;
        let mut pushed = PushedRun {
            run: run.clone(),
            run_id: String::new(),
            outcome: Outcome::StillRunning,
            versions: Vec::new(),
        };
        if !info.status.is_end() {
            return Ok(pushed);
        }
        let models = self.models_of(run).await?;
        let versions: Vec<ModelVersion> =
            self.versions.iter().filter(|version| version.run_id == info.run_id).cloned().collect();
        let digest = digest(run, &models, &versions, &self.files_of(run, &models).await?);
        // Experiments that are deleted have runs, too.
        let experiment = self.experiments.get(&info.experiment_id).unwrap_or(&info.experiment_id);
        let experiment_id = self.to.experiment(experiment).await?.experiment_id;
        let there = self.find_run(&experiment_id, &info.run_id).await?;
        pushed.outcome = match &there {
            None => Outcome::Copied,
            Some(there) if value_of(&there.data.tags, PUSHED) == Some(&digest) => {
                Outcome::Unchanged
            }
            Some(_) => Outcome::Completed,
        };
        let target = match there {
            Some(run) => run,
            None => self.create_run(&experiment_id, run).await?,
        };
        pushed.run_id.clone_from(&target.info.run_id);
        if pushed.outcome != Outcome::Unchanged {
            self.content(run, &target, &models).await?;
        }
        for version in versions {
            pushed.versions.push(self.version(&version, &target, &models).await?);
        }
        if pushed.outcome != Outcome::Unchanged {
            let tags = vec![KeyValue::new(PUSHED, digest)];
            self.to.log_batch(&pushed.run_id, &Batch { tags, ..Batch::default() }).await?;
        }
        self.pushed.extend(pushed.versions.iter().cloned());
        Ok(pushed)
    }

    /// Sets the aliases of the versions that were pushed, and describes their models where the other
    /// store has no description. Those that were left as they are.
    ///
    /// # Errors
    ///
    /// If one of the stores fails.
    pub async fn aliases(&self) -> Result<Vec<KeptAlias>, Error> {
        let mut kept = Vec::new();
        let mut names: Vec<&str> = self.pushed.iter().map(|version| &*version.name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let here = self.from.registered_model(name).await?;
            let there = self.to.registered_model(name).await?;
            if there.description.is_empty() && !here.description.is_empty() {
                self.to.describe_model(name, &here.description).await?;
            }
            let tags: Vec<KeyValue> = here
                .tags
                .iter()
                .filter(|tag| value_of(&there.tags, &tag.key).is_none())
                .cloned()
                .collect();
            if !tags.is_empty() {
                self.to.tag_model(name, &tags).await?;
            }
            for entry in &here.aliases {
                kept.extend(self.alias(&there, &entry.alias, &entry.version).await?);
            }
        }
        Ok(kept)
    }

    async fn alias(
        &self,
        there: &RegisteredModel,
        alias: &str,
        local: &str,
    ) -> Result<Option<KeptAlias>, Error> {
        let is_it = |version: &&PushedVersion| version.name == there.name && version.local == local;
        // The alias of a version that is not pushed now stays for when it is.
        let Some(ours) = self.pushed.iter().find(is_it) else { return Ok(None) };
        let current = there.version_of(alias);
        let moves = match current {
            None => true,
            Some(current) if current == ours.version => return Ok(None),
            Some(_) if self.force_aliases => true,
            Some(_) if alias == CHAMPION => false,
            Some(current) => {
                let current = self.to.version(&there.name, current).await?;
                let before = value_of(&current.tags, LOCAL_ID).and_then(number_of);
                let is_ours = self.versions.iter().any(|version| {
                    version.name == there.name
                        && Some(&*local_id(version)) == value_of(&current.tags, LOCAL_ID)
                });
                is_ours && before < local.parse().ok()
            }
        };
        if moves {
            if alias == CHAMPION {
                self.champions(&there.name).await?;
            }
            self.to.set_alias(&there.name, alias, &ours.version).await?;
            return Ok(None);
        }
        Ok(Some(KeptAlias {
            name: there.name.clone(),
            alias: alias.to_owned(),
            version: current.unwrap_or_default().to_owned(),
            instead_of: ours.version.clone(),
        }))
    }

    /// Tags the versions that were champions as such, for the rollback that may follow.
    async fn champions(&self, name: &str) -> Result<(), Error> {
        for pushed in self.pushed.iter().filter(|version| version.name == name) {
            let Some(version) =
                self.versions.iter().find(|v| v.name == name && v.version == pushed.local)
            else {
                continue;
            };
            let of_champions = [PREVIOUS_CHAMPION, PROMOTED_AT, ROLLED_BACK_AT];
            let tags: Vec<KeyValue> = version
                .tags
                .iter()
                .filter(|tag| of_champions.contains(&&*tag.key))
                .filter_map(|tag| self.renumbered(name, tag))
                .collect();
            if !tags.is_empty() {
                self.to.tag_version(name, &pushed.version, &tags).await?;
            }
        }
        Ok(())
    }

    /// A tag as it reads in the other store, where versions have other numbers; `None` if it names one
    /// that has not been pushed.
    fn renumbered(&self, name: &str, tag: &KeyValue) -> Option<KeyValue> {
        if ![PREVIOUS_CHAMPION, CHAMPION_VERSION].contains(&&*tag.key) || tag.value == NO_CHAMPION {
            return Some(tag.clone());
        }
        let is_it = |version: &&PushedVersion| version.name == name && version.local == tag.value;
        let version = &self.pushed.iter().find(is_it)?.version;
        Some(KeyValue::new(&tag.key, version))
    }

    /// The tags of a run, logged model or version without those that hold in one store only.
    fn lasting(&self, name: Option<&str>, tags: &[KeyValue]) -> Vec<KeyValue> {
        let gone = [PREVIOUS_CHAMPION, PROMOTED_AT, ROLLED_BACK_AT, REQUEST_ID, PUSHED, LOCAL_ID];
        tags.iter()
            .filter(|tag| !gone.contains(&&*tag.key))
            .filter_map(|tag| match name {
                Some(name) => self.renumbered(name, tag),
                None if tag.key == CHAMPION_VERSION => None,
                None => Some(tag.clone()),
            })
            .collect()
    }

    async fn models_of(&self, run: &Run) -> Result<Vec<LoggedModel>, Error> {
        let experiments = [run.info.experiment_id.clone()];
        let mut models = self.from.logged_models(&experiments).await?;
        let is_output = |model: &LoggedModel| {
            let id = &model.info.model_id;
            run.outputs.model_outputs.iter().any(|output| output.model_id == *id)
        };
        models.retain(|model| model.info.source_run_id == run.info.run_id || is_output(model));
        models.reverse();
        Ok(models)
    }

    /// All files of a run and its models.
    async fn files_of(&self, run: &Run, models: &[LoggedModel]) -> Result<Vec<FileInfo>, Error> {
        let mut files = list_recursively(self.from, &run.info.artifact_uri, "").await?;
        for model in models {
            files.extend(list_recursively(self.from, &model.info.artifact_uri, "").await?);
        }
        Ok(files)
    }

    async fn find_run(&self, experiment_id: &str, local: &str) -> Result<Option<Run>, Error> {
        let search = RunSearch {
            experiment_ids: vec![experiment_id.to_owned()],
            tags: vec![KeyValue::new(LOCAL_ID, local)],
            limit: Some(1),
            ..RunSearch::default()
        };
        Ok(self.to.search_runs(&search).await?.pop())
    }

    async fn create_run(&self, experiment_id: &str, run: &Run) -> Result<Run, Error> {
        let info = &run.info;
        let mut tags = self.lasting(None, &run.data.tags);
        tags.push(KeyValue::new(LOCAL_ID, &info.run_id));
        let new = NewRun {
            experiment_id: experiment_id.to_owned(),
            name: info.run_name.clone(),
            tags,
            start_time: Some(info.start_time),
        };
        self.creating.send_replace(true);
        let created = async {
            let created = self.to.create_run(&new).await?;
            // At once: if this is cut off, no run is left that seems to go on.
            self.end(&created, run).await?;
            Ok(created)
        };
        let created = created.await;
        self.creating.send_replace(false);
        created
    }

    async fn end(&self, target: &Run, run: &Run) -> Result<(), Error> {
        self.to.update_run(&target.info.run_id, run.info.status, Some(run.info.end_time)).await
    }

    /// All but the versions of a run. The model first: measures refer to it.
    async fn content(&self, run: &Run, target: &Run, models: &[LoggedModel]) -> Result<(), Error> {
        let run_id = &target.info.run_id;
        self.end(target, run).await?;
        let mut ids = BTreeMap::new();
        for model in models {
            let copy = self.model(model, target).await?;
            ids.insert(model.info.model_id.clone(), copy);
        }
        let mut metrics = Vec::new();
        for latest in &run.data.metrics {
            metrics.extend(self.from.metric_history(&run.info.run_id, &latest.key).await?);
        }
        for metric in &mut metrics {
            // One that belongs to the model of another run belongs to this run alone now.
            metric.model_id = metric.model_id.take().and_then(|id| ids.get(&id).cloned());
        }
        let batch = Batch {
            metrics,
            params: run.data.params.clone(),
            tags: self.lasting(None, &run.data.tags),
        };
        self.to.log_batch(run_id, &batch).await?;
        self.to.log_inputs(run_id, &run.inputs.dataset_inputs).await?;
        self.files(&run.info.artifact_uri, &target.info.artifact_uri, &[]).await?;
        let outputs: Vec<String> = run
            .outputs
            .model_outputs
            .iter()
            .filter_map(|output| ids.get(&output.model_id).cloned())
            .collect();
        if !outputs.is_empty() {
            self.to.log_outputs(run_id, &outputs).await?;
        }
        Ok(())
    }

    /// Copies a logged model; its id in the other store.
    async fn model(&self, model: &LoggedModel, target: &Run) -> Result<String, Error> {
        let info = &model.info;
        let found = self.find_model(&info.model_id, target).await?;
        let copy = if let Some(copy) = found {
            copy
        } else {
            let mut tags = self.lasting(None, &info.tags);
            tags.push(KeyValue::new(LOCAL_ID, &info.model_id));
            let new = NewLoggedModel {
                experiment_id: target.info.experiment_id.clone(),
                name: info.name.clone(),
                source_run_id: target.info.run_id.clone(),
                params: model.data.params.clone(),
                tags,
            };
            self.to.create_logged_model(&new).await?
        };
        let stated = [
            (info.artifact_uri.as_str(), copy.info.artifact_uri.as_str()),
            (&info.model_id, &copy.info.model_id),
            (&info.source_run_id, &target.info.run_id),
        ];
        self.files(&info.artifact_uri, &copy.info.artifact_uri, &stated).await?;
        let status = match info.status {
            LoggedModelStatus::Ready => LoggedModelStatus::Ready,
            // Its writer was killed.
            _ => LoggedModelStatus::UploadFailed,
        };
        self.to.finish_logged_model(&copy.info.model_id, status).await?;
        Ok(copy.info.model_id)
    }

    async fn find_model(&self, local: &str, target: &Run) -> Result<Option<LoggedModel>, Error> {
        let experiments = [target.info.experiment_id.clone()];
        let models = self.to.logged_models(&experiments).await?;
        Ok(models.into_iter().find(|model| value_of(&model.info.tags, LOCAL_ID) == Some(local)))
    }

    /// Copies the files of an artifact root. In the one that says where it is, what it says is replaced.
    async fn files(&self, from: &str, to: &str, stated: &[(&str, &str)]) -> Result<(), Error> {
        for file in list_recursively(self.from, from, "").await? {
            let copy = self.folder.path().join("file");
            self.from.download_artifact(from, &file.path, &copy).await?;
            if file.path == MLMODEL {
                restate(&copy, stated)?;
            }
            self.to.upload_artifact(to, &file.path, &copy).await?;
            std::fs::remove_file(&copy).map_err(Error::file("remove", &copy))?;
        }
        Ok(())
    }

    /// Copies a version, unless it is there.
    async fn version(
        &self,
        version: &ModelVersion,
        target: &Run,
        models: &[LoggedModel],
    ) -> Result<PushedVersion, Error> {
        let name = &version.name;
        let id = local_id(version);
        self.to.register_model(name).await?;
        let there = self.to.versions(Some(name)).await?;
        let found = there.into_iter().find(|v| value_of(&v.tags, LOCAL_ID) == Some(&*id));
        let number = if let Some(found) = found {
            found.version
        } else {
            let model_id = match models.iter().find(|m| m.info.model_id == version.model_id) {
                Some(model) => self.find_model(&model.info.model_id, target).await?,
                None => None,
            }
            .map(|model| model.info.model_id);
            let mut tags = self.lasting(Some(name), &version.tags);
            tags.push(KeyValue::new(LOCAL_ID, &id));
            let new = NewModelVersion {
                name: name.clone(),
                source: self.source(version, model_id.as_deref(), target).await?,
                run_id: Some(target.info.run_id.clone()),
                model_id,
                description: version.description.clone(),
                tags,
            };
            self.to.create_version(&new).await?.version
        };
        Ok(PushedVersion { name: name.clone(), local: version.version.clone(), version: number })
    }

    /// Where the files of a version are in the other store.
    async fn source(
        &self,
        version: &ModelVersion,
        model_id: Option<&str>,
        target: &Run,
    ) -> Result<String, Error> {
        if let Some(model_id) = model_id {
            return Ok(format!("models:/{model_id}"));
        }
        // A folder among the artifacts of its run.
        let run = self.from.run(&version.run_id).await?;
        let below = version.source.strip_prefix(&run.info.artifact_uri).unwrap_or_default();
        Ok(join(&target.info.artifact_uri, below.trim_matches('/')))
    }
}

/// Replaces what a file says by what holds where it goes.
fn restate(file: &Path, stated: &[(&str, &str)]) -> Result<(), Error> {
    let mut text = std::fs::read_to_string(file).map_err(Error::file("read", file))?;
    for (from, to) in stated.iter().filter(|(from, _)| !from.is_empty()) {
        text = text.replace(from, to);
    }
    std::fs::write(file, text).map_err(Error::file("write", file))
}

/// Numbers are those of a store, so the model or run goes with them.
fn local_id(version: &ModelVersion) -> String {
    let of = if version.model_id.is_empty() { &version.run_id } else { &version.model_id };
    format!("{of}/{}", version.version)
}

fn number_of(local_id: &str) -> Option<u64> {
    local_id.rsplit_once('/')?.1.parse().ok()
}

/// Tells whether something has changed since the last time: of files, names and sizes. Aliases are not
/// part of it: they are set anew each time.
fn digest(
    run: &Run,
    models: &[LoggedModel],
    versions: &[ModelVersion],
    files: &[FileInfo],
) -> String {
    let versions: Vec<_> = versions.iter().map(local_id).collect();
    // What was read from JSON can be written as JSON.
    let text = serde_json::to_vec(&(run, models, versions, files)).unwrap_or_default();
    Sha256::digest(text)[..16].iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
