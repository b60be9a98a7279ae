//! All statistics of a table of transactions, from rows that come batch by batch.

use fraud_core::schema::{AMOUNT, TIME};
use fraud_core::{FEATURES, N_FEATURES, synthetic};
use rayon::prelude::*;

use super::duplicates::fingerprint;
use super::{ByClass, CorrelationMatrix, Duplicates, FeatureProfile, Timeline};

/// Bins of the amounts in each power of ten.
const BINS_A_DECADE: f64 = 8.0;

/// What is in a table of transactions.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Rows.
    pub rows: u64,
    /// Frauds among them.
    pub frauds: u64,
    /// Rows that carry the mark of [`fraud_core::synthetic`].
    pub synthetic_rows: u64,
    /// Rows that repeat an earlier one.
    pub duplicates: Duplicates,
    /// One for each feature, in the order of [`FEATURES`].
    pub features: Vec<FeatureProfile>,
    /// Of all pairs of features, in the order of [`FEATURES`].
    pub correlation: CorrelationMatrix,
    /// Transactions and frauds over `Time`.
    pub timeline: Timeline,
    /// `Amount` over a logarithmic axis; `None` if no amount is above 0.
    pub amounts: Option<AmountProfile>,
}

/// Amounts by class in bins of equal ratio.
#[derive(Debug, Clone, PartialEq)]
pub struct AmountProfile {
    /// Lower end of the first bin, a power of ten from 0.01.
    pub from: f64,
    /// Upper end of the last bin, a power of ten.
    pub to: f64,
    /// Rows in each bin; an amount below `from` is in the first.
    pub counts: ByClass<Vec<u64>>,
    /// Rows with an amount of exactly 0, which have no place on such an axis.
    pub zeros: ByClass<u64>,
}

/// Collects rows for a [`Profile`]; holds them by column, 30 × 8 bytes a row and a little.
#[derive(Debug, Default)]
pub struct ProfileBuilder {
    columns: [Vec<f64>; N_FEATURES],
    labels: Vec<bool>,
    fingerprints: Vec<(u128, bool)>,
    synthetic_rows: u64,
}

impl ProfileBuilder {
    /// Takes n × 30 values, a missing one as NaN, and n labels.
    pub fn push(&mut self, rows: &[[f64; N_FEATURES]], labels: &[bool]) {
        self.columns.par_iter_mut().enumerate().for_each(|(feature, column)| {
            column.extend(rows.iter().map(|row| row[feature]));
        });
        self.labels.extend_from_slice(labels);
        self.fingerprints
            .par_extend(rows.par_iter().zip(labels).map(|(row, &fraud)| (fingerprint(row), fraud)));
        self.synthetic_rows += synthetic::count_marked(rows);
    }

    /// Computes everything, features and pairs of them in parallel.
    #[must_use]
    pub fn finish(self) -> Profile {
        let Self { columns, labels, fingerprints, synthetic_rows } = self;
        let features = columns
            .par_iter()
            .zip(FEATURES)
            .map(|(values, name)| FeatureProfile::new(name, values, &labels))
            .collect();
        Profile {
            rows: labels.len() as u64,
            frauds: labels.iter().filter(|&&fraud| fraud).count() as u64,
            synthetic_rows,
            duplicates: Duplicates::count(fingerprints),
            features,
            correlation: CorrelationMatrix::new(&columns),
            timeline: Timeline::new(&columns[TIME], &labels),
            amounts: AmountProfile::new(&columns[AMOUNT], &labels),
        }
    }
}

impl Profile {
    /// The features by how well they alone separate the classes, the best first; those for which that
    /// is not known last.
    #[must_use]
    pub fn by_separation(&self) -> Vec<&FeatureProfile> {
        let auc = |feature: &FeatureProfile| feature.separation.map_or(0.0, |by| by.auc);
        let mut features: Vec<&FeatureProfile> = self.features.iter().collect();
        features.sort_by(|a, b| auc(b).total_cmp(&auc(a)));
        features
    }

    /// Missing values over all features.
    #[must_use]
    pub fn missing_values(&self) -> u64 {
        self.features.iter().map(|feature| feature.missing).sum()
    }
}

