//! Rows that are there more than once.

use fraud_core::N_FEATURES;
use sha2::{Digest, Sha256};

/// Rows that repeat an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duplicates {
    /// Rows that equal an earlier row in all features and the label (pandas'
    /// `DataFrame.duplicated().sum()`).
    pub rows: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// Combinations of 30 values that occur both as legitimate and as fraud.
    pub contradictions: u64,
}

/// 128 bits that stand for the features of a row: SHA-256 cut short, so that two rows meet neither by
/// chance nor by intent. Zeros of both signs are equal, as are all kinds of NaN.
pub(super) fn fingerprint(row: &[f64; N_FEATURES]) -> u128 {
    let mut bytes = [0; 8 * N_FEATURES];
    for (slot, value) in bytes.chunks_exact_mut(8).zip(row) {
        let canonical = if value.is_nan() { f64::NAN } else { value + 0.0 };
        slot.copy_from_slice(&canonical.to_bits().to_le_bytes());
    }
    Sha256::digest(bytes).iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

impl Duplicates {
    /// Counts over rows given as fingerprint and label, which it sorts.
    pub(super) fn count(mut rows: Vec<(u128, bool)>) -> Self {
        rows.sort_unstable();
        let mut found = Self::default();
        for pair in rows.windows(2) {
            let ((before, fraud_before), (this, fraud)) = (pair[0], pair[1]);
            if before == this && fraud_before == fraud {
                found.rows += 1;
                found.frauds += u64::from(fraud);
            } else if before == this {
                found.contradictions += 1;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_and_contradictions_are_counted() {
        let row = |value: f64| fingerprint(&[value; N_FEATURES]);
        let rows = vec![
            (row(1.0), false),
            (row(2.0), true),
            (row(1.0), false),
            (row(1.0), false),
            (row(2.0), true),
            (row(1.0), true),
            (row(3.0), false),
        ];
        assert_eq!(Duplicates::count(rows), Duplicates { rows: 3, frauds: 1, contradictions: 1 });
        assert_eq!(Duplicates::count(Vec::new()), Duplicates::default());
    }

    #[test]
    fn zeros_and_gaps_of_every_kind_are_equal() {
        let row = |value: f64| fingerprint(&[value; N_FEATURES]);
        assert_eq!(row(0.0), row(-0.0));
        assert_eq!(row(f64::NAN), row(-f64::NAN));
        assert_ne!(row(1.0), row(f64::from_bits(1.0_f64.to_bits() + 1)));
    }
}
