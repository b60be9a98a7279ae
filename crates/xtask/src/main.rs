//! `cargo xtask`: the commands that developers and newcomers type.

mod bench;
mod shell;
mod test;
mod tools;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer automation. The two commands that matter: `up` and `test`.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prepare data, train a model, serve it, and send it one prediction; serves until stopped
    Up(up::UpArgs),
    /// Install what the tests need, then check format, lints, docs and licences, and run all tests
    Test(test::TestArgs),
    /// Measure training against pandas + scikit-learn, or the API against `FastAPI`, both in one run
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Up(args) => up::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
