//! `model.json`: the whole model as one human-readable, versioned file.
//!
//! ```json
//! {
//!   "format": "fraud-logistic/1",
//!   "features": ["Time", "V1", …, "V28", "Amount"],
//!   "scaler": { "mean": [30 numbers], "scale": [30 numbers > 0] },
//!   "coefficients": [30 numbers],
//!   "intercept": -3.2,
//!   "threshold": 0.9,
//!   "digest": "sha256:…",
//!   "provenance": { … }
//! }
//! ```
//!
//! Loading refuses, with the reason: another format, other names or another order of the features,
//! wrong lengths, numbers that are not finite, scales that are not positive, a threshold outside
//! [0, 1], and numbers that are not those that the digest was made of (a file edited by hand or by
//! accident). `digest` and `provenance` may be absent in a file made by other means. Numbers survive
//! the file to the last bit.
//!
//! ```
//! use fraud_core::{LogisticModel, ModelArtifact, Provenance, StandardScaler, Threshold, N_FEATURES};
//!
//! let scaler = StandardScaler::new([0.1; N_FEATURES], [0.3; N_FEATURES])?;
//! let artifact = ModelArtifact {
//!     model: LogisticModel::new(scaler, [0.7; N_FEATURES], -3.0)?,
//!     threshold: Threshold::new(0.9)?,
//!     provenance: Provenance::default(),
//! };
//! let json = artifact.to_json();
//! assert_eq!(ModelArtifact::from_json(&json)?, artifact);
//!
//! let edited = json.replace("\"threshold\": 0.9", "\"threshold\": 0.8");
//! let error = ModelArtifact::from_json(&edited).unwrap_err();
//! assert!(error.to_string().starts_with("the numbers do not match the digest"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::measures::Evaluation;
use crate::model::{LogisticModel, ModelError, StandardScaler};
use crate::schema::{FEATURES, N_FEATURES};
use crate::threshold::{Threshold, ThresholdError};
use crate::transaction::Transaction;

/// The value of `format` that this version reads and writes.
pub const FORMAT: &str = "fraud-logistic/1";

/// Name of the file in an artifact directory.
pub const MODEL_FILE: &str = "model.json";

/// Largest difference of a stored probability that [`ModelArtifact::self_check`] takes.
const SELF_CHECK: f64 = 1e-12;

/// A model, its threshold and where it came from. All three are valid by construction.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelArtifact {
    /// Scaler and coefficients.
    pub model: LogisticModel,
    /// From which probability on a transaction is called fraud.
    pub threshold: Threshold,
    /// Data, settings and measures of the training.
    pub provenance: Provenance,
}

/// Probability and decision for one transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Probability of fraud in [0, 1].
    pub probability: f64,
    /// Whether it is at or above the model's threshold.
    pub fraud: bool,
}

/// A file that the model was trained or measured on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// File name without its directory.
    pub file: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
    /// Rows in the file.
    pub rows: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// "training", "validation", or "training and validation" for a file that was split.
    pub role: String,
}

/// Where a model came from. Every field has a neutral default, so that a file made by other means
/// loads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Version of the trainer.
    pub crate_version: String,
    /// When the training was started, RFC 3339 in UTC.
    pub created_at: String,
    /// Files in the order in which they were read.
    pub data: Vec<DataFile>,
    /// Rows that the coefficients were fitted on.
    pub rows: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// Rows of all files that carry the mark of [`crate::synthetic`].
    pub synthetic_rows: u64,
    /// Seed of the split and the bootstrap.
    pub seed: u64,
    /// How rows were put aside for validation: "stratified 0.2", "time 0.2", "explicit".
    pub split: String,
    /// Whether the coefficients were fitted again on training and validation rows together, after
    /// the measures were taken.
    pub refitted_on_all_rows: bool,
    /// "newton-cholesky" or "lbfgs".
    pub solver: String,
    /// "balanced", "none", or the weight of a fraud.
    pub class_weight: String,
    /// Strength of the L2 penalty, scikit-learn's 1 / C.
    pub l2: f64,
    /// Iterations of the fit.
    pub iterations: u64,
    /// Largest component of the gradient of the mean weighted loss at the end.
    pub gradient_norm: f64,
    /// Whether that is below the tolerance.
    pub converged: bool,
    /// How the threshold was chosen: "fixed", or the rule.
    pub threshold_rule: String,
    /// Measures on the validation rows.
    pub measures: Option<Evaluation>,
    /// Rows with the probabilities that the trainer computed for them, for
    /// [`ModelArtifact::self_check`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ScoredExample>,
}

