//! Which rows are fitted to and which are put aside to measure.

use std::fmt;
use std::str::FromStr;

use fraud_core::N_FEATURES;
use fraud_core::schema::TIME;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// How rows are put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SplitMethod {
    /// At random within each class, so that both parts have the same fraud rate.
    #[default]
    Stratified,
    /// The latest rows by `Time`: what the model will meet in production lies after what it learned.
    Time,
}

impl fmt::Display for SplitMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stratified => "stratified",
            Self::Time => "time",
        })
    }
}

impl FromStr for SplitMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stratified" => Ok(Self::Stratified),
            "time" => Ok(Self::Time),
            _ => Err(format!("the split is {text:?}, expected stratified or time")),
        }
    }
}

/// Positions of the rows of each part, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Rows to fit to.
    pub training: Vec<u32>,
    /// Rows to measure on.
    pub validation: Vec<u32>,
}

/// Why the rows cannot be split.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// A fraction that leaves one part empty by definition.
    #[error("the validation fraction is {0}, expected a number between 0 and 1, both excluded")]
    Fraction(f64),
    /// A part without one of the classes.
    #[error(
        "a {method} split with validation fraction {fraction} leaves the {part} rows without a {class} \
         transaction (there are {legitimate} legitimate and {frauds} fraudulent ones in all); expected \
         at least one of each class in both parts: bring more data, choose another fraction, or name \
         the validation rows with --validation"
    )]
    Class {
        /// The method tried.
        method: SplitMethod,
        /// The fraction tried.
        fraction: f64,
        /// "training" or "validation".
        part: &'static str,
        /// "legitimate" or "fraudulent".
        class: &'static str,
        /// Legitimate rows in all.
        legitimate: usize,
        /// Frauds in all.
        frauds: usize,
    },
    /// More rows than a position has bits for.
    #[error("there are {0} rows, expected at most 4,294,967,295; train on a sample")]
    TooMany(usize),
}

/// Refuses a fraction that leaves one part empty, before any data is read.
///
/// # Errors
///
/// If it is not between 0 and 1, both excluded.
pub fn check_fraction(fraction: f64) -> Result<(), SplitError> {
    let is_share = fraction > 0.0 && fraction < 1.0;
    if is_share { Ok(()) } else { Err(SplitError::Fraction(fraction)) }
}

/// Splits a table of n rows. `fraction` of them, rounded up, go to validation; a stratified split
/// depends on `seed`, a split by time does not.
///
/// # Errors
///
/// If the fraction is not between 0 and 1, or a part would lack a class.
pub fn split(
    rows: &[[f64; N_FEATURES]],
    labels: &[bool],
    method: SplitMethod,
    fraction: f64,
    seed: u64,
) -> Result<Split, SplitError> {
    check_fraction(fraction)?;
    let count = u32::try_from(rows.len()).map_err(|_| SplitError::TooMany(rows.len()))?;
    let order: Vec<u32> = match method {
        SplitMethod::Stratified => stratified_order(labels, fraction, seed),
        SplitMethod::Time => {
            let mut order: Vec<u32> = (0..count).collect();
            // Stable: rows of the same second stay in the file's order.
            order.sort_by(|&a, &b| rows[a as usize][TIME].total_cmp(&rows[b as usize][TIME]));
            order
        }
    };
    let mut training = order;
    let mut validation = training.split_off(training.len() - share(training.len(), fraction));
    training.sort_unstable();
    validation.sort_unstable();

    let frauds = labels.iter().filter(|&&fraud| fraud).count();
    for (part, index) in [("training", &training), ("validation", &validation)] {
        let in_part = index.iter().filter(|&&row| labels[row as usize]).count();
        for (class, found) in [("fraudulent", in_part), ("legitimate", index.len() - in_part)] {
            if found == 0 {
                let legitimate = labels.len() - frauds;
                return Err(SplitError::Class {
                    method,
                    fraction,
                    part,
                    class,
                    legitimate,
                    frauds,
                });
            }
        }
    }
    Ok(Split { training, validation })
}

