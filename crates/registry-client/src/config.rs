//! Where the server is and who asks, read from the variables that Python's client reads.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use configparser::ini::{Ini, IniDefault};
use url::Url;

use crate::error::Error;

/// How to reach an MLflow server.
///
/// [`ServerConfig::from_env`] reads it as Python's client does; `Debug` shows no secrets.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The server, without credentials.
    pub(crate) url: Url,
    pub(crate) credentials: Credentials,
    pub(crate) tls: Tls,
    /// For connecting, and for each wait for more of an answer.
    pub(crate) timeout: Duration,
    pub(crate) retries: Retries,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(crate) enum Credentials {
    #[default]
    None,
    Basic {
        user: String,
        password: Secret,
    },
    Bearer(Secret),
}

/// Which certificates are trusted.
#[derive(Debug, Clone, Default)]
pub(crate) enum Tls {
    /// Those of the system.
    #[default]
    System,
    /// Those in a PEM file.
    Bundle(PathBuf),
    /// All.
    Insecure,
}

/// How often and how slowly a call is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Retries {
    /// Attempts after the first.
    pub(crate) most: u32,
    /// Seconds, doubled with each attempt.
    pub(crate) backoff_factor: f64,
    /// At most so many seconds more, at random.
    pub(crate) jitter: f64,
    /// The longest wait that a server may ask for with `Retry-After`.
    pub(crate) longest_asked: Duration,
}

/// A text that is not shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl ServerConfig {
    /// A server with Python's defaults (120 s, 7 retries) and no credentials but those in the URL.
    ///
    /// # Errors
    ///
    /// If `uri` is no `http://` or `https://` URL, or has a password with characters that have to be
    /// encoded there. The message shows no user and no password.
    pub fn new(uri: &str) -> Result<Self, Error> {
        let wrong = || Error::Setting {
            setting: "MLFLOW_TRACKING_URI".to_owned(),
            found: without_credentials(uri),
            expected: "http://HOST:PORT or https://HOST (leave it unset for the local store); \
                       a password in it has %23 for #, %2F for /, %3F for ? and %40 for @"
                .to_owned(),
        };
        let mut url = Url::parse(uri).map_err(|_| wrong())?;
        // Behind its end there is no @ but one of a password that was not encoded: its rest would be
        // taken for a path, and shown.
        let (_, after_scheme) = uri.split_once(':').unwrap_or_default();
        let end = after_scheme.trim_start_matches(['/', '\\']).split_once(['/', '\\', '?', '#']);
        if end.is_some_and(|(_, rest)| rest.contains('@')) {
            return Err(wrong());
        }
        let password = url.password().map(decode);
        let user = decode(url.username());
        // Neither can fail for a URL that has them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong());
        }
        let credentials = match password {
            Some(password) => Credentials::Basic { user, password: Secret(password) },
            None => Credentials::None,
        };
        Ok(Self {
            url,
            credentials,
            tls: Tls::System,
            timeout: Duration::from_mins(2),
            retries: Retries {
                most: 7,
                backoff_factor: 2.0,
                jitter: 1.0,
                longest_asked: Duration::from_mins(10),
            },
        })
    }

    /// The server of `MLFLOW_TRACKING_URI`, or `None` if that is not set or empty. The other variables
    /// are `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD` (else those of
    /// `~/.mlflow/credentials`), `MLFLOW_TRACKING_TOKEN`, `MLFLOW_TRACKING_SERVER_CERT_PATH`,
    /// `MLFLOW_TRACKING_INSECURE_TLS`, `MLFLOW_HTTP_REQUEST_TIMEOUT`,
    /// `MLFLOW_HTTP_REQUEST_MAX_RETRIES`, `MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR` and
    /// `MLFLOW_HTTP_REQUEST_BACKOFF_JITTER`.
    ///
    /// # Errors
    ///
    /// If one of them does not hold what it should; the message names it.
    pub fn from_env() -> Result<Option<Self>, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::from_variables(variable, std::env::home_dir().as_deref())
    }

    fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        home: Option<&Path>,
    ) -> Result<Option<Self>, Error> {
        let Some(uri) = variable("MLFLOW_TRACKING_URI") else { return Ok(None) };
        let mut config = Self::new(&uri)?;
        let (mut user, mut password) =
            (variable("MLFLOW_TRACKING_USERNAME"), variable("MLFLOW_TRACKING_PASSWORD"));
        if user.is_none() || password.is_none() {
            let (file_user, file_password) = match home {
                Some(home) => stored_credentials(&home.join(".mlflow/credentials"))?,
                None => (None, None),
            };
            user = user.or(file_user);
            password = password.or(file_password);
        }
        // As in Python's client: user and password before the token, both before the URL's.
        if let (Some(user), Some(password)) = (user, password) {
            config.credentials = Credentials::Basic { user, password: Secret(password) };
        } else if let Some(token) = variable("MLFLOW_TRACKING_TOKEN") {
            config.credentials = Credentials::Bearer(Secret(token));
        }

        let insecure = boolean(&variable, "MLFLOW_TRACKING_INSECURE_TLS")?.unwrap_or(false);
        let bundle = variable("MLFLOW_TRACKING_SERVER_CERT_PATH");
        config.tls = match (insecure, bundle) {
            (true, Some(path)) => {
                return Err(Error::Setting {
                    setting: "MLFLOW_TRACKING_SERVER_CERT_PATH".to_owned(),
                    found: path,
                    expected: "it unset while MLFLOW_TRACKING_INSECURE_TLS is true".to_owned(),
                });
            }
            (true, None) => Tls::Insecure,
            (false, Some(path)) => Tls::Bundle(path.into()),
            (false, None) => Tls::System,
        };

        let whole = "a whole number of 0 or more";
        if let Some(seconds) =
            parsed(&variable, "MLFLOW_HTTP_REQUEST_TIMEOUT", "seconds, 1 or more")?
        {
            config.timeout = Duration::from_secs(std::cmp::max(seconds, 1));
        }
        if let Some(most) = parsed(&variable, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", whole)? {
            config.retries.most = most;
        }
        let seconds = "seconds of 0 or more";
        for (name, target) in [
            ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", &mut config.retries.backoff_factor),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", &mut config.retries.jitter),
        ] {
            if let Some(value) = parsed::<f64>(&variable, name, seconds)? {
                if !(0.0..=3600.0).contains(&value) {
                    return Err(setting(name, value.to_string(), seconds));
                }
                *target = value;
            }
        }
        Ok(Some(config))
    }

    /// With another number of attempts after the first.
    #[must_use]
    pub const fn with_retries(mut self, most: u32) -> Self {
        self.retries.most = most;
        self
    }
}

