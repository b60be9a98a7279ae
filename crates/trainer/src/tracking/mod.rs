//! Every training is a run in MLflow, or in the local store where no server is named.
//!
//! [`Tracking::start`] begins the run before the work; [`Tracking::record`] logs what came out of it
//! and registers the model; [`Tracking::end`] says how it went. Dropped without an end a run has
//! failed, and a signal kills it ([`kill_at_signal`]): it stays `RUNNING` only where the store cannot be
//! told, and then a warning says so.

mod content;
mod system;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use fraud_core::ModelArtifact;
use fraud_registry::tags::CHAMPION_VERSION;
use fraud_registry::types::{
    Batch, KeyValue, LoggedModelStatus, NewLoggedModel, NewModelVersion, NewRun, RegisteredModel,
    Run, RunStatus,
};
use fraud_registry::{CHALLENGER, CHAMPION, Error, ModelUri, RunSettings, Store};
use tokio::runtime::{Handle, Runtime};

use crate::mlflow_model::{self, Identity};
use crate::output::TemporaryFolder;
use crate::training::Training;
use system::SystemMetrics;

/// Experiment of the runs, if none is named.
const EXPERIMENT: &str = "fraud_detection";

/// What the logged model is called in its run.
const MODEL: &str = "model";

/// Where a run is noted.
#[derive(Debug, Args)]
pub struct TrackingArgs {
    /// Leave no trace of the run but the output folder. Set it for trials, and where nothing may be
    /// written beside the output
    #[arg(
        long,
        env = "FRAUD_TRAIN_NO_TRACKING",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub no_tracking: bool,

    /// Folder of the local store, which takes the run as long as `MLFLOW_TRACKING_URI` names no server.
    /// Set it when the trainer is not started from the root of the project
    #[arg(
        long,
        env = "FRAUD_REGISTRY",
        value_name = "DIR",
        default_value = fraud_registry::LOCAL_FOLDER
    )]
    pub registry: PathBuf,

    /// Experiment of the run, made if it is not there. Set it to keep trials apart
    #[arg(
        long,
        env = "MLFLOW_EXPERIMENT_NAME",
        value_name = "NAME",
        default_value = EXPERIMENT
    )]
    pub experiment: String,

    /// Name of the run; the store makes one up if not set. Set it to find the run again by eye
    #[arg(long, env = "FRAUD_TRAIN_RUN_NAME", value_name = "NAME")]
    pub run_name: Option<String>,

    /// Registered model that the model becomes a version of, with the alias "challenger". Set it for
    /// another market or card product
    #[arg(
        long,
        env = "FRAUD_TRAIN_REGISTERED_MODEL",
        value_name = "NAME",
        default_value = fraud_registry::MODEL_NAME
    )]
    pub registered_model: String,
}

/// The model in production, to compare with.
#[derive(Debug)]
pub struct Champion {
    /// Its version.
    pub version: String,
    /// The model.
    pub artifact: ModelArtifact,
}

/// A run under way.
#[derive(Debug)]
pub struct Tracking {
    runtime: Runtime,
    open: Arc<Open>,
    experiment_id: String,
    registered_model: String,
    system: SystemMetrics,
    run: Run,
}

/// What it takes to end a run, from any thread.
#[derive(Debug)]
struct Open {
    store: Arc<dyn Store>,
    run_id: String,
    handle: Handle,
    /// How the run has ended. Held while the store is told, so that whoever comes second waits for
    /// that, and tells it again if it failed.
    ended: tokio::sync::Mutex<Option<RunStatus>>,
}

/// The run that a signal has to end. Held while a run is begun: a signal then waits for its id.
static CURRENT: Mutex<Option<Arc<Open>>> = Mutex::new(None);

/// How long a signal waits for the run's end to be noted.
const PATIENCE: Duration = Duration::from_secs(5);

