//! From parsed columns or rows to checked rows.

use std::path::Path;

use polars::prelude::{DataFrame, DataType};
use rayon::prelude::*;

use super::plain::Rows;
use super::{FrameError, Labels, Layout, Missing, Parsed, TransactionBatch};
use crate::schema::{FEATURES, LABEL, N_FEATURES};
use crate::transaction::ValueProblem;

/// Rows that are transposed together: 64 × 30 values stay in the first-level cache while thirty
/// columns are read side by side.
const BLOCK: usize = 64;

/// Checks rows, out of a data frame or as they are. `first_row` is the position of the first of them
/// in the file, from 0.
pub(super) fn check(
    path: &Path,
    layout: &Layout,
    parsed: Parsed,
    first_row: u64,
) -> Result<TransactionBatch, FrameError> {
    let (rows, frame) = match parsed {
        Parsed::Rows(rows) => (rows, None),
        Parsed::Frame(frame) => {
            let rows = rows_of(path, layout, &frame, first_row)?;
            (rows, layout.options.frame.then_some(frame))
        }
    };
    if layout.options.missing == Missing::Refuse {
        check_values(path, &rows.features, first_row)?;
    }
    let labels = labels(path, &rows.labels, first_row)?;
    Ok(TransactionBatch { first_row, rows: rows.features, labels, frame })
}

/// Takes the features (and the label) out of `frame`.
pub(super) fn rows_of(
    path: &Path,
    layout: &Layout,
    frame: &DataFrame,
    first_row: u64,
) -> Result<Rows, FrameError> {
    let keep = layout.options.missing == Missing::Keep;
    let columns = FEATURES
        .par_iter()
        .map(|name| numbers(path, frame, name, first_row, keep))
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let mut features = vec![[0.0; N_FEATURES]; frame.height()];
    features.par_chunks_mut(BLOCK).with_min_len(32).enumerate().for_each(|(index, block)| {
        let start = index * BLOCK;
        for (feature, column) in columns.iter().enumerate() {
            for (row, &value) in block.iter_mut().zip(&column[start..]) {
                row[feature] = value;
            }
        }
    });
    let labels = match layout.options.labels {
        Labels::Required => numbers(path, frame, LABEL, first_row, false)?,
        Labels::Ignored => Vec::new(),
    };
    Ok(Rows { features, labels })
}

/// One column as 64-bit floats, a missing value as NaN if those are kept.
fn numbers(
    path: &Path,
    frame: &DataFrame,
    name: &str,
    first_row: u64,
    keep_missing: bool,
) -> Result<Vec<f64>, FrameError> {
    let damaged = |error: polars::error::PolarsError| FrameError::Damaged {
        path: path.to_owned(),
        kind: "a table",
        rows: None,
        reason: error.to_string(),
    };
    let column = frame.column(name).map_err(damaged)?;
    let dtype = column.dtype();
    if !(dtype.is_primitive_numeric() || dtype.is_bool()) {
        return Err(FrameError::ColumnType {
            path: path.to_owned(),
            column: name.to_owned(),
            found: dtype.to_string(),
        });
    }
    let column = column.cast(&DataType::Float64).map_err(damaged)?;
    let values = column.f64().map_err(damaged)?;
    if values.null_count() > 0 && !keep_missing {
        let at = values.iter().position(|value| value.is_none()).unwrap_or_default();
        return Err(FrameError::MissingValue {
            path: path.to_owned(),
            row: first_row + at as u64 + 1,
            column: name.to_owned(),
        });
    }
    let mut out = Vec::with_capacity(values.len());
    if values.null_count() == 0 {
        for chunk in values.downcast_iter() {
            out.extend_from_slice(chunk.values());
        }
    } else {
        out.extend(values.iter().map(|value| value.unwrap_or(f64::NAN)));
    }
    Ok(out)
}

fn check_values(path: &Path, rows: &[[f64; N_FEATURES]], first_row: u64) -> Result<(), FrameError> {
    let first_bad = rows.par_iter().with_min_len(1_024).position_first(|row| {
        row.iter().enumerate().any(|(index, &value)| ValueProblem::of(index, value).is_some())
    });
    let Some(position) = first_bad else { return Ok(()) };
    for (index, &value) in rows[position].iter().enumerate() {
        if let Some(problem) = ValueProblem::of(index, value) {
            return Err(FrameError::Value {
                path: path.to_owned(),
                row: first_row + position as u64 + 1,
                column: FEATURES[index],
                found: value,
                problem,
            });
        }
    }
    Ok(())
}

fn labels(path: &Path, values: &[f64], first_row: u64) -> Result<Vec<bool>, FrameError> {
    values
        .iter()
        .zip(first_row + 1..)
        .map(|(&value, row)| {
            if value == 0.0 || value == 1.0 {
                Ok(value == 1.0)
            } else {
                Err(FrameError::Label { path: path.to_owned(), row, found: value })
            }
        })
        .collect()
}
