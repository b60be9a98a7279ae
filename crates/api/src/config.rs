//! The flags of the service. Each has an environment variable, for containers.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, Resettable, TypedValueParser as _};
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use fraud_registry::{LOCAL_FOLDER, ModelUri};

use crate::capture::CaptureArgs;
pub use crate::reload::ReloadArgs;
pub use crate::routes::batch::BatchArgs;
use crate::security::SecurityArgs;
use crate::telemetry::LogFormat;
use crate::traces::TraceArgs;

/// Scores credit-card transactions over HTTP: POST /predict, GET /health, GET /metrics.
///
/// An empty variable counts as not set, but for `FRAUD_MODEL_CACHE`.
#[derive(Debug, Clone, Parser)]
#[command(name = "fraud-api", version)]
pub struct Config {
    /// The model to serve: a directory with model.json, or the file itself. Change it to serve
    /// another model than the one in production. It is read at the start, at SIGHUP, and as
    /// --reload-interval says.
    #[arg(long, env = "FRAUD_MODEL", value_name = "DIR", default_value = "models/production")]
    pub model: PathBuf,

    /// The model to serve, from the registry: `models:/NAME@ALIAS`, `models:/NAME/VERSION`,
    /// `models:/NAME` (its latest version), `models:/m-…` (a logged model), or `runs:/RUN_ID/PATH`.
    /// Set it, to `models:/fraud_detection_logreg@champion` for instance, where a promotion in the
    /// registry is to be served: from the next start on, or with --reload-interval at once. A folder or `file://…` is read as with
    /// --model, whose place this takes.
    #[arg(long, env = "FRAUD_MODEL_URI", value_name = "URI", conflicts_with = "model")]
    pub model_uri: Option<ModelUri>,

    /// The local registry that --model-uri is looked up in while `MLFLOW_TRACKING_URI` is not set; if
    /// it is, that server is asked, as the `MLFLOW_…` variables of Python's client say. Change it when
    /// the service is not started from the project's folder.
    #[arg(long, env = "FRAUD_REGISTRY", value_name = "DIR", default_value = LOCAL_FOLDER)]
    pub registry: PathBuf,

    /// Where the model of --model-uri is kept, for a start while the registry cannot be reached. Put
    /// it on a volume that outlives the container. An empty text keeps none: then no registry means
    /// no start.
    #[arg(long, env = "FRAUD_MODEL_CACHE", value_name = "DIR", default_value = "models/cache",
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub model_cache: PathBuf,

    /// Address to listen on. Change it to 127.0.0.1 when only this machine may call, for instance
    /// behind a proxy beside it; `::` listens on IPv6.
    #[arg(long, env = "FRAUD_HOST", value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub host: String,

    /// Port to listen on. Change it when another program has it; 0 takes any free one, which the
    /// log then names. The variable is the one that AWS App Runner and most platforms set.
    #[arg(long, env = "PORT", value_name = "PORT", default_value_t = 8000)]
    pub port: u16,

    /// Threads that serve requests, 1 to 512. The number of cores unless given; lower it when the
    /// machine is shared.
    #[arg(long, env = "FRAUD_WORKERS", value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=512))]
    pub workers: Option<u16>,

    /// Seconds that requests in flight have to finish after SIGTERM or SIGINT. Keep it below the
    /// grace period of the platform (30 s in Kubernetes and ECS), which kills when that is over.
    #[arg(long, env = "FRAUD_SHUTDOWN_TIMEOUT", value_name = "SECONDS", default_value_t = 30)]
    pub shutdown_timeout: u64,

    /// When and what to load while the service runs.
    #[command(flatten)]
    pub reload: ReloadArgs,

    /// Limits of a batch.
    #[command(flatten)]
    pub batch: BatchArgs,
    /// Whether and how what is scored is kept.
    #[command(flatten)]
    pub capture: CaptureArgs,

    /// What is logged, on stderr: error, warn, info, debug, trace, or directives such as
    /// `info,actix_server=warn`. Raise it to debug to look for a fault.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// How the log is written. Set it to json where a program collects the log.
    #[arg(long, env = "FRAUD_API_LOG_FORMAT", value_name = "FORMAT", value_enum,
          default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would take the place of the command's own")]
    pub traces: TraceArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a text here would take the place of the command's own")]
    pub security: SecurityArgs,
}

impl Config {
    /// Reads the command line and the environment. Where they are wrong, or ask for help, this says
    /// so and ends the program.
    #[must_use]
    pub fn read() -> Self {
        let command = without_empty_variables(Self::command());
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Takes the variables that are set to nothing from their flags: a template that leaves one blank
/// means the default. An empty cache folder has a meaning.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        if value.is_some_and(|value| value.is_empty()) && arg.get_id() != "model_cache" {
            arg.env(Resettable::<clap::builder::OsStr>::Reset)
        } else {
            arg
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable_and_a_text() {
        for flag in Config::command().get_arguments() {
            assert!(flag.get_env().is_some(), "{} has no variable", flag.get_id());
            assert!(flag.get_help().is_some(), "{} has no text", flag.get_id());
        }
    }

    #[test]
    fn a_model_comes_from_one_place() {
        let uri = "models:/fraud_detection_logreg@champion";
        let parse = |args: &[&str]| Config::try_parse_from([&["fraud-api"], args].concat());
        let config = parse(&["--model-uri", uri, "--model-cache", ""]).unwrap();
        assert_eq!(config.model_uri.unwrap().to_string(), uri);
        assert_eq!(config.model_cache, PathBuf::new());
        let message = parse(&["--model-uri", uri, "--model", "m"]).unwrap_err().to_string();
        assert!(message.contains("cannot be used with '--model <DIR>'"), "{message}");
        let message = parse(&["--model-uri", "models:/n/newest"]).unwrap_err().to_string();
        assert!(message.contains("expected models:/NAME@ALIAS"), "{message}");
    }

    #[test]
    fn no_worker_is_refused() {
        assert!(Config::try_parse_from(["fraud-api", "--workers", "0"]).is_err());
        assert!(Config::try_parse_from(["fraud-api", "--workers", "513"]).is_err());
    }
}
