//! `fraud-trainer train` and `score` as a data scientist uses them.

use std::path::Path;
use std::process::Command;

use fraud_core::{ModelArtifact, Transaction};
use fraud_tests::{binary, json, run, synthetic, trainer};

const FILES: [&str; 15] = [
    "MLmodel",
    "calibration.svg",
    "conda.yaml",
    "confusion.svg",
    "evaluation.html",
    "input_example.json",
    "metrics.json",
    "model.json",
    "model.onnx",
    "pr_curve.svg",
    "python_env.yaml",
    "requirements.txt",
    "roc_curve.svg",
    "serving_input_example.json",
    "threshold.json",
];

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Trains with a fixed clock and `threads` for everything; returns all files of the artifact.
fn train_with_threads(data: &Path, output: &Path, solver: &str, threads: &str) -> Vec<Vec<u8>> {
    let _ = run(Command::new(binary("fraud-trainer"))
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("RAYON_NUM_THREADS", threads)
        .env("POLARS_MAX_THREADS", threads)
        .args(["train", "--threads", threads, "--solver", solver, "--bootstrap", "50", "--data"])
        .arg(data)
        .arg("--output")
        .arg(output))
    .ok();
    FILES.iter().map(|name| std::fs::read(output.join(name)).unwrap()).collect()
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic(folder.path(), 60_000, 5);
    for solver in ["newton-cholesky", "lbfgs"] {
        let output = |threads: &str| folder.path().join(format!("{solver}-{threads}"));
        let one = train_with_threads(&data, &output("1"), solver, "1");
        let two = train_with_threads(&data, &output("2"), solver, "2");
        let five = train_with_threads(&data, &output("5"), solver, "5");
        assert!(one == two && one == five, "{solver}");
        assert_eq!(names(&output("1")), FILES);
    }
}

#[test]
fn the_artifact_tells_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic(folder.path(), 30_000, 6);
    let output = folder.path().join("new/model");
    let ran = trainer!("train", "--data", &data, "--output", &output).ok();
    assert!(ran.stdout.contains("average precision"), "{}", ran.stdout);
    assert!(ran.stdout.contains("SYNTHETIC DATA"), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);

    let model = json(&output.join("model.json"));
    let provenance = &model["provenance"];
    assert_eq!(provenance["rows"], 24_000);
    assert_eq!(provenance["synthetic_rows"], 30_000);
    assert_eq!(provenance["split"], "stratified 0.2");
    assert_eq!(provenance["converged"], true);
    assert_eq!(provenance["data"][0]["file"], "synthetic-30000-6.csv");
    assert_eq!(provenance["data"][0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(provenance["measures"], json(&output.join("metrics.json")));
    assert_eq!(json(&output.join("threshold.json"))["rule"], "fixed");
    let page = std::fs::read_to_string(output.join("evaluation.html")).unwrap();
    assert!(page.contains("SYNTHETIC"));
    for outside in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!std::fs::read_to_string(output.join("model.json")).unwrap().contains("/tmp"));
}

