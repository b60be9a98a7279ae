//! The common case of CSV, straight into rows: nothing but numbers between the commas.
//!
//! The Kaggle-size file is read in two thirds of the time that the way through a data frame takes, which
//! finds the lines in one pass, the fields in a second and turns columns into rows in a third. What
//! is anything but plain is left to polars ([`super::csv`]), as are all error messages; numbers are
//! parsed by the same function here and there, so a value does not depend on the way it took.

use memchr::memchr_iter;
use rayon::prelude::*;

use super::{Labels, Layout};
use crate::schema::{FEATURES, LABEL, N_FEATURES};

/// Text that is parsed by one thread at a time: some 400 rows.
const PIECE: usize = 256 << 10;

/// Rows whose values have not been checked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub(super) features: Vec<[f64; N_FEATURES]>,
    /// As many as rows, or none if labels are not read.
    pub(super) labels: Vec<f64>,
}

/// What becomes of a field.
#[derive(Clone, Copy)]
enum Field {
    Feature(usize),
    Label,
    Skipped,
}

/// Parses whole records; `None` if any of them is more than finite numbers, perhaps in quotes, and
/// unquoted ASCII in the columns that are not read.
pub(super) fn parse(records: &[u8], layout: &Layout) -> Option<Rows> {
    let fields: Vec<Field> = layout
        .columns
        .iter()
        .map(|column| match FEATURES.iter().position(|name| name == column) {
            Some(index) => Field::Feature(index),
            None if column == LABEL && layout.options.labels == Labels::Required => Field::Label,
            None => Field::Skipped,
        })
        .collect();
    let pieces: Vec<(&[u8], usize)> =
        cut(records).into_par_iter().map(|piece| (piece, lines(piece))).collect();
    let count: usize = pieces.iter().map(|(_, lines)| lines).sum();
    // A field takes a byte and what ends it: lines that are too short to be rows are not worth their
    // memory.
    if count * 2 * fields.len() > records.len() + 2 {
        return None;
    }
    let with_labels = layout.options.labels == Labels::Required;
    let mut rows = Rows {
        features: vec![[0.0; N_FEATURES]; count],
        labels: vec![0.0; if with_labels { count } else { 0 }],
    };
    let mut work = Vec::with_capacity(pieces.len());
    let (mut features, mut labels) = (&mut rows.features[..], &mut rows.labels[..]);
    for (piece, lines) in pieces {
        let (features_here, features_after) = features.split_at_mut(lines);
        let (labels_here, labels_after) = labels.split_at_mut(lines.min(labels.len()));
        work.push((piece, features_here, labels_here));
        (features, labels) = (features_after, labels_after);
    }
    work.into_par_iter()
        .try_for_each(|(piece, features, labels)| parse_piece(piece, &fields, features, labels))?;
    Some(rows)
}

/// Cuts records into pieces that end with a line.
fn cut(mut records: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::with_capacity(records.len() / PIECE + 1);
    while records.len() > PIECE {
        let Some(end) = memchr::memchr(b'\n', &records[PIECE..]) else { break };
        let (piece, rest) = records.split_at(PIECE + end + 1);
        pieces.push(piece);
        records = rest;
    }
    if !records.is_empty() {
        pieces.push(records);
    }
    pieces
}

/// Number of lines; the last one need not end with a line feed.
fn lines(records: &[u8]) -> usize {
    memchr_iter(b'\n', records).count() + usize::from(!records.ends_with(b"\n"))
}

/// Parses one record for each row of `features`.
fn parse_piece(
    mut text: &[u8],
    fields: &[Field],
    features: &mut [[f64; N_FEATURES]],
    labels: &mut [f64],
) -> Option<()> {
    for (row, values) in features.iter_mut().enumerate() {
        for (position, field) in fields.iter().enumerate() {
            if position > 0 {
                text = text.strip_prefix(b",")?;
            }
            match *field {
                Field::Feature(index) => values[index] = number(&mut text)?,
                Field::Label => labels[row] = number(&mut text)?,
                Field::Skipped => skip(&mut text)?,
            }
        }
        text = text.strip_prefix(b"\r").unwrap_or(text);
        if !text.is_empty() {
            text = text.strip_prefix(b"\n")?;
        }
    }
    text.is_empty().then_some(())
}

