//! What should bring a service down, sent to the real one: it refuses what it must, with the right
//! status, and goes on.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use fraud_core::FEATURES;
use fraud_tests::{Api, binary, root, say};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

/// Connections that do nothing.
const IDLE: usize = 10_000;
/// Bytes of a body that is much too long.
const HUGE: usize = 100_000_000;
/// Resident memory that no body may push the service over, in KiB.
const MOST_MEMORY: u64 = 64 * 1024;

fn start(arguments: &[&str]) -> Api {
    let mut command = Command::new(binary("fraud-api"));
    Api::start_with(command.arg("--model").arg(root().join("models/production")).args(arguments))
}

fn connect(api: &Api) -> TcpStream {
    let stream = TcpStream::connect(address(api)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn address(api: &Api) -> &str {
    api.url().trim_start_matches("http://")
}

/// The fields of a transaction, all 1, as they stand in an object.
fn fields() -> String {
    FEATURES.map(|name| format!("\"{name}\": 1")).join(", ")
}

fn post(api: &Api, path: &str, body: &[u8]) -> (u16, Value) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = agent.post(format!("{}{path}", api.url())).content_type("application/json");
    let mut answer = request.send(body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or_default())
}

/// A figure of `/proc/PID/status`, in KiB.
fn memory(api: &Api, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", api.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn check_well(api: &Api) {
    assert_eq!(api.get("/health"), r#"{"status":"ok"}"#);
    assert!(api.predict(&format!("{{{}}}", fields())).contains("fraud_probability"));
}

#[test]
fn it_answers_beside_10_000_idle_connections() {
    // Some files are open already.
    let wanted = IDLE as u64 + 200;
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < wanted) {
        say(&format!("skipped: {limit:?}, {wanted} open files are needed"));
        return;
    }
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).unwrap();
    }
    let api = start(&["--keep-alive", "600"]);
    // Each has asked once, and then keeps its connection: what a pool of clients does.
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let mut stream = connect(&api);
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        idle.push(stream);
    }
    let body = format!("{{{}}}", fields());
    // The quickest of a few: a machine that is busy elsewhere does not count.
    let times = (0..5).map(|_| {
        let asked = Instant::now();
        let _ = api.predict(&body);
        asked.elapsed()
    });
    let quickest = times.min().unwrap();
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    // They are all still there, and of use.
    for stream in [0, IDLE / 2, IDLE - 1].map(|place| &idle[place]) {
        let mut reader = BufReader::new(stream);
        let mut rest = vec![0; reader.fill_buf().unwrap().len()];
        reader.read_exact(&mut rest).unwrap();
        (&*stream).write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    }
    println!(
        "{IDLE} connections: /predict in {quickest:?}, {} MiB resident",
        memory(&api, "VmRSS:") / 1024
    );
    drop(idle);
    check_well(&api);
    assert_eq!(api.stop(), 0);
}

/// How a body is sent.
#[derive(Debug, Clone, Copy)]
enum Framing {
    ContentLength,
    Chunked,
}

/// Sends pieces until `HUGE` bytes are sent or the service will not have more; the status of the answer,
/// `None` if the connection was cut without one.
fn send_huge(
    api: &Api,
    path: &str,
    content_type: &str,
    framing: Framing,
    piece: &[u8],
) -> Option<u16> {
    let mut stream = connect(api);
    let header = match framing {
        Framing::ContentLength => format!("content-length: {HUGE}"),
        Framing::Chunked => "transfer-encoding: chunked".to_owned(),
    };
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n{header}\r\n\r\n"
    )
    .unwrap();
    let mut left = HUGE;
    while left > 0 {
        let piece = &piece[..piece.len().min(left)];
        let written = match framing {
            Framing::ContentLength => stream.write_all(piece),
            Framing::Chunked => write!(stream, "{:x}\r\n", piece.len())
                .and_then(|()| stream.write_all(piece))
                .and_then(|()| stream.write_all(b"\r\n")),
        };
        match written {
            Ok(()) => left -= piece.len(),
            // It has answered, and closed.
            Err(error)
                if [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()) =>
            {
                break;
            }
            Err(error) => panic!("{path}, {framing:?}, {left} bytes left: {error}"),
        }
    }
    if left == 0 && matches!(framing, Framing::Chunked) {
        let _ = stream.write_all(b"0\r\n\r\n");
    }
    let mut line = String::new();
    match BufReader::new(&stream).read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => line.split(' ').nth(1).map(|status| status.parse().unwrap()),
    }
}

