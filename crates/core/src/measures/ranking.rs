//! Measures that depend on the order of the scores alone.

use super::{MeasureError, check_lengths, ratio};

/// Rows sorted by falling score, rows of equal score together.
///
/// Building it costs the one sort; each measure is then a pass over the distinct scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// One step for each distinct score, highest first.
    steps: Vec<Step>,
    positives: u64,
    negatives: u64,
}

/// All rows with one score, and how many rows have at least this score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) score: f64,
    /// Frauds with this score or a higher one.
    pub(super) true_positives: u64,
    /// Legitimate rows with this score or a higher one.
    pub(super) false_positives: u64,
}

/// A point of the precision–recall curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrPoint {
    /// Rows with at least this score are called fraud.
    pub threshold: f64,
    /// Share of alerts that are fraud.
    pub precision: f64,
    /// Share of frauds that raise an alert.
    pub recall: f64,
    /// Rows that raise an alert: those with at least this score.
    pub alerts: u64,
}

/// A point of the receiver operating characteristic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// Rows with at least this score are called fraud; infinite at the origin.
    pub threshold: f64,
    /// Share of legitimate rows that raise an alert.
    pub false_positive_rate: f64,
    /// Share of frauds that raise an alert.
    pub true_positive_rate: f64,
}

impl Ranking {
    /// Sorts n rows by falling score. A score may be any finite number, a probability or not.
    ///
    /// # Errors
    ///
    /// If there are no rows, not one score a label, or a score is not finite.
    pub fn new(labels: &[bool], scores: &[f64]) -> Result<Self, MeasureError> {
        check_lengths(labels, scores)?;
        if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
            return Err(MeasureError::NotFinite { row, value: scores[row] });
        }
        let mut rows: Vec<(f64, bool)> =
            scores.iter().copied().zip(labels.iter().copied()).collect();
        // Finite, so that total_cmp is the usual order but for the zeros; equality below joins those.
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));

        let mut steps: Vec<Step> = Vec::new();
        let (mut true_positives, mut false_positives) = (0, 0);
        for (score, fraud) in rows {
            if fraud {
                true_positives += 1;
            } else {
                false_positives += 1;
            }
            let step = Step { score, true_positives, false_positives };
            match steps.last_mut() {
                Some(last) if last.score == score => *last = step,
                _ => steps.push(step),
            }
        }
        Ok(Self { steps, positives: true_positives, negatives: false_positives })
    }

    /// Number of frauds.
    #[must_use]
    pub const fn positives(&self) -> u64 {
        self.positives
    }

    /// Number of legitimate rows.
    #[must_use]
    pub const fn negatives(&self) -> u64 {
        self.negatives
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The precision–recall curve: one point for each distinct score, highest first, so that recall
    /// never falls. Empty if there is no fraud.
    ///
    /// As scikit-learn's `precision_recall_curve` read backwards, without its closing point
    /// (recall 0, precision 1), which no threshold attains.
    #[must_use]
    pub fn pr_curve(&self) -> Vec<PrPoint> {
        if self.positives == 0 {
            return Vec::new();
        }
        self.steps
            .iter()
            .map(|step| {
                let alerts = step.true_positives + step.false_positives;
                PrPoint {
                    threshold: step.score,
                    precision: step.true_positives as f64 / alerts as f64,
                    recall: step.true_positives as f64 / self.positives as f64,
                    alerts,
                }
            })
            .collect()
    }

    /// Average precision `Σ (Rₙ − Rₙ₋₁) Pₙ` over the distinct scores, in [0, 1]; `None` without a
    /// fraud.
    ///
    /// scikit-learn's step definition (`average_precision_score`): no interpolation, which would be
    /// too optimistic (Davis and Goadrich, 2006).
    #[must_use]
    pub fn average_precision(&self) -> Option<f64> {
        average_precision_of(
            self.steps.iter().map(|step| (step.true_positives, step.false_positives)),
            self.positives,
        )
    }

    /// The ROC curve from (0, 0) to (1, 1): the origin and one point for each distinct score. Empty
    /// if a class is missing.
    #[must_use]
    pub fn roc_curve(&self) -> Vec<RocPoint> {
        if self.positives == 0 || self.negatives == 0 {
            return Vec::new();
        }
        let origin = RocPoint {
            threshold: f64::INFINITY,
            false_positive_rate: 0.0,
            true_positive_rate: 0.0,
        };
        std::iter::once(origin)
            .chain(self.steps.iter().map(|step| RocPoint {
                threshold: step.score,
                false_positive_rate: step.false_positives as f64 / self.negatives as f64,
                true_positive_rate: step.true_positives as f64 / self.positives as f64,
            }))
            .collect()
    }

    /// Area under the ROC curve by the trapezoidal rule, in [0, 1]; `None` if a class is missing.
    ///
    /// It is the probability that a fraud scores above a legitimate row, ties counted half (Hanley
    /// and McNeil, 1982); computed in whole numbers, so exact but for the last division.
    #[must_use]
    pub fn roc_auc(&self) -> Option<f64> {
        let mut twice_area: u128 = 0;
        let (mut previous_tp, mut previous_fp) = (0, 0);
        for step in &self.steps {
            let width = u128::from(step.false_positives - previous_fp);
            twice_area += width * u128::from(step.true_positives + previous_tp);
            (previous_tp, previous_fp) = (step.true_positives, step.false_positives);
        }
        let pairs = u128::from(self.positives) * u128::from(self.negatives);
        (pairs > 0).then(|| twice_area as f64 / (2 * pairs) as f64)
    }

    /// Share of frauds caught when `false_positive_rate` of the legitimate rows may raise an alert;
    /// `None` if a class is missing.
    ///
    /// Linear interpolation of the ROC curve, as `numpy.interp` over scikit-learn's `roc_curve`;
    /// where the curve is vertical, its upper end.
    #[must_use]
    pub fn recall_at_fpr(&self, false_positive_rate: f64) -> Option<f64> {
        if self.positives == 0 || self.negatives == 0 {
            return None;
        }
        let at = |step: &Step| {
            (
                step.false_positives as f64 / self.negatives as f64,
                step.true_positives as f64 / self.positives as f64,
            )
        };
        let beyond = self.steps.partition_point(|step| at(step).0 <= false_positive_rate);
        let (left_fpr, left_tpr) =
            if beyond == 0 { (0.0, 0.0) } else { at(&self.steps[beyond - 1]) };
        let Some(right) = self.steps.get(beyond) else { return Some(left_tpr) };
        let (right_fpr, right_tpr) = at(right);
        let share = (false_positive_rate - left_fpr) / (right_fpr - left_fpr);
        Some(left_tpr + share.max(0.0) * (right_tpr - left_tpr))
    }

    /// Frauds expected among the `k` rows of highest score (all rows if there are fewer).
    ///
    /// Where rows of equal score straddle the cut, each of them is taken with equal probability, and
    /// this is the mean: it does not depend on the order of the rows in the file.
    fn expected_frauds_in_top(&self, k: u64) -> f64 {
        let mut before = (0, 0);
        for step in &self.steps {
            let (rows_before, frauds_before) = before;
            let rows = step.true_positives + step.false_positives;
            if rows >= k {
                let share = (k - rows_before) as f64 / (rows - rows_before) as f64;
                return frauds_before as f64 + share * (step.true_positives - frauds_before) as f64;
            }
            before = (rows, step.true_positives);
        }
        self.positives as f64
    }

    /// Share of frauds among the `k` rows of highest score, in [0, 1]; 0 for `k` = 0. With fewer
    /// than `k` rows, among all of them.
    #[must_use]
    pub fn precision_at_top(&self, k: u64) -> f64 {
        let k = k.min(self.positives + self.negatives);
        if k == 0 { 0.0 } else { self.expected_frauds_in_top(k) / k as f64 }
    }

    /// Share of all frauds that are among the `k` rows of highest score; `None` without a fraud.
    #[must_use]
    pub fn recall_at_top(&self, k: u64) -> Option<f64> {
        (self.positives > 0).then(|| self.expected_frauds_in_top(k) / self.positives as f64)
    }
}

