//! smartcore's L-BFGS on the same objective.

use std::cell::RefCell;

use smartcore::optimization::first_order::lbfgs::LBFGS;
use smartcore::optimization::first_order::{FirstOrderOptimizer, OptimizerResult};
use smartcore::optimization::line_search::{LineSearchMethod, LineSearchResult};

use super::objective::{Derivatives, INTERCEPT, Objective, Order, Point};
use super::{Solution, Step, ValidParameters};

/// Free parameters: the coefficients and the intercept.
const N: usize = INTERCEPT + 1;

/// Pairs of steps and gradient changes that approximate the curvature; scikit-learn's number.
const MEMORY: usize = 10;

/// Minimises from 0 until the gradient is small, the iterations are used up, or no step helps.
pub(super) fn minimise(objective: &Objective<'_>, parameters: &ValidParameters) -> Solution {
    // Value and gradient come from one pass over the rows, but are asked for one after the other.
    let last: RefCell<Option<(Vec<f64>, Derivatives)>> = RefCell::new(None);
    let at = |x: &Vec<f64>| -> Derivatives {
        if let Some((point, derivatives)) = &*last.borrow()
            && point == x
        {
            return derivatives.clone();
        }
        let derivatives = objective.at(&point_of(x), Order::First);
        *last.borrow_mut() = Some((x.clone(), derivatives.clone()));
        derivatives
    };
    let value = |x: &Vec<f64>| at(x).loss;
    // The gradient is asked for where a step has ended, values also on the way; and where a step ends
    // the next one begins and asks again.
    let path: RefCell<Vec<(Vec<f64>, Step)>> = RefCell::new(Vec::new());
    let gradient = |out: &mut Vec<f64>, x: &Vec<f64>| {
        let here = at(x);
        let mut path = path.borrow_mut();
        if path.last().is_none_or(|(last, _)| last != x) {
            path.push((x.clone(), here.step()));
        }
        out.copy_from_slice(&here.gradient[..N]);
    };

    // Only the gradient decides: a negative tolerance on values never holds, and a tolerance of 0 on
    // steps stops where no step helps.
    let optimiser = LBFGS {
        max_iter: usize::try_from(parameters.max_iterations()).unwrap_or(usize::MAX),
        g_atol: parameters.tolerance(),
        x_atol: 0.0,
        x_rtol: -1.0,
        f_abstol: -1.0,
        f_reltol: -1.0,
        m: MEMORY,
        ..LBFGS::default()
    };
    let OptimizerResult { x, iterations, .. } =
        optimiser.optimize(&value, &gradient, &vec![0.0; N], &Halving);
    let end = at(&x);
    Solution {
        point: point_of(&x),
        iterations: iterations as u64,
        gradient_norm: end.gradient_norm(),
        loss: end.loss,
        path: path.into_inner().into_iter().map(|(_, step)| step).collect(),
    }
}

fn point_of(x: &[f64]) -> Point {
    std::array::from_fn(|i| x.get(i).copied().unwrap_or(0.0))
}

/// Backtracking that gives up where smartcore's own panics: after 60 halvings the step is 0.
struct Halving;

impl LineSearchMethod<f64> for Halving {
    fn search(
        &self,
        f: &dyn Fn(f64) -> f64,
        _: &dyn Fn(f64) -> f64,
        alpha: f64,
        f0: f64,
        df0: f64,
    ) -> LineSearchResult<f64> {
        let rounding = 64.0 * f64::EPSILON * f0.abs();
        let mut alpha = alpha;
        if df0 < 0.0 {
            for _ in 0..60 {
                let f_x = f(alpha);
                if f_x <= f0 + 1e-4 * alpha * df0 + rounding {
                    return LineSearchResult { alpha, f_x };
                }
                alpha /= 2.0;
            }
        }
        LineSearchResult { alpha: 0.0, f_x: f0 }
    }
}
