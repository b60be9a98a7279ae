//! Data where there is none: rows in the shape of the Kaggle file, any number of them, generated from
//! a seed and marked as synthetic ([`fraud_core::synthetic`]).
//!
//! Rows come in chunks of fixed size, each with its own random numbers, so chunks are made in parallel
//! and the result does not depend on the number of threads.

mod amount;
mod components;
mod csv;
mod kinds;
mod parquet;
mod rhythm;
mod selection;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use fraud_core::schema::{AMOUNT, TIME};
use fraud_core::{N_FEATURES, synthetic};
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;

use crate::output::AtomicFile;
use crate::progress::{Progress, Unit};

use self::components::Components;
use self::kinds::{
    CUSTOMER_AMOUNT, FRAUD_KINDS, FraudKind, LOOKALIKE_LOUDNESS, LOOKALIKE_RATE, LOUDNESS_SIGMA,
};
use self::rhythm::Rhythm;
use self::selection::Selection;

/// Rows of the Kaggle file.
pub const KAGGLE_ROWS: u64 = 284_807;

/// Frauds of the Kaggle file.
pub const KAGGLE_FRAUDS: u64 = 492;

/// Rows that are generated at a time, by one thread.
const CHUNK_ROWS: u64 = 4096;

/// What to generate; [`SynthConfig::validate`] gives what can be generated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SynthConfig {
    /// How many rows, at least 1.
    pub rows: u64,
    /// Share of the rows that are frauds, in (0, 1]. Rounded to whole frauds, at least one.
    pub fraud_rate: f64,
    /// Same seed, same bytes.
    pub seed: u64,
}

impl Default for SynthConfig {
    /// As many rows and frauds as the Kaggle file.
    fn default() -> Self {
        let fraud_rate = KAGGLE_FRAUDS as f64 / KAGGLE_ROWS as f64;
        Self { rows: KAGGLE_ROWS, fraud_rate, seed: 42 }
    }
}

/// Why nothing can be generated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SynthError {
    /// A data set without rows.
    #[error("the number of rows is 0, expected at least 1")]
    NoRows,
    /// Too many rows to count in a `f64` without loss.
    #[error("the number of rows is {0}, expected at most 9007199254740992 (2^53)")]
    TooManyRows(u64),
    /// A share that is none, or no fraud at all.
    #[error("the fraud rate is {0}, expected a number above 0 and at most 1, such as 0.0017")]
    FraudRate(f64),
    /// A file name that does not say what to write.
    #[error("cannot tell the format of {0}: expected a name that ends in .csv or .parquet")]
    Format(String),
}

impl SynthConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// If there are no rows, or the fraud rate is not in (0, 1].
    pub fn validate(self) -> Result<Synthesis, SynthError> {
        if self.rows == 0 {
            return Err(SynthError::NoRows);
        }
        if self.rows > 1 << 53 {
            return Err(SynthError::TooManyRows(self.rows));
        }
        // Written so that NaN is refused too.
        if !(self.fraud_rate > 0.0 && self.fraud_rate <= 1.0) {
            return Err(SynthError::FraudRate(self.fraud_rate));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in 0 ..= rows
        let frauds = (self.rows as f64 * self.fraud_rate).round() as u64;
        Ok(Synthesis { rows: self.rows, frauds: frauds.max(1), seed: self.seed })
    }
}

/// The file formats that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Exactly as the Kaggle file.
    Csv,
    /// Compressed with zstd, `Class` as a whole number.
    Parquet,
}

impl Format {
    /// The format that the ending of a file's name asks for.
    ///
    /// # Errors
    ///
    /// If it is neither `.csv` nor `.parquet`.
    pub fn of(path: &Path) -> Result<Self, SynthError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
        match ending.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(SynthError::Format(path.display().to_string())),
        }
    }
}

/// One row and its label.
#[derive(Debug, Clone, Copy)]
struct Row {
    values: [f64; N_FEATURES],
    fraud: bool,
}

/// A data set that can be generated: settings that have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthesis {
    rows: u64,
    frauds: u64,
    seed: u64,
}

impl Synthesis {
    /// How many rows there will be.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// How many of them will be frauds: exactly.
    #[must_use]
    pub const fn frauds(&self) -> u64 {
        self.frauds
    }

    /// Generates and writes the file, whole or not at all, replacing what is there. Memory does not
    /// grow with the number of rows.
    ///
    /// # Errors
    ///
    /// If the name ends in neither `.csv` nor `.parquet`, or the file cannot be written.
    pub fn write_to(&self, path: &Path) -> anyhow::Result<()> {
        let format = Format::of(path)?;
        let mut file = AtomicFile::create(path)?;
        let mut progress = Progress::start("generating", Unit::Rows, Some(self.rows));
        match format {
            Format::Csv => self.write_csv(&mut file, &mut progress),
            Format::Parquet => parquet::write(self, &mut file, &mut progress),
        }
        .with_context(|| format!("cannot write {}", path.display()))?;
        file.commit()
    }

