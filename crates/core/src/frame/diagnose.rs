//! What is wrong with a CSV file that polars refused: only on the way out, so it may be slow.

use std::path::Path;

use memchr::memchr_iter;
use polars::error::PolarsError;

use super::csv::{parse, quotes, schema};
use super::{FrameError, Layout};

/// The first value that is no number, or the first line with unbalanced quotes, bytes that are not
/// UTF-8 or too many fields; else what polars said. `records` start at the row `first_row` from 0.
pub(super) fn diagnose(
    path: &Path,
    layout: &Layout,
    records: &[u8],
    first_row: u64,
    error: &PolarsError,
) -> FrameError {
    if let Some(error) = not_a_number(path, layout, records, first_row) {
        return error;
    }
    for (line, row) in lines(records).zip(first_row + 1..) {
        let columns = layout.columns.len();
        let fields = memchr_iter(b',', line).count() + 1;
        let reason = if !quotes(line).is_multiple_of(2) {
            "the quotes of this line do not balance".to_owned()
        } else if std::str::from_utf8(line).is_err() {
            "there are bytes that are not UTF-8".to_owned()
        } else if quotes(line) == 0 && fields > columns {
            format!("there are {fields} fields, expected {columns} as in the header")
        } else {
            continue;
        };
        return FrameError::Damaged {
            path: path.to_owned(),
            kind: "CSV",
            rows: Some((row, row)),
            reason,
        };
    }
    damaged(path, Some((first_row + 1, first_row + lines(records).count() as u64)), error)
}

/// A quote that is opened and not closed until the end of the file, or for too long.
pub(super) fn open_quote(path: &Path, records: &[u8], first_row: u64) -> FrameError {
    let line = lines(records).position(|line| !quotes(line).is_multiple_of(2)).unwrap_or_default();
    let row = first_row + line as u64 + 1;
    FrameError::Damaged {
        path: path.to_owned(),
        kind: "CSV",
        rows: Some((row, row)),
        reason: "a quote is opened and not closed".to_owned(),
    }
}

/// What polars says of the rows from `rows.0` to `rows.1`.
pub(super) fn damaged(path: &Path, rows: Option<(u64, u64)>, error: &PolarsError) -> FrameError {
    // polars explains its own options at length; the first line says what is wrong.
    let text = error.to_string();
    let reason = shorten(text.lines().next().unwrap_or_default());
    FrameError::Damaged { path: path.to_owned(), kind: "CSV", rows, reason }
}

/// Reads the same records as text and looks for the first value that is no number.
fn not_a_number(
    path: &Path,
    layout: &Layout,
    records: &[u8],
    first_row: u64,
) -> Option<FrameError> {
    let frame = parse(records, layout, schema(layout, true), true).ok()?;
    let mut first: Option<(usize, &str, String)> = None;
    for name in layout.columns.iter().filter(|name| layout.is_numeric(name)) {
        let Ok(values) = frame.column(name).and_then(|column| column.str()) else { continue };
        let bad = values.iter().enumerate().find_map(|(row, value)| {
            // polars skips blanks before a number, not behind it.
            let value = value.unwrap_or_default().trim_start();
            (!value.is_empty() && value.parse::<f64>().is_err()).then(|| (row, shorten(value)))
        });
        if let Some((row, value)) = bad
            && first.as_ref().is_none_or(|found| row < found.0)
        {
            first = Some((row, name, value));
        }
    }
    // A value that spans lines is the rest of a record whose quotes do not balance.
    let (row, column, found) = first.filter(|(_, _, found)| !found.contains(['\n', '"']))?;
    Some(FrameError::NotANumber {
        path: path.to_owned(),
        row: first_row + row as u64 + 1,
        column: column.to_owned(),
        found,
    })
}

fn lines(records: &[u8]) -> impl Iterator<Item = &[u8]> {
    records.strip_suffix(b"\n").unwrap_or(records).split(|&byte| byte == b'\n')
}

/// Enough of a text to recognise it.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
