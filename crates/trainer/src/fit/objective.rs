//! The objective, its gradient and its Hessian in one parallel pass over the rows.
//!
//! Rows are taken in chunks of fixed size, chunks in blocks of 64 rows that are standardised into
//! the first-level cache; all sums over a block run while it is there. Chunks are added in their
//! order, and vectors run over features, never over rows: the result has the same bits with any
//! number of threads and any width of SIMD registers. Only a machine without fused multiply-add
//! rounds otherwise.

#![expect(
    clippy::inline_always,
    reason = "what runs inside `dispatch` has to be compiled into it, for its instruction set"
)]

use fraud_core::{N_FEATURES, StandardScaler};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Step;

/// Columns of the design matrix: the features, the constant 1 of the intercept, one of zeros that
/// fills up the registers.
const WIDTH: usize = 32;

/// Position of the intercept among the columns.
pub(super) const INTERCEPT: usize = N_FEATURES;

/// Coefficients in the order of the columns; the last place is always 0.
pub(super) type Point = [f64; WIDTH];

/// Upper triangle of a symmetric matrix over the columns (whole tiles of it; what lies below is not
/// filled).
pub(super) type Matrix = [[f64; WIDTH]; WIDTH];

/// Rows a thread takes at a time.
pub(super) const CHUNK: usize = 8_192;

/// Rows that are standardised together: 64 × 32 × 8 bytes = 16 KiB.
const BLOCK: usize = 64;

/// Labelled rows, some or all of a table.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [[f64; N_FEATURES]],
    labels: &'a [bool],
    index: &'a [u32],
}

impl<'a> Rows<'a> {
    /// Takes the rows at the positions `index` of a table of n × 30 values and n labels.
    ///
    /// # Panics
    ///
    /// If there is not one label for each row, or a position is outside the table.
    #[must_use]
    pub fn new(values: &'a [[f64; N_FEATURES]], labels: &'a [bool], index: &'a [u32]) -> Self {
        assert_eq!(values.len(), labels.len(), "one label for each row");
        assert!(index.iter().all(|&row| (row as usize) < values.len()), "positions in the table");
        Self { values, labels, index }
    }

    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Number of frauds.
    #[must_use]
    pub fn frauds(&self) -> usize {
        self.index.iter().filter(|&&row| self.labels[row as usize]).count()
    }

    pub(super) const fn index(&self) -> &'a [u32] {
        self.index
    }

    pub(super) fn values(&self, row: u32) -> &'a [f64; N_FEATURES] {
        &self.values[row as usize]
    }
}

/// What is minimised; see the page of [`super`].
pub(super) struct Objective<'a> {
    rows: Rows<'a>,
    /// Mean and 1 / scale of each feature; the columns behind the features stay as they are.
    mean: Point,
    inverse_scale: Point,
    /// Weight of a legitimate row and of a fraud, divided by the sum over all rows.
    class_weights: [f64; 2],
    /// λ / S
    l2: f64,
}

/// Value and derivatives at one point.
#[derive(Debug, Clone)]
pub(super) struct Derivatives {
    pub(super) loss: f64,
    pub(super) gradient: Point,
    pub(super) hessian: Box<Matrix>,
}

impl Derivatives {
    /// Largest component of the gradient.
    pub(super) fn gradient_norm(&self) -> f64 {
        // f64::max would pass over a NaN.
        self.gradient.iter().fold(
            0.0,
            |max: f64, g| {
                if max.is_nan() || g.abs() <= max { max } else { g.abs() }
            },
        )
    }

    /// This point, to be remembered.
    pub(super) fn step(&self) -> Step {
        Step { loss: self.loss, gradient_norm: self.gradient_norm() }
    }

    fn zero() -> Self {
        Self { loss: 0.0, gradient: [0.0; WIDTH], hessian: Box::new([[0.0; WIDTH]; WIDTH]) }
    }

    fn add(&mut self, other: &Self) {
        self.loss += other.loss;
        let ours = self.gradient.iter_mut().chain(self.hessian.as_flattened_mut());
        for (ours, theirs) in ours.zip(other.gradient.iter().chain(other.hessian.as_flattened())) {
            *ours += theirs;
        }
    }
}

/// Whether the pass also sums up the Hessian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    First,
    Second,
}

impl<'a> Objective<'a> {
    pub(super) fn new(
        rows: Rows<'a>,
        scaler: &StandardScaler,
        class_weights: [f64; 2],
        l2: f64,
    ) -> Self {
        let frauds = rows.frauds();
        let total =
            class_weights[0] * (rows.len() - frauds) as f64 + class_weights[1] * frauds as f64;
        Self {
            rows,
            mean: widen(scaler.mean(), 0.0),
            inverse_scale: widen(&scaler.scale().map(|scale| 1.0 / scale), 1.0),
            class_weights: class_weights.map(|weight| weight / total),
            l2: l2 / total,
        }
    }

