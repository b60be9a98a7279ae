//! One feature by itself: its distribution, by class, and how well it alone tells the classes apart.

use fraud_core::measures::{Ranking, quantile};

/// Bins of a feature's histogram.
const BINS: usize = 40;

/// Share of the rows of a class that a histogram cuts off at each end.
const TAIL: f64 = 0.005;

/// The same thing for each of the two classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByClass<T> {
    /// Of the legitimate rows.
    pub legitimate: T,
    /// Of the frauds.
    pub fraud: T,
}

/// Statistics of one feature. All but the counts of what is missing are over its finite values.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureProfile {
    /// Name in the schema.
    pub name: &'static str,
    /// Rows without a value.
    pub missing: u64,
    /// Rows with an infinity.
    pub infinite: u64,
    /// Rows with a value below 0.
    pub negative: u64,
    /// Of all rows; `None` without a finite value.
    pub summary: Option<Summary>,
    /// Of the rows of each class.
    pub by_class: ByClass<Option<Summary>>,
    /// How well the feature alone tells the classes apart; `None` if a class has no finite value.
    pub separation: Option<Separation>,
    /// Of each class; `None` without a finite value, or where its span is beyond f64.
    pub histogram: Option<Histogram>,
}

/// What pandas' `describe` says: count, mean, standard deviation, quartiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of values, at least 1.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divided by n − 1); `None` for one value.
    pub std: Option<f64>,
    /// Smallest value.
    pub min: f64,
    /// 25 % quantile. Quantiles interpolate linearly (Hyndman and Fan's type 7, numpy's default).
    pub lower_quartile: f64,
    /// 50 % quantile.
    pub median: f64,
    /// 75 % quantile.
    pub upper_quartile: f64,
    /// Largest value.
    pub max: f64,
}

/// How well one feature alone ranks frauds against legitimate rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Separation {
    /// Area under the ROC curve in the better direction, in [½, 1]: the share of pairs of a fraud and
    /// a legitimate row that it orders rightly.
    pub auc: f64,
    /// Whether frauds have the higher values; if not, the lower ones.
    pub fraud_is_higher: bool,
}

/// Counts in bins of equal width, by class. What lies beyond `from` and `to` is in the outermost bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Lower end of the first bin.
    pub from: f64,
    /// Upper end of the last bin.
    pub to: f64,
    /// Rows in each bin; both classes have as many bins.
    pub counts: ByClass<Vec<u64>>,
}

impl FeatureProfile {
    /// Profiles n values with their n labels; a missing value is NaN.
    #[must_use]
    pub fn new(name: &'static str, values: &[f64], labels: &[bool]) -> Self {
        let mut finite = Vec::with_capacity(values.len());
        let mut finite_labels = Vec::with_capacity(values.len());
        let mut sorted = ByClass::<Vec<f64>>::default();
        for (&value, &fraud) in values.iter().zip(labels).filter(|(value, _)| value.is_finite()) {
            finite.push(value);
            finite_labels.push(fraud);
            if fraud { &mut sorted.fraud } else { &mut sorted.legitimate }.push(value);
        }
        let separation = Ranking::new(&finite_labels, &finite)
            .ok()
            .and_then(|ranking| ranking.roc_auc())
            .map(|auc| Separation { auc: auc.max(1.0 - auc), fraud_is_higher: auc >= 0.5 });
        finite.sort_unstable_by(f64::total_cmp);
        sorted.legitimate.sort_unstable_by(f64::total_cmp);
        sorted.fraud.sort_unstable_by(f64::total_cmp);
        let count = |is: fn(&f64) -> bool| values.iter().filter(|value| is(value)).count() as u64;
        Self {
            name,
            missing: count(|value| value.is_nan()),
            infinite: count(|value| value.is_infinite()),
            negative: count(|value| *value < 0.0),
            summary: Summary::of_sorted(&finite),
            by_class: ByClass {
                legitimate: Summary::of_sorted(&sorted.legitimate),
                fraud: Summary::of_sorted(&sorted.fraud),
            },
            separation,
            histogram: Histogram::of_sorted(&sorted),
        }
    }

    /// Whether all its values are the same one.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.summary.is_some_and(|summary| summary.min == summary.max)
    }
}

impl Summary {
    /// Of finite values in rising order; `None` if there are none.
    #[must_use]
    pub fn of_sorted(sorted: &[f64]) -> Option<Self> {
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        // Deviations from the mean first: the sum of squares alone would lose the digits of a small
        // deviation around a large mean.
        let squares: f64 = sorted.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            count: sorted.len() as u64,
            mean,
            std: (sorted.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
            min,
            lower_quartile: quantile(sorted, 0.25),
            median: quantile(sorted, 0.5),
            upper_quartile: quantile(sorted, 0.75),
            max,
        })
    }
}