/// What a program is told about its runs, from the variables that Python's client reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunSettings {
    /// `MLFLOW_EXPERIMENT_NAME`
    pub experiment_name: Option<String>,
    /// `MLFLOW_RUN_ID`: a run to go on with, instead of a new one.
    pub run_id: Option<String>,
}

impl RunSettings {
    /// Reads the variables; one that is empty is not set.
    #[must_use]
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            experiment_name: variable("MLFLOW_EXPERIMENT_NAME"),
            run_id: variable("MLFLOW_RUN_ID"),
        }
    }
}

/// User and password of the file that `mlflow login` writes, each if it is there.
fn stored_credentials(path: &Path) -> Result<(Option<String>, Option<String>), Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((None, None)),
        Err(cause) => return Err(Error::File { action: "read", path: path.to_owned(), cause }),
    };
    // As Python's parser: # and ; begin a comment at the start of a line only.
    let mut rules = IniDefault::default();
    rules.case_sensitive = true;
    rules.multiline = true;
    rules.enable_inline_comments = false;
    let mut file = Ini::new_from_defaults(rules);
    let wrong = |found: &str| Error::Setting {
        setting: path.display().to_string(),
        found: found.to_owned(),
        expected:
            "[mlflow] with mlflow_tracking_username and mlflow_tracking_password, in which %% \
                   stands for %"
                .to_owned(),
    };
    // The parser's message would show a line, and that may be the password.
    let sections = file.read(text).map_err(|_| wrong("a file that is not in INI form"))?;
    // Sections by their exact names, keys in any case; what is missing may be a default of all sections.
    let get = |key: &str| {
        let of_section = |name: &str| {
            let (_, value) = sections.get(name)?.iter().find(|(k, _)| k.to_lowercase() == key)?;
            value.clone()
        };
        let value =
            sections.get("mlflow").and_then(|_| of_section("mlflow").or(of_section("DEFAULT")));
        let value = value.filter(|value| !value.is_empty());
        value
            .map(|value| {
                interpolated(&value).ok_or_else(|| wrong("a file with a single % in a value"))
            })
            .transpose()
    };
    Ok((get("mlflow_tracking_username")?, get("mlflow_tracking_password")?))
}

