//! All that a trained model is reported with, under the names that scikit-learn users expect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ConfusionCounts, MeasureError, Ranking, brier_score, expected_calibration_error, log_loss,
};

/// Thresholds that every evaluation lists, highest first.
pub const REPORTED_THRESHOLDS: [f64; 5] = [0.9, 0.7, 0.5, 0.3, 0.1];

/// The measures of one model on one set of rows; the flat object of `metrics.json`.
///
/// `None` (JSON `null`) where a measure needs a class that the rows do not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Rows measured.
    pub rows: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// Area under the precision–recall curve, step definition; in [0, 1].
    pub average_precision: Option<f64>,
    /// Lower end of its 95 % bootstrap interval, if one was asked for.
    pub average_precision_lower_95: Option<f64>,
    /// Upper end of its 95 % bootstrap interval, if one was asked for.
    pub average_precision_upper_95: Option<f64>,
    /// Area under the ROC curve; in [0, 1].
    pub roc_auc: Option<f64>,
    /// Mean negative log-likelihood, nats a row.
    pub log_loss: f64,
    /// Mean squared error of the probability.
    pub brier_score: f64,
    /// Expected calibration error over ten bins of equal width.
    pub expected_calibration_error_10_uniform_bins: f64,
    /// Recall where 1 % of the legitimate rows raise an alert.
    pub recall_at_fpr_0_01: Option<f64>,
    /// Recall where 0.1 % of the legitimate rows raise an alert.
    pub recall_at_fpr_0_001: Option<f64>,
    /// Share of frauds among the 100 rows of highest score.
    pub precision_at_top_100: f64,
    /// Share of all frauds among the 100 rows of highest score.
    pub recall_at_top_100: Option<f64>,
    /// Counts and ratios at each threshold; the key is the threshold as written ("0.9").
    pub at_threshold: BTreeMap<String, ThresholdMeasures>,
}

/// Counts and ratios at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThresholdMeasures {
    /// Legitimate rows below the threshold.
    pub tn: u64,
    /// Legitimate rows at or above it.
    pub fp: u64,
    /// Frauds below it.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// Frauds at or above it.
    pub tp: u64,
    /// `tp / (tp + fp)`
    pub precision: f64,
    /// `tp / (tp + fn)`
    pub recall: f64,
    /// `2 tp / (2 tp + fp + fn)`
    pub f1: f64,
    /// `tn / (tn + fp)`
    pub specificity: f64,
}

impl From<ConfusionCounts> for ThresholdMeasures {
    fn from(counts: ConfusionCounts) -> Self {
        Self {
            tn: counts.true_negatives,
            fp: counts.false_positives,
            fn_: counts.false_negatives,
            tp: counts.true_positives,
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
            specificity: counts.specificity(),
        }
    }
}

impl Evaluation {
    /// Measures n probabilities against n labels, at [`REPORTED_THRESHOLDS`] and at `threshold`.
    ///
    /// The bootstrap interval is left out; [`Self::with_interval`] adds it.
    ///
    /// # Errors
    ///
    /// If there are no rows, not one probability a label, or a value outside [0, 1].
    pub fn new(
        labels: &[bool],
        probabilities: &[f64],
        ranking: &Ranking,
        threshold: f64,
    ) -> Result<Self, MeasureError> {
        let at_threshold = REPORTED_THRESHOLDS
            .into_iter()
            .chain([threshold])
            .map(|t| {
                let counts = ConfusionCounts::at(labels, probabilities, t)?;
                Ok((t.to_string(), ThresholdMeasures::from(counts)))
            })
            .collect::<Result<_, MeasureError>>()?;
        Ok(Self {
            rows: labels.len() as u64,
            frauds: ranking.positives(),
            average_precision: ranking.average_precision(),
            average_precision_lower_95: None,
            average_precision_upper_95: None,
            roc_auc: ranking.roc_auc(),
            log_loss: log_loss(labels, probabilities)?,
            brier_score: brier_score(labels, probabilities)?,
            expected_calibration_error_10_uniform_bins: expected_calibration_error(
                labels,
                probabilities,
                10,
            )?,
            recall_at_fpr_0_01: ranking.recall_at_fpr(0.01),
            recall_at_fpr_0_001: ranking.recall_at_fpr(0.001),
            precision_at_top_100: ranking.precision_at_top(100),
            recall_at_top_100: ranking.recall_at_top(100),
            at_threshold,
        })
    }

    /// Adds the 95 % stratified bootstrap interval of the average precision.
    #[must_use]
    pub fn with_interval(mut self, ranking: &Ranking, replicates: u32, seed: u64) -> Self {
        let interval = ranking.average_precision_interval(replicates, 0.95, seed);
        self.average_precision_lower_95 = interval.map(|interval| interval.lower);
        self.average_precision_upper_95 = interval.map(|interval| interval.upper);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_gives_null_not_nan() {
        let (labels, probabilities) = ([false, false], [0.2, 0.95]);
        let ranking = Ranking::new(&labels, &probabilities).unwrap();
        let evaluation = Evaluation::new(&labels, &probabilities, &ranking, 0.25).unwrap();
        let json = serde_json::to_value(&evaluation).unwrap();
        assert!(json["average_precision"].is_null());
        assert_eq!(json["at_threshold"]["0.9"]["fp"], 1);
        assert_eq!(json["at_threshold"]["0.25"]["fn"], 0);
        assert_eq!(serde_json::from_value::<Evaluation>(json).unwrap(), evaluation);
    }
}
