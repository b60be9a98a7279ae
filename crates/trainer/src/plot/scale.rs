//! From values to places on the picture, and round values to mark on the way.

/// Maps a domain of values to a range of pixels; values outside go to the nearer edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Scale {
    /// Equal steps for equal differences. `range.0` is the place of `domain.0`.
    pub(super) const fn linear(domain: (f64, f64), range: (f64, f64)) -> Self {
        Self { from: domain.0, to: domain.1, start: range.0, end: range.1, logarithmic: false }
    }

    /// Equal steps for equal ratios; the domain is positive.
    pub(super) fn log(domain: (f64, f64), range: (f64, f64)) -> Self {
        let (from, to) = (domain.0.log10(), domain.1.log10());
        Self { from, to, start: range.0, end: range.1, logarithmic: true }
    }

    /// Place of a value, pixels. A domain without extent has its one value in the middle.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = match (self.logarithmic, value > 0.0) {
            (false, _) => value,
            (true, true) => value.log10(),
            (true, false) => f64::NEG_INFINITY,
        };
        let share = if self.to > self.from {
            ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
        } else {
            0.5
        };
        self.start + share * (self.end - self.start)
    }

    /// First and last pixel of the range.
    pub(super) const fn range(&self) -> (f64, f64) {
        (self.start, self.end)
    }
}

/// Round values (1, 2 or 5 times a power of ten apart) from `from` to `to`, about `count` of them.
pub(super) fn nice_ticks(from: f64, to: f64, count: u32) -> Vec<f64> {
    if !(from.is_finite() && to > from && (to - from).is_finite()) {
        return vec![from];
    }
    let rough = (to - from) / f64::from(count.max(1));
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * power);
    // A hair of slack keeps the ends, which division may move by the last bit.
    let (first, last) = ((from / step - 1e-9).ceil(), (to / step + 1e-9).floor());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most 10 × count
    let steps = (last - first).max(0.0) as usize;
    (0..=steps).map(|index| (first + index as f64) * step + 0.0).collect()
}

/// Powers of ten from `from` to `to`, both positive.
pub(super) fn decades(from: f64, to: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation)] // exponents of finite numbers
    let (first, last) = ((from.log10() - 1e-9).ceil() as i32, (to.log10() + 1e-9).floor() as i32);
    (first..=last).map(|exponent| 10_f64.powi(exponent)).collect()
}

/// What stays of a polyline when points that fall on the same half pixel of width are replaced by
/// the first, lowest, highest and last of them: the same picture from far fewer points (M4, Jugel et
/// al., 2014), and without the points that lie level between others. Points come from left to right.
pub(super) fn thin(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::new();
    let mut run: Vec<(f64, f64)> = Vec::new();
    let mut column = f64::NAN;
    for point in points {
        let its_column = (point.0 * 2.0).floor();
        if its_column != column {
            flush(&mut run, &mut out);
            column = its_column;
        }
        run.push(point);
    }
    flush(&mut run, &mut out);
    without_middles(out)
}

fn flush(run: &mut Vec<(f64, f64)>, out: &mut Vec<(f64, f64)>) {
    if run.len() > 4 {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (lowest, highest) =
            (run.iter().min_by(by_height).copied(), run.iter().max_by(by_height).copied());
        let last = run.len() - 1;
        out.extend(run.iter().enumerate().filter_map(|(index, point)| {
            let keep = index == 0
                || index == last
                || lowest.is_some_and(|lowest| lowest == *point)
                || highest.is_some_and(|highest| highest == *point);
            keep.then_some(*point)
        }));
    } else {
        out.extend_from_slice(run);
    }
    out.dedup();
    run.clear();
}

/// Points that lie level between their neighbours draw nothing.
fn without_middles(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    for point in points {
        if let [.., before, last] = out[..]
            && before.1 == last.1
            && last.1 == point.1
        {
            out.pop();
        }
        out.push(point);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_land_where_they_should() {
        let linear = Scale::linear((0.0, 1.0), (40.0, 440.0));
        assert_eq!([0.0, 0.25, 1.0, 2.0].map(|v| linear.at(v)), [40.0, 140.0, 440.0, 440.0]);
        let upwards = Scale::linear((0.0, 10.0), (300.0, 100.0));
        assert_eq!([0.0, 5.0, 10.0].map(|v| upwards.at(v)), [300.0, 200.0, 100.0]);
        let log = Scale::log((1e-4, 1.0), (0.0, 400.0));
        assert_eq!([0.0, 1e-4, 1e-2, 1.0].map(|v| log.at(v).round()), [0.0, 0.0, 200.0, 400.0]);
        assert_eq!(Scale::linear((3.0, 3.0), (0.0, 10.0)).at(3.0), 5.0);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(nice_ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 3.0 * 0.2, 0.8, 1.0]);
        assert_eq!(nice_ticks(-7.3, 12.1, 4), [-5.0, 0.0, 5.0, 10.0]);
        assert_eq!(nice_ticks(2.0, 2.0, 5), [2.0]);
        assert_eq!(decades(1e-4, 1.0).len(), 5);
        assert_eq!(decades(0.5, 2_000.0), [1.0, 10.0, 100.0, 1_000.0]);
    }

    #[test]
    fn thinning_keeps_the_extremes_of_every_column() {
        let points: Vec<(f64, f64)> =
            (0..100_000).map(|i| (f64::from(i) / 1_000.0, f64::from(i * 7_919 % 1_000))).collect();
        let thinned = thin(points.iter().copied());
        assert!(thinned.len() <= 4 * 200, "{}", thinned.len());
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (points[0], points[99_999]));
        let highest = |points: &[(f64, f64)]| {
            points.iter().filter(|p| p.0 < 0.5).map(|p| p.1).fold(0.0, f64::max)
        };
        assert_eq!(highest(&thinned), highest(&points));
    }

    #[test]
    fn a_level_line_is_two_points() {
        let level = (0..5_000).map(|i| (f64::from(i) / 10.0, 7.0));
        assert_eq!(thin(level), [(0.0, 7.0), (499.9, 7.0)]);
    }
}