/// A value as Python's parser gives it: `%%` is a percent sign. `None` for one that it refuses, and for
/// the name of another value in `%(…)s`, which nobody has in this file.
fn interpolated(value: &str) -> Option<String> {
    let percents = value.matches("%%").count();
    (value.matches('%').count() == 2 * percents).then(|| value.replace("%%", "%"))
}

/// A URI whose user and password are hidden, as far as there may be any.
fn without_credentials(uri: &str) -> String {
    let Some((before, after)) = uri.rsplit_once('@') else { return uri.to_owned() };
    let scheme =
        before.split_once("://").map_or(String::new(), |(scheme, _)| scheme.to_owned() + "://");
    format!("{scheme}***@{after}")
}

fn setting(name: &str, found: String, expected: &str) -> Error {
    Error::Setting { setting: name.to_owned(), found, expected: expected.to_owned() }
}

fn parsed<T: std::str::FromStr>(
    variable: impl Fn(&str) -> Option<String>,
    name: &str,
    expected: &str,
) -> Result<Option<T>, Error> {
    variable(name)
        .map(|text| text.trim().parse().map_err(|_| setting(name, text, expected)))
        .transpose()
}

/// `true` or `1`, `false` or `0`, in any case.
fn boolean(variable: impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<bool>, Error> {
    variable(name)
        .map(|text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(setting(name, text, "true, 1, false or 0")),
        })
        .transpose()
}

