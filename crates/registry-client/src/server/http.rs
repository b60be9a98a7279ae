//! One call: its URL, its credentials, its attempts, and what went wrong.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::config::{Credentials, Retries, ServerConfig, Tls};
use crate::error::{Error, Refusal};

/// What Python's client repeats.
const TRANSIENT: [u16; 6] = [408, 429, 500, 502, 503, 504];

/// Between two attempts; urllib3 waits no longer either.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// A server to call.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    base: Url,
    /// Marked as sensitive, so `Debug` does not show it.
    authorization: Option<HeaderValue>,
    timeout: Duration,
    retries: Retries,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    url: Url,
    body: Option<Value>,
    /// What it is about, for people.
    what: String,
}

/// How an attempt failed.
pub(super) enum Failure {
    /// Another attempt may do better, not before so long.
    Transient(Error, Option<Duration>),
    /// No other attempt would.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Call {
    /// With a JSON body.
    pub(super) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With a query parameter.
    pub(super) fn query(mut self, key: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(key, value);
        self
    }

    /// With what it is about, for the error that says that it is not there.
    pub(super) fn about(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    fn method_name(&self) -> &'static str {
        name_of(&self.method)
    }
}

fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "GET",
    }
}

impl Http {
    pub(super) fn new(config: ServerConfig) -> Result<Self, Error> {
        // Fails if the program has chosen one, and then that is the one to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = client(&config)?;
        let authorization = authorization(&config.credentials)?;
        Ok(Self {
            client,
            base: config.url,
            authorization,
            timeout: config.timeout,
            retries: config.retries,
        })
    }

