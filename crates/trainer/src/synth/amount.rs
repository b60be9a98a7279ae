//! Amounts: log-normal, in cents, and often a price that people know.

use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::kinds::AmountRange;

/// Above this, a limit stops the payment.
const MAXIMUM: f64 = 25_000.0;

/// What many things cost.
const PRICES: [f64; 14] =
    [0.99, 1.0, 1.0, 1.99, 2.99, 4.99, 5.0, 9.99, 10.0, 15.0, 20.0, 25.0, 50.0, 100.0];

/// Draws the amount of one transaction: not negative, whole cents.
pub(super) fn draw(rng: &mut Xoshiro256PlusPlus, range: AmountRange) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    in_cents(range.median * (range.sigma * z).exp()).min(MAXIMUM)
}

/// Draws what a customer pays: some amounts are zero (a card is checked), prices that many things
/// have, whole numbers, or end in 99 cents.
pub(super) fn draw_price(rng: &mut Xoshiro256PlusPlus, range: AmountRange) -> f64 {
    let amount = draw(rng, range);
    let position: f64 = StandardUniform.sample(rng);
    match position {
        ..0.006 => 0.0,
        ..0.15 => nearest_price(amount),
        ..0.30 => amount.round(),
        ..0.40 => in_cents(amount.floor() + 0.99),
        _ => amount,
    }
}

/// The price closest to the amount, as a ratio; the amount itself where no price is near.
fn nearest_price(amount: f64) -> f64 {
    let distance = |price: f64| (price / amount.max(0.01)).ln().abs();
    let nearest = PRICES.into_iter().min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    nearest.filter(|&price| distance(price) < 1.0).unwrap_or(amount)
}

fn in_cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::SeedableRng;

    use super::super::kinds::CUSTOMER_AMOUNT;
    use super::*;

    #[test]
    fn customers_spend_about_22_in_the_median_and_88_on_average() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut amounts: Vec<f64> =
            (0..200_000).map(|_| draw_price(&mut rng, CUSTOMER_AMOUNT)).collect();
        amounts.sort_by(f64::total_cmp);
        let median = amounts[100_000];
        let mean = amounts.iter().sum::<f64>() / 200_000.0;
        assert!((20.0..24.0).contains(&median), "median {median}");
        assert!((80.0..96.0).contains(&mean), "mean {mean}");
        assert!(amounts[0] == 0.0 && amounts[199_999] <= MAXIMUM);
        assert!(amounts.iter().all(|&amount| in_cents(amount) == amount));
        let round = amounts.iter().filter(|amount| amount.fract() == 0.0).count();
        assert!(round > 30_000, "{round} whole numbers");
    }

    #[test]
    fn a_price_is_near_the_amount() {
        assert_eq!(nearest_price(9.5), 9.99);
        assert_eq!(nearest_price(0.0), 0.0);
        assert_eq!(nearest_price(5_000.0), 5_000.0);
    }
}
