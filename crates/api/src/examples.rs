//! Transactions to try the service with, made from the model itself: no real one is in the code.

use fraud_core::{FEATURES, ModelArtifact, Transaction, schema};
use serde_json::{Map, Value};

/// How many of the largest coefficients an example moves.
const MOVED: usize = 8;
/// Largest step away from the mean, in standard deviations.
const FURTHEST: u8 = 20;

/// A transaction with a name.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    /// For keys and ids: letters and hyphens.
    pub(crate) id: &'static str,
    /// For people.
    pub(crate) name: &'static str,
    /// How its values were chosen.
    pub(crate) description: &'static str,
    pub(crate) transaction: Transaction,
}

impl Example {
    /// The body that a client would send.
    pub(crate) fn body(&self) -> Value {
        let values = self.transaction.values();
        FEATURES
            .into_iter()
            .zip(values)
            .map(|(name, &value)| (name.to_owned(), value.into()))
            .collect::<Map<String, Value>>()
            .into()
    }

    /// The same as text, with the fields in the order of the model.
    pub(crate) fn text(&self) -> String {
        let values = self.transaction.values().iter();
        let fields = FEATURES.iter().zip(values).map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}

/// An average transaction, one that the model takes for legitimate and one that it takes for fraud,
/// as far as `artifact` has such.
pub(crate) fn of(artifact: &ModelArtifact) -> Vec<Example> {
    let examples = [
        (
            "average",
            "Average",
            "Every feature at the mean of the training data.",
            moved(artifact, 0.0),
        ),
        (
            "legitimate",
            "Typical legitimate",
            "The features with the largest weights half a standard deviation away from fraud.",
            moved(artifact, -0.5),
        ),
        (
            "fraud",
            "Typical fraud",
            "The features with the largest weights moved towards fraud, in steps of half a standard \
             deviation, until the model calls it one.",
            called_fraud(artifact),
        ),
    ];
    let named = |(id, name, description, transaction): (_, _, _, Option<_>)| {
        Some(Example { id, name, description, transaction: transaction? })
    };
    examples.into_iter().filter_map(named).collect()
}

/// The mean, with the largest coefficients' features moved `deviations` towards fraud.
fn moved(artifact: &ModelArtifact, deviations: f64) -> Option<Transaction> {
    let scaler = artifact.model.scaler();
    let coefficients = artifact.model.coefficients();
    let mut values = *scaler.mean();
    let mut order: Vec<usize> = (0..values.len()).filter(|&i| coefficients[i] != 0.0).collect();
    order.sort_by(|&a, &b| coefficients[b].abs().total_cmp(&coefficients[a].abs()));
    for &feature in order.iter().take(MOVED) {
        values[feature] += deviations * scaler.scale()[feature] * coefficients[feature].signum();
    }
    for (feature, value) in values.iter_mut().enumerate() {
        *value = short(*value);
        if schema::is_non_negative(feature) {
            *value = value.max(0.0);
        }
    }
    Transaction::new(values).ok()
}

fn called_fraud(artifact: &ModelArtifact) -> Option<Transaction> {
    (1..=2 * FURTHEST).find_map(|halves| {
        let transaction = moved(artifact, f64::from(halves) / 2.0)?;
        artifact.decide(&transaction).fraud.then_some(transaction)
    })
}

/// Four significant digits: what a person can read in a field.
fn short(value: f64) -> f64 {
    // What `format!` writes of a number is a number.
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use fraud_core::{LogisticModel, N_FEATURES, Provenance, StandardScaler, Threshold};

    use super::*;

    fn artifact(coefficients: [f64; N_FEATURES], threshold: f64) -> ModelArtifact {
        let scaler = StandardScaler::new([0.123_456; N_FEATURES], [2.0; N_FEATURES]).unwrap();
        ModelArtifact {
            model: LogisticModel::new(scaler, coefficients, -3.0).unwrap(),
            threshold: Threshold::new(threshold).unwrap(),
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn examples_are_decided_as_they_are_named() {
        let mut coefficients = [0.1; N_FEATURES];
        (coefficients[4], coefficients[14]) = (1.5, -2.0);
        let artifact = artifact(coefficients, 0.9);
        let examples = of(&artifact);
        let decided: Vec<_> = examples
            .iter()
            .map(|example| (example.id, artifact.decide(&example.transaction).fraud))
            .collect();
        assert_eq!(decided, [("average", false), ("legitimate", false), ("fraud", true)]);
        assert_eq!(examples[0].transaction.values()[1], 0.1235);
        // Half a deviation of 2 against the sign of each coefficient.
        assert_eq!(examples[1].transaction.values()[4], -0.8765);
        assert_eq!(examples[1].transaction.values()[14], 1.123);
    }

    #[test]
    fn a_model_that_calls_nothing_fraud_has_no_such_example() {
        let names: Vec<_> = of(&artifact([0.0; N_FEATURES], 0.9)).iter().map(|e| e.id).collect();
        assert_eq!(names, ["average", "legitimate"]);
    }

    #[test]
    fn the_text_is_the_body_in_the_order_of_the_model() {
        let example = &of(&artifact([0.1; N_FEATURES], 0.9))[0];
        let text = example.text();
        assert!(text.starts_with("{\"Time\":0.1235,\"V1\":0.1235,\"V2\":"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), example.body());
    }
}