    /// The server without credentials.
    pub(super) fn location(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// A URL below the server's, of a path whose parts are separated by `/`.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/').filter(|part| !part.is_empty()));
        }
        url
    }

    /// A call of `/api/2.0/mlflow/…`.
    pub(super) fn call(&self, method: Method, path: &str) -> Call {
        Self::call_url(method, self.url(&format!("api/2.0/mlflow/{path}")))
    }

    pub(super) fn call_url(method: Method, url: Url) -> Call {
        Call { method, url, body: None, what: "what was asked for".to_owned() }
    }

    /// Sends an idempotent call until it succeeds or has been tried often enough, and reads its answer.
    pub(super) async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let call = &call;
        self.repeat(|attempt| self.attempt(call, attempt)).await
    }

    /// [`Http::send`] for a call that creates something. Whether an attempt that was cut off has
    /// created it is found out by `find` before the next one.
    pub(super) async fn create<T, F, Found>(&self, call: Call, find: F) -> Result<T, Error>
    where
        T: DeserializeOwned + Send,
        F: Fn() -> Found + Send + Sync,
        Found: Future<Output = Result<Option<T>, Error>> + Send,
    {
        let (call, find) = (&call, &find);
        self.repeat(|attempt| async move {
            if attempt > 1
                && let Some(found) = find().await?
            {
                return Ok(found);
            }
            self.attempt(call, attempt).await
        })
        .await
    }

    /// Repeats `attempt`, which is told its number from 1.
    pub(super) async fn repeat<T, F, Attempt>(&self, attempt: F) -> Result<T, Error>
    where
        F: Fn(u32) -> Attempt + Send,
        Attempt: Future<Output = Result<T, Failure>> + Send,
    {
        let mut number = 1;
        loop {
            match attempt(number).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Transient(error, _)) if number > self.retries.most => {
                    return Err(error);
                }
                Err(Failure::Transient(error, asked)) => {
                    let wait = asked.map_or_else(
                        || self.retries.wait(number),
                        |asked| asked.min(self.retries.longest_asked),
                    );
                    tracing::warn!(
                        "{error}; trying again in {:.1} s ({number} of {})",
                        wait.as_secs_f64(),
                        self.retries.most
                    );
                    tokio::time::sleep(wait).await;
                    number += 1;
                }
            }
        }
    }

    /// One attempt at a call.
    pub(super) async fn attempt<T: DeserializeOwned>(
        &self,
        call: &Call,
        attempt: u32,
    ) -> Result<T, Failure> {
        let mut request = self.request(&call.method, &call.url).timeout(self.timeout);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let broken = |error: &reqwest::Error| {
            Failure::Transient(self.connection(&call.method, &call.url, error, attempt), None)
        };
        let response = self.exchange(request, &call.method, &call.url, attempt).await?;
        let response = self.check(response, &call.method, &call.url, &call.what, attempt).await?;
        let text = response.text().await.map_err(|error| broken(&error))?;
        // Answers without content are {} or nothing.
        let text = if text.trim().is_empty() { "{}" } else { &text };
        let answer = serde_json::from_str(text).map_err(|error| Error::Answer {
            method: call.method_name(),
            url: self.shown(&call.url),
            reason: error.to_string(),
        })?;
        Ok(answer)
    }

    /// Sends a request once and waits for the head of the answer.
    pub(super) async fn exchange(
        &self,
        request: RequestBuilder,
        method: &Method,
        url: &Url,
        attempt: u32,
    ) -> Result<Response, Failure> {
        let started = Instant::now();
        let answer = request.send().await;
        let milliseconds = started.elapsed().as_millis();
        let shown = self.shown(url);
        match answer {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::debug!("{method} {shown}: {status}, attempt {attempt}, {milliseconds} ms");
                Ok(response)
            }
            Err(error) => {
                let reason = causes(&error);
                tracing::debug!("{method} {shown}: {reason}, attempt {attempt}, {milliseconds} ms");
                Err(Failure::Transient(self.connection(method, url, &error, attempt), None))
            }
        }
    }

    /// A request with credentials, if it goes to the server itself.
    pub(super) fn request(&self, method: &Method, url: &Url) -> RequestBuilder {
        let request = self.client.request(method.clone(), url.clone());
        match &self.authorization {
            Some(value) if url.origin() == self.base.origin() => {
                request.header(AUTHORIZATION, value.clone())
            }
            _ => request,
        }
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The error of a request that got no answer.
    pub(super) fn connection(
        &self,
        method: &Method,
        url: &Url,
        error: &reqwest::Error,
        attempts: u32,
    ) -> Error {
        let (method, url, reason) = (name_of(method), self.shown(url), causes(error));
        Error::Connection { method, url, reason, attempts }
    }

    /// A URL for people: without credentials, and of another server than ours without the query, which
    /// holds the signature of a presigned one.
    pub(super) fn shown(&self, url: &Url) -> String {
        let mut url = url.clone();
        if url.origin() != self.base.origin() {
            url.set_query(None);
            url.set_fragment(None);
        }
        // Neither can fail for a URL that has them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }

    /// Makes an error of an answer that is one.
    pub(super) async fn check(
        &self,
        response: Response,
        method: &Method,
        url: &Url,
        what: &str,
        attempt: u32,
    ) -> Result<Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = retry_after(response.headers(), Timestamp::now());
        // An error that breaks off says nothing for certain.
        let text = response.text().await.map_err(|error| {
            Failure::Transient(self.connection(method, url, &error, attempt), retry_after)
        })?;
        let (error_code, message) = explanation(status, &text);
        let (what, location) = (what.to_owned(), self.location());
        let (method, url, status) = (name_of(method), self.shown(url), status.as_u16());
        let refusal = || {
            let (url, error_code, message) = (url.clone(), error_code.clone(), message.clone());
            Some(Box::new(Refusal { method, url, status, error_code, message }))
        };
        if message.contains("Invalid Host header") {
            let reason = format!(
                "{message}; start the server with --allowed-hosts and the host of this URL"
            );
            let what = "its own name".to_owned();
            return Err(Failure::Final(Error::Invalid {
                what,
                location,
                reason,
                answer: refusal(),
            }));
        }
        Err(match (status, error_code.as_str()) {
            (401 | 403, _) => {
                Failure::Final(Error::Denied { method, url, status, error_code, message })
            }
            (_, "RESOURCE_DOES_NOT_EXIST") => {
                let (hint, answer) = (String::new(), refusal());
                Failure::Final(Error::NotFound { what, location, hint, answer })
            }
            (_, "RESOURCE_ALREADY_EXISTS") => {
                Failure::Final(Error::AlreadyExists { what, location, answer: refusal() })
            }
            (_, "INVALID_PARAMETER_VALUE" | "BAD_REQUEST") => {
                let answer = refusal();
                Failure::Final(Error::Invalid { what, location, reason: message, answer })
            }
            (status, _) => {
                let error =
                    Error::Server { method, url, status, error_code, message, attempts: attempt };
                if TRANSIENT.contains(&status) {
                    Failure::Transient(error, retry_after)
                } else {
                    Failure::Final(error)
                }
            }
        })
    }
}

impl Retries {
    /// Before attempt `number + 1`: as urllib3 does it, the first repetition comes soon.
    fn wait(&self, number: u32) -> Duration {
        let doubled =
            if number > 1 { self.backoff_factor * 2_f64.powf(f64::from(number - 1)) } else { 0.0 };
        Duration::from_secs_f64(
            (doubled + self.jitter * random_share()).min(LONGEST_WAIT.as_secs_f64()),
        )
    }
}

/// In [0, 1), good enough to keep clients from knocking at the same moment.
fn random_share() -> f64 {
    let [a, b, ..] = *uuid::Uuid::new_v4().as_bytes();
    f64::from(u16::from_le_bytes([a, b])) / 65_536.0
}

