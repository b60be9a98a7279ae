//! Transactions and frauds over time.

/// Bins that a timeline has at most.
const MOST_BINS: f64 = 200.0;

/// Counts in spans of whole hours from the first to the last transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// Hour at which the first span begins, from the origin of `Time`.
    pub first_hour: u64,
    /// Hours in each span: 1, or as many as keep long data readable.
    pub hours: u64,
    /// Transactions in each span.
    pub transactions: Vec<u64>,
    /// Frauds in each span.
    pub frauds: Vec<u64>,
}

impl Timeline {
    /// Of n times in seconds with their n labels. Times that are missing, infinite or below 0 are
    /// left out; without any other the timeline is empty.
    #[must_use]
    pub fn new(seconds: &[f64], labels: &[bool]) -> Self {
        let usable = |time: &f64| time.is_finite() && *time >= 0.0;
        let hours = || seconds.iter().filter(|time| usable(time)).map(|time| time / 3_600.0);
        let (Some(first), Some(last)) = (hours().reduce(f64::min), hours().reduce(f64::max)) else {
            return Self::default();
        };
        let width = [1.0, 2.0, 3.0, 6.0, 12.0, 24.0, 48.0, 168.0]
            .into_iter()
            .find(|width| (last - first) / width < MOST_BINS)
            .unwrap_or_else(|| ((last - first) / MOST_BINS).ceil());
        let start = (first / width).floor();
        let span_of = |hours: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 201
            let span = ((hours / width).floor() - start) as usize;
            span
        };
        let mut transactions = vec![0; span_of(last) + 1];
        let mut frauds = transactions.clone();
        for (time, &fraud) in seconds.iter().zip(labels).filter(|(time, _)| usable(time)) {
            let span = span_of(time / 3_600.0);
            transactions[span] += 1;
            frauds[span] += u64::from(fraud);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // ≥ 0, saturates
        let (first_hour, hours) = ((start * width) as u64, width as u64);
        Self { first_hour, hours, transactions, frauds }
    }

    /// Hour at which span `index` begins.
    #[must_use]
    pub const fn hour(&self, index: usize) -> u64 {
        self.first_hour + index as u64 * self.hours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_counted_from_the_first_to_the_last() {
        let seconds = [3_600.0, 7_199.9, f64::NAN, -1.0, 14_400.0];
        let timeline = Timeline::new(&seconds, &[false, true, true, true, true]);
        assert_eq!((timeline.first_hour, timeline.hours), (1, 1));
        assert_eq!(timeline.transactions, [2, 0, 0, 1]);
        assert_eq!(timeline.frauds, [1, 0, 0, 1]);
        assert_eq!(timeline.hour(3), 4);
    }

    #[test]
    fn long_data_get_longer_spans_and_no_data_none() {
        let year: Vec<f64> = (0..365).map(|day| f64::from(day) * 86_400.0).collect();
        let timeline = Timeline::new(&year, &[false; 365]);
        assert_eq!((timeline.hours, timeline.transactions.len()), (48, 183));
        let vast = Timeline::new(&[0.0, 1e300], &[false, true]);
        assert!(vast.transactions.len() <= 201);
        assert_eq!(vast.frauds.iter().sum::<u64>(), 1);
        assert_eq!(Timeline::new(&[], &[]), Timeline::default());
        assert_eq!(Timeline::new(&[f64::NAN], &[true]), Timeline::default());
    }
}
