//! Tables of transactions from CSV and Parquet, read in batches of bounded memory (feature `frame`).
//!
//! Columns are matched by name, in any order. The schema is stated and never guessed from the first
//! rows: files of this kind quote some numbers, write whole numbers without a point in some rows and
//! `1e+05` in others. What is not a transaction is an error that names file, row and column
//! ([`FrameError`]).
//!
//! ```
//! use fraud_core::frame::{ReadOptions, TransactionReader};
//! use fraud_core::FEATURES;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("two.csv");
//! let header = FEATURES.map(|name| format!("{name:?}")).join(",");
//! let legitimate = vec!["0.5"; 30].join(",");
//! let fraud = vec!["1e+05"; 30].join(",");
//! std::fs::write(&path, format!("{header},\"Class\"\n{legitimate},\"0\"\n{fraud},\"1\"\n"))?;
//!
//! let mut reader = TransactionReader::open(&path, ReadOptions::default())?;
//! let batch = reader.next_batch()?.unwrap();
//! assert_eq!(batch.rows[1], [1e5; 30]);
//! assert_eq!(batch.labels, [false, true]);
//! assert!(reader.next_batch()?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod csv;
mod diagnose;
mod error;
mod parquet;
mod plain;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use polars::prelude::DataFrame;

pub use error::FrameError;

use crate::schema::{FEATURES, LABEL, N_FEATURES};

/// Whether the label is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Labels {
    /// The column `Class` must be there and hold 0 or 1.
    #[default]
    Required,
    /// `Class` is an extra column like any other.
    Ignored,
}

/// What a missing value or one outside the schema does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// It is an error.
    #[default]
    Refuse,
    /// It is kept, a missing value as NaN: for reports on the data itself. Labels are never missing.
    Keep,
}

/// How a table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Whether the label is read.
    pub labels: Labels,
    /// What a missing or impossible value does.
    pub missing: Missing,
    /// Whether [`TransactionBatch::frame`] holds the input's columns, for output beside them.
    pub frame: bool,
}

/// Some consecutive rows of a table.
#[derive(Debug, Clone)]
pub struct TransactionBatch {
    /// Position of the first of these rows in the file, from 0.
    pub first_row: u64,
    /// n × 30, in the order of [`FEATURES`]. Checked as [`crate::Transaction`] checks, unless
    /// [`Missing::Keep`] was asked for.
    pub rows: Vec<[f64; N_FEATURES]>,
    /// n labels, `true` for fraud; empty with [`Labels::Ignored`].
    pub labels: Vec<bool>,
    /// The same rows with all columns of the input in its order, if asked for: features as numbers,
    /// other columns of a CSV file as text.
    pub frame: Option<DataFrame>,
}

/// Reads one CSV or Parquet file batch by batch.
#[derive(Debug)]
pub struct TransactionReader {
    path: PathBuf,
    source: Source,
    layout: Layout,
    /// Rows that have been parsed but not handed out.
    parsed: Option<Parsed>,
    bytes_total: u64,
    rows_read: u64,
}

#[derive(Debug)]
enum Source {
    Csv(csv::CsvSource),
    Parquet(parquet::ParquetSource),
}

impl Source {
    /// The next rows, not checked, or `None` after the last; `first_row` is their position from 0.
    fn next(
        &mut self,
        path: &Path,
        layout: &Layout,
        first_row: u64,
    ) -> Result<Option<Parsed>, FrameError> {
        match self {
            Self::Csv(source) => source.next(path, layout, first_row),
            Self::Parquet(source) => Ok(source.next_frame(path, layout)?.map(Parsed::Frame)),
        }
    }
}

/// Some consecutive rows whose values have not been checked.
#[derive(Debug)]
enum Parsed {
    Rows(plain::Rows),
    Frame(DataFrame),
}

impl Parsed {
    fn height(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.features.len(),
            Self::Frame(frame) => frame.height(),
        }
    }
}

/// Which columns a file has and which of them are read.
#[derive(Debug)]
struct Layout {
    options: ReadOptions,
    /// All columns of the file in its order.
    columns: Vec<String>,
    /// Those that are neither feature nor wanted label.
    extra: Vec<String>,
}

