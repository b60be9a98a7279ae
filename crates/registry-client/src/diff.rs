//! Two models side by side: what their numbers, measures and origins have in common.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use fraud_core::measures::Evaluation;
use fraud_core::{FEATURES, LogisticModel, ModelArtifact};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::gates::numbers;

/// How one model differs from another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Whether both compute the same and decide alike: their digests are equal.
    pub same_model: bool,
    /// From which probability on each calls a transaction fraud.
    pub threshold: Change,
    /// Log-odds where all features have the mean of the training rows, and where all are 0.
    pub intercept: Weight,
    /// One a feature, the largest change first (of the standardised coefficient).
    pub coefficients: Vec<Coefficient>,
    /// Measures on each one's own validation rows, the largest change first.
    pub measures: Vec<MeasureChange>,
    /// Where the two come from, field by field.
    pub provenance: Vec<Field>,
}

/// A number of both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// In the first.
    pub from: f64,
    /// In the second.
    pub to: f64,
    /// The second less the first.
    pub change: f64,
}

impl Change {
    const fn new(from: f64, to: f64) -> Self {
        Self { from, to, change: to - from }
    }
}

/// A coefficient or intercept in both of its units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Weight {
    /// Log-odds for one standard deviation of the feature in the model's own training rows.
    pub standardised: Change,
    /// Log-odds for one unit of the feature.
    pub raw: Change,
}

/// The coefficient of a feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coefficient {
    /// The feature.
    pub feature: &'static str,
    /// What it weighs.
    #[serde(flatten)]
    pub weight: Weight,
}

/// A measure of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasureChange {
    /// Name as in `metrics.json`, or that with `at threshold` for each one's own threshold.
    pub measure: String,
    /// In the first, if it was measured.
    pub from: Option<f64>,
    /// In the second, if it was measured.
    pub to: Option<f64>,
    /// The second less the first.
    pub change: Option<f64>,
}

/// A field of the provenance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Name as in `model.json`.
    pub field: String,
    /// In the first.
    pub from: Value,
    /// In the second.
    pub to: Value,
}

impl Field {
    /// Whether both have the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.from == self.to
    }
}

impl Difference {
    /// From one model to another.
    #[must_use]
    pub fn between(from: &ModelArtifact, to: &ModelArtifact) -> Self {
        Self {
            same_model: from.digest() == to.digest(),
            threshold: Change::new(from.threshold.value(), to.threshold.value()),
            intercept: Weight {
                standardised: Change::new(from.model.intercept(), to.model.intercept()),
                raw: Change::new(raw_intercept(&from.model), raw_intercept(&to.model)),
            },
            coefficients: coefficients(&from.model, &to.model),
            measures: measures(from, to),
            provenance: provenance(from, to),
        }
    }
}

/// The log-odds where all features are 0.
fn raw_intercept(model: &LogisticModel) -> f64 {
    let raw = raw_coefficients(model);
    model.intercept() - raw.iter().zip(model.scaler().mean()).map(|(c, mean)| c * mean).sum::<f64>()
}

fn raw_coefficients(model: &LogisticModel) -> Vec<f64> {
    model.coefficients().iter().zip(model.scaler().scale()).map(|(c, scale)| c / scale).collect()
}

fn coefficients(from: &LogisticModel, to: &LogisticModel) -> Vec<Coefficient> {
    let (raw_from, raw_to) = (raw_coefficients(from), raw_coefficients(to));
    let mut coefficients: Vec<Coefficient> = FEATURES
        .iter()
        .enumerate()
        .map(|(at, &feature)| {
            let standardised = Change::new(from.coefficients()[at], to.coefficients()[at]);
            let raw = Change::new(raw_from[at], raw_to[at]);
            Coefficient { feature, weight: Weight { standardised, raw } }
        })
        .collect();
    let change = |coefficient: &Coefficient| Some(coefficient.weight.standardised.change);
    coefficients.sort_by(|a, b| by_size(change(a), change(b)));
    coefficients
}

/// The larger change first, none last.
fn by_size(a: Option<f64>, b: Option<f64>) -> Ordering {
    let size = |change: Option<f64>| change.map_or(-1.0, f64::abs);
    size(b).total_cmp(&size(a))
}

fn measures(from: &ModelArtifact, to: &ModelArtifact) -> Vec<MeasureChange> {
    let all = |artifact: &ModelArtifact| {
        let measures = artifact.provenance.measures.as_ref();
        measures.map(|measures| with_threshold(measures, artifact)).unwrap_or_default()
    };
    let (from, to) = (all(from), all(to));
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let mut changes: Vec<MeasureChange> = names
        .into_iter()
        .map(|name| {
            let (from, to) = (from.get(name).copied(), to.get(name).copied());
            let change = from.zip(to).map(|(from, to)| to - from);
            MeasureChange { measure: name.clone(), from, to, change }
        })
        .collect();
    changes.sort_by(|a, b| by_size(a.change, b.change));
    changes
}

