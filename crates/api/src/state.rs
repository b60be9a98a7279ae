//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use actix_web::http::header::HeaderValue;
use anyhow::Context as _;
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use fraud_core::{Decision, Transaction};

use crate::capture::Capture;
use crate::exposition::{Exposition, Kind};
use crate::metrics::Metrics;
use crate::model::Model;
use crate::routes::batch::UnderWay;
use crate::routes::predict::Answer;
use crate::security::Security;
use crate::traces::Traces;

/// The state of one application. Nothing of it is global.
pub(crate) struct State {
    serving: ArcSwap<Served>,
    /// Scores too, and is never in an answer.
    shadow: ArcSwapOption<Served>,
    pub(crate) metrics: Metrics,
    capture: Option<Capture>,
    pub(crate) security: Security,
    /// The export of spans, if there is a collector.
    pub(crate) traces: Option<Traces>,
    pub(crate) batches: UnderWay,
    stopping: AtomicBool,
}

/// The model that answers, with what is said of it in every answer.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) model: Model,
    /// `sha256:…` of its numbers.
    pub(crate) digest: String,
    /// Value of `X-Model-Version`: the version's number, or the digest of a model that is no version.
    pub(crate) version: HeaderValue,
    /// The same as a text.
    pub(crate) label: Arc<str>,
    /// Stored examples that scored here as in the trainer.
    pub(crate) checked: usize,
    loaded_at: SystemTime,
}

impl Served {
    /// Makes a model ready to serve, after a check that it scores here as it did in the trainer.
    ///
    /// # Errors
    ///
    /// If it does not, or its version cannot be said in a header.
    pub(crate) fn new(model: Model) -> anyhow::Result<Self> {
        let checked =
            model.artifact.self_check().with_context(|| format!("{} is refused", model.called))?;
        let digest = model.artifact.digest();
        let label: Arc<str> = model.version.as_deref().unwrap_or(&digest).into();
        let version = HeaderValue::from_str(&label)
            .with_context(|| format!("the version of {} is no text for a header", model.called))?;
        Ok(Self { model, digest, version, label, checked, loaded_at: SystemTime::now() })
    }

    /// Whether it is the same version of the same model.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (&self.digest, &self.version, &self.model.name)
            == (&other.digest, &other.version, &other.model.name)
    }

    /// What Prometheus reads of this model and of the one in the shadow.
    pub(crate) fn describe(&self, shadow: Option<&Self>, text: &mut Exposition) {
        let models = [("model_info", "The model that answers.", Some(self))];
        let shadows = [("shadow_model_info", "The model in the shadow.", shadow)];
        for (name, help, served) in models.into_iter().chain(shadows) {
            if let Some(served) = served {
                text.metric(name, Kind::Gauge, help);
                text.sample(name, &served.labels(), 1);
            }
        }
        let artifact = &self.model.artifact;
        let help = "Probability from which on a transaction is called fraud.";
        text.single("model_threshold", Kind::Gauge, help, artifact.threshold.value());
        let created = artifact.provenance.created_at.parse::<jiff::Timestamp>();
        if let Ok(created) = created {
            let help = "When the model that answers was trained, in seconds since 1970.";
            let seconds = created.as_second();
            text.single("model_created_timestamp_seconds", Kind::Gauge, help, seconds);
        }
        if let Ok(loaded) = self.loaded_at.duration_since(SystemTime::UNIX_EPOCH) {
            let help = "Since when the model answers, in seconds since 1970.";
            let seconds = loaded.as_secs_f64();
            text.single("model_loaded_timestamp_seconds", Kind::Gauge, help, seconds);
        }
    }

    fn labels(&self) -> [(&str, &str); 5] {
        let model = &self.model;
        [
            ("name", model.name.as_deref().unwrap_or(&model.called)),
            ("version", model.version.as_deref().unwrap_or_default()),
            ("alias", model.alias.as_deref().unwrap_or_default()),
            ("digest", &self.digest),
            ("source", &model.source),
        ]
    }

    /// A model for tests of what needs one.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/production");
        let artifact = fraud_core::ModelArtifact::load(&folder).unwrap();
        let called = "models/production".to_owned();
        let source = called.clone();
        let model = Model { artifact, called, name: None, version: None, alias: None, source };
        Self::new(model).unwrap()
    }
}

impl State {
    pub(crate) fn new(served: Served, metrics: Metrics, security: Security) -> Self {
        Self {
            serving: ArcSwap::from_pointee(served),
            shadow: ArcSwapOption::empty(),
            metrics,
            security,
            capture: None,
            traces: None,
            batches: UnderWay::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Has what is scored captured.
    pub(crate) fn with_capture(self, capture: Option<Capture>) -> Self {
        Self { capture, ..self }
    }

    /// Has requests traced.
    pub(crate) fn with_traces(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// What Prometheus reads.
    pub(crate) fn render(&self) -> String {
        self.metrics.render(&self.served(), self.shadow().as_deref())
    }

    /// Captures a scored transaction, if that is asked for. Never waits.
    fn capture(&self, transaction: &Transaction, decision: Decision, served: &Served) {
        if let Some(capture) = &self.capture {
            capture.offer(transaction, decision.probability, decision.fraud, served);
        }
    }

    /// The model to answer one request with. Asked once a request: a reload in between must not mix
    /// two models in one answer.
    pub(crate) fn served(&self) -> Guard<Arc<Served>> {
        self.serving.load()
    }

    /// As [`State::served`], to be kept over many requests' time.
    pub(crate) fn served_for_long(&self) -> Arc<Served> {
        self.serving.load_full()
    }

    /// Scores a transaction for somebody who asked for it: the answer, and all that is counted, compared
    /// and kept of it.
    pub(crate) fn score(&self, served: &Served, transaction: &Transaction) -> Answer {
        let artifact = &served.model.artifact;
        let decision = artifact.decide(transaction);
        self.metrics.predicted(decision.probability, decision.fraud);
        self.capture(transaction, decision, served);
        if let Some(shadow) = &*self.shadow.load() {
            let other = shadow.model.artifact.decide(transaction);
            let difference = (other.probability - decision.probability).abs();
            self.metrics.shadowed(other.fraud == decision.fraud, difference);
        }
        Answer::of(decision, artifact.threshold)
    }

    /// Lets another model answer from the next request on.
    pub(crate) fn serve(&self, served: Served) {
        self.serving.store(Arc::new(served));
    }

    /// The model in the shadow.
    pub(crate) fn shadow(&self) -> Option<Arc<Served>> {
        self.shadow.load_full()
    }

    /// Puts a model into the shadow, in place of one that may be there.
    pub(crate) fn set_shadow(&self, served: Served) {
        self.shadow.store(Some(Arc::new(served)));
    }

    /// Says that no new work should come.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