/// A row and its probability, as the trainer computed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredExample {
    /// The features in the order of the schema.
    pub transaction: [f64; N_FEATURES],
    /// Probability of fraud in [0, 1].
    pub probability: f64,
}

impl Provenance {
    /// Whether any row came from a generator: reports and pages must then say so.
    #[must_use]
    pub const fn is_synthetic(&self) -> bool {
        self.synthetic_rows > 0
    }
}

impl ScoredExample {
    /// Rows to store with a model: the means of the training rows, and one standard deviation to either
    /// side, each with its probability. They are nobody's transactions.
    #[must_use]
    pub fn of(model: &LogisticModel) -> Vec<Self> {
        [0.0, 1.0, -1.0]
            .into_iter()
            .filter_map(|deviations| {
                let mut row = *model.scaler().mean();
                for ((value, scale), name) in
                    row.iter_mut().zip(model.scaler().scale()).zip(FEATURES)
                {
                    *value += deviations * scale;
                    if matches!(name, "Time" | "Amount") {
                        *value = value.max(0.0);
                    }
                }
                let transaction = Transaction::new(row).ok()?;
                Some(Self { transaction: row, probability: model.predict_proba(&transaction) })
            })
            .collect()
    }
}

/// Why a `model.json` is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The file cannot be read.
    #[error(
        "cannot read the model {path}: {cause}; expected a directory with model.json, or the file"
    )]
    Read {
        /// The path tried.
        path: PathBuf,
        /// What the system said. Part of the message, so not a `source` that would be shown again.
        cause: std::io::Error,
    },
    /// The named file is refused.
    #[error("{path} is not a model: {reason}")]
    File {
        /// The path read.
        path: PathBuf,
        /// Why; part of the message.
        reason: Box<ArtifactError>,
    },
    /// No JSON, cut off, a field missing or of another type.
    #[error("{0}; expected the JSON of {FORMAT}, complete")]
    Json(serde_json::Error),
    /// Another format or version.
    #[error("format is {found:?}, expected {FORMAT:?}")]
    Format {
        /// The format found.
        found: String,
    },
    /// A list that does not have one entry a feature.
    #[error("{field} has {found} entries, expected {N_FEATURES}")]
    Length {
        /// The field's name.
        field: &'static str,
        /// How many entries it has.
        found: usize,
    },
    /// Another feature than the schema has at this place.
    #[error("feature {} is {found:?}, expected {expected:?}: the order of the features is fixed", index + 1)]
    Feature {
        /// Position from 0.
        index: usize,
        /// The name found.
        found: String,
        /// The name of the schema.
        expected: &'static str,
    },
    /// Numbers that are not a model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A threshold outside [0, 1].
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// A stored example does not score as it did in the trainer.
    #[error(
        "example {} scores {computed:e}, the trainer had {stored:e}: this program or machine computes \
         otherwise; expected a difference of at most {SELF_CHECK:e}",
        index + 1
    )]
    SelfCheck {
        /// Position from 0.
        index: usize,
        /// The probability here.
        computed: f64,
        /// The probability in the file.
        stored: f64,
    },
    /// The digest was made of other numbers.
    #[error(
        "the numbers do not match the digest: they make {computed}, the file says {found}; \
         it was changed after it was written: restore it, or train again"
    )]
    Digest {
        /// The digest in the file.
        found: String,
        /// The digest of the numbers in the file.
        computed: String,
    },
}

/// The file as it is written, before any check.
#[derive(Serialize, Deserialize)]
struct ModelFile {
    format: String,
    features: Vec<String>,
    scaler: ScalerFile,
    coefficients: Vec<f64>,
    intercept: f64,
    threshold: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default)]
    provenance: Provenance,
}

#[derive(Serialize, Deserialize)]
struct ScalerFile {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl ModelArtifact {
    /// Reads a model from a directory that holds `model.json`, or from the file itself.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is refused for one of the reasons on the module's page; the
    /// message names the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ArtifactError> {
        let path = path.as_ref();
        let file = if path.is_dir() { path.join(MODEL_FILE) } else { path.to_owned() };
        match std::fs::read_to_string(&file) {
            Ok(json) => Self::from_json(&json)
                .map_err(|reason| ArtifactError::File { path: file, reason: Box::new(reason) }),
            Err(cause) => Err(ArtifactError::Read { path: file, cause }),
        }
    }

