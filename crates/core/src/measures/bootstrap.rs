//! How sure is a measure of a few hundred frauds? A stratified bootstrap interval.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::Ranking;
use super::ranking::average_precision_of;

/// A bootstrap percentile interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

impl Ranking {
    /// Percentile interval of the average precision at confidence `level` (0.95 for 95 %), from
    /// `replicates` stratified bootstrap samples; `None` if a class is missing, or `replicates` is 0.
    ///
    /// Each sample draws as many frauds and as many legitimate rows as there are, with replacement,
    /// each class by itself, so that the fraud rate, on which average precision depends, stays
    /// (Efron and Tibshirani, 1993, §8; stratified as in Boyd, Eng and Page, 2013). Replicate `r`
    /// has its own generator, seeded from `seed` and `r`: the result does not depend on who else
    /// computes what.
    #[must_use]
    pub fn average_precision_interval(
        &self,
        replicates: u32,
        level: f64,
        seed: u64,
    ) -> Option<Interval> {
        if self.positives() == 0 || self.negatives() == 0 || replicates == 0 {
            return None;
        }
        let mut sampler = Sampler::new(self);
        let mut values: Vec<f64> = (0..replicates)
            .filter_map(|replicate| sampler.average_precision(seed, replicate))
            .collect();
        values.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - level.clamp(0.0, 1.0)) / 2.0;
        Some(Interval { lower: quantile(&values, tail), upper: quantile(&values, 1.0 - tail) })
    }
}

/// For each class the step of each of its rows, and the counts that one sample fills.
struct Sampler<'a> {
    ranking: &'a Ranking,
    fraud_steps: Vec<u32>,
    legitimate_steps: Vec<u32>,
    drawn: Vec<(u32, u32)>,
}

impl<'a> Sampler<'a> {
    fn new(ranking: &'a Ranking) -> Self {
        let mut fraud_steps = Vec::new();
        let mut legitimate_steps = Vec::new();
        let mut before = (0, 0);
        for (index, step) in (0_u32..).zip(ranking.steps()) {
            fraud_steps.extend((before.0..step.true_positives).map(|_| index));
            legitimate_steps.extend((before.1..step.false_positives).map(|_| index));
            before = (step.true_positives, step.false_positives);
        }
        let drawn = vec![(0, 0); ranking.steps().len()];
        Self { ranking, fraud_steps, legitimate_steps, drawn }
    }

    fn average_precision(&mut self, seed: u64, replicate: u32) -> Option<f64> {
        let mut rng =
            Xoshiro256PlusPlus::seed_from_u64(seed ^ (u64::from(replicate) << 32 | 0x5bd1_e995));
        self.drawn.fill((0, 0));
        for _ in 0..self.fraud_steps.len() {
            self.drawn[pick(&mut rng, &self.fraud_steps)].0 += 1;
        }
        for _ in 0..self.legitimate_steps.len() {
            self.drawn[pick(&mut rng, &self.legitimate_steps)].1 += 1;
        }
        let cumulative = self.drawn.iter().scan((0, 0), |total, &(frauds, legitimate)| {
            total.0 += u64::from(frauds);
            total.1 += u64::from(legitimate);
            Some(*total)
        });
        average_precision_of(cumulative, self.ranking.positives())
    }
}

/// A step drawn uniformly over rows. The multiplication maps 64 random bits to an index with a bias
/// below n / 2⁶⁴, far under what any number of replicates could show.
fn pick(rng: &mut Xoshiro256PlusPlus, steps: &[u32]) -> usize {
    let index = (u128::from(rng.next_u64()) * steps.len() as u128) >> 64;
    #[expect(clippy::cast_possible_truncation)] // below steps.len(), which is a usize
    let row = index as usize;
    steps[row] as usize
}

/// Quantile `q` of values sorted ascending, with linear interpolation (Hyndman and Fan, 1996, type 7:
/// the default of numpy and pandas).
///
/// ```
/// use fraud_core::measures::quantile;
///
/// assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.25), 1.5);
/// ```
///
/// # Panics
///
/// If there are no values.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to the last index
    let below = position as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 frauds with a shifted score among 2,000 legitimate rows, from a fixed generator.
    fn ranking() -> Ranking {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let labels: Vec<bool> = (0..2_040).map(|row| row < 40).collect();
        let scores: Vec<f64> =
            labels.iter().map(|&fraud| if fraud { 0.5 + uniform() } else { uniform() }).collect();
        Ranking::new(&labels, &scores).unwrap()
    }

    #[test]
    fn the_interval_holds_the_estimate_and_narrows_with_the_level() {
        let ranking = ranking();
        let estimate = ranking.average_precision().unwrap();
        let wide = ranking.average_precision_interval(500, 0.95, 7).unwrap();
        let narrow = ranking.average_precision_interval(500, 0.5, 7).unwrap();
        assert!(wide.lower < narrow.lower && narrow.lower < narrow.upper);
        assert!(narrow.upper < wide.upper);
        assert!(wide.lower < estimate && estimate < wide.upper);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_another_seed_another() {
        let ranking = ranking();
        let interval = |seed| ranking.average_precision_interval(100, 0.95, seed);
        assert_eq!(interval(7), interval(7));
        assert_ne!(interval(7), interval(8));
    }

    #[test]
    fn without_both_classes_or_replicates_there_is_no_interval() {
        let fraud = Ranking::new(&[true, true], &[0.1, 0.2]).unwrap();
        assert_eq!(fraud.average_precision_interval(100, 0.95, 1), None);
        assert_eq!(ranking().average_precision_interval(0, 0.95, 1), None);
    }

    #[test]
    fn a_perfect_ranking_has_no_spread() {
        let perfect = Ranking::new(&[true, true, false, false], &[0.9, 0.8, 0.2, 0.1]).unwrap();
        let interval = perfect.average_precision_interval(50, 0.95, 1).unwrap();
        assert_eq!((interval.lower, interval.upper), (1.0, 1.0));
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.25), 1.5);
        assert_eq!(quantile(&[3.0], 0.9), 3.0);
    }
}
