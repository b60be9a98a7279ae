//! Downloads a public copy of the Kaggle file: resumes what was cut off, retries what may pass, checks
//! what came, and only then gives it its name.

mod check;
mod part;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE,
    RETRY_AFTER,
};
use reqwest::{StatusCode, Url};

pub use self::check::{CheckError, ExpectedRows, Sha256Digest};
use self::part::{Part, Source};
use crate::progress::{Progress, Unit};

/// A public copy of the Kaggle file.
pub const DEFAULT_URL: &str =
    "https://storage.googleapis.com/download.tensorflow.org/data/creditcard.csv";

/// The longest pause between two attempts, also when the server asks for a longer one.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// What to download, and what is expected of it.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// `http://` or `https://`.
    pub url: String,
    /// Name of the file in the end; `<output>.part` beside it holds what has come so far.
    pub output: PathBuf,
    /// Whether a file of this name may be replaced.
    pub force: bool,
    /// Digest that the file must have, if it is known.
    pub sha256: Option<Sha256Digest>,
    /// Rows that the file must have.
    pub rows: ExpectedRows,
    /// Attempts after the first.
    pub retries: u32,
    /// Pause before the first retry; it doubles from one to the next.
    pub backoff: Duration,
    /// How long the server may be silent.
    pub timeout: Duration,
}

/// A file that came and passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its size.
    pub bytes: u64,
    /// Its rows, the header not counted.
    pub rows: u64,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
}

/// Downloads, checks and names the file. An interrupted download goes on where it stopped, if the
/// server can and its file is still the same.
///
/// # Errors
///
/// If the output is there (without `force`), the URL cannot be fetched, or what came is not the
/// expected file. An existing output is then as it was. What came stays for the next try after a broken
/// connection, and is thrown away if it fails a check.
pub fn fetch(config: &FetchConfig) -> anyhow::Result<Fetched> {
    // Behind a link, so that the link stays.
    let output = &crate::output::file_target(&config.output)?;
    if !config.force && output.exists() {
        bail!(
            "{} is there already: expected a new name, or --force to replace it",
            output.display()
        );
    }
    let url = parse_url(&config.url)?;
    let client = client(&url, config.timeout)?;
    let mut part = Part::open(output)?;
    download(&client, &url, &mut part, config)?;
    match check::check(part.path(), config.sha256.as_ref(), config.rows) {
        Ok(fetched) => {
            part.commit(output)?;
            Ok(fetched)
        }
        Err(error) => {
            part.discard();
            let shown = without_secrets(&url);
            Err(error.context(format!("what came from {shown} is not the expected file")))
        }
    }
}

fn parse_url(url: &str) -> anyhow::Result<Url> {
    let parsed = Url::parse(url).with_context(|| {
        // Where it cannot be taken apart, there is no telling which part is a password.
        let shown = if url.contains(['@', '?']) { String::new() } else { format!(" {url:?}") };
        format!("the URL{shown} cannot be read, expected one that starts with https:// or http://")
    })?;
    if !matches!(parsed.scheme(), "http" | "https") {
        let shown = without_secrets(&parsed);
        bail!("the URL is {shown}, expected one that starts with https:// or http://");
    }
    Ok(parsed)
}

/// A URL for a message. User, password and query are left out: a signed address is a key, and errors
/// end up in logs.
fn without_secrets(url: &Url) -> String {
    let mut shown = url.clone();
    // An address that can have neither user nor password has none.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

fn client(url: &Url, timeout: Duration) -> anyhow::Result<Client> {
    // An error says that there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("fraud-trainer/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout);
    if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        // A proxy would look for the server on its own machine.
        builder = builder.no_proxy();
    }
    builder.build().context("cannot set up HTTPS")
}

/// Why an attempt failed.
enum Failure {
    /// It may work in a moment, after a wait that the server may have asked for.
    Passing(anyhow::Error, Option<Duration>),
    /// It would fail again.
    Lasting(anyhow::Error),
}

fn download(
    client: &Client,
    url: &Url,
    part: &mut Part,
    config: &FetchConfig,
) -> anyhow::Result<()> {
    let mut backoff = config.backoff;
    let mut retries = config.retries;
    loop {
        let error = match attempt(client, url, part) {
            Ok(()) => return Ok(()),
            Err(Failure::Passing(error, asked)) if retries > 0 => {
                let wait = asked.unwrap_or(backoff).min(MAX_WAIT);
                tracing::warn!("{error:#}; trying again in {:.1} s", wait.as_secs_f64());
                std::thread::sleep(wait);
                backoff *= 2;
                retries -= 1;
                continue;
            }
            Err(Failure::Passing(error, _) | Failure::Lasting(error)) => error,
        };
        let kept = match part.len() {
            0 => String::new(),
            bytes => format!(
                " ({bytes} bytes are kept in {}; the same command goes on from there)",
                part.path().display()
            ),
        };
        return Err(error.context(format!("cannot download {}{kept}", without_secrets(url))));
    }
}