    fn write_csv(&self, out: &mut impl Write, progress: &mut Progress) -> anyhow::Result<()> {
        csv::write_header(out)?;
        let render = |rows: &mut dyn Iterator<Item = Row>| {
            let mut text = Vec::with_capacity(1 << 21);
            let mut count = 0;
            for row in rows {
                csv::push_row(&mut text, &row);
                count += 1;
            }
            (text, count)
        };
        self.for_each_chunk(render, |(text, count)| {
            out.write_all(&text)?;
            progress.add(count);
            Ok(())
        })
    }

    /// Makes something of the rows of each chunk, in parallel, and uses it, in order.
    fn for_each_chunk<T: Send>(
        &self,
        make: impl Fn(&mut dyn Iterator<Item = Row>) -> T + Sync,
        mut consume: impl FnMut(T) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let rhythm = Rhythm::new();
        let components = Components::new();
        let mut chunks = Chunks::new(self, &rhythm);
        loop {
            let batch: Vec<Chunk> = chunks.by_ref().take(rayon::current_num_threads()).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let made: Vec<T> = batch
                .into_par_iter()
                .map(|chunk| make(&mut chunk.into_rows(self.rows, &rhythm, &components)))
                .collect();
            made.into_iter().try_for_each(&mut consume)?;
        }
    }
}

/// The chunks of a data set, in order.
#[derive(Debug)]
struct Chunks<'a> {
    selection: Selection<'a>,
    /// The generator of the next chunk. Two chunks' generators are 2¹²⁸ numbers apart.
    rng: Xoshiro256PlusPlus,
    rows: u64,
    next_row: u64,
}

impl<'a> Chunks<'a> {
    fn new(synthesis: &Synthesis, rhythm: &'a Rhythm) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(synthesis.seed);
        let selection = Selection::new(rhythm, rng.clone(), synthesis.rows, synthesis.frauds);
        rng.jump();
        Self { selection, rng, rows: synthesis.rows, next_row: 0 }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let length = CHUNK_ROWS.min(self.rows - self.next_row);
        let kinds: Vec<_> = (0..length).map(|_| self.selection.next_row()).collect();
        let chunk = Chunk { first_row: self.next_row, kinds, rng: self.rng.clone() };
        self.next_row += length;
        self.rng.jump();
        (length > 0).then_some(chunk)
    }
}

/// Consecutive rows, of which only the kinds are known yet: `None` for a customer.
#[derive(Debug)]
struct Chunk {
    first_row: u64,
    kinds: Vec<Option<&'static FraudKind>>,
    rng: Xoshiro256PlusPlus,
}

impl Chunk {
    /// Draws the rows, of `total` in the data set.
    fn into_rows(
        mut self,
        total: u64,
        rhythm: &Rhythm,
        components: &Components,
    ) -> impl Iterator<Item = Row> {
        let first_row = self.first_row;
        (first_row..).zip(self.kinds).map(move |(number, kind)| {
            let mut values = match kind {
                Some(kind) => draw_fraud(&mut self.rng, components, kind),
                None => draw_customer(&mut self.rng, components),
            };
            // The first transaction is where time starts; each other lies in its share of the two days.
            let jitter: f64 = if number == 0 { 0.0 } else { StandardUniform.sample(&mut self.rng) };
            values[TIME] = rhythm.time_at((number as f64 + jitter) / total as f64).floor();
            synthetic::mark(&mut values);
            Row { values, fraud: kind.is_some() }
        })
    }
}

/// A customer's values, but for `Time`.
fn draw_customer(rng: &mut Xoshiro256PlusPlus, components: &Components) -> [f64; N_FEATURES] {
    let mut values = [0.0; N_FEATURES];
    components.draw_customer(rng, &mut values[1..AMOUNT]);
    values[AMOUNT] = amount::draw_price(rng, CUSTOMER_AMOUNT);
    let position: f64 = StandardUniform.sample(rng);
    if position < LOOKALIKE_RATE {
        // The last kind is no louder than a customer.
        let [loud @ .., _] = &FRAUD_KINDS;
        let nth = position / LOOKALIKE_RATE * loud.len() as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below the length
        shift(rng, &mut values, &loud[nth as usize], LOOKALIKE_LOUDNESS);
    }
    values
}

/// A fraud's values, but for `Time`.
fn draw_fraud(
    rng: &mut Xoshiro256PlusPlus,
    components: &Components,
    kind: &FraudKind,
) -> [f64; N_FEATURES] {
    let mut values = [0.0; N_FEATURES];
    components.draw(rng, kind.spread, &mut values[1..AMOUNT]);
    shift(rng, &mut values, kind, 1.0);
    values[AMOUNT] = amount::draw(rng, kind.amount);
    values
}

/// Moves the components to where a kind of fraud has them, more or less loudly.
fn shift(
    rng: &mut Xoshiro256PlusPlus,
    values: &mut [f64; N_FEATURES],
    kind: &FraudKind,
    median_loudness: f64,
) {
    let z: f64 = StandardNormal.sample(rng);
    let loudness = median_loudness * (LOUDNESS_SIGMA * z).exp();
    for &(number, deviations) in kind.shifts {
        values[number] += loudness * deviations * Components::deviation(number);
    }
}
