//! `fraud-api`: the service as a program. `--help` lists the flags and their variables.
//!
//! Exit codes: 0 after a graceful stop, 2 for an error or bad usage.

use std::process::ExitCode;

use fraud_api::{Application, Config, telemetry};

fn main() -> ExitCode {
    match run(Config::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config.log, config.log_format)?;
    actix_web::rt::System::new()
        .block_on(async { Application::build(config).await?.run_until_stopped().await })
}
