//! `fraud-trainer fetch`: downloads the Kaggle file.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use crate::fetch::{DEFAULT_URL, ExpectedRows, FetchConfig, Sha256Digest, fetch};
use crate::output;
use crate::summary::thousands;
use crate::synth::KAGGLE_ROWS;

/// Download a public copy of the Kaggle file and check it
///
/// A download that was cut off goes on where it stopped when the command is run again.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// File to write. It appears only when it came whole and passed the checks; until then it is called
    /// FILE.part. Set it to keep several
    #[arg(
        long,
        env = "FRAUD_FETCH_OUTPUT",
        value_name = "FILE",
        default_value = "data/raw/creditcard.csv"
    )]
    pub output: PathBuf,

    /// Where to get it. Change it for a mirror, or a copy inside your network
    #[arg(
        long,
        env = "FRAUD_FETCH_URL",
        // It may hold a password, and --help is shown around.
        hide_env_values = true,
        value_name = "URL",
        default_value = DEFAULT_URL
    )]
    pub url: String,

    /// SHA-256 that the file must have, 64 hexadecimal digits. Set it to get the very file that a model
    /// was trained on, whose digest stands in its model.json
    #[arg(long, env = "FRAUD_FETCH_SHA256", value_name = "HEX")]
    pub sha256: Option<Sha256Digest>,

    /// Rows that the file must have, or "any". Change it for a file that is not the original one
    #[arg(
        long,
        env = "FRAUD_FETCH_ROWS",
        value_name = "N|any",
        default_value_t = ExpectedRows::Exactly(KAGGLE_ROWS)
    )]
    pub rows: ExpectedRows,

    /// Replace the output if it is there. Set it to fetch anew
    #[arg(
        long,
        env = "FRAUD_FETCH_FORCE",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub force: bool,

    /// How often to try again after a broken connection or a server that is overloaded, with pauses of
    /// 1, 2, 4 … seconds. Raise it on a bad line
    #[arg(long, env = "FRAUD_FETCH_RETRIES", value_name = "N", default_value_t = 4)]
    pub retries: u32,

    /// Seconds of silence after which a connection counts as broken. Raise it for a slow server
    #[arg(
        long,
        env = "FRAUD_FETCH_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub timeout: u64,
}

/// Downloads, checks, and prints what came on stdout.
///
/// # Errors
///
/// For an output that is there already (without `--force`), a URL that cannot be fetched, and a file
/// that is not the expected one; an existing output is then as it was.
pub fn run(args: &FetchArgs) -> anyhow::Result<()> {
    let fetched = fetch(&FetchConfig {
        url: args.url.clone(),
        output: args.output.clone(),
        force: args.force,
        sha256: args.sha256.clone(),
        rows: args.rows,
        retries: args.retries,
        backoff: Duration::from_secs(1),
        timeout: Duration::from_secs(args.timeout),
    })?;
    output::print(&format!(
        "Fetched {} rows of 31 columns to {} ({:.1} MiB).\nSHA-256 {}\n",
        thousands(fetched.rows),
        args.output.display(),
        fetched.bytes as f64 / f64::from(1 << 20),
        fetched.sha256,
    ))
}
