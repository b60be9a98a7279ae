//! A real Prometheus that scrapes a running service and evaluates the rules of `deploy/prometheus`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{digits, root, tool};

/// Configuration and rules, as they are deployed.
#[must_use]
pub fn deployed() -> PathBuf {
    root().join("deploy/prometheus")
}

/// A Prometheus with data and configuration in a folder that its caller keeps; dropped, it is ended.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    url: String,
}

impl Prometheus {
    /// Starts it with the deployed configuration, which scrapes `target` (`host:port`) and evaluates the
    /// rules every second; `None`, and a line that says so, where it is not installed.
    ///
    /// # Panics
    ///
    /// If it does not start, or the configuration is not what this changes.
    #[must_use]
    pub fn start(folder: &Path, target: &str) -> Option<Self> {
        let prometheus = tool("prometheus")?;
        let read = |name: &str| {
            let path = deployed().join(name);
            std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let mut configuration = read("prometheus.yml");
        for (deployed, here) in [
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
            ("- localhost:8000", &format!("- {target}")),
        ] {
            assert_eq!(configuration.matches(deployed).count(), 1, "{deployed} in prometheus.yml");
            configuration = configuration.replace(deployed, here);
        }
        std::fs::write(folder.join("prometheus.yml"), configuration).expect("a file");
        // A group of rules may have an interval of its own.
        let rules = read("alerts.yml");
        let rules: Vec<&str> = rules
            .lines()
            .map(|line| if line.starts_with("    interval:") { "    interval: 1s" } else { line })
            .collect();
        std::fs::write(folder.join("alerts.yml"), rules.join("\n")).expect("a file");
        let argument = |name: &str, file: &str| format!("--{name}={}", folder.join(file).display());
        let mut process = Command::new(prometheus)
            .arg(argument("config.file", "prometheus.yml"))
            .arg(argument("storage.tsdb.path", "data"))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Prometheus starts");
        let mut lines = BufReader::new(process.stderr.take().expect("stderr is piped")).lines();
        let (mut log, mut port) = (String::new(), String::new());
        for line in lines.by_ref().map_while(Result::ok) {
            log += &(line.clone() + "\n");
            // `msg="Listening on" address=127.0.0.1:PORT`
            if let Some((_, address)) = line.split_once("\"Listening on\" address=127.0.0.1:") {
                port = digits(address);
                break;
            }
        }
        assert!(!port.is_empty(), "Prometheus does not say its port: {log}");
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, url: format!("http://127.0.0.1:{port}") })
    }

    /// `data` of an answer of its API, under `/api/v1/`; null while it does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let answer = ureq::get(format!("{}/api/v1/{path}", self.url)).call();
        let body = answer.map(|mut answer| answer.body_mut().read_json::<Value>());
        let Ok(Ok(body)) = body else { return Value::Null };
        body["data"].clone()
    }

    /// Asks until what it says is as wanted, and returns that.
    ///
    /// # Panics
    ///
    /// If that takes longer than a minute.
    #[must_use]
    pub fn wait(&self, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let data = self.get(path);
            if is_wanted(&data) {
                return data;
            }
            assert!(started.elapsed() < Duration::from_mins(1), "{path} stays {data:#}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
