//! What goes wrong between the trainer and a real MLflow server: nothing lost, nothing doubled, and a
//! message that says what to do.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fraud_registry::types::{Batch, KeyValue, Metric, NewModelVersion, NewRun, RunSearch};
use fraud_registry::{Error, MlflowServer, ModelUri, ServerConfig, Store as _};
use fraud_tests::mlflow::{Mlflow, PASSWORD, USER};
use fraud_tests::proxy::{Fault, Proxy, Rule};
use fraud_tests::{Ran, binary, run, synthetic};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A training on a few rows, in an experiment and with a registered model of its own.
struct Trial {
    folder: tempfile::TempDir,
    name: String,
}

impl Trial {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let _ = synthetic(folder.path(), 3_000, 1);
        Self { folder, name: name.to_owned() }
    }

    fn output(&self) -> std::path::PathBuf {
        self.folder.path().join("model")
    }

    /// `fraud-trainer train` with fast repetitions.
    fn command(&self, url: &str, retries: u32) -> Command {
        let mut command = Command::new(binary("fraud-trainer"));
        command
            .arg("train")
            .args(["--bootstrap", "0", "--experiment", &self.name])
            .args(["--registered-model", &self.name])
            .arg("--data")
            .arg(self.folder.path().join("synthetic-3000-1.csv"))
            .arg("--output")
            .arg(self.output())
            .env("MLFLOW_TRACKING_URI", url)
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries.to_string())
            .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.1")
            .env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
        command
    }

    fn train(&self, url: &str, retries: u32) -> Ran {
        run(&mut self.command(url, retries))
    }

    /// The experiment's runs.
    fn runs(&self, mlflow: &Mlflow) -> Vec<Value> {
        let path = format!("2.0/mlflow/experiments/get-by-name?experiment_name={}", self.name);
        let experiment = mlflow.rest("GET", &path, &Value::Null);
        let body = json!({ "experiment_ids": [experiment["experiment"]["experiment_id"]] });
        list(&mlflow.rest("POST", "2.0/mlflow/runs/search", &body)["runs"])
    }

    /// Exactly one of each: a finished run with all its files, its logged model with all its files, a
    /// version of that, which is the challenger.
    fn check_one_of_each(&self, mlflow: &Mlflow) {
        let runs = self.runs(mlflow);
        assert_eq!(runs.len(), 1, "{runs:#?}");
        let run = &runs[0];
        assert_eq!(run["info"]["status"], "FINISHED");
        let params = list(&run["data"]["params"]);
        let keys: BTreeSet<_> = params.iter().map(|param| param["key"].as_str().unwrap()).collect();
        assert!(params.len() == keys.len() && keys.contains("l2"), "{params:?}");
        let inputs = list(&run["inputs"]["dataset_inputs"]);
        let context = |input: &Value| input["tags"][0]["value"].clone();
        let contexts: Vec<_> = inputs.iter().map(context).collect();
        assert!(inputs.len() == 2 && contexts.contains(&json!("training")), "{inputs:#?}");
        let metrics = list(&run["data"]["metrics"]);
        let keys: BTreeSet<_> = metrics.iter().map(|m| m["key"].as_str().unwrap()).collect();
        assert!(metrics.len() == keys.len() && keys.contains("average_precision"), "{metrics:?}");
        for (key, at_least) in [("loss", 4), ("gradient_norm", 4), ("average_precision", 1)] {
            let id = run["info"]["run_id"].as_str().unwrap();
            let path = format!("2.0/mlflow/metrics/get-history?run_id={id}&metric_key={key}");
            let values = list(&mlflow.rest("GET", &path, &Value::Null)["metrics"]);
            let steps: BTreeSet<_> = values.iter().map(|value| value["step"].to_string()).collect();
            assert!(values.len() == steps.len() && values.len() >= at_least, "{key}: {values:?}");
        }
        let outputs = list(&run["outputs"]["model_outputs"]);
        assert_eq!(outputs.len(), 1, "{outputs:?}");
        let body = json!({ "experiment_ids": [run["info"]["experiment_id"]] });
        let models = list(&mlflow.rest("POST", "2.0/mlflow/logged-models/search", &body)["models"]);
        assert_eq!(models.len(), 1, "{models:#?}");
        let info = &models[0]["info"];
        assert_eq!(info["model_id"], outputs[0]["model_id"]);
        assert_eq!(info["status"], "LOGGED_MODEL_READY");
        for (uri, at_least) in [(&run["info"]["artifact_uri"], 7), (&info["artifact_uri"], 15)] {
            let folder = uri.as_str().unwrap().strip_prefix("mlflow-artifacts:/").unwrap();
            let files = files(&mlflow.artifacts().join(folder));
            assert!(files.len() >= at_least, "{files:?}");
            for (name, size) in files {
                let local = std::fs::metadata(self.output().join(&name)).unwrap().len();
                // MLmodel says where it is, and the folder's own does not.
                assert!(size == local || name == "MLmodel", "{name} is torn: {size} of {local}");
            }
        }
        let path = format!("2.0/mlflow/registered-models/get?name={}", self.name);
        let model = mlflow.rest("GET", &path, &Value::Null);
        let aliases = &model["registered_model"]["aliases"];
        assert_eq!(*aliases, json!([{ "alias": "challenger", "version": "1" }]));
        assert_eq!(list(&model["registered_model"]["latest_versions"])[0]["version"], "1");
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Names and sizes of the files in a folder.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let file = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
    };
    entries.map(file).collect()
}

