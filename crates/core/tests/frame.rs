//! Tables as people have them: good, odd and broken files through the public reader.
#![cfg(feature = "frame")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fraud_core::FEATURES;
use fraud_core::frame::{FrameError, Labels, Missing, ReadOptions, TransactionReader};
use polars::prelude::{Column, DataFrame, DataType, NamedFrom, ParquetWriter, Series};

/// A folder that goes away with the test, and files in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn header() -> String {
    let mut names: Vec<String> = FEATURES.iter().map(|name| format!("\"{name}\"")).collect();
    names.push("\"Class\"".into());
    names.join(",")
}

/// A row of `value` everywhere and a label.
fn row(value: &str, label: &str) -> String {
    format!("{},{label}", [value; 30].join(","))
}

type Rows = (Vec<[f64; 30]>, Vec<bool>);

fn read_with(path: &Path, options: ReadOptions) -> Result<Rows, FrameError> {
    let mut reader = TransactionReader::open(path, options)?;
    let mut all = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next_batch()? {
        assert_eq!(batch.first_row, all.0.len() as u64);
        all.0.extend(batch.rows);
        all.1.extend(batch.labels);
    }
    assert_eq!(reader.rows_read(), all.0.len() as u64);
    Ok(all)
}

fn read(path: &Path) -> Result<Rows, FrameError> {
    read_with(path, ReadOptions::default())
}

/// The message for a CSV file of this content, without the folder.
fn message(content: &str) -> String {
    let folder = Folder::new();
    let path = folder.file("t.csv", content);
    let message = read(&path).unwrap_err().to_string();
    message.replace(&path.display().to_string(), "t.csv")
}

#[test]
fn the_habits_of_the_kaggle_file_are_read() {
    let folder = Folder::new();
    let content = format!(
        "{}\n{}\n{}\n{}\n",
        header(),
        row("0", "\"0\""),
        row("1e+05", "\"1\""),
        row("149.62", "\"0\"")
    );
    let (rows, labels) = read(&folder.file("kaggle.csv", content)).unwrap();
    assert_eq!(rows, [[0.0; 30], [1e5; 30], [149.62; 30]]);
    assert_eq!(labels, [false, true, false]);
}

#[test]
fn line_ends_byte_order_mark_and_blanks_do_not_matter() {
    let folder = Folder::new();
    let lines = format!("{}\r\n{}\r\n{}", header(), row("1", "0"), row(" 2", "1.0"));
    for content in [lines.clone(), format!("\u{feff}{lines}\r\n\r\n\n"), format!("{lines}\n")] {
        let (rows, labels) = read(&folder.file("t.csv", content)).unwrap();
        assert_eq!(rows, [[1.0; 30], [2.0; 30]]);
        assert_eq!(labels, [false, true]);
    }
}

#[test]
fn columns_come_in_any_order_with_others_between() {
    let folder = Folder::new();
    let mut names: Vec<String> = FEATURES.iter().rev().map(ToString::to_string).collect();
    names.insert(3, "Comment".into());
    names.push("Class".into());
    let mut values: Vec<String> = (0..30).rev().map(|i| i.to_string()).collect();
    values.insert(3, "\"two\nlines, and \"\"quotes\"\"\"".into());
    values.push("1".into());
    let content = format!("{}\n{}\n{}", names.join(","), values.join(","), values.join(","));
    let path = folder.file("t.csv", content);

    let options = ReadOptions { frame: true, ..ReadOptions::default() };
    let mut reader = TransactionReader::open(&path, options).unwrap();
    assert_eq!(reader.extra_columns(), ["Comment"]);
    let batch = reader.next_batch().unwrap().unwrap();
    assert_eq!(batch.rows, [std::array::from_fn(|i| i as f64); 2]);
    let frame = batch.frame.unwrap();
    assert_eq!(frame.width(), 32);
    let comment = frame.column("Comment").unwrap().str().unwrap().get(1).unwrap().to_owned();
    assert_eq!(comment, "two\nlines, and \"quotes\"");
}

#[test]
fn many_chunks_are_one_table() {
    // Past two chunks of 8 MiB, with a quoted line feed now and then.
    let folder = Folder::new();
    let mut content = format!("{},\"Note\"\n", header());
    let count = 70_000_u32;
    for i in 0..count {
        let note = if i % 1_000 == 0 { "\"a\nb\"" } else { "plain" };
        let value = format!("{i}.00000000");
        writeln!(content, "{},{note}", row(&value, if i % 7 == 0 { "1" } else { "0" })).unwrap();
    }
    let bytes = content.len();
    assert!(bytes > 20 << 20);
    let path = folder.file("large.csv", content);
    let (rows, labels) = read(&path).unwrap();
    assert_eq!(rows.len(), count as usize);
    assert!(rows.iter().zip(0_u32..).all(|(row, i)| row[17] == f64::from(i)));
    assert_eq!(labels.iter().filter(|&&fraud| fraud).count(), 10_000);

    // A bad value far down is found by its row.
    let broken = std::fs::read_to_string(&path).unwrap().replacen("69000.00000000", "6900O", 1);
    let path = folder.file("broken.csv", broken);
    let message = read(&path).unwrap_err().to_string();
    assert!(
        message.ends_with("row 69001, column Time: found \"6900O\", expected a number"),
        "{message}"
    );
}

