//! The command line: what `fraud-registry --help` shows.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::{BoolishValueParser, Resettable};
use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use futures_util::FutureExt as _;

use crate::commands::{
    completions, diff, models, promote, pull, push, rollback, runs, show, versions,
};
use crate::error::Error;
use crate::store::Store;

/// Runs, models and versions of fraud models: see, compare, fetch, promote.
///
/// Works on the MLflow server of `MLFLOW_TRACKING_URI` (with `MLFLOW_TRACKING_USERNAME`, `…_PASSWORD`,
/// `…_TOKEN` and the others that Python's client reads), or where that is not set on the local store in
/// a folder. Results go to stdout, logs to stderr. An empty variable counts as not set; one of a flag
/// without a value is 1, yes, true, 0, no or false. Exit codes: 0 done, 1 promotion refused, 2 error
/// or bad usage, 130 and 143 stopped by SIGINT or SIGTERM.
#[derive(Debug, Parser)]
#[command(version, name = "fraud-registry", max_term_width = 100)]
pub struct Cli {
    /// What all commands take.
    #[command(flatten)]
    pub common: Common,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What all commands take.
#[derive(Debug, Args)]
pub struct Common {
    /// Folder of the local store, which is used while `MLFLOW_TRACKING_URI` is unset. Set it where the
    /// store is not below the current folder
    #[arg(
        long,
        env = "FRAUD_REGISTRY",
        value_name = "DIR",
        default_value = crate::LOCAL_FOLDER,
        global = true
    )]
    pub registry: PathBuf,

    /// Print the result as JSON, with all digits and all fields. Set it in a script
    #[arg(
        long,
        env = "FRAUD_REGISTRY_JSON",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new(),
        global = true
    )]
    pub json: bool,

    /// What to log: error, warn, info, debug, trace, or a filter such as `fraud_registry=debug`. Set it
    /// to debug to see each call of a server
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info", global = true)]
    pub log: String,
}

impl Common {
    /// The server, or the local store.
    ///
    /// # Errors
    ///
    /// If a variable does not hold what it should, or the folder is no local store.
    pub fn store(&self) -> Result<Arc<dyn Store>, Error> {
        crate::connect(&self.registry)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "a text here would take the place of the one on the arguments in --help"
)]
pub enum Command {
    Runs(runs::RunsArgs),
    Models(models::ModelsArgs),
    Versions(versions::VersionsArgs),
    Show(show::ShowArgs),
    Pull(pull::PullArgs),
    Push(push::PushArgs),
    Diff(diff::DiffArgs),
    Promote(promote::PromoteArgs),
    Rollback(rollback::RollbackArgs),
    Completions(completions::CompletionsArgs),
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

    /// Carries the command out, until `stopped` comes: then it is dropped, and with it what it had not
    /// finished.
    ///
    /// # Errors
    ///
    /// What the command says, with what, where and what would be accepted.
    pub async fn run(
        self,
        stopped: impl Future<Output = anyhow::Result<ExitCode>>,
    ) -> anyhow::Result<ExitCode> {
        let common = &self.common;
        let work = match &self.command {
            // It has something to put in order first.
            Command::Push(args) => return push::run(args, common, stopped).await,
            Command::Runs(args) => runs::run(args, common).boxed_local(),
            Command::Models(args) => models::run(args, common).boxed_local(),
            Command::Versions(args) => versions::run(args, common).boxed_local(),
            Command::Show(args) => show::run(args, common).boxed_local(),
            Command::Pull(args) => pull::run(args, common).boxed_local(),
            Command::Diff(args) => diff::run(args, common).boxed_local(),
            Command::Promote(args) => promote::run(args, common).boxed_local(),
            Command::Rollback(args) => rollback::run(args, common).boxed_local(),
            Command::Completions(args) => return completions::run(args),
        };
        tokio::select! {
            result = work => result,
            stopped = stopped => stopped,
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

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["fraud-registry"], args].concat())
    }

    #[test]
    fn flags_are_consistent_and_each_has_a_variable() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
                let expected = variable.is_some_and(|name| name.starts_with("FRAUD_REGISTRY_"));
                assert!(expected, "{} {arg}", command.get_name());
            }
        }
    }

    #[test]
    fn what_the_whole_program_takes_may_follow_the_command() {
        let cli = parse(&["runs", "--json", "--registry", "elsewhere"]).unwrap();
        assert!(cli.common.json);
        assert_eq!(cli.common.registry, PathBuf::from("elsewhere"));
        let cli = parse(&["models"]).unwrap();
        assert_eq!(cli.common.registry, PathBuf::from("models/registry"));
    }

    #[test]
    fn a_promotion_takes_measures_it_knows_and_a_sound_tolerance() {
        let promote = |args: &[&str]| match parse(&[&["promote"], args].concat())?.command {
            Command::Promote(args) => Ok(args),
            _ => panic!("another command"),
        };
        let names = |args: &[&str]| {
            let measures: Result<_, clap::Error> = promote(args).map(|args| args.measure);
            measures.unwrap().into_iter().map(|measure| measure.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), crate::gates::DEFAULT_MEASURES);
        assert_eq!(
            names(&["--measure", "log_loss", "--measure", "roc_auc"]),
            ["log_loss", "roc_auc"]
        );
        let message = promote(&["--measure", "accuracy"]).unwrap_err().to_string();
        assert!(message.contains("average_precision, roc_auc"), "{message}");
        assert_eq!(promote(&["--tolerance", "0"]).unwrap().tolerance, 0.0);
        for wrong in ["-0.1", "nan", "inf", "much"] {
            let message = promote(&[&format!("--tolerance={wrong}")]).unwrap_err().to_string();
            assert!(message.contains("0 or more"), "{message}");
        }
    }
}
