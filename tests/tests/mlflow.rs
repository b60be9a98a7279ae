//! From a training to the service over a real MLflow server, as Python's own client reads it back.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fraud_core::ModelArtifact;
use fraud_registry::types::{Batch, KeyValue, NewRun, RunStatus};
use fraud_registry::{Error, LocalStore, Store as _};
use fraud_tests::mlflow::{Mlflow, PASSWORD};
use fraud_tests::proxy::{Fault, Proxy, Rule};
use fraud_tests::{Api, Ran, binary, json, run, synthetic, trainer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A folder with data, an experiment and a registered model of one test.
struct Project<'a> {
    folder: tempfile::TempDir,
    data: PathBuf,
    name: &'a str,
    environment: Vec<(&'static str, String)>,
}

impl<'a> Project<'a> {
    fn new(name: &'a str, environment: Vec<(&'static str, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = synthetic(folder.path(), 8_000, 7);
        Self { folder, data, name, environment }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command
            .current_dir(self.folder.path())
            .env("FRAUD_REGISTRY", self.path("registry"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn train(&self, output: &str, flags: &[&str]) -> PathBuf {
        let output = self.path(output);
        let mut command = self.command("fraud-trainer");
        command
            .args(["train", "--bootstrap", "0", "--experiment", self.name])
            .args(["--registered-model", self.name, "--run-name"])
            .arg(output.file_name().unwrap())
            .args(flags)
            .arg("--data")
            .arg(&self.data)
            .arg("--output")
            .arg(&output);
        let _ = run(&mut command).ok();
        output
    }

    fn registry(&self, arguments: &[&str]) -> Ran {
        run(self.command("fraud-registry").args(arguments).env("FRAUD_REGISTRY_NAME", self.name))
    }

    fn registry_json(&self, arguments: &[&str]) -> Value {
        let ran = self.registry(&[arguments, &["--json"]].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// The first rows of the data and what the trainer scores them.
    fn scores(&self, model: &Path, rows: usize) -> (PathBuf, Vec<f64>) {
        let head = self.path("head.csv");
        let text = std::fs::read_to_string(&self.data).unwrap();
        let lines: Vec<&str> = text.lines().take(rows + 1).collect();
        std::fs::write(&head, lines.join("\n") + "\n").unwrap();
        let output = self.path("scores.csv");
        let _ = trainer!(
            "score",
            "--force",
            "--scores-only",
            "--model",
            model,
            "--data",
            &head,
            "--output",
            &output
        )
        .ok();
        let text = std::fs::read_to_string(output).unwrap();
        let scores = text.lines().skip(1).map(|line| line.split(',').next().unwrap());
        (head, scores.map(|score| score.parse().unwrap()).collect())
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// All that a training leaves on a server.
fn check_training(mlflow: &Mlflow) {
    let project = Project::new("read back", mlflow.environment());
    let folder = project.train("first", &["--seed", "5", "--l2", "0.5"]);
    let metrics = json(&folder.join("metrics.json"));

    let runs = mlflow.read_back(&["experiment", project.name])["runs"].clone();
    let [id] = &runs.as_array().unwrap()[..] else { panic!("expected one run: {runs}") };
    let run = mlflow.read_back(&["run", id.as_str().unwrap()]);
    assert_eq!(run["info"]["status"], "FINISHED");
    assert_eq!(run["info"]["run_name"], "first");
    for (name, value) in [
        ("solver", "newton-cholesky"),
        ("class_weight", "balanced"),
        ("l2", "0.5"),
        ("seed", "5"),
        ("split", "stratified"),
        ("threshold_rule", "fixed"),
        ("threshold", "0.9"),
    ] {
        assert_eq!(run["params"][name], value, "{name} in {}", run["params"]);
    }
    assert_eq!(run["params"]["data_sha256"].as_str().map(str::len), Some(64));
    for name in ["average_precision", "roc_auc", "log_loss"] {
        assert_eq!(run["metrics"][name], metrics[name], "{name}");
    }
    let measured = keys(&run["metrics"]);
    assert!(measured.iter().any(|key| key.starts_with("system/")), "{measured:?}");
    for name in ["loss", "gradient_norm"] {
        let history = run["history"][name].as_array();
        let history = history.unwrap_or_else(|| panic!("{name}: {:?}", keys(&run["history"])));
        let steps: Vec<_> = history.iter().map(|value| value["step"].as_u64().unwrap()).collect();
        assert!(steps.len() > 3 && steps.is_sorted_by(|a, b| a + 1 == *b), "{name}: {steps:?}");
    }
    assert_eq!(run["tags"]["fraud.crate_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(run["tags"]["mlflow.source.name"], "fraud-trainer");
    assert!(run["tags"]["mlflow.user"].is_string(), "{}", run["tags"]);
    let contexts: Vec<_> = run["inputs"].as_array().unwrap().iter().map(context).collect();
    assert!(contexts.contains(&"training") && contexts.contains(&"validation"), "{contexts:?}");
    for input in run["inputs"].as_array().unwrap() {
        let dataset = &input["dataset"];
        assert!(dataset["schema"].as_str().unwrap().contains("mlflow_colspec"), "{dataset}");
        assert!(dataset["profile"].as_str().unwrap().contains("num_rows"), "{dataset}");
        assert!(dataset["digest"].as_str().unwrap().len() >= 8, "{dataset}");
    }
    let artifacts = keys(&run["artifacts"]);
    for name in ["evaluation.html", "pr_curve.svg", "roc_curve.svg", "metrics.json"] {
        assert!(artifacts.contains(&name), "{name} in {artifacts:?}");
    }
    let [model] = &run["logged_models"].as_array().unwrap()[..] else { panic!("one model: {run}") };
    assert_eq!(model["status"], "READY");
    assert_eq!(model["source_run_id"], *id);
    let files = keys(&model["artifacts"]);
    for name in ["MLmodel", "model.onnx", "model.json", "requirements.txt", "input_example.json"] {
        assert!(files.contains(&name), "{name} in {files:?}");
    }

    let registered = mlflow.read_back(&["model", project.name]);
    assert_eq!(registered["aliases"], json!({ "challenger": "1" }));
    let version = mlflow.read_back(&["alias", project.name, "challenger"]);
    assert_eq!((&version["version"], &version["run_id"]), (&json!("1"), id));
    assert_eq!(version["logged_model"]["model_id"], model["model_id"]);

    let (rows, ours) = project.scores(&folder, 100);
    let theirs = mlflow.score(&format!("models:/{}@challenger", project.name), &rows);
    assert_eq!((ours.len(), theirs.len()), (100, 100));
    let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // 1e-15 was seen; the contract is 1e-6.
    assert!(worst < 1e-12, "{worst:e}");
}

fn context(input: &Value) -> &str {
    input["tags"]["mlflow.data.context"].as_str().unwrap()
}

#[test]
fn a_training_is_read_back_by_python() {
    let Some(mlflow) = Mlflow::shared() else { return };
    check_training(mlflow);
}

#[test]
fn a_training_is_read_back_by_python_where_one_must_log_in() {
    let Some(mlflow) = Mlflow::shared_with_login() else { return };
    check_training(mlflow);
}

#[test]
fn versions_are_promoted_compared_pulled_served_and_rolled_back() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let mut project = Project::new("production", mlflow.environment());
    let rows = synthetic(project.folder.path(), 8_000, 8);
    let rows = rows.to_str().unwrap();
    let champion = || mlflow.read_back(&["model", "production"])["aliases"]["champion"].clone();
    let first = project.train("first", &["--validation", rows]);
    let ran = project.registry(&["promote"]).ok();
    assert!(ran.stdout.contains("version 1 is the first champion"), "{}", ran.stdout);

    // Learnt from labels that are wrong, it is refused, and the refusal says by how much.
    let wrong = wrong_labels(&project.data);
    let data = std::mem::replace(&mut project.data, wrong);
    project.train("wrong", &["--validation", rows]);
    project.data = data;
    for flags in [&["promote", "--dry-run"][..], &["promote"]] {
        let ran = project.registry(flags);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stdout.contains("average_precision"), "{}", ran.stdout);
        assert_eq!(champion(), "1");
    }
    let third = project.train("third", &["--l2", "1.000001", "--validation", rows]);
    let ran = project.registry(&["promote", "--dry-run"]).ok();
    assert!(ran.stdout.contains("dry run"), "{}", ran.stdout);
    assert_eq!(champion(), "1");
    let ran = project.registry(&["promote"]).ok();
    assert_eq!(champion(), "3", "{}", ran.stdout);

    let text = project.registry(&["diff", "1", "3"]).ok().stdout;
    assert!(text.contains("V14") && text.contains("average_precision"), "{text}");
    let versions = project.registry_json(&["versions"]);
    let numbers: Vec<_> = versions.as_array().unwrap().iter().map(|v| &v["version"]).collect();
    assert_eq!(numbers, ["3", "2", "1"]);

    let pulled = project.path("pulled");
    let _ = project.registry(&["pull", "champion", "--output", "pulled"]).ok();
    let digest = |folder: &Path| ModelArtifact::load(folder).unwrap().digest();
    assert_eq!(digest(&pulled), digest(&third));
    assert!(pulled.join("MLmodel").is_file() && pulled.join("evaluation.html").is_file());

    let proxy = Proxy::start(mlflow.url(), []);
    let start = || {
        let mut command = project.command("fraud-api");
        command
            .args(["--model-uri", "models:/production@champion", "--model-cache", "cache"])
            .env("MLFLOW_TRACKING_URI", proxy.url())
            .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0");
        Api::start_with(&mut command)
    };
    let api = start();
    let says = |text: &str| assert!(api.log().contains(text), "{text} not in {}", api.log());
    says(&digest(&third));
    says("name=\"production\" version=\"3\"");
    let answer = api.predict(&transaction());
    assert!(answer.contains("fraud_probability"), "{answer}");
    assert_eq!(api.stop(), 0);
    proxy.add(Rule::always("GET", "", Fault::Down(Duration::from_mins(1))));
    let api = start();
    assert!(api.log().contains("Starting with the cached version 3"), "{}", api.log());
    assert_eq!(api.predict(&transaction()), answer);
    drop(api);

    let ran = project.registry(&["rollback"]).ok();
    assert!(ran.stdout.contains("Version 1"), "{}", ran.stdout);
    assert_eq!(champion(), "1");
    let rolled_back = &mlflow.read_back(&["model", "production"])["versions"][2];
    assert!(rolled_back["tags"]["fraud.rolled_back_at"].is_string(), "{rolled_back}");
    let _ = project.registry(&["pull", "champion", "--output", "pulled", "--force"]).ok();
    assert_eq!(digest(&pulled), digest(&first));
}

/// The same rows, with a label that has nothing to do with them.
fn wrong_labels(data: &Path) -> PathBuf {
    let text = std::fs::read_to_string(data).unwrap();
    let mut lines = text.lines();
    let mut wrong = format!("{}\n", lines.next().unwrap());
    for (number, line) in lines.enumerate() {
        let (features, _) = line.rsplit_once(',').unwrap();
        writeln!(wrong, "{features},{}", u8::from(number % 50 == 0)).unwrap();
    }
    let path = data.with_file_name("wrong.csv");
    std::fs::write(&path, wrong).unwrap();
    path
}

fn transaction() -> String {
    let names = fraud_core::FEATURES.iter().map(|name| format!("\"{name}\": 0.5"));
    format!("{{{}}}", names.collect::<Vec<_>>().join(", "))
}

#[test]
fn a_local_store_is_pushed_once_however_often_the_server_fails() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let project = Project::new("pushed", Vec::new());
    let folders = [project.train("first", &[]), project.train("second", &["--l2", "0.9"])];
    let _ = project.registry(&["promote"]).ok();

    let push = |url: &str, retries: &str| {
        let mut command = project.command("fraud-registry");
        command
            .args(["push", "--all", "--json"])
            .env("MLFLOW_TRACKING_URI", url)
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries);
        run(&mut command)
    };
    // Each attempt ends a little later than the one before: after the server has done what it was
    // asked, without an answer, and nothing is tried again.
    let mut failed = 0;
    for which in (1..500).step_by(4) {
        let cut =
            |method| Rule::always(method, "/api/", Fault::CutBeforeAnswer).which(which..=which);
        let proxy = Proxy::start(mlflow.url(), ["POST", "PUT", "PATCH"].map(cut));
        let ran = push(&proxy.url(), "0");
        if ran.code == 0 {
            break;
        }
        failed += 1;
        fraud_tests::check(&ran, &["goes on with it"]);
        for run in &runs_of(mlflow, "pushed") {
            assert_ne!(run["info"]["status"], "RUNNING", "{run}");
        }
    }
    assert!(failed > 5, "{failed} attempts failed");

    let again: Value = serde_json::from_str(&push(mlflow.url(), "3").ok().stdout).unwrap();
    for run in again["runs"].as_array().unwrap() {
        assert_eq!(run["outcome"], "unchanged", "{again}");
    }
    let registered = mlflow.read_back(&["model", "pushed"]);
    assert_eq!(registered["aliases"], json!({ "challenger": "2", "champion": "2" }));
    let versions = registered["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2, "{registered}");
    let runs = mlflow.read_back(&["experiment", "pushed"])["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 2);
    let experiment = mlflow.read_back(&["experiment", "pushed"])["experiment"].clone();
    let body = json!({ "experiment_ids": [experiment["experiment_id"]] });
    let models = mlflow.rest("POST", "2.0/mlflow/logged-models/search", &body);
    assert_eq!(models["models"].as_array().unwrap().len(), 2, "{models}");

    for (version, folder) in versions.iter().zip(&folders) {
        let local = ModelArtifact::load(folder).unwrap();
        assert_eq!(version["tags"]["fraud.model_digest"], local.digest());
        let run = mlflow.read_back(&["run", version["run_id"].as_str().unwrap()]);
        let id = run["tags"]["fraud.local_id"].as_str().unwrap();
        let here = project.registry_json(&["show", id]);
        assert_eq!((&run["params"], &run["metrics"]), (&here["params"], &here["metrics"]));
        assert_eq!(run["info"]["status"], "FINISHED");
        let loss = run["history"]["loss"].as_array().unwrap();
        let steps: Vec<_> = loss.iter().map(|value| value["step"].as_u64().unwrap()).collect();
        assert!(steps.len() > 3 && steps.is_sorted_by(|a, b| a + 1 == *b), "{steps:?}");
        assert_eq!(run["inputs"].as_array().unwrap().len(), 2);
        assert!(run["artifacts"]["evaluation.html"].as_u64().unwrap() > 0);

        // What the model says of itself is true of where it is now.
        let model = &version["logged_model"];
        let file = format!("{}/MLmodel", model["artifact_uri"].as_str().unwrap());
        let text = mlflow.read_back(&["text", &file]);
        let text = text.as_str().unwrap();
        for stated in [&model["model_id"], &version["run_id"]] {
            assert!(text.contains(stated.as_str().unwrap()), "{stated} not in {text}");
        }
        assert!(!text.contains("local:"), "{text}");
        let (rows, ours) = project.scores(folder, 20);
        let uri = format!("models:/pushed/{}", version["version"].as_str().unwrap());
        let theirs = mlflow.score(&uri, &rows);
        assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

fn runs_of(mlflow: &Mlflow, experiment: &str) -> Vec<Value> {
    let path = format!("2.0/mlflow/experiments/get-by-name?experiment_name={experiment}");
    let found = mlflow.rest("GET", &path, &Value::Null);
    let id = &found["experiment"]["experiment_id"];
    if id.is_null() {
        return Vec::new();
    }
    let body = json!({ "experiment_ids": [id] });
    let found = mlflow.rest("POST", "2.0/mlflow/runs/search", &body);
    found["runs"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_version_is_promoted_pulled_and_served_where_one_must_log_in() {
    let Some(mlflow) = Mlflow::shared_with_login() else { return };
    let mut project = Project::new("behind-a-login", mlflow.environment());
    let first = project.train("first", &[]);
    let ran = project.registry(&["promote", "--log", "debug"]).ok();
    assert!(ran.stdout.contains("version 1 is the first champion"), "{}", ran.stdout);
    let call =
        format!("POST {}/api/2.0/mlflow/registered-models/alias: 200, attempt 1,", mlflow.url());
    assert!(ran.stderr.contains(&call), "{}", ran.stderr);
    assert!(!ran.stderr.contains(PASSWORD) && !ran.stderr.contains("Basic"), "{}", ran.stderr);
    let _ = project.registry(&["pull", "champion", "--output", "pulled"]).ok();
    let digest = ModelArtifact::load(&first).unwrap().digest();
    assert_eq!(ModelArtifact::load(project.path("pulled")).unwrap().digest(), digest);
    let mut command = project.command("fraud-api");
    command.args(["--model-uri", "models:/behind-a-login@champion"]);
    let api = Api::start_with(&mut command);
    assert!(api.log().contains(&digest) && !api.log().contains(PASSWORD), "{}", api.log());
    assert!(api.predict(&transaction()).contains("fraud_probability"));
    assert_eq!(api.stop(), 0);

    project.environment.push(("MLFLOW_TRACKING_PASSWORD", "hidden-word".to_owned()));
    let ran = project.registry(&["pull", "champion", "--output", "again"]);
    fraud_tests::check(&ran, &["401", "MLFLOW_TRACKING_PASSWORD"]);
    assert!(!ran.stderr.contains("hidden-word"), "{}", ran.stderr);
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let proxy = Proxy::start(mlflow.url(), []);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("fraud-registry"));
    command
        .args(["models", "--log", "trace"])
        .env("HOME", folder.path())
        .env("MLFLOW_TRACKING_URI", proxy.url())
        .env("MLFLOW_TRACKING_TOKEN", "hidden-word");
    let ran = run(&mut command).ok();
    assert!(!format!("{ran:?}").contains("hidden-word"), "{ran:?}");
    let requests = proxy.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.header("Authorization"), Some("Bearer hidden-word"));
    }
}

/// A local store with runs that are quickly made, and what pushes them.
struct Runs {
    folder: tempfile::TempDir,
    experiment: &'static str,
    ids: Vec<String>,
}

impl Runs {
    fn new(experiment: &'static str, names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut runs = Self { folder, experiment, ids: Vec::new() };
        let store = runs.store();
        runs.ids = block_on(async {
            let experiment_id = store.experiment(experiment).await?.experiment_id;
            let mut ids = Vec::new();
            for (start, name) in (1..).zip(names) {
                let new = NewRun {
                    experiment_id: experiment_id.clone(),
                    name: (*name).to_owned(),
                    start_time: Some(start),
                    ..NewRun::default()
                };
                let id = store.create_run(&new).await?.info.run_id;
                let params = vec![KeyValue::new("name", name)];
                store.log_batch(&id, &Batch { params, ..Batch::default() }).await?;
                store.update_run(&id, RunStatus::Finished, Some(start + 1)).await?;
                ids.push(id);
            }
            Ok(ids)
        });
        runs
    }

    fn store(&self) -> LocalStore {
        LocalStore::open(self.folder.path().join("registry")).unwrap()
    }

    fn push(&self, url: &str) -> Command {
        let mut command = Command::new(binary("fraud-registry"));
        command
            .args(["push", "--all", "--json"])
            .env("FRAUD_REGISTRY", self.folder.path().join("registry"))
            .env("MLFLOW_TRACKING_URI", url)
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1");
        command
    }

    /// What became of each run.
    fn outcomes(&self, url: &str) -> Vec<String> {
        let said: Value = serde_json::from_str(&run(&mut self.push(url)).ok().stdout).unwrap();
        assert_eq!(said["failed"], json!([]));
        let runs = said["runs"].as_array().unwrap();
        runs.iter().map(|run| run["outcome"].as_str().unwrap().to_owned()).collect()
    }

    /// Names and states of the runs on the server, by the time of their start.
    fn there(&self, mlflow: &Mlflow) -> Vec<(String, String)> {
        let mut runs = runs_of(mlflow, self.experiment);
        runs.sort_by_key(|run| run["info"]["start_time"].as_i64());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        runs.iter()
            .map(|run| (text(&run["info"]["run_name"]), text(&run["info"]["status"])))
            .collect()
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(work).unwrap()
}

#[test]
fn a_run_that_is_refused_does_not_keep_the_others_back() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let runs = Runs::new("refused", &["one", "two", "three"]);
    let body = json!({ "error_code": "INVALID_PARAMETER_VALUE", "message": "not like this" });
    let refuse = Fault::Answer { status: 400, headers: Vec::new(), body: body.to_string() };
    let proxy = Proxy::start(mlflow.url(), [Rule::first("POST", "runs/log-batch", refuse)]);
    let ran = run(&mut runs.push(&proxy.url()));
    assert_eq!(ran.code, 2, "{ran:?}");
    for text in ["2 of 3 runs are there", "one (", "not like this", "goes on with it"] {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    let said: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(said["failed"][0]["local_run_id"], runs.ids[0]);
    assert_eq!(said["runs"].as_array().unwrap().len(), 2);
    assert_eq!(runs.outcomes(mlflow.url()), ["completed", "unchanged", "unchanged"]);
    assert_eq!(runs.there(mlflow).len(), 3);

    // What is added to a run that has ended and was pushed.
    let file = runs.folder.path().join("notes.txt");
    std::fs::write(&file, "later").unwrap();
    let store = runs.store();
    block_on(async {
        let uri = store.run(&runs.ids[1]).await?.info.artifact_uri;
        store.upload_artifact(&uri, "notes.txt", &file).await
    });
    assert_eq!(runs.outcomes(mlflow.url()), ["unchanged", "completed", "unchanged"]);
    let there = runs_of(mlflow, "refused");
    let two = there.iter().find(|run| run["info"]["run_name"] == "two").unwrap();
    let uri = format!("{}/notes.txt", two["info"]["artifact_uri"].as_str().unwrap());
    assert_eq!(mlflow.read_back(&["text", &uri]), "later");
}

#[test]
fn a_signal_while_a_run_is_created_leaves_none_running() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let runs = Runs::new("interrupted", &["one"]);
    let signal = |proxy: &Proxy, path: &str, signal| {
        let mut child = runs.push(&proxy.url()).spawn().unwrap();
        let started = std::time::Instant::now();
        while proxy.matching("POST", path).is_empty() {
            assert!(started.elapsed() < Duration::from_secs(30), "no call of {path}");
            std::thread::sleep(Duration::from_millis(10));
        }
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
        child.wait().unwrap().code()
    };
    let slow = |path: &str| Rule::first("POST", path, Fault::Delay(Duration::from_secs(1)));
    let state = |status: &str| vec![("one".to_owned(), status.to_owned())];

    let proxy = Proxy::start(mlflow.url(), [slow("runs/create")]);
    assert_eq!(signal(&proxy, "runs/create", Signal::TERM), Some(143));
    assert_eq!(runs.there(mlflow), state("FINISHED"));
    assert!(proxy.matching("POST", "runs/log-batch").is_empty());
    assert_eq!(runs.outcomes(mlflow.url()), ["completed"]);

    // Nothing can be done against kill -9, but the next push puts it in order.
    let runs = Runs::new("killed", &["one"]);
    let proxy =
        Proxy::start(mlflow.url(), [Rule::first("POST", "runs/update", Fault::status(503))]);
    let mut child =
        runs.push(&proxy.url()).env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "3600").spawn().unwrap();
    while proxy.matching("POST", "runs/update").is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(runs.there(mlflow), state("RUNNING"));
    assert_eq!(runs.outcomes(mlflow.url()), ["completed"]);
    assert_eq!(runs.there(mlflow), state("FINISHED"));
}

#[test]
fn push_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let push = |uri: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(binary("fraud-registry"));
        command.arg("push").args(arguments).env("FRAUD_REGISTRY", folder.path().join("registry"));
        if let Some(uri) = uri {
            command.env("MLFLOW_TRACKING_URI", uri).env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
        }
        run(&mut command)
    };
    fraud_tests::check(&push(None, &["--all"]), &["MLFLOW_TRACKING_URI is not set"]);
    fraud_tests::check(&push(None, &[]), &["--all", "RUN_ID"]);
    let server = Some("http://127.0.0.1:1");
    fraud_tests::check(&push(server, &["0123456789"]), &["no run whose id begins with"]);
    let ran = push(server, &["--all"]).ok();
    assert!(ran.stdout.contains("No runs in"), "{ran:?}");
}
