//! The step from a probability to a decision.
//!
//! ```
//! use fraud_core::Threshold;
//!
//! let threshold = Threshold::new(0.9)?;
//! assert!(threshold.decide(0.9)); // at the threshold is fraud
//! assert!(!threshold.decide(0.8999));
//! assert!(Threshold::new(1.5).is_err());
//! # Ok::<(), fraud_core::ThresholdError>(())
//! ```

use std::fmt;
use std::str::FromStr;

/// A decision threshold on the fraud probability, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Threshold(f64);

/// A threshold outside [0, 1], or no number.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the threshold is {found}, expected a probability from 0 to 1")]
pub struct ThresholdError {
    /// What was given.
    pub found: String,
}

impl Threshold {
    /// Checks that `value` is a probability.
    ///
    /// # Errors
    ///
    /// If `value` is NaN, below 0 or above 1.
    pub fn new(value: f64) -> Result<Self, ThresholdError> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(ThresholdError { found: value.to_string() })
        }
    }

    /// The threshold as a probability.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }

    /// `true` (fraud) if `probability` is at or above the threshold.
    #[must_use]
    pub fn decide(self, probability: f64) -> bool {
        probability >= self.0
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = text.parse().map_err(|_| ThresholdError { found: format!("{text:?}") })?;
        Self::new(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_nan_is_refused() {
        assert!(Threshold::new(0.0).is_ok());
        assert!(Threshold::new(1.0).is_ok());
        assert!(Threshold::new(-0.001).is_err());
        assert!(Threshold::new(f64::NAN).is_err());
    }

    #[test]
    fn parsing_says_what_came_and_what_would_do() {
        assert_eq!(
            "1.5".parse::<Threshold>().unwrap_err().to_string(),
            "the threshold is 1.5, expected a probability from 0 to 1"
        );
        assert_eq!(
            "high".parse::<Threshold>().unwrap_err().to_string(),
            "the threshold is \"high\", expected a probability from 0 to 1"
        );
    }
}
