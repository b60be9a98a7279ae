//! The proxy before a server of a few lines and a client that nobody has tuned.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::message::{Head, Kept, copy};
use super::{Fault, Proxy, Rule};

const LONG: u64 = 300 << 20;

/// Says in JSON what it got; counts what it answered.
fn upstream() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&answered);
    thread::spawn(move || {
        for client in listener.incoming() {
            let counter = Arc::clone(&counter);
            thread::spawn(move || serve(&client.unwrap(), &counter));
        }
    });
    (url, answered)
}

fn serve(mut client: &TcpStream, answered: &AtomicUsize) {
    let mut reader = BufReader::new(client);
    let Ok(head) = Head::read(&mut reader) else { return };
    let (method, target) = head.request();
    let mut kept = Kept::new(100);
    let is_refused = target == "/refused";
    if !is_refused
        && copy(head.body(), &mut reader, &mut std::io::sink(), &mut kept, u64::MAX).is_err()
    {
        return;
    }
    answered.fetch_add(1, Ordering::SeqCst);
    let text = json!({
        "method": method,
        "target": target,
        "size": kept.size,
        "start": String::from_utf8_lossy(&kept.bytes),
        "connection": head.header("Connection"),
    })
    .to_string();
    let written = match target {
        "/long" => write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n")
            .and_then(|()| std::io::copy(&mut std::io::repeat(7).take(LONG), &mut client))
            .map(drop),
        "/chunked" => {
            let (first, rest) = text.split_at(10);
            let (one, two) = (first.len(), rest.len());
            let chunks =
                format!("{one:x}\r\n{first}\r\n{two:X};a=b\r\n{rest}\r\n0\r\nT: 1\r\n\r\n");
            write!(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
        }
        "/until-closed" => write!(client, "HTTP/1.1 200 OK\r\n\r\n{text}"),
        "/refused" => write!(client, "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"),
        _ => write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()),
    };
    drop(written);
}

fn put(url: &str, body: &[u8]) -> Result<Value, ureq::Error> {
    ureq::put(url).send(body)?.body_mut().read_json()
}

fn get(url: &str) -> Result<Value, ureq::Error> {
    ureq::get(url).call()?.body_mut().read_json()
}

#[test]
fn requests_and_answers_pass_unchanged_and_are_kept() {
    let (url, _) = upstream();
    let proxy = Proxy::start(&url, []);
    let sent = put(&format!("{}/a%20b?c=%2F", proxy.url()), b"hello").unwrap();
    assert_eq!(sent["target"], "/a%20b?c=%2F");
    assert_eq!((&sent["size"], &sent["start"]), (&json!(5), &json!("hello")));
    assert_eq!(sent["connection"], "close");
    let chunked = ureq::put(format!("{}/x", proxy.url()))
        .send(ureq::SendBody::from_reader(&mut std::io::repeat(b'a').take(200_000)))
        .unwrap()
        .body_mut()
        .read_json::<Value>()
        .unwrap();
    assert_eq!(chunked["size"], 200_000);
    for path in ["/chunked", "/until-closed"] {
        assert_eq!(get(&format!("{}{path}", proxy.url())).unwrap()["target"], path);
    }
    let requests = proxy.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[0].method, "PUT");
    assert_eq!(requests[0].target, "/a%20b?c=%2F");
    assert_eq!(requests[0].header("content-length"), Some("5"));
    assert_eq!((requests[0].body_size, &requests[0].body[..]), (5, &b"hello"[..]));
    assert_eq!((requests[0].status, requests[0].harmed), (Some(200), false));
    assert_eq!(requests[1].header("transfer-encoding"), Some("chunked"));
    assert_eq!((requests[1].body_size, requests[1].body.len()), (200_000, super::KEPT_BYTES));
    assert_eq!(proxy.matching("GET", "/chunked").len(), 1);
}

