//! CSV in chunks: whole records are cut out of the file; plain numbers are parsed straight away
//! ([`super::plain`]), anything else by polars with a stated schema.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use memchr::{memchr_iter, memrchr};
use polars::prelude::{
    CsvReadOptions, DataFrame, DataType, PlSmallStr, PolarsResult, Schema, SchemaRef, SerReader,
    polars_ensure,
};

use super::diagnose::{self, damaged, diagnose};
use super::{FrameError, Layout, Parsed, plain};

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

    /// The next chunk, as rows or as a data frame: features and label as 64-bit floats, other columns
    /// as text. `first_row` is its position in the file, from 0.
    pub(super) fn next(
        &mut self,
        path: &Path,
        layout: &Layout,
        first_row: u64,
    ) -> Result<Option<Parsed>, FrameError> {
        let mut length = self.whole_records();
        while length == 0 && !self.at_end {
            if self.pending.len() > LONGEST_RECORD {
                return Err(diagnose::open_quote(path, &self.pending, first_row));
            }
            self.fill(path)?;
            length = self.whole_records();
        }
        if length == 0 {
            return Ok(None);
        }
        if self.at_end && !quotes(&self.pending[..length]).is_multiple_of(2) {
            return Err(diagnose::open_quote(path, &self.pending[..length], first_row));
        }
        let schema = self.schema.get_or_insert_with(|| schema(layout, false)).clone();
        let (records, rest) = self.pending.split_at(length);
        self.ahead.clear();
        self.ahead.extend_from_slice(rest);
        // The disk is read while the processors parse.
        let (file, ahead, at_end) = (&self.file, &mut self.ahead, self.at_end);
        let (parsed, count) = std::thread::scope(|scope| {
            let reading =
                scope.spawn(move || if at_end { Ok(0) } else { read_chunk(file, ahead, path) });
            let rows = (!layout.options.frame).then(|| plain::parse(records, layout)).flatten();
            let parsed = match rows {
                Some(rows) => Ok(Parsed::Rows(rows)),
                None => parse(records, layout, schema, false)
                    .and_then(|frame| check_quotes(frame, records, layout))
                    .map(Parsed::Frame),
            };
            (parsed, reading.join())
        });
        let parsed = parsed.map_err(|error| diagnose(path, layout, records, first_row, &error))?;
        // A panic there would be one here.
        let count = count.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        if !at_end {
            self.count(count);
        }
        std::mem::swap(&mut self.pending, &mut self.ahead);
        Ok(Some(parsed))
    }
}

/// Appends up to one chunk, less only at the end of the file; returns how many bytes.
fn read_chunk(mut file: &File, into: &mut Vec<u8>, path: &Path) -> Result<usize, FrameError> {
    into.reserve(CHUNK);
    Read::by_ref(&mut file)
        .take(CHUNK as u64)
        .read_to_end(into)
        .map_err(|cause| FrameError::Open { path: path.to_owned(), cause })
}

pub(super) fn quotes(bytes: &[u8]) -> usize {
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
pub(super) fn schema(layout: &Layout, all_text: bool) -> SchemaRef {
    let mut schema = Schema::with_capacity(layout.columns.len());
    for (position, name) in layout.columns.iter().enumerate() {
        let is_number = !all_text && layout.is_numeric(name);
        let dtype = if is_number { DataType::Float64 } else { DataType::String };
        let mut key = PlSmallStr::from_str(name);
        // An extra name that stands twice, or one that was made up for such.
        while schema.contains(&key) || (key != *name && layout.columns.iter().any(|c| key == *c)) {
            key = PlSmallStr::from_string(format!("{key}_{}", position + 1));
        }
        schema.insert(key, dtype);
    }
    Arc::new(schema)
}

/// polars splits records at quotes only as far as the selected columns go, and a stray quote in
/// another one can swallow rows. Where there are fewer rows than lines, all columns are parsed, which
/// either finds the fault or confirms that some fields hold line feeds.
fn check_quotes(frame: DataFrame, records: &[u8], layout: &Layout) -> PolarsResult<DataFrame> {
    let lines = memchr_iter(b'\n', records).count() + usize::from(!records.ends_with(b"\n"));
    if frame.height() == lines || layout.options.frame {
        return Ok(frame);
    }
    let whole = parse_columns(records, schema(layout, false), None, false)?;
    polars_ensure!(whole.height() == frame.height(), ComputeError: "the quotes do not balance");
    Ok(frame)
}

/// Parses the selected columns. `lenient` leaves out what stands beyond the last column instead of refusing the row.
pub(super) fn parse(
    records: &[u8],
    layout: &Layout,
    schema: SchemaRef,
    lenient: bool,
) -> PolarsResult<DataFrame> {
    let columns = (!layout.options.frame)
        .then(|| layout.selected().map(|name| PlSmallStr::from_str(name)).collect());
    parse_columns(records, schema, columns, lenient)
}

/// Parses some columns, or all.
fn parse_columns(
    records: &[u8],
    schema: SchemaRef,
    columns: Option<Arc<[PlSmallStr]>>,
    lenient: bool,
) -> PolarsResult<DataFrame> {
    CsvReadOptions::default()
        .with_has_header(false)
        .with_schema(Some(schema))
        .with_columns(columns)
        .map_parse_options(|options| options.with_truncate_ragged_lines(lenient))
        .into_reader_with_file_handle(Cursor::new(records))
        .finish()
}
