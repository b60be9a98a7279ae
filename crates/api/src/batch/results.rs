//! What came of the rows of a batch, kept small and written when all are there.

use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::web::Bytes;
use fraud_core::Transaction;

use super::{Format, Refusal, Sink};
use crate::routes::predict::Answer;
use crate::state::{Served, State};

/// Bytes of reports that are kept of one batch; after that, a row is refused without saying why.
const MOST_REPORTS: usize = 16 << 20;

/// A report without a reason.
const REFUSED: &[u8] = br#"{"detail":"Refused; too many rows are, for each to say why"}"#;

/// Rows that are written at a time.
const ROWS_AT_ONCE: usize = 1_000;

/// The results of one batch, all by the same model.
pub(crate) struct Results<'a> {
    state: &'a State,
    served: Arc<Served>,
    most: usize,
    rows: Vec<Row>,
    reports: usize,
}

/// The result of one row.
enum Row {
    Scored(Answer),
    /// The body of its refusal, JSON.
    Refused(Box<[u8]>),
    RefusedShortly,
}

impl Sink for Results<'_> {
    fn row(&mut self, row: Result<Transaction, Vec<u8>>) -> Result<(), Refusal> {
        if self.rows.len() == self.most {
            return Err(Refusal::TooManyRows { most: self.most });
        }
        self.rows.push(match row {
            Ok(transaction) => Row::Scored(self.state.score(&self.served, &transaction)),
            Err(report) if self.has_room() => {
                self.reports += report.len();
                Row::Refused(report.into())
            }
            Err(_) => Row::RefusedShortly,
        });
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn has_room(&self) -> bool {
        self.reports < MOST_REPORTS
    }
}

impl<'a> Results<'a> {
    /// For at most so many rows.
    pub(crate) fn new(state: &'a State, served: Arc<Served>, most: usize) -> Self {
        Self { state, served, most, rows: Vec::new(), reports: 0 }
    }

    /// The text of the answer, in pieces.
    pub(crate) fn write(self, format: Format) -> impl Iterator<Item = Bytes> + use<> {
        let (head, tail) = match format {
            Format::Json => ("[", "]"),
            Format::Lines => ("", ""),
            Format::Csv => ("fraud_probability,fraud_prediction,threshold_used,error\n", ""),
        };
        let mut rows = self.rows.into_iter().enumerate();
        let body = std::iter::from_fn(move || {
            let mut text = Vec::new();
            for (number, row) in rows.by_ref().take(ROWS_AT_ONCE) {
                write(&mut text, format, number, &row);
            }
            (!text.is_empty()).then(|| Bytes::from(text))
        });
        let fixed = |text: &'static str| {
            (!text.is_empty()).then(|| Bytes::from_static(text.as_bytes())).into_iter()
        };
        fixed(head).chain(body).chain(fixed(tail))
    }
}

fn write(text: &mut Vec<u8>, format: Format, number: usize, row: &Row) {
    if format == Format::Json && number > 0 {
        text.push(b',');
    }
    match (format, row) {
        (Format::Csv, Row::Scored(answer)) => {
            let mut line = String::new();
            // Writing to a String cannot fail.
            let _ = writeln!(
                line,
                "{:?},{},{:?},",
                answer.fraud_probability, answer.fraud_prediction, answer.threshold_used
            );
            text.extend_from_slice(line.as_bytes());
        }
        (_, Row::Scored(answer)) => {
            // Three numbers.
            text.extend(serde_json::to_vec(answer).unwrap_or_default());
        }
        (_, Row::Refused(report)) => refused(text, format, report),
        (_, Row::RefusedShortly) => refused(text, format, REFUSED),
    }
    if format == Format::Lines {
        text.push(b'\n');
    }
}

fn refused(text: &mut Vec<u8>, format: Format, report: &[u8]) {
    if format == Format::Csv {
        // A field in quotes, whose quotes are doubled.
        text.extend_from_slice(b",,,\"");
        for &byte in report {
            text.extend_from_slice(if byte == b'"' {
                b"\"\""
            } else {
                std::slice::from_ref(&byte)
            });
        }
        text.extend_from_slice(b"\"\n");
    } else {
        text.extend_from_slice(report);
    }
}
