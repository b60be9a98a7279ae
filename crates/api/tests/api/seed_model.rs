//! The production model of the Python system, brought into our form: the same answers.

use std::io::Write as _;
use std::path::Path;

use fraud_core::{FEATURES, LogisticModel, ModelArtifact, Provenance, StandardScaler, Threshold};
use serde_json::{Value, json};

use crate::helpers::{TestApp, example};

/// `expected/seed_model.json` of the reference figures, or `None` where they are not at hand.
fn seed_model() -> Option<ModelArtifact> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/expected/seed_model.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        // Past the test harness, which keeps what `eprintln!` prints.
        let mut stderr = std::io::stderr();
        let _ = writeln!(stderr, "skipped: {} is not here", file.display());
        return None;
    };
    let seed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(seed["features"], json!(FEATURES));
    let numbers = |value: &Value| serde_json::from_value::<Vec<f64>>(value.clone()).unwrap();
    let scaler = StandardScaler::new(
        numbers(&seed["scaler"]["mean"]).try_into().unwrap(),
        numbers(&seed["scaler"]["scale"]).try_into().unwrap(),
    );
    let coefficients = numbers(&seed["coefficients"]).try_into().unwrap();
    let intercept = seed["intercept"].as_f64().unwrap();
    Some(ModelArtifact {
        model: LogisticModel::new(scaler.unwrap(), coefficients, intercept).unwrap(),
        threshold: Threshold::new(seed["threshold"].as_f64().unwrap()).unwrap(),
        provenance: Provenance::default(),
    })
}

#[actix_web::test]
async fn the_example_of_the_python_service_gets_its_answer() {
    let Some(artifact) = seed_model() else { return };
    let app = TestApp::serving(&artifact).await;
    let response = app.predict(&example().into()).await;
    assert_eq!(
        response.text().await.unwrap(),
        r#"{"fraud_probability":0.0297,"fraud_prediction":0,"threshold_used":0.9}"#
    );
}