/// All measures, and those at the model's own threshold.
fn with_threshold(
    measures: &Evaluation,
    artifact: &ModelArtifact,
) -> std::collections::BTreeMap<String, f64> {
    let mut all = numbers(measures);
    // Counts of rows, which the provenance compares.
    all.retain(|name, _| name != "rows" && name != "frauds");
    if let Some(at) = measures.at_threshold.get(&artifact.threshold.value().to_string()) {
        for (name, value) in [("precision", at.precision), ("recall", at.recall), ("f1", at.f1)] {
            all.insert(format!("{name} at threshold"), value);
        }
    }
    all
}

fn provenance(from: &ModelArtifact, to: &ModelArtifact) -> Vec<Field> {
    let fields = |artifact: &ModelArtifact| {
        let provenance = &artifact.provenance;
        // Plain fields only: this cannot fail.
        let value = serde_json::to_value(provenance).unwrap_or_default();
        let mut fields: Map<String, Value> = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        fields.remove("measures");
        if let Some(measures) = &provenance.measures {
            fields.insert("validation_rows".to_owned(), measures.rows.into());
            fields.insert("validation_frauds".to_owned(), measures.frauds.into());
        }
        fields
    };
    let (from, to) = (fields(from), fields(to));
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let get = |fields: &Map<String, Value>, name| fields.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .map(|name| Field { field: name.clone(), from: get(&from, name), to: get(&to, name) })
        .collect()
}

#[cfg(test)]
mod tests {
    use fraud_core::{N_FEATURES, Provenance, StandardScaler, Threshold, Transaction};
    use serde_json::json;

    use super::*;

    fn artifact(coefficients: [f64; N_FEATURES], threshold: f64) -> ModelArtifact {
        let scaler = StandardScaler::new([3.0; N_FEATURES], [2.0; N_FEATURES]).unwrap();
        ModelArtifact {
            model: LogisticModel::new(scaler, coefficients, -1.0).unwrap(),
            threshold: Threshold::new(threshold).unwrap(),
            provenance: Provenance { rows: 10, ..Provenance::default() },
        }
    }

    fn production() -> ModelArtifact {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/production");
        ModelArtifact::load(folder).unwrap()
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let model = production();
        let difference = Difference::between(&model, &model);
        assert!(difference.same_model);
        assert_eq!(difference.threshold.change, 0.0);
        assert!(difference.coefficients.iter().all(|c| c.weight.raw.change == 0.0));
        // With nothing to sort by, the order is the schema's.
        let features: Vec<_> = difference.coefficients.iter().map(|c| c.feature).collect();
        assert_eq!(features, FEATURES);
        assert!(difference.measures.iter().all(|measure| measure.change == Some(0.0)));
        assert!(difference.provenance.iter().all(Field::is_same));
    }

    #[test]
    fn the_largest_change_comes_first_whatever_its_sign() {
        let from = artifact([0.5; N_FEATURES], 0.9);
        let mut coefficients = [0.5; N_FEATURES];
        (coefficients[3], coefficients[7]) = (0.75, -0.5);
        let difference = Difference::between(&from, &artifact(coefficients, 0.75));
        assert!(!difference.same_model);
        assert!((difference.threshold.change + 0.15).abs() < 1e-15);
        let first: Vec<_> = difference.coefficients[..3].iter().map(|c| c.feature).collect();
        assert_eq!(first, ["V7", "V3", "Time"]);
        let v7 = difference.coefficients[0].weight;
        assert_eq!(v7.standardised, Change { from: 0.5, to: -0.5, change: -1.0 });
        // One unit is half a standard deviation.
        assert_eq!(v7.raw, Change { from: 0.25, to: -0.25, change: -0.5 });
    }

    #[test]
    fn raw_numbers_make_the_same_log_odds() {
        let model = production().model;
        let values: [f64; N_FEATURES] = std::array::from_fn(|i| (i as f64).cos().abs());
        let transaction = Transaction::new(values).unwrap();
        let raw: f64 = raw_coefficients(&model).iter().zip(values).map(|(c, v)| c * v).sum();
        let log_odds = raw_intercept(&model) + raw;
        assert!((log_odds - model.decision_function(&transaction)).abs() < 1e-12);
    }

    #[test]
    fn what_only_one_has_is_listed_last() {
        let difference = Difference::between(&production(), &artifact([0.5; N_FEATURES], 0.9));
        assert!(difference.measures.iter().any(|m| m.measure == "precision at threshold"));
        assert!(difference.measures.iter().all(|m| m.from.is_some() && m.to.is_none()));
        assert!(difference.measures.iter().all(|m| m.change.is_none()));
        let rows = difference.provenance.iter().find(|field| field.field == "rows").unwrap();
        assert_eq!((&rows.from, &rows.to), (&json!(29_564), &json!(10)));
        let seen = difference.provenance.iter().find(|f| f.field == "validation_rows").unwrap();
        assert_eq!((&seen.from, &seen.to), (&json!(5_913), &Value::Null));
    }
}
