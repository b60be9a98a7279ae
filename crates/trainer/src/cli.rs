//! The command line: what `fraud-trainer --help` shows.

use anyhow::Context;
use clap::builder::{RangedU64ValueParser, Resettable};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{explore, fetch, score, synth, train};

/// Train a credit-card fraud model on transactions, and everything around it.
///
/// Data is CSV or Parquet with the columns Time, V1 … V28, Amount and Class (0 legitimate, 1 fraud),
/// as in the Kaggle file "Credit Card Fraud Detection". Results go to stdout, logs to stderr. An empty
/// variable counts as not set; one of a flag without a value is 1, yes, true, 0, no or false. Exit
/// codes: 0 done, 2 error or bad usage, 130 and 143 stopped by SIGINT or SIGTERM.
#[derive(Debug, Parser)]
#[command(version, name = "fraud-trainer", max_term_width = 100)]
pub struct Cli {
    /// Threads for the fit and the reports, 1 to 512; all cores if not set. Lower it to leave cores to
    /// others: it changes the time, never a result
    #[arg(
        long,
        env = "FRAUD_THREADS",
        value_name = "N",
        global = true,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=512)
    )]
    pub threads: Option<usize>,

    /// What to log: error, warn, info, debug, trace, or a filter such as `fraud_trainer=debug`. Set it
    /// to warn to hear of trouble only
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info", global = true)]
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
    /// Reads the command line and the environment. Where they are wrong, or ask for help, this says
    /// so and ends the program.
    #[must_use]
    pub fn read() -> Self {
        let command = without_empty_variables(Self::command());
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Carries the command out.
    ///
    /// # Errors
    ///
    /// What the command says, with what, where and what would be accepted.
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .with_context(|| format!("cannot start {threads} threads"))?;
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

/// Takes the variables that are set to nothing from their flags: a template that leaves one blank
/// means the default.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| {
            let value = arg.get_env().and_then(std::env::var_os);
            if value.is_some_and(|value| value.is_empty()) {
                arg.env(Resettable::<clap::builder::OsStr>::Reset)
            } else {
                arg
            }
        })
        .mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_consistent_and_bounded() {
        Cli::command().debug_assert();
        let parse = |threads: &str| {
            let args = ["fraud-trainer", "--threads", threads, "synth", "--output", "a.csv"];
            Cli::try_parse_from(args).map(|cli| cli.threads)
        };
        assert_eq!(parse("512").unwrap(), Some(512));
        for wrong in ["0", "513", "-1", "many"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_files_may_follow_a_flag_and_a_comma_is_part_of_a_name() {
        let args = ["fraud-trainer", "explore", "--data", "a,b.csv", "c.csv", "--data", "d.csv"];
        let Command::Explore(args) = Cli::try_parse_from(args).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(args.data, ["a,b.csv", "c.csv", "d.csv"].map(std::path::PathBuf::from));
    }

    #[test]
    fn a_flag_without_a_value_is_on() {
        let args = ["fraud-trainer", "synth", "--output", "a.csv", "--force"];
        let Command::Synth(args) = Cli::try_parse_from(args).unwrap().command else {
            panic!("another command");
        };
        assert!(args.force);
    }
}