impl Histogram {
    /// Over the span of both classes without their tails, so that a few extreme values do not press
    /// all others into one bin.
    fn of_sorted(sorted: &ByClass<Vec<f64>>) -> Option<Self> {
        let classes = [&sorted.legitimate, &sorted.fraud];
        let filled = || classes.into_iter().filter(|values| !values.is_empty());
        let from = filled().map(|values| quantile(values, TAIL)).reduce(f64::min)?;
        let to = filled().map(|values| quantile(values, 1.0 - TAIL)).reduce(f64::max)?;
        // A constant gets a bin of its own in the middle.
        let (from, to) = if from < to { (from, to) } else { (from - 0.5, to + 0.5) };
        if !(to - from).is_finite() {
            return None;
        }
        let count = |values: &[f64]| {
            let mut counts = vec![0; BINS];
            for value in values {
                let place = (value - from) / (to - from) * BINS as f64;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
                let bin = place.clamp(0.0, (BINS - 1) as f64) as usize;
                counts[bin] += 1;
            }
            counts
        };
        let counts = ByClass { legitimate: count(&sorted.legitimate), fraud: count(&sorted.fraud) };
        Some(Self { from, to, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// pandas 3.1: `Series([4, 1, 7, 2, 10]).describe()`.
    #[test]
    fn a_summary_is_what_pandas_describes() {
        let summary = Summary::of_sorted(&[1.0, 2.0, 4.0, 7.0, 10.0]).unwrap();
        assert_eq!((summary.count, summary.mean), (5, 4.8));
        assert!((summary.std.unwrap() - 3.701_351_104_664_349_5).abs() < 1e-14);
        assert_eq!(
            [
                summary.min,
                summary.lower_quartile,
                summary.median,
                summary.upper_quartile,
                summary.max
            ],
            [1.0, 2.0, 4.0, 7.0, 10.0]
        );
        // numpy 2.4: np.quantile([1, 2, 4, 7], [.25, .5, .75])
        let even = Summary::of_sorted(&[1.0, 2.0, 4.0, 7.0]).unwrap();
        assert_eq!([even.lower_quartile, even.median, even.upper_quartile], [1.75, 3.0, 4.75]);
        assert_eq!(Summary::of_sorted(&[3.0]).unwrap().std, None);
        assert_eq!(Summary::of_sorted(&[]), None);
    }

    #[test]
    fn missing_and_infinite_values_are_counted_and_left_out() {
        let values = [1.0, f64::NAN, f64::INFINITY, -2.0, f64::NEG_INFINITY];
        let profile = FeatureProfile::new("V1", &values, &[true, true, false, false, false]);
        assert_eq!((profile.missing, profile.infinite, profile.negative), (1, 2, 2));
        assert_eq!(profile.summary.unwrap().mean, -0.5);
        assert_eq!(profile.separation, Some(Separation { auc: 1.0, fraud_is_higher: true }));
    }

    #[test]
    fn separation_has_a_direction() {
        // Frauds 1 and 3 against 2, 4, 5: of six pairs one has the fraud above.
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        let labels = [true, false, true, false, false];
        let separation = FeatureProfile::new("V1", &values, &labels).separation.unwrap();
        assert!((separation.auc - 5.0 / 6.0).abs() < 1e-15 && !separation.fraud_is_higher);
        assert_eq!(FeatureProfile::new("V1", &values, &[false; 5]).separation, None);
    }

    #[test]
    fn a_histogram_holds_every_row_and_its_tails_at_the_ends() {
        let mut values: Vec<f64> = (0..1_000).map(f64::from).collect();
        values.push(1e6);
        let histogram = FeatureProfile::new("V1", &values, &[false; 1_001]).histogram.unwrap();
        assert_eq!((histogram.from, histogram.to), (5.0, 995.0));
        assert_eq!(histogram.counts.legitimate.iter().sum::<u64>(), 1_001);
        assert_eq!(histogram.counts.fraud, [0; BINS]);
    }

    #[test]
    fn constant_and_empty_columns_are_described() {
        let constant = FeatureProfile::new("V1", &[7.0; 4], &[true, false, false, false]);
        assert!(constant.is_constant());
        assert_eq!(constant.summary.unwrap().std, Some(0.0));
        assert_eq!(constant.separation.unwrap().auc, 0.5);
        assert_eq!(constant.histogram.unwrap().counts.legitimate[BINS / 2], 3);

        let empty = FeatureProfile::new("V1", &[f64::NAN, f64::NAN], &[true, false]);
        assert_eq!((empty.summary, empty.separation, empty.missing), (None, None, 2));
        assert_eq!(empty.histogram, None);

        let vast = FeatureProfile::new("V1", &[-1.7e308, 1.7e308], &[true, false]);
        assert_eq!(vast.histogram, None);
    }
}
