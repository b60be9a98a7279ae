//! Two classes over one axis: how a feature or the amounts are distributed in each.

use super::axes::{Axis, Key, SIZE, axes, down_to, heading};
use super::scale::{Scale, decades, nice_ticks};
use super::svg::{Point, Svg};
use super::words::{number, percent};

/// Shares of each class in bins over one axis: every class by itself adds up to 1, so that the rare
/// one is seen.
pub(crate) struct Shares<'a> {
    /// Ends of the axis: of the first bin and the last.
    pub(crate) span: (f64, f64),
    /// Of the legitimate rows.
    pub(crate) legitimate: &'a [f64],
    /// Of the frauds.
    pub(crate) fraud: &'a [f64],
}

impl Shares<'_> {
    fn highest(&self) -> f64 {
        self.legitimate.iter().chain(self.fraud).copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE)
    }
}

/// A small histogram of one feature, one of many on a page: no axis upwards, since areas are equal.
pub(crate) fn distribution(name: &str, note: &str, shares: &Shares<'_>) -> String {
    let (size, left, right, top, bottom) = ((300.0, 168.0), 10.0, 290.0, 34.0, 144.0);
    let title = format!("{name} by class");
    let mut svg = Svg::new(&format!("distribution-{name}"), size, &title, note);
    svg.text((left, 20.0), "strong", name);
    svg.text((right, 20.0), "e quiet small", note);
    let x = Scale::linear(shares.span, (left, right));
    let y = Scale::linear((0.0, shares.highest()), (bottom, top));
    for tick in nice_ticks(shares.span.0, shares.span.1, 4) {
        svg.line((x.at(tick), top), (x.at(tick), bottom), "grid");
        // A number at the edge would be cut off.
        let class = match x.at(tick) {
            at if at < left + 10.0 => "quiet small",
            at if at > right - 10.0 => "e quiet small",
            _ => "m quiet small",
        };
        svg.text((x.at(tick), bottom + 16.0), class, &number(tick));
    }
    steps(&mut svg, shares.legitimate, (left, right), y, "legit");
    steps(&mut svg, shares.fraud, (left, right), y, "fraud");
    svg.line((left, bottom), (right, bottom), "axis");
    svg.inline()
}

/// A bar for each share, drawn as one outline over a wash of the class's colour.
fn steps(svg: &mut Svg, shares: &[f64], (left, right): (f64, f64), y: Scale, class: &'static str) {
    if shares.iter().all(|share| *share <= 0.0) {
        return;
    }
    let width = (right - left) / shares.len() as f64;
    let outline: Vec<Point> = shares
        .iter()
        .enumerate()
        .flat_map(|(bin, share)| {
            let x = left + width * bin as f64;
            [(x, y.at(*share)), (x + width, y.at(*share))]
        })
        .collect();
    let line = if class == "fraud" { "fraud-line" } else { "legit-line" };
    svg.area(&down_to(&outline, y.range().0), &format!("{class} wash"));
    svg.path(&outline, line);
}

/// Five numbers of a class: smallest, quartiles, largest.
pub(crate) type FiveNumbers = [f64; 5];

