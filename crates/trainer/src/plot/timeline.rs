//! Counts over time, one panel under the other on the same hours.

use super::axes::{SIZE, heading};
use super::scale::{Scale, nice_ticks};
use super::svg::Svg;
use super::words::{number, percent, thousands};

const LEFT: f64 = 52.0;
const RIGHT: f64 = SIZE.0 - 16.0;

/// Transactions, frauds, and the share of frauds in spans of `hours` hours from `first_hour` on.
pub(crate) fn timeline(
    first_hour: u64,
    hours: u64,
    transactions: &[u64],
    frauds: &[u64],
) -> String {
    let title = match hours {
        1 => "By the hour".to_owned(),
        hours => format!("In spans of {hours} hours"),
    };
    let most = |counts: &[u64]| counts.iter().copied().max().unwrap_or(0);
    let description = format!(
        "{} spans. At most {} transactions and {} frauds in one.",
        transactions.len(),
        thousands(most(transactions)),
        thousands(most(frauds)),
    );
    let mut svg = Svg::new("timeline", SIZE, &title, &description);
    heading(&mut svg, &title, &[]);
    let shares: Vec<f64> = transactions
        .iter()
        .zip(frauds)
        .map(|(all, frauds)| if *all > 0 { *frauds as f64 / *all as f64 } else { 0.0 })
        .collect();
    let as_numbers = |counts: &[u64]| counts.iter().map(|count| *count as f64).collect::<Vec<_>>();
    let panels = [
        ("Transactions", as_numbers(transactions), "legit", false),
        ("Frauds", as_numbers(frauds), "fraud", false),
        ("Share of frauds", shares, "fraud", true),
    ];
    let end = first_hour as f64 + hours as f64 * transactions.len() as f64;
    let x = Scale::linear((first_hour as f64, end), (LEFT, RIGHT));
    for (panel, (name, values, class, is_share)) in panels.into_iter().enumerate() {
        let top = 64.0 + 108.0 * panel as f64;
        let bottom = top + 78.0;
        let highest = values.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let y = Scale::linear((0.0, highest), (bottom, top));
        svg.text((12.0, top - 9.0), "", name);
        for tick in ticks_of(highest, is_share) {
            let label = if is_share { percent(tick) } else { number(tick) };
            svg.line((LEFT, y.at(tick)), (RIGHT, y.at(tick)), "grid");
            svg.text((LEFT - 7.0, y.at(tick) + 4.0), "e quiet small", &label);
        }
        let width = (RIGHT - LEFT) / values.len().max(1) as f64;
        let gap = if width > 4.0 { 1.0 } else { 0.0 };
        for (span, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            let corner = (LEFT + width * span as f64, y.at(*value));
            let hour = first_hour + hours * span as u64;
            let hint = format!(
                "hour {hour}: {} frauds in {}",
                thousands(frauds[span]),
                thousands(transactions[span])
            );
            svg.rect(corner, (width - gap, bottom - corner.1), class, &hint);
        }
        svg.line((LEFT, bottom), (RIGHT, bottom), "axis");
        for tick in hour_ticks(first_hour as f64, end) {
            svg.line((x.at(tick), bottom), (x.at(tick), bottom + 4.0), "axis");
            if panel == 2 {
                svg.text((x.at(tick), bottom + 17.0), "m quiet small", &number(tick));
            }
        }
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    svg.text((middle, SIZE.1 - 11.0), "m", "Hours from the origin of Time");
    svg.inline()
}

/// Two or three round values; counts are whole.
fn ticks_of(highest: f64, is_share: bool) -> Vec<f64> {
    let whole = |tick: &f64| is_share || tick.fract() == 0.0;
    nice_ticks(0.0, highest, 3).into_iter().filter(whole).collect()
}

/// Hours as people count them: in sixes, twelves and days where these fit.
fn hour_ticks(from: f64, to: f64) -> Vec<f64> {
    let steps = [1.0, 2.0, 3.0, 6.0, 12.0, 24.0, 48.0, 168.0];
    match steps.into_iter().find(|step| (to - from) / step <= 9.0) {
        Some(step) => {
            let first = (from / step).ceil();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // up to 9
            let count = ((to / step).floor() - first).max(0.0) as u32;
            (0..=count).map(|index| (first + f64::from(index)) * step).collect()
        }
        None => nice_ticks(from, to, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::assert_well_formed;
    use super::*;

    #[test]
    fn each_count_has_a_bar_of_its_height() {
        let svg = timeline(0, 1, &[100, 50, 0, 200], &[0, 1, 0, 2]);
        assert_well_formed(&svg);
        // 52 … 464 in four bars; 200 fills 78 units of height, 100 half of them.
        assert!(
            svg.contains("<rect x=\"52\" y=\"103\" width=\"102\" height=\"39\" class=\"legit\">")
        );
        assert!(
            svg.contains("<rect x=\"361\" y=\"64\" width=\"102\" height=\"78\" class=\"legit\">")
        );
        assert!(svg.contains("<title>hour 3: 2 frauds in 200</title>"));
        assert_eq!(svg.matches("class=\"fraud\"").count(), 4);
    }

    #[test]
    fn ticks_are_hours_and_whole() {
        assert_eq!(hour_ticks(0.0, 48.0), [0.0, 6.0, 12.0, 18.0, 24.0, 30.0, 36.0, 42.0, 48.0]);
        assert_eq!(hour_ticks(1.0, 4.0), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ticks_of(1.0, false), [0.0, 1.0]);
        assert_well_formed(&timeline(0, 0, &[], &[]));
    }
}
