//! What the service says of its requests: lines of JSON, spans for a collector, figures of the model.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::helpers::{TestApp, amount_model, example, example_with, model_directory};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The program itself, with its log.
pub(crate) struct Service {
    child: Child,
    url: String,
    log: Receiver<String>,
    _model: TempDir,
}

impl Service {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let model = model_directory(&amount_model());
        let mut child = Command::new(env!("CARGO_BIN_EXE_fraud-api"))
            .args(["--host", "127.0.0.1", "--port", "0", "--workers", "1"])
            .args(["--log-format", "json", "--model"])
            .arg(model.path())
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let (sender, log) = channel();
        std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
        let mut service = Self { child, url: String::new(), log, _model: model };
        let serving = service.until(|line| line["message"] == "serving");
        service.url = format!("http://{}", serving["address"].as_str().unwrap());
        service
    }

    /// The first line from here on that is asked for.
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(20)).expect("a line of the log");
            let line: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if wanted(&line) {
                return line;
            }
        }
    }

    async fn predict(&self, body: &Value, traceparent: &str) -> StatusCode {
        let request = Client::new().post(format!("{}/predict", self.url)).json(body);
        let request = request.header("traceparent", traceparent).header("x-request-id", "mine-1");
        request.send().await.unwrap().status()
    }

    /// Asks for an end, which must be a graceful one, and returns what was logged until then.
    pub(crate) fn stop(mut self) -> Vec<String> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        self.log.iter().collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[actix_web::test]
async fn a_refused_request_is_a_line_of_json_with_its_names_and_without_its_values() {
    let service = Service::start(&[]);
    let mut body = example_with("V7", json!("secret-value"));
    body["Amount"] = json!(271_828.5);
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    assert_eq!(service.predict(&body, &parent).await, 422);
    assert_eq!(service.predict(&example().into(), &parent).await, 200);
    let log = service.stop();
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    // The good one is said at debug only.
    assert_eq!(answered.len(), 1, "{log:?}");
    let line = answered[0];
    assert_eq!((&line["level"], &line["status"]), (&json!("INFO"), &json!(422)));
    assert_eq!((&line["request_id"], &line["trace_id"]), (&json!("mine-1"), &json!(TRACE)));
    assert_eq!((&line["method"], &line["endpoint"]), (&json!("POST"), &json!("/predict")));
    assert!(line["micros"].as_u64().is_some() && line["timestamp"].is_string(), "{line}");
    for value in ["secret-value", "271828"] {
        assert!(!log.iter().any(|line| line.contains(value)), "{log:?}");
    }
}

#[actix_web::test]
async fn every_request_is_a_line_at_debug() {
    let service = Service::start(&["--log", "info,fraud_api::request=debug"]);
    assert_eq!(service.predict(&example().into(), "no parent").await, 200);
    let line = service.until(|line| line["message"] == "answered");
    assert_eq!((&line["level"], &line["status"]), (&json!("DEBUG"), &json!(200)));
    assert_eq!(line["trace_id"], Value::Null);
    assert!(line["model_version"].as_str().unwrap().starts_with("sha256:"), "{line}");
}

/// A collector for one export: path and body of what it gets.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let path = first.split(' ').nth(1).unwrap().to_owned();
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            let _ = sender.send((path, body));
        }
    });
    (url, requests)
}

#[actix_web::test]
async fn sampled_requests_are_spans_of_the_callers_trace() {
    let (url, requests) = collector();
    let service = Service::start(&["--otlp-endpoint", &url, "--otlp-sample", "0"]);
    let unsampled = "00-11111111111111111111111111111111-2222222222222222-00";
    assert_eq!(service.predict(&example().into(), unsampled).await, 200);
    assert_eq!(service.predict(&example().into(), "").await, 200);
    let sampled = format!("00-{TRACE}-00f067aa0ba902b7-01");
    assert_eq!(service.predict(&example_with("Amount", json!("x")), &sampled).await, 422);
    service.stop();

    let (path, body) = requests.recv_timeout(Duration::from_secs(20)).expect("an export");
    assert_eq!(path, "/v1/traces");
    let has = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    let bytes = |hex: &str| -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    assert!(has(&bytes(TRACE)) && has(&bytes("00f067aa0ba902b7")));
    for text in ["fraud-api", "POST /predict", "http.response.status_code", "mine-1"] {
        assert!(has(text.as_bytes()), "{text}");
    }
    assert!(!has(&bytes("11111111111111111111111111111111")));
    assert!(requests.try_recv().is_err(), "one export");
}

#[actix_web::test]
async fn a_collector_that_is_down_delays_nobody() {
    let service = Service::start(&["--otlp-endpoint", "http://127.0.0.1:9", "--otlp-sample", "1"]);
    for _ in 0..50 {
        assert_eq!(service.predict(&example().into(), "").await, 200);
    }
    service.stop();
}

#[actix_web::test]
async fn the_model_the_program_and_the_process_are_in_the_metrics() {
    let app = TestApp::spawn().await;
    for amount in [0, 100, 300] {
        app.predict(&example_with("Amount", json!(amount))).await;
    }
    let samples = app.samples().await;
    let find = |start: &str| {
        let found = samples.iter().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("{start} not in\n{}", samples.join("\n"))).as_str()
    };
    let digest = amount_model().digest();
    assert!(find("model_info{name=").contains(&format!("digest=\"{digest}\"")));
    assert!(find("model_info{name=").ends_with("} 1"));
    assert_eq!(find("model_threshold "), "model_threshold 0.5");
    assert!(find("fraud_api_build_info{version=\"").ends_with("\"} 1"));
    // Log-odds −100, 0 and 200.
    assert_eq!(
        find("fraud_probability_bucket{le=\"0.001\"}"),
        "fraud_probability_bucket{le=\"0.001\"} 1"
    );
    assert_eq!(
        find("fraud_probability_bucket{le=\"0.5\"}"),
        "fraud_probability_bucket{le=\"0.5\"} 2"
    );
    assert_eq!(find("fraud_probability_sum"), "fraud_probability_sum 1.5");
    assert!(find("model_loaded_timestamp_seconds ").len() > 40);
    for name in
        ["process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds "]
    {
        let value = find(name).rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        assert!(value >= 0.0, "{name}");
    }
    // A model that does not say when it was trained has no age.
    assert!(!samples.iter().any(|line| line.starts_with("model_created_timestamp_seconds")));
}
