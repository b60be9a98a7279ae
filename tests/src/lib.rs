//! What the end-to-end tests share: the real binaries, the reference data, running services.

pub mod browser;
pub mod mlflow;
pub mod prometheus;
pub mod proxy;
pub mod s3;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fraud_core::{FEATURES, LogisticModel, ModelArtifact, Provenance, StandardScaler, Threshold};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// A binary of this workspace, built beside this test.
///
/// # Panics
///
/// If it is not there: `cargo test` alone does not build the binaries of other packages.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing; build it first: cargo build --workspace",
        path.display()
    );
    path
}

/// Real transactions and reference figures, which lie beside the repository where they may; `None`,
/// and a line that says what is skipped, where they do not.
#[must_use]
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    say(&format!("skipped: {} is not here", path.display()));
    None
}

/// The Python with scikit-learn and MLflow that `cargo xtask test` installs; `None`, and a line that
/// says so, without it.
///
/// # Panics
///
/// Without it, where nothing may be skipped.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("FRAUD_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        lack("Python with scikit-learn and MLflow", "`cargo xtask test` installs one");
    }
    python
}

/// A program of Debian that `cargo xtask test` installs where it may: the one that
/// `FRAUD_TEST_<NAME>` names, or of the `PATH`; `None`, and a line that says so, without it.
///
/// # Panics
///
/// Without it, where nothing may be skipped.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os(format!("FRAUD_TEST_{}", name.to_uppercase())).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = given.or_else(|| {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|p| p.is_file())
    });
    if found.is_none() {
        lack(name, "`cargo xtask test` installs it where it is allowed to");
    }
    found
}

/// Says that a test is skipped for want of something. Under `CI=true` nothing may be missing.
fn lack(what: &str, remedy: &str) {
    say(&format!("skipped: no {what}; {remedy}"));
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!is_ci, "no {what}, and CI=true: a test must not be skipped");
}

/// Cargo's target folder: the one that this test was built into.
///
/// # Panics
///
/// If the test lies elsewhere.
#[must_use]
pub fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    test.ancestors().nth(3).expect("a test lies in target/PROFILE/deps").to_owned()
}

/// A line that is seen although the test passes: the test harness keeps what `eprintln!` prints.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Results.
    pub stdout: String,
    /// Logs and errors.
    pub stderr: String,
}

impl Ran {
    /// Asks for success.
    ///
    /// # Panics
    ///
    /// With what was printed, if the program failed.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }
}