/// All positions, those for validation last: as many of each class as its share of the rows, rounded
/// to the nearest, at least one fraud where there are two.
fn stratified_order(labels: &[bool], fraction: f64, seed: u64) -> Vec<u32> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (mut frauds, mut legitimate): (Vec<u32>, Vec<u32>) =
        (0_u32..).zip(labels).map(|(row, _)| row).partition(|&row| labels[row as usize]);
    shuffle(&mut frauds, &mut rng);
    shuffle(&mut legitimate, &mut rng);

    let wanted = share(labels.len(), fraction);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and the length
    let of_frauds = (frauds.len() as f64 * fraction).round() as usize;
    let of_frauds = of_frauds.clamp(frauds.len().min(1), frauds.len().saturating_sub(1).max(1));
    let of_legitimate = wanted.saturating_sub(of_frauds).min(legitimate.len());
    let of_frauds = (wanted - of_legitimate).min(frauds.len());

    let aside_frauds = frauds.split_off(frauds.len() - of_frauds);
    let aside_legitimate = legitimate.split_off(legitimate.len() - of_legitimate);
    [legitimate, frauds, aside_legitimate, aside_frauds].concat()
}

/// `fraction` of `n`, rounded up as scikit-learn's `train_test_split` does.
fn share(n: usize, fraction: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and n
    let share = (n as f64 * fraction).ceil() as usize;
    share.min(n)
}

/// Fisher and Yates's shuffle.
fn shuffle(rows: &mut [u32], rng: &mut Xoshiro256PlusPlus) {
    for last in (1..rows.len()).rev() {
        let drawn = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        #[expect(clippy::cast_possible_truncation)] // at most `last`
        rows.swap(last, drawn as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(n: usize, every: usize) -> (Vec<[f64; N_FEATURES]>, Vec<bool>) {
        let rows = (0..n).map(|row| [(n - row) as f64; N_FEATURES]).collect();
        (rows, (0..n).map(|row| row % every == 0).collect())
    }

    fn frauds(labels: &[bool], index: &[u32]) -> usize {
        index.iter().filter(|&&row| labels[row as usize]).count()
    }

    #[test]
    fn a_stratified_split_has_the_counts_of_scikit_learn() {
        // train_test_split(test_size=0.2, stratify=y) of 284,807 rows with 492 frauds: 56,962 and 98.
        let labels: Vec<bool> = (0..284_807).map(|row| row < 492).collect();
        let rows = vec![[0.0; N_FEATURES]; labels.len()];
        let split = split(&rows, &labels, SplitMethod::Stratified, 0.2, 42).unwrap();
        assert_eq!(split.validation.len(), 56_962);
        assert_eq!(frauds(&labels, &split.validation), 98);
        assert_eq!(frauds(&labels, &split.training), 394);
    }

    #[test]
    fn the_parts_are_a_partition_that_the_seed_decides() {
        let (rows, labels) = table(1_000, 10);
        let by = |seed| split(&rows, &labels, SplitMethod::Stratified, 0.25, seed).unwrap();
        let mut all = [by(1).training, by(1).validation].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1_000));
        assert_eq!(by(1), by(1));
        assert_ne!(by(1), by(2));
    }

    #[test]
    fn a_split_by_time_puts_the_latest_rows_aside() {
        let (rows, labels) = table(100, 3); // Time falls from row to row
        let split = split(&rows, &labels, SplitMethod::Time, 0.2, 42).unwrap();
        assert!(split.validation.iter().copied().eq(0..20));
    }

    #[test]
    fn two_frauds_are_shared_and_one_is_an_error() {
        let (rows, mut labels) = table(50, 25);
        let two = split(&rows, &labels, SplitMethod::Stratified, 0.1, 42).unwrap();
        assert_eq!(frauds(&labels, &two.validation), 1);
        let large = split(&rows, &labels, SplitMethod::Stratified, 0.9, 42).unwrap();
        assert_eq!(frauds(&labels, &large.training), 1);
        labels[0] = false;
        let message =
            split(&rows, &labels, SplitMethod::Stratified, 0.1, 42).unwrap_err().to_string();
        assert!(message.contains("without a fraudulent transaction"), "{message}");
        assert!(message.contains("49 legitimate and 1 fraudulent"), "{message}");
    }

    #[test]
    fn impossible_fractions_are_refused() {
        let (rows, labels) = table(10, 2);
        for fraction in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(matches!(
                split(&rows, &labels, SplitMethod::Stratified, fraction, 42),
                Err(SplitError::Fraction(_))
            ));
        }
    }
}
