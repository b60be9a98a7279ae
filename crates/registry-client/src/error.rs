//! What can go wrong between a program and its registry.

use std::path::PathBuf;

/// An error of a [`crate::Store`], its configuration, or a file on the way.
///
/// No message and no field holds a password or a token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An environment variable or file of the configuration cannot be used.
    #[error("{setting} is {found:?}, expected {expected}")]
    Setting {
        /// Name of the variable, flag or file.
        setting: String,
        /// What it holds, or what happened when it was read.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// There is no such thing in the store.
    #[error("{what} is not in {location}{hint}{}", in_full(answer.as_deref()))]
    NotFound {
        /// What was asked for, for instance `model "x" version 3`.
        what: String,
        /// Where it was looked for.
        location: String,
        /// What else there is, as `; there are …`, or nothing.
        hint: String,
        /// What a server said.
        answer: Option<Box<Refusal>>,
    },
    /// It is there already.
    #[error("{what} is in {location} already{}", in_full(answer.as_deref()))]
    AlreadyExists {
        /// What was to be created.
        what: String,
        /// Where.
        location: String,
        /// What a server said.
        answer: Option<Box<Refusal>>,
    },
    /// The store refuses a value.
    #[error("{location} refuses {what}: {reason}{}", in_short(answer.as_deref()))]
    Invalid {
        /// What was to be written or read.
        what: String,
        /// Where.
        location: String,
        /// Why, and what would be accepted; of a server, its message.
        reason: String,
        /// What a server said.
        answer: Option<Box<Refusal>>,
    },
    /// User and password, or the token, are not accepted.
    #[error(
        "{method} {url}: {status} {error_code}: {message}; check MLFLOW_TRACKING_USERNAME and \
         MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    )]
    Denied {
        /// HTTP method.
        method: &'static str,
        /// URL without credentials.
        url: String,
        /// 401 or 403.
        status: u16,
        /// MLflow's `error_code`; the status in words if there was none.
        error_code: String,
        /// What the server said.
        message: String,
    },
    /// The server answered with an error that is none of the above.
    #[error("{method} {url}: {status} {error_code}: {message}{}", tried(*.attempts))]
    Server {
        /// HTTP method.
        method: &'static str,
        /// URL without credentials.
        url: String,
        /// HTTP status.
        status: u16,
        /// MLflow's `error_code`; the status in words if there was none.
        error_code: String,
        /// MLflow's message.
        message: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The server could not be reached, or the connection broke, as often as it was tried.
    #[error(
        "{method} {url}: {reason}{}; is the server running, and is MLFLOW_TRACKING_URI right?",
        tried(*.attempts)
    )]
    Connection {
        /// HTTP method.
        method: &'static str,
        /// URL without credentials.
        url: String,
        /// What happened, with its causes.
        reason: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The answer is not what MLflow 3 answers.
    #[error("{method} {url}: the answer is not what an MLflow 3 server gives: {reason}")]
    Answer {
        /// HTTP method.
        method: &'static str,
        /// URL without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {cause}", path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file of the local store does not hold what it should.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The files of a model are no model.
    #[error("{origin} is no model that can be used: {cause}")]
    Model {
        /// Where it comes from.
        origin: String,
        /// What is wrong with it.
        cause: fraud_core::ArtifactError,
    },
}

/// A server's answer to a call that it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP method.
    pub method: &'static str,
    /// URL without credentials.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// MLflow's `error_code`; the status in words if there was none.
    pub error_code: String,
    /// MLflow's message.
    pub message: String,
}

fn in_full(answer: Option<&Refusal>) -> String {
    answer.map_or_else(String::new, |Refusal { method, url, error_code, message, .. }| {
        format!(" ({method} {url}: {error_code}: {message})")
    })
}

/// Without the message, which is the reason.
fn in_short(answer: Option<&Refusal>) -> String {
    answer.map_or_else(String::new, |Refusal { method, url, error_code, .. }| {
        format!(" ({method} {url}: {error_code})")
    })
}

fn tried(attempts: u32) -> String {
    if attempts > 1 { format!(" (tried {attempts} times)") } else { String::new() }
}

impl Error {
    /// Whether the store could not be asked at all, as opposed to having refused: what a cache or a
    /// later attempt may help with.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            Self::Server { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }

    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { action, path, cause }
    }
}