impl Layout {
    /// Matches a file's columns with the schema.
    fn new(path: &Path, columns: Vec<String>, options: ReadOptions) -> Result<Self, FrameError> {
        let label = options.labels == Labels::Required;
        let wanted = || FEATURES.iter().copied().chain(label.then_some(LABEL));
        let missing: Vec<String> = wanted()
            .filter(|name| !columns.iter().any(|column| column == name))
            .map(str::to_owned)
            .collect();
        if !missing.is_empty() {
            return Err(FrameError::MissingColumns {
                path: path.to_owned(),
                missing,
                found: columns,
                label,
            });
        }
        for name in wanted() {
            if columns.iter().filter(|column| *column == name).count() > 1 {
                return Err(FrameError::DuplicateColumn {
                    path: path.to_owned(),
                    column: name.to_owned(),
                });
            }
        }
        let is_wanted = |column: &String| wanted().any(|name| name == column);
        let extra = columns.iter().filter(|column| !is_wanted(column)).cloned().collect();
        Ok(Self { options, columns, extra })
    }

    /// Whether a column is a feature or the wanted label: read as numbers.
    fn is_numeric(&self, column: &str) -> bool {
        FEATURES.contains(&column) || (column == LABEL && self.options.labels == Labels::Required)
    }

    /// The columns to read, in the file's order.
    fn selected(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().filter(|column| self.options.frame || self.is_numeric(column))
    }
}

impl TransactionReader {
    /// Opens a file and matches its columns. A file that starts with Parquet's magic bytes or is
    /// named `.parquet` is Parquet, any other is CSV: comma-separated UTF-8 with a header line.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is empty or damaged, or lacks a column.
    pub fn open(path: impl AsRef<Path>, options: ReadOptions) -> Result<Self, FrameError> {
        let path = path.as_ref();
        let open_error = |cause| FrameError::Open { path: path.to_owned(), cause };
        let mut file = File::open(path).map_err(open_error)?;
        let metadata = file.metadata().map_err(open_error)?;
        if metadata.is_dir() {
            return Err(open_error(std::io::ErrorKind::IsADirectory.into()));
        }
        let mut start = Vec::with_capacity(4);
        Read::by_ref(&mut file).take(4).read_to_end(&mut start).map_err(open_error)?;
        if start.is_empty() {
            return Err(FrameError::Empty { path: path.to_owned() });
        }
        let named_parquet = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet"));
        let (source, columns) = if start == b"PAR1" || named_parquet {
            let (source, columns) = parquet::ParquetSource::open(path, file)?;
            (Source::Parquet(source), columns)
        } else {
            let (source, columns) = csv::CsvSource::open(path, file, start)?;
            (Source::Csv(source), columns)
        };
        let layout = Layout::new(path, columns, options)?;
        if let Source::Parquet(source) = &source {
            source.check_types(path, &layout)?;
        }
        Ok(Self {
            layout,
            path: path.to_owned(),
            source,
            parsed: None,
            bytes_total: metadata.len(),
            rows_read: 0,
        })
    }

    /// Columns of the file that are neither feature nor wanted label, in its order; a caller names
    /// them in a warning.
    #[must_use]
    pub fn extra_columns(&self) -> &[String] {
        &self.layout.extra
    }

    /// Size of the file in bytes.
    #[must_use]
    pub const fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    /// About how much of the file has been read, in bytes, for showing progress.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        match &self.source {
            Source::Csv(source) => source.bytes_read(),
            Source::Parquet(source) => source.share_read(self.bytes_total),
        }
    }

    /// How many rows the batches so far have held.
    #[must_use]
    pub const fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// The next rows, or `None` after the last. No batch is empty.
    ///
    /// # Errors
    ///
    /// If the file is damaged, has no rows at all, or holds a value that no transaction has.
    pub fn next_batch(&mut self) -> Result<Option<TransactionBatch>, FrameError> {
        let parsed = match self.parsed.take() {
            Some(parsed) => parsed,
            None => match self.source.next(&self.path, &self.layout, self.rows_read)? {
                Some(parsed) => parsed,
                None if self.rows_read == 0 => {
                    return Err(FrameError::NoRows { path: self.path.clone() });
                }
                None => return Ok(None),
            },
        };
        // The next rows are parsed while these are checked. Of two faults the first in the file is
        // the one to tell.
        let next_row = self.rows_read + parsed.height() as u64;
        let (path, layout, source) = (&self.path, &self.layout, &mut self.source);
        let (batch, next) = rayon::join(
            || batch::check(path, layout, parsed, self.rows_read),
            || source.next(path, layout, next_row),
        );
        let batch = batch?;
        self.parsed = next?;
        self.rows_read += batch.rows.len() as u64;
        Ok(Some(batch))
    }
}
