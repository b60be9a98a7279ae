//! An HTTP/1.1 proxy that does harm where a test asks for it, and keeps what went through.
//!
//! One request for each connection: every answer says `Connection: close`. Bodies pass in pieces of
//! 64 KiB, whatever their size.

mod message;
#[cfg(test)]
mod tests;

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use message::{Body, Head, Kept, copy};

/// Bytes of a request's body that are kept for the test to look at.
pub const KEPT_BYTES: usize = 64 * 1024;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The proxy answers itself; the server never hears of the request.
    Answer {
        /// `503`
        status: u16,
        /// `("Retry-After", "1")`
        headers: Vec<(&'static str, String)>,
        /// With its `Content-Length`.
        body: String,
    },
    /// The connections to both sides end after so many bytes of the request's body went through.
    CutRequest(u64),
    /// The server does what it was asked, and the connection ends without an answer.
    CutBeforeAnswer,
    /// The server does what it was asked, and the connection ends after so many bytes of the
    /// answer's body.
    CutAnswer(u64),
    /// The connection ends at once, and for so long further ones are refused.
    Down(Duration),
    /// The request waits, then passes.
    Delay(Duration),
}

impl Fault {
    /// An answer with a status and MLflow's form of an error.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let body = r#"{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "not now"}"#.to_owned();
        Self::Answer { status, headers: vec![("Content-Type", "application/json".into())], body }
    }

    /// 429 with `Retry-After`, in seconds.
    #[must_use]
    pub fn too_many_requests(retry_after: u32) -> Self {
        let headers = vec![("Retry-After", retry_after.to_string())];
        Self::Answer { status: 429, headers, body: String::new() }
    }
}

/// Which requests a fault meets.
#[derive(Debug, Clone)]
pub struct Rule {
    method: &'static str,
    path: String,
    which: RangeInclusive<usize>,
    fault: Fault,
}

impl Rule {
    /// The first request with this method whose path and query contain this text.
    #[must_use]
    pub fn first(method: &'static str, path: &str, fault: Fault) -> Self {
        Self { method, path: path.to_owned(), which: 1..=1, fault }
    }

    /// Every such request.
    #[must_use]
    pub fn always(method: &'static str, path: &str, fault: Fault) -> Self {
        Self::first(method, path, fault).which(1..=usize::MAX)
    }

    /// Such requests by their number, counted from 1: `2..=3` means the second and the third.
    #[must_use]
    pub fn which(self, which: RangeInclusive<usize>) -> Self {
        Self { which, ..self }
    }
}

/// A request as it came, in the order of arrival.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`
    pub method: String,
    /// Path and query, percent-encoded as sent.
    pub target: String,
    /// As sent.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body that came, chunks without their framing.
    pub body_size: u64,
    /// The body's first [`KEPT_BYTES`].
    pub body: Vec<u8>,
    /// Status of the answer that was sent, if one was.
    pub status: Option<u16>,
    /// Whether a fault met it.
    pub harmed: bool,
}

impl Request {
    /// A header's value; names are compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(each, _)| each.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none, or longer than what was kept.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.target))
    }
}

/// A running proxy; dropped, it stops.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    upstream: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    rules: Vec<(Rule, usize)>,
    requests: Vec<Request>,
    /// What the acceptor shall be, and whether it is.
    wanted: Port,
    is_open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Open,
    Refusing,
    Ended,
}

