//! Scored rows as a Parquet file in memory.
//!
//! One row group each [`GROUP`] rows, so that the work is spread over the life of a file. Plain and
//! uncompressed but for the version: measured values hardly compress.

use std::sync::Arc;

use fraud_core::{FEATURES, N_FEATURES};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

/// Rows that are encoded at a time.
const GROUP: usize = 4_096;

const PROBABILITY: &str = "fraud_probability";
const PREDICTION: &str = "fraud_prediction";
const VERSION: &str = "model_version";
const TIME: &str = "scored_at";

/// One scored transaction.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// In the order of [`FEATURES`].
    pub(super) values: [f64; N_FEATURES],
    /// In [0, 1], not rounded.
    pub(super) probability: f64,
    pub(super) fraud: bool,
    pub(super) version: Arc<str>,
    /// Milliseconds since 1970, UTC.
    pub(super) scored_at: i64,
}

/// A file that grows in memory.
pub(super) struct Table {
    writer: SerializedFileWriter<Vec<u8>>,
    /// Not encoded yet, fewer than [`GROUP`].
    rows: Vec<Row>,
    /// All rows.
    len: usize,
}

impl Table {
    pub(super) fn new() -> Result<Self, ParquetError> {
        let version = ColumnPath::from(VERSION);
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_column_dictionary_enabled(version, true)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), schema()?, Arc::new(properties))?;
        Ok(Self { writer, rows: Vec::with_capacity(GROUP), len: 0 })
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, row: Row) -> Result<(), ParquetError> {
        self.rows.push(row);
        self.len += 1;
        if self.rows.len() == GROUP { self.encode() } else { Ok(()) }
    }

    /// The whole file.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, ParquetError> {
        if !self.rows.is_empty() {
            self.encode()?;
        }
        self.writer.into_inner()
    }

    fn encode(&mut self) -> Result<(), ParquetError> {
        let rows = &self.rows;
        let mut group = self.writer.next_row_group()?;
        let mut doubles = Vec::with_capacity(rows.len());
        for feature in 0..N_FEATURES {
            doubles.clear();
            doubles.extend(rows.iter().map(|row| row.values[feature]));
            write::<DoubleType>(&mut group, &doubles)?;
        }
        doubles.clear();
        doubles.extend(rows.iter().map(|row| row.probability));
        write::<DoubleType>(&mut group, &doubles)?;
        let predictions: Vec<i32> = rows.iter().map(|row| row.fraud.into()).collect();
        write::<Int32Type>(&mut group, &predictions)?;
        write::<ByteArrayType>(&mut group, &versions(rows))?;
        let times: Vec<i64> = rows.iter().map(|row| row.scored_at).collect();
        write::<Int64Type>(&mut group, &times)?;
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

/// Each row's version; neighbours with the same one share its bytes.
fn versions(rows: &[Row]) -> Vec<ByteArray> {
    let mut versions: Vec<ByteArray> = Vec::with_capacity(rows.len());
    let mut previous: Option<&Row> = None;
    for row in rows {
        let same = previous.is_some_and(|previous| Arc::ptr_eq(&previous.version, &row.version));
        let version = versions.last().filter(|_| same).cloned();
        versions.push(version.unwrap_or_else(|| ByteArray::from(&*row.version)));
        previous = Some(row);
    }
    versions
}

fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more values than columns".to_owned()))?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

fn schema() -> Result<TypePtr, ParquetError> {
    let column = |name, physical, logical| {
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let mut fields = FEATURES
        .into_iter()
        .chain([PROBABILITY])
        .map(|name| column(name, Physical::DOUBLE, None))
        .collect::<Result<Vec<_>, _>>()?;
    fields.push(column(PREDICTION, Physical::INT32, None)?);
    fields.push(column(VERSION, Physical::BYTE_ARRAY, Some(LogicalType::String))?);
    let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
    fields.push(column(TIME, Physical::INT64, Some(time))?);
    Type::group_type_builder("scored").with_fields(fields).build().map(Arc::new)
}
