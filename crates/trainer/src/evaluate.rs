//! A model on labelled rows: probabilities, ranking, measures.

use fraud_core::measures::{ConfusionCounts, Evaluation, Ranking, ReliabilityBin, calibration};
use fraud_core::{LogisticModel, N_FEATURES, Threshold};
use rayon::prelude::*;

/// Probabilities of some rows beside their labels, sorted once.
#[derive(Debug, Clone)]
pub struct Scored {
    labels: Vec<bool>,
    probabilities: Vec<f64>,
    ranking: Ranking,
}

impl Scored {
    /// Scores the rows at the positions `index` of a table of n × 30 values and n labels.
    ///
    /// # Errors
    ///
    /// If `index` is empty.
    pub fn new(
        model: &LogisticModel,
        values: &[[f64; N_FEATURES]],
        labels: &[bool],
        index: &[u32],
    ) -> anyhow::Result<Self> {
        let probabilities: Vec<f64> = index
            .par_iter()
            .with_min_len(4_096)
            .map(|&row| {
                let mut probability = [0.0];
                let row = row as usize;
                model.predict_proba_rows(&values[row..=row], &mut probability);
                probability[0]
            })
            .collect();
        let labels: Vec<bool> = index.iter().map(|&row| labels[row as usize]).collect();
        let ranking = Ranking::new(&labels, &probabilities)?;
        Ok(Self { labels, probabilities, ranking })
    }

    /// The rows by falling probability.
    #[must_use]
    pub const fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// All measures, with the bootstrap interval of the average precision from `replicates` samples
    /// (none for 0).
    ///
    /// # Errors
    ///
    /// Does not happen for probabilities of a model.
    pub fn evaluate(
        &self,
        threshold: Threshold,
        replicates: u32,
        seed: u64,
    ) -> anyhow::Result<Evaluation> {
        let evaluation =
            Evaluation::new(&self.labels, &self.probabilities, &self.ranking, threshold.value())?;
        Ok(evaluation.with_interval(&self.ranking, replicates, seed))
    }

    /// Ten bins of the reliability diagram.
    ///
    /// # Errors
    ///
    /// Does not happen for probabilities of a model.
    pub fn reliability(&self) -> anyhow::Result<Vec<ReliabilityBin>> {
        Ok(calibration::reliability(&self.labels, &self.probabilities, 10)?)
    }

    /// Right and wrong decisions at a threshold.
    ///
    /// # Errors
    ///
    /// Does not happen for probabilities of a model.
    pub fn confusion(&self, threshold: Threshold) -> anyhow::Result<ConfusionCounts> {
        Ok(ConfusionCounts::at(&self.labels, &self.probabilities, threshold.value())?)
    }
}
