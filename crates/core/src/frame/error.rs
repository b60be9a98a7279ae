//! Why a table is not a table of transactions: each error names file, row and column, what was found
//! and what would be accepted.

use std::path::PathBuf;

use crate::schema::{LABEL, N_FEATURES};
use crate::transaction::ValueProblem;

/// A table that cannot be read as transactions. Rows count from 1 and leave the header out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The file is missing, a folder, or not readable.
    #[error("cannot read {path}: {cause}; expected a CSV or Parquet file")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said. Part of the message, so not a `source` that would be shown again.
        cause: std::io::Error,
    },
    /// Not a byte in it.
    #[error("{path} is empty, expected a CSV file with a header line or a Parquet file")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A header and nothing below it.
    #[error("{path} has columns but no rows, expected at least one transaction")]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// Columns that are needed and not there.
    #[error(
        "{path} lacks the column{plural} {missing}; it has {found}; expected Time, V1 … V28, Amount{label}, \
         in any order",
        plural = if missing.len() == 1 { "" } else { "s" },
        missing = missing.join(", "),
        found = shorten(found),
        label = if *label { " and Class" } else { "" },
    )]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// The columns that are not there.
        missing: Vec<String>,
        /// The columns that are.
        found: Vec<String>,
        /// Whether the label is needed.
        label: bool,
    },
    /// Two columns of one name, of which either could be meant.
    #[error("{path} has the column {column} more than once, expected it once")]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
    },
    /// A column whose type holds no numbers (Parquet).
    #[error("column {column} of {path} has the type {found}, expected numbers")]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// Its type.
        found: String,
    },
    /// A column that is to be copied beside the scores and cannot be (Parquet).
    #[error(
        "column {column} of {path} has the type {found}, which cannot be copied to the output; expected \
         numbers, text or bytes, or an output without the input's columns"
    )]
    ExtraColumnType {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// Its type.
        found: String,
    },
    /// Text where a number belongs (CSV).
    #[error("{path}, row {row}, column {column}: found {found:?}, expected a number")]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// Row from 1.
        row: u64,
        /// The column's name.
        column: String,
        /// The text found.
        found: String,
    },
    /// Nothing where a number belongs.
    #[error("{path}, row {row}, column {column}: the value is missing, expected a number")]
    MissingValue {
        /// The file.
        path: PathBuf,
        /// Row from 1.
        row: u64,
        /// The column's name.
        column: String,
    },
    /// A number that no transaction has.
    #[error("{path}, row {row}, column {column}: found {found}, expected {}", problem.expected())]
    Value {
        /// The file.
        path: PathBuf,
        /// Row from 1.
        row: u64,
        /// The column's name.
        column: &'static str,
        /// The value found.
        found: f64,
        /// What is wrong with it.
        problem: ValueProblem,
    },
    /// A label other than 0 and 1.
    #[error(
        "{path}, row {row}, column {LABEL}: found {found}, expected 0 (legitimate) or 1 (fraud)"
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// Row from 1.
        row: u64,
        /// The value found.
        found: f64,
    },
    /// A file whose bytes are not what its kind promises: cut off, ragged rows, another format.
    #[error("cannot read {path} as {kind}{place}: {reason}", place = rows.map_or_else(String::new, |(first, last)| format!(" (rows {first} to {last})")))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// "CSV" or "Parquet".
        kind: &'static str,
        /// First and last row of the part that was being read, from 1, if known.
        rows: Option<(u64, u64)>,
        /// What the reader said.
        reason: String,
    },
}

/// A list of names for one line: the first few, and how many more there are.
fn shorten(names: &[String]) -> String {
    const SHOWN: usize = N_FEATURES + 5;
    match names.len() {
        0 => "no columns".to_owned(),
        n if n <= SHOWN => names.join(", "),
        n => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
    }
}
