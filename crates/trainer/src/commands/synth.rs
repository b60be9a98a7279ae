//! `fraud-trainer synth`: writes a synthetic data set.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use crate::output;
use crate::summary::thousands;
use crate::synth::{KAGGLE_ROWS, SynthConfig};

/// Generate a data set in the shape of the Kaggle file, for when there is no real one
///
/// Every row carries a mark by which models and reports know it as synthetic.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// How many rows. Lower it for a quick try, raise it to see how the commands take size; they are
    /// streamed to disk
    #[arg(long, env = "FRAUD_SYNTH_ROWS", value_name = "N", default_value_t = KAGGLE_ROWS)]
    pub rows: u64,

    /// Share of the rows that are frauds, above 0 and at most 1, rounded to whole frauds but at least
    /// one; that of the Kaggle file (492 in 284,807) if not set. Raise it to have enough frauds in few
    /// rows
    #[arg(long, env = "FRAUD_SYNTH_FRAUD_RATE", value_name = "R")]
    pub fraud_rate: Option<f64>,

    /// Seed of the generator: same rows, rate and seed, same bytes. Change it for other rows of the
    /// same kind
    #[arg(long, env = "FRAUD_SYNTH_SEED", value_name = "S", default_value_t = 42)]
    pub seed: u64,

    /// File to write; its ending says how: .csv (exactly as the Kaggle file) or .parquet (a fifth of
    /// the size, faster to read). Set it to where the commands shall find it
    #[arg(long, env = "FRAUD_SYNTH_OUTPUT", value_name = "FILE")]
    pub output: PathBuf,

    /// Replace the output if it is there. Set it to generate again into the same file; mind that it
    /// may be the real data
    #[arg(
        long,
        env = "FRAUD_SYNTH_FORCE",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub force: bool,
}

/// Generates, writes, and prints what was written on stdout.
///
/// # Errors
///
/// For settings out of range, an output that is there already (without `--force`), has another ending
/// or cannot be written; then nothing is written.
pub fn run(args: &SynthArgs) -> anyhow::Result<()> {
    let default = SynthConfig::default();
    let synthesis = SynthConfig {
        rows: args.rows,
        fraud_rate: args.fraud_rate.unwrap_or(default.fraud_rate),
        seed: args.seed,
    }
    .validate()?;
    let shown = args.output.display();
    if !args.force && args.output.exists() {
        bail!("{shown} is there already: expected a new name, or --force to replace it");
    }
    synthesis.write_to(&args.output)?;
    let metadata = args.output.metadata().with_context(|| format!("cannot read {shown}"))?;
    output::print(&format!(
        "Wrote {} synthetic rows with {} frauds to {shown} ({:.1} MiB, seed {}).\n\
         SYNTHETIC DATA: every row is marked; figures made from it say nothing about real cards.\n",
        thousands(synthesis.rows()),
        thousands(synthesis.frauds()),
        metadata.len() as f64 / f64::from(1 << 20),
        args.seed,
    ))
}
