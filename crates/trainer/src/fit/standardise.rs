//! Mean and standard deviation of each feature, as scikit-learn's `StandardScaler` has them.

use fraud_core::{ModelError, N_FEATURES, StandardScaler};
use rayon::prelude::*;

use super::Rows;
use super::objective::CHUNK;

type Sums = [f64; N_FEATURES];

/// Mean and population standard deviation (ddof 0) of the given rows, n ≥ 1.
///
/// Two passes, so that a large mean does not eat the digits of the variance. A feature that is
/// constant up to rounding gets scale 1, as in scikit-learn: it becomes 0, not noise.
///
/// # Errors
///
/// If a mean or deviation is beyond the range of 64-bit floats.
pub fn standard_scaler(rows: Rows<'_>) -> Result<StandardScaler, ModelError> {
    let n = rows.len() as f64;
    let mean = sum_of(rows, |value, _| value).map(|sum| sum / n);
    // Rounding of the mean leaves a small sum of deviations; its square corrects the variance
    // (Chan, Golub and LeVeque, 1983).
    let rest = sum_of(rows, |value, feature| value - mean[feature]);
    let squares = sum_of(rows, |value, feature| (value - mean[feature]).powi(2));
    let scale = std::array::from_fn(|i| {
        let variance = (squares[i] - rest[i] * rest[i] / n) / n;
        let constant = n * f64::EPSILON * variance + (n * mean[i] * f64::EPSILON).powi(2);
        if variance <= constant { 1.0 } else { variance.sqrt() }
    });
    StandardScaler::new(mean, scale)
}

/// Sums `term(value, feature)` over the rows, by chunks of fixed size that are added in order: the
/// result does not depend on the number of threads.
fn sum_of(rows: Rows<'_>, term: impl Fn(f64, usize) -> f64 + Sync) -> Sums {
    let chunks: Vec<Sums> = rows
        .index()
        .par_chunks(CHUNK)
        .map(|index| {
            let mut sums = [0.0; N_FEATURES];
            for &row in index {
                let values = rows.values(row);
                for feature in 0..N_FEATURES {
                    sums[feature] += term(values[feature], feature);
                }
            }
            sums
        })
        .collect();
    let mut total = [0.0; N_FEATURES];
    for sums in chunks {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_by_hand_and_constants_get_scale_one() {
        let mut values = vec![[0.1; N_FEATURES]; 4];
        for (row, v1) in values.iter_mut().zip([1e9 + 1.0, 1e9 + 3.0, 1e9 + 1.0, 1e9 + 3.0]) {
            row[1] = v1;
        }
        let labels = [false, true, false, true];
        let index = [0, 1, 2, 3];
        let scaler = standard_scaler(Rows::new(&values, &labels, &index)).unwrap();
        assert_eq!(scaler.mean()[1], 1e9 + 2.0);
        assert_eq!(scaler.scale()[1], 1.0); // population deviation of ±1
        assert_eq!(scaler.scale()[2], 1.0); // constant 0.1
        assert!((scaler.mean()[2] - 0.1).abs() < 1e-16);
    }
}
