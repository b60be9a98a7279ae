//! The local store under a trainer that is killed at any moment.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fraud_core::ModelArtifact;
use fraud_tests::{binary, run, synthetic};
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;

/// Trainings that are killed.
const KILLS: usize = 150;

fn train(folder: &Path, data: &Path, number: usize) -> Command {
    let mut command = Command::new(binary("fraud-trainer"));
    command
        .args(["train", "--force", "--bootstrap", "0", "--run-name"])
        .arg(number.to_string())
        .arg("--data")
        .arg(data)
        .arg("--output")
        .arg(folder.join("model"))
        .env("FRAUD_REGISTRY", folder.join("registry"))
        .env_remove("MLFLOW_TRACKING_URI")
        .env_remove("FRAUD_TRAIN_NO_TRACKING");
    command
}

fn registry(folder: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(binary("fraud-registry"));
    command.args(arguments).arg("--json").env("FRAUD_REGISTRY", folder.join("registry"));
    let ran = run(command.current_dir(folder)).ok();
    // Nothing is damaged, so nothing is left out.
    assert!(!ran.stderr.contains("left out"), "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_trainer_killed_at_any_moment_leaves_a_store_that_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = synthetic(folder, 2_000, 3);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(std::process::id().into());

    let started = Instant::now();
    let _ = run(&mut train(folder, &data, 0)).ok();
    let whole = started.elapsed();

    let mut known = 1;
    let (mut killed, mut finished) = (0, 1);
    for number in 1..=KILLS {
        let mut trainer = train(folder, &data, number);
        let mut trainer = trainer
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait = whole.mul_f64(random.random_range(0.0..1.1));
        std::thread::sleep(wait.max(Duration::from_millis(1)));
        trainer.kill().unwrap();
        let done = trainer.wait().unwrap().success();
        if done {
            finished += 1;
        } else {
            killed += 1;
        }

        let versions = registry(folder, &["versions", "--limit", "1000"]);
        let versions = versions.as_array().unwrap();
        // What was there stays, and at most one is new.
        assert!((known..=known + 1).contains(&versions.len()), "{known}, then {}", versions.len());
        assert!(versions.len() > known || !done);
        known = versions.len();
    }

    let runs = registry(folder, &["runs", "--limit", "1000"]);
    let runs = runs.as_array().unwrap();
    let with = |status: &str| runs.iter().filter(|run| run["status"] == status).count();
    assert!(with("FINISHED") >= finished, "{runs:?}");
    assert_eq!(with("FINISHED") + with("KILLED"), runs.len(), "{runs:?}");
    for run in runs.iter().filter(|run| run["status"] == "FINISHED") {
        assert!(run["metrics"]["average_precision"].is_number(), "{run}");
        assert_eq!(run["params"]["seed"], "42", "{run}");
    }
    // Every version is whole, whether its run came to its end or not.
    for number in 1..=known {
        let to = format!("pulled-{number}");
        registry(folder, &["pull", &number.to_string(), "--output", &to]);
        let pulled = ModelArtifact::load(folder.join(&to)).unwrap();
        let text = registry(folder, &["show", &number.to_string()]);
        assert_eq!(text["model"]["digest"], pulled.digest(), "{text}");
    }
    println!("{killed} killed in {whole:?}, {finished} finished, {known} versions");
    assert!(killed >= KILLS / 4, "{killed} of {KILLS}: too few to say anything");
    let _ = run(&mut train(folder, &data, KILLS + 1)).ok();
    assert_eq!(
        registry(folder, &["show", "challenger"])["version"]["version"],
        (known + 1).to_string()
    );
}
