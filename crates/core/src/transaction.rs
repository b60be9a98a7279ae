//! A transaction: 30 values that have been checked once and need no check again.
//!
//! ```
//! use fraud_core::{Transaction, N_FEATURES};
//!
//! let mut values = [0.1; N_FEATURES];
//! assert!(Transaction::new(values).is_ok());
//!
//! values[3] = f64::NAN;
//! values[29] = -5.0;
//! let error = Transaction::new(values).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "invalid transaction: V3 is NaN, expected a finite number; \
//!      Amount is -5, expected a number that is not negative"
//! );
//! ```

use crate::schema::{FEATURES, N_FEATURES, is_non_negative};

/// The 30 features of one transaction, in the order of [`FEATURES`], all finite, `Time` and
/// `Amount` not negative.
///
/// It can only be made by checking, so nothing that takes a `Transaction` checks again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transaction([f64; N_FEATURES]);

/// What is wrong with one value of a would-be transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueProblem {
    /// NaN or an infinity.
    NotFinite,
    /// Below zero where the schema has no negative values.
    Negative,
}

impl ValueProblem {
    /// The check for one value: `None` if `value` may stand at position `index` of [`FEATURES`].
    #[must_use]
    pub fn of(index: usize, value: f64) -> Option<Self> {
        if !value.is_finite() {
            Some(Self::NotFinite)
        } else if value < 0.0 && is_non_negative(index) {
            Some(Self::Negative)
        } else {
            None
        }
    }

    /// What would be accepted instead, for messages: "a finite number".
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::NotFinite => "a finite number",
            Self::Negative => "a number that is not negative",
        }
    }
}

/// Why 30 numbers are not a transaction: every bad value, not only the first.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("invalid transaction: {}", self.describe())]
pub struct TransactionError {
    /// Position in [`FEATURES`], the value found, and what is wrong with it; never empty.
    pub problems: Vec<(usize, f64, ValueProblem)>,
}

impl TransactionError {
    fn describe(&self) -> String {
        let parts: Vec<String> = self
            .problems
            .iter()
            .map(|&(index, value, problem)| {
                format!("{} is {value}, expected {}", FEATURES[index], problem.expected())
            })
            .collect();
        parts.join("; ")
    }
}

impl Transaction {
    /// Checks 30 values in the order of [`FEATURES`].
    ///
    /// # Errors
    ///
    /// Names every value that is not finite, and `Time` or `Amount` below zero.
    pub fn new(values: [f64; N_FEATURES]) -> Result<Self, TransactionError> {
        let ok = values
            .iter()
            .enumerate()
            .all(|(index, &value)| ValueProblem::of(index, value).is_none());
        if ok {
            return Ok(Self(values));
        }
        let problems = values
            .iter()
            .enumerate()
            .filter_map(|(index, &value)| Some((index, value, ValueProblem::of(index, value)?)))
            .collect();
        Err(TransactionError { problems })
    }

    /// The values in the order of [`FEATURES`].
    #[must_use]
    pub const fn values(&self) -> &[f64; N_FEATURES] {
        &self.0
    }
}

impl TryFrom<[f64; N_FEATURES]> for Transaction {
    type Error = TransactionError;

    fn try_from(values: [f64; N_FEATURES]) -> Result<Self, Self::Error> {
        Self::new(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_time_and_amount_and_negative_components_are_fine() {
        let mut values = [-3.0; N_FEATURES];
        values[0] = 0.0;
        values[29] = 0.0;
        assert_eq!(Transaction::new(values).unwrap().values(), &values);
    }

    #[test]
    fn every_bad_value_is_named() {
        let mut values = [1.0; N_FEATURES];
        values[0] = -1.0;
        values[1] = f64::INFINITY;
        values[28] = f64::NAN;
        let error = Transaction::new(values).unwrap_err();
        let found: Vec<_> = error.problems.iter().map(|p| (p.0, p.2)).collect();
        assert_eq!(
            found,
            [
                (0, ValueProblem::Negative),
                (1, ValueProblem::NotFinite),
                (28, ValueProblem::NotFinite)
            ]
        );
        assert!(error.to_string().contains("V1 is inf, expected a finite number"));
    }

    #[test]
    fn negative_infinity_in_amount_is_not_finite_rather_than_negative() {
        let mut values = [1.0; N_FEATURES];
        values[29] = f64::NEG_INFINITY;
        let error = Transaction::new(values).unwrap_err();
        assert_eq!(error.problems[0].2, ValueProblem::NotFinite);
    }
}
