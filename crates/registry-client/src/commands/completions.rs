//! `fraud-registry completions`: names and flags for the shell's tab key.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::terminal;
use crate::cli::Cli;

/// Print a script that completes commands and flags in a shell
///
/// For bash: `fraud-registry completions bash > ~/.local/share/bash-completion/completions/fraud-registry`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Prints the script on stdout.
///
/// # Errors
///
/// If it cannot be printed.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fraud-registry", &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