/// Amounts by class over a logarithmic axis: shares in bins, amounts of zero apart on the left, and
/// under them each class's quartiles (box, median) and extremes (line).
pub(crate) fn amounts(
    shares: &Shares<'_>,
    zeros: (f64, f64),
    boxes: [Option<FiveNumbers>; 2],
) -> String {
    let (left, right, top, bottom) = (86.0, SIZE.0 - 24.0, 104.0, 262.0);
    let title = "Amounts by class";
    let words = |class: &str, numbers: &Option<FiveNumbers>| {
        numbers.map_or_else(String::new, |[min, lower, median, upper, max]| {
            format!(
                "{class}: half between {} and {}, median {}, from {} to {}. ",
                number(lower),
                number(upper),
                number(median),
                number(min),
                number(max),
            )
        })
    };
    let description = format!("{}{}", words("Legitimate", &boxes[0]), words("Fraud", &boxes[1]));
    let mut svg = Svg::new("amounts", SIZE, title, description.trim());
    let legend = [
        (Key::Square("legit"), "Legitimate".to_owned()),
        (Key::Square("fraud"), "Fraud".to_owned()),
    ];
    heading(&mut svg, title, &legend);

    let x = Scale::log(shares.span, (left, right));
    let highest = shares.highest().max(zeros.0).max(zeros.1);
    let y = Scale::linear((0.0, highest), (bottom, top));
    let powers = decades(shares.span.0, shares.span.1);
    axes(
        &mut svg,
        &Axis {
            scale: x,
            ticks: powers.iter().map(|amount| (*amount, number(*amount))).collect(),
            title: "",
        },
        &Axis {
            scale: y,
            ticks: nice_ticks(0.0, highest, 4).into_iter().map(|s| (s, String::new())).collect(),
            title: "",
        },
    );
    svg.text((12.0, top - 11.0), "", "Share of the class in each bin");
    for tick in nice_ticks(0.0, highest, 4) {
        svg.text((38.0, y.at(tick) + 4.0), "e quiet small", &percent(tick));
    }
    steps(&mut svg, shares.legitimate, (left, right), y, "legit");
    steps(&mut svg, shares.fraud, (left, right), y, "fraud");
    steps(&mut svg, &[zeros.0], (46.0, 62.0), y, "legit");
    steps(&mut svg, &[zeros.1], (46.0, 62.0), y, "fraud");
    svg.line((44.0, bottom), (64.0, bottom), "axis");
    svg.text((54.0, bottom + 17.0), "m quiet small", "0");

    svg.text((12.0, bottom + 40.0), "quiet small", "Quartiles and extremes");
    for (row, (numbers, class)) in boxes.into_iter().zip(["legit", "fraud"]).enumerate() {
        let y = bottom + 60.0 + 32.0 * row as f64;
        if let Some(numbers) = numbers {
            // Zero, without a place on the axis, stands where the bar of the zeros does.
            let at = |value: f64| if value > 0.0 { x.at(value) } else { 54.0 };
            let [min, lower, median, upper, max] = numbers.map(at);
            let line = if class == "fraud" { "fraud-line" } else { "legit-line" };
            svg.line((min, y), (max, y), line);
            svg.rect((lower, y - 7.0), (upper - lower, 14.0), class, "");
            svg.line((median, y - 9.0), (median, y + 9.0), "median");
            svg.text((median, y - 10.0), "m small halo", &number(numbers[2]));
        }
    }
    svg.text((f64::midpoint(left, right), SIZE.1 - 11.0), "m", "Amount in currency units (log)");
    svg.inline()
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::assert_well_formed;
    use super::*;

    #[test]
    fn both_classes_reach_as_high_as_their_shares() {
        let shares = Shares { span: (0.0, 4.0), legitimate: &[0.5, 0.5], fraud: &[0.0, 1.0] };
        let svg = distribution("V14", "AUC 0.75", &shares);
        assert_well_formed(&svg);
        // 10 … 290 in two bins; a share of 1 at the top (34), of ½ half way (89), 0 at 144.
        assert!(svg.contains("class=\"legit-line\" d=\"M10 89H150H290\""), "{svg}");
        assert!(svg.contains("class=\"fraud-line\" d=\"M10 144H150V34H290\""));
    }

    #[test]
    fn amounts_stand_on_a_log_axis_with_zeros_apart() {
        let shares = Shares { span: (0.01, 1_000.0), legitimate: &[0.2; 5], fraud: &[0.0; 5] };
        let boxes = [Some([0.0, 1.0, 10.0, 100.0, 1_000.0]), None];
        let svg = amounts(&shares, (0.0, 1.0), boxes);
        assert_well_formed(&svg);
        // 86 … 456 over five decades: 1 at 86 + ⅖ · 370.
        assert!(
            svg.contains("<rect x=\"234\" y=\"315\" width=\"148\" height=\"14\" class=\"legit\"/>")
        );
        assert!(svg.contains("class=\"fraud-line\" d=\"M46 104H62\""), "{svg}");
        assert!(svg.contains("Legitimate: half between 1 and 100, median 10, from 0 to 1,000."));
    }
}
