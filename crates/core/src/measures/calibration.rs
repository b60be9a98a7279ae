//! Measures of the probabilities themselves: do they mean what they say?

use super::{MeasureError, check_lengths};

fn check_probabilities(labels: &[bool], probabilities: &[f64]) -> Result<(), MeasureError> {
    check_lengths(labels, probabilities)?;
    match probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(row) => Err(MeasureError::NotAProbability { row, value: probabilities[row] }),
        None => Ok(()),
    }
}

/// Mean negative log-likelihood in nats a row, ≥ 0.
///
/// scikit-learn's `log_loss`: probabilities are kept 2⁻⁵² away from 0 and 1, so that one confident
/// mistake does not make it infinite.
///
/// # Errors
///
/// If there are no rows, not one probability a label, or a value outside [0, 1].
pub fn log_loss(labels: &[bool], probabilities: &[f64]) -> Result<f64, MeasureError> {
    check_probabilities(labels, probabilities)?;
    let sum: f64 = labels
        .iter()
        .zip(probabilities)
        .map(|(&fraud, &p)| {
            let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            // ln_1p keeps the digits of a probability close to 0.
            if fraud { -p.ln() } else { -(-p).ln_1p() }
        })
        .sum();
    Ok(sum / labels.len() as f64)
}

/// Mean squared difference of probability and label, in [0, 1] (Brier, 1950).
///
/// # Errors
///
/// If there are no rows, not one probability a label, or a value outside [0, 1].
pub fn brier_score(labels: &[bool], probabilities: &[f64]) -> Result<f64, MeasureError> {
    check_probabilities(labels, probabilities)?;
    let sum: f64 = labels
        .iter()
        .zip(probabilities)
        .map(|(&fraud, &p)| (p - f64::from(u8::from(fraud))).powi(2))
        .sum();
    Ok(sum / labels.len() as f64)
}

/// The rows whose probability lies in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReliabilityBin {
    /// Rows in the bin.
    pub rows: u64,
    /// Frauds in the bin.
    pub frauds: u64,
    /// Mean probability of the rows; 0 in an empty bin.
    pub mean_probability: f64,
}

impl ReliabilityBin {
    /// Observed share of frauds, or `None` in an empty bin.
    #[must_use]
    pub fn fraud_rate(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.frauds as f64 / self.rows as f64)
    }
}

/// The reliability diagram: `bins` bins of equal width over [0, 1], each closed below and open
/// above, the last closed on both sides.
///
/// # Errors
///
/// If there are no rows, not one probability a label, or a value outside [0, 1].
pub fn reliability(
    labels: &[bool],
    probabilities: &[f64],
    bins: usize,
) -> Result<Vec<ReliabilityBin>, MeasureError> {
    check_probabilities(labels, probabilities)?;
    let bins = bins.max(1);
    let mut out = vec![ReliabilityBin::default(); bins];
    for (&fraud, &p) in labels.iter().zip(probabilities) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // p is in [0, 1]
        let bin = &mut out[((p * bins as f64) as usize).min(bins - 1)];
        bin.rows += 1;
        bin.frauds += u64::from(fraud);
        bin.mean_probability += p; // a sum until the loop below
    }
    for bin in out.iter_mut().filter(|bin| bin.rows > 0) {
        bin.mean_probability /= bin.rows as f64;
    }
    Ok(out)
}

/// Expected calibration error: the mean over rows of |mean probability − fraud rate| of the row's
/// bin, with `bins` bins of equal width; in [0, 1].
///
/// Naeini, Cooper and Hauskrecht (2015), for the probability of the positive class.
///
/// # Errors
///
/// If there are no rows, not one probability a label, or a value outside [0, 1].
pub fn expected_calibration_error(
    labels: &[bool],
    probabilities: &[f64],
    bins: usize,
) -> Result<f64, MeasureError> {
    let weighted: f64 = reliability(labels, probabilities, bins)?
        .iter()
        .filter_map(|bin| Some(bin.rows as f64 * (bin.mean_probability - bin.fraud_rate()?).abs()))
        .sum();
    Ok(weighted / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_loss_and_brier_by_hand() {
        let labels = [true, false];
        let probabilities = [0.8, 0.4];
        let expected = -(0.8_f64.ln() + 0.6_f64.ln()) / 2.0;
        assert!((log_loss(&labels, &probabilities).unwrap() - expected).abs() < 1e-15);
        let brier = brier_score(&labels, &probabilities).unwrap();
        assert!((brier - 0.1).abs() < 1e-15); // half of 0.2² + 0.4²
    }

    #[test]
    fn a_sure_mistake_costs_36_nats_not_infinity() {
        // −ln 2⁻⁵² = 52 ln 2
        let expected = 52.0 * std::f64::consts::LN_2;
        assert!((log_loss(&[true], &[0.0]).unwrap() - expected).abs() < 1e-12);
        assert!((log_loss(&[false], &[1.0]).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn calibration_error_by_hand() {
        // Bin 0: 0.05 and 0.15 are in different bins of ten; 1.0 belongs to the last.
        let labels = [false, true, true, true];
        let probabilities = [0.05, 0.15, 0.95, 1.0];
        let expected = (0.05 + 0.85 + 2.0 * 0.025) / 4.0;
        let found = expected_calibration_error(&labels, &probabilities, 10).unwrap();
        assert!((found - expected).abs() < 1e-15);
        let bins = reliability(&labels, &probabilities, 10).unwrap();
        assert_eq!((bins[9].rows, bins[9].frauds), (2, 2));
        assert_eq!(bins[5].fraud_rate(), None);
    }

    #[test]
    fn one_class_only_is_measured_and_bad_input_is_not() {
        assert!(log_loss(&[false, false], &[0.1, 0.2]).is_ok());
        assert_eq!(log_loss(&[], &[]), Err(MeasureError::Empty));
        assert_eq!(
            brier_score(&[true], &[1.5]).unwrap_err().to_string(),
            "score 1.5 in row 0 (from 0), expected a probability from 0 to 1"
        );
        assert!(expected_calibration_error(&[true], &[f64::NAN], 10).is_err());
    }
}
