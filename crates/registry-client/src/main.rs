//! The binary over the library: flags in, exit code out.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use anyhow::Context;
use fraud_registry::cli::Cli;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match run(Cli::read()) {
        Ok(code) => code,
        Err(error) => {
            // The exit code still says it where nobody can read it.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    start_logging(&cli.common.log)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let result = runtime.block_on(cli.run(stopped()));
    // What blocks, as a slow disk, does not hold the end up.
    runtime.shutdown_background();
    result
}

/// A signal ends the program as ever (exit code 128 and its number), but not before the command at
/// work has put in order what it had not finished.
async fn stopped() -> anyhow::Result<ExitCode> {
    let listen = |kind| signal(kind).context("cannot wait for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}

fn start_logging(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        anyhow::anyhow!(
            "the log filter is {filter:?} ({error}), expected error, warn, info, debug or trace"
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        // It would complain on stderr about stderr, and panic where that is closed.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