/// Marks the run under way as killed: for a signal, which ends the program next.
pub fn kill_at_signal() {
    let deadline = Instant::now() + PATIENCE;
    let current = loop {
        match CURRENT.try_lock() {
            Ok(current) => break current.clone(),
            Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner().clone(),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                tracing::warn!(
                    "the store has not answered: a run may have been begun that stays RUNNING"
                );
                break None;
            }
        }
    };
    if let Some(open) = current {
        let left = deadline.saturating_duration_since(Instant::now());
        let ended = open
            .handle
            .block_on(async { tokio::time::timeout(left, open.end(RunStatus::Killed)).await });
        if !matches!(ended, Ok(Ok(_))) {
            tracing::warn!("the run {} could not be marked as killed", open.run_id);
        }
    }
}

impl Open {
    fn new(store: Arc<dyn Store>, run_id: String, handle: Handle) -> Arc<Self> {
        Arc::new(Self { store, run_id, handle, ended: tokio::sync::Mutex::default() })
    }

    /// Notes how the run ended, and says how it has: the first end counts.
    async fn end(&self, status: RunStatus) -> Result<RunStatus, Error> {
        let mut ended = self.ended.lock().await;
        if let Some(ended) = *ended {
            return Ok(ended);
        }
        self.store.update_run(&self.run_id, status, None).await?;
        Ok(*ended.insert(status))
    }
}

/// What came out of a training.
#[derive(Debug)]
pub struct Recorded {
    /// The number of the registered version.
    pub version: String,
    /// The registered model's name.
    pub name: String,
    /// The run's name.
    pub run_name: String,
    /// The run's id.
    pub run_id: String,
    /// The store.
    pub location: String,
}

impl Tracking {
    /// Begins a run, or goes on with that of `MLFLOW_RUN_ID`. `params` are noted at once, so that a
    /// run that fails shows what was tried; `None` if no tracking is wanted.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached or refuses the run.
    pub fn start(args: &TrackingArgs, params: Vec<KeyValue>) -> anyhow::Result<Option<Self>> {
        if args.no_tracking {
            return Ok(None);
        }
        let store = fraud_registry::connect(&args.registry)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the thread that talks to the registry")?;
        let hint = "cannot note the run; --no-tracking trains without, and without \
                    MLFLOW_TRACKING_URI the local store is used";
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        let run = runtime.block_on(begin(&*store, args)).context(hint)?;
        let open = Open::new(store, run.info.run_id.clone(), runtime.handle().clone());
        // From here on a signal ends the run, and so does an error: dropped, the run has failed.
        *current = Some(Arc::clone(&open));
        drop(current);
        let tracking = Self {
            runtime,
            open,
            experiment_id: run.info.experiment_id.clone(),
            registered_model: args.registered_model.clone(),
            system: SystemMetrics::start(),
            run,
        };
        if RunSettings::from_env().run_id.is_some() {
            let open = &tracking.open;
            let running = open.store.update_run(&open.run_id, RunStatus::Running, None);
            tracking.runtime.block_on(running).context(hint)?;
        }
        let batch = Batch { params, tags: content::tags(), ..Batch::default() };
        let noted = tracking.open.store.log_batch(&tracking.open.run_id, &batch);
        tracking.runtime.block_on(noted).context(hint)?;
        Ok(Some(tracking))
    }

    /// The model that has the alias "champion", if there is one that can be read.
    #[must_use]
    pub fn champion(&self) -> Option<Champion> {
        let name = self.registered_model.clone();
        let load = async {
            let uri = ModelUri::Alias { name, alias: CHAMPION.to_owned() };
            let resolved = uri.resolve(&*self.open.store).await?;
            let folder = TemporaryFolder::create().map_err(|cause| Error::File {
                action: "make",
                path: std::env::temp_dir(),
                cause,
            })?;
            let artifact = resolved.download_model(&*self.open.store, folder.path()).await?;
            let version = resolved.version.map(|version| version.version).unwrap_or_default();
            Ok(Champion { version, artifact })
        };
        match self.runtime.block_on(load) {
            Ok(champion) => Some(champion),
            Err(Error::NotFound { .. }) => None,
            Err(error) => {
                tracing::warn!("the champion is not compared with: {error}");
                None
            }
        }
    }