#[test]
fn rules_choose_requests_by_method_path_and_number() {
    let (url, answered) = upstream();
    let proxy = Proxy::start(
        &url,
        [
            Rule::first("GET", "/runs", Fault::status(503)).which(2..=3),
            Rule::first("GET", "/runs", Fault::too_many_requests(7)).which(3..=4),
            Rule::always("PUT", "/runs/1", Fault::status(500)),
        ],
    );
    let status = |path: &str| match ureq::get(format!("{}{path}", proxy.url())).call() {
        Ok(answer) => answer.status().as_u16(),
        Err(ureq::Error::StatusCode(status)) => status,
        Err(error) => panic!("{error}"),
    };
    let statuses = ["/runs", "/runs", "/else", "/runs?a=b", "/x/runs", "/runs"].map(status);
    assert_eq!(statuses, [200, 503, 200, 503, 429, 200]);
    assert_eq!(answered.load(Ordering::SeqCst), 3, "the server hears of no other");
    for _ in 0..3 {
        let refused = put(&format!("{}/runs/1", proxy.url()), &vec![0; 1_000_000]);
        assert!(matches!(refused, Err(ureq::Error::StatusCode(500))), "{refused:?}");
    }
    let puts = proxy.matching("PUT", "/runs");
    assert!(puts.iter().all(|put| put.body_size == 1_000_000 && put.harmed), "{puts:?}");
    proxy.clear();
    assert_eq!(status("/runs"), 200);
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    proxy.add(Rule::first("GET", "/runs", Fault::too_many_requests(7)));
    let answer = agent.get(format!("{}/runs", proxy.url())).call().unwrap();
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[test]
fn connections_are_cut_where_asked() {
    let (url, answered) = upstream();
    let proxy = Proxy::start(
        &url,
        [
            Rule::first("GET", "/before", Fault::CutBeforeAnswer),
            Rule::first("GET", "/within", Fault::CutAnswer(10)),
            Rule::first("GET", "/chunked", Fault::CutAnswer(12)),
            Rule::first("PUT", "/sized", Fault::CutRequest(100_000)),
            Rule::first("PUT", "/streamed", Fault::CutRequest(100_000)),
        ],
    );
    for (number, path) in ["/before", "/within", "/chunked"].into_iter().enumerate() {
        let url = format!("{}{path}", proxy.url());
        assert!(get(&url).is_err(), "{path}");
        assert_eq!(answered.load(Ordering::SeqCst), 2 * number + 1, "the server has answered");
        assert!(get(&url).is_ok(), "{path} again");
    }
    let mut within = String::new();
    proxy.add(Rule::first("GET", "/raw", Fault::CutAnswer(10)));
    let mut raw = TcpStream::connect(proxy.url().trim_start_matches("http://")).unwrap();
    raw.write_all(b"GET /raw HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    raw.read_to_string(&mut within).unwrap();
    assert_eq!(within.split("\r\n\r\n").nth(1).map(str::len), Some(10), "{within}");

    let before = answered.load(Ordering::SeqCst);
    assert!(put(&format!("{}/sized", proxy.url()), &vec![1; 5_000_000]).is_err());
    let mut body = std::io::repeat(b'a').take(5_000_000);
    let streamed =
        ureq::put(format!("{}/streamed", proxy.url())).send(ureq::SendBody::from_reader(&mut body));
    assert!(streamed.is_err());
    assert_eq!(answered.load(Ordering::SeqCst), before, "the server got half a request");
    for request in proxy.matching("PUT", "") {
        assert_eq!((request.body_size, request.status), (100_000, None));
    }
}

#[test]
fn a_port_is_refused_and_comes_back() {
    let (url, _) = upstream();
    let proxy = Proxy::start(&url, []);
    let call = || get(&format!("{}/x", proxy.url()));
    for _ in 0..3 {
        call().unwrap();
        proxy.down();
        let refused = call().unwrap_err();
        assert!(refused.to_string().contains("refused"), "{refused}");
        proxy.up();
    }
    call().unwrap();
    let time = Duration::from_millis(300);
    proxy.add(Rule::first("GET", "/x", Fault::Down(time)));
    assert!(call().is_err());
    let started = Instant::now();
    while call().is_err() {
        assert!(started.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(started.elapsed() > time / 2, "{:?}", started.elapsed());
    proxy.add(Rule::first("GET", "/x", Fault::Delay(time)));
    let started = Instant::now();
    call().unwrap();
    assert!(started.elapsed() >= time, "{:?}", started.elapsed());
    proxy.down();
    drop(proxy);
}

/// A server may answer before it has read a body, and close.
#[test]
fn an_early_answer_reaches_the_client() {
    let (url, _) = upstream();
    let proxy = Proxy::start(&url, []);
    for _ in 0..10 {
        let refused = put(&format!("{}/refused", proxy.url()), &vec![1; 3_000_000]);
        assert!(matches!(refused, Err(ureq::Error::StatusCode(401))), "{refused:?}");
    }
    assert!(proxy.requests().iter().all(|request| request.body_size == 3_000_000));
}

#[test]
fn long_bodies_pass_in_little_memory() {
    let (url, _) = upstream();
    let proxy = Proxy::start(&url, []);
    let before = peak_memory();
    let mut body = std::io::repeat(b'a').take(LONG);
    let request =
        ureq::put(format!("{}/x", proxy.url())).header("Content-Length", LONG.to_string());
    let sent: Value = request
        .send(ureq::SendBody::from_reader(&mut body))
        .unwrap()
        .body_mut()
        .read_json()
        .unwrap();
    assert_eq!(sent["size"], LONG);
    let mut answer = ureq::get(format!("{}/long", proxy.url())).call().unwrap();
    let got = std::io::copy(&mut answer.body_mut().as_reader(), &mut std::io::sink()).unwrap();
    assert_eq!(got, LONG);
    assert_eq!(proxy.matching("PUT", "/x")[0].body_size, LONG);
    let used = peak_memory() - before;
    assert!(used < 32 * 1024, "{used} KiB for two bodies of 300 MiB");
}

/// The most memory that this process has used, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
