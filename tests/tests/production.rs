//! The model that is served when nothing else is named.

use fraud_core::{FEATURES, ModelArtifact};
use fraud_tests::{Api, json, root};

#[test]
fn it_is_a_plain_model_of_real_rows_and_serves() {
    let folder = root().join("models/production");
    let artifact = ModelArtifact::load(&folder).unwrap();
    let provenance = &artifact.provenance;
    assert!(!provenance.is_synthetic() && provenance.converged && provenance.refitted_on_all_rows);
    assert_eq!((provenance.rows, provenance.frauds), (29_564, 354));
    assert_eq!(artifact.threshold.value(), 0.9);
    let measures = serde_json::to_value(&provenance.measures).unwrap();
    assert_eq!(measures, json(&folder.join("metrics.json")));

    let api = Api::start(&folder);
    assert_eq!(api.get("/health"), r#"{"status":"ok"}"#);
    let body = FEATURES.map(|name| format!("\"{name}\":0.5")).join(",");
    let answer = api.predict(&format!("{{{body}}}"));
    let expected = artifact.model.predict_proba(&fraud_core::Transaction::new([0.5; 30]).unwrap());
    assert!(answer.contains(&format!("{:?}", (expected * 1e4).round() / 1e4)), "{answer}");
    let metrics = api.get("/metrics");
    assert!(metrics.contains(r#"fraud_predictions_total{prediction="0"} 1"#), "{metrics}");
    assert_eq!(api.stop(), 0);
}
