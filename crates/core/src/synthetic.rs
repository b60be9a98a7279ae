//! A mark by which synthetic transactions are known wherever they go.
//!
//! Generated data must never pass for real, also after it was shuffled, split, joined or converted
//! from CSV to Parquet. So the mark is in the values: `V1` … `V28` of a synthetic row are multiples
//! of 2⁻²⁰, and `V1` is an odd one. A shift of at most 10⁻⁶ changes nothing that a model could learn,
//! and a real principal component, with its 52 random bits, meets the rule about once in 2³² values
//! for `V1` alone.
//!
//! ```
//! use fraud_core::synthetic;
//!
//! let mut row = [0.123_456_789; 30];
//! assert!(!synthetic::is_marked(&row));
//! synthetic::mark(&mut row);
//! assert!(synthetic::is_marked(&row));
//! assert!((row[1] - 0.123_456_789).abs() < 1e-6);
//! assert_eq!(row[0], 0.123_456_789); // Time and Amount stay as they are
//! ```

use crate::schema::N_FEATURES;

/// 2²⁰ steps a unit.
const STEPS: f64 = 1_048_576.0;

/// Marks a row, in the order of [`crate::FEATURES`]: rounds `V1` … `V28` to the nearest multiple of
/// 2⁻²⁰, `V1` to the nearest odd one. Values beyond 2³² are too coarse to carry the mark.
pub fn mark(row: &mut [f64; N_FEATURES]) {
    row[1] = (2.0 * ((row[1] * STEPS - 1.0) / 2.0).round() + 1.0) / STEPS;
    for value in &mut row[2..=28] {
        *value = (*value * STEPS).round() / STEPS;
    }
}

/// Whether a row, in the order of [`crate::FEATURES`], carries the mark.
#[must_use]
pub fn is_marked(row: &[f64; N_FEATURES]) -> bool {
    // Odd means: an integer whose half is not.
    let steps = row[1] * STEPS;
    steps.fract() == 0.0
        && (steps / 2.0).fract() != 0.0
        && row[2..=28].iter().all(|value| (value * STEPS).fract() == 0.0)
}

/// How many rows carry the mark.
#[must_use]
pub fn count_marked(rows: &[[f64; N_FEATURES]]) -> u64 {
    rows.iter().filter(|row| is_marked(row)).count() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers_and_zeros_are_not_taken_for_synthetic() {
        assert!(!is_marked(&[0.0; N_FEATURES]));
        assert!(!is_marked(&[7.0; N_FEATURES]));
        assert!(!is_marked(&[f64::NAN; N_FEATURES]));
    }

    proptest! {
        #[test]
        fn the_mark_survives_text_and_is_small(
            values in prop::collection::vec(-1000.0..1000.0, N_FEATURES)
        ) {
            let before: [f64; N_FEATURES] = values.try_into().unwrap();
            let mut row = before;
            mark(&mut row);
            let text: Vec<String> = row.iter().map(f64::to_string).collect();
            let read: Vec<f64> = text.iter().map(|value| value.parse().unwrap()).collect();
            prop_assert!(is_marked(&read.try_into().unwrap()));
            for (a, b) in before.iter().zip(&row) {
                prop_assert!((a - b).abs() < 1e-6);
            }
        }
    }
}