    /// Logs measures, data sets and files of a training, and registers the model in `folder` as the
    /// challenger.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached or refuses something; what has arrived stays there, and the run
    /// of that id can be gone on with.
    pub fn record(
        &self,
        training: &Training,
        champion: Option<&Champion>,
        params: Vec<KeyValue>,
        folder: &Path,
        files: &[&str],
    ) -> anyhow::Result<Recorded> {
        self.runtime
            .block_on(self.send(training, champion, params, folder, files))
            .with_context(|| {
                format!(
                    "the model is in {}, but the run {} could not be recorded; when the registry is \
                     back, the same command with MLFLOW_RUN_ID={} and --force goes on with it",
                    folder.display(),
                    self.run.info.run_name,
                    self.open.run_id
                )
            })
    }

    async fn send(
        &self,
        training: &Training,
        champion: Option<&Champion>,
        params: Vec<KeyValue>,
        folder: &Path,
        files: &[&str],
    ) -> anyhow::Result<Recorded> {
        let store = &*self.open.store;
        let run_id = &self.open.run_id;
        let found = content::found(training);
        let all_params = params.into_iter().chain(found.iter().cloned()).collect();
        let mut tags = content::model_tags(training);
        if let Some(champion) = champion.filter(|_| training.baseline.is_some()) {
            tags.push(KeyValue::new(CHAMPION_VERSION, &champion.version));
        }
        let inputs = content::datasets(training);
        store.log_inputs(run_id, &inputs).await?;

        let model = self.logged_model(all_params, &tags).await?;
        let mut metrics = content::metrics(training);
        let validation = &inputs[inputs.len() - 1].dataset;
        for metric in &mut metrics {
            metric.model_id = Some(model.model_id.clone());
            metric.dataset_name = Some(validation.name.clone());
            metric.dataset_digest = Some(validation.digest.clone());
        }
        metrics.extend(content::path_metrics(training));
        metrics.extend(content::baseline_metrics(training));
        // The same at every attempt: a run that is gone on with says the same again, which counts once.
        for metric in &mut metrics {
            metric.timestamp = self.run.info.start_time;
        }
        metrics.extend(self.system.take());
        let note = KeyValue::new("mlflow.note.content", content::note(training));
        let run_tags = tags.iter().cloned().chain([note]).collect();
        store.log_batch(run_id, &Batch { metrics, params: found, tags: run_tags }).await?;

        for name in files.iter().filter(|name| content::is_for_people(name)) {
            store.upload_artifact(&self.run.info.artifact_uri, name, &folder.join(name)).await?;
        }
        self.upload_model(training, &model.model_id, &model.artifact_uri, folder, files).await?;
        let ready = LoggedModelStatus::Ready;
        store.finish_logged_model(&model.model_id, ready).await?;
        store.log_outputs(run_id, std::slice::from_ref(&model.model_id)).await?;
        let version = self.register(training, &model.model_id, tags).await?;
        Ok(Recorded {
            version,
            name: self.registered_model.clone(),
            run_name: self.run.info.run_name.clone(),
            run_id: run_id.clone(),
            location: store.location(),
        })
    }