#[test]
fn a_body_of_100_mb_is_refused_and_not_kept() {
    let api = start(&[]);
    let row = format!("{{{}}}\n", fields());
    let rows = row.repeat(64 * 1024 / row.len() + 1);
    let spaces = " ".repeat(64 * 1024);
    let json = "application/json";
    let before = memory(&api, "VmRSS:");
    for framing in [Framing::ContentLength, Framing::Chunked] {
        for (path, content_type, piece) in [
            ("/predict", json, &spaces),
            ("/predict", json, &rows),
            ("/explain", json, &spaces),
            // One row that does not end, and more rows than are taken.
            ("/predict/batch", "text/csv", &spaces),
            ("/predict/batch", "application/x-ndjson", &rows),
        ] {
            let status = send_huge(&api, path, content_type, framing, piece.as_bytes());
            assert!(matches!(status, None | Some(413)), "{path}, {framing:?}: {status:?}");
        }
    }
    let peak = memory(&api, "VmHWM:");
    println!("resident: {} MiB before, {} MiB at most", before / 1024, peak / 1024);
    assert!(peak < MOST_MEMORY, "{peak} KiB");
    check_well(&api);
    assert_eq!(api.stop(), 0);
}

#[test]
fn json_that_is_nested_100_000_deep_is_refused() {
    // As it is set, such a body is too long already.
    let api = start(&["--body-limit", "1048576"]);
    let tight = start(&[]);
    let all = fields();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = |close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let (whole, cut) = (deep(close), deep(""));
        let field = all.replace("\"V7\": 1", &format!("\"V7\": {whole}"));
        for body in [whole.clone(), cut, format!("{{{field}}}")] {
            for path in ["/predict", "/explain"] {
                assert_eq!(post(&api, path, body.as_bytes()).0, 400, "{open}, {path}");
                assert_eq!(post(&tight, path, body.as_bytes()).0, 413, "{open}, {path}");
            }
        }
        // A field of another name is skipped, not read.
        let ignored = format!("{{\"other\": {whole}, {all}}}");
        let status = post(&api, "/predict", ignored.as_bytes()).0;
        assert!([200, 400].contains(&status), "{open}: {status}");
        // A row of a batch is as long as a row may be.
        assert_eq!(post(&tight, "/predict/batch", format!("[{whole}]").as_bytes()).0, 413);
    }
    for api in [api, tight] {
        check_well(&api);
        assert_eq!(api.stop(), 0);
    }
}

#[test]
fn odd_values_have_the_right_status() {
    let api = start(&[]);
    let all = fields();
    let (status, plain) = post(&api, "/predict", format!("{{{all}}}").as_bytes());
    assert_eq!(status, 200);
    // Of two with the same name the last counts, also when the first is of no use.
    for first in ["7", "\"many\"", "null", "1e999"] {
        let body = format!("{{\"V7\": {first}, {all}}}");
        assert_eq!(post(&api, "/predict", body.as_bytes()), (200, plain.clone()), "{first}");
    }
    let body = format!("{{{all}, \"V7\": null}}");
    assert_eq!(post(&api, "/predict", body.as_bytes()).0, 422);
    let named = format!("{{{}}}", vec!["\"V7\": 1"; 4_000].join(","));
    let (status, report) = post(&api, "/predict", named.as_bytes());
    assert_eq!((status, report["detail"].as_array().unwrap().len()), (422, 29));
    // No UTF-8: in a value, in a name, outside of both; cut off in a character; one that is too long.
    for bytes in
        [&b"\xff"[..], b"\xc3", b"\xe2\x82", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"]
    {
        for (before, after) in
            [("{\"V7\": \"", "\"}"), ("{\"V", "7\": 1}"), ("", "{}"), ("{}", ""), ("", "")]
        {
            let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
            let (status, answer) = post(&api, "/predict", &body);
            assert_eq!(
                (status, &answer["detail"]),
                (400, &"There was an error parsing the body".into())
            );
        }
    }
    for number in ["1e999", "-1e999", "1E+400", "NaN", "Infinity", "-Infinity"] {
        let body = format!("{{{}}}", all.replace("\"V7\": 1", &format!("\"V7\": {number}")));
        for path in ["/predict", "/explain"] {
            let (status, report) = post(&api, path, body.as_bytes());
            assert_eq!(status, 422, "{number}");
            let problem = &report["detail"][0];
            assert_eq!(problem["loc"], serde_json::json!(["body", "V7"]), "{number}: {report}");
            assert_eq!(problem["type"], "finite_number", "{number}: {report}");
        }
    }
    // The ends of what a double holds are taken, and what they make of the score is a number.
    for number in ["1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "1e-999", "-0.0"]
    {
        let body = format!("{{{}}}", all.replace("\"V7\": 1", &format!("\"V7\": {number}")));
        let (status, answer) = post(&api, "/predict", body.as_bytes());
        let probability = answer["fraud_probability"].as_f64().unwrap_or(f64::NAN);
        assert!(status == 200 && (0.0..=1.0).contains(&probability), "{number}: {status} {answer}");
    }
    check_well(&api);
    assert_eq!(api.stop(), 0);
}
