//! When transactions happen: two days, busy by day, quiet at night.

/// Length of the Kaggle file, in seconds: 8 short of two days.
pub(super) const DURATION: f64 = 172_792.0;

const HOUR: f64 = 3600.0;
const HOURS: usize = 48;

/// How busy an hour of the day is, against the others; the first second is midnight.
const BY_HOUR: [f64; 24] = [
    2.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.5, 2.5, 4.0, 6.0, 6.5, 6.5, //
    6.0, 6.0, 6.0, 6.0, 6.0, 6.5, 6.5, 6.5, 7.0, 6.5, 5.5, 4.0,
];

/// The distribution of transactions over time, piecewise linear between hours.
#[derive(Debug)]
pub(super) struct Rhythm {
    /// Share of all transactions before the start of each hour, and 1 at the end.
    share: [f64; HOURS + 1],
}

impl Rhythm {
    pub(super) fn new() -> Self {
        let mut share = [0.0; HOURS + 1];
        for hour in 0..HOURS {
            let seconds = end_of(hour) - start_of(hour);
            share[hour + 1] = share[hour] + BY_HOUR[hour % BY_HOUR.len()] * seconds;
        }
        let total = share[HOURS];
        for value in &mut share {
            *value /= total;
        }
        Self { share }
    }

    /// The time, in seconds in [0, [`DURATION`]], before which a share in [0, 1] of the transactions
    /// lies. It never falls as the share rises, so times drawn for rising shares are sorted.
    pub(super) fn time_at(&self, share: f64) -> f64 {
        let hour = self.share[1..HOURS].partition_point(|&before| before <= share);
        let within = (share - self.share[hour]) / (self.share[hour + 1] - self.share[hour]);
        let time = start_of(hour) + within * (end_of(hour) - start_of(hour));
        // Rounding may lead a hair beyond the hour, and so behind the next one's start.
        time.min(end_of(hour))
    }

    /// The share of the frauds that happen before a share of all transactions has happened: half of
    /// them follow the customers, half come evenly around the clock, so nights have a higher rate.
    pub(super) fn frauds_before(&self, share: f64) -> f64 {
        f64::midpoint(share, self.time_at(share) / DURATION)
    }
}

fn start_of(hour: usize) -> f64 {
    hour as f64 * HOUR
}

fn end_of(hour: usize) -> f64 {
    start_of(hour + 1).min(DURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_rises_from_the_start_to_the_end() {
        let rhythm = Rhythm::new();
        assert_eq!(rhythm.time_at(0.0), 0.0);
        assert_eq!(rhythm.time_at(1.0), DURATION);
        assert_eq!(rhythm.frauds_before(0.0), 0.0);
        assert_eq!(rhythm.frauds_before(1.0), 1.0);
        let times: Vec<f64> =
            (0..=100_000).map(|step| rhythm.time_at(f64::from(step) / 1e5)).collect();
        assert!(times.is_sorted());
    }

    #[test]
    fn days_are_busier_than_nights_and_nights_have_more_of_the_fraud() {
        let rhythm = Rhythm::new();
        // Shares of the transactions at 1:00, 6:00, 10:00 and 15:00 of the first day.
        let share = |hour: usize| rhythm.share[hour];
        let night = share(6) - share(1);
        let day = share(15) - share(10);
        assert!(day > 4.0 * night, "{day} by day, {night} by night");
        let frauds = rhythm.frauds_before(share(6)) - rhythm.frauds_before(share(1));
        assert!(frauds > 2.0 * night, "{frauds} of the frauds in {night} of the transactions");
    }
}