/// Takes a finite number, perhaps in quotes, off the front. What stands behind it is looked at by
/// the caller.
fn number(text: &mut &[u8]) -> Option<f64> {
    let unquoted = text.strip_prefix(b"\"");
    let (value, length) = fast_float2::parse_partial::<f64, _>(unquoted.unwrap_or(text)).ok()?;
    *text = match unquoted {
        Some(unquoted) => unquoted[length..].strip_prefix(b"\"")?,
        None => &text[length..],
    };
    value.is_finite().then_some(value)
}

/// Takes a field of unquoted ASCII off the front.
fn skip(text: &mut &[u8]) -> Option<()> {
    let length =
        text.iter().position(|byte| matches!(byte, b',' | b'\r' | b'\n')).unwrap_or(text.len());
    let (field, rest) = text.split_at(length);
    *text = rest;
    (field.is_ascii() && !field.contains(&b'"')).then_some(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::{ReadOptions, batch, csv};
    use super::*;

    /// A layout of an extra column, all features, and the label.
    fn layout() -> Layout {
        let columns = ["id"].into_iter().chain(FEATURES).chain([LABEL]).map(str::to_owned);
        Layout::new(Path::new("x.csv"), columns.collect(), ReadOptions::default()).unwrap()
    }

    /// One record whose last feature is `value`.
    fn record(value: &str) -> String {
        format!("a b,{}{value},1", "0.5,".repeat(N_FEATURES - 1))
    }

    /// The way through polars.
    fn through_a_frame(records: &str, layout: &Layout) -> Rows {
        let schema = csv::schema(layout, false);
        let frame = csv::parse(records.as_bytes(), layout, schema, false).unwrap();
        batch::rows_of(Path::new("x.csv"), layout, &frame, 0).unwrap()
    }

    /// Values as bits, which tell −0 from 0.
    fn bits(rows: &Rows) -> Vec<u64> {
        let features = rows.features.as_flattened().iter();
        features.chain(&rows.labels).map(|value| value.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same_bits(
            values in prop::collection::vec((-1e6_f64..1e6, 0_usize..6), 1..20),
            end in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let layout = layout();
            let records: String = values
                .iter()
                .map(|&(value, form)| match form {
                    0 => format!("{value}"),
                    1 => format!("{value:e}"),
                    2 => format!("\"{value:.3}\""),
                    3 => format!("{value:.25}"),
                    4 => format!("{value:+.0}"),
                    _ => format!("{:E}", value * 1e-300),
                })
                .map(|value| record(&value) + end)
                .collect();
            let rows = parse(records.as_bytes(), &layout).unwrap();
            prop_assert_eq!(bits(&rows), bits(&through_a_frame(&records, &layout)));
            // The last line needs no end.
            prop_assert_eq!(Some(rows), parse(records.trim_end().as_bytes(), &layout));
        }
    }

    #[test]
    fn many_pieces_are_one_table() {
        let layout = layout();
        let records: String = (0..5_000).map(|i| record(&format!("{i}.25")) + "\n").collect();
        assert!(records.len() > 2 * PIECE);
        let rows = parse(records.as_bytes(), &layout).unwrap();
        assert_eq!(rows.features.len(), 5_000);
        assert_eq!(rows.features[4_321][N_FEATURES - 1], 4_321.25);
        assert_eq!(rows, through_a_frame(&records, &layout));
    }

    #[test]
    fn what_is_not_plain_is_left_to_polars() {
        let layout = layout();
        let parse = |records: &str| parse(records.as_bytes(), &layout);
        for value in
            ["", " 1", "1 ", "x", "NaN", "inf", "1e999", "\"1", "1\"", "\"1\"0", "1,1", "-"]
        {
            assert_eq!(parse(&record(value)), None, "{value}");
        }
        let good = record("1");
        assert!(parse(&good).is_some());
        for records in [
            good.replacen("a b", "\"a,b\"", 1),
            good.replacen("a b", "ä", 1),
            good.replacen(",1", "", 1),
            format!("{good},1"),
            format!("\n{good}"),
            format!("{good}\n\n{good}"),
            format!("{good}\r{good}"),
        ] {
            assert_eq!(parse(&records), None, "{records}");
        }
    }
}
