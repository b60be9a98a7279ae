//! Whole data sets, read back.

use std::collections::HashSet;

use polars::prelude::{ParquetReader, SerReader};
use proptest::prelude::*;

use super::*;

fn csv(rows: u64, fraud_rate: f64, seed: u64) -> String {
    let synthesis = SynthConfig { rows, fraud_rate, seed }.validate().unwrap();
    let mut text = Vec::new();
    let mut progress = Progress::start("test", Unit::Rows, Some(rows));
    synthesis.write_csv(&mut text, &mut progress).unwrap();
    String::from_utf8(text).unwrap()
}

/// Reads rows back as a program would that knows nothing of this module.
fn parse(text: &str) -> Vec<Row> {
    let parse_row = |line: &str| {
        let (values, class) = line.rsplit_once(',').unwrap();
        let values: Vec<f64> = values.split(',').map(|value| value.parse().unwrap()).collect();
        assert!(class == "\"0\"" || class == "\"1\"", "{class}");
        Row { values: values.try_into().unwrap(), fraud: class == "\"1\"" }
    };
    text.lines().skip(1).map(parse_row).collect()
}

#[test]
fn the_default_is_as_large_as_the_kaggle_file() {
    let synthesis = SynthConfig::default().validate().unwrap();
    assert_eq!((synthesis.rows(), synthesis.frauds()), (KAGGLE_ROWS, KAGGLE_FRAUDS));
}

#[test]
fn counts_are_exact_at_any_size() {
    for (rows, fraud_rate, frauds) in [
        (1, 0.001, 1),
        (7, 1.0, 7),
        (1000, 0.0017, 2),
        (4096, 0.5, 2048),
        (4097, 1e-9, 1),
        (20_000, 492.0 / 284_807.0, 35),
    ] {
        let read = parse(&csv(rows, fraud_rate, 42));
        assert_eq!(read.len() as u64, rows);
        assert_eq!(read.iter().filter(|row| row.fraud).count(), frauds, "{rows} rows");
    }
}

#[test]
fn every_row_is_marked_valid_and_in_order_of_time() {
    let rows = parse(&csv(50_000, 0.01, 7));
    for row in &rows {
        assert!(synthetic::is_marked(&row.values), "{row:?}");
        fraud_core::Transaction::new(row.values).unwrap();
        assert_eq!(row.values[TIME].fract(), 0.0);
    }
    assert!(rows.is_sorted_by_key(|row| row.values[TIME]));
    assert_eq!(rows[0].values[TIME], 0.0);
    let last = rows[rows.len() - 1].values[TIME];
    assert!((172_700.0..=172_792.0).contains(&last), "{last}");
}

#[test]
fn components_are_uncorrelated_with_falling_variance() {
    let rows = parse(&csv(50_000, 0.001, 8));
    let n = rows.len() as f64;
    let mean = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).sum::<f64>() / n;
    let means: Vec<f64> = (0..AMOUNT).map(|v| mean(&|row| row.values[v])).collect();
    let product =
        |a: usize, b: usize| mean(&|row| (row.values[a] - means[a]) * (row.values[b] - means[b]));
    let deviations: Vec<f64> = (0..AMOUNT).map(|v| product(v, v).sqrt()).collect();
    assert!((1.8..2.2).contains(&deviations[1]), "V1: {}", deviations[1]);
    assert!((0.3..0.4).contains(&deviations[28]), "V28: {}", deviations[28]);
    for (earlier, later) in (1..=21).map(|v| (v, v + 7)) {
        assert!(deviations[earlier] > deviations[later], "V{earlier} and V{later}");
        let correlation = product(earlier, later) / (deviations[earlier] * deviations[later]);
        // The frauds, one in a thousand, bring some correlation.
        assert!(correlation.abs() < 0.06, "V{earlier} and V{later}: {correlation}");
    }
}

#[test]
fn same_seed_same_bytes_whatever_the_number_of_threads() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let three = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let text = one.install(|| csv(20_000, 0.002, 11));
    assert!(text == three.install(|| csv(20_000, 0.002, 11)));
    assert!(text != csv(20_000, 0.002, 12));
    let distinct: HashSet<&str> = text.lines().collect();
    assert_eq!(distinct.len(), 20_001);
}

#[test]
fn a_file_appears_whole_in_the_format_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let synthesis = SynthConfig { rows: 70_000, fraud_rate: 0.01, seed: 3 }.validate().unwrap();
    let csv_file = folder.path().join("rows.csv");
    synthesis.write_to(&csv_file).unwrap();
    let rows = parse(&std::fs::read_to_string(&csv_file).unwrap());
    let parquet_file = folder.path().join("rows.PARQUET");
    synthesis.write_to(&parquet_file).unwrap();

    let file = std::fs::File::open(&parquet_file).unwrap();
    let frame = ParquetReader::new(file).finish().unwrap();
    assert_eq!(frame.height(), 70_000);
    for (index, name) in fraud_core::FEATURES.into_iter().enumerate() {
        let column = frame.column(name).unwrap().f64().unwrap();
        assert!(column.into_no_null_iter().eq(rows.iter().map(|row| row.values[index])));
    }
    let labels = frame.column(fraud_core::LABEL).unwrap().i64().unwrap();
    assert!(labels.into_no_null_iter().eq(rows.iter().map(|row| i64::from(row.fraud))));

    let error = synthesis.write_to(&folder.path().join("rows.xlsx")).unwrap_err().to_string();
    assert!(error.contains("expected a name that ends in .csv or .parquet"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn impossible_settings_are_refused() {
    let refuse = |rows, fraud_rate| {
        SynthConfig { rows, fraud_rate, seed: 0 }.validate().unwrap_err().to_string()
    };
    assert_eq!(refuse(0, 0.1), "the number of rows is 0, expected at least 1");
    for rate in [0.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
        assert!(refuse(10, rate).contains("above 0 and at most 1"), "{rate}");
    }
    assert!(refuse(u64::MAX, 0.1).contains("at most 9007199254740992"));
}

proptest! {
    #[test]
    fn frauds_are_rows_times_rate_rounded(rows in 1..1000_u64, fraud_rate in 0.0001..=1.0) {
        let read = parse(&csv(rows, fraud_rate, rows));
        let frauds = read.iter().filter(|row| row.fraud).count() as f64;
        prop_assert!((frauds - rows as f64 * fraud_rate).abs() <= 0.5 || frauds == 1.0);
    }
}
