//! MLflow's tracking and model registry from Rust, and a local store behind the same interface.
//!
//! [`Store`] is that interface: experiments, runs with parameters, metrics, tags, data sets and
//! artifacts, logged models, registered models with versions and aliases. [`MlflowServer`] speaks the
//! REST API of MLflow 3; [`LocalStore`] keeps the same in a folder, for where there is no server.
//! [`connect`] takes the one that the environment names, as Python's client does.
//!
//! ```
//! use fraud_registry::types::{Batch, KeyValue, Metric, NewRun, RunStatus};
//! use fraud_registry::{LocalStore, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! // `fraud_registry::connect("models/registry".as_ref())?` for the server of MLFLOW_TRACKING_URI.
//! let store = LocalStore::open(folder.path().join("registry"))?;
//! let experiment_id = store.experiment("fraud").await?.experiment_id;
//! let run = store.create_run(&NewRun { experiment_id, ..NewRun::default() }).await?.info;
//! let params = vec![KeyValue::new("l2", 1.0)];
//! let metrics = vec![Metric::now("average_precision", 0.75)];
//! store.log_batch(&run.run_id, &Batch { params, metrics, tags: vec![] }).await?;
//! store.update_run(&run.run_id, RunStatus::Finished, None).await?;
//! assert_eq!(store.run(&run.run_id).await?.metric("average_precision"), Some(0.75));
//! # Ok(())
//! # }
//! ```
//!
//! # A model of the registry
//!
//! [`ModelUri`] reads what Python's MLflow reads (`models:/NAME@ALIAS`, `models:/NAME/3`, `runs:/…`; its
//! documentation names the differences) and [`ModelUri::resolve`] finds its files; [`Resolved::download`] fetches and checks them.
//!
//! ```no_run
//! use fraud_registry::{ModelUri, connect};
//!
//! # async fn example() -> Result<(), fraud_registry::Error> {
//! let store = connect("models/registry".as_ref())?;
//! let uri: ModelUri = "models:/fraud_detection_logreg@champion".parse()?;
//! let model = uri.resolve(&*store).await?.download(&*store, "champion".as_ref()).await?;
//! println!("{} decides at {}", model.digest(), model.threshold);
//! # Ok(())
//! # }
//! ```
//!
//! # When something goes wrong
//!
//! Every call fails with an [`Error`], whose text says what, where and what would be accepted, and holds
//! no credentials. What a server said is in it, as [`Refusal`] or as fields of its own. [`Error::is_unavailable`] tells a store that cannot be asked from one that refuses.
//! What may pass by itself (broken connections, 408, 429, 5xx) is tried again as
//! [`ServerConfig`] says; a creation whose answer was lost is looked for before it is repeated, so it
//! happens once. At the level `debug`, `tracing` shows each call. Dropping the future of a call abandons it, and the server may or may not have done it.
//!
//! # Beyond the interface
//!
//! [`push`] copies runs of one store to another, [`gates`] judges whether a version may replace the
//! champion, [`diff`] lays two models side by side: what the command `fraud-registry` does with them.
//! That command is the feature `cli`, on by default; without it the crate is the client alone.

mod artifact_path;
#[cfg(feature = "cli")]
pub mod cli;
mod clock;
#[cfg(feature = "cli")]
pub mod commands;
mod config;
mod connect;
pub mod diff;
mod durable;
mod error;
pub mod gates;
mod json;
mod local;
pub mod push;
mod server;
mod store;
pub mod tags;
pub mod types;
mod uri;

pub use config::{RunSettings, ServerConfig};
pub use connect::{Place, connect};
pub use error::{Error, Refusal};
pub use local::LocalStore;
pub use server::MlflowServer;
pub use store::Store;
pub use uri::{ModelUri, Resolved, list_recursively, load};

/// The examples of the README, compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Name of the registered model, as in the Python system.
pub const MODEL_NAME: &str = "fraud_detection_logreg";

/// Alias of the version that is in production.
pub const CHAMPION: &str = "champion";

/// Alias of the version that was trained last.
pub const CHALLENGER: &str = "challenger";

/// Folder of the local store, from where a program was started.
pub const LOCAL_FOLDER: &str = "models/registry";
