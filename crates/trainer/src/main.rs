//! The binary over the library: flags in, exit code out.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use anyhow::Context;
use fraud_trainer::cli::Cli;
use fraud_trainer::{output, tracking};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::read();
    match start_logging(&cli.log).and_then(|()| clean_up_at_signals()).and_then(|()| cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit code still says it where nobody can read it.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// A signal ends the program as ever (exit code 128 and its number), but not before what is not
/// finished is off the disk.
fn clean_up_at_signals() -> anyhow::Result<()> {
    let mut ends = vec![SIGINT, SIGTERM, SIGQUIT];
    if !is_hangup_ignored() {
        ends.push(SIGHUP);
    }
    let mut signals = Signals::new(ends).context("cannot wait for signals")?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            tracking::kill_at_signal();
            output::exit_without_traces(128 + signal);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .context("cannot start the thread that waits for signals")?;
    Ok(())
}

/// Whether the program was started to outlive its terminal (`nohup`).
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (SIGHUP - 1) & 1 == 1)
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
