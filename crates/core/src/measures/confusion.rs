//! Counts of right and wrong decisions at a threshold, and the ratios made of them.

use super::{MeasureError, check_lengths, ratio};

/// Rows by label and decision. "Positive" is fraud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConfusionCounts {
    /// Legitimate rows below the threshold.
    pub true_negatives: u64,
    /// Legitimate rows at or above it: false alarms.
    pub false_positives: u64,
    /// Frauds below it: missed.
    pub false_negatives: u64,
    /// Frauds at or above it: caught.
    pub true_positives: u64,
}

impl ConfusionCounts {
    /// Counts the decisions `score ≥ threshold` over n rows.
    ///
    /// # Errors
    ///
    /// If there are no rows, not one score a label, or a score is not finite.
    pub fn at(labels: &[bool], scores: &[f64], threshold: f64) -> Result<Self, MeasureError> {
        check_lengths(labels, scores)?;
        let mut counts = Self::default();
        for (row, (&fraud, &score)) in labels.iter().zip(scores).enumerate() {
            if !score.is_finite() {
                return Err(MeasureError::NotFinite { row, value: score });
            }
            match (fraud, score >= threshold) {
                (false, false) => counts.true_negatives += 1,
                (false, true) => counts.false_positives += 1,
                (true, false) => counts.false_negatives += 1,
                (true, true) => counts.true_positives += 1,
            }
        }
        Ok(counts)
    }

    /// Share of alerts that are fraud, `tp / (tp + fp)`; 0 without an alert.
    #[must_use]
    pub fn precision(&self) -> f64 {
        ratio(self.true_positives, self.alerts()).unwrap_or(0.0)
    }

    /// Share of frauds that raise an alert, `tp / (tp + fn)`; 0 without a fraud.
    #[must_use]
    pub fn recall(&self) -> f64 {
        ratio(self.true_positives, self.true_positives + self.false_negatives).unwrap_or(0.0)
    }

    /// Harmonic mean of precision and recall, `2 tp / (2 tp + fp + fn)`; 0 without fraud and alert.
    #[must_use]
    pub fn f1(&self) -> f64 {
        let twice = 2 * self.true_positives;
        ratio(twice, twice + self.false_positives + self.false_negatives).unwrap_or(0.0)
    }

    /// Share of legitimate rows without an alert, `tn / (tn + fp)`; 0 without a legitimate row.
    #[must_use]
    pub fn specificity(&self) -> f64 {
        ratio(self.true_negatives, self.true_negatives + self.false_positives).unwrap_or(0.0)
    }

    /// Rows at or above the threshold.
    #[must_use]
    pub const fn alerts(&self) -> u64 {
        self.true_positives + self.false_positives
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ratios_by_hand() {
        // Scores at the threshold alert: 0.5 ≥ 0.5. tp 2, fp 1, fn 1, tn 1.
        let labels = [true, true, true, false, false];
        let scores = [0.9, 0.5, 0.2, 0.7, 0.1];
        let counts = ConfusionCounts::at(&labels, &scores, 0.5).unwrap();
        assert_eq!(
            counts,
            ConfusionCounts {
                true_negatives: 1,
                false_positives: 1,
                false_negatives: 1,
                true_positives: 2
            }
        );
        assert_eq!(counts.precision(), 2.0 / 3.0);
        assert_eq!(counts.recall(), 2.0 / 3.0);
        assert_eq!(counts.f1(), 4.0 / 6.0);
        assert_eq!(counts.specificity(), 0.5);
    }

    #[test]
    fn ratios_without_anything_below_the_line_are_zero() {
        let none = ConfusionCounts::at(&[false, false], &[0.1, 0.2], 0.5).unwrap();
        assert_eq!((none.precision(), none.recall(), none.f1()), (0.0, 0.0, 0.0));
        assert_eq!(none.specificity(), 1.0);
        let all = ConfusionCounts::at(&[true], &[0.9], 0.5).unwrap();
        assert_eq!((all.recall(), all.specificity()), (1.0, 0.0));
    }

    #[test]
    fn empty_and_unequal_input_are_errors() {
        assert_eq!(ConfusionCounts::at(&[], &[], 0.5), Err(MeasureError::Empty));
        assert_eq!(
            ConfusionCounts::at(&[true], &[], 0.5).unwrap_err().to_string(),
            "expected one score for each label, got 1 labels and 0 scores"
        );
        assert!(ConfusionCounts::at(&[true], &[f64::NAN], 0.5).is_err());
    }
}