/// Average precision of cumulative (true positive, false positive) counts, highest score first.
pub(super) fn average_precision_of(
    cumulative: impl Iterator<Item = (u64, u64)>,
    positives: u64,
) -> Option<f64> {
    let mut sum = 0.0;
    let mut previous = 0;
    for (true_positives, false_positives) in cumulative {
        if true_positives > previous {
            let precision = true_positives as f64 / (true_positives + false_positives) as f64;
            sum += (true_positives - previous) as f64 * precision;
            previous = true_positives;
        }
    }
    ratio(1, positives).map(|share| sum * share)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// scikit-learn 1.9 on the same rows: `roc_auc_score`, `average_precision_score`.
    #[test]
    fn ties_are_one_step() {
        let labels = [true, false, true, false, false, true];
        let scores = [0.8, 0.8, 0.8, 0.3, 0.3, 0.3];
        let ranking = Ranking::new(&labels, &scores).unwrap();
        // AUC by hand: 9 pairs; 0.8-frauds beat two 0.3-rows and tie with one: 2 × 2.5; the 0.3-fraud
        // ties with two: 1; 6 / 9.
        assert_eq!(ranking.roc_auc(), Some(6.0 / 9.0));
        // Steps: recall 2/3 at precision 2/3, then recall 1 at precision 1/2.
        let expected = 2.0 / 3.0 * 2.0 / 3.0 + 1.0 / 3.0 * 0.5;
        assert!((ranking.average_precision().unwrap() - expected).abs() < 1e-15);
        assert_eq!(ranking.pr_curve().len(), 2);
        assert_eq!(ranking.roc_curve().len(), 3);
    }

    #[test]
    fn top_k_shares_a_tie_at_the_cut() {
        let labels = [true, false, true, false];
        let scores = [0.9, 0.5, 0.5, 0.5];
        let ranking = Ranking::new(&labels, &scores).unwrap();
        // One sure fraud and one of three tied rows, of which one is a fraud: half of 1 + 1/3.
        assert!((ranking.precision_at_top(2) - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(ranking.recall_at_top(1), Some(0.5));
        assert_eq!(ranking.recall_at_top(100), Some(1.0));
        assert_eq!(ranking.precision_at_top(100), 0.5);
        assert_eq!(ranking.precision_at_top(0), 0.0);
    }

    #[test]
    fn recall_at_fpr_interpolates_and_takes_the_upper_end_of_a_rise() {
        // ROC: (0,0) (0,½) (½,½) (½,1) (1,1)
        let ranking = Ranking::new(&[true, false, true, false], &[0.9, 0.8, 0.7, 0.6]).unwrap();
        assert_eq!(ranking.recall_at_fpr(0.0), Some(0.5));
        assert_eq!(ranking.recall_at_fpr(0.25), Some(0.5));
        assert_eq!(ranking.recall_at_fpr(0.5), Some(1.0));
        assert_eq!(ranking.recall_at_fpr(1.0), Some(1.0));
        // All tied: the diagonal.
        let tied = Ranking::new(&[true, false], &[0.5, 0.5]).unwrap();
        assert_eq!(tied.recall_at_fpr(0.3), Some(0.3));
    }

    #[test]
    fn one_class_only_has_no_areas() {
        let legitimate = Ranking::new(&[false, false], &[0.1, 0.2]).unwrap();
        assert_eq!(legitimate.average_precision(), None);
        assert_eq!(legitimate.roc_auc(), None);
        assert_eq!(legitimate.recall_at_top(1), None);
        assert!(legitimate.pr_curve().is_empty() && legitimate.roc_curve().is_empty());
        let fraud = Ranking::new(&[true], &[0.1]).unwrap();
        assert_eq!(fraud.average_precision(), Some(1.0));
        assert_eq!(fraud.roc_auc(), None);
        assert_eq!(fraud.recall_at_fpr(0.01), None);
    }

    #[test]
    fn empty_input_is_an_error_and_zeros_of_both_signs_are_equal() {
        assert_eq!(Ranking::new(&[], &[]), Err(MeasureError::Empty));
        assert!(Ranking::new(&[true], &[f64::NAN]).is_err());
        let zeros = Ranking::new(&[true, false], &[0.0, -0.0]).unwrap();
        assert_eq!(zeros.roc_auc(), Some(0.5));
    }

    proptest! {
        /// The definition itself: every pair of a fraud and a legitimate row.
        #[test]
        fn auc_is_the_share_of_ordered_pairs(
            rows in prop::collection::vec((any::<bool>(), 0_i32..6), 1..60)
        ) {
            let labels: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for fraud in rows.iter().filter(|row| row.0) {
                for legitimate in rows.iter().filter(|row| !row.0) {
                    pairs += 1.0;
                    won += match fraud.1.cmp(&legitimate.1) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            let auc = Ranking::new(&labels, &scores).unwrap().roc_auc();
            prop_assert_eq!(auc, (pairs > 0.0).then(|| won / pairs));
        }
    }
}
