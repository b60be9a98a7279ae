//! The command line: what `fraud-trainer --help` shows.

use clap::{Parser, Subcommand};

use crate::commands::{explore, fetch, score, synth, train};

/// Train a credit-card fraud model on transactions, and everything around it.
///
/// Data is CSV or Parquet with the columns Time, V1 … V28, Amount and Class (0 legitimate, 1 fraud),
/// as in the Kaggle file "Credit Card Fraud Detection". Results go to stdout, logs to stderr. Exit
/// codes: 0 done, 2 error or bad usage.
#[derive(Debug, Parser)]
#[command(version, name = "fraud-trainer", max_term_width = 100)]
pub struct Cli {
    /// Threads for the fit and the reports; all cores if not set. It changes the time, never a result
    #[arg(long, env = "FRAUD_THREADS", value_name = "N", global = true)]
    pub threads: Option<usize>,

    /// What to log: error, warn, info, debug, trace, or a filter such as `fraud_trainer=debug`
    #[arg(long, env = "FRAUD_LOG", value_name = "FILTER", default_value = "info", global = true)]
    pub log: String,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "a text here would take the place of the one on the arguments in --help"
)]
pub enum Command {
    Train(Box<train::TrainArgs>),
    Score(score::ScoreArgs),
    Explore(explore::ExploreArgs),
    Synth(synth::SynthArgs),
    Fetch(fetch::FetchArgs),
}

impl Cli {
    /// Carries the command out.
    ///
    /// # Errors
    ///
    /// What the command says, with what, where and what would be accepted.
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(threads) = self.threads {
            anyhow::ensure!(threads > 0, "the number of threads is 0, expected at least 1");
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        }
        match self.command {
            Command::Train(args) => train::run(&args),
            Command::Score(args) => score::run(&args),
            Command::Explore(args) => explore::run(&args),
            Command::Synth(args) => synth::run(&args),
            Command::Fetch(args) => fetch::run(&args),
        }
    }
}
