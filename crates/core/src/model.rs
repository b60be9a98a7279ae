//! The logistic model: from a transaction to the log-odds and the probability of fraud.
//!
//! The model is `StandardScaler` followed by logistic regression, as in scikit-learn:
//! `d(x) = b + Σ cᵢ (xᵢ − mᵢ) / sᵢ` and `P(fraud | x) = 1 / (1 + e^−d)`. For scoring the scaler is
//! folded into the weights, `d(x) = b' + Σ wᵢ xᵢ` with `wᵢ = cᵢ / sᵢ` and `b' = b − Σ wᵢ mᵢ`.
//!
//! ```
//! use fraud_core::{LogisticModel, StandardScaler, Transaction, N_FEATURES};
//!
//! let scaler = StandardScaler::new([1.0; N_FEATURES], [2.0; N_FEATURES])?;
//! let model = LogisticModel::new(scaler, [0.5; N_FEATURES], -3.0)?;
//! let transaction = Transaction::new([3.0; N_FEATURES])?; // one standard deviation up everywhere
//!
//! let decision = model.decision_function(&transaction);
//! assert!((decision - (30.0 * 0.5 - 3.0)).abs() < 1e-12);
//!
//! let explanation = model.explain(&transaction);
//! assert_eq!(explanation.base, -3.0);
//! assert!((explanation.total() - decision).abs() < 1e-12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::schema::{FEATURES, N_FEATURES};
use crate::transaction::Transaction;

/// Why numbers are not a model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// NaN, an infinity, or a weight that overflows once the scale is divided out.
    #[error("{what} of {feature} is {value}, expected a finite number")]
    NotFinite {
        /// Which array: "scaler mean", "scaler scale", "coefficient" or "weight".
        what: &'static str,
        /// The feature's name.
        feature: &'static str,
        /// The value found.
        value: f64,
    },
    /// A standard deviation that is zero or negative.
    #[error("scaler scale of {feature} is {value}, expected a number greater than 0")]
    ScaleNotPositive {
        /// The feature's name.
        feature: &'static str,
        /// The value found.
        value: f64,
    },
    /// NaN or an infinity in the intercept, as given or with the scaler folded in.
    #[error("the intercept is {value}, expected a finite number")]
    Intercept {
        /// The value found.
        value: f64,
    },
}

fn check_finite(what: &'static str, values: &[f64; N_FEATURES]) -> Result<(), ModelError> {
    for (&value, &feature) in values.iter().zip(&FEATURES) {
        if !value.is_finite() {
            return Err(ModelError::NotFinite { what, feature, value });
        }
    }
    Ok(())
}

/// Mean and scale of each feature, as scikit-learn's `StandardScaler` has them: `z = (x − mean) /
/// scale`, in the features' own units.
#[derive(Debug, Clone, PartialEq)]
pub struct StandardScaler {
    mean: [f64; N_FEATURES],
    scale: [f64; N_FEATURES],
}

impl StandardScaler {
    /// Checks means and scales in the order of [`FEATURES`].
    ///
    /// # Errors
    ///
    /// If a value is not finite, or a scale is not greater than 0.
    pub fn new(mean: [f64; N_FEATURES], scale: [f64; N_FEATURES]) -> Result<Self, ModelError> {
        check_finite("scaler mean", &mean)?;
        check_finite("scaler scale", &scale)?;
        for (&value, &feature) in scale.iter().zip(&FEATURES) {
            if value <= 0.0 {
                return Err(ModelError::ScaleNotPositive { feature, value });
            }
        }
        Ok(Self { mean, scale })
    }

    /// Means in the order of [`FEATURES`], in the features' units.
    #[must_use]
    pub const fn mean(&self) -> &[f64; N_FEATURES] {
        &self.mean
    }

    /// Scales (population standard deviations) in the order of [`FEATURES`], all > 0.
    #[must_use]
    pub const fn scale(&self) -> &[f64; N_FEATURES] {
        &self.scale
    }
}

/// A standardising logistic regression over the 30 features. One that exists is finite throughout.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticModel {
    scaler: StandardScaler,
    coefficients: [f64; N_FEATURES],
    intercept: f64,
    /// `wᵢ = cᵢ / sᵢ`
    weights: [f64; N_FEATURES],
    /// `b' = b − Σ wᵢ mᵢ`
    bias: f64,
}

/// What each feature adds to the log-odds of one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Log-odds of a transaction that has the training mean everywhere: the intercept.
    pub base: f64,
    /// `cᵢ (xᵢ − mᵢ) / sᵢ` in log-odds, in the order of [`FEATURES`].
    pub contributions: [f64; N_FEATURES],
}

impl Explanation {
    /// Base plus contributions in log-odds: the decision function, up to rounding in the last bits.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.base + self.contributions.iter().sum::<f64>()
    }
}

