//! A real server with a small model, and a method for each request that can be made to it.

use std::path::Path;

use fraud_api::{Application, CaptureArgs, Config, SecurityArgs};
use fraud_core::{
    FEATURES, LogisticModel, ModelArtifact, N_FEATURES, Provenance, StandardScaler, Threshold,
};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A server on a free port, in the runtime of the test; it ends with the test.
pub(crate) struct TestApp {
    pub(crate) address: String,
    client: Client,
    _model: Option<TempDir>,
}

impl TestApp {
    /// Serves [`amount_model`].
    pub(crate) async fn spawn() -> Self {
        Self::serving(&amount_model()).await
    }

    pub(crate) async fn serving(artifact: &ModelArtifact) -> Self {
        let model = model_directory(artifact);
        let app = Self::with(config(model.path())).await;
        Self { _model: Some(model), ..app }
    }

    /// Serves as configured.
    pub(crate) async fn with(config: Config) -> Self {
        // Built with the whole workspace, reqwest has TLS without a provider of its own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let app = Application::build(config).await.unwrap();
        let address = format!("http://127.0.0.1:{}", app.port());
        actix_web::rt::spawn(app.run_until_stopped());
        Self { address, client: Client::new(), _model: None }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.address))
    }

    pub(crate) async fn send(&self, method: &str, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    pub(crate) async fn predict(&self, transaction: &Value) -> Response {
        self.request("POST", "/predict").json(transaction).send().await.unwrap()
    }

    /// Posts bytes as they are.
    pub(crate) async fn predict_raw(
        &self,
        content_type: Option<&str>,
        body: impl Into<Vec<u8>>,
    ) -> Response {
        let mut request = self.request("POST", "/predict").body(body.into());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        request.send().await.unwrap()
    }

    /// The lines of `/metrics` but for comments.
    pub(crate) async fn samples(&self) -> Vec<String> {
        let text = self.send("GET", "/metrics").await.text().await.unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }
}

/// One worker on a free port of this machine.
pub(crate) fn config(model: &Path) -> Config {
    Config {
        model: model.to_owned(),
        model_uri: None,
        registry: "absent".into(),
        model_cache: "".into(),
        host: "127.0.0.1".to_owned(),
        port: 0,
        workers: Some(1),
        shutdown_timeout: 5,
        reload: fraud_api::config::ReloadArgs::default(),
        batch: fraud_api::config::BatchArgs::default(),
        capture: CaptureArgs::default(),
        log: "info".to_owned(),
        log_format: fraud_api::telemetry::LogFormat::Text,
        traces: fraud_api::TraceArgs::default(),
        security: SecurityArgs::default(),
    }
}

/// A directory with the artifact in it.
pub(crate) fn model_directory(artifact: &ModelArtifact) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("model.json"), artifact.to_json()).unwrap();
    directory
}

/// A model whose log-odds are `Amount − 100`: probability 0.5 at 100, where its threshold is.
pub(crate) fn amount_model() -> ModelArtifact {
    let mut coefficients = [0.0; N_FEATURES];
    coefficients[N_FEATURES - 1] = 1.0;
    let scaler = StandardScaler::new([0.0; N_FEATURES], [1.0; N_FEATURES]).unwrap();
    ModelArtifact {
        model: LogisticModel::new(scaler, coefficients, -100.0).unwrap(),
        threshold: Threshold::new(0.5).unwrap(),
        provenance: Provenance::default(),
    }
}

/// The README's example: Time 0, V1 to V28 0.1, Amount 100.
pub(crate) fn example() -> Map<String, Value> {
    FEATURES
        .into_iter()
        .map(|name| {
            let value = match name {
                "Time" => json!(0),
                "Amount" => json!(100),
                _ => json!(0.1),
            };
            (name.to_owned(), value)
        })
        .collect()
}

/// The example with one field changed.
pub(crate) fn example_with(field: &str, value: Value) -> Value {
    let mut transaction = example();
    transaction.insert(field.to_owned(), value);
    transaction.into()
}