    /// Reads a model from the text of a `model.json`.
    ///
    /// # Errors
    ///
    /// If the text is refused for one of the reasons on the module's page.
    pub fn from_json(json: &str) -> Result<Self, ArtifactError> {
        let file: ModelFile = serde_json::from_str(json).map_err(ArtifactError::Json)?;
        if file.format != FORMAT {
            return Err(ArtifactError::Format { found: file.format });
        }
        if file.features.len() != N_FEATURES {
            return Err(ArtifactError::Length { field: "features", found: file.features.len() });
        }
        for (index, (found, expected)) in file.features.into_iter().zip(FEATURES).enumerate() {
            if found != expected {
                return Err(ArtifactError::Feature { index, found, expected });
            }
        }
        let scaler = StandardScaler::new(
            one_a_feature("scaler.mean", file.scaler.mean)?,
            one_a_feature("scaler.scale", file.scaler.scale)?,
        )?;
        let coefficients = one_a_feature("coefficients", file.coefficients)?;
        let artifact = Self {
            model: LogisticModel::new(scaler, coefficients, file.intercept)?,
            threshold: Threshold::new(file.threshold)?,
            provenance: file.provenance,
        };
        match file.digest {
            Some(found) if found != artifact.digest() => {
                Err(ArtifactError::Digest { found, computed: artifact.digest() })
            }
            _ => Ok(artifact),
        }
    }

    /// The text of `model.json`, indented, ending with a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = ModelFile {
            format: FORMAT.to_owned(),
            features: FEATURES.map(str::to_owned).to_vec(),
            scaler: ScalerFile {
                mean: self.model.scaler().mean().to_vec(),
                scale: self.model.scaler().scale().to_vec(),
            },
            coefficients: self.model.coefficients().to_vec(),
            intercept: self.model.intercept(),
            threshold: self.threshold.value(),
            digest: Some(self.digest()),
            provenance: self.provenance.clone(),
        };
        // The types above hold strings, numbers and lists only, and writing to memory cannot fail.
        let mut json = serde_json::to_string_pretty(&file).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Scores the stored examples again, and says how many there are.
    ///
    /// # Errors
    ///
    /// If one is no transaction, or its probability is further than 10⁻¹² from the stored one.
    pub fn self_check(&self) -> Result<usize, ArtifactError> {
        for (index, example) in self.provenance.examples.iter().enumerate() {
            let stored = example.probability;
            // A row that is no transaction scores nothing.
            let computed = Transaction::new(example.transaction)
                .map_or(f64::NAN, |transaction| self.model.predict_proba(&transaction));
            let holds = (computed - stored).abs() <= SELF_CHECK;
            if !holds {
                return Err(ArtifactError::SelfCheck { index, computed, stored });
            }
        }
        Ok(self.provenance.examples.len())
    }

    /// Identity of what the model computes: `sha256:` and 64 hexadecimal digits over format, feature
    /// names, scaler, coefficients, intercept and threshold. Provenance does not enter: two trainings
    /// that end at the same numbers have the same digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(FORMAT);
        for feature in FEATURES {
            hash.update(feature);
            hash.update([0]);
        }
        let scaler = self.model.scaler();
        for value in
            [scaler.mean(), scaler.scale(), self.model.coefficients()].into_iter().flatten()
        {
            hash.update(value.to_le_bytes());
        }
        hash.update(self.model.intercept().to_le_bytes());
        hash.update(self.threshold.value().to_le_bytes());
        hash.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Scores one transaction and decides at the model's threshold.
    #[must_use]
    pub fn decide(&self, transaction: &Transaction) -> Decision {
        let probability = self.model.predict_proba(transaction);
        Decision { probability, fraud: self.threshold.decide(probability) }
    }
}

