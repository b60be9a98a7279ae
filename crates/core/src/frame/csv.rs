//! CSV in chunks: whole records are cut out of the file, polars parses them with a stated schema.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use memchr::{memchr_iter, memrchr};
use polars::prelude::{
    CsvReadOptions, DataFrame, DataType, PlSmallStr, PolarsResult, Schema, SchemaRef, SerReader,
};

use super::{FrameError, Layout};

/// Bytes read at a time: large enough to keep every core parsing, small enough not to matter in
/// memory (about 15,000 rows).
const CHUNK: usize = 8 << 20;

/// A single record longer than this is no record of transactions.
const LONGEST_RECORD: usize = 64 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The unread rest of a CSV file.
#[derive(Debug)]
pub(super) struct CsvSource {
    file: File,
    /// Bytes that have been read but not parsed; starts at the start of a record.
    pending: Vec<u8>,
    /// What `pending` will be next.
    ahead: Vec<u8>,
    bytes_read: u64,
    at_end: bool,
    /// All columns as text (to find what is wrong) or with numbers (to read), made when needed.
    schema: Option<SchemaRef>,
}

impl CsvSource {
    /// Reads the header. `start` holds the bytes that have been taken from `file` already.
    pub(super) fn open(
        path: &Path,
        file: File,
        start: Vec<u8>,
    ) -> Result<(Self, Vec<String>), FrameError> {
        let bytes_read = start.len() as u64;
        let mut source = Self {
            file,
            pending: start,
            ahead: Vec::new(),
            bytes_read,
            at_end: false,
            schema: None,
        };
        source.fill(path)?;
        if source.pending.starts_with(BYTE_ORDER_MARK) {
            source.pending.drain(..BYTE_ORDER_MARK.len());
        }
        let end = memchr_iter(b'\n', &source.pending)
            .find(|&at| quotes(&source.pending[..at]).is_multiple_of(2))
            .map_or(source.pending.len(), |at| at + 1);
        let header: Vec<u8> = source.pending.drain(..end).collect();
        if header.trim_ascii().is_empty() {
            return Err(FrameError::Empty { path: path.to_owned() });
        }
        let columns = header_names(&header).map_err(|error| damaged(path, None, &error))?;
        Ok((source, columns))
    }

    pub(super) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Reads up to one chunk more.
    fn fill(&mut self, path: &Path) -> Result<(), FrameError> {
        let count = read_chunk(&self.file, &mut self.pending, path)?;
        self.count(count);
        Ok(())
    }

    fn count(&mut self, bytes: usize) {
        self.bytes_read += bytes as u64;
        self.at_end = bytes < CHUNK;
    }

    /// Length of the whole records at the start of `pending`; everything at the end of the file.
    fn whole_records(&self) -> usize {
        if self.at_end {
            return self.pending.trim_ascii_end().len();
        }
        // A line feed ends a record if the quotes before it are balanced.
        let mut end = self.pending.len();
        let mut balance = quotes(&self.pending);
        while let Some(at) = memrchr(b'\n', &self.pending[..end]) {
            balance -= quotes(&self.pending[at..end]);
            if balance.is_multiple_of(2) {
                return at + 1;
            }
            end = at;
        }
        0
    }

    /// The next chunk as a data frame: features and label as 64-bit floats, other columns as text.
    /// `first_row` is its position in the file, from 0.
    pub(super) fn next_frame(
        &mut self,
        path: &Path,
        layout: &Layout,
        first_row: u64,
    ) -> Result<Option<DataFrame>, FrameError> {
        let mut length = self.whole_records();
        while length == 0 && !self.at_end {
            if self.pending.len() > LONGEST_RECORD {
                let reason = format!("row {} has no end within 64 MiB", first_row + 1);
                return Err(FrameError::Damaged {
                    path: path.to_owned(),
                    kind: "CSV",
                    rows: None,
                    reason,
                });
            }
            self.fill(path)?;
            length = self.whole_records();
        }
        if length == 0 {
            return Ok(None);
        }
        let schema = self.schema.get_or_insert_with(|| schema(layout, false)).clone();
        let (records, rest) = self.pending.split_at(length);
        self.ahead.clear();
        self.ahead.extend_from_slice(rest);
        // The disk is read while the processors parse.
        let (file, ahead, at_end) = (&self.file, &mut self.ahead, self.at_end);
        let (frame, count) = std::thread::scope(|scope| {
            let reading =
                scope.spawn(move || if at_end { Ok(0) } else { read_chunk(file, ahead, path) });
            (parse(records, layout, schema, false), reading.join())
        });
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Err(diagnose(path, layout, records, first_row, &error)),
        };
        // A panic there would be one here.
        let count = count.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        if !at_end {
            self.count(count);
        }
        std::mem::swap(&mut self.pending, &mut self.ahead);
        Ok(Some(frame))
    }
}