#[test]
fn every_bad_csv_is_refused_with_file_row_and_column() {
    let header = header();
    let (good, line) = (row("1", "0"), header.clone());
    assert_eq!(
        message(""),
        "t.csv is empty, expected a CSV file with a header line or a Parquet file"
    );
    assert!(message("\n\n").starts_with("t.csv is empty"));
    for header_only in [line.clone(), format!("{line}\n"), format!("{line}\r\n\r\n")] {
        assert_eq!(
            message(&header_only),
            "t.csv has columns but no rows, expected at least one transaction"
        );
    }
    assert!(
        message(&format!("{}\n{good}", line.replace("\"V7\"", "\"v7\"")))
            .starts_with("t.csv lacks the column V7; it has Time, V1, V2, V3, V4, V5, V6, v7, V8")
    );
    assert!(message("a,b\n1,2\n").starts_with("t.csv lacks the columns Time, V1, "));
    assert_eq!(
        message(&format!(
            "{}\n{good}",
            line.replace("\"V7\"", "\"V6\"").replace("Class\"", "Class\",\"V7\"")
        )),
        "t.csv has the column V6 more than once, expected it once"
    );
    let with = |value: &str| {
        format!("{line}\n{good}\n{}\n", good.replacen("1,1,1,", &format!("1,1,{value},"), 1))
    };
    assert_eq!(message(&with("12,5x")), "t.csv, row 2, column V3: found \"5x\", expected a number");
    assert_eq!(message(&with("low")), "t.csv, row 2, column V2: found \"low\", expected a number");
    assert_eq!(
        message(&with("")),
        "t.csv, row 2, column V2: the value is missing, expected a number"
    );
    assert_eq!(
        message(&with("NaN")),
        "t.csv, row 2, column V2: found NaN, expected a finite number"
    );
    assert_eq!(
        message(&with("-inf")),
        "t.csv, row 2, column V2: found -inf, expected a finite number"
    );
    assert_eq!(
        message(&with("1e999")),
        "t.csv, row 2, column V2: found inf, expected a finite number"
    );
    assert_eq!(
        message(&format!("{line}\n{}", row("-1", "0"))),
        "t.csv, row 1, column Time: found -1, expected a number that is not negative"
    );
    assert_eq!(
        message(&format!("{line}\n{good}\n{}", row("1", "2"))),
        "t.csv, row 2, column Class: found 2, expected 0 (legitimate) or 1 (fraud)"
    );
    assert_eq!(
        message(&format!("{line}\n{good}\n{}", row("1", ""))),
        "t.csv, row 2, column Class: the value is missing, expected a number"
    );
    assert_eq!(
        message(&format!("{line}\n{good}\n1,2,3\n")),
        "t.csv, row 2, column V3: the value is missing, expected a number"
    );
    let wide = message(&format!("{line}\n{good},7\n"));
    assert_eq!(
        wide,
        "cannot read t.csv as CSV (rows 1 to 1): there are 32 fields, expected 31 as in the header"
    );
    assert_eq!(
        message(&with("1.5 ")),
        "t.csv, row 2, column V2: found \"1.5 \", expected a number"
    );
    let long = message(&with(&"x".repeat(100_000)));
    assert!(long.len() < 200, "{long}");
}

/// polars alone would read such a file to its end and leave rows out without a word.
#[test]
fn a_stray_quote_never_swallows_rows() {
    let folder = Folder::new();
    let content = |notes: &[(usize, &str)]| {
        let mut text = format!("{},Note\n", header());
        for i in 1..=3_000 {
            let note = notes.iter().find(|(row, _)| *row == i).map_or("plain", |(_, note)| note);
            writeln!(text, "{},{note}", row("1", if i % 9 == 0 { "1" } else { "0" })).unwrap();
        }
        text
    };
    for labels in [Labels::Required, Labels::Ignored] {
        for frame in [false, true] {
            let options = ReadOptions { labels, frame, ..ReadOptions::default() };
            for notes in [
                &[(1_000, "5\" screen"), (2_000, "5\" screen")][..],
                &[(51, "5\" screen")],
                &[(2_501, "\"unclosed")],
                &[(3_000, "\"unclosed")],
            ] {
                let path = folder.file("t.csv", content(notes));
                let error = read_with(&path, options).unwrap_err().to_string();
                let row = notes[0].0;
                assert!(error.contains(&format!("(rows {row} to {row})")), "{frame} {error}");
            }
            let good = [(7, "\"two\nlines\""), (2_000, "\"5\"\" screen\"")];
            let path = folder.file("t.csv", content(&good));
            assert_eq!(read_with(&path, options).unwrap().0.len(), 3_000);
        }
    }
}

