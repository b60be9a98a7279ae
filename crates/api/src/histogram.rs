//! Histograms with fixed buckets, counted in place.
//!
//! The exporter's own keeps every sample until somebody folds it into its buckets, 16 bytes each: at
//! 60,000 requests a second that is a megabyte a second, and the last quarter of the memory that this
//! service takes. Here a sample is two additions.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of samples by size. `N` bounds, the last bucket has none.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    /// Upper bounds, rising.
    bounds: [f64; N],
    /// Samples in each bucket alone; they are added up when they are read.
    counts: [AtomicU64; N],
    above: AtomicU64,
    /// In billionths: whole numbers are added in one step, and 584 years of latency fit.
    sum: AtomicU64,
}

/// What a histogram holds at one time.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot<const N: usize> {
    /// Bound, and samples up to it.
    pub(crate) buckets: [(f64, u64); N],
    pub(crate) count: u64,
    pub(crate) sum: f64,
}

/// Units of the sum in one unit of a sample.
const BILLION: f64 = 1e9;

impl<const N: usize> Histogram<N> {
    /// An empty one. A sample falls into the first bucket whose bound is not below it.
    pub(crate) const fn new(bounds: [f64; N]) -> Self {
        Self {
            bounds,
            counts: [const { AtomicU64::new(0) }; N],
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a sample, which is not negative.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is negative or NaN adds nothing to the sum"
    )]
    pub(crate) fn record(&self, sample: f64) {
        let place = self.bounds.iter().position(|bound| sample <= *bound);
        place.map_or(&self.above, |place| &self.counts[place]).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add((sample * BILLION).round() as u64, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn snapshot(&self) -> Snapshot<N> {
        let mut count = 0;
        let buckets = std::array::from_fn(|place| {
            count += self.counts[place].load(Ordering::Relaxed);
            (self.bounds[place], count)
        });
        count += self.above.load(Ordering::Relaxed);
        Snapshot { buckets, count, sum: self.sum.load(Ordering::Relaxed) as f64 / BILLION }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_counted_from_its_size_up() {
        let histogram = Histogram::new([0.5, 1.0, 2.0]);
        for sample in [0.0, 0.5, 0.500_000_001, 2.0, 7.25] {
            histogram.record(sample);
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets, [(0.5, 2), (1.0, 3), (2.0, 4)]);
        assert_eq!(snapshot.count, 5);
        assert!((snapshot.sum - 10.250_000_001).abs() < 1e-9, "{}", snapshot.sum);
    }

    #[test]
    fn no_sample_is_lost_between_threads() {
        let histogram = Histogram::new([0.25, 0.75]);
        std::thread::scope(|scope| {
            for sample in [0.125, 0.5, 1.0, 0.25] {
                let histogram = &histogram;
                scope.spawn(move || (0..10_000).for_each(|_| histogram.record(sample)));
            }
        });
        let Snapshot { buckets, count, sum } = histogram.snapshot();
        assert_eq!((buckets, count), ([(0.25, 20_000), (0.75, 30_000)], 40_000));
        assert!((sum - 18_750.0).abs() < 1e-6, "{sum}");
    }
}