fn client(url: &str) -> MlflowServer {
    MlflowServer::new(ServerConfig::new(url).unwrap().with_retries(1)).unwrap()
}

fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(work).unwrap_or_else(|error| panic!("{error}"))
}

/// The server is not there, then it is.
#[test]
fn a_server_that_is_down_at_the_start() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let trial = Trial::new("down-at-start");
    let proxy = Proxy::start(mlflow.url(), []);
    proxy.down();
    let ran = trial.train(&proxy.url(), 1);
    fraud_tests::check(
        &ran,
        &["Connection refused", "tried 2 times", "MLFLOW_TRACKING_URI", "--no-tracking"],
    );
    assert!(!trial.output().exists());

    let ran = std::thread::scope(|scope| {
        let training = scope.spawn(|| trial.train(&proxy.url(), 7));
        std::thread::sleep(Duration::from_millis(700));
        proxy.up();
        training.join().unwrap()
    });
    let ran = ran.ok();
    assert!(ran.stderr.contains("trying again in"), "{}", ran.stderr);
    trial.check_one_of_each(mlflow);
}

/// Each call of a training, one after the other, is met by each fault; what is there in the end is the
/// same as without.
#[test]
fn every_call_survives_every_fault() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let trial = Trial::new("undisturbed");
    let proxy = Proxy::start(mlflow.url(), []);
    let _ = trial.train(&proxy.url(), 0).ok();
    trial.check_one_of_each(mlflow);
    let calls = |method: &str| proxy.matching(method, "/").len();
    let counts = ["GET", "POST", "PUT", "PATCH"].map(|method| (method, calls(method)));

    let faults = [
        ("503", Fault::status(503)),
        ("cut", Fault::CutBeforeAnswer),
        // Many an answer is `{}`, of two bytes.
        ("torn", Fault::CutAnswer(1)),
    ];
    let mut trials = 0;
    for (method, count) in counts {
        for number in 1..=count {
            // Of the many uploads, which are alike, each meets one of the faults.
            let all = method != "PUT";
            for (index, (name, fault)) in faults.iter().enumerate() {
                if !all && number % faults.len() != index {
                    continue;
                }
                let trial = Trial::new(&format!("{method}-{number}-{name}"));
                let rule = Rule::first(method, "/", fault.clone()).which(number..=number);
                let proxy = Proxy::start(mlflow.url(), [rule]);
                let ran = trial.train(&proxy.url(), 2);
                assert_eq!(ran.code, 0, "{}: {}", trial.name, ran.stderr);
                trial.check_one_of_each(mlflow);
                trials += 1;
            }
        }
    }
    assert!(trials >= 60, "{trials} trials of {counts:?}");
}