/// One request, and what comes of it is in the part file.
fn attempt(client: &Client, url: &Url, part: &mut Part) -> Result<(), Failure> {
    let resume = part.resume(url);
    let offset = if resume.is_some() { part.len() } else { 0 };
    // A compressed answer would make other bytes, and other offsets.
    let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
    if let Some(validator) = &resume {
        request = request.header(RANGE, format!("bytes={offset}-")).header(IF_RANGE, validator);
    }
    let response = request.send().map_err(|error| {
        let lasting = error.is_builder() || error.is_redirect();
        let error = error.without_url();
        if lasting { Failure::Lasting(error.into()) } else { Failure::Passing(error.into(), None) }
    })?;
    match response.status() {
        StatusCode::OK => {
            part.restart(&source(url, response.headers())).map_err(Failure::Lasting)?;
            receive(response, part)
        }
        StatusCode::PARTIAL_CONTENT if continues(&response, offset, resume.as_deref()) => {
            tracing::info!("going on at byte {offset} of {}", part.path().display());
            receive(response, part)
        }
        StatusCode::RANGE_NOT_SATISFIABLE
            if resume.is_some() && ContentRange::of(&response).total == Some(offset) =>
        {
            Ok(()) // It was complete.
        }
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if resume.is_some() => {
            part.clear().map_err(Failure::Lasting)?;
            let error = anyhow!("the server has another file than before; starting over");
            Err(Failure::Passing(error, Some(Duration::ZERO)))
        }
        status => Err(refusal(status, response.headers())),
    }
}

/// What the server says about the file that it begins to send.
fn source(url: &Url, headers: &HeaderMap) -> Source {
    // A weak tag promises the same meaning, not the same bytes, and may not be used here (RFC 9110,
    // 13.1.5).
    let tag = text_of(headers, &ETAG).filter(|tag| !tag.starts_with("W/"));
    let validator = tag.or_else(|| text_of(headers, &LAST_MODIFIED)).map(str::to_owned);
    Source::new(url, validator)
}

/// Whether a partial answer begins where the part file ends, and belongs to the same file: there are
/// servers that heed `Range` but not `If-Range`.
fn continues(response: &Response, offset: u64, validator: Option<&str>) -> bool {
    let headers = response.headers();
    let same = [ETAG, LAST_MODIFIED].iter().filter_map(|name| text_of(headers, name));
    let mut same = same.peekable();
    let known = same.peek().is_none() || same.any(|value| Some(value) == validator);
    known && ContentRange::of(response).start == Some(offset)
}

/// `Content-Range`: `bytes 100-199/200`, or `bytes */200` with an error.
#[derive(Debug, Default, PartialEq, Eq)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

impl ContentRange {
    fn of(response: &Response) -> Self {
        text_of(response.headers(), &CONTENT_RANGE).map(Self::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let range = text.trim().strip_prefix("bytes").unwrap_or_default();
        let (span, total) = range.split_once('/').unwrap_or_default();
        let start = span.split_once('-').unwrap_or_default().0;
        Self { start: start.trim().parse().ok(), total: total.trim().parse().ok() }
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap) -> Failure {
    let error = anyhow!("the server answers {status}, expected 200 OK with the file");
    let passing = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    if !passing {
        return Failure::Lasting(error);
    }
    let seconds = text_of(headers, &RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    Failure::Passing(error, seconds.map(Duration::from_secs))
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Appends the body to the part file.
fn receive(mut response: Response, part: &mut Part) -> Result<(), Failure> {
    let total = response.content_length().map(|length| part.len() + length);
    let mut progress = Progress::start("downloading", Unit::Bytes, total);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = match response.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
                let broken = format!("the connection broke after {}{of} bytes", part.len());
                return Err(Failure::Passing(anyhow::Error::new(error).context(broken), None));
            }
        };
        part.append(&buffer[..read]).map_err(Failure::Lasting)?;
        progress.set(part.len());
    }
    Ok(())
}

/// The file beside `output` with `suffix` added to its name.
fn beside(output: &Path, suffix: &str) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
