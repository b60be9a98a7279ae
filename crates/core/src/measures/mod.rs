//! Evaluation measures for rare positives.
//!
//! Measures that need only an order of the rows (curves, areas, top k) are methods of
//! [`Ranking`], which sorts once. Measures of the probabilities themselves are functions in
//! [`calibration`], counts at a threshold are [`ConfusionCounts`], and [`Evaluation`] has all that
//! a trained model is reported with, under the names that scikit-learn users expect.
//!
//! Defined behaviour at the edges: empty input is [`MeasureError::Empty`]; a measure that needs a
//! class that is not there is `None` (JSON `null`), never NaN; a ratio with nothing below the line
//! at a threshold (no alert, no fraud) is 0, as scikit-learn's `zero_division=0`; rows of equal score
//! are one step of a curve.
//!
//! ```
//! use fraud_core::measures::{ConfusionCounts, Ranking};
//!
//! // scikit-learn's own example for average precision.
//! let labels = [false, false, true, true];
//! let scores = [0.1, 0.4, 0.35, 0.8];
//! let ranking = Ranking::new(&labels, &scores)?;
//! assert!((ranking.average_precision().unwrap() - 0.8333333333333333).abs() < 1e-15);
//! assert_eq!(ranking.roc_auc(), Some(0.75));
//!
//! let counts = ConfusionCounts::at(&labels, &scores, 0.35)?;
//! assert_eq!((counts.true_positives, counts.false_positives), (2, 1));
//! # Ok::<(), fraud_core::measures::MeasureError>(())
//! ```

mod bootstrap;
pub mod calibration;
mod confusion;
mod evaluation;
mod ranking;

pub use bootstrap::{Interval, quantile};
pub use calibration::{ReliabilityBin, brier_score, expected_calibration_error, log_loss};
pub use confusion::ConfusionCounts;
pub use evaluation::{Evaluation, REPORTED_THRESHOLDS, ThresholdMeasures};
pub use ranking::{PrPoint, Ranking, RocPoint};

/// Why labels and scores cannot be measured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// No rows.
    #[error("there are no rows to measure")]
    Empty,
    /// Not one score for each label.
    #[error("expected one score for each label, got {labels} labels and {scores} scores")]
    Length {
        /// Number of labels.
        labels: usize,
        /// Number of scores.
        scores: usize,
    },
    /// NaN or an infinity among the scores.
    #[error("score {value} in row {row} (from 0), expected a finite number")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// A score outside [0, 1] where a probability is needed.
    #[error("score {value} in row {row} (from 0), expected a probability from 0 to 1")]
    NotAProbability {
        /// Row, from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
}

fn check_lengths(labels: &[bool], scores: &[f64]) -> Result<(), MeasureError> {
    if labels.len() != scores.len() {
        return Err(MeasureError::Length { labels: labels.len(), scores: scores.len() });
    }
    if labels.is_empty() { Err(MeasureError::Empty) } else { Ok(()) }
}

/// `a / b` for counts, `None` if `b` is 0.
fn ratio(a: u64, b: u64) -> Option<f64> {
    (b > 0).then(|| a as f64 / b as f64)
}
