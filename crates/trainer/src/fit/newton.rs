//! Newton's method with a Cholesky decomposition of the Hessian.

use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linalg::traits::cholesky::CholeskyDecomposable;

use super::objective::{Derivatives, INTERCEPT, Objective, Order, Point};
use super::{FitError, Solution, ValidParameters};

/// Free parameters: the coefficients and the intercept.
const N: usize = INTERCEPT + 1;

/// Share of the decrease promised by the gradient that a step must attain (Armijo, 1966).
const ARMIJO: f64 = 1e-4;

/// A step that needs more halvings than this is lost in rounding.
const MAX_HALVINGS: u32 = 40;

/// Minimises from 0. A full Newton step is taken unless it increases the objective, then it is halved.
pub(super) fn minimise(
    objective: &Objective<'_>,
    parameters: &ValidParameters,
) -> Result<Solution, FitError> {
    let mut point: Point = [0.0; _];
    let mut here = objective.at(&point, Order::Second);
    let mut path = vec![here.step()];
    let mut iterations = 0;
    while here.gradient_norm() > parameters.tolerance() && iterations < parameters.max_iterations()
    {
        iterations += 1;
        let step = newton_step(&here).ok_or(FitError::Singular { iteration: iterations })?;
        let slope: f64 = step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum();
        let Some((next, there)) = search(objective, &point, &here, &step, slope) else { break };
        tracing::debug!(
            iteration = iterations,
            loss = there.loss,
            gradient_norm = there.gradient_norm(),
            "newton-cholesky"
        );
        (point, here) = (next, there);
        path.push(here.step());
    }
    Ok(Solution { point, iterations, gradient_norm: here.gradient_norm(), loss: here.loss, path })
}

/// The first of the points `point + step`, `point + step/2`, … that lowers the objective enough, or
/// `None` where rounding hides any decrease.
fn search(
    objective: &Objective<'_>,
    point: &Point,
    here: &Derivatives,
    step: &Point,
    slope: f64,
) -> Option<(Point, Derivatives)> {
    // Close to the minimum the decrease drowns in the rounding of the sum; a step that stays level
    // up to that is taken, and the gradient decides about convergence.
    let rounding = 64.0 * f64::EPSILON * here.loss.abs();
    let mut length = 1.0;
    for _ in 0..MAX_HALVINGS {
        let next: Point = std::array::from_fn(|i| point[i] + length * step[i]);
        let there = objective.at(&next, Order::Second);
        if there.loss <= here.loss + ARMIJO * length * slope + rounding {
            return Some((next, there));
        }
        length /= 2.0;
    }
    None
}

/// Solves `H s = −g`; `None` if `H` is not positive definite.
fn newton_step(here: &Derivatives) -> Option<Point> {
    let upper = |i: usize, j: usize| here.hessian[i.min(j)][i.max(j)];
    let values: Vec<f64> = (0..N * N).map(|k| upper(k / N, k % N)).collect();
    let hessian = DenseMatrix::new(N, N, values, false).ok()?;
    let right: Vec<f64> = here.gradient[..N].iter().map(|g| -g).collect();
    let right = DenseMatrix::new(N, 1, right, false).ok()?;
    let solution = hessian.cholesky_solve_mut(right).ok()?;
    let step = std::array::from_fn(|i| if i < N { *solution.get((i, 0)) } else { 0.0 });
    // smartcore takes a zero on the diagonal for positive and divides by it.
    step.iter().all(|s: &f64| s.is_finite()).then_some(step)
}
