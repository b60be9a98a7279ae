//! Many transactions in one body: taken apart row by row as it arrives, answered in its own order.
//!
//! Rows are scored while the body comes in, and what is kept of each is its probability alone, so the
//! memory of a batch is bounded by its number of rows and not by their text. The answer begins when
//! the body has ended: a client that first writes everything and then reads, as most do, would
//! otherwise wait for a server that waits for it.

mod csv;
mod json_array;
mod lines;
mod results;

use fraud_core::Transaction;

use crate::request::{self, Rejection};
pub(crate) use results::Results;

/// Longest text of one row, in bytes. A transaction takes about 700.
const LONGEST_ROW: usize = 64 * 1024;

/// How a batch is written, and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Lines,
    /// A header and one row a line.
    Csv,
}

impl Format {
    /// The format of a content type without parameters; JSON if there is none.
    pub(crate) fn of(content_type: Option<&str>) -> Option<Self> {
        let Some(content_type) = content_type else { return Some(Self::Json) };
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let known = [
            ("application/json", Self::Json),
            ("application/x-ndjson", Self::Lines),
            ("application/ndjson", Self::Lines),
            ("application/jsonl", Self::Lines),
            ("text/csv", Self::Csv),
        ];
        known
            .into_iter()
            .find(|(name, _)| essence.eq_ignore_ascii_case(name))
            .map(|(_, format)| format)
    }

    /// The content type of the answer.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// Why a whole batch is refused. What is wrong with one row is that row's result.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The rows cannot be told apart.
    #[error("{0}")]
    Malformed(String),
    /// A row is longer than any transaction.
    #[error("row {row} is longer than {LONGEST_ROW} bytes")]
    LongRow {
        /// Its number, from 1.
        row: usize,
    },
    /// There are more rows than are taken at a time.
    #[error(
        "the batch has more than {most} rows; send it in parts (--batch-rows raises the limit)"
    )]
    TooManyRows {
        /// The limit.
        most: usize,
    },
}

/// Takes the rows of a batch as they come.
pub(crate) trait Sink {
    /// One row: a transaction, or the body of the answer that refuses it (JSON).
    fn row(&mut self, row: Result<Transaction, Vec<u8>>) -> Result<(), Refusal>;

    /// How many rows there were.
    fn rows(&self) -> usize;

    /// Whether it has room for more to be said about rows that are refused; else the body is not written.
    fn has_room(&self) -> bool {
        true
    }
}

/// Takes a body apart, in pieces of any size.
#[derive(Debug)]
pub(crate) enum Splitter {
    Json(json_array::Splitter),
    Lines(lines::Splitter),
    Csv(Box<csv::Splitter>),
}

impl Splitter {
    pub(crate) fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json(json_array::Splitter::default()),
            Format::Lines => Self::Lines(lines::Splitter::default()),
            Format::Csv => Self::Csv(Box::default()),
        }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8], sink: &mut impl Sink) -> Result<(), Refusal> {
        match self {
            Self::Json(splitter) => splitter.push(piece, sink),
            Self::Lines(splitter) => splitter.push(piece, sink),
            Self::Csv(splitter) => splitter.push(piece, sink),
        }
    }

    /// Says that there is no more.
    pub(crate) fn finish(self, sink: &mut impl Sink) -> Result<(), Refusal> {
        match self {
            Self::Json(splitter) => splitter.finish(),
            Self::Lines(splitter) => splitter.finish(sink),
            Self::Csv(splitter) => splitter.finish(sink),
        }
    }
}