#[test]
fn scores_stand_beside_the_columns_or_alone_and_equal_core() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic(folder.path(), 20_000, 7);
    let model = folder.path().join("model");
    let _ = trainer!("train", "--data", &data, "--output", &model, "--bootstrap", "0").ok();
    let beside = folder.path().join("beside.csv");
    let ran = trainer!("score", "--model", &model, "--data", &data, "--output", &beside).ok();
    assert!(ran.stdout.starts_with("Scored 20,000 transactions"), "{}", ran.stdout);

    let artifact = ModelArtifact::load(&model).unwrap();
    let (input, output) =
        (std::fs::read_to_string(&data).unwrap(), std::fs::read_to_string(&beside).unwrap());
    assert!(output.starts_with("Time,V1,"));
    assert!(
        output.lines().next().unwrap().ends_with("Amount,Class,fraud_probability,fraud_prediction")
    );
    assert_eq!(input.lines().count(), output.lines().count());
    for (input, output) in input.lines().zip(output.lines()).skip(1).step_by(97) {
        let read = |line: &str| -> Vec<f64> {
            line.split(',').map(|value| value.trim_matches('"').parse().unwrap()).collect()
        };
        let (input, output) = (read(input), read(output));
        assert_eq!(input[..31], output[..31]);
        let transaction = Transaction::new(input[..30].try_into().unwrap()).unwrap();
        let decision = artifact.decide(&transaction);
        assert_eq!(decision.probability.to_bits(), output[31].to_bits());
        assert_eq!(f64::from(u8::from(decision.fraud)), output[32]);
    }

    // Parquet in between changes nothing.
    let parquet = folder.path().join("beside.parquet");
    let _ = trainer!("score", "--model", &model, "--data", &data, "--output", &parquet).ok();
    let again = folder.path().join("again.csv");
    let ran = trainer!("score", "--model", &model, "--data", &parquet, "--output", &again);
    assert!(ran.stderr.contains("has a column fraud_probability already"), "{}", ran.stderr);
    let alone = folder.path().join("alone.csv");
    let _ = trainer!(
        "score",
        "--model",
        &model,
        "--data",
        &parquet,
        "--output",
        &alone,
        "--scores-only",
        "--threshold",
        "0.5",
    )
    .ok();
    let alone = std::fs::read_to_string(alone).unwrap();
    for (alone, beside) in alone.lines().zip(output.lines()).skip(1) {
        let probability = beside.rsplit(',').nth(1).unwrap();
        assert_eq!(alone.split(',').next(), Some(probability));
        let fraud = probability.parse::<f64>().unwrap() >= 0.5;
        assert_eq!(alone.ends_with(",1"), fraud);
    }
}

#[test]
fn refit_learns_from_all_rows_and_measures_on_unseen_ones() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic(folder.path(), 20_000, 8);
    let train = |name: &str, flags: &[&str]| {
        let output = folder.path().join(name);
        let mut command = Command::new(binary("fraud-trainer"));
        command
            .args(["train", "--bootstrap", "0", "--data"])
            .arg(&data)
            .arg("--output")
            .arg(&output);
        let _ = run(command.args(flags)).ok();
        (json(&output.join("model.json")), json(&output.join("metrics.json")))
    };
    let (plain, plain_measures) = train("plain", &[]);
    let (refitted, refitted_measures) = train("refitted", &["--refit"]);
    assert_eq!(plain_measures, refitted_measures);
    assert_ne!(plain["coefficients"], refitted["coefficients"]);
    assert_eq!(plain["provenance"]["rows"], 16_000);
    assert_eq!(refitted["provenance"]["rows"], 20_000);
    assert_eq!(refitted["provenance"]["refitted_on_all_rows"], true);

    let (by_time, _) = train("time", &["--split", "time", "--validation-fraction", "0.3"]);
    assert_eq!(by_time["provenance"]["split"], "time 0.3");
    let (by_rule, _) = train("rule", &["--threshold", "recall=0.5", "--json"]);
    assert_eq!(by_rule["provenance"]["threshold_rule"], "recall=0.5");
    let threshold = by_rule["threshold"].as_f64().unwrap().to_string();
    let at = &by_rule["provenance"]["measures"]["at_threshold"][threshold];
    assert!(at["recall"].as_f64().unwrap() >= 0.5, "{at}");
}

#[test]
fn several_files_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let first = synthetic(folder.path(), 15_000, 1);
    let second = synthetic(folder.path(), 15_000, 2);
    let output = folder.path().join("model");
    let _ =
        trainer!("train", "--bootstrap", "0", "--data", &first, &second, "--output", &output).ok();
    let provenance = &json(&output.join("model.json"))["provenance"];
    assert_eq!(provenance["rows"], 24_000);
    assert_eq!(provenance["data"][1]["rows"], 15_000);
    let twice = folder.path().join("twice");
    let ran = trainer!("train", "--data", &first, &first, "--output", &twice);
    assert!(ran.code == 2 && ran.stderr.contains("is named twice"), "{ran:?}");
}
