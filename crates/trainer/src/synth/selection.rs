//! Which rows are frauds, decided row by row, so that a data set of any size has exactly the wanted
//! number of them and nothing needs to be remembered.

use rand_distr::{Distribution, StandardUniform};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::kinds::{FRAUD_KINDS, FraudKind};
use super::rhythm::Rhythm;

/// Draws the frauds of `rows` rows in order, after Knuth's selection sampling (The Art of Computer
/// Programming, volume 2, 3.4.2, algorithm S), with a chance that follows the time of day.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    rhythm: &'a Rhythm,
    rng: Xoshiro256PlusPlus,
    rows: u64,
    next_row: u64,
    frauds_left: u64,
    /// Share of the frauds expected before `next_row`.
    before: f64,
    /// The kinds of the next frauds: a shuffled deck, so that every twenty frauds hold each kind in its
    /// share. Left to chance, the difficulty would differ from seed to seed.
    deck: Vec<&'static FraudKind>,
}

impl<'a> Selection<'a> {
    pub(super) fn new(rhythm: &'a Rhythm, rng: Xoshiro256PlusPlus, rows: u64, frauds: u64) -> Self {
        Self { rhythm, rng, rows, next_row: 0, frauds_left: frauds, before: 0.0, deck: Vec::new() }
    }

    /// Whether the next row is a fraud, and of which kind.
    pub(super) fn next_row(&mut self) -> Option<&'static FraudKind> {
        let rows_left = self.rows - self.next_row;
        self.next_row += 1;
        let after = self.rhythm.frauds_before(self.next_row as f64 / self.rows as f64);
        let share = (after - self.before) / (1.0 - self.before);
        self.before = after;
        if self.frauds_left == 0 {
            return None;
        }
        // The first condition makes the count exact whatever rounding did to the shares.
        if self.frauds_left >= rows_left || self.uniform() < share * self.frauds_left as f64 {
            self.frauds_left -= 1;
            return Some(self.deal());
        }
        None
    }

    fn deal(&mut self) -> &'static FraudKind {
        if self.deck.is_empty() {
            let cards = FRAUD_KINDS.iter().flat_map(|kind| std::iter::repeat_n(kind, kind.share));
            self.deck.extend(cards);
        }
        let position = self.uniform() * self.deck.len() as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below 20
        let position = position as usize;
        self.deck.swap_remove(position)
    }

    fn uniform(&mut self) -> f64 {
        StandardUniform.sample(&mut self.rng)
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    fn select(rows: u64, frauds: u64, seed: u64) -> Vec<Option<&'static FraudKind>> {
        let rhythm = Rhythm::new();
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut selection = Selection::new(&rhythm, rng, rows, frauds);
        (0..rows).map(|_| selection.next_row()).collect()
    }

    #[test]
    fn the_count_is_exact() {
        for (rows, frauds) in [(1, 1), (2, 1), (10, 10), (10, 9), (1000, 0), (5000, 17)] {
            for seed in 0..20 {
                let selected = select(rows, frauds, seed).iter().flatten().count() as u64;
                assert_eq!(selected, frauds, "{frauds} of {rows}, seed {seed}");
            }
        }
    }

    #[test]
    fn no_row_is_preferred_but_by_the_time_of_day() {
        let mut halves = [0; 2];
        for seed in 0..200 {
            for (row, kind) in select(1000, 10, seed).iter().enumerate() {
                halves[row / 500] += u32::from(kind.is_some());
            }
        }
        // 2000 draws: 1000 ± 22 in each half, the two days being alike.
        assert!(halves[0].abs_diff(1000) < 100, "{halves:?}");
    }

    #[test]
    fn every_twenty_frauds_hold_each_kind_in_its_share() {
        let kinds: Vec<_> = select(1000, 40, 3).into_iter().flatten().collect();
        for deck in kinds.chunks(20) {
            for kind in &FRAUD_KINDS {
                let dealt = deck.iter().filter(|dealt| std::ptr::eq(**dealt, kind)).count();
                assert_eq!(dealt, kind.share);
            }
        }
    }
}