    /// The run's logged model: a new one, or the one that an earlier attempt has begun.
    async fn logged_model(
        &self,
        params: Vec<KeyValue>,
        tags: &[KeyValue],
    ) -> anyhow::Result<fraud_registry::types::LoggedModelInfo> {
        let store = &*self.open.store;
        let experiments = [self.experiment_id.clone()];
        let resumed = RunSettings::from_env().run_id.is_some();
        if resumed {
            let all = store.logged_models(&experiments).await?;
            let ours = |model: &fraud_registry::types::LoggedModel| {
                model.info.source_run_id == self.open.run_id && model.info.name == MODEL
            };
            if let Some(model) = all.into_iter().find(ours) {
                return Ok(model.info);
            }
        }
        let model = NewLoggedModel {
            experiment_id: self.experiment_id.clone(),
            name: MODEL.to_owned(),
            source_run_id: self.open.run_id.clone(),
            params,
            tags: tags.to_vec(),
        };
        Ok(store.create_logged_model(&model).await?.info)
    }

    /// Uploads the files of the folder, those that state where they are in the form that does.
    async fn upload_model(
        &self,
        training: &Training,
        model_id: &str,
        artifact_uri: &str,
        folder: &Path,
        files: &[&str],
    ) -> anyhow::Result<()> {
        let store = &*self.open.store;
        let identity = Identity {
            model_id: Some(model_id.to_owned()),
            run_id: Some(self.open.run_id.clone()),
            artifact_path: Some(artifact_uri.to_owned()),
        };
        let stated = mlflow_model::files(&training.artifact, &identity)?;
        let temporary = TemporaryFolder::create().context("cannot make a temporary folder")?;
        for name in files {
            let path = match stated.iter().find(|(stated, _)| stated == name) {
                Some((_, bytes)) => {
                    let path = temporary.path().join(name);
                    std::fs::write(&path, bytes)
                        .with_context(|| format!("cannot write {}", path.display()))?;
                    path
                }
                None => folder.join(name),
            };
            store.upload_artifact(artifact_uri, name, &path).await?;
        }
        Ok(())
    }

    /// Makes the model a version of the registered model, and that the challenger.
    async fn register(
        &self,
        training: &Training,
        model_id: &str,
        tags: Vec<KeyValue>,
    ) -> anyhow::Result<String> {
        let store = &*self.open.store;
        let name = &self.registered_model;
        let RegisteredModel { description, .. } = store.register_model(name).await?;
        if description.is_empty() {
            store.describe_model(name, content::DESCRIPTION).await?;
        }
        let known = store.versions(Some(name)).await?;
        let known = known.into_iter().find(|version| version.model_id == model_id);
        let version = if let Some(version) = known {
            version
        } else {
            let version = NewModelVersion {
                name: name.clone(),
                source: format!("models:/{model_id}"),
                run_id: Some(self.open.run_id.clone()),
                model_id: Some(model_id.to_owned()),
                description: content::note(training),
                tags,
            };
            store.create_version(&version).await?
        };
        store.set_alias(name, CHALLENGER, &version.version).await?;
        Ok(version.version)
    }

    /// Notes how the run ended.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached, or a signal has ended the run already.
    pub fn end(self, status: RunStatus) -> anyhow::Result<()> {
        let run_id = &self.open.run_id;
        let ended = self.runtime.block_on(self.open.end(status));
        let ended = ended.with_context(|| format!("cannot note the end of the run {run_id}"))?;
        if ended != status {
            bail!("the run {run_id} was ended before: {ended}");
        }
        Ok(())
    }
}

/// Starts a run, or goes on with that of `MLFLOW_RUN_ID`.
async fn begin(store: &dyn Store, args: &TrackingArgs) -> Result<Run, Error> {
    if let Some(run_id) = RunSettings::from_env().run_id {
        return store.run(&run_id).await;
    }
    let run = NewRun {
        experiment_id: store.experiment(&args.experiment).await?.experiment_id,
        name: args.run_name.clone().unwrap_or_default(),
        ..NewRun::default()
    };
    store.create_run(&run).await
}

impl Drop for Tracking {
    fn drop(&mut self) {
        if let Err(error) = self.runtime.block_on(self.open.end(RunStatus::Failed)) {
            tracing::warn!("the run {} could not be marked as failed: {error}", self.open.run_id);
        }
        // Not before: until the store knows, a signal is to find the run.
        CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