/// The server goes away for good in the middle of the files; the run is gone on with later.
#[test]
fn a_server_that_is_down_for_good_loses_nothing() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let trial = Trial::new("down-in-the-middle");
    let proxy = Proxy::start(mlflow.url(), []);
    proxy.add(Rule::always("PUT", "model.onnx", Fault::Down(Duration::from_mins(10))));
    let ran = trial.train(&proxy.url(), 1);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    for text in ["the model is in", "could not be recorded", "MLFLOW_RUN_ID=", "--force"] {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    assert!(trial.output().join("model.json").exists());

    let (_, rest) = ran.stderr.split_once("MLFLOW_RUN_ID=").unwrap();
    let run_id: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    let mut again = trial.command(mlflow.url(), 1);
    let _ = run(again.arg("--force").env("MLFLOW_RUN_ID", run_id)).ok();
    trial.check_one_of_each(mlflow);
}

#[test]
fn half_an_upload_is_sent_again() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let trial = Trial::new("half-an-upload");
    let cut = Rule::first("PUT", "evaluation.html", Fault::CutRequest(10_000)).which(1..=2);
    let proxy = Proxy::start(mlflow.url(), [cut]);
    let ran = trial.train(&proxy.url(), 3).ok();
    assert!(ran.stderr.contains("evaluation.html"), "{}", ran.stderr);
    trial.check_one_of_each(mlflow);
}

#[test]
fn too_many_requests_wait_as_long_as_the_server_asks() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let trial = Trial::new("too-many");
    let rule = Rule::first("POST", "runs/create", Fault::too_many_requests(2));
    let proxy = Proxy::start(mlflow.url(), [rule]);
    let started = Instant::now();
    let ran = trial.train(&proxy.url(), 3).ok();
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert!(ran.stderr.contains("429") && ran.stderr.contains("in 2.0 s"), "{}", ran.stderr);
    assert_eq!(proxy.matching("POST", "runs/create").len(), 2);
    trial.check_one_of_each(mlflow);
}

#[test]
fn a_wrong_password_is_told_once_and_not_shown() {
    let Some(mlflow) = Mlflow::shared_with_login() else { return };
    let trial = Trial::new("wrong-password");
    let proxy = Proxy::start(mlflow.url(), []);
    let mut command = trial.command(&proxy.url(), 3);
    command.env("MLFLOW_TRACKING_USERNAME", USER).env("MLFLOW_TRACKING_PASSWORD", "hidden-word");
    let ran = run(&mut command);
    fraud_tests::check(&ran, &["401", "MLFLOW_TRACKING_PASSWORD"]);
    assert!(!ran.stderr.contains("hidden-word") && !ran.stderr.contains("Basic"), "{ran:?}");
    assert_eq!(proxy.requests().len(), 1);
    assert!(!trial.output().exists());

    let mut command = trial.command(&proxy.url(), 3);
    command.env("MLFLOW_TRACKING_USERNAME", USER).env("MLFLOW_TRACKING_PASSWORD", PASSWORD);
    let ran = run(command.env("RUST_LOG", "trace")).ok();
    assert!(!ran.stderr.contains(PASSWORD) && !ran.stderr.contains("Basic "), "{ran:?}");
}

#[test]
fn a_signal_kills_the_run_and_an_error_fails_it() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let trial = Trial::new("signal");
    let rule = Rule::first("POST", "log-inputs", Fault::Delay(Duration::from_secs(30)));
    let proxy = Proxy::start(mlflow.url(), [rule]);
    let mut child = trial.command(&proxy.url(), 3).spawn().unwrap();
    let started = Instant::now();
    while proxy.matching("POST", "log-inputs").is_empty() {
        assert!(started.elapsed() < Duration::from_secs(30), "no call of log-inputs");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let runs = trial.runs(mlflow);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["info"]["status"], "KILLED");

    let trial = Trial::new("error");
    let data = trial.folder.path().join("synthetic-3000-1.csv");
    let text = std::fs::read_to_string(&data).unwrap();
    std::fs::write(&data, text.replacen("0.", "zero.", 1)).unwrap();
    let ran = trial.train(mlflow.url(), 0);
    fraud_tests::check(&ran, &["row 1", "zero."]);
    let runs = trial.runs(mlflow);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["info"]["status"], "FAILED");
    assert!(runs[0]["info"]["end_time"].as_i64().unwrap() > 0);
}

