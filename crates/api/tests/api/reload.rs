//! Another model while the service runs: the real program, signals, a registry, requests all the time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fraud_core::{LogisticModel, ModelArtifact, ScoredExample};
use fraud_registry::types::{LoggedModelStatus, NewLoggedModel, NewModelVersion};
use fraud_registry::{LocalStore, Store as _};
use reqwest::Client;
use serde_json::{Value, json};

use crate::helpers::{amount_model, example_with, model_directory};

/// The model of the other tests, with another intercept.
fn artifact(intercept: f64) -> ModelArtifact {
    let model = amount_model().model;
    let model =
        LogisticModel::new(model.scaler().clone(), *model.coefficients(), intercept).unwrap();
    ModelArtifact { model, ..amount_model() }
}

struct Service {
    child: Child,
    url: String,
    client: Client,
}

impl Service {
    fn start(arguments: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fraud-api"))
            .args(["--host", "127.0.0.1", "--port", "0", "--workers", "2", "--log", "info"])
            .args(arguments)
            .env_remove("MLFLOW_TRACKING_URI")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("address=")).expect("it serves");
        let port = line.split("address=127.0.0.1:").nth(1).unwrap();
        let port = port.split_whitespace().next().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        // Read on, so that it never waits for its log to be read.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, client: Client::new() }
    }

    fn hangup(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "HUP", &id]).status().unwrap().success());
    }

    async fn get(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        answer.text().await.unwrap()
    }

    async fn model(&self) -> Value {
        serde_json::from_str(&self.get("/model").await).unwrap()
    }

    /// The value of a series; 0 if there is none.
    async fn sample(&self, series: &str) -> u64 {
        let text = self.get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(self).await {
            assert!(Instant::now() < deadline, "in vain: {what}");
            actix_web::rt::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &Path, text: &str) {
    // In one step, as a deployment does.
    let new = folder.join(".new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join("model.json")).unwrap();
}

const LOADED: &str = "model_reloads_total{outcome=\"loaded\"}";
const UNCHANGED: &str = "model_reloads_total{outcome=\"unchanged\"}";
const FAILED: &str = "model_reloads_total{outcome=\"failed\"}";

#[actix_web::test]
async fn a_signal_brings_the_new_model_and_no_bad_one() {
    let (first, second) = (artifact(-100.0), artifact(-200.0));
    let folder = model_directory(&first);
    let service = Service::start(&["--model", folder.path().to_str().unwrap()]);
    assert_eq!(service.model().await["digest"], first.digest());
    service.hangup();
    service.until("a reload", async |s| s.sample(UNCHANGED).await == 1).await;

    write(folder.path(), &second.to_json());
    service.hangup();
    service.until("the new model", async |s| s.model().await["digest"] == second.digest()).await;
    service.until("its count", async |s| s.sample(LOADED).await == 1).await;

    // Cut off; edited; and one whose stored probabilities do not come out.
    let third = artifact(-300.0).to_json();
    let mut wrong = artifact(-300.0);
    wrong.provenance.examples = ScoredExample::of(&wrong.model);
    wrong.provenance.examples[1].probability = 0.123;
    let refused = [third[..100].to_owned(), third.replace("-300.0", "-3.0"), wrong.to_json()];
    for (failed, text) in (1..).zip(refused) {
        write(folder.path(), &text);
        service.hangup();
        service.until("a refusal", async |s| s.sample(FAILED).await == failed).await;
        assert_eq!(service.model().await["digest"], second.digest());
    }
    write(folder.path(), &first.to_json());
    service.hangup();
    service.until("the old model", async |s| s.model().await["digest"] == first.digest()).await;
}

/// Registers a version with the next number and lets the alias stand for it.
async fn register(store: &LocalStore, folder: &Path, alias: &str, artifact: &ModelArtifact) {
    let name = "fraud_detection_logreg";
    let file = folder.join("upload");
    std::fs::write(&file, artifact.to_json()).unwrap();
    let experiment_id = store.experiment("e").await.unwrap().experiment_id;
    let new = NewLoggedModel { experiment_id, name: "model".into(), ..Default::default() };
    let logged = store.create_logged_model(&new).await.unwrap().info;
    store.upload_artifact(&logged.artifact_uri, "model.json", &file).await.unwrap();
    store.finish_logged_model(&logged.model_id, LoggedModelStatus::Ready).await.unwrap();
    store.register_model(name).await.unwrap();
    let version = NewModelVersion {
        name: name.into(),
        source: format!("models:/{}", logged.model_id),
        model_id: Some(logged.model_id),
        ..NewModelVersion::default()
    };
    let version = store.create_version(&version).await.unwrap().version;
    store.set_alias(name, alias, &version).await.unwrap();
}

#[actix_web::test]
async fn a_promotion_is_seen_and_a_challenger_scores_in_the_shadow() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("registry");
    let store = LocalStore::open(&registry).unwrap();
    register(&store, folder.path(), "champion", &artifact(-100.0)).await;
    register(&store, folder.path(), "challenger", &artifact(-102.0)).await;
    let service = Service::start(&[
        "--model-uri",
        "models:/fraud_detection_logreg@champion",
        "--shadow-model-uri",
        "models:/fraud_detection_logreg@challenger",
        "--registry",
        registry.to_str().unwrap(),
        "--model-cache",
        folder.path().join("cache").to_str().unwrap(),
        "--reload-interval",
        "1",
    ]);
    let predict = |amount: u32| {
        let body = example_with("Amount", json!(amount));
        service.client.post(format!("{}/predict", service.url)).json(&body).send()
    };
    // Log-odds 0, 1 and 50 here, and −2, −1 and 48 in the shadow: they agree on the last alone.
    for (amount, probability) in [(100, 0.5), (101, 0.7311), (150, 1.0)] {
        let answer = predict(amount).await.unwrap();
        assert_eq!(answer.headers()["x-model-version"], "1");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["fraud_probability"], probability);
    }
    let agreed = async |agree: &str| {
        service.sample(&format!("shadow_agreement_total{{agree=\"{agree}\"}}")).await
    };
    assert_eq!((agreed("false").await, agreed("true").await), (2, 1));
    assert_eq!(service.sample("shadow_score_difference_count").await, 3);

    store.set_alias("fraud_detection_logreg", "champion", "2").await.unwrap();
    service.until("the promotion", async |s| s.model().await["version"] == "2").await;
    assert_eq!(predict(100).await.unwrap().headers()["x-model-version"], "2");
    assert_eq!(service.model().await["alias"], "champion");

    // The registry is gone: the model stays, and that is counted.
    std::fs::rename(&registry, folder.path().join("elsewhere")).unwrap();
    service.until("a failure", async |s| s.sample(FAILED).await > 0).await;
    assert_eq!(predict(100).await.unwrap().headers()["x-model-version"], "2");
}

