//! Parquet by row groups.

use std::fs::File;
use std::path::Path;

use polars::prelude::{ArrowDataType, DataFrame, ParquetReader, SerReader};

use super::{FrameError, Layout};

/// Rows read at a time: 64 MiB of 30 columns.
const BATCH: usize = 1 << 18;

/// The unread rest of a Parquet file.
#[derive(Debug)]
pub(super) struct ParquetSource {
    file: File,
    /// Each column's name and type.
    types: Vec<(String, ArrowDataType)>,
    rows: usize,
    next_row: usize,
    /// Rows of each row group that is not read to its end, first one first.
    groups: std::collections::VecDeque<usize>,
}

impl ParquetSource {
    /// Reads the footer.
    pub(super) fn open(path: &Path, file: File) -> Result<(Self, Vec<String>), FrameError> {
        let damaged = |error: polars::error::PolarsError| damaged(path, None, &error);
        let handle =
            file.try_clone().map_err(|cause| FrameError::Open { path: path.to_owned(), cause })?;
        let mut reader = ParquetReader::new(handle);
        let schema = reader.schema().map_err(damaged)?;
        let types: Vec<(String, ArrowDataType)> = schema
            .iter_values()
            .map(|field| (field.name.to_string(), field.dtype.clone()))
            .collect();
        let columns = types.iter().map(|(name, _)| name.clone()).collect();
        let metadata = reader.get_metadata().map_err(damaged)?;
        // polars does not export the name of the type that the lint would have here.
        #[expect(clippy::redundant_closure_for_method_calls)]
        let groups = metadata.row_groups.iter().map(|group| group.num_rows()).collect();
        Ok((Self { file, types, rows: metadata.num_rows, next_row: 0, groups }, columns))
    }

    /// Refuses columns whose type is not read here: polars would panic at some of them.
    pub(super) fn check_types(&self, path: &Path, layout: &Layout) -> Result<(), FrameError> {
        use ArrowDataType as Type;
        for (column, dtype) in &self.types {
            let is_numeric = matches!(
                dtype,
                Type::Boolean
                    | Type::Int8
                    | Type::Int16
                    | Type::Int32
                    | Type::Int64
                    | Type::UInt8
                    | Type::UInt16
                    | Type::UInt32
                    | Type::UInt64
                    | Type::Float32
                    | Type::Float64
            );
            let is_copied = matches!(
                dtype,
                Type::Utf8
                    | Type::LargeUtf8
                    | Type::Utf8View
                    | Type::Binary
                    | Type::LargeBinary
                    | Type::BinaryView
                    | Type::Dictionary(..)
            );
            let (path, column, found) = (path.to_owned(), column.clone(), format!("{dtype:?}"));
            if layout.is_numeric(&column) {
                if !is_numeric {
                    return Err(FrameError::ColumnType { path, column, found });
                }
            } else if layout.options.frame && !is_numeric && !is_copied {
                return Err(FrameError::ExtraColumnType { path, column, found });
            }
        }
        Ok(())
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
            .map_err(|cause| FrameError::Open { path: path.to_owned(), cause })?;
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
