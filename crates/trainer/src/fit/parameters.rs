//! What a fit can be told: checked once, and only the checked have `fit`.

use std::fmt;
use std::str::FromStr;

/// How the objective is minimised. Both reach the same minimum: it is convex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Solver {
    /// Newton's method; the step by Cholesky decomposition of the Hessian.
    #[default]
    NewtonCholesky,
    /// Limited-memory BFGS (Liu and Nocedal, 1989).
    Lbfgs,
}

impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NewtonCholesky => "newton-cholesky",
            Self::Lbfgs => "lbfgs",
        })
    }
}

impl FromStr for Solver {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        match text {
            "newton-cholesky" => Ok(Self::NewtonCholesky),
            "lbfgs" => Ok(Self::Lbfgs),
            _ => Err(ParameterError::new("solver", text, "newton-cholesky or lbfgs")),
        }
    }
}

/// How much a row of each class counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ClassWeight {
    /// `n / (2 · n_class)`: both classes count the same in sum.
    #[default]
    Balanced,
    /// Every row counts once.
    None,
    /// A legitimate row counts once, a fraud this many times.
    Fraud(f64),
}

impl ClassWeight {
    /// The weights of a legitimate row and of a fraud.
    #[must_use]
    pub fn of(self, legitimate: usize, frauds: usize) -> [f64; 2] {
        match self {
            Self::Balanced => {
                let n = (legitimate + frauds) as f64;
                [n / (2.0 * legitimate as f64), n / (2.0 * frauds as f64)]
            }
            Self::None => [1.0, 1.0],
            Self::Fraud(weight) => [1.0, weight],
        }
    }
}

impl fmt::Display for ClassWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balanced => f.pad("balanced"),
            Self::None => f.pad("none"),
            Self::Fraud(weight) => weight.fmt(f),
        }
    }
}

impl FromStr for ClassWeight {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, ParameterError> {
        match text {
            "balanced" => Ok(Self::Balanced),
            "none" => Ok(Self::None),
            _ => match text.parse() {
                Ok(weight) if is_weight(weight) => Ok(Self::Fraud(weight)),
                _ => Err(ParameterError::new("class weight", text, CLASS_WEIGHT)),
            },
        }
    }
}

const CLASS_WEIGHT: &str =
    "balanced, none, or the weight of a fraud as a number greater than 0, at most 1e9";

/// Settings of the fit as they came, unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// How the objective is minimised.
    pub solver: Solver,
    /// How much a row of each class counts.
    pub class_weight: ClassWeight,
    /// Strength of the L2 penalty on the coefficients, scikit-learn's 1 / C; ≥ 0.
    pub l2: f64,
    /// Largest gradient component at which the fit counts as converged; > 0.
    pub tolerance: f64,
    /// Iterations after which the solver gives up; ≥ 1.
    pub max_iterations: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            solver: Solver::default(),
            class_weight: ClassWeight::default(),
            l2: 1.0,
            tolerance: 1e-10,
            max_iterations: 1_000,
        }
    }
}

/// Settings that have been checked; see [`Parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct ValidParameters(Parameters);

/// A setting out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {name} is {found}, expected {expected}")]
pub struct ParameterError {
    name: &'static str,
    found: String,
    expected: &'static str,
}

impl ParameterError {
    fn new(name: &'static str, found: impl fmt::Display, expected: &'static str) -> Self {
        Self { name, found: format!("{found}"), expected }
    }
}

/// The gradient at the start is of the order of 1: a larger tolerance would stop there.
const LARGEST_TOLERANCE: f64 = 0.01;
const TOLERANCE: &str = "a number greater than 0, at most 0.01";

/// Beyond this the legitimate rows would not count at all next to the frauds.
const LARGEST_WEIGHT: f64 = 1e9;

fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn is_weight(value: f64) -> bool {
    is_positive(value) && value <= LARGEST_WEIGHT
}

impl Parameters {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of its range.
    pub fn validate(self) -> Result<ValidParameters, ParameterError> {
        if !(self.l2.is_finite() && self.l2 >= 0.0) {
            return Err(ParameterError::new("L2 penalty", self.l2, "a number from 0 up"));
        }
        if !(is_positive(self.tolerance) && self.tolerance <= LARGEST_TOLERANCE) {
            return Err(ParameterError::new("tolerance", self.tolerance, TOLERANCE));
        }
        if self.max_iterations == 0 {
            return Err(ParameterError::new("number of iterations", 0, "at least 1"));
        }
        match self.class_weight {
            ClassWeight::Fraud(weight) if !is_weight(weight) => {
                Err(ParameterError::new("class weight", weight, CLASS_WEIGHT))
            }
            _ => Ok(ValidParameters(self)),
        }
    }
}

impl ValidParameters {
    pub(super) const fn solver(&self) -> Solver {
        self.0.solver
    }

    pub(super) const fn class_weight(&self) -> ClassWeight {
        self.0.class_weight
    }

    pub(super) const fn l2(&self) -> f64 {
        self.0.l2
    }

    pub(super) const fn tolerance(&self) -> f64 {
        self.0.tolerance
    }

    pub(super) const fn max_iterations(&self) -> u64 {
        self.0.max_iterations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_by_hand() {
        // scikit-learn: n / (2 · n_class) = 100 / (2 · 98) and 100 / (2 · 2).
        assert_eq!(ClassWeight::Balanced.of(98, 2), [100.0 / 196.0, 25.0]);
        assert_eq!(ClassWeight::Fraud(50.0).of(98, 2), [1.0, 50.0]);
    }

    #[test]
    fn settings_are_parsed_as_they_are_printed() {
        for text in ["balanced", "none", "50", "0.5"] {
            assert_eq!(text.parse::<ClassWeight>().unwrap().to_string(), text);
        }
        for text in ["newton-cholesky", "lbfgs"] {
            assert_eq!(text.parse::<Solver>().unwrap().to_string(), text);
        }
        for text in ["-1", "0", "NaN", "inf", "1e308", "heavy"] {
            assert!(text.parse::<ClassWeight>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_named_with_what_would_do() {
        let message = |parameters: Parameters| parameters.validate().unwrap_err().to_string();
        let default = Parameters::default;
        assert_eq!(
            message(Parameters { l2: -1.0, ..default() }),
            "the L2 penalty is -1, expected a number from 0 up"
        );
        assert!(message(Parameters { l2: f64::NAN, ..default() }).contains("NaN"));
        assert!(message(Parameters { tolerance: 0.0, ..default() }).contains("tolerance is 0"));
        assert!(message(Parameters { tolerance: 1e300, ..default() }).contains("at most 0.01"));
        assert!(message(Parameters { max_iterations: 0, ..default() }).contains("at least 1"));
        let weight = ClassWeight::Fraud(f64::INFINITY);
        assert!(message(Parameters { class_weight: weight, ..default() }).contains("inf"));
        assert!(default().validate().is_ok());
    }
}
