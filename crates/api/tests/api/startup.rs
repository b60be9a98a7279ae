//! Start and stop: what is refused before a port is bound, and what a signal does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use fraud_api::{Application, Config};
use serde_json::Value;
use tempfile::TempDir;

use crate::helpers::{amount_model, config, example, model_directory};

async fn refusal(config: Config) -> String {
    match Application::build(config).await {
        Ok(_) => panic!("must be refused"),
        Err(error) => format!("{error:#}"),
    }
}

#[actix_web::test]
async fn a_missing_model_is_named_once_with_what_is_expected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("absent");
    let error = refusal(config(&path)).await;
    assert_eq!(
        error,
        format!(
            "cannot read the model {}: No such file or directory (os error 2); \
             expected a directory with model.json, or the file",
            path.display()
        )
    );
}

#[actix_web::test]
async fn an_edited_model_is_refused() {
    let directory = model_directory(&amount_model());
    let file = directory.path().join("model.json");
    let edited = std::fs::read_to_string(&file).unwrap().replace("-100.0", "-10.0");
    std::fs::write(&file, edited).unwrap();
    let error = refusal(config(directory.path())).await;
    assert!(error.contains("the numbers do not match the digest"), "{error}");
}

#[actix_web::test]
async fn a_port_in_use_is_named_with_the_way_out() {
    let directory = model_directory(&amount_model());
    let first = Application::build(config(directory.path())).await.unwrap();
    let second = Config { port: first.port(), ..config(directory.path()) };
    let error = refusal(second).await;
    let start = format!(
        "cannot listen on 127.0.0.1:{}; another program has this port: stop it, or choose another \
         with --port: Address already in use",
        first.port()
    );
    assert!(error.starts_with(&start), "{error}");
}

/// The real program, ended with the test.
struct Process {
    child: Child,
    stderr: BufReader<ChildStderr>,
    port: u16,
    _model: TempDir,
}

impl Process {
    fn start() -> Self {
        let model = model_directory(&amount_model());
        let mut child = Command::new(env!("CARGO_BIN_EXE_fraud-api"))
            .args(["--host", "127.0.0.1", "--port", "0", "--workers", "1", "--log", "info"])
            .arg("--model")
            .arg(model.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("address=") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "ended before it served");
        }
        let address = line.split("address=127.0.0.1:").nth(1).unwrap();
        let port = address.split_whitespace().next().unwrap().parse().unwrap();
        Self { child, stderr, port, _model: model }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(stream)
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits until new connections are refused, as they are once the stop has begun.
    fn wait_until_closed(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.connect().is_ok() {
            assert!(Instant::now() < deadline, "still accepts connections");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_request_in_flight_is_answered_after_the_signal() {
    for signal in ["TERM", "INT"] {
        let mut process = Process::start();
        let body = Value::from(example()).to_string();
        let (first, second) = body.split_at(100);
        let mut stream = process.connect().unwrap();
        let head = format!(
            "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(first.as_bytes()).unwrap();
        // Another connection is answered, so the first is with the one worker by now.
        let mut probe = process.connect().unwrap();
        probe
            .write_all(b"GET /health HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
            .unwrap();
        probe.read_to_string(&mut String::new()).unwrap();

        process.signal(signal);
        process.wait_until_closed();
        stream.write_all(second.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "SIG{signal}: {answer}");
        assert!(answer.contains("\"fraud_prediction\":1"), "SIG{signal}: {answer}");

        assert_eq!(process.child.wait().unwrap().code(), Some(0), "SIG{signal}");
        let mut log = String::new();
        process.stderr.read_to_string(&mut log).unwrap();
        assert!(log.contains("stopping: requests in flight have 30 s to finish"), "{log}");
    }
}

#[test]
fn an_idle_connection_does_not_delay_the_stop() {
    let mut process = Process::start();
    let mut idle = process.connect().unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    assert_ne!(idle.read(&mut [0; 1024]).unwrap(), 0);
    let start = Instant::now();
    process.signal("TERM");
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
    // Far below the 30 s that requests in flight would have had.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn errors_and_bad_usage_exit_with_2() {
    for arguments in [["--model", "absent"], ["--port", "70000"], ["--log", "a=b=c"]] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_fraud-api")).args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_version_is_that_of_the_crate() {
    let output = Command::new(env!("CARGO_BIN_EXE_fraud-api")).arg("--version").output().unwrap();
    let expected = format!("fraud-api {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

/// From the moment at which it says that it serves.
#[actix_web::test]
async fn a_stop_right_after_the_start_is_graceful() {
    for _ in 0..40 {
        crate::observability::Service::start(&[]).stop();
    }
}
