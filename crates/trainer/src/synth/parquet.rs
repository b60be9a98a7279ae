//! Rows as Parquet, row group by row group, so that memory does not grow with their number.

use std::io::Write;

use fraud_core::{FEATURES, LABEL, N_FEATURES};
use polars::prelude::{Column, DataFrame, DataType, Field, ParquetWriter, Schema};

use super::{Row, Synthesis};
use crate::progress::Progress;

/// Rows in a row group: 16 MiB before compression.
const GROUP_ROWS: usize = 1 << 16;

/// Writes all rows; features as 64-bit floats, the label as a 64-bit whole number.
pub(super) fn write(
    synthesis: &Synthesis,
    out: &mut (impl Write + Send),
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let features = FEATURES.map(|name| Field::new(name.into(), DataType::Float64));
    let label = Field::new(LABEL.into(), DataType::Int64);
    let schema: Schema = features.into_iter().chain([label]).collect();
    let mut writer = ParquetWriter::new(out).batched(&schema)?;
    let mut group = Group::default();
    let collect = |rows: &mut dyn Iterator<Item = Row>| rows.collect::<Vec<Row>>();
    synthesis.for_each_chunk(collect, |rows| {
        for row in &rows {
            group.push(row);
        }
        progress.add(rows.len() as u64);
        if group.labels.len() >= GROUP_ROWS {
            writer.write_batch(&std::mem::take(&mut group).into_frame()?)?;
        }
        Ok(())
    })?;
    if !group.labels.is_empty() {
        writer.write_batch(&group.into_frame()?)?;
    }
    writer.finish()?;
    Ok(())
}

/// The columns of a row group.
#[derive(Debug, Default)]
struct Group {
    features: [Vec<f64>; N_FEATURES],
    labels: Vec<i64>,
}

impl Group {
    fn push(&mut self, row: &Row) {
        for (column, value) in self.features.iter_mut().zip(row.values) {
            column.push(value);
        }
        self.labels.push(i64::from(row.fraud));
    }

    fn into_frame(self) -> anyhow::Result<DataFrame> {
        let height = self.labels.len();
        let features = FEATURES.into_iter().zip(self.features);
        let mut columns: Vec<Column> =
            features.map(|(name, values)| Column::new(name.into(), values)).collect();
        columns.push(Column::new(LABEL.into(), self.labels));
        Ok(DataFrame::new(height, columns)?)
    }
}
