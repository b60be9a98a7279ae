//! V1 … V28 of a row: uncorrelated, heavy-tailed, with falling variance.

use std::array;

use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rand_xoshiro::Xoshiro256PlusPlus;

/// How many components there are.
pub(super) const N_COMPONENTS: usize = 28;

/// Standard deviation, asymmetry and weight of the tails, for V1 … V28. The deviations are the well
/// known ones of the Kaggle file, rounded; the shapes are made up.
const SHAPES: [(f64, f64, f64); N_COMPONENTS] = [
    (2.0, -0.25, 0.12),
    (1.7, -0.15, 0.15),
    (1.5, -0.15, 0.06),
    (1.4, 0.10, 0.04),
    (1.4, 0.05, 0.12),
    (1.3, 0.10, 0.08),
    (1.2, 0.00, 0.12),
    (1.2, -0.15, 0.15),
    (1.1, 0.10, 0.05),
    (1.1, 0.15, 0.10),
    (1.0, 0.05, 0.01),
    (1.0, -0.20, 0.06),
    (0.99, 0.03, 0.01),
    (0.95, -0.05, 0.06),
    (0.9, -0.05, 0.01),
    (0.88, -0.05, 0.04),
    (0.85, 0.05, 0.10),
    (0.84, -0.03, 0.02),
    (0.8, 0.03, 0.03),
    (0.77, 0.10, 0.15),
    (0.73, 0.05, 0.15),
    (0.72, 0.00, 0.03),
    (0.62, -0.05, 0.15),
    (0.6, -0.10, 0.02),
    (0.52, -0.05, 0.05),
    (0.48, 0.10, 0.02),
    (0.4, -0.05, 0.12),
    (0.33, 0.05, 0.15),
];

/// Customers who are unlike the others in everything: `(share, times the usual deviation)`.
const OUTLIERS: [(f64, f64); 2] = [(0.004, 3.0), (0.026, 1.7)];

/// A polynomial of a normal number, after Fleishman (1978), A method for simulating non-normal
/// distributions, Psychometrika 43: a + bz + cz² + dz³ with mean 0 and the wanted deviation.
#[derive(Debug, Clone, Copy)]
struct Component {
    constant: f64,
    linear: f64,
    square: f64,
    cube: f64,
}

impl Component {
    fn new((deviation, asymmetry, tail): (f64, f64, f64)) -> Self {
        // Variance of z + cz² + dz³ for a standard normal z: 1 + 2c² + 6d + 15d².
        let variance = 1.0 + 2.0 * asymmetry.powi(2) + 6.0 * tail + 15.0 * tail.powi(2);
        let linear = deviation / variance.sqrt();
        let square = linear * asymmetry;
        Self { constant: -square, linear, square, cube: linear * tail }
    }

    fn at(&self, z: f64) -> f64 {
        self.constant + z * (self.linear + z * (self.square + z * self.cube))
    }
}

/// Draws V1 … V28.
#[derive(Debug)]
pub(super) struct Components {
    components: [Component; N_COMPONENTS],
    /// Deviation of a usual customer, such that usual ones and outliers together have that of
    /// [`SHAPES`].
    usual: f64,
}

impl Components {
    pub(super) fn new() -> Self {
        let outliers: f64 = OUTLIERS.iter().map(|(share, _)| share).sum();
        let variance: f64 = OUTLIERS.iter().map(|(share, scale)| share * scale.powi(2)).sum();
        Self {
            components: array::from_fn(|index| Component::new(SHAPES[index])),
            usual: ((1.0 - variance) / (1.0 - outliers)).sqrt(),
        }
    }

    /// Standard deviation of `V{number}`, for a number in 1 … 28.
    pub(super) fn deviation(number: usize) -> f64 {
        SHAPES[number - 1].0
    }

    /// Fills in a customer's components: mean 0, standard deviations as stated.
    pub(super) fn draw_customer(&self, rng: &mut Xoshiro256PlusPlus, values: &mut [f64]) {
        let mut position: f64 = StandardUniform.sample(rng);
        let mut scale = self.usual;
        for (share, outlier) in OUTLIERS {
            if (0.0..share).contains(&position) {
                scale = outlier;
            }
            position -= share;
        }
        self.draw(rng, scale, values);
    }

    /// Fills in components with mean 0 and `scale` times the usual standard deviations.
    pub(super) fn draw(&self, rng: &mut Xoshiro256PlusPlus, scale: f64, values: &mut [f64]) {
        for (value, component) in values.iter_mut().zip(&self.components) {
            *value = scale * component.at(StandardNormal.sample(rng));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn components_have_the_stated_deviation_and_heavy_tails() {
        let components = Components::new();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let n = 100_000;
        let mut sums = [[0.0; 3]; N_COMPONENTS];
        let mut values = [0.0; N_COMPONENTS];
        for _ in 0..n {
            components.draw_customer(&mut rng, &mut values);
            for (sum, value) in sums.iter_mut().zip(values) {
                sum[0] += value;
                sum[1] += value.powi(2);
                sum[2] += value.powi(4);
            }
        }
        for (number, sum) in (1..).zip(sums) {
            let [mean, square, fourth] = sum.map(|sum| sum / f64::from(n));
            let expected = Components::deviation(number);
            assert!(mean.abs() < 0.03 * expected, "V{number}: mean {mean}");
            // The fourth moment makes the estimate of a deviation this uncertain.
            assert!((square.sqrt() / expected - 1.0).abs() < 0.05, "V{number}: {}", square.sqrt());
            // Three for a normal distribution.
            let kurtosis = fourth / square.powi(2);
            assert!(kurtosis > 3.3, "V{number}: kurtosis {kurtosis}");
        }
    }

    #[test]
    fn variance_falls() {
        assert!(SHAPES.is_sorted_by(|a, b| a.0 >= b.0));
    }
}
