//! Logs: lines on stderr, so that stdout stays free for results.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Sends the process's logs to stderr, in colour on a terminal.
///
/// # Errors
///
/// If `filter` is not one that `tracing_subscriber::EnvFilter` reads, or if logs are sent somewhere
/// already.
pub fn init(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!("--log is {filter:?}, expected a level such as info, or info,actix_server=warn")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