#[test]
fn names_of_any_kind_arrive_or_are_refused_with_a_reason() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let server = client(mlflow.url());
    let (text, name) =
        ("Zahlungen / März #1 100% \"a\" 'b' 💳?&=+", "Betrug é 💳 100%&?#+ 'x' \"y\"");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "content").unwrap();
    block_on(async {
        let experiment = server.experiment(text).await?;
        assert_eq!(server.experiment(text).await?.experiment_id, experiment.experiment_id);
        let tags = vec![KeyValue::new("a.b/c d", text)];
        let new = NewRun {
            experiment_id: experiment.experiment_id.clone(),
            name: text.to_owned(),
            tags: tags.clone(),
            start_time: None,
        };
        let run = server.create_run(&new).await?;
        let other = NewRun { experiment_id: experiment.experiment_id, ..NewRun::default() };
        server.create_run(&other).await?;
        let found = server.search_runs(&RunSearch { tags, ..RunSearch::default() }).await?;
        let found: Vec<_> = found.iter().map(|run| &run.info.run_id).collect();
        assert_eq!(found, [&run.info.run_id]);
        let batch = Batch {
            metrics: vec![Metric::now("größe a/b", 1.5), Metric::now("not", f64::NAN)],
            params: vec![KeyValue::new("Ä / b", text)],
            tags: Vec::new(),
        };
        server.log_batch(&run.info.run_id, &batch).await?;
        let back = server.run(&run.info.run_id).await?;
        assert_eq!(back.info.run_name, text);
        assert_eq!(back.metric("größe a/b"), Some(1.5));
        assert!(back.metric("not").is_some_and(f64::is_nan));
        assert_eq!(back.data.params, batch.params);

        let uri = &run.info.artifact_uri;
        for path in ["a b/ü 100%.txt", "x+y?&=;'.txt", "日本/💳.bin"] {
            server.upload_artifact(uri, path, &file).await?;
            let to = folder.path().join("back");
            server.download_artifact(uri, path, &to).await?;
            assert_eq!(std::fs::read_to_string(&to).unwrap(), "content");
            let (parent, _) = path.rsplit_once('/').unwrap_or(("", path));
            let listed = server.list_artifacts(uri, parent).await?;
            assert!(
                listed.iter().any(|file| file.path == path && file.file_size == 7),
                "{listed:?}"
            );
        }
        for path in ["a#b", "a%20b", "../x", "/x", "a//b", ""] {
            let refused = server.upload_artifact(uri, path, &file).await.unwrap_err();
            assert!(matches!(refused, Error::Invalid { .. }), "{path}: {refused}");
        }

        assert_eq!(server.register_model(name).await?.name, name);
        assert_eq!(server.register_model(name).await?.name, name);
        let version = NewModelVersion {
            name: name.to_owned(),
            source: run.info.artifact_uri.clone(),
            run_id: Some(run.info.run_id.clone()),
            ..NewModelVersion::default()
        };
        assert_eq!(server.create_version(&version).await?.version, "1");
        let versions = server.versions(Some(name)).await?;
        let versions: Vec<_> = versions.iter().map(|version| &*version.version).collect();
        assert_eq!(versions, ["1"]);
        Ok(())
    });
}