/// A row that is one JSON object, as a sink takes it.
fn json_row(text: &[u8], sink: &impl Sink) -> Result<Transaction, Vec<u8>> {
    request::transaction(None, text).map_err(|rejection| {
        // A report may be thirty times as long as the row.
        if !sink.has_room() {
            return Vec::new();
        }
        let body = match &rejection {
            Rejection::Unreadable => serde_json::to_vec(&crate::routes::UNREADABLE),
            Rejection::Invalid(invalid) => serde_json::to_vec(&invalid.report()),
        };
        // Texts and numbers that were read from JSON.
        body.unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What came, a row a line: the first value of a transaction, or the refusal.
    #[derive(Default)]
    struct Seen(Vec<Result<f64, String>>);

    impl Sink for Seen {
        fn row(&mut self, row: Result<Transaction, Vec<u8>>) -> Result<(), Refusal> {
            self.0.push(match row {
                Ok(transaction) => Ok(transaction.values()[0]),
                Err(body) => Err(String::from_utf8(body).unwrap()),
            });
            Ok(())
        }

        fn rows(&self) -> usize {
            self.0.len()
        }
    }

    fn split(
        format: Format,
        body: &[u8],
        piece: usize,
    ) -> Result<Vec<Result<f64, String>>, Refusal> {
        let (mut splitter, mut seen) = (Splitter::new(format), Seen::default());
        for piece in body.chunks(piece) {
            splitter.push(piece, &mut seen)?;
        }
        splitter.finish(&mut seen)?;
        Ok(seen.0)
    }

    fn object(time: f64) -> String {
        let fields = fraud_core::FEATURES.iter().map(|name| {
            let value = if *name == "Time" { time } else { 1.0 };
            format!("\"{name}\": {value}")
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
    }

    fn table(rows: &[f64]) -> String {
        let mut text = fraud_core::FEATURES.join(",") + "\n";
        for time in rows {
            text += &fraud_core::FEATURES
                .map(|name| if name == "Time" { time.to_string() } else { "1".to_owned() })
                .join(",");
            text.push('\n');
        }
        text
    }

    #[test]
    fn rows_come_in_their_order_whatever_the_pieces() {
        let objects: Vec<String> = [1.0, 2.0, 3.0].map(object).to_vec();
        let array = format!(" [ {} ]\n", objects.join(" , "));
        let lines = objects.join("\n") + "\n\n";
        let table = table(&[1.0, 2.0, 3.0]);
        for (format, body) in [(Format::Json, array), (Format::Lines, lines), (Format::Csv, table)]
        {
            for piece in [1, 2, 7, 100, 100_000] {
                let rows = split(format, body.as_bytes(), piece).unwrap();
                assert_eq!(rows, [Ok(1.0), Ok(2.0), Ok(3.0)], "{format:?} in pieces of {piece}");
            }
        }
        for (format, body) in [(Format::Json, "[]"), (Format::Lines, ""), (Format::Csv, "Time\n")] {
            assert_eq!(split(format, body.as_bytes(), 1).map_or(0, |rows| rows.len()), 0);
        }
    }

    #[test]
    fn a_bad_row_is_a_result_and_the_others_stay() {
        let (good, tricky) = (object(1.0), r#"{"x": "] , [ \" }", "y": [1, {"z": [2]}]}"#);
        let array = format!("[{good}, {tricky}, 5, {{\"Time\": oops}}, {good}]");
        let rows = split(Format::Json, array.as_bytes(), 3).unwrap();
        assert_eq!(rows.len(), 5);
        assert_eq!((&rows[0], &rows[4]), (&Ok(1.0), &Ok(1.0)));
        for (row, says) in [(1, "\"missing\""), (2, "model_attributes_type"), (3, "json_invalid")] {
            assert!(rows[row].as_ref().unwrap_err().contains(says), "{:?}", rows[row]);
        }
        let text = table(&[1.0, 2.0]).replace("\n2,1,1", "\n2,x,1");
        let rows = split(Format::Csv, text.as_bytes(), 5).unwrap();
        assert_eq!(rows[0], Ok(1.0));
        let refusal = rows[1].as_ref().unwrap_err();
        assert!(refusal.contains("float_parsing") && refusal.contains("\"V1\""), "{refusal}");
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused_as_a_whole() {
        let object = object(1.0);
        for (format, body, says) in [
            (Format::Json, object.clone(), "expected an array"),
            (Format::Json, String::new(), "expected an array"),
            (Format::Json, format!("[{object}"), "the array does not end"),
            (Format::Json, format!("[{object}] x"), "after the array"),
            (Format::Json, format!("[{object},]"), "row 2 is empty"),
            (Format::Json, format!("[,{object}]"), "row 1 is empty"),
            (Format::Csv, "a,b\n1,2\n".to_owned(), "the header lacks Time, V1"),
            (Format::Csv, String::new(), "the header lacks Time"),
            (Format::Csv, format!("{}1,2\n", table(&[])), "row 1 has 2 fields, expected 30"),
        ] {
            let refusal = split(format, body.as_bytes(), 4).unwrap_err();
            assert!(matches!(refusal, Refusal::Malformed(_)), "{refusal:?}");
            assert!(refusal.to_string().contains(says), "{refusal} for {body:.40}");
        }
        let long = format!("[{{\"a\": \"{}", "x".repeat(LONGEST_ROW + 1));
        let refused = Err(Refusal::LongRow { row: 1 });
        assert_eq!(split(Format::Json, long.as_bytes(), 1_000), refused);
        assert_eq!(split(Format::Lines, long.as_bytes(), 1_000), refused);
    }

    #[test]
    fn csv_is_read_with_quotes_in_any_order_of_columns() {
        let mut names: Vec<&str> = fraud_core::FEATURES.to_vec();
        names.reverse();
        let values: Vec<String> = names
            .iter()
            .map(|name| if *name == "Time" { "\" 1e+05 \"".into() } else { "0.5".into() })
            .collect();
        let text = format!("note,{}\r\n\"a, \"\"b\"\"\",{}", names.join(","), values.join(","));
        assert_eq!(split(Format::Csv, text.as_bytes(), 3).unwrap(), [Ok(100_000.0)]);
        let marked = format!("\u{feff}{}", table(&[4.0]));
        assert_eq!(split(Format::Csv, marked.as_bytes(), 1).unwrap(), [Ok(4.0)]);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
            for format in [Format::Json, Format::Lines, Format::Csv] {
                let _ = split(format, &body, piece);
            }
        }

        #[test]
        fn any_text_in_an_array_is_told_apart_as_a_parser_does(
            texts in proptest::collection::vec("[a-z\\[\\]{},:\"\\\\ ]{0,20}", 0..6),
            piece in 1_usize..9,
        ) {
            let body = serde_json::to_vec(&texts).unwrap();
            prop_assert_eq!(split(Format::Json, &body, piece).unwrap().len(), texts.len());
        }
    }
}
