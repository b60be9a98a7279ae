//! Signed bars: how much each feature of a model pulls, and which way.

use super::axes::{Key, heading};
use super::scale::Scale;
use super::svg::Svg;
use super::words::{fixed, number};

const WIDTH: f64 = 480.0;
const TOP: f64 = 96.0;
const ROW: f64 = 18.0;

/// One bar a feature, the largest first: to the right and vermillion what speaks for fraud, to the
/// left and blue what speaks for legitimate.
pub(crate) fn weights(features: &[(&str, f64)]) -> String {
    let mut sorted = features.to_vec();
    sorted.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let lowest = sorted.iter().map(|feature| feature.1).fold(0.0, f64::min);
    let highest = sorted.iter().map(|feature| feature.1).fold(0.0, f64::max);
    let description = sorted
        .iter()
        .map(|(name, weight)| format!("{name} {}", number(*weight)))
        .collect::<Vec<_>>()
        .join(", ");

    let title = "Weight of each feature";
    let height = TOP + ROW * sorted.len() as f64 + 10.0;
    let mut svg = Svg::new("weights", (WIDTH, height), title, &description);
    let legend = [
        (Key::Square("fraud"), "Higher values speak for fraud".to_owned()),
        (Key::Square("legit"), "Higher values speak for legitimate".to_owned()),
    ];
    heading(&mut svg, title, &legend);
    // Room for the names on the left and for a number beyond each end.
    let x = Scale::linear((lowest, highest), (108.0, WIDTH - 52.0));
    let zero = x.at(0.0);
    for (row, (name, weight)) in sorted.iter().enumerate() {
        let y = TOP - ROW + 6.0 + ROW * row as f64;
        let end = x.at(*weight);
        svg.text((12.0, y + 13.0), "", name);
        let class = if *weight < 0.0 { "legit" } else { "fraud" };
        svg.rect((zero.min(end), y + 2.0), ((end - zero).abs(), ROW - 4.0), class, "");
        let (class, gap) = if *weight < 0.0 { ("e small", -5.0) } else { ("small", 5.0) };
        svg.text((end + gap, y + 13.0), class, &signed(*weight));
    }
    svg.line((zero, TOP - ROW + 4.0), (zero, height - 8.0), "axis");
    svg.inline()
}

/// Weights are compared with each other, so all have the same form.
fn signed(weight: f64) -> String {
    let text = fixed(weight, 2);
    if weight < 0.0 { text } else { format!("+{text}") }
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::assert_well_formed;
    use super::*;

    #[test]
    fn bars_are_sorted_by_size_and_signed() {
        let svg = weights(&[("V1", 0.5), ("V14", -2.0), ("V4", 1.0)]);
        assert_well_formed(&svg);
        let place = |name: &str| svg.find(&format!(">{name}</text>")).unwrap();
        assert!(place("V14") < place("V4") && place("V4") < place("V1"));
        // −2 … 1 on 108 … 428: zero at 321.33; V14 reaches 108, V4 428.
        assert!(
            svg.contains(
                "<rect x=\"108\" y=\"86\" width=\"213.33\" height=\"14\" class=\"legit\"/>"
            )
        );
        assert!(svg.contains(
            "<rect x=\"321.33\" y=\"104\" width=\"106.67\" height=\"14\" class=\"fraud\"/>"
        ));
        assert!(svg.contains(">\u{2212}2.00</text>") && svg.contains(">+0.50</text>"));
    }

    #[test]
    fn weights_of_zero_draw_nothing_wrong() {
        assert_well_formed(&weights(&[("V1", 0.0), ("V2", 0.0)]));
        assert_well_formed(&weights(&[]));
    }
}
