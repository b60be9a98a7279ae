//! The reliability diagram: of the rows that get a probability of 30 %, are 30 % frauds?

use fraud_core::measures::ReliabilityBin;

use super::axes::{Axis, Key, SIZE, axes, heading, nothing, percent_ticks};
use super::scale::Scale;
use super::svg::Svg;
use super::words::{percent, thousands};

const LEFT: f64 = 48.0;
const RIGHT: f64 = SIZE.0 - 24.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = SIZE.1 - 46.0;

/// Observed share of frauds over mean probability, one dot a bin, with the number of its rows and
/// the 95 % interval of its share (Wilson, 1927); on the diagonal probabilities mean what they say.
///
/// Bins without rows are left out. Without any rows there is no plot, and the picture says so.
#[must_use]
pub fn calibration(bins: &[ReliabilityBin]) -> String {
    let rows: u64 = bins.iter().map(|bin| bin.rows).sum();
    if rows == 0 {
        return nothing("calibration", "Calibration: no plot", "There are no rows.");
    }
    let filled: Vec<(&ReliabilityBin, f64)> =
        bins.iter().filter_map(|bin| Some((bin, bin.fraud_rate()?))).collect();
    let error: f64 = filled
        .iter()
        .map(|(bin, share)| bin.rows as f64 * (bin.mean_probability - share).abs())
        .sum::<f64>()
        / rows as f64;
    let title = format!("Calibration: expected error {error:.3}");
    let description = filled.iter().fold(
        format!("{} rows in {} bins of probability.", thousands(rows), bins.len()),
        |text, (bin, share)| {
            let (said, seen) = (percent(bin.mean_probability), percent(*share));
            format!("{text} Said {said}, seen {seen} of {} rows.", thousands(bin.rows))
        },
    );

    let mut svg = Svg::new("calibration", SIZE, &title, &description);
    let legend = [
        (Key::Dot("dot"), "Rows of one bin of probability, with their number".to_owned()),
        (Key::Line("rule"), "Probabilities that mean what they say".to_owned()),
    ];
    heading(&mut svg, &title, &legend);
    let x = Scale::linear((0.0, 1.0), (LEFT, RIGHT));
    let y = Scale::linear((0.0, 1.0), (BOTTOM, TOP));
    axes(
        &mut svg,
        &Axis { scale: x, ticks: percent_ticks(), title: "Mean probability that the model gives" },
        &Axis {
            scale: y,
            ticks: percent_ticks(),
            title: "Share of frauds, with its 95\u{a0}% interval",
        },
    );
    svg.line((x.at(0.0), y.at(0.0)), (x.at(1.0), y.at(1.0)), "rule");

    let most = filled.iter().map(|(bin, _)| bin.rows).max().unwrap_or(1) as f64;
    let mut dots = Vec::new();
    for (bin, share) in &filled {
        let centre = (x.at(bin.mean_probability), y.at(*share));
        let (lower, upper) = wilson(bin.frauds, bin.rows);
        svg.line((centre.0, y.at(lower)), (centre.0, y.at(upper)), "whisker");
        // The area of a dot grows with its rows, from a size that is still seen.
        let radius = 4.0 + 4.0 * (bin.rows as f64 / most).sqrt();
        let above = y.at(upper).min(centre.1 - radius) - 6.0;
        let label =
            if above < TOP + 10.0 { y.at(lower).max(centre.1 + radius) + 14.0 } else { above };
        dots.push((centre, radius, label, thousands(bin.rows)));
    }
    for (centre, radius, ..) in &dots {
        svg.circle(*centre, *radius, "dot");
    }
    for (centre, _, label, rows) in &dots {
        // Numbers at the edges stay inside.
        let class = if centre.0 > RIGHT - 20.0 { "e" } else { "m" };
        let at = if class == "e" { RIGHT } else { centre.0.max(LEFT + 14.0) };
        svg.text((at, *label), &format!("{class} small halo"), rows);
    }
    svg.standalone()
}

/// The 95 % score interval of a share of `hits` among `trials` (Wilson, 1927), honest also for small
/// counts and at 0 and 1; (0, 1) without trials.
pub(crate) fn wilson(hits: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let z = 1.959_963_984_540_054; // the 97.5 % quantile of the normal distribution
    let (n, p) = (trials as f64, hits as f64 / trials as f64);
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let share = |value: f64| (value / (1.0 + z * z / n)).clamp(0.0, 1.0);
    (share(centre - spread), share(centre + spread))
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::assert_well_formed;
    use super::*;

    #[test]
    fn dots_stand_at_their_shares_and_empty_bins_nowhere() {
        let mut bins = [ReliabilityBin::default(); 10];
        bins[0] = ReliabilityBin { rows: 4_692, frauds: 0, mean_probability: 0.0 };
        bins[5] = ReliabilityBin { rows: 100, frauds: 25, mean_probability: 0.5 };
        bins[9] = ReliabilityBin { rows: 3, frauds: 3, mean_probability: 1.0 };
        let svg = calibration(&bins);
        assert_well_formed(&svg);
        assert_eq!(svg.matches("class=\"dot\"").count(), 1 + 3); // the legend's, and three bins
        // x: 48 + ½ · 408; y: 364 − ¼ · 260.
        assert!(svg.contains("<circle cx=\"252\" cy=\"299\""), "{svg}");
        assert!(svg.contains("<circle cx=\"48\" cy=\"364\" r=\"8\""));
        assert!(svg.contains(">4,692</text>"));
        // 0.25 · 100 rows of 4,795: (100 · |0.5 − 0.25|) / 4,795.
        assert!(svg.contains("expected error 0.005"));
    }

    #[test]
    fn no_rows_are_said() {
        assert!(calibration(&[]).contains("There are no rows."));
        assert!(calibration(&[ReliabilityBin::default(); 3]).contains("There are no rows."));
    }

    /// statsmodels 0.15.0: `proportion_confint(65, 71, method="wilson")`, and at the ends.
    #[test]
    fn wilson_agrees_with_statsmodels() {
        let close = |found: (f64, f64), lower: f64, upper: f64| {
            assert!((found.0 - lower).abs() < 1e-9 && (found.1 - upper).abs() < 1e-9, "{found:?}");
        };
        close(wilson(65, 71), 0.827_639_617_857, 0.960_693_492_289);
        close(wilson(0, 10), 0.0, 0.277_532_799_863);
        close(wilson(3, 3), 0.438_502_968_245, 1.0);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