/// Appends up to one chunk, less only at the end of the file; returns how many bytes.
fn read_chunk(mut file: &File, into: &mut Vec<u8>, path: &Path) -> Result<usize, FrameError> {
    into.reserve(CHUNK);
    Read::by_ref(&mut file)
        .take(CHUNK as u64)
        .read_to_end(into)
        .map_err(|source| FrameError::Open { path: path.to_owned(), source })
}

fn quotes(bytes: &[u8]) -> usize {
    memchr_iter(b'"', bytes).count()
}

/// The names in the header record, read as a row of text so that quotes are taken off as in data.
fn header_names(header: &[u8]) -> PolarsResult<Vec<String>> {
    let frame = CsvReadOptions::default()
        .with_has_header(false)
        .with_infer_schema_length(Some(0))
        .into_reader_with_file_handle(Cursor::new(header))
        .finish()?;
    frame
        .columns()
        .iter()
        .map(|column| Ok(column.str()?.get(0).unwrap_or_default().to_owned()))
        .collect()
}

/// The schema of the whole file, stated: numbers for features and label (or text for everything),
/// text for the rest. A name that stands twice (never a wanted one) is told apart by its position.
fn schema(layout: &Layout, all_text: bool) -> SchemaRef {
    let mut schema = Schema::with_capacity(layout.columns.len());
    for (position, name) in layout.columns.iter().enumerate() {
        let is_number = !all_text && layout.is_numeric(name);
        let dtype = if is_number { DataType::Float64 } else { DataType::String };
        let key = if schema.contains(name) {
            PlSmallStr::from_string(format!("{name}_{}", position + 1))
        } else {
            PlSmallStr::from_str(name)
        };
        schema.insert(key, dtype);
    }
    Arc::new(schema)
}

/// `lenient` leaves out what stands beyond the last column instead of refusing the row.
fn parse(
    records: &[u8],
    layout: &Layout,
    schema: SchemaRef,
    lenient: bool,
) -> PolarsResult<DataFrame> {
    let columns: Arc<[PlSmallStr]> = if layout.options.frame {
        schema.iter_names_cloned().collect()
    } else {
        layout.selected().map(|name| PlSmallStr::from_str(name)).collect()
    };
    CsvReadOptions::default()
        .with_has_header(false)
        .with_schema(Some(schema))
        .with_columns(Some(columns))
        .map_parse_options(|options| options.with_truncate_ragged_lines(lenient))
        .into_reader_with_file_handle(Cursor::new(records))
        .finish()
}

fn damaged(
    path: &Path,
    rows: Option<(u64, u64)>,
    error: &polars::error::PolarsError,
) -> FrameError {
    // polars explains its own options at length; the first line says what is wrong.
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default().to_owned();
    FrameError::Damaged { path: path.to_owned(), kind: "CSV", rows, reason }
}

/// Finds the value that polars could not parse: reads the same records as text and looks for the
/// first that is no number. Only on the way out, so it may be slow.
fn diagnose(
    path: &Path,
    layout: &Layout,
    records: &[u8],
    first_row: u64,
    error: &polars::error::PolarsError,
) -> FrameError {
    let text = parse(records, layout, schema(layout, true), true);
    let mut first: Option<(usize, &str, String)> = None;
    if let Ok(frame) = &text {
        for name in layout.columns.iter().filter(|name| layout.is_numeric(name)) {
            let Ok(values) = frame.column(name).and_then(|column| column.str()) else { continue };
            let bad = values.iter().enumerate().find_map(|(row, value)| {
                let value = value.unwrap_or_default().trim();
                (!value.is_empty() && value.parse::<f64>().is_err())
                    .then(|| (row, value.to_owned()))
            });
            if let Some((row, value)) = bad
                && first.as_ref().is_none_or(|found| row < found.0)
            {
                first = Some((row, name, value));
            }
        }
    }
    if let Some((row, column, found)) = first {
        return FrameError::NotANumber {
            path: path.to_owned(),
            row: first_row + row as u64 + 1,
            column: column.to_owned(),
            found,
        };
    }
    let count = records.split(|&byte| byte == b'\n').count() as u64;
    damaged(path, Some((first_row + 1, first_row + count)), error)
}
