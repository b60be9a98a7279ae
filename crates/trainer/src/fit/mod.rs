//! The fit: L2-regularised logistic regression with class weights on standardised features.
//!
//! With `zᵢ` the standardised features of row `i`, `yᵢ` its label (0 or 1), `sᵢ` the weight of its
//! class and `S = Σ sᵢ`, both solvers minimise
//!
//! `F(w, b) = 1/S · [ Σ sᵢ · (log(1 + e^dᵢ) − yᵢ dᵢ) + λ/2 · ‖w‖² ]`, `dᵢ = w·zᵢ + b`.
//!
//! The intercept `b` is not penalised. It is scikit-learn's objective with `C = 1/λ`, divided by
//! `C·S`; `class_weight="balanced"` is `n / (2 · n_class)` (King and Zeng, 2001).

mod lbfgs;
mod newton;
mod objective;
mod parameters;
mod standardise;

use fraud_core::{LogisticModel, ModelError, N_FEATURES};

pub use objective::Rows;
pub use parameters::{ClassWeight, ParameterError, Parameters, Solver, ValidParameters};
pub use standardise::standard_scaler;

use objective::{INTERCEPT, Objective, Point};

/// A fitted model and how the solver came to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// Scaler, coefficients and intercept.
    pub model: LogisticModel,
    /// Iterations of the solver.
    pub iterations: u64,
    /// Largest component of the gradient of `F` at the end.
    pub gradient_norm: f64,
    /// `F` at the end.
    pub loss: f64,
    /// The way there, from the starting point on.
    pub path: Vec<Step>,
}

/// One point on a solver's way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// `F`
    pub loss: f64,
    /// Largest component of its gradient.
    pub gradient_norm: f64,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// No rows of one class.
    #[error(
        "the training rows have {legitimate} legitimate transactions and {frauds} frauds, expected \
         at least one of each"
    )]
    OneClass {
        /// Rows labelled 0.
        legitimate: usize,
        /// Rows labelled 1.
        frauds: usize,
    },
    /// The solver stopped above the tolerance.
    #[error(
        "{solver} did not converge in {iterations} iterations: the gradient norm is \
         {gradient_norm:.1e}, expected at most {tolerance:.1e}; allow more iterations, a larger \
         tolerance or a stronger L2 penalty"
    )]
    NotConverged {
        /// The solver's name.
        solver: Solver,
        /// Iterations made.
        iterations: u64,
        /// Largest component of the gradient where it stopped.
        gradient_norm: f64,
        /// What was asked for.
        tolerance: f64,
    },
    /// The Hessian is not positive definite: without a penalty, some features say the same.
    #[error(
        "the Hessian is singular in iteration {iteration}: some features are constant or depend on \
         each other linearly; expected an L2 penalty greater than 0 for such data, or the solver lbfgs"
    )]
    Singular {
        /// Iteration from 1.
        iteration: u64,
    },
    /// Features so large or so small that their variance is beyond 64-bit floats.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl ValidParameters {
    /// Standardises by the given rows and fits to them.
    ///
    /// The result depends on the rows, their order and the parameters alone: not on the number of
    /// threads, to the last bit.
    ///
    /// # Errors
    ///
    /// If a class is missing, the solver does not converge, or the data has no scale.
    pub fn fit(&self, rows: Rows<'_>) -> Result<Fit, FitError> {
        let frauds = rows.frauds();
        let legitimate = rows.len() - frauds;
        if frauds == 0 || legitimate == 0 {
            return Err(FitError::OneClass { legitimate, frauds });
        }
        let scaler = standard_scaler(rows)?;
        let class_weights = self.class_weight().of(legitimate, frauds);
        let objective = Objective::new(rows, &scaler, class_weights, self.l2());
        let solution = match self.solver() {
            Solver::NewtonCholesky => newton::minimise(&objective, self)?,
            Solver::Lbfgs => lbfgs::minimise(&objective, self),
        };
        // A diverging solver may end with NaN, which is not above any tolerance.
        if solution.gradient_norm.is_nan() || solution.gradient_norm > self.tolerance() {
            return Err(FitError::NotConverged {
                solver: self.solver(),
                iterations: solution.iterations,
                gradient_norm: solution.gradient_norm,
                tolerance: self.tolerance(),
            });
        }
        let coefficients: [f64; N_FEATURES] = std::array::from_fn(|i| solution.point[i]);
        Ok(Fit {
            model: LogisticModel::new(scaler, coefficients, solution.point[INTERCEPT])?,
            iterations: solution.iterations,
            gradient_norm: solution.gradient_norm,
            loss: solution.loss,
            path: solution.path,
        })
    }
}

/// Where a solver stopped.
struct Solution {
    point: Point,
    iterations: u64,
    gradient_norm: f64,
    loss: f64,
    path: Vec<Step>,
}

#[cfg(test)]
mod tests;