fn client(config: &ServerConfig) -> Result<Client, Error> {
    let builder = || {
        Client::builder()
            .user_agent(concat!("fraud-registry/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.timeout)
    };
    let client = match &config.tls {
        Tls::System => builder(),
        Tls::Insecure => builder().danger_accept_invalid_certs(true),
        Tls::Bundle(path) => builder().tls_certs_only(certificates(path)?),
    };
    client.build().or_else(|error| {
        // A machine may have no certificates, as a container made from nothing; http needs none, and
        // an https address that the server names is not trusted then.
        if matches!(config.tls, Tls::System) && config.url.scheme() == "http" {
            tracing::debug!("{}; https is not trusted", causes(&error));
            if let Ok(client) = builder().tls_certs_only([]).build() {
                return Ok(client);
            }
        }
        Err(Error::Setting {
            setting: "MLFLOW_TRACKING_SERVER_CERT_PATH".to_owned(),
            found: match &config.tls {
                Tls::Bundle(path) => format!("{} ({})", path.display(), causes(&error)),
                _ => format!("not set, and {}", causes(&error)),
            },
            expected: "a file of certificates in PEM form".to_owned(),
        })
    })
}

fn authorization(credentials: &Credentials) -> Result<Option<HeaderValue>, Error> {
    let text = match credentials {
        Credentials::None => return Ok(None),
        Credentials::Basic { user, password } => {
            let pair = format!("{user}:{}", password.reveal());
            format!("Basic {}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pair))
        }
        Credentials::Bearer(token) => format!("Bearer {}", token.reveal()),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| Error::Setting {
        setting: "MLFLOW_TRACKING_TOKEN".to_owned(),
        found: "a text with characters that no header may have".to_owned(),
        expected: "letters, digits and punctuation".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, Error> {
    let wrong = |found: String| Error::Setting {
        setting: "MLFLOW_TRACKING_SERVER_CERT_PATH".to_owned(),
        found,
        expected: "a file of certificates in PEM form".to_owned(),
    };
    let pem = std::fs::read(path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(wrong(path.display().to_string())),
    }
}

/// `Retry-After`: seconds, or the date from which on to ask again (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    // One that has passed asks for no wait.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// `error_code` and `message` of an answer; of one that is not JSON, its status and first line.
fn explanation(status: StatusCode, text: &str) -> (String, String) {
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let field =
        |name: &str| parsed.as_ref().and_then(|value| value[name].as_str()).map(str::to_owned);
    let reason = status.canonical_reason().unwrap_or("error");
    let code = field("error_code").unwrap_or_else(|| reason.to_uppercase().replace(' ', "_"));
    let message = field("message").unwrap_or_else(|| {
        let line =
            text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'));
        line.unwrap_or(reason).chars().take(300).collect()
    });
    (code, message)
}

/// The innermost cause says it best ("connection refused"); reqwest's own text repeats the URL.
fn causes(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time (MLFLOW_HTTP_REQUEST_TIMEOUT)".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let reason = innermost.to_string();
    if reason.contains("invalid peer certificate") {
        return reason + "; MLFLOW_TRACKING_SERVER_CERT_PATH names a file of certificates to trust";
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let longest_asked = Duration::from_mins(10);
        let retries = Retries { most: 7, backoff_factor: 2.0, jitter: 0.0, longest_asked };
        let waits: Vec<u64> = (1..=9).map(|number| retries.wait(number).as_secs()).collect();
        assert_eq!(waits, [0, 4, 8, 16, 32, 64, 120, 120, 120]);
        let jittered = Retries { jitter: 1.0, ..retries }.wait(2).as_secs_f64();
        assert!((4.0..5.0).contains(&jittered));
    }

    #[test]
    fn a_server_says_in_seconds_or_by_a_date_when_to_come_again() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let seconds = |text: &'static str| {
            let headers = [(RETRY_AFTER, HeaderValue::from_static(text))].into_iter().collect();
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(seconds("300"), Some(300));
        assert_eq!(seconds("Sun, 01 Mar 2026 10:01:30 GMT"), Some(90));
        assert_eq!(seconds("Sun, 01 Mar 2026 09:00:00 GMT"), Some(0));
        assert_eq!(seconds("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_url_is_shown_without_what_lets_others_in() {
        let http = Http::new(ServerConfig::new("http://u:p@h:5000").unwrap()).unwrap();
        for (url, expected) in [
            ("http://h:5000/api?run_id=1", "http://h:5000/api?run_id=1"),
            ("http://a:b@h:5000/api", "http://h:5000/api"),
            (
                "https://x.blob.core.windows.net/a/b?sv=1&sig=secret",
                "https://x.blob.core.windows.net/a/b",
            ),
            ("https://s3/a?X-Amz-Signature=secret", "https://s3/a"),
            ("https://a:b@h:5000/c?d", "https://h:5000/c"),
        ] {
            assert_eq!(http.shown(&Url::parse(url).unwrap()), expected);
        }
    }

    #[test]
    fn an_answer_that_is_no_json_is_told_by_its_first_line() {
        let (code, message) = explanation(StatusCode::BAD_GATEWAY, "<html>\n<b>x</b>\n  nginx\n");
        assert_eq!((code.as_str(), message.as_str()), ("BAD_GATEWAY", "nginx"));
        let text = r#"{"error_code": "X", "message": "y"}"#;
        assert_eq!(explanation(StatusCode::OK, text), ("X".into(), "y".into()));
    }

    #[test]
    fn paths_are_encoded_below_the_servers_own() {
        let http = Http::new(ServerConfig::new("http://h/mlflow/").unwrap()).unwrap();
        assert_eq!(http.url("api/a b/ä#%?").as_str(), "http://h/mlflow/api/a%20b/%C3%A4%23%25%3F");
        assert_eq!(http.location(), "http://h/mlflow");
    }
}