impl AmountProfile {
    fn new(amounts: &[f64], labels: &[bool]) -> Option<Self> {
        let usable = |amount: f64| amount > 0.0 && amount.is_finite();
        let exponents = || amounts.iter().filter(|&&a| usable(a)).map(|a| a.log10().max(-2.0));
        let first = exponents().reduce(f64::min)?.floor();
        // One more decade where the largest amount is a power of ten itself.
        let last = exponents().reduce(f64::max)?.floor() + 1.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 1 to 311 decades
        let bins = ((last - first) * BINS_A_DECADE) as usize;
        let mut counts = ByClass { legitimate: vec![0; bins], fraud: vec![0; bins] };
        let mut zeros = ByClass::default();
        for (&amount, &fraud) in amounts.iter().zip(labels) {
            let (counts, zeros) = if fraud {
                (&mut counts.fraud, &mut zeros.fraud)
            } else {
                (&mut counts.legitimate, &mut zeros.legitimate)
            };
            if usable(amount) {
                let place = (amount.log10() - first) * BINS_A_DECADE;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
                let bin = place.clamp(0.0, (bins - 1) as f64) as usize;
                counts[bin] += 1;
            } else if amount == 0.0 {
                *zeros += 1;
            }
        }
        Some(Self { from: 10_f64.powf(first), to: 10_f64.powf(last), counts, zeros })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(rows: &[[f64; N_FEATURES]], labels: &[bool]) -> Profile {
        let mut builder = ProfileBuilder::default();
        let half = rows.len() / 2;
        builder.push(&rows[..half], &labels[..half]);
        builder.push(&rows[half..], &labels[half..]);
        builder.finish()
    }

    #[test]
    fn rows_of_all_batches_are_counted() {
        let mut rows: Vec<[f64; N_FEATURES]> = (0..10)
            .map(|row| std::array::from_fn(|i| f64::from(row) * (i as f64 - 14.5)))
            .collect();
        rows[9] = rows[8];
        rows[3][7] = f64::NAN;
        synthetic::mark(&mut rows[0]);
        let labels: Vec<bool> = (0..10).map(|row| row >= 8).collect();
        let profile = profile(&rows, &labels);
        assert_eq!((profile.rows, profile.frauds, profile.synthetic_rows), (10, 2, 1));
        assert_eq!(profile.duplicates, Duplicates { rows: 1, frauds: 1, contradictions: 0 });
        assert_eq!((profile.missing_values(), profile.features[7].missing), (1, 1));
        assert_eq!(profile.features.len(), N_FEATURES);
        // Row r has r · (i − 14.5): rising columns separate upwards, falling ones downwards.
        let separation = profile.features[29].separation.unwrap();
        assert_eq!((separation.auc, separation.fraud_is_higher), (1.0, true));
        assert!(!profile.features[2].separation.unwrap().fraud_is_higher);
        assert!((profile.correlation.get(5, 29).unwrap() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn amounts_fall_into_bins_of_equal_ratio() {
        let amounts = [0.0, 0.001, 1.0, 9.99, 100.0, -5.0, f64::NAN, 0.0];
        let labels = [true, false, false, true, false, false, false, false];
        let profile = AmountProfile::new(&amounts, &labels).unwrap();
        assert_eq!((profile.from, profile.to), (0.01, 1_000.0));
        assert_eq!((profile.zeros.legitimate, profile.zeros.fraud), (1, 1));
        assert_eq!(profile.counts.legitimate.len(), 40);
        let at = |bin: usize| (profile.counts.legitimate[bin], profile.counts.fraud[bin]);
        assert_eq!([at(0), at(16), at(23), at(32)], [(1, 0), (1, 0), (0, 1), (1, 0)]);
        assert_eq!(AmountProfile::new(&[0.0, -1.0], &[false, true]), None);
    }

    #[test]
    fn no_rows_and_one_class_have_a_profile_too() {
        let empty = ProfileBuilder::default().finish();
        assert_eq!((empty.rows, empty.features.len()), (0, N_FEATURES));
        assert_eq!(empty.amounts, None);
        let one = profile(&[[1.0; N_FEATURES], [2.0; N_FEATURES]], &[false, false]);
        assert_eq!(one.frauds, 0);
        assert!(one.by_separation().iter().all(|feature| feature.separation.is_none()));
    }
}
