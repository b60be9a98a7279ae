//! `cargo bench -p fraud-core`: how long one transaction takes.

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
fn values(seed: usize) -> [f64; N_FEATURES] {
    std::array::from_fn(|i| ((seed + 7 * i) % 89) as f64 / 20.0)
}

/// From 30 numbers to a probability: the check and the score, over many different rows.
#[divan::bench(sample_size = 1024)]
fn check_and_predict_proba(bencher: Bencher) {
    let model = model();
    let rows: Vec<_> = (0..1_024).map(values).collect();
    let mut next = rows.iter().cycle();
    bencher.bench_local(|| {
        let values = next.next().copied().unwrap_or([0.0; N_FEATURES]);
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
