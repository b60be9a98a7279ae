//! The real binary on a local store that is filled through the library.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fraud_core::artifact::MODEL_FILE;
use fraud_core::{LogisticModel, ModelArtifact, Threshold};
use fraud_registry::types::{
    Batch, CONTEXT, Dataset, DatasetInput, KeyValue, LoggedModelStatus, Metric, NewLoggedModel,
    NewModelVersion, NewRun, RunStatus,
};
use fraud_registry::{CHALLENGER, CHAMPION, LocalStore, MODEL_NAME, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A store for one test.
struct Registry {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

/// A training whose result goes into the store.
struct Training {
    artifact: ModelArtifact,
    /// Tags of the version.
    tags: Vec<KeyValue>,
    /// Metrics of the run.
    metrics: Vec<(&'static str, f64)>,
    /// Files beside `model.json`.
    files: Vec<(&'static str, String)>,
}

/// The production model, as if it had reached another average precision.
fn training(average_precision: f64) -> Training {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/production");
    let mut artifact = ModelArtifact::load(folder).unwrap();
    let measures = artifact.provenance.measures.as_mut().unwrap();
    measures.average_precision = Some(average_precision);
    // Another model for another precision: the intercept is all that changes.
    let model = &artifact.model;
    artifact.model =
        LogisticModel::new(model.scaler().clone(), *model.coefficients(), -average_precision)
            .unwrap();
    Training {
        artifact,
        tags: vec![KeyValue::new("fraud.validation_digest", "3f2a9c51")],
        metrics: vec![("average_precision", average_precision), ("roc_auc", 0.9656)],
        files: vec![("MLmodel", mlmodel("double"))],
    }
}

fn mlmodel(kind: &str) -> String {
    let inputs = format!("[{{\"type\": \"{kind}\", \"name\": \"Time\", \"required\": true}}]");
    format!("flavors: {{}}\nsignature:\n  inputs: '{inputs}'\n")
}

impl Registry {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    fn store(&self) -> LocalStore {
        LocalStore::open(self.path("registry")).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Records a training as `fraud-trainer` does; the version is challenger. Its number.
    fn add(&self, training: Training) -> String {
        self.runtime.block_on(self.record(training)).unwrap()
    }

    async fn record(&self, training: Training) -> Result<String, fraud_registry::Error> {
        let Training { artifact, tags, metrics, files } = training;
        let store = self.store();
        let experiment_id = store.experiment("fraud").await?.experiment_id;
        let run = NewRun { experiment_id: experiment_id.clone(), ..NewRun::default() };
        let run_id = store.create_run(&run).await?.info.run_id;
        let batch = Batch {
            metrics: metrics.into_iter().map(|(key, value)| Metric::now(key, value)).collect(),
            params: vec![KeyValue::new("l2", 1.0), KeyValue::new("threshold", artifact.threshold)],
            tags: vec![KeyValue::new("mlflow.source.git.commit", "0123456")],
        };
        store.log_batch(&run_id, &batch).await?;
        let dataset = Dataset {
            name: "validation.parquet".to_owned(),
            digest: "3f2a9c51".to_owned(),
            source_type: "local".to_owned(),
            source: r#"{"uri": "data/validation.parquet"}"#.to_owned(),
            profile: r#"{"num_rows": 5913}"#.to_owned(),
            ..Dataset::default()
        };
        let tag = KeyValue::new(CONTEXT, "validation");
        store.log_inputs(&run_id, &[DatasetInput { tags: vec![tag], dataset }]).await?;
        let model = NewLoggedModel {
            experiment_id,
            name: "model".to_owned(),
            source_run_id: run_id.clone(),
            ..NewLoggedModel::default()
        };
        let model = store.create_logged_model(&model).await?.info;
        let source = self.path("upload");
        for (name, text) in files.into_iter().chain([(MODEL_FILE, artifact.to_json())]) {
            std::fs::write(&source, text).unwrap();
            store.upload_artifact(&model.artifact_uri, name, &source).await?;
        }
        store.finish_logged_model(&model.model_id, LoggedModelStatus::Ready).await?;
        store.log_outputs(&run_id, std::slice::from_ref(&model.model_id)).await?;
        store.update_run(&run_id, RunStatus::Finished, None).await?;
        store.register_model(MODEL_NAME).await?;
        let version = NewModelVersion {
            name: MODEL_NAME.to_owned(),
            source: format!("models:/{}", model.model_id),
            run_id: Some(run_id),
            model_id: Some(model.model_id),
            tags,
            ..NewModelVersion::default()
        };
        let version = store.create_version(&version).await?.version;
        store.set_alias(MODEL_NAME, CHALLENGER, &version).await?;
        Ok(version)
    }

    /// The files of a version, to do harm to them.
    fn files_of(&self, version: &str) -> PathBuf {
        let store = self.store();
        let uri = self.runtime.block_on(async {
            let version = store.version(MODEL_NAME, version).await.unwrap();
            store.version_artifacts(&version).await.unwrap()
        });
        self.path("registry").join(uri.strip_prefix("local:").unwrap())
    }

    fn champion(&self) -> Option<String> {
        let store = self.store();
        let model = self.runtime.block_on(store.registered_model(MODEL_NAME)).unwrap();
        model.version_of(CHAMPION).map(str::to_owned)
    }

    fn tag(&self, version: &str, key: &str) -> Option<String> {
        let store = self.store();
        let version = self.runtime.block_on(store.version(MODEL_NAME, version)).unwrap();
        version.tags.into_iter().find(|tag| tag.key == key).map(|tag| tag.value)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_fraud-registry"))
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("FRAUD_REGISTRY", self.path("registry"))
            .output()
            .unwrap()
    }

    /// What a command prints that ends with this exit code.
    fn stdout(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{stdout}\n{stderr}");
        for line in stdout.lines() {
            assert!(line.chars().count() <= 100 || args.contains(&"--json"), "too wide: {line}");
        }
        stdout
    }

    fn ok(&self, args: &[&str]) -> String {
        self.stdout(0, args)
    }

    fn json(&self, code: i32, args: &[&str]) -> Value {
        serde_json::from_str(&self.stdout(code, &[args, &["--json"]].concat())).unwrap()
    }

    /// The message of a command that cannot do its work.
    fn error(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
        stderr
    }
}

/// The lines of a table, words apart by one space.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn champions_follow_each_other_and_step_back_one_by_one() {
    let registry = Registry::new();
    registry.add(training(0.80));
    let text = registry.ok(&["promote"]);
    assert!(text.contains("Promoted: version 1 is the first champion"), "{text}");
    assert_eq!(registry.tag("1", "fraud.previous_champion").unwrap(), "none");
    let text = registry.ok(&["promote"]);
    assert!(text.contains("is champion already"), "{text}");

    for (precision, number) in [(0.81, "2"), (0.82, "3")] {
        registry.add(training(precision));
        let text = registry.ok(&["promote"]);
        assert!(text.contains(&format!("Promoted: version {number} is champion")), "{text}");
    }
    assert_eq!(registry.champion().unwrap(), "3");
    assert_eq!(registry.tag("3", "fraud.previous_champion").unwrap(), "2");
    let promoted_at = registry.tag("3", "fraud.promoted_at").unwrap();
    assert!(promoted_at.len() == 20 && promoted_at.ends_with('Z'), "{promoted_at}");

    let text = registry.ok(&["rollback", "--dry-run"]);
    assert!(text.starts_with("Version 2 of fraud_detection_logreg would be champion"), "{text}");
    assert_eq!(registry.champion().unwrap(), "3");
    assert_eq!(registry.tag("3", "fraud.rolled_back_at"), None);

    assert_eq!(
        registry.json(0, &["rollback"]),
        json!({ "model": MODEL_NAME, "from": "3", "to": "2", "dry_run": false })
    );
    assert!(registry.tag("3", "fraud.rolled_back_at").is_some());
    registry.ok(&["rollback"]);
    assert_eq!(registry.champion().unwrap(), "1");
    let message = registry.error(&["rollback"]);
    assert!(message.contains("version 1 is the first champion"), "{message}");
    assert_eq!(registry.champion().unwrap(), "1");

    // What was rolled back may come again, and is then no longer marked.
    registry.ok(&["promote", "--from", "3"]);
    assert_eq!(registry.tag("3", "fraud.previous_champion").unwrap(), "1");
    assert_eq!(registry.tag("3", "fraud.rolled_back_at"), None);
    registry.ok(&["rollback"]);
    assert_eq!(registry.champion().unwrap(), "1");
}

#[test]
fn two_that_take_turns_are_not_rolled_back_for_ever() {
    let registry = Registry::new();
    registry.add(training(0.80));
    registry.ok(&["promote"]);
    registry.add(training(0.80));
    registry.ok(&["promote"]);
    registry.ok(&["promote", "--from", "1"]);
    registry.ok(&["rollback"]);
    assert_eq!(registry.champion().unwrap(), "2");
    let message = registry.error(&["rollback"]);
    assert!(message.contains("version 1, which was itself rolled back at 2"), "{message}");
    assert_eq!(registry.champion().unwrap(), "2");
}

#[test]
fn a_worse_candidate_is_refused_and_says_by_how_much() {
    let registry = Registry::new();
    registry.add(training(0.80));
    registry.ok(&["promote"]);
    registry.add(training(0.79));
    let text = registry.stdout(1, &["promote"]);
    let lines = lines(&text);
    let has = |line: &str| assert!(lines.iter().any(|found| found == line), "{line:?} in\n{text}");
    has("candidate fraud_detection_logreg version 2 (challenger)");
    has("average_precision 0.7900 0.8000 −0.0100 REFUSED");
    has("roc_auc 0.9656 0.9656 0 holds");
    has("Refused: version 1 stays champion of fraud_detection_logreg");
    assert!(text.contains("0.010000 lower than the champion's, at most 0.005"), "{text}");
    assert_eq!(registry.champion().unwrap(), "1");
    assert_eq!(registry.tag("2", "fraud.promoted_at"), None);

    let judged = registry.json(1, &["promote", "--measure", "average_precision,log_loss"]);
    assert_eq!(judged["outcome"], "refused");
    assert_eq!((&judged["candidate"], &judged["champion"]), (&json!("2"), &json!("1")));
    let gates: Vec<_> = judged["gates"].as_array().unwrap().iter().collect();
    let named: Vec<_> = gates.iter().map(|gate| gate["gate"].as_str().unwrap()).collect();
    let expected =
        ["artifact", "schema", "validation data", "average_precision", "log_loss", "real data"];
    assert_eq!(named, expected);
    assert_eq!(gates[3]["outcome"], "refused");
    assert_eq!((&gates[3]["candidate"], &gates[3]["champion"]), (&json!(0.79), &json!(0.8)));

    let text = registry.ok(&["promote", "--tolerance", "0.01", "--dry-run"]);
    assert!(text.contains("version 2 would be champion (dry run)"), "{text}");
    assert_eq!(registry.champion().unwrap(), "1");
    registry.ok(&["promote", "--tolerance", "0.01"]);
    assert_eq!(registry.champion().unwrap(), "2");
}

#[test]
fn measures_count_only_if_they_are_of_the_same_rows() {
    let registry = Registry::new();
    registry.add(training(0.80));
    registry.ok(&["promote"]);
    let others = || vec![KeyValue::new("fraud.validation_digest", "77777777")];
    registry.add(Training { tags: others(), ..training(0.99) });
    let text = registry.stdout(1, &["promote"]);
    assert!(text.contains("train again while version 1 is champion"), "{text}");
    assert!(lines(&text).contains(&"average_precision 0.9900 — not judged".to_owned()), "{text}");

    // The training of this one measured the champion too.
    let rescored = |champion: &str, precision: f64| {
        let mut tags = others();
        tags.push(KeyValue::new("fraud.champion_version", champion));
        let mut metrics = training(0.8).metrics;
        metrics.extend([
            ("champion/average_precision", precision),
            ("champion/roc_auc", 0.96),
            ("champion/recall_at_fpr_0_01", 0.91),
        ]);
        Training { tags, metrics, ..training(0.8) }
    };
    registry.add(rescored("1", 0.85));
    let text = registry.stdout(1, &["promote"]);
    let line = "average_precision 0.8000 0.8500 −0.0500 REFUSED".to_owned();
    assert!(lines(&text).contains(&line), "{text}");
    registry.add(rescored("2", 0.7));
    let text = registry.stdout(1, &["promote"]);
    assert!(text.contains("not champion any more"), "{text}");
    registry.add(rescored("1", 0.7));
    registry.ok(&["promote"]);
    assert_eq!(registry.champion().unwrap(), "5");
}

#[test]
fn what_does_not_load_or_fit_is_refused() {
    let registry = Registry::new();
    registry.add(training(0.80));
    let broken = registry.files_of("1").join(MODEL_FILE);
    let whole = std::fs::read_to_string(&broken).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let text = registry.stdout(1, &["promote"]);
    assert!(text.contains("version 1 does not load: models:/fraud_detection_logreg/1"), "{text}");
    assert!(text.contains("Refused: fraud_detection_logreg still has no champion"), "{text}");
    std::fs::write(&broken, &whole).unwrap();
    registry.ok(&["promote"]);

    registry.add(Training { files: vec![("MLmodel", mlmodel("long"))], ..training(0.8) });
    let text = registry.stdout(1, &["promote"]);
    assert!(text.contains("\"Time (long)\" for the"), "{text}");

    let mut synthetic = training(0.9);
    synthetic.artifact.provenance.synthetic_rows = 1_000;
    registry.add(synthetic);
    let text = registry.stdout(1, &["promote"]);
    assert!(text.contains("learnt from generated rows"), "{text}");

    // A champion whose files are gone is not replaced in silence, and not rolled back to.
    registry.add(training(0.85));
    registry.ok(&["promote"]);
    std::fs::remove_file(&broken).unwrap();
    let message = registry.error(&["rollback"]);
    assert!(message.contains("version 1, champion before version 4, cannot be used"), "{message}");
    assert_eq!(registry.champion().unwrap(), "4");
    std::fs::remove_file(registry.files_of("4").join(MODEL_FILE)).unwrap();
    registry.add(training(0.95));
    let text = registry.stdout(1, &["promote"]);
    assert!(text.contains("version 4 states no features"), "{text}");
}

#[test]
fn a_champion_made_by_hand_has_nothing_to_roll_back_to() {
    let registry = Registry::new();
    let version = registry.add(training(0.80));
    let message = registry.error(&["rollback"]);
    assert!(message.contains("has no champion"), "{message}");
    let store = registry.store();
    registry.runtime.block_on(store.set_alias(MODEL_NAME, CHAMPION, &version)).unwrap();
    let message = registry.error(&["rollback"]);
    assert!(message.contains("not made champion by `fraud-registry promote`"), "{message}");
    let tag = [KeyValue::new("fraud.previous_champion", "9")];
    registry.runtime.block_on(store.tag_version(MODEL_NAME, &version, &tag)).unwrap();
    let message = registry.error(&["rollback"]);
    assert!(message.contains("was version 9, which has been deleted"), "{message}");
}

#[test]
fn a_model_is_pulled_whole_or_not_at_all() {
    let registry = Registry::new();
    registry.add(training(0.80));
    registry.ok(&["promote"]);
    let output = registry.path("out/model");
    let pull = ["pull", "champion", "--output", "out/model"];
    let text = registry.ok(&pull);
    let first = "model fraud_detection_logreg version 1 (challenger, champion)";
    assert_eq!((&*lines(&text)[0], &*lines(&text)[3]), (first, "is in out/model"));
    assert_eq!(names(&output), ["MLmodel", "model.json"]);
    let pulled = ModelArtifact::load(&output).unwrap();
    assert_eq!(pulled, training(0.80).artifact);

    assert!(registry.error(&pull).contains("--force"));
    registry.add(training(0.90));
    let uri = "models:/fraud_detection_logreg@challenger";
    let said = registry.json(0, &["pull", uri, "--output", "out/model", "--force"]);
    let pulled = ModelArtifact::load(&output).unwrap();
    assert_eq!(said["digest"], json!(pulled.digest()));
    assert_eq!((&said["version"], &said["uri"]), (&json!("2"), &json!(uri)));

    // A file of a model that does not load, and nothing of it appears.
    std::fs::write(registry.files_of("2").join(MODEL_FILE), "{}").unwrap();
    let message = registry.error(&["pull", "2", "--output", "out/model", "--force"]);
    let expected = "error: models:/fraud_detection_logreg/2 is no model that can be used: missing";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(ModelArtifact::load(&output).unwrap(), pulled);
    assert!(registry.error(&["pull", "2", "--output", "other"]).contains("is no model"));
    assert_eq!(names(&registry.path("out")), ["model"]);
    assert!(!registry.path("other").exists());

    std::fs::rename(output.join(MODEL_FILE), output.join("notes.txt")).unwrap();
    let message = registry.error(&["pull", "1", "--output", "out/model", "--force"]);
    assert!(message.contains("has no model.json, so it is not replaced"), "{message}");
    let message = registry.error(&["pull", "out/model", "--output", "copy"]);
    assert!(message.contains("is a folder on this machine"), "{message}");
}

#[test]
fn two_versions_are_compared_number_by_number() {
    let registry = Registry::new();
    registry.add(training(0.80));
    registry.ok(&["promote"]);
    let mut other = training(0.75);
    let model = &other.artifact.model;
    let mut coefficients = *model.coefficients();
    coefficients[14] += 0.5;
    other.artifact.model =
        LogisticModel::new(model.scaler().clone(), coefficients, model.intercept()).unwrap();
    other.artifact.threshold = Threshold::new(0.85).unwrap();
    other.artifact.provenance.seed = 7;
    registry.add(other);

    let text = registry.ok(&["diff", "champion", "2"]);
    let found = lines(&text);
    let has = |start: &str| {
        assert!(found.iter().any(|line| line.starts_with(start)), "{start:?} in\n{text}");
    };
    has("from fraud_detection_logreg version 1 (champion)");
    has("to fraud_detection_logreg version 2 (challenger)");
    has("(intercept) −0.8000 −0.7500 +0.0500");
    has("V14 −1.5880 −1.0880 +0.5000");
    has("average_precision 0.8000 0.7500 −0.0500");
    has("seed 42 7");
    has("Measures, of both on the same validation rows");

    let json = registry.json(0, &["diff", "1", "models:/fraud_detection_logreg/2"]);
    assert_eq!(json["coefficients"][0]["feature"], "V14");
    assert_eq!(json["threshold"]["to"], 0.85);
    assert_eq!(json["same_validation_data"], true);
    assert_eq!(json["to"]["version"], "2");

    // A folder is as good as a version.
    let production = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/production");
    let text = registry.ok(&["diff", production, production]);
    assert!(text.contains("The two are the same model"), "{text}");
}

#[test]
fn runs_models_and_versions_are_listed() {
    let registry = Registry::new();
    assert!(registry.ok(&["runs"]).starts_with("No runs in "));
    assert!(registry.ok(&["models"]).starts_with("No registered models in "));
    assert_eq!(registry.json(0, &["runs"]), json!([]));

    registry.add(training(0.80));
    registry.ok(&["promote"]);
    registry.add(training(0.90));
    let runs = registry.json(0, &["runs"]);
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert_eq!(runs[0]["metrics"]["average_precision"], 0.9);
    assert_eq!((&runs[0]["status"], &runs[0]["experiment"]), (&json!("FINISHED"), &json!("fraud")));
    let text = registry.ok(&["runs", "--limit", "1", "--status", "finished"]);
    assert_eq!(text.lines().count(), 2, "{text}");
    let run_id = runs[0]["run_id"].as_str().unwrap();
    assert!(text.contains(&run_id[..8]) && text.contains("0.9000"), "{text}");
    assert!(registry.ok(&["runs", "--status", "failed"]).starts_with("No runs of this kind in "));
    let message = registry.error(&["runs", "--experiment", "frued"]);
    assert!(message.contains("\"frued\" is not in") && message.contains("\"fraud\""), "{message}");

    let text = registry.ok(&["models"]);
    let found = lines(&text);
    assert_eq!(found[1], "fraud_detection_logreg 2 challenger → 2 —", "{text}");
    assert_eq!(found[2], "champion → 1", "{text}");
    let models = registry.json(0, &["models"]);
    assert_eq!(models[0]["aliases"], json!({ "challenger": "2", "champion": "1" }));

    let text = registry.ok(&["versions"]);
    let found = lines(&text);
    assert!(found[1].starts_with("2 challenger ") && found[1].ends_with("0.9000 0.9 READY"));
    assert!(found[2].starts_with("1 champion ") && found[2].ends_with("0.8000 0.9 READY"));
    let versions = registry.json(0, &["versions"]);
    assert_eq!((&versions[0]["version"], &versions[0]["threshold"]), (&json!("2"), &json!(0.9)));
    let message = registry.error(&["versions", "--name", "nothing"]);
    assert!(message.contains("\"fraud_detection_logreg\""), "{message}");
}

#[test]
fn a_run_and_a_model_show_all_that_is_known() {
    let registry = Registry::new();
    registry.add(training(0.80));
    let runs = registry.json(0, &["runs"]);
    let run_id = runs[0]["run_id"].as_str().unwrap();
    let text = registry.ok(&["show", &run_id[..8]]);
    assert_eq!(text, registry.ok(&["show", run_id]));
    let found = lines(&text);
    let has = |start: &str| {
        assert!(found.iter().any(|line| line.starts_with(start)), "{start:?} in\n{text}");
    };
    has(&format!("id {run_id}"));
    has("registered as fraud_detection_logreg version 1 (challenger)");
    has("l2 1");
    has("average_precision 0.8000 0");
    has("validation.parquet validation 5,913 3f2a9c51");
    has("mlflow.source.git.commit 0123456");
    has("model m-");
    let json = registry.json(0, &["show", run_id]);
    assert_eq!(json["datasets"][0]["profile"]["num_rows"], 5913);
    assert_eq!(json["versions"][0]["version"], "1");

    let text = registry.ok(&["show", "challenger"]);
    let found = lines(&text);
    let has = |start: &str| {
        assert!(found.iter().any(|line| line.starts_with(start)), "{start:?} in\n{text}");
    };
    has("fraud_detection_logreg version 1 (challenger)");
    has("threshold 0.9 (fixed)");
    has("fitted to 29,564 rows, 354 frauds");
    has("average_precision 0.8000");
    has("fraud.validation_digest 3f2a9c51");
    has("model.json ");
    let json = registry.json(0, &["show", "models:/fraud_detection_logreg/1"]);
    assert_eq!(json["model"]["digest"], json!(training(0.80).artifact.digest()));
    assert_eq!(json["artifacts"][1]["path"], "model.json");
    // A run's model by the path that Python uses.
    let uri = format!("runs:/{run_id}/model");
    let by_run = registry.json(0, &["show", &uri]);
    assert_eq!(by_run["model"], json["model"]);

    std::fs::write(registry.files_of("1").join(MODEL_FILE), "{}").unwrap();
    let text = registry.ok(&["show", "1"]);
    assert!(text.contains("CANNOT BE USED: missing field"), "{text}");
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let registry = Registry::new();
    let message = registry.error(&["promote"]);
    assert!(message.contains("there are no registered models"), "{message}");
    registry.add(training(0.80));
    for (args, expected) in [
        (vec!["show", "producer"], "there is \"challenger\""),
        (vec!["show", "7"], "there is 1"),
        (vec!["diff", "1", "8"], "version \"8\""),
        (vec!["promote", "--from", "4"], "version \"4\""),
        (vec!["promote", "--name", "x"], "there is \"fraud_detection_logreg\""),
        (vec!["show", "00000000"], "no run whose id begins with 00000000"),
        (vec!["show", "models:/"], "expected models:/NAME@ALIAS"),
        (vec!["pull", "nobody", "--output", "m"], "alias \"nobody\""),
        (vec!["runs", "--log", "=loud"], "the log filter is \"=loud\""),
    ] {
        let message = registry.error(&args);
        assert!(
            message.starts_with("error: ") && message.contains(expected),
            "{args:?}: {message}"
        );
    }
    assert!(!registry.path("m").exists());
    std::fs::write(registry.path("file"), "").unwrap();
    assert!(registry.error(&["runs", "--registry", "file"]).starts_with("error: "));
}

#[test]
fn completions_know_the_commands() {
    let registry = Registry::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = registry.run(&["completions", shell]).stdout;
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("promote") && script.contains("tolerance"), "{shell}");
    }
}

#[test]
fn http_needs_no_certificates_and_https_says_so() {
    let run = |uri: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_fraud-registry"))
            .arg("runs")
            .env_clear()
            .envs([("SSL_CERT_FILE", "/no/such/file"), ("SSL_CERT_DIR", "/no/such/folder")])
            .envs([("MLFLOW_TRACKING_URI", uri), ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let message = run("http://127.0.0.1:1");
    assert!(message.contains("Connection refused"), "{message}");
    let message = run("https://127.0.0.1:1");
    assert!(message.contains("MLFLOW_TRACKING_SERVER_CERT_PATH is \"not set"), "{message}");
    assert!(message.contains("certificates in PEM form"), "{message}");
}

#[test]
fn an_empty_variable_is_not_set() {
    let registry = Registry::new();
    let output = Command::new(env!("CARGO_BIN_EXE_fraud-registry"))
        .arg("runs")
        .current_dir(registry.folder.path())
        .env_clear()
        .envs([("FRAUD_REGISTRY", ""), ("MLFLOW_TRACKING_URI", ""), ("FRAUD_REGISTRY_JSON", "")])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.starts_with("No runs in ") && stdout.ends_with("/models/registry\n"),
        "{stdout}"
    );
}