#[test]
fn a_refusal_says_who_said_what() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let url = mlflow.url().replace("http://", "http://user:hidden@");
    let server = client(&url);
    let of = |error: &Error| match error {
        Error::Invalid { answer, .. } | Error::NotFound { answer, .. } => answer.clone().unwrap(),
        other => panic!("{other}"),
    };
    block_on(async {
        let refused = server.register_model("a/b").await.unwrap_err();
        let answer = of(&refused);
        assert_eq!((answer.method, answer.status), ("POST", 400));
        assert_eq!(answer.error_code, "INVALID_PARAMETER_VALUE");
        assert!(answer.message.contains("cannot contain '/'"), "{refused}");
        let path = "/api/2.0/mlflow/registered-models/create";
        assert_eq!(answer.url, mlflow.url().to_owned() + path);
        let text = refused.to_string();
        assert!(text.contains(&format!("(POST {}: INVALID", answer.url)), "{text}");

        let absent = server.run(&"0".repeat(32)).await.unwrap_err();
        assert_eq!(of(&absent).error_code, "RESOURCE_DOES_NOT_EXIST");
        let text = absent.to_string();
        assert!(text.contains("GET") && text.contains("not found"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
        Ok(())
    });
}

#[test]
fn an_artifact_arrives_whole_or_is_missed_at_once() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let proxy = Proxy::start(mlflow.url(), []);
    let config = ServerConfig::new(&proxy.url()).unwrap();
    let server = MlflowServer::new(config.with_retries(3)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, to) = (folder.path().join("file"), folder.path().join("new/back"));
    let content = "0123456789".repeat(50_000);
    std::fs::write(&file, &content).unwrap();
    block_on(async {
        let experiment_id = server.experiment("downloads").await?.experiment_id;
        let run = server.create_run(&NewRun { experiment_id, ..NewRun::default() }).await?;
        let uri = &run.info.artifact_uri;
        server.upload_artifact(uri, "python/MLmodel", &file).await?;
        let get = |fault| Rule::first("GET", "/mlflow-artifacts/artifacts/", fault);
        for fault in [Fault::CutAnswer(300_000), Fault::CutBeforeAnswer, Fault::status(503)] {
            let before = proxy.matching("GET", "/mlflow-artifacts/artifacts/").len();
            proxy.clear();
            proxy.add(get(fault));
            server.download_artifact(uri, "python/MLmodel", &to).await?;
            let asked = proxy.matching("GET", "/mlflow-artifacts/artifacts/").len();
            assert_eq!(asked, before + 2);
            assert_eq!(std::fs::read_to_string(&to).unwrap(), content);
            assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode(&to), mode(&file), "as any new file");
            std::fs::remove_file(&to).unwrap();
        }

        // A model of the Python system has no model.json. Asked for it, MLflow answers 500.
        proxy.clear();
        let started = Instant::now();
        let model: ModelUri = format!("runs:/{}/python", run.info.run_id).parse()?;
        let model = model.resolve(&server).await?;
        for error in [
            model.download_model(&server, &folder.path().join("a")).await.unwrap_err(),
            model.download(&server, &folder.path().join("b")).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::NotFound { .. }), "{error}");
            assert!(error.to_string().contains("1 files of an MLflow model"), "{error}");
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        Ok(())
    });
}

#[test]
fn two_thousand_metrics_in_one_call() {
    let Some(mlflow) = Mlflow::shared() else { return };
    // The first request is cut off after the server has done it: it comes twice and counts once.
    let proxy =
        Proxy::start(mlflow.url(), [Rule::first("POST", "log-batch", Fault::CutBeforeAnswer)]);
    let server = client(&proxy.url());
    block_on(async {
        let experiment_id = server.experiment("many metrics").await?.experiment_id;
        let run = server.create_run(&NewRun { experiment_id, ..NewRun::default() }).await?;
        let metrics: Vec<_> =
            (0..2_000).map(|step| Metric::at_step("loss", 1.0 / step as f64, step)).collect();
        let long = vec![KeyValue::new("long", "ä".repeat(9_000))];
        let batch = Batch { metrics, params: long.clone(), tags: long };
        server.log_batch(&run.info.run_id, &batch).await?;
        let history = server.metric_history(&run.info.run_id, "loss").await?;
        assert_eq!(history.len(), 2_000);
        assert!(history.iter().zip(0..).all(|(metric, step)| metric.step == step));
        let data = server.run(&run.info.run_id).await?.data;
        assert_eq!(data.params[0].value.chars().count(), 6_000);
        Ok(())
    });
    assert_eq!(proxy.matching("POST", "log-batch").len(), 4);
}
