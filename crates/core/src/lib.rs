//! Credit-card fraud detection: what every part of the system has to agree on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`schema`] | the 30 features, their names, order and units |
//! | [`transaction`] | [`Transaction`]: 30 checked values; one that exists is valid |
//! | [`model`] | [`LogisticModel`]: decision function, probability, contributions |
//! | [`threshold`] | [`Threshold`]: from a probability to a decision |
//! | [`artifact`] | [`ModelArtifact`]: model, threshold and provenance as `model.json` |
//! | [`synthetic`] | the mark by which generated rows are known |
//! | [`measures`] | confusion counts, curves, calibration, intervals |
//! | `frame` | tables of transactions from CSV and Parquet (feature `frame`) |
//!
//! The crate is small and synchronous: no async runtime, no HTTP, and polars only behind the
//! feature `frame`.
//!
//! # Example
//!
//! ```
//! use fraud_core::{LogisticModel, StandardScaler, Threshold, Transaction, N_FEATURES};
//!
//! // A model that looks at `Amount` alone (the last feature): mean 88, standard deviation 250.
//! let mut coefficients = [0.0; N_FEATURES];
//! coefficients[29] = 1.5;
//! let mut mean = [0.0; N_FEATURES];
//! mean[29] = 88.0;
//! let mut scale = [1.0; N_FEATURES];
//! scale[29] = 250.0;
//! let model = LogisticModel::new(StandardScaler::new(mean, scale)?, coefficients, -2.0)?;
//!
//! let mut values = [0.0; N_FEATURES];
//! values[29] = 1_338.0; // five standard deviations above the mean
//! let transaction = Transaction::new(values)?;
//!
//! assert!((model.decision_function(&transaction) - 5.5).abs() < 1e-12);
//! assert!(Threshold::new(0.9)?.decide(model.predict_proba(&transaction)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod artifact;
#[cfg(feature = "frame")]
pub mod frame;
pub mod measures;
pub mod model;
pub mod schema;
pub mod synthetic;
pub mod threshold;
pub mod transaction;

pub use artifact::{ArtifactError, Decision, ModelArtifact, Provenance, ScoredExample};
pub use model::{Explanation, LogisticModel, ModelError, StandardScaler};
pub use schema::{FEATURES, LABEL, N_FEATURES};
pub use threshold::{Threshold, ThresholdError};
pub use transaction::{Transaction, TransactionError, ValueProblem};

/// The examples of the README, compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
