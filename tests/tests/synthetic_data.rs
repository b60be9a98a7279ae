//! The synthetic data set keeps its promise: as hard as the real one, and never taken for it.

use fraud_tests::{json, synthetic, trainer};

#[test]
fn a_balanced_logistic_regression_does_as_well_as_promised() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [42, 7] {
        let data = synthetic(folder.path(), 284_807, seed);
        let output = folder.path().join(format!("model-{seed}"));
        let _ = trainer!("train", "--bootstrap", "0", "--data", &data, "--output", &output).ok();
        let measures = json(&output.join("metrics.json"));
        assert_eq!((&measures["rows"], &measures["frauds"]), (&56_962.into(), &98.into()));
        let average_precision = measures["average_precision"].as_f64().unwrap();
        assert!((0.65..=0.80).contains(&average_precision), "{seed}: {average_precision}");
        let recall = measures["at_threshold"]["0.5"]["recall"].as_f64().unwrap();
        assert!((0.85..=0.95).contains(&recall), "{seed}: {recall}");
        assert_eq!(json(&output.join("model.json"))["provenance"]["synthetic_rows"], 284_807);
    }
}

#[test]
fn every_report_says_that_the_data_is_synthetic() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic(folder.path(), 20_000, 4);
    let page = folder.path().join("exploration.html");
    let _ = trainer!("explore", "--data", &data, "--output", &page).ok();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("SYNTHETIC"));
    for outside in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
