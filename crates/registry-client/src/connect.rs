//! The store that the environment names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::ServerConfig;
use crate::error::Error;
use crate::local::LocalStore;
use crate::server::MlflowServer;
use crate::store::Store;

/// The server of `MLFLOW_TRACKING_URI`, or where that is not set the local store in `folder`.
///
/// # Errors
///
/// If a variable does not hold what it should ([`ServerConfig::from_env`]), or the folder is no local
/// store. The server is not asked yet.
pub fn connect(folder: &Path) -> Result<Arc<dyn Store>, Error> {
    Place::from_env(folder)?.connect()
}

/// Where a store is, before it is asked. `Display` gives what [`Store::location`] will, with a folder as
/// it was named.
#[derive(Debug, Clone)]
pub enum Place {
    /// An MLflow server.
    Server(Box<ServerConfig>),
    /// The local store in a folder.
    Folder(PathBuf),
}

impl Place {
    /// The server of `MLFLOW_TRACKING_URI`, or where that is not set `folder`.
    ///
    /// # Errors
    ///
    /// If a variable does not hold what it should ([`ServerConfig::from_env`]).
    pub fn from_env(folder: &Path) -> Result<Self, Error> {
        Ok(match ServerConfig::from_env()? {
            Some(config) => Self::Server(Box::new(config)),
            None => Self::Folder(folder.to_owned()),
        })
    }

    /// For a program that can do without the store: a server is tried three times at most, an attempt
    /// gives up when 10 seconds pass without a sign of life, and no longer pause is made between two.
    #[must_use]
    pub fn in_a_hurry(self) -> Self {
        match self {
            Self::Server(mut config) => {
                config.retries.most = config.retries.most.min(2);
                config.timeout = config.timeout.min(Duration::from_secs(10));
                config.retries.longest_asked = config.timeout;
                Self::Server(config)
            }
            folder @ Self::Folder(_) => folder,
        }
    }

    /// The store at this place.
    ///
    /// # Errors
    ///
    /// If the certificates or credentials of a server cannot be used, or the folder is no local store.
    /// A server is not asked yet.
    pub fn connect(self) -> Result<Arc<dyn Store>, Error> {
        match self {
            Self::Server(config) => Ok(Arc::new(MlflowServer::new(*config)?)),
            Self::Folder(folder) => Ok(Arc::new(LocalStore::open(folder)?)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(config) => f.write_str(config.url.as_str().trim_end_matches('/')),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_as_its_store_is() {
        let server = ServerConfig::new("http://user:hidden@h:5000/base/").unwrap();
        for (place, expected) in [
            (Place::Server(Box::new(server)), "http://h:5000/base"),
            (Place::Folder("/no/such/folder".into()), "/no/such/folder"),
        ] {
            assert_eq!(place.to_string(), expected);
            assert_eq!(place.connect().unwrap().location(), expected);
        }
    }

    #[test]
    fn haste_shortens_and_never_lengthens() {
        let hurried = |config: ServerConfig| match Place::Server(Box::new(config)).in_a_hurry() {
            Place::Server(config) => {
                assert_eq!(config.retries.longest_asked, config.timeout);
                (config.retries.most, config.timeout.as_secs())
            }
            Place::Folder(_) => unreachable!(),
        };
        let config = ServerConfig::new("http://h").unwrap();
        assert_eq!(hurried(config.clone()), (2, 10));
        assert_eq!(hurried(config.with_retries(0)), (0, 10));
    }
}