/// A part of a URL without its percent signs.
fn decode(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(
        variables: &[(&str, &str)],
        home: Option<&Path>,
    ) -> Result<Option<ServerConfig>, Error> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        ServerConfig::from_variables(variable, home)
    }

    #[test]
    fn without_a_uri_there_is_no_server() {
        assert!(config(&[("MLFLOW_TRACKING_TOKEN", "t")], None).unwrap().is_none());
    }

    #[test]
    fn defaults_are_those_of_python() {
        let config = config(&[("MLFLOW_TRACKING_URI", "http://h:5000")], None).unwrap().unwrap();
        assert_eq!(config.timeout, Duration::from_mins(2));
        let Retries { most, backoff_factor, jitter, .. } = config.retries;
        assert_eq!((most, backoff_factor, jitter), (7, 2.0, 1.0));
        assert!(matches!(config.credentials, Credentials::None));
    }

    #[test]
    fn user_and_password_go_before_the_token_and_the_file_helps_out() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".mlflow")).unwrap();
        std::fs::write(
            home.path().join(".mlflow/credentials"),
            "[mlflow]\nmlflow_tracking_username = Ann\nmlflow_tracking_password = p%%40ss=word\n",
        )
        .unwrap();
        let uri = ("MLFLOW_TRACKING_URI", "http://u:v@h");
        let basic = |variables: &[(&str, &str)], home: Option<&Path>| match config(variables, home)
            .unwrap()
            .unwrap()
            .credentials
        {
            Credentials::Basic { user, password } => (user, password.0),
            other => panic!("{other:?}"),
        };
        assert_eq!(basic(&[uri], None), ("u".into(), "v".into()));
        assert_eq!(basic(&[uri], Some(home.path())), ("Ann".into(), "p%40ss=word".into()));
        let name = ("MLFLOW_TRACKING_USERNAME", "Bob");
        let token = ("MLFLOW_TRACKING_TOKEN", "t");
        assert_eq!(basic(&[uri, name, token], Some(home.path())).0, "Bob");
        let config = config(&[uri, token], None).unwrap().unwrap();
        assert!(matches!(config.credentials, Credentials::Bearer(_)));
    }

    #[test]
    fn secrets_are_not_shown() {
        let all = config(
            &[
                ("MLFLOW_TRACKING_URI", "http://user:hidden1@h"),
                ("MLFLOW_TRACKING_TOKEN", "hidden2"),
            ],
            None,
        );
        assert!(!format!("{all:?}").contains("hidden"), "{all:?}");
    }

    #[test]
    fn a_uri_that_cannot_be_used_shows_no_password() {
        for (uri, shown) in [
            ("ftp://user:hidden@h", "ftp://***@h"),
            ("http://user:p#hidden@h:5000", "http://***@h:5000"),
            ("http://user:p/hidden@h", "http://***@h"),
            ("http://user:12/hid@den@h/base", "http://***@h/base"),
            ("http://user:12?hidden@h", "http://***@h"),
            ("http://user:12\\hidden@h", "http://***@h"),
            ("http:user:12#hidden@h", "***@h"),
            ("mysql+pymysql://user:hidden@h/db", "mysql+pymysql://***@h/db"),
            ("user:hidden@h:5000", "***@h:5000"),
            ("h:5000", "h:5000"),
        ] {
            let message = ServerConfig::new(uri).unwrap_err().to_string();
            assert!(!message.contains("hid"), "{message}");
            assert!(message.contains(&format!("{shown:?}")), "{message}");
        }
        let config = ServerConfig::new("http://user:p%23%2F%40%3A@h/base").unwrap();
        assert_eq!(config.url.as_str(), "http://h/base");
        let Credentials::Basic { password, .. } = config.credentials else { panic!("basic") };
        assert_eq!(password.reveal(), "p#/@:");
    }

    /// What Python's `configparser.ConfigParser` makes of the same files (Python 3.12).
    #[test]
    fn the_file_is_read_as_python_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            stored_credentials(&path)
        };
        let both = |text: &str| {
            let (user, password) = read(text).unwrap();
            (user.unwrap_or_default(), password.unwrap_or_default())
        };
        for (text, user, password) in [
            (
                "[mlflow]\nmlflow_tracking_username = a;b\nmlflow_tracking_password = p#s ;w # x\n",
                "a;b",
                "p#s ;w # x",
            ),
            (
                "# one\n[mlflow]\n; two\nMLFLOW_TRACKING_USERNAME: ann\n\
                 Mlflow_Tracking_Password = %%20%%%%\n",
                "ann",
                "%20%%",
            ),
            (
                "[DEFAULT]\nmlflow_tracking_username = all\n[mlflow]\nmlflow_tracking_password=p\n",
                "all",
                "p",
            ),
            ("[MLFLOW]\nmlflow_tracking_username = other\n", "", ""),
            ("[DEFAULT]\nmlflow_tracking_username = all\n", "", ""),
        ] {
            assert_eq!(both(text), (user.to_owned(), password.to_owned()), "{text}");
        }
        for value in ["hidden%20", "%(hidden)s", "hidden%", "%%%hidden"] {
            let text = format!("[mlflow]\nmlflow_tracking_password = {value}\n");
            let message = read(&text).unwrap_err().to_string();
            assert!(message.contains("%% stands for %"), "{message}");
            assert!(!message.contains("hidden"), "{message}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let uri = ("MLFLOW_TRACKING_URI", "http://h");
        for (variables, expected) in [
            (vec![("MLFLOW_TRACKING_URI", "sqlite:///x.db")], "leave it unset for the local store"),
            (vec![uri, ("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon")], "expected seconds"),
            (vec![uri, ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "-1")], "expected a whole number"),
            (vec![uri, ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "nan")], "expected seconds"),
            (vec![uri, ("MLFLOW_TRACKING_INSECURE_TLS", "yes")], "true, 1, false or 0"),
            (
                vec![
                    uri,
                    ("MLFLOW_TRACKING_INSECURE_TLS", "true"),
                    ("MLFLOW_TRACKING_SERVER_CERT_PATH", "ca.pem"),
                ],
                "it unset while",
            ),
        ] {
            let message = config(&variables, None).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
