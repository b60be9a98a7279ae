//! Properties of the fit that hold for any data; agreement with scikit-learn on real rows is tested
//! end to end.

use fraud_core::N_FEATURES;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::*;

/// `n` rows of noise in which `V1` says something about the label, one in `every` a fraud.
fn noise(n: usize, every: usize) -> (Vec<[f64; N_FEATURES]>, Vec<bool>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let labels: Vec<bool> = (0..n).map(|row| row % every == 0).collect();
    let values = labels
        .iter()
        .map(|&fraud| {
            let mut row = std::array::from_fn(|_| uniform());
            row[1] += f64::from(u8::from(fraud)) * 0.4;
            row
        })
        .collect();
    (values, labels)
}

fn fit(
    parameters: Parameters,
    values: &[[f64; N_FEATURES]],
    labels: &[bool],
) -> Result<Fit, FitError> {
    let index: Vec<u32> = (0..u32::try_from(values.len()).unwrap()).collect();
    parameters.validate().unwrap().fit(Rows::new(values, labels, &index))
}

fn distance(a: &Fit, b: &Fit) -> f64 {
    let ours = a.model.coefficients().iter().zip(b.model.coefficients());
    ours.map(|(a, b)| (a - b).abs())
        .fold((a.model.intercept() - b.model.intercept()).abs(), f64::max)
}

#[test]
fn both_solvers_reach_the_same_minimum() {
    let (values, labels) = noise(3_000, 20);
    let newton = fit(Parameters::default(), &values, &labels).unwrap();
    let lbfgs = Parameters { solver: Solver::Lbfgs, ..Parameters::default() };
    let lbfgs = fit(lbfgs, &values, &labels).unwrap();
    assert!(newton.iterations < 15 && lbfgs.iterations > newton.iterations);
    assert!(distance(&newton, &lbfgs) < 1e-5, "{}", distance(&newton, &lbfgs));
    for fit in [&newton, &lbfgs] {
        // The start, and one point for each iteration, the last of them the end.
        assert_eq!(fit.path.len() as u64, fit.iterations + 1);
        // Near the end the loss no longer falls beyond its rounding.
        assert!(fit.path.windows(2).all(|steps| steps[1].loss <= steps[0].loss + 1e-14));
        let end = fit.path.last().unwrap();
        assert_eq!((end.loss, end.gradient_norm), (fit.loss, fit.gradient_norm));
    }
}

/// A weight of 3 is the same as each fraud three times; the scaler would see the copies, so only the
/// objective is compared.
#[test]
fn a_class_weight_counts_like_copies() {
    let (values, labels) = noise(400, 10);
    let scaler = fraud_core::StandardScaler::new([0.5; N_FEATURES], [0.3; N_FEATURES]).unwrap();
    let once: Vec<u32> = (0..400).collect();
    let copied: Vec<u32> =
        once.iter().flat_map(|&row| vec![row; if row % 10 == 0 { 3 } else { 1 }]).collect();
    let point = std::array::from_fn(|i| if i <= INTERCEPT { 0.1 } else { 0.0 });
    let weighted = Objective::new(Rows::new(&values, &labels, &once), &scaler, [1.0, 3.0], 2.0);
    let copies = Objective::new(Rows::new(&values, &labels, &copied), &scaler, [1.0, 1.0], 2.0);
    let order = objective::Order::Second;
    let (a, b) = (weighted.at(&point, order), copies.at(&point, order));
    assert!((a.loss - b.loss).abs() < 1e-14);
    for (a, b) in a.hessian.as_flattened().iter().zip(b.hessian.as_flattened()) {
        assert!((a - b).abs() < 1e-14);
    }
}

/// At the minimum, the mean predicted probability of unweighted rows is the fraud rate: the
/// derivative by the intercept, which no penalty touches, is zero.
#[test]
fn the_intercept_is_not_penalised() {
    let (values, labels) = noise(2_000, 25);
    let parameters =
        Parameters { class_weight: ClassWeight::None, l2: 1e4, ..Parameters::default() };
    let fit = fit(parameters, &values, &labels).unwrap();
    let mut probabilities = vec![0.0; values.len()];
    fit.model.predict_proba_rows(&values, &mut probabilities);
    let mean = probabilities.iter().sum::<f64>() / 2_000.0;
    assert!((mean - 0.04).abs() < 1e-9, "{mean}");
    assert!(fit.model.coefficients().iter().all(|c| c.abs() < 0.02));
}

#[test]
fn one_class_separable_and_singular_data_are_clear_errors() {
    let (mut values, labels) = noise(500, 10);
    let none = vec![false; 500];
    assert_eq!(
        fit(Parameters::default(), &values, &none).unwrap_err().to_string(),
        "the training rows have 500 legitimate transactions and 0 frauds, expected at least one of each"
    );

    let free = || Parameters { l2: 0.0, ..Parameters::default() };
    for row in &mut values {
        row[7] = 4.0;
    }
    let message = fit(free(), &values, &labels).unwrap_err().to_string();
    assert!(message.starts_with("the Hessian is singular in iteration 1"), "{message}");
    // With a penalty a constant feature is harmless: its coefficient is 0.
    let penalised = fit(Parameters::default(), &values, &labels).unwrap();
    assert_eq!(penalised.model.coefficients()[7], 0.0);

    for (row, &fraud) in values.iter_mut().zip(&labels) {
        row[2] = if fraud { 9.0 } else { -9.0 };
    }
    let lbfgs = Parameters { solver: Solver::Lbfgs, max_iterations: 20, ..free() };
    let message = fit(lbfgs, &values, &labels).unwrap_err().to_string();
    assert!(message.starts_with("lbfgs did not converge in 20 iterations"), "{message}");
}
