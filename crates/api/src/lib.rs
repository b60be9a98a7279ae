//! REST inference: scores a transaction with the model that is in production.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | [`Config`]: the flags and their environment variables |
//! | [`startup`] | [`Application`]: loads the model, binds, serves, stops gracefully |
//! | [`telemetry`] | logs on stderr |
//! | `routes` | one file a route: `/predict`, `/health`, `/metrics` |
//! | `request` | from the bytes of a body to a checked transaction, or to all that is wrong with it |
//! | `metrics` | what Prometheus reads, and the middleware that counts |
//!
//! The service takes the place of one written with `FastAPI` and pydantic: paths, bodies, statuses,
//! error details and metric names are those that its clients know.

pub mod config;
mod metrics;
mod request;
mod routes;
pub mod startup;
pub mod telemetry;

pub use config::Config;
pub use startup::Application;
