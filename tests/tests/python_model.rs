//! A model's folder in Python: onnxruntime, `mlflow.pyfunc.load_model` and `mlflow models serve` give
//! the probabilities of the trainer.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fraud_core::{FEATURES, ModelArtifact, Transaction};
use fraud_tests::{json, numbers, python, root, run, synthetic, trainer};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

/// MLflow would count its uses over the network.
const QUIET: (&str, &str) = ("MLFLOW_DISABLE_TELEMETRY", "true");

/// A model of synthetic rows, and the rows.
fn trained(folder: &Path) -> (PathBuf, PathBuf) {
    let (data, model) = (synthetic(folder, 4_000, 31), folder.join("model"));
    let _ = trainer!("train", "--bootstrap", "0", "--data", &data, "--output", &model).ok();
    (model, data)
}

/// Largest difference of probabilities.
fn worst(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The probabilities of `fraud-trainer score`.
fn scores(model: &Path, data: &Path) -> Vec<f64> {
    let output = model.with_file_name("scores.csv");
    let _ =
        trainer!("score", "--scores-only", "--model", model, "--data", data, "--output", &output,)
            .ok();
    let text = std::fs::read_to_string(output).unwrap();
    text.lines().skip(1).map(|line| line.split_once(',').unwrap().0.parse().unwrap()).collect()
}

#[test]
fn onnxruntime_and_mlflow_agree_with_the_trainer() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = trained(folder.path());
    let output = folder.path().join("python.json");
    let ran = run(Command::new(python)
        .arg(root().join("tests/python/load_model.py"))
        .args([&model, &data, &output])
        .env(QUIET.0, QUIET.1)
        .current_dir(folder.path()))
    .ok();
    let found = json(&output);

    let ours = scores(&model, &data);
    assert_eq!((ours.len(), &found["shape"]), (4_000, &json!([4_000, 1])));
    for name in ["onnxruntime", "pyfunc", "other_order_and_a_label", "32_bit_integers"] {
        let worst = worst(&ours, &numbers(&found[name]));
        // 2.6e-15 was seen; the contract is 1e-6.
        assert!(worst < 1e-12, "{name}: {worst:e}");
    }
    assert_eq!(found["columns"], json!(["probability"]));

    // What MLflow warns of by itself is a package other than the model asks for, or another Python,
    // which is whatever the machine has.
    let warnings: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("WARNING") && !line.contains("Python version"))
        .collect();
    assert!(warnings.len() == 1 && warnings[0].contains("`['Class']`"), "{}", ran.stderr);

    assert_eq!(found["without_v7"], "Model is missing inputs ['V7'].");
    let text = found["text"].as_str().unwrap();
    assert!(text.contains("Failed to convert column V7 from type object"), "{text}");
    // Whole seconds, as pandas reads them: refused by MLflow, and MLmodel says what to do.
    assert_eq!(found["as_read"]["dtype"], "int64");
    let refusal = found["as_read"]["refusal"].as_str().unwrap();
    assert!(refusal.contains("column Time. Can not safely convert int64 to float64"), "{refusal}");
    let note = found["metadata"]["integer_columns"].as_str().unwrap();
    assert!(note.contains("frame.astype(\"float64\")"), "{note}");

    let artifact = ModelArtifact::load(&model).unwrap();
    assert_eq!(found["metadata"]["digest"], artifact.digest());
    assert_eq!(found["metadata"]["threshold"], 0.9);
    assert_eq!(found["metadata"]["synthetic_rows"], 4_000);
    let graph = &found["graph"];
    assert_eq!(graph["input"], json!(["X", "tensor(double)", ["N", 30]]));
    assert_eq!(graph["output"], json!(["probability", "tensor(double)", ["N", 1]]));
    assert_eq!(graph["producer"], "fraud-trainer");
    assert_eq!(graph["metadata"]["digest"], artifact.digest());

    let column = |name: &str| json!({ "type": "double", "name": name, "required": true });
    assert_eq!(found["signature"]["inputs"], json!(FEATURES.map(column)));
    assert_eq!(found["signature"]["outputs"], json!([column("probability")]));
    let created = artifact.provenance.created_at.replace('T', " ").replace('Z', "");
    assert_eq!(found["created"], created);
    assert_eq!(found["model_uuid"].as_str().unwrap().len(), 32);

    // The first row of the example is the mean, where the log-odds are the intercept.
    let example = numbers(&found["input_example"]);
    let at_mean = fraud_core::model::sigmoid(artifact.model.intercept());
    assert!((example[0] - at_mean).abs() < 1e-12 && example.len() == 2, "{example:?}");
}

/// A running `mlflow models serve`; dropped, it and the server that it started are stopped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(python: &Path, model: &Path) -> Self {
        // Free until now, and nobody is in a hurry to take it.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let log = model.with_file_name("serve.log");
        // It starts uvicorn by name.
        let mut path = vec![python.parent().unwrap().to_owned()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let process = Command::new(python)
            .args(["-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1"])
            .args(["--host", "127.0.0.1", "--port", &port.port().to_string(), "--model-uri"])
            .arg(model)
            .env("PATH", std::env::join_paths(path).unwrap())
            .env(QUIET.0, QUIET.1)
            .current_dir(model.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut server = Self { process, url: format!("http://{port}") };
        let started = Instant::now();
        while ureq::get(format!("{}/ping", server.url)).call().is_err() {
            let ended = server.process.try_wait().unwrap();
            if ended.is_some() || started.elapsed() > Duration::from_mins(2) {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("MLflow does not serve ({ended:?}): {said}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    /// Status and body of the answer to `POST /invocations`.
    fn invoke(&self, body: &Value) -> (u16, Value) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
        let request = ureq::Agent::from(agent).post(format!("{}/invocations", self.url));
        let mut answer = request.send_json(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    /// The probabilities among the predictions.
    fn probabilities(&self, body: &Value) -> Vec<f64> {
        let (status, answer) = self.invoke(body);
        assert_eq!(status, 200, "{answer}");
        let rows = answer["predictions"].as_array().unwrap();
        rows.iter().map(|row| row["probability"].as_f64().unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

#[test]
fn mlflow_serves_the_folder() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (model, _) = trained(folder.path());
    let artifact = ModelArtifact::load(&model).unwrap();
    let server = Server::start(&python, &model);
    let expected = |rows: &Value| {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| {
            let transaction = Transaction::new(numbers(row).try_into().unwrap()).unwrap();
            artifact.model.predict_proba(&transaction)
        })
        .collect::<Vec<_>>()
    };

    let mut example = json(&model.join("serving_input_example.json"));
    let rows = example["dataframe_split"]["data"].clone();
    let worst_of_example = worst(&expected(&rows), &server.probabilities(&example));
    assert!(worst_of_example < 1e-12, "{worst_of_example:e}");

    // JSON's whole numbers are converted: `Time` and `Amount` seldom have a point.
    let whole = json!([vec![3; 30], vec![1; 30]]);
    let body = json!({ "dataframe_split": { "columns": FEATURES, "data": whole } });
    let worst_of_whole = worst(&expected(&whole), &server.probabilities(&body));
    assert!(worst_of_whole < 1e-12, "{worst_of_whole:e}");

    example["dataframe_split"]["columns"][7] = json!("V77");
    let (status, answer) = server.invoke(&example);
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(status == 400 && message.contains("missing inputs ['V7']"), "{status} {answer}");
}