#[actix_web::test]
async fn under_load_each_answer_is_of_one_model_and_none_is_lost() {
    const ALTERNATIONS: usize = 100;
    let models = [artifact(-100.0), artifact(-101.0)];
    // What each of them answers for 101, by its digest.
    let expected: Vec<_> = models
        .iter()
        .zip([0.7311, 0.5])
        .map(|(model, probability)| (model.digest(), probability))
        .collect();
    let folder = model_directory(&models[0]);
    let service = Service::start(&["--model", folder.path().to_str().unwrap()]);
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let (client, url) = (service.client.clone(), format!("{}/predict", service.url));
            let expected = expected.clone();
            actix_web::rt::spawn(async move {
                let body = example_with("Amount", json!(101));
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.post(&url).json(&body).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    let version = answer.headers()["x-model-version"].to_str().unwrap().to_owned();
                    let answer: Value = answer.json().await.unwrap();
                    let which = expected.iter().position(|(digest, _)| *digest == version).unwrap();
                    assert_eq!(answer["fraud_probability"], expected[which].1, "{version}");
                    answered[which].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for alternation in 1..=ALTERNATIONS {
        let model = &models[alternation % 2];
        write(folder.path(), &model.to_json());
        service.hangup();
        let digest = model.digest();
        service.until("the other model", async |s| s.model().await["digest"] == digest).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    // The new model answers a moment before it is counted.
    service.until("the count", async |s| s.sample(LOADED).await == ALTERNATIONS as u64).await;
    let answered: Vec<u64> = answered.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert!(answered.iter().all(|count| *count > 0), "{answered:?}");
}
