//! The Python system's production model in our form answers as it did there.

use fraud_core::frame::{Labels, ReadOptions, TransactionReader};
use fraud_core::{FEATURES, Transaction};
use fraud_tests::{Api, json, seed_model, shared, trainer};

/// Decision function and probability, row by row.
fn seed_scores() -> Option<Vec<(f64, f64)>> {
    let text = std::fs::read_to_string(shared("expected/seed_scores.csv")?).unwrap();
    let number = |text: Option<&str>| text.unwrap().parse().unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let mut fields = line.split(',').skip(1);
        (number(fields.next()), number(fields.next()))
    });
    Some(rows.collect())
}

#[test]
fn core_gives_its_scores_to_1e_12() {
    let (Some(artifact), Some(scores)) = (seed_model(), seed_scores()) else { return };
    let Some(data) = shared("data/validation.parquet") else { return };
    let options = ReadOptions { labels: Labels::Ignored, ..ReadOptions::default() };
    let rows = TransactionReader::open(data, options).unwrap().next_batch().unwrap().unwrap().rows;
    assert_eq!(scores.len(), 500);
    for (row, (decision, probability)) in rows.into_iter().zip(scores) {
        let transaction = Transaction::new(row).unwrap();
        assert!((artifact.model.decision_function(&transaction) - decision).abs() < 1e-12);
        assert!((artifact.model.predict_proba(&transaction) - probability).abs() < 1e-12);
        let explained = artifact.model.explain(&transaction).total();
        assert!((explained - decision).abs() < 1e-12);
    }
}

#[test]
fn batch_scoring_gives_its_scores_to_1e_12() {
    let (Some(artifact), Some(scores)) = (seed_model(), seed_scores()) else { return };
    let Some(data) = shared("data/validation.parquet") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (model, output) = (folder.path().join("model.json"), folder.path().join("scores.csv"));
    std::fs::write(&model, artifact.to_json()).unwrap();
    let _ =
        trainer!("score", "--model", &model, "--data", data, "--output", &output, "--scores-only")
            .ok();
    let text = std::fs::read_to_string(output).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("fraud_probability,fraud_prediction"));
    for (line, (_, probability)) in lines.zip(scores) {
        let (found, prediction) = line.split_once(',').unwrap();
        assert!((found.parse::<f64>().unwrap() - probability).abs() < 1e-12);
        assert_eq!(prediction, if probability >= 0.9 { "1" } else { "0" });
    }
}

#[test]
fn the_service_answers_the_example_as_the_python_service_did() {
    let Some(artifact) = seed_model() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.json"), artifact.to_json()).unwrap();
    let api = Api::start(folder.path());
    let mut fields = FEATURES.map(|name| format!("\"{name}\":0.1"));
    fields[0] = "\"Time\":0".into();
    fields[29] = "\"Amount\":100".into();
    assert_eq!(
        api.predict(&format!("{{{}}}", fields.join(","))),
        r#"{"fraud_probability":0.0297,"fraud_prediction":0,"threshold_used":0.9}"#
    );
    let example = json(&shared("expected/seed_model.json").unwrap())["readme_example"].clone();
    assert!(example.to_string().contains("0.0297"), "{example}");
    assert_eq!(api.stop(), 0);
}
