//! REST inference: scores a transaction with the model that is in production.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | [`Config`]: the flags and their environment variables |
//! | `model` | the model to serve: from a folder, from the registry, or from the cache |
//! | [`startup`] | [`Application`]: loads the model, binds, serves, stops gracefully |
//! | [`telemetry`] | logs on stderr |
//! | `routes` | one file a route: `/predict`, `/explain`, `/model`, `/health`, `/metrics` |
//! | `reload` | another model without a restart, and one in the shadow |
//! | `batch` | from the bytes of a large body to the results of its rows |
//! | `request` | from the bytes of a body to a checked transaction, or to all that is wrong with it |
//! | `observe` | the middleware around all routes: request ids, model version, counts, times |
//! | `capture` | what was scored, as Parquet files for drift detection |
//! | `metrics` | what Prometheus reads; `histogram`, `process` and `exposition` are parts of that |
//! | `traces`, `trace_context` | spans for a collector, the caller's trace |
//! | `server` | the HTTP server: workers, connections, TLS |
//! | `security` | keys, rates, limits, headers, panics, slow callers, TLS |
//! | `openapi`, `reference` | the `OpenAPI` document, and the same as a page |
//! | `examples` | transactions to try the service with, made from the model |
//! | `state` | what all requests share: the model that answers, the metrics |
//!
//! The service takes the place of one written with `FastAPI` and pydantic: paths, bodies, statuses,
//! error details and metric names are those that its clients know.

mod batch;
mod capture;
pub mod config;
mod examples;
mod exposition;
mod histogram;
mod metrics;
mod model;
mod observe;
mod openapi;
mod process;
mod reference;
mod reload;
mod request;
mod routes;
mod security;
mod server;
pub mod startup;
mod state;
pub mod telemetry;
mod trace_context;
mod traces;

pub use capture::CaptureArgs;
pub use config::Config;
pub use security::SecurityArgs;
pub use startup::Application;
pub use traces::TraceArgs;
