//! A table: a header with the names of the features in any order, and one transaction a row.

use csv_core::{ReadRecordResult, Reader};
use fraud_core::{FEATURES, N_FEATURES, Transaction};
use serde_json::{Map, Value};

use super::{LONGEST_ROW, Refusal, Sink, json_row};

/// Most columns that a table may have. The Kaggle file has 31.
const MOST_COLUMNS: usize = 1_000;

/// Reads records as they come; columns with other names are ignored.
#[derive(Debug)]
pub(crate) struct Splitter {
    reader: Reader,
    /// The fields of the record so far, one after the other, and where each ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
    written: usize,
    ended: usize,
    /// Column of each feature, once the header has been read.
    columns: Option<Columns>,
}

#[derive(Debug)]
struct Columns {
    of_feature: [usize; N_FEATURES],
    count: usize,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            reader: Reader::new(),
            fields: vec![0; LONGEST_ROW],
            ends: vec![0; MOST_COLUMNS],
            written: 0,
            ended: 0,
            columns: None,
        }
    }
}

impl Splitter {
    pub(super) fn push(&mut self, mut piece: &[u8], sink: &mut impl Sink) -> Result<(), Refusal> {
        while !piece.is_empty() {
            piece = &piece[self.read(piece, sink)?..];
        }
        Ok(())
    }

    pub(super) fn finish(mut self, sink: &mut impl Sink) -> Result<(), Refusal> {
        // An empty piece ends the last record.
        self.read(&[], sink)?;
        if self.columns.is_none() {
            return Err(lacks(FEATURES.into_iter()));
        }
        Ok(())
    }

    /// Takes from a piece as much as belongs to one record; how much that was.
    fn read(&mut self, piece: &[u8], sink: &mut impl Sink) -> Result<usize, Refusal> {
        let (result, read, written, ended) = self.reader.read_record(
            piece,
            &mut self.fields[self.written..],
            &mut self.ends[self.ended..],
        );
        self.written += written;
        self.ended += ended;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            ReadRecordResult::OutputFull => {
                return Err(Refusal::LongRow { row: sink.rows() + 1 });
            }
            ReadRecordResult::OutputEndsFull => {
                let reason = format!("a row has more than {MOST_COLUMNS} fields");
                return Err(Refusal::Malformed(reason));
            }
            ReadRecordResult::Record => {
                self.record(sink)?;
                (self.written, self.ended) = (0, 0);
            }
        }
        Ok(read)
    }

    fn field(&self, column: usize) -> &[u8] {
        let start = if column == 0 { 0 } else { self.ends[column - 1] };
        &self.fields[start..self.ends[column]]
    }

    fn record(&mut self, sink: &mut impl Sink) -> Result<(), Refusal> {
        let Some(columns) = &self.columns else {
            self.columns = Some(self.header()?);
            return Ok(());
        };
        if self.ended != columns.count {
            let (row, found, expected) = (sink.rows() + 1, self.ended, columns.count);
            let reason =
                format!("row {row} has {found} fields, expected {expected} as in the header");
            return Err(Refusal::Malformed(reason));
        }
        let row = self.plain(columns).map_or_else(|| self.lax(columns, sink), Ok);
        sink.row(row)
    }

    fn header(&self) -> Result<Columns, Refusal> {
        let names: Vec<&[u8]> = (0..self.ended)
            .map(|column| {
                let name = self.field(column).trim_ascii();
                name.strip_prefix("\u{feff}".as_bytes()).unwrap_or(name)
            })
            .collect();
        let mut of_feature = [0; N_FEATURES];
        let mut missing = Vec::new();
        for (place, feature) in of_feature.iter_mut().zip(FEATURES) {
            match names.iter().position(|name| *name == feature.as_bytes()) {
                Some(column) => *place = column,
                None => missing.push(feature),
            }
        }
        if missing.is_empty() {
            Ok(Columns { of_feature, count: self.ended })
        } else {
            Err(lacks(missing.into_iter()))
        }
    }

    /// A row of plain numbers, as nearly all are.
    fn plain(&self, columns: &Columns) -> Option<Transaction> {
        let mut values = [0.0; N_FEATURES];
        for (value, column) in values.iter_mut().zip(columns.of_feature) {
            *value = std::str::from_utf8(self.field(column)).ok()?.trim().parse().ok()?;
        }
        Transaction::new(values).ok()
    }

    /// Any other row: its fields are texts in an object, so the same rules hold, and the same reports.
    fn lax(&self, columns: &Columns, sink: &impl Sink) -> Result<Transaction, Vec<u8>> {
        let object: Map<String, Value> = FEATURES
            .into_iter()
            .zip(columns.of_feature)
            .map(|(feature, column)| {
                let text = String::from_utf8_lossy(self.field(column)).into_owned();
                (feature.to_owned(), Value::String(text))
            })
            .collect();
        json_row(Value::Object(object).to_string().as_bytes(), sink)
    }
}

fn lacks(features: impl Iterator<Item = &'static str>) -> Refusal {
    let names: Vec<&str> = features.collect();
    Refusal::Malformed(format!(
        "the header lacks {}; expected the names of the 30 features, in any order",
        names.join(", ")
    ))
}
