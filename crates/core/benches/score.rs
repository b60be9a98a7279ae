//! `cargo bench -p fraud-core`: how long one transaction takes.

use std::sync::atomic::{AtomicU32, Ordering};

use divan::{Bencher, black_box};
use fraud_core::{LogisticModel, N_FEATURES, StandardScaler, Transaction};

fn main() {
    divan::main();
}

fn model() -> LogisticModel {
    let scaler = StandardScaler::new([0.3; N_FEATURES], [1.7; N_FEATURES]);
    let coefficients = std::array::from_fn(|i| (i as f64).cos() / 3.0);
    LogisticModel::new(scaler.expect("positive scales"), coefficients, -3.9)
        .expect("finite numbers")
}

/// Different for each `seed`, so that nothing is computed once for all.
fn values(seed: u32) -> [f64; N_FEATURES] {
    std::array::from_fn(|i| f64::from((seed + 7 * i as u32) % 89) / 20.0)
}

/// From 30 numbers to a probability: the check and the score.
#[divan::bench]
fn check_and_predict_proba(bencher: Bencher) {
    let model = model();
    let seed = AtomicU32::new(0);
    bencher.with_inputs(|| values(seed.fetch_add(1, Ordering::Relaxed))).bench_values(|values| {
        let transaction = Transaction::new(black_box(values)).expect("finite numbers");
        model.predict_proba(&transaction)
    });
}

/// The score of a transaction that is there.
#[divan::bench]
fn predict_proba(bencher: Bencher) {
    let model = model();
    let transaction = Transaction::new(values(1)).expect("finite numbers");
    bencher.bench(|| model.predict_proba(black_box(&transaction)));
}

/// What each feature adds.
#[divan::bench]
fn explain(bencher: Bencher) {
    let model = model();
    let transaction = Transaction::new(values(1)).expect("finite numbers");
    bencher.bench(|| model.explain(black_box(&transaction)));
}

/// 1,000 rows at once, as batch scoring does.
#[divan::bench]
fn predict_proba_of_1000_rows(bencher: Bencher) {
    let model = model();
    let rows: Vec<_> = (0..1_000).map(values).collect();
    let mut out = vec![0.0; rows.len()];
    bencher.bench_local(|| {
        model.predict_proba_rows(black_box(&rows), &mut out);
        out[999]
    });
}