    /// Value, gradient and, with [`Order::Second`], Hessian at `point`.
    pub(super) fn at(&self, point: &Point, order: Order) -> Derivatives {
        let arch = Arch::new();
        let chunks: Vec<Derivatives> = self
            .rows
            .index
            .par_chunks(CHUNK)
            .map(|index| arch.dispatch(Chunk { objective: self, index, point, order }))
            .collect();
        let mut sum = Derivatives::zero();
        for chunk in &chunks {
            sum.add(chunk);
        }
        for (feature, coefficient) in point[..N_FEATURES].iter().enumerate() {
            sum.loss += 0.5 * self.l2 * coefficient * coefficient;
            sum.gradient[feature] += self.l2 * coefficient;
            sum.hessian[feature][feature] += self.l2;
        }
        sum
    }
}

/// The work on one chunk, compiled once for each kind of SIMD registers.
struct Chunk<'a> {
    objective: &'a Objective<'a>,
    index: &'a [u32],
    point: &'a Point,
    order: Order,
}

impl WithSimd for Chunk<'_> {
    type Output = Derivatives;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Derivatives {
        // Where there is no fused multiply-add, the standard library computes it in software.
        if S::IS_SCALAR { self.sum::<false>() } else { self.sum::<true>() }
    }
}

impl Chunk<'_> {
    #[inline(always)]
    fn sum<const FMA: bool>(self) -> Derivatives {
        let mut sum = Derivatives::zero();
        let mut block = [[0.0; WIDTH]; BLOCK];
        for index in self.index.chunks(BLOCK) {
            self.standardise(index, &mut block);
            let block = &block[..index.len()];
            let mut curvature = [0.0; BLOCK];
            let mut gradient = [0.0; WIDTH];
            for ((x, &row), curvature) in block.iter().zip(index).zip(&mut curvature) {
                let fraud = self.objective.rows.labels[row as usize];
                let weight = self.objective.class_weights[usize::from(fraud)];
                let d = dot::<FMA>(x, self.point);
                // e^−|d| cannot overflow; log(1 + e^d) = max(d, 0) + log(1 + e^−|d|).
                let e = (-d.abs()).exp();
                let q = 1.0 / (1.0 + e);
                let p = if d >= 0.0 { q } else { e * q };
                let target = f64::from(u8::from(fraud));
                sum.loss += weight * (d.max(0.0) + e.ln_1p() - target * d);
                *curvature = weight * e * q * q; // p (1 − p)
                let slope = weight * (p - target);
                for (g, x) in gradient.iter_mut().zip(x) {
                    *g = fused::<FMA>(slope, *x, *g);
                }
            }
            for (total, g) in sum.gradient.iter_mut().zip(gradient) {
                *total += g;
            }
            if self.order == Order::Second {
                add_hessian::<FMA>(block, &curvature, &mut sum.hessian);
            }
        }
        sum
    }

    #[inline(always)]
    fn standardise(&self, index: &[u32], block: &mut [[f64; WIDTH]; BLOCK]) {
        // Local copies: a reference might alias the block, and the loop would not become SIMD.
        let Objective { rows, mean, inverse_scale, .. } = *self.objective;
        for (x, &row) in block.iter_mut().zip(index) {
            let values = widen(rows.values(row), 0.0);
            for column in 0..WIDTH {
                x[column] = (values[column] - mean[column]) * inverse_scale[column];
            }
            x[INTERCEPT] = 1.0;
        }
    }
}

/// Features, and `rest` in the columns behind them.
#[inline(always)]
fn widen(features: &[f64; N_FEATURES], rest: f64) -> Point {
    let mut wide = [rest; WIDTH];
    wide[..N_FEATURES].copy_from_slice(features);
    wide
}

/// `a · b + c`, fused where the machine can.
#[inline(always)]
fn fused<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Eight running sums in a fixed order, whatever the registers' width.
#[inline(always)]
fn dot<const FMA: bool>(x: &Point, w: &Point) -> f64 {
    let mut lanes = [0.0; 8];
    for (x, w) in x.as_chunks::<8>().0.iter().zip(w.as_chunks::<8>().0) {
        for lane in 0..8 {
            lanes[lane] = fused::<FMA>(x[lane], w[lane], lanes[lane]);
        }
    }
    let [first, second] = [lanes[..4].iter(), lanes[4..].iter()];
    first.zip(second).map(|(a, b)| a + b).sum()
}