impl LogisticModel {
    /// Checks and folds: `coefficients` in log-odds per standard deviation in the order of
    /// [`FEATURES`], `intercept` in log-odds at the mean transaction.
    ///
    /// # Errors
    ///
    /// If a coefficient or the intercept is not finite, also after the scaler is folded in.
    pub fn new(
        scaler: StandardScaler,
        coefficients: [f64; N_FEATURES],
        intercept: f64,
    ) -> Result<Self, ModelError> {
        check_finite("coefficient", &coefficients)?;
        if !intercept.is_finite() {
            return Err(ModelError::Intercept { value: intercept });
        }
        let weights: [f64; N_FEATURES] = std::array::from_fn(|i| coefficients[i] / scaler.scale[i]);
        check_finite("weight", &weights)?;
        let shift: f64 = weights.iter().zip(&scaler.mean).map(|(w, m)| w * m).sum();
        let bias = intercept - shift;
        if !bias.is_finite() {
            return Err(ModelError::Intercept { value: bias });
        }
        Ok(Self { scaler, coefficients, intercept, weights, bias })
    }

    /// Log-odds of fraud, `b' + Σ wᵢ xᵢ`; always finite: what would be beyond the range of 64-bit
    /// floats is the largest or smallest of them.
    #[must_use]
    pub fn decision_function(&self, transaction: &Transaction) -> f64 {
        self.decision_of(transaction.values())
    }

    /// Probability of fraud in [0, 1].
    #[must_use]
    pub fn predict_proba(&self, transaction: &Transaction) -> f64 {
        sigmoid(self.decision_function(transaction))
    }

    /// Probabilities of many transactions at once: the same bits as [`Self::predict_proba`] row by
    /// row.
    ///
    /// `rows` is n × 30, row-major; `out` receives n probabilities. The values must have been
    /// checked as [`Transaction`] does; with others the result is NaN or meaningless, never unsafe.
    ///
    /// # Panics
    ///
    /// If `out` does not have one place for each row.
    pub fn predict_proba_rows(&self, rows: &[[f64; N_FEATURES]], out: &mut [f64]) {
        assert_eq!(rows.len(), out.len(), "one probability for each row");
        for (row, probability) in rows.iter().zip(out) {
            *probability = sigmoid(self.decision_of(row));
        }
    }

    /// Four running sums, so that the additions do not wait for one another.
    fn decision_of(&self, values: &[f64; N_FEATURES]) -> f64 {
        let mut sums = [self.bias, 0.0, 0.0, 0.0];
        let (x, x_rest) = values.as_chunks::<4>();
        let (w, w_rest) = self.weights.as_chunks::<4>();
        for (x, w) in x.iter().zip(w) {
            for lane in 0..4 {
                sums[lane] += x[lane] * w[lane];
            }
        }
        for (lane, (x, w)) in x_rest.iter().zip(w_rest).enumerate() {
            sums[lane] += x * w;
        }
        let sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        if sum.is_finite() { sum } else { self.saturated(values) }
    }

    /// Finite values may be so large that their sum is not: then its sign is what counts, and the
    /// log-odds are the largest or smallest number there is.
    #[cold]
    fn saturated(&self, values: &[f64; N_FEATURES]) -> f64 {
        // 2⁻⁵²⁰: products of two numbers below 2¹⁰²⁴ stay below 2¹⁰⁰⁸.
        let tiny = 2_f64.powi(-520);
        let scaled: f64 =
            values.iter().zip(&self.weights).map(|(x, w)| (x * tiny) * (w * tiny)).sum();
        if scaled == 0.0 { self.bias } else { f64::MAX.copysign(scaled) }
    }

    /// What each feature adds to the log-odds; sums to [`Self::decision_function`].
    ///
    /// For a linear model on standardised features these are the SHAP values of Lundberg and Lee
    /// (2017) with independent features and the training mean as background.
    #[must_use]
    pub fn explain(&self, transaction: &Transaction) -> Explanation {
        let x = transaction.values();
        let contributions = std::array::from_fn(|i| self.weights[i] * (x[i] - self.scaler.mean[i]));
        Explanation { base: self.intercept, contributions }
    }

    /// Mean and scale that the features are standardised with.
    #[must_use]
    pub const fn scaler(&self) -> &StandardScaler {
        &self.scaler
    }

    /// Coefficients in log-odds per standard deviation, in the order of [`FEATURES`].
    #[must_use]
    pub const fn coefficients(&self) -> &[f64; N_FEATURES] {
        &self.coefficients
    }

    /// Log-odds of a transaction that has the training mean everywhere.
    #[must_use]
    pub const fn intercept(&self) -> f64 {
        self.intercept
    }
}

