//! A server on this machine that does what a test wants to go wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// An answer: status line, headers, and how much of the body is sent before the connection closes.
pub(super) struct Answer {
    status: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
    sent: usize,
    /// How long to wait before the connection closes.
    pub(super) silence: Duration,
}

impl Answer {
    pub(super) fn new(status: &'static str, body: &[u8]) -> Self {
        let headers = vec![format!("Content-Length: {}", body.len())];
        let sent = body.len();
        Self { status, headers, body: body.to_owned(), sent, silence: Duration::ZERO }
    }

    pub(super) fn whole(body: &[u8]) -> Self {
        Self::new("200 OK", body)
    }

    pub(super) fn rest(body: &[u8], start: usize) -> Self {
        let range = format!("Content-Range: bytes {start}-{}/{}", body.len() - 1, body.len());
        Self::new("206 Partial Content", &body[start..]).header(&range)
    }

    pub(super) fn header(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    pub(super) fn cut(mut self, sent: usize) -> Self {
        self.sent = sent;
        self
    }
}

/// A server that gives one answer to each request, in order, and tells what it was asked.
pub(super) struct Server {
    pub(super) url: String,
    requests: Receiver<String>,
}

impl Server {
    pub(super) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/creditcard.csv", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                sender.send(read_request(&stream)).unwrap();
                let headers = answer.headers.join("\r\n");
                let head = format!("HTTP/1.1 {}\r\nConnection: close\r\n{headers}", answer.status);
                stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
                // A client that has heard enough may have gone.
                let _ = stream.write_all(&answer.body[..answer.sent]);
                // Others are served in the meantime.
                thread::spawn(move || {
                    thread::sleep(answer.silence);
                    drop(stream);
                });
            }
        });
        Self { url, requests }
    }

    /// The next request that came: its lines, header names in lower case.
    pub(super) fn request(&self) -> String {
        self.requests.try_recv().expect("fewer requests than expected")
    }

    pub(super) fn assert_no_more_requests(&self) {
        assert!(self.requests.try_recv().is_err(), "more requests than expected");
    }
}

fn read_request(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    lines.join("\n").to_lowercase()
}