/// Adds `Σ curvature · x xᵀ` over the rows of a block: tiles of 4 × 8 whose 32 sums stay in registers
/// over all rows, those on and above the diagonal.
#[inline(always)]
fn add_hessian<const FMA: bool>(block: &[Point], curvature: &[f64; BLOCK], hessian: &mut Matrix) {
    // Weighted beforehand: a tile then loads its left factors ready to multiply.
    let mut weighted = [[0.0; WIDTH]; BLOCK];
    for ((weighted, x), &curvature) in weighted.iter_mut().zip(block).zip(curvature) {
        for column in 0..WIDTH {
            weighted[column] = curvature * x[column];
        }
    }
    for right in 0..WIDTH / 8 {
        for top in 0..=2 * right + 1 {
            let mut tile = [[0.0; 8]; 4];
            for (x, weighted) in block.iter().zip(&weighted) {
                let a = &weighted.as_chunks::<4>().0[top];
                let b = &x.as_chunks::<8>().0[right];
                for i in 0..4 {
                    for j in 0..8 {
                        tile[i][j] = fused::<FMA>(a[i], b[j], tile[i][j]);
                    }
                }
            }
            for (i, sums) in tile.iter().enumerate() {
                let row = &mut hessian[4 * top + i].as_chunks_mut::<8>().0[right];
                for j in 0..8 {
                    row[j] += sums[j];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a simple pattern with a third of frauds.
    fn table(n: usize) -> (Vec<[f64; N_FEATURES]>, Vec<bool>, Vec<u32>) {
        let values = (0..n)
            .map(|i| std::array::from_fn(|j| ((i * 37 + j * 11) % 101) as f64 / 50.0 - 1.0))
            .collect();
        let labels = (0..n).map(|i| i % 3 == 0).collect();
        (values, labels, (0..u32::try_from(n).unwrap()).collect())
    }

    fn objective(rows: Rows<'_>) -> Objective<'_> {
        let scaler = StandardScaler::new([0.25; N_FEATURES], [0.5; N_FEATURES]).unwrap();
        Objective::new(rows, &scaler, [1.0, 4.0], 3.0)
    }

    fn point() -> Point {
        std::array::from_fn(|i| if i < 31 { (i as f64 * 0.7).sin() / 5.0 } else { 0.0 })
    }

    /// Central differences of the loss and of the gradient.
    #[test]
    fn derivatives_agree_with_differences() {
        let (values, labels, index) = table(150);
        let objective = objective(Rows::new(&values, &labels, &index));
        let at = objective.at(&point(), Order::Second);
        let step = 1e-5;
        for column in 0..=INTERCEPT {
            let (mut above, mut below) = (point(), point());
            above[column] += step;
            below[column] -= step;
            let above = objective.at(&above, Order::First);
            let below = objective.at(&below, Order::First);
            let slope = (above.loss - below.loss) / (2.0 * step);
            assert!((slope - at.gradient[column]).abs() < 1e-8, "{column}");
            for row in 0..=column {
                let curvature = (above.gradient[row] - below.gradient[row]) / (2.0 * step);
                assert!((curvature - at.hessian[row][column]).abs() < 1e-8, "{row} {column}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let (values, labels, index) = table(3 * CHUNK + 17);
        let objective = objective(Rows::new(&values, &labels, &index));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let at = pool.install(|| objective.at(&point(), Order::Second));
            let numbers = at.gradient.iter().chain(at.hessian.as_flattened());
            (at.loss.to_bits(), numbers.map(|x| x.to_bits()).collect::<Vec<_>>())
        };
        assert_eq!(with(1), with(2));
        assert_eq!(with(1), with(7));
    }

    /// The loops without SIMD registers are the ones that an old machine runs.
    #[test]
    fn without_fused_multiply_add_the_sums_differ_in_rounding_only() {
        let (values, labels, index) = table(500);
        let objective = objective(Rows::new(&values, &labels, &index));
        let point = point();
        let chunk =
            || Chunk { objective: &objective, index: &index, point: &point, order: Order::Second };
        let (plain, fused) = (chunk().sum::<false>(), chunk().sum::<true>());
        assert!((plain.loss / fused.loss - 1.0).abs() < 1e-14);
        for (a, b) in plain.hessian.as_flattened().iter().zip(fused.hessian.as_flattened()) {
            assert!((a - b).abs() < 1e-14);
        }
    }

    #[test]
    fn a_nan_is_no_small_gradient() {
        let mut at = Derivatives::zero();
        at.gradient[3] = f64::NAN;
        assert!(at.gradient_norm().is_nan());
    }
}