/// The logistic function `1 / (1 + e^−d)`, without overflow for any finite `d`.
///
/// ```
/// use fraud_core::model::sigmoid;
///
/// assert_eq!(sigmoid(0.0), 0.5);
/// assert_eq!(sigmoid(-1e4), 0.0);
/// assert_eq!(sigmoid(1e4), 1.0);
/// ```
#[must_use]
pub fn sigmoid(log_odds: f64) -> f64 {
    // e^−|d| cannot overflow, and the branch keeps full relative precision for small probabilities.
    let e = (-log_odds.abs()).exp();
    if log_odds >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaler() -> StandardScaler {
        StandardScaler::new([0.0; N_FEATURES], [1.0; N_FEATURES]).unwrap()
    }

    #[test]
    fn a_scale_of_zero_and_a_nan_coefficient_are_named() {
        let mut scale = [1.0; N_FEATURES];
        scale[2] = 0.0;
        assert_eq!(
            StandardScaler::new([0.0; N_FEATURES], scale).unwrap_err().to_string(),
            "scaler scale of V2 is 0, expected a number greater than 0"
        );
        let mut coefficients = [0.0; N_FEATURES];
        coefficients[29] = f64::NAN;
        assert_eq!(
            LogisticModel::new(scaler(), coefficients, 0.0).unwrap_err().to_string(),
            "coefficient of Amount is NaN, expected a finite number"
        );
        assert!(LogisticModel::new(scaler(), [0.0; N_FEATURES], f64::INFINITY).is_err());
    }

    #[test]
    fn a_weight_that_overflows_is_refused() {
        let mut scale = [1.0; N_FEATURES];
        scale[5] = 1e-300;
        let scaler = StandardScaler::new([0.0; N_FEATURES], scale).unwrap();
        let error = LogisticModel::new(scaler, [1e10; N_FEATURES], 0.0).unwrap_err();
        assert_eq!(error.to_string(), "weight of V5 is inf, expected a finite number");
    }

    #[test]
    fn sigmoid_keeps_relative_precision_in_the_tail() {
        // e^−40 / (1 + e^−40), by hand: 4.248354255291589e-18 to 16 digits.
        assert!((sigmoid(-40.0) / 4.248_354_255_291_589e-18 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn sums_beyond_the_range_of_floats_keep_their_sign() {
        let model = LogisticModel::new(scaler(), [1.0; N_FEATURES], -3.0).unwrap();
        let mut values = [0.0; N_FEATURES];
        (values[1], values[2]) = (f64::MAX, f64::MAX);
        let proba = |values| model.predict_proba(&Transaction::new(values).unwrap());
        assert_eq!(proba(values), 1.0);
        assert_eq!(proba(values.map(|x| if x > 0.0 { -x } else { x })), 0.0);
        (values[5], values[6], values[7]) = (f64::MIN, f64::MIN, f64::MIN);
        assert_eq!(proba(values), 0.0);
    }

    fn values() -> impl Strategy<Value = [f64; N_FEATURES]> {
        prop::collection::vec(-50.0..50.0, N_FEATURES).prop_map(|v| {
            let mut values: [f64; N_FEATURES] = v.try_into().unwrap();
            values[0] = values[0].abs();
            values[29] = values[29].abs();
            values
        })
    }

    proptest! {
        #[test]
        fn any_transaction_has_a_probability(bits in prop::collection::vec(any::<u64>(), 2 * N_FEATURES)) {
            let number = |bits: u64| Some(f64::from_bits(bits)).filter(|x| x.is_finite()).unwrap_or(1.0);
            let coefficients = std::array::from_fn(|i| number(bits[i]));
            let mut x: [f64; N_FEATURES] = std::array::from_fn(|i| number(bits[N_FEATURES + i]));
            x[0] = x[0].abs();
            x[29] = x[29].abs();
            let model = LogisticModel::new(scaler(), coefficients, -3.0).unwrap();
            let transaction = Transaction::new(x).unwrap();
            prop_assert!(model.decision_function(&transaction).is_finite());
            prop_assert!((0.0..=1.0).contains(&model.predict_proba(&transaction)));
        }

        #[test]
        fn folding_changes_rounding_only(
            x in values(),
            mean in values(),
            coefficients in values(),
            spread in prop::collection::vec(0.1..100.0, N_FEATURES),
        ) {
            let scale: [f64; N_FEATURES] = spread.try_into().unwrap();
            let scaler = StandardScaler::new(mean, scale).unwrap();
            let model = LogisticModel::new(scaler, coefficients, -3.0).unwrap();
            let transaction = Transaction::new(x).unwrap();
            let unfolded: f64 = -3.0
                + (0..N_FEATURES).map(|i| coefficients[i] * (x[i] - mean[i]) / scale[i]).sum::<f64>();
            let size: f64 = 3.0
                + (0..N_FEATURES)
                    .map(|i| (coefficients[i] / scale[i]).abs() * (x[i].abs() + mean[i].abs()))
                    .sum::<f64>();
            let decision = model.decision_function(&transaction);
            prop_assert!((decision - unfolded).abs() <= 1e-14 * size);
            prop_assert!((model.explain(&transaction).total() - decision).abs() <= 1e-14 * size);

            let mut out = [0.0];
            model.predict_proba_rows(&[x], &mut out);
            prop_assert_eq!(out[0].to_bits(), model.predict_proba(&transaction).to_bits());
            prop_assert!((0.0..=1.0).contains(&out[0]));
        }
    }
}
