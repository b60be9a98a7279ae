//! Another model without a restart: on SIGHUP, and when the registry's alias has moved.
//!
//! What cannot be loaded, is refused, or fails its self-check leaves the old model in its place. No
//! request waits for a reload or sees two models.

use std::future::poll_fn;
use std::time::Duration;

use actix_web::rt::{self, signal::unix, task::JoinHandle};
use actix_web::web;
use clap::Args;
use fraud_registry::ModelUri;

use crate::config::Config;
use crate::model::{self, WhenOutOfReach};
use crate::state::{Served, State};

/// When and what to load while the service runs.
#[derive(Debug, Clone, Default, Args)]
pub struct ReloadArgs {
    /// Seconds between looks whether --model or --model-uri means another model now, as after a
    /// promotion. 0 never looks: then SIGHUP or a restart brings the new model. Each look costs the
    /// registry two small requests.
    #[arg(long, env = "FRAUD_API_RELOAD_INTERVAL", value_name = "SECONDS", default_value_t = 0)]
    pub reload_interval: u64,

    /// A second model that scores every transaction too, never in an answer: how often it agrees and
    /// how far its probabilities are off is in the metrics. Set it to
    /// `models:/fraud_detection_logreg@challenger` before a promotion.
    #[arg(long, env = "FRAUD_API_SHADOW_MODEL_URI", value_name = "URI")]
    pub shadow_model_uri: Option<ModelUri>,
}

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Another model answers now.
    Loaded,
    /// It is the same model.
    Unchanged,
    /// No model came, or one that is refused; the old one answers.
    Failed,
}

impl Outcome {
    pub(crate) const ALL: [Self; 3] = [Self::Loaded, Self::Unchanged, Self::Failed];

    /// Value of the label `outcome`.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// How long the start waits for the shadow.
const SHADOW_PATIENCE: Duration = Duration::from_secs(5);

/// Loads the shadow for the first time. One that is not there is no reason not to serve.
pub(crate) async fn start_shadow(config: &Config, state: &State) {
    if config.reload.shadow_model_uri.is_none() {
        return;
    }
    let loaded = shadow(config, state, WhenOutOfReach::UseCache);
    if rt::time::timeout(SHADOW_PATIENCE, loaded).await.is_err() {
        tracing::error!(
            "no shadow: the registry did not give it within {} s; SIGHUP and --reload-interval try \
             again",
            SHADOW_PATIENCE.as_secs()
        );
    }
}

/// Takes SIGHUP over, which ends the process else. To be called first: a signal that comes during the
/// start is heeded after it.
///
/// # Errors
///
/// If it cannot be listened to.
pub(crate) fn listen() -> std::io::Result<unix::Signal> {
    unix::signal(unix::SignalKind::hangup())
}

/// Reloads at each SIGHUP and at each interval, for as long as the service runs.
pub(crate) fn watch(
    config: Config,
    state: web::Data<State>,
    mut hangup: unix::Signal,
) -> JoinHandle<()> {
    rt::spawn(async move {
        let interval = config.reload.reload_interval;
        loop {
            let signalled = poll_fn(|context| hangup.poll_recv(context));
            if interval == 0 {
                signalled.await;
                tracing::info!("SIGHUP: looking for another model");
            } else {
                // The time runs out as often as the signal comes.
                let _ = rt::time::timeout(Duration::from_secs(interval), signalled).await;
            }
            reload(&config, &state).await;
            if config.reload.shadow_model_uri.is_some() {
                shadow(&config, &state, WhenOutOfReach::Fail).await;
            }
        }
    })
}

async fn reload(config: &Config, state: &State) {
    let loaded = model::load(config, WhenOutOfReach::Fail).await.and_then(Served::new);
    let outcome = match loaded {
        Ok(served) if served.is(&state.served()) => Outcome::Unchanged,
        Ok(served) => {
            let model = &served.model;
            let (name, version) = (&model.name, &model.version);
            let threshold = model.artifact.threshold;
            let (digest, source, checked) = (&served.digest, &model.source, served.checked);
            tracing::info!(
                name, version, digest, %threshold, source, checked, "another model answers now"
            );
            state.serve(served);
            Outcome::Loaded
        }
        Err(error) => {
            tracing::error!("the model stays as it is: {error:#}");
            Outcome::Failed
        }
    };
    state.metrics.reloaded(outcome);
}

async fn shadow(config: &Config, state: &State, when: WhenOutOfReach) {
    let Some(uri) = &config.reload.shadow_model_uri else { return };
    match model::from_uri(uri, config, when).await.and_then(Served::new) {
        Ok(served) => {
            if !state.shadow().is_some_and(|current| served.is(&current)) {
                let (version, digest) = (&served.model.version, &served.digest);
                tracing::info!(model = served.model.called, version, digest, "in the shadow");
                state.set_shadow(served);
            }
        }
        Err(error) => tracing::error!("the shadow stays as it is: {error:#}"),
    }
}
