//! From labelled rows to a model with its threshold, its measures and its provenance.

use std::fmt::Write as _;

use anyhow::Context;
use fraud_core::measures::Evaluation;
use fraud_core::{ModelArtifact, Provenance, ScoredExample};
use sha2::{Digest, Sha256};

use crate::dataset::Dataset;
use crate::evaluate::Scored;
use crate::fit::{Fit, Parameters, Rows, Step, ValidParameters};
use crate::split::{Split, SplitError, SplitMethod, split};
use crate::threshold_rule::ThresholdRule;

/// Where the validation rows come from.
#[derive(Debug, Clone)]
pub enum Validation {
    /// A share of the training data, put aside.
    Aside {
        /// How rows are chosen.
        method: SplitMethod,
        /// Share of the rows, between 0 and 1.
        fraction: f64,
    },
    /// Data of its own.
    Explicit(Dataset),
}

/// What a training is told, unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingConfig {
    /// Settings of the fit.
    pub parameters: Parameters,
    /// How the threshold is chosen.
    pub threshold: ThresholdRule,
    /// Seed of the split and the bootstrap.
    pub seed: u64,
    /// Samples of the bootstrap interval; 0 for none.
    pub bootstrap: u32,
    /// Whether the final coefficients are fitted to training and validation rows together. Measures
    /// and threshold stay those of the fit that has not seen the validation rows.
    pub refit: bool,
}

/// A training that may start; see [`TrainingConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct ValidTrainingConfig {
    config: TrainingConfig,
    parameters: ValidParameters,
}

impl TrainingConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of its range.
    pub fn validate(self) -> anyhow::Result<ValidTrainingConfig> {
        let parameters = self.parameters.clone().validate()?;
        Ok(ValidTrainingConfig { config: self, parameters })
    }
}

/// The result of a training.
#[derive(Debug, Clone)]
pub struct Training {
    /// The model with its threshold and provenance.
    pub artifact: ModelArtifact,
    /// Measures on the validation rows.
    pub evaluation: Evaluation,
    /// The validation rows as scored by the model that was measured.
    pub scored: Scored,
    /// Digest of the validation rows, 32 hexadecimal digits: measures of two models can be compared
    /// if it is the same.
    pub validation_digest: String,
    /// Measures of another model on the same rows, at its own threshold, if one was given.
    pub baseline: Option<Evaluation>,
    /// The way of the solver in the fit that was measured.
    pub path: Vec<Step>,
}

impl ValidTrainingConfig {
    /// Splits, fits, measures. `created_at` is the time that the provenance states, RFC 3339;
    /// `baseline` is measured on the same validation rows.
    ///
    /// # Errors
    ///
    /// If the rows cannot be split, the solver does not converge, or no threshold satisfies the rule.
    pub fn train(
        &self,
        mut data: Dataset,
        validation: Validation,
        created_at: String,
        baseline: Option<&ModelArtifact>,
    ) -> anyhow::Result<Training> {
        let config = &self.config;
        let (split, method) = match validation {
            Validation::Aside { method, fraction } => {
                let split = split(&data.rows, &data.labels, method, fraction, config.seed)?;
                (split, format!("{method} {fraction}"))
            }
            Validation::Explicit(rows) => {
                let start = data.rows.len();
                data.extend(rows);
                let count = u32::try_from(data.rows.len())
                    .map_err(|_| SplitError::TooMany(data.rows.len()))?;
                // The whole fits, so a part of it does.
                let start = u32::try_from(start).unwrap_or(count);
                let split =
                    Split { training: (0..start).collect(), validation: (start..count).collect() };
                (split, "explicit".to_owned())
            }
        };
        tracing::info!(
            "fitting to {} rows, measuring on {}",
            split.training.len(),
            split.validation.len()
        );
        let measured = self.fit(&data, &split.training).context("cannot fit")?;
        let scored = Scored::new(&measured.model, &data.rows, &data.labels, &split.validation)
            .context("cannot measure")?;
        let threshold = config.threshold.choose(scored.ranking())?;
        let evaluation = scored.evaluate(threshold, config.bootstrap, config.seed)?;
        let baseline =
            baseline
                .map(|other| {
                    Scored::new(&other.model, &data.rows, &data.labels, &split.validation)?
                        .evaluate(other.threshold, 0, config.seed)
                })
                .transpose()
                .context("cannot measure the model to compare with")?;
        let validation_digest = digest(&data, &split.validation);
        let path = measured.path.clone();

        let (fit, fitted_rows) = if config.refit {
            let mut all = [split.training, split.validation].concat();
            all.sort_unstable();
            (self.fit(&data, &all).context("cannot fit again on all rows")?, all)
        } else {
            (measured, split.training)
        };
        let provenance = Provenance {
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            created_at,
            rows: fitted_rows.len() as u64,
            frauds: Rows::new(&data.rows, &data.labels, &fitted_rows).frauds() as u64,
            synthetic_rows: data.synthetic_rows(),
            data: data.files,
            seed: config.seed,
            split: method,
            refitted_on_all_rows: config.refit,
            solver: config.parameters.solver.to_string(),
            class_weight: config.parameters.class_weight.to_string(),
            l2: config.parameters.l2,
            iterations: fit.iterations,
            gradient_norm: fit.gradient_norm,
            converged: true, // or `fit` is an error
            threshold_rule: config.threshold.to_string(),
            measures: Some(evaluation.clone()),
            examples: ScoredExample::of(&fit.model),
        };
        let artifact = ModelArtifact { model: fit.model, threshold, provenance };
        Ok(Training { artifact, evaluation, scored, validation_digest, baseline, path })
    }

    fn fit(&self, data: &Dataset, index: &[u32]) -> Result<Fit, crate::fit::FitError> {
        self.parameters.fit(Rows::new(&data.rows, &data.labels, index))
    }
}

/// First half of the SHA-256 over the values and labels of some rows, in their order.
fn digest(data: &Dataset, index: &[u32]) -> String {
    let mut hash = Sha256::new();
    for &row in index {
        for value in &data.rows[row as usize] {
            hash.update(value.to_le_bytes());
        }
        hash.update([u8::from(data.labels[row as usize])]);
    }
    hash.finalize()[..16].iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