fn one_a_feature(
    field: &'static str,
    values: Vec<f64>,
) -> Result<[f64; N_FEATURES], ArtifactError> {
    values
        .try_into()
        .map_err(|values: Vec<f64>| ArtifactError::Length { field, found: values.len() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn artifact() -> ModelArtifact {
        let mean = std::array::from_fn(|i| i as f64 / 3.0);
        let scale = std::array::from_fn(|i| 1.0 + i as f64 / 7.0);
        let coefficients = std::array::from_fn(|i| (i as f64).sin());
        let scaler = StandardScaler::new(mean, scale).unwrap();
        ModelArtifact {
            model: LogisticModel::new(scaler, coefficients, -3.1).unwrap(),
            threshold: Threshold::new(0.9).unwrap(),
            provenance: Provenance { rows: 100, frauds: 7, ..Provenance::default() },
        }
    }

    /// The message for a file that was changed by `edit`.
    fn refusal(edit: impl FnOnce(&mut Value)) -> String {
        let mut value: Value = serde_json::from_str(&artifact().to_json()).unwrap();
        edit(&mut value);
        ModelArtifact::from_json(&value.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn every_damage_is_refused_with_its_reason() {
        assert_eq!(
            refusal(|v| v["format"] = json!("fraud-logistic/2")),
            "format is \"fraud-logistic/2\", expected \"fraud-logistic/1\""
        );
        assert_eq!(
            refusal(|v| v["features"].as_array_mut().unwrap().swap(1, 2)),
            "feature 2 is \"V2\", expected \"V1\": the order of the features is fixed"
        );
        assert_eq!(
            refusal(|v| drop(v["features"].as_array_mut().unwrap().pop())),
            "features has 29 entries, expected 30"
        );
        assert_eq!(
            refusal(|v| drop(v["coefficients"].as_array_mut().unwrap().pop())),
            "coefficients has 29 entries, expected 30"
        );
        assert_eq!(
            refusal(|v| v["scaler"]["mean"].as_array_mut().unwrap().push(json!(1))),
            "scaler.mean has 31 entries, expected 30"
        );
        assert_eq!(
            refusal(|v| v["scaler"]["scale"][3] = json!(0.0)),
            "scaler scale of V3 is 0, expected a number greater than 0"
        );
        assert_eq!(
            refusal(|v| v["threshold"] = json!(1.5)),
            "the threshold is 1.5, expected a probability from 0 to 1"
        );
        assert!(refusal(|v| v["intercept"] = json!("low")).contains("invalid type: string"));
        assert!(refusal(|v| v["coefficients"][0] = json!(null)).contains("invalid type: null"));
        assert!(
            refusal(|v| drop(v.as_object_mut().unwrap().remove("intercept")))
                .contains("missing field `intercept`")
        );
        assert!(
            refusal(|v| v["coefficients"][0] = json!(0.25)).contains("do not match the digest")
        );
    }

    #[test]
    fn numbers_beyond_f64_and_nan_are_no_json_numbers() {
        let json = artifact().to_json();
        for not_finite in ["1e999", "NaN", "Infinity"] {
            let edited =
                json.replace("\"intercept\": -3.1", &format!("\"intercept\": {not_finite}"));
            assert!(matches!(ModelArtifact::from_json(&edited), Err(ArtifactError::Json(_))));
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused_and_named() {
        let json = artifact().to_json();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MODEL_FILE);
        for end in (0..json.trim_end().len()).step_by(97) {
            std::fs::write(&path, &json[..end]).unwrap();
            let message = ModelArtifact::load(folder.path()).unwrap_err().to_string();
            assert!(message.contains("model.json is not a model: "), "{message}");
        }
        let missing = ModelArtifact::load(folder.path().join("none")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read the model "), "{missing}");
    }

    #[test]
    fn a_file_without_digest_and_provenance_loads() {
        let mut value: Value = serde_json::from_str(&artifact().to_json()).unwrap();
        value.as_object_mut().unwrap().remove("digest");
        value.as_object_mut().unwrap().remove("provenance");
        let loaded = ModelArtifact::from_json(&value.to_string()).unwrap();
        assert_eq!(loaded.model, artifact().model);
        assert_eq!(loaded.provenance, Provenance::default());
    }

    proptest! {
        #[test]
        fn any_finite_numbers_survive_the_file_to_the_last_bit(
            bits in prop::collection::vec(any::<u64>(), 3 * N_FEATURES)
        ) {
            let numbers: Vec<f64> = bits
                .iter()
                .map(|&bits| f64::from_bits(bits))
                .map(|x| if x.is_finite() && x.abs() < 1e100 && x.abs() > 1e-100 { x } else { 0.1 })
                .collect();
            let mean = numbers[..30].try_into().unwrap();
            let scale: [f64; 30] = std::array::from_fn(|i| numbers[30 + i].abs());
            let coefficients = numbers[60..].try_into().unwrap();
            let scaler = StandardScaler::new(mean, scale).unwrap();
            if let Ok(model) = LogisticModel::new(scaler, coefficients, 0.1) {
                let artifact = ModelArtifact { model, ..artifact() };
                prop_assert_eq!(ModelArtifact::from_json(&artifact.to_json()).unwrap(), artifact);
            }
        }
    }
}
