//! A real MLflow server, and what MLflow's own client reads from it.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::{python, root, run};

/// The user of a server with [`Options::with_login`].
pub const USER: &str = "admin";
/// The user's password, with what has to be encoded in an INI file or a URL.
pub const PASSWORD: &str = "pass word:1234/@";

/// Both as an `Authorization` header.
const LOGIN: &str = "Basic YWRtaW46cGFzcyB3b3JkOjEyMzQvQA==";

/// A server on a free port of this machine, with a database and artifacts in a folder of its own.
///
/// It ends, and its folder goes, when this is dropped or when the process of the test ends in any
/// way: `tests/python/mlflow_server.py` watches a pipe that only this process holds open.
pub struct Mlflow {
    process: Child,
    url: String,
    folder: PathBuf,
    with_login: bool,
}

impl fmt::Debug for Mlflow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mlflow").field("url", &self.url).finish_non_exhaustive()
    }
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Basic authentication with [`USER`] and [`PASSWORD`].
    pub with_login: bool,
    /// Where artifacts go, `s3://bucket/path` say, instead of the server's folder.
    pub artifacts_destination: Option<String>,
    /// Environment variables of the server.
    pub environment: Vec<(String, String)>,
}

impl Mlflow {
    /// The server that all tests of this binary share; starting one takes 5 to 10 s. `None` without
    /// a Python.
    ///
    /// # Panics
    ///
    /// As [`Mlflow::start`].
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Mlflow>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&Options::default())).as_ref()
    }

    /// As [`Mlflow::shared`], with basic authentication.
    ///
    /// # Panics
    ///
    /// As [`Mlflow::start`].
    pub fn shared_with_login() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Mlflow>> = OnceLock::new();
        let options = Options { with_login: true, ..Options::default() };
        SHARED.get_or_init(|| Self::start(&options)).as_ref()
    }

    /// Starts a server and waits until it answers; `None`, and a line that says so, without a
    /// Python.
    ///
    /// # Panics
    ///
    /// With the server's log, if it does not start.
    #[must_use]
    pub fn start(options: &Options) -> Option<Self> {
        let mut command = Command::new(python()?);
        command.arg(root().join("tests/python/mlflow_server.py"));
        if options.with_login {
            command.args(["--user", USER, "--password", PASSWORD]);
        }
        if let Some(destination) = &options.artifacts_destination {
            command.args(["--artifacts-destination", destination]);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MLFLOW_") {
                command.env_remove(name);
            }
        }
        let mut process = command
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl+C ends the test; the pipe tells the server.
            .process_group(0)
            .spawn()
            .expect("Python starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server's first line is text");
        let said: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let (Some(url), Some(folder)) = (said["url"].as_str(), said["folder"].as_str()) else {
            panic!("MLflow does not start: {}", said["error"].as_str().unwrap_or(&line));
        };
        let (url, folder) = (url.to_owned(), PathBuf::from(folder));
        Some(Self { process, url, folder, with_login: options.with_login })
    }

    /// `http://127.0.0.1:PORT`, without user and password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of the artifacts, unless they go elsewhere: `EXPERIMENT/RUN/artifacts/…` and
    /// `EXPERIMENT/models/MODEL/artifacts/…`.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.folder.join("artifacts")
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read(self.folder.join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The environment variables that lead a client to this server.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("MLFLOW_TRACKING_URI", self.url.clone())];
        if self.with_login {
            variables.push(("MLFLOW_TRACKING_USERNAME", USER.to_owned()));
            variables.push(("MLFLOW_TRACKING_PASSWORD", PASSWORD.to_owned()));
        }
        variables
    }

    /// The answer to a request of the REST API, as `("GET", "2.0/mlflow/runs/get?run_id=…", &null)`
    /// or `("POST", "2.0/mlflow/runs/create", &body)`.
    ///
    /// # Panics
    ///
    /// If the server does not answer or the answer is no JSON. A status of 400 and above is no
    /// panic: the answer has an `error_code` then.
    #[must_use]
    pub fn rest(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/api/{path}", self.url))
            .header("content-type", "application/json");
        if self.with_login {
            request = request.header("authorization", LOGIN);
        }
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let answer = if body.is_null() {
            agent.run(request.body(()).expect("a request"))
        } else {
            agent.run(request.body(body.to_string()).expect("a request"))
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = answer.body_mut().read_to_string().expect("a body");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{method} {path}: {text}"))
    }

    /// What Python's `MlflowClient` reads, by the commands of `tests/python/mlflow_client.py`:
    /// `["run", id]`, `["model", name]`, `["alias", name, alias]`, `["experiment", name]`,
    /// `["text", uri]`.
    ///
    /// # Panics
    ///
    /// With what Python printed, if it fails.
    #[must_use]
    pub fn read_back(&self, arguments: &[&str]) -> Value {
        let python = python().expect("the server runs in it");
        let client = root().join("tests/python/mlflow_client.py");
        let mut command = Command::new(python);
        command.arg(client).args(arguments).envs(self.environment());
        let said = run(&mut command).ok().stdout;
        // Libraries greet on stdout; the result is the last line.
        let line = said.lines().next_back().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// The probabilities that `mlflow.pyfunc.load_model(uri)` predicts for the rows of a CSV file.
    ///
    /// # Panics
    ///
    /// With what Python printed, if it fails.
    #[must_use]
    pub fn score(&self, uri: &str, rows: &Path) -> Vec<f64> {
        let rows = rows.to_str().expect("a path that is text");
        crate::numbers(&self.read_back(&["score", uri, rows]))
    }
}

impl Drop for Mlflow {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
