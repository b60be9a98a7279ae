//! Parquet by row groups.

use std::fs::File;
use std::path::Path;

use polars::prelude::{DataFrame, ParquetReader, SerReader};

use super::{FrameError, Layout};

/// Rows read at a time: 64 MiB of 30 columns.
const BATCH: usize = 1 << 18;

/// The unread rest of a Parquet file.
#[derive(Debug)]
pub(super) struct ParquetSource {
    file: File,
    rows: usize,
    next_row: usize,
    /// Rows of each row group that is not read to its end, first one first.
    groups: std::collections::VecDeque<usize>,
}

impl ParquetSource {
    /// Reads the footer.
    pub(super) fn open(path: &Path, file: File) -> Result<(Self, Vec<String>), FrameError> {
        let damaged = |error: polars::error::PolarsError| damaged(path, None, &error);
        let handle = file
            .try_clone()
            .map_err(|source| FrameError::Open { path: path.to_owned(), source })?;
        let mut reader = ParquetReader::new(handle);
        let schema = reader.schema().map_err(damaged)?;
        let columns = schema.iter_names().map(ToString::to_string).collect();
        let metadata = reader.get_metadata().map_err(damaged)?;
        // polars does not export the name of the type that the lint would have here.
        #[expect(clippy::redundant_closure_for_method_calls)]
        let groups = metadata.row_groups.iter().map(|group| group.num_rows()).collect();
        Ok((Self { file, rows: metadata.num_rows, next_row: 0, groups }, columns))
    }

    /// The share of the rows that has been read, as bytes of `total`.
    pub(super) fn share_read(&self, total: u64) -> u64 {
        let share = self.next_row as u128 * u128::from(total) / self.rows.max(1) as u128;
        u64::try_from(share).unwrap_or(total)
    }

    /// The next row group, or the next part of one that is large.
    pub(super) fn next_frame(
        &mut self,
        path: &Path,
        layout: &Layout,
    ) -> Result<Option<DataFrame>, FrameError> {
        let rows = loop {
            match self.groups.front_mut() {
                None => return Ok(None),
                Some(0) => drop(self.groups.pop_front()),
                Some(left) => {
                    let rows = (*left).min(BATCH);
                    *left -= rows;
                    break rows;
                }
            }
        };
        let start = self.next_row;
        self.next_row += rows;
        let handle = self
            .file
            .try_clone()
            .map_err(|source| FrameError::Open { path: path.to_owned(), source })?;
        let frame = ParquetReader::new(handle)
            .with_columns(Some(layout.selected().cloned().collect()))
            .with_slice(Some((start, rows)))
            .finish();
        let part = Some((start as u64 + 1, self.next_row as u64));
        frame.map(Some).map_err(|error| damaged(path, part, &error))
    }
}

fn damaged(
    path: &Path,
    rows: Option<(u64, u64)>,
    error: &polars::error::PolarsError,
) -> FrameError {
    let reason = format!("{error}; the file may be cut off or of another kind");
    FrameError::Damaged { path: path.to_owned(), kind: "Parquet", rows, reason }
}