/// Asks for an error of the program's own making that says all of this, and no result.
///
/// # Panics
///
/// With what was printed, if it is anything else.
pub fn check(ran: &Ran, expected: &[&str]) {
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert_eq!(ran.stdout, "", "{ran:#?}");
    for text in expected {
        assert!(ran.stderr.contains(text), "expected {text:?} in {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

/// Runs a program to its end. Environment variables that would change its flags are taken away,
/// except those that `command` sets. A training leaves no run behind, unless `command` says where.
///
/// # Panics
///
/// If it cannot be started, or is ended by a signal.
pub fn run(command: &mut Command) -> Ran {
    let set: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_ours = text.starts_with("FRAUD_") || text.starts_with("MLFLOW_");
        if (is_ours || text == "RUST_LOG" || text == "PORT") && !set.contains(&name) {
            command.env_remove(&name);
        }
    }
    if !set.iter().any(|name| name == "FRAUD_REGISTRY" || name == "MLFLOW_TRACKING_URI") {
        command.env("FRAUD_TRAIN_NO_TRACKING", "1");
    }
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    Ran {
        code: output.status.code().expect("the program ends by itself"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `fraud-trainer` with arguments.
#[macro_export]
macro_rules! trainer {
    ($($argument:expr),* $(,)?) => {
        $crate::run(std::process::Command::new($crate::binary("fraud-trainer"))$(.arg($argument))*)
    };
}

/// A JSON file.
///
/// # Panics
///
/// If it cannot be read or is no JSON.
#[must_use]
pub fn json(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A list of numbers in a JSON value.
///
/// # Panics
///
/// If it is something else.
#[must_use]
pub fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|number| number.as_f64().expect("a number")).collect()
}

/// The production model of the Python system, brought into the form of `model.json`; `None` where
/// the reference figures are not here.
///
/// # Panics
///
/// If the reference figures are not a model.
#[must_use]
pub fn seed_model() -> Option<ModelArtifact> {
    let seed = json(&shared("expected/seed_model.json")?);
    assert_eq!(seed["features"], serde_json::json!(FEATURES));
    let array = |value: &Value| numbers(value).try_into().expect("30 numbers");
    let scaler =
        StandardScaler::new(array(&seed["scaler"]["mean"]), array(&seed["scaler"]["scale"]));
    let intercept = seed["intercept"].as_f64().expect("a number");
    let model =
        LogisticModel::new(scaler.expect("a scaler"), array(&seed["coefficients"]), intercept);
    Some(ModelArtifact {
        model: model.expect("a model"),
        threshold: Threshold::new(seed["threshold"].as_f64().expect("a number"))
            .expect("a threshold"),
        provenance: Provenance::default(),
    })
}

/// A labelled table in the shape of the Kaggle file, made by `fraud-trainer synth`.
///
/// # Panics
///
/// If it cannot be made.
#[must_use]
pub fn synthetic(folder: &Path, rows: u32, seed: u32) -> PathBuf {
    let path = folder.join(format!("synthetic-{rows}-{seed}.csv"));
    let (rows, seed) = (rows.to_string(), seed.to_string());
    let _ = trainer!("synth", "--rows", rows, "--seed", seed, "--output", &path).ok();
    path
}

/// A running `fraud-api`; dropped, it is stopped.
#[derive(Debug)]
pub struct Api {
    process: Child,
    url: String,
    log: String,
}

impl Api {
    /// Starts the service on a free port and waits until it says which.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(model: &Path) -> Self {
        Self::start_with(Command::new(binary("fraud-api")).arg("--model").arg(model))
    }

    /// As [`Api::start`], with arguments and environment variables of one's own.
    ///
    /// # Panics
    ///
    /// If it does not start; with what it logged.
    #[must_use]
    pub fn start_with(command: &mut Command) -> Self {
        let mut process = command
            .args(["--host", "127.0.0.1", "--port", "0", "--log", "info"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let mut lines = BufReader::new(process.stderr.take().expect("stderr is piped")).lines();
        let (mut log, mut port) = (String::new(), None);
        for line in lines.by_ref().map_while(Result::ok) {
            port = line.split_once("address=127.0.0.1:").map(|(_, rest)| digits(rest));
            log += &line;
            log.push('\n');
            if port.is_some() {
                break;
            }
        }
        let port = port.unwrap_or_else(|| panic!("the service does not log its address: {log}"));
        // The pipe is read on, so that the service never waits for it.
        std::thread::spawn(move || lines.for_each(drop));
        let api = Self { process, url: format!("http://127.0.0.1:{port}"), log };
        let started = Instant::now();
        while ureq::get(format!("{}/health", api.url)).call().is_err() {
            assert!(started.elapsed() < Duration::from_secs(10), "the service does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        api
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it logged until it served.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The body of the answer to `POST /predict`.
    ///
    /// # Panics
    ///
    /// If the answer is not 200.
    #[must_use]
    pub fn predict(&self, body: &str) -> String {
        let request = ureq::post(format!("{}/predict", self.url));
        let mut answer = request.content_type("application/json").send(body).expect("a prediction");
        answer.body_mut().read_to_string().expect("a body")
    }

    /// The body of the answer to `GET` of a path.
    ///
    /// # Panics
    ///
    /// If the answer is not 200.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        let mut answer = ureq::get(format!("{}{path}", self.url)).call().expect("an answer");
        answer.body_mut().read_to_string().expect("a body")
    }

    /// Sends SIGTERM and waits; the exit code.
    ///
    /// # Panics
    ///
    /// If the service is ended by a signal.
    #[must_use]
    pub fn stop(mut self) -> i32 {
        self.terminate();
        self.process.wait().expect("the service ends").code().expect("it ends by itself")
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            self.terminate();
            let _ = self.process.wait();
        }
    }
}

fn digits(text: &str) -> String {
    text.chars().take_while(char::is_ascii_digit).collect()
}
