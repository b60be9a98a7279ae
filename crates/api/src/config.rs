//! The flags of the service. Each has an environment variable, for containers.

use std::path::PathBuf;

use clap::Parser;

/// Scores credit-card transactions over HTTP: POST /predict, GET /health, GET /metrics.
#[derive(Debug, Clone, Parser)]
#[command(name = "fraud-api", version)]
pub struct Config {
    /// The model to serve: a directory with model.json, or the file itself. Change it to serve
    /// another model than the one in production; a model is read once, at the start.
    #[arg(long, env = "FRAUD_MODEL", value_name = "DIR", default_value = "models/production")]
    pub model: PathBuf,

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

    /// What is logged, on stderr: error, warn, info, debug, trace, or directives such as
    /// `info,actix_server=warn`. Raise it to debug to look for a fault.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

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
    fn no_worker_is_refused() {
        assert!(Config::try_parse_from(["fraud-api", "--workers", "0"]).is_err());
        assert!(Config::try_parse_from(["fraud-api", "--workers", "513"]).is_err());
    }
}
