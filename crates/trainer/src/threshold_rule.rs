//! How the decision threshold is chosen: a number, or a rule that reads it off the validation rows.

use std::fmt;
use std::str::FromStr;

use fraud_core::Threshold;
use fraud_core::measures::{PrPoint, Ranking};

/// How the threshold is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdRule {
    /// This number.
    Fixed(Threshold),
    /// Where F1 is highest; of several such thresholds the lowest.
    MaxF1,
    /// The lowest threshold (most frauds caught) at which at least this share of alerts is fraud.
    Precision(f64),
    /// The highest threshold (fewest alerts) at which at least this share of frauds is caught.
    Recall(f64),
    /// The lowest threshold that raises at most this many alerts in 10,000 transactions.
    Alerts(f64),
}

/// The forms that a rule can be written in.
const ACCEPTED: &str = "a probability from 0 to 1, max-f1, precision=P, recall=R (shares from 0 to 1), \
     or alerts=N (in 10,000 transactions)";

/// Why there is no threshold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ThresholdRuleError {
    /// Text that is no rule.
    #[error("the threshold is {found:?}, expected {ACCEPTED}")]
    Unknown {
        /// The text.
        found: String,
    },
    /// No fraud to read a threshold off.
    #[error(
        "{rule} needs a fraud among the validation rows and there is none; expected one, or a \
         threshold given as a number"
    )]
    NoFraud {
        /// The rule.
        rule: ThresholdRule,
    },
    /// No threshold satisfies the rule on these rows.
    #[error(
        "no threshold satisfies {rule} on the validation rows: the closest reaches {closest:.4}"
    )]
    Unattainable {
        /// The rule.
        rule: ThresholdRule,
        /// The best precision, or the smallest number of alerts, that any threshold attains.
        closest: f64,
    },
}

impl fmt::Display for ThresholdRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("fixed"),
            Self::MaxF1 => f.write_str("max-f1"),
            Self::Precision(share) => write!(f, "precision={share}"),
            Self::Recall(share) => write!(f, "recall={share}"),
            Self::Alerts(count) => write!(f, "alerts={count}"),
        }
    }
}

impl FromStr for ThresholdRule {
    type Err = ThresholdRuleError;

    fn from_str(text: &str) -> Result<Self, ThresholdRuleError> {
        let number = |text: &str, most: f64| {
            text.parse().ok().filter(|value: &f64| (0.0..=most).contains(value))
        };
        let rule = match text.split_once('=') {
            Some(("precision", value)) => number(value, 1.0).map(Self::Precision),
            Some(("recall", value)) => number(value, 1.0).map(Self::Recall),
            Some(("alerts", value)) => number(value, 10_000.0).map(Self::Alerts),
            Some(_) => None,
            None if text == "max-f1" => Some(Self::MaxF1),
            None => text.parse().ok().map(Self::Fixed),
        };
        rule.ok_or_else(|| ThresholdRuleError::Unknown { found: text.to_owned() })
    }
}

impl ThresholdRule {
    /// The threshold that the rule gives on these rows, which must be ranked by probability.
    ///
    /// # Errors
    ///
    /// If no threshold satisfies the rule, or there is no fraud to apply it to.
    pub fn choose(self, ranking: &Ranking) -> Result<Threshold, ThresholdRuleError> {
        let curve = ranking.pr_curve();
        if curve.is_empty() && !matches!(self, Self::Fixed(_)) {
            return Err(ThresholdRuleError::NoFraud { rule: self });
        }
        let rows = (ranking.positives() + ranking.negatives()) as f64;
        // Recall rises along the curve and the threshold falls.
        let (point, closest) = match self {
            Self::Fixed(threshold) => return Ok(threshold),
            Self::MaxF1 => {
                let f1 = |precision: f64, recall: f64| match precision + recall {
                    0.0 => 0.0,
                    sum => 2.0 * precision * recall / sum,
                };
                let best = curve
                    .iter()
                    .max_by(|a, b| f1(a.precision, a.recall).total_cmp(&f1(b.precision, b.recall)));
                (best, 0.0)
            }
            Self::Precision(floor) => (
                curve.iter().rev().find(|point| point.precision >= floor),
                curve.iter().map(|point| point.precision).fold(0.0, f64::max),
            ),
            Self::Recall(floor) => (curve.iter().find(|point| point.recall >= floor), 1.0),
            Self::Alerts(budget) => {
                let share = |point: &PrPoint| point.alerts as f64 * 10_000.0 / rows;
                let fewest = curve.first().map_or(0.0, share);
                (curve.iter().rev().find(|point| share(point) <= budget), fewest)
            }
        };
        point
            .and_then(|point| Threshold::new(point.threshold).ok())
            .ok_or(ThresholdRuleError::Unattainable { rule: self, closest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores 0.9 F, 0.8 L, 0.7 F, 0.6 F, 0.5 L … 0.1 L: ten rows, three frauds.
    fn ranking() -> Ranking {
        let scores: Vec<f64> = (0..10).map(|row| 0.9 - f64::from(row) / 10.0).collect();
        let labels: Vec<bool> = (0..10).map(|row| [0, 2, 3].contains(&row)).collect();
        Ranking::new(&labels, &scores).unwrap()
    }

    fn choose(rule: &str) -> Result<f64, ThresholdRuleError> {
        rule.parse::<ThresholdRule>()?.choose(&ranking()).map(Threshold::value)
    }

    #[test]
    fn each_rule_by_hand() {
        let close = |rule, expected: f64| {
            let found = choose(rule).unwrap();
            assert!((found - expected).abs() < 1e-12, "{rule}: {found}");
        };
        close("0.25", 0.25);
        close("max-f1", 0.6); // 2·(3/4)·1 / (3/4 + 1) = 0.857
        close("precision=0.75", 0.6);
        close("precision=0.9", 0.9);
        close("recall=0.5", 0.7);
        close("recall=1", 0.6);
        close("alerts=2500", 0.8); // 2 of 10 rows
        close("alerts=10000", 0.0);
    }

    #[test]
    fn what_cannot_be_attained_is_said() {
        let labels = [false, true];
        let ranking = Ranking::new(&labels, &[0.9, 0.4]).unwrap();
        let error = ThresholdRule::Precision(0.8).choose(&ranking).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no threshold satisfies precision=0.8 on the validation rows: the closest reaches 0.5000"
        );
        assert!(choose("alerts=0").is_err());
        let none = Ranking::new(&[false], &[0.9]).unwrap();
        let message = ThresholdRule::MaxF1.choose(&none).unwrap_err().to_string();
        assert!(message.starts_with("max-f1 needs a fraud among the validation rows"), "{message}");
    }

    #[test]
    fn what_is_no_rule_is_refused_with_the_forms() {
        for text in ["1.5", "high", "precision=2", "recall=", "f1", "alerts=-1", "NaN"] {
            let message = text.parse::<ThresholdRule>().unwrap_err().to_string();
            assert!(message.contains("expected a probability from 0 to 1"), "{message}");
        }
    }
}
