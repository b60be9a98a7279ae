//! `fraud-trainer score`: probabilities and decisions for a file of any size in bounded memory.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use fraud_core::frame::{Labels, ReadOptions, TransactionBatch, TransactionReader};
use fraud_core::{ModelArtifact, Threshold};
use polars::io::csv::write as csv;
use polars::io::parquet::write as parquet;
use polars::prelude::{
    Column, CsvWriter, DataFrame, NamedFrom, ParquetWriter, PolarsResult, Schema, SerWriter, Series,
};
use rayon::prelude::*;

use crate::output::{self, AtomicFile};
use crate::progress::{Progress, Unit};
use crate::summary::thousands;

/// Name of the column with the probability of fraud, as in the API's answer.
const PROBABILITY: &str = "fraud_probability";

/// Name of the column with the decision, 0 or 1, as in the API's answer.
const PREDICTION: &str = "fraud_prediction";

/// Score the transactions of a file, of any size, with a trained model
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// Folder of the model, or its model.json. Set it to score with another than the one in production
    #[arg(
        long,
        env = "FRAUD_SCORE_MODEL",
        value_name = "DIR",
        default_value = "models/production"
    )]
    pub model: PathBuf,

    /// CSV or Parquet file with the columns Time, V1 … V28 and Amount, in any order. Set
    /// it to the transactions to judge
    #[arg(long, env = "FRAUD_SCORE_DATA", value_name = "FILE")]
    pub data: PathBuf,

    /// File to write: the input's columns, `fraud_probability` and `fraud_prediction`. The ending decides
    /// the format: .csv or .parquet. Choose Parquet for a smaller file that is faster to read
    #[arg(long, env = "FRAUD_SCORE_OUTPUT", value_name = "FILE")]
    pub output: PathBuf,

    /// Write the two columns of the result alone, row by row as in the input. Set it when
    /// the columns of the input are at hand anyway, for a small file
    #[arg(
        long,
        env = "FRAUD_SCORE_SCORES_ONLY",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub scores_only: bool,

    /// Decide at this probability instead of the model's threshold. Set it to try another balance
    /// of missed frauds and false alarms
    #[arg(long, env = "FRAUD_SCORE_THRESHOLD", value_name = "T")]
    pub threshold: Option<Threshold>,

    /// Replace the output file if it is there. Set it to score again into the same file
    #[arg(
        long,
        env = "FRAUD_SCORE_FORCE",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub force: bool,
}

/// Reads, scores and writes batch by batch, and prints what was done on stdout.
///
/// # Errors
///
/// For a model that is refused, data that is not transactions, or an output that cannot be written;
/// then no output appears.
pub fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    let artifact = ModelArtifact::load(&args.model)?;
    let threshold = args.threshold.unwrap_or(artifact.threshold);
    output::check_not_an_input(&args.output, [&args.data, &args.model])?;
    if args.output.exists() && !args.force {
        bail!("{} exists; name another file, or replace it with --force", args.output.display());
    }
    let options =
        ReadOptions { labels: Labels::Ignored, frame: !args.scores_only, ..ReadOptions::default() };
    let mut reader = TransactionReader::open(&args.data, options)?;
    for taken in [PROBABILITY, PREDICTION] {
        if !args.scores_only && reader.extra_columns().iter().any(|column| column == taken) {
            bail!(
                "{} has a column {taken} already; expected a file without it, or --scores-only",
                args.data.display()
            );
        }
    }
    let format = Format::of(&args.output)?;
    let mut file = AtomicFile::create(&args.output)?;
    let name = format!("scoring {}", args.data.display());
    let mut progress = Progress::start(name, Unit::Bytes, Some(reader.bytes_total()));
    let mut frauds = 0;
    // polars wants the schema before the first row, so the writer is made between the two.
    let mut next =
        reader.next_batch()?.map(|batch| score(&artifact, threshold, batch)).transpose()?;
    if let Some((frame, _)) = &next {
        let mut table = TableWriter::start(format, &mut file, frame.schema())?;
        while let Some((frame, frauds_in_batch)) = next {
            frauds += frauds_in_batch;
            table.write(&frame).with_context(|| cannot_write(&args.output))?;
            progress.set(reader.bytes_read());
            next =
                reader.next_batch()?.map(|batch| score(&artifact, threshold, batch)).transpose()?;
        }
        table.finish().with_context(|| cannot_write(&args.output))?;
    }
    file.commit()?;
    drop(progress);
    output::print(&format!(
        "Scored {} transactions, {} of them as fraud at threshold {threshold}: {}\n",
        thousands(reader.rows_read()),
        thousands(frauds),
        args.output.display()
    ))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// The columns to write for one batch, and how many rows are called fraud.
fn score(
    artifact: &ModelArtifact,
    threshold: Threshold,
    batch: TransactionBatch,
) -> anyhow::Result<(DataFrame, u64)> {
    let mut probabilities = vec![0.0; batch.rows.len()];
    batch
        .rows
        .par_chunks(4_096)
        .zip(probabilities.par_chunks_mut(4_096))
        .for_each(|(rows, out)| artifact.model.predict_proba_rows(rows, out));
    let predictions: Vec<i32> =
        probabilities.iter().map(|&p| i32::from(threshold.decide(p))).collect();
    let frauds = predictions.iter().filter(|&&fraud| fraud == 1).count() as u64;
    let scores = [
        Column::from(Series::new(PROBABILITY.into(), probabilities)),
        Column::from(Series::new(PREDICTION.into(), predictions)),
    ];
    let frame = match batch.frame {
        Some(mut frame) => {
            // The reader's columns may lie in several pieces, the scores in one; polars's Parquet
            // writer wants them alike.
            frame.rechunk_mut();
            frame.hstack(&scores)?
        }
        None => DataFrame::new(batch.rows.len(), scores.to_vec())?,
    };
    Ok((frame, frauds))
}

/// The kinds of files that are written.
#[derive(Debug, Clone, Copy)]
enum Format {
    Csv,
    Parquet,
}

impl Format {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => bail!("{}: expected a name that ends in .csv or .parquet", cannot_write(path)),
        }
    }
}

/// A table that is written batch by batch.
enum TableWriter<'a> {
    Csv(Box<csv::BatchedWriter<&'a mut AtomicFile>>),
    Parquet(Box<parquet::BatchedWriter<&'a mut AtomicFile>>),
}

impl<'a> TableWriter<'a> {
    fn start(format: Format, file: &'a mut AtomicFile, schema: &Schema) -> PolarsResult<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(CsvWriter::new(file).batched(schema)?)),
            Format::Parquet => Self::Parquet(Box::new(ParquetWriter::new(file).batched(schema)?)),
        })
    }

    fn write(&mut self, frame: &DataFrame) -> PolarsResult<()> {
        match self {
            Self::Csv(writer) => writer.write_batch(frame),
            Self::Parquet(writer) => writer.write_batch(frame),
        }
    }

    fn finish(self) -> PolarsResult<()> {
        match self {
            Self::Csv(mut writer) => writer.finish(),
            Self::Parquet(writer) => writer.finish().map(drop),
        }
    }
}