impl Proxy {
    /// Listens on a free port for requests to a server, `http://127.0.0.1:5000`.
    ///
    /// # Panics
    ///
    /// If the URL is of another form, or no port is free.
    #[must_use]
    pub fn start(upstream: &str, rules: impl IntoIterator<Item = Rule>) -> Self {
        let upstream = upstream.strip_prefix("http://").expect("an http URL");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let state = State {
            rules: rules.into_iter().map(|rule| (rule, 0)).collect(),
            requests: Vec::new(),
            wanted: Port::Open,
            is_open: true,
        };
        let shared = Arc::new(Shared {
            address: listener.local_addr().expect("a bound listener"),
            upstream: upstream.trim_end_matches('/').to_owned(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || acceptor.accept(listener));
        Self { shared, acceptor: Some(acceptor) }
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// One more rule. Of rules that fit a request the first added acts; all of them count it.
    pub fn add(&self, rule: Rule) {
        self.shared.lock().rules.push((rule, 0));
    }

    /// Takes all rules away.
    pub fn clear(&self) {
        self.shared.lock().rules.clear();
    }

    /// Refuses connections from now on, as a server that is not running does. Requests that are
    /// under way end well.
    pub fn down(&self) {
        self.shared.set(Port::Refusing);
    }

    /// Ends [`Proxy::down`].
    pub fn up(&self) {
        self.shared.set(Port::Open);
    }

    /// All requests so far, those still under way included.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// The requests with this method whose path and query contain this text.
    #[must_use]
    pub fn matching(&self, method: &str, path: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.method == method && request.target.contains(path));
        requests
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.set(Port::Ended);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the acceptor for a change and waits until it has happened.
    fn set(&self, wanted: Port) {
        let mut state = self.lock();
        if state.wanted != Port::Ended {
            state.wanted = wanted;
        }
        self.changed.notify_all();
        while state.is_open != (state.wanted == Port::Open) {
            let is_open = state.is_open;
            drop(state);
            if is_open {
                // Wakes the acceptor, which waits for a connection.
                drop(TcpStream::connect(self.address));
            }
            let waited = self.changed.wait_timeout(self.lock(), Duration::from_millis(20));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            let mut state = self.lock();
            if state.wanted == Port::Ended {
                break;
            }
            if state.wanted == Port::Refusing {
                listener = None;
                state.is_open = false;
                self.changed.notify_all();
                drop(self.changed.wait(state));
                continue;
            }
            drop(state);
            let Some(open) = &listener else {
                listener = self.reopen();
                continue;
            };
            let Ok((client, _)) = open.accept() else { continue };
            if self.lock().wanted == Port::Open {
                let shared = Arc::clone(self);
                thread::spawn(move || shared.serve(&client));
            }
        }
        drop(listener);
        self.lock().is_open = false;
        self.changed.notify_all();
    }

    /// The port can be another connection's for a moment.
    fn reopen(&self) -> Option<TcpListener> {
        let Ok(listener) = TcpListener::bind(self.address) else {
            thread::sleep(Duration::from_millis(10));
            return None;
        };
        self.lock().is_open = true;
        self.changed.notify_all();
        Some(listener)
    }

    /// One request. A connection that breaks is what this proxy is for, so errors end it silently.
    fn serve(&self, client: &TcpStream) {
        let mut reader = BufReader::with_capacity(64 * 1024, client);
        if let Ok(head) = Head::read(&mut reader) {
            let (number, fault) = self.register(&head);
            let mut exchange =
                Exchange { shared: self, number, client, reader, kept: Kept::new(KEPT_BYTES) };
            let _ = exchange.run(&head, fault.as_ref());
            exchange.record(None);
        }
        let _ = client.shutdown(Shutdown::Both);
    }

    /// Writes the request down; its number among all and the fault that meets it.
    fn register(&self, head: &Head) -> (usize, Option<Fault>) {
        let (method, target) = head.request();
        let mut state = self.lock();
        let mut fault = None;
        for (rule, seen) in &mut state.rules {
            if rule.method == method && target.contains(&rule.path) {
                *seen += 1;
                if fault.is_none() && rule.which.contains(seen) {
                    fault = Some(rule.fault.clone());
                }
            }
        }
        state.requests.push(Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: head.headers.clone(),
            body_size: 0,
            body: Vec::new(),
            status: None,
            harmed: fault.is_some(),
        });
        (state.requests.len() - 1, fault)
    }
}

/// A request on its way.
struct Exchange<'a> {
    shared: &'a Shared,
    /// Place among the requests that are kept.
    number: usize,
    client: &'a TcpStream,
    reader: BufReader<&'a TcpStream>,
    kept: Kept,
}

impl Exchange<'_> {
    fn run(&mut self, head: &Head, fault: Option<&Fault>) -> io::Result<()> {
        if head.header("Expect").is_some() {
            self.client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        match fault {
            Some(Fault::Answer { status, headers, body }) => {
                // Read first: a connection closed with unread bytes takes the answer along.
                self.pass_request(head, &mut io::sink(), u64::MAX)?;
                self.record(Some(*status));
                self.answer(*status, headers, body)
            }
            Some(Fault::CutRequest(bytes)) => {
                let server = self.connect(head)?;
                self.pass_request(head, &mut &server, *bytes)?;
                server.shutdown(Shutdown::Both)
            }
            Some(Fault::CutBeforeAnswer) => self.forward(head, None),
            Some(Fault::CutAnswer(bytes)) => self.forward(head, Some(*bytes)),
            Some(Fault::Down(time)) => {
                self.shared.set(Port::Refusing);
                self.client.shutdown(Shutdown::Both)?;
                thread::sleep(*time);
                self.shared.set(Port::Open);
                Ok(())
            }
            Some(Fault::Delay(time)) => {
                thread::sleep(*time);
                self.forward(head, Some(u64::MAX))
            }
            None => self.forward(head, Some(u64::MAX)),
        }
    }

    /// The server gets the whole request, the client at most so many bytes of the answer's body, and
    /// not even its head with `None`.
    fn forward(&mut self, head: &Head, limit: Option<u64>) -> io::Result<()> {
        let server = self.connect(head)?;
        self.pass_request(head, &mut &server, u64::MAX)?;
        // Before the answer: a test that has it looks at the request at once.
        self.record(None);
        let mut reader = BufReader::with_capacity(64 * 1024, &server);
        let mut answer = Head::read(&mut reader)?;
        while answer.status() / 100 == 1 {
            answer = Head::read(&mut reader)?;
        }
        let has_body = head.request().0 != "HEAD" && !matches!(answer.status(), 204 | 304);
        let body = if has_body { answer.body_of_answer() } else { Body::Sized(0) };
        let mut unkept = Kept::new(0);
        let Some(limit) = limit else {
            return copy(body, &mut reader, &mut io::sink(), &mut unkept, u64::MAX);
        };
        self.record(Some(answer.status()));
        answer.write_closing(&mut self.client)?;
        copy(body, &mut reader, &mut self.client, &mut unkept, limit)
    }

    fn connect(&self, head: &Head) -> io::Result<TcpStream> {
        let mut server = TcpStream::connect(&self.shared.upstream)?;
        head.write_closing(&mut server)?;
        Ok(server)
    }

    fn pass_request(&mut self, head: &Head, writer: &mut impl Write, limit: u64) -> io::Result<()> {
        copy(head.body(), &mut self.reader, writer, &mut self.kept, limit)
    }

    fn answer(
        &mut self,
        status: u16,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> io::Result<()> {
        let length = body.len();
        let mut text = format!("HTTP/1.1 {status} Fault\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.extend(["Connection: close\r\n\r\n", body]);
        self.client.write_all(text.as_bytes())
    }

    /// What the test sees of the request.
    fn record(&self, status: Option<u16>) {
        if let Some(request) = self.shared.lock().requests.get_mut(self.number) {
            request.body_size = self.kept.size;
            request.body.clone_from(&self.kept.bytes);
            request.status = status.or(request.status);
        }
    }
}