#[test]
fn files_that_are_not_there_or_are_folders_are_named() {
    let folder = Folder::new();
    let message = read(&folder.0.path().join("none.csv")).unwrap_err().to_string();
    assert!(message.contains("none.csv: No such file") && message.contains("expected a CSV"));
    let message = read(folder.0.path()).unwrap_err().to_string();
    assert!(message.contains("is a directory"), "{message}");
}

#[test]
fn missing_values_can_be_kept_but_labels_cannot() {
    let folder = Folder::new();
    let options = ReadOptions { missing: Missing::Keep, ..ReadOptions::default() };
    let odd = row("1", "0").replacen("1,1,1,", "-1,,inf,", 1);
    let path = folder.file("t.csv", format!("{}\n{odd}\n", header()));
    let (rows, _) = read_with(&path, options).unwrap();
    assert!(rows[0][0] == -1.0 && rows[0][1].is_nan() && rows[0][2] == f64::INFINITY);
    let path = folder.file("t.csv", format!("{}\n{}\n", header(), row("1", "")));
    assert!(matches!(read_with(&path, options), Err(FrameError::MissingValue { .. })));
}

#[test]
fn without_labels_class_is_a_column_like_any_other() {
    let folder = Folder::new();
    let path = folder.file("t.csv", format!("{}\n{}\n", header(), row("1", "maybe")));
    let options = ReadOptions { labels: Labels::Ignored, ..ReadOptions::default() };
    let mut reader = TransactionReader::open(&path, options).unwrap();
    assert_eq!(reader.extra_columns(), ["Class"]);
    let batch = reader.next_batch().unwrap().unwrap();
    assert_eq!((batch.rows.len(), batch.labels.len()), (1, 0));
}

/// A table of whole numbers as pandas and others store them: features as 32-bit floats and integers,
/// the label as an 8-bit integer.
fn parquet(folder: &Folder, rows: i32, change: impl FnOnce(&mut DataFrame)) -> PathBuf {
    let values: Vec<i32> = (0..rows).collect();
    let mut columns: Vec<Column> = FEATURES
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let column = Column::from(Series::new((*name).into(), values.clone()));
            let types = [DataType::Float64, DataType::Float32, DataType::Int64, DataType::Int16];
            column.cast(&types[i % 4]).unwrap()
        })
        .collect();
    let labels: Vec<i32> = values.iter().map(|i| i % 2).collect();
    let labels = Column::from(Series::new("Class".into(), labels));
    columns.push(labels.cast(&DataType::Int8).unwrap());
    let mut frame = DataFrame::new(values.len(), columns).unwrap();
    change(&mut frame);
    let path = folder.0.path().join("t.parquet");
    let file = std::fs::File::create(&path).unwrap();
    ParquetWriter::new(file).with_row_group_size(Some(1_000)).finish(&mut frame).unwrap();
    path
}

#[test]
fn parquet_of_any_numeric_type_is_read_by_row_groups() {
    let folder = Folder::new();
    let (rows, labels) = read(&parquet(&folder, 4_321, |_| ())).unwrap();
    assert_eq!(rows.len(), 4_321);
    assert!(rows.iter().zip(0..).all(|(row, i)| *row == [f64::from(i); 30]));
    assert!(labels.iter().zip(0..).all(|(&fraud, i)| fraud == (i % 2 == 1)));
}

#[test]
fn bad_parquet_is_refused() {
    let folder = Folder::new();
    let text = parquet(&folder, 3, |frame| {
        let names = Series::new("V4".into(), ["a", "b", "c"]);
        frame.with_column(Column::from(names)).unwrap();
    });
    let message = read(&text).unwrap_err().to_string();
    assert!(
        message.contains("column V4 of ") && message.contains("has the type Utf8View"),
        "{message}"
    );

    let missing = parquet(&folder, 3, |frame| {
        let values = Series::new("V4".into(), [Some(1.0), None, Some(2.0)]);
        frame.with_column(Column::from(values)).unwrap();
    });
    let message = read(&missing).unwrap_err().to_string();
    assert!(message.ends_with("row 2, column V4: the value is missing, expected a number"));

    let none = parquet(&folder, 0, |_| ());
    assert!(matches!(read(&none), Err(FrameError::NoRows { .. })));

    let whole = std::fs::read(parquet(&folder, 2_500, |_| ())).unwrap();
    for length in [4, 11, 100, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let path = folder.file("cut.parquet", &whole[..length]);
        let error = read(&path).unwrap_err();
        assert!(matches!(error, FrameError::Damaged { kind: "Parquet", .. }), "{length}: {error}");
    }
    let path = folder.file("empty.parquet", "");
    assert!(matches!(read(&path), Err(FrameError::Empty { .. })));
    let path = folder.file("text.parquet", "Time,V1\n1,2\n");
    assert!(matches!(read(&path), Err(FrameError::Damaged { .. })));
}
