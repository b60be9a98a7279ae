//! The confusion matrix in words: passed, false alarm, missed, caught.

use fraud_core::measures::ConfusionCounts;

use super::axes::{Key, SIZE, heading};
use super::svg::Svg;
use super::words::{percent, thousands};

const LEFT: f64 = 96.0;
const TOP: f64 = 92.0;
const CELL: (f64, f64) = (182.0, 146.0);
const GAP: f64 = 6.0;

/// Rows by truth (down) and decision (across), with counts and the share of their truth; the fuller
/// the colour, the larger that share.
#[must_use]
pub fn confusion(counts: &ConfusionCounts, threshold: f64) -> String {
    let legitimate = counts.true_negatives + counts.false_positives;
    let frauds = counts.false_negatives + counts.true_positives;
    let cells = [
        [("passed, rightly", counts.true_negatives), ("false alarms", counts.false_positives)],
        [("missed", counts.false_negatives), ("caught", counts.true_positives)],
    ];
    let truths = [("Legitimate", legitimate, "legit"), ("Fraud", frauds, "fraud")];

    let title = format!("Decisions at threshold {threshold}");
    let description = format!(
        "Of {} legitimate rows {} raise a false alarm; of {} frauds {} are caught, {} missed.",
        thousands(legitimate),
        thousands(counts.false_positives),
        thousands(frauds),
        thousands(counts.true_positives),
        thousands(counts.false_negatives),
    );
    let mut svg = Svg::new("confusion", SIZE, &title, &description);
    let legend = "Shares are of all legitimate rows, and of all frauds".to_owned();
    heading(&mut svg, &title, &[(Key::None, legend)]);
    for (column, (decision, rule)) in
        [("No alert", "below it"), ("Alert", "at or above it")].into_iter().enumerate()
    {
        let x = LEFT + column as f64 * (CELL.0 + GAP) + CELL.0 / 2.0;
        svg.text((x, TOP - 23.0), "m strong", decision);
        svg.text((x, TOP - 8.0), "m quiet small", rule);
    }
    for (row, ((truth, total, class), cells)) in truths.into_iter().zip(cells).enumerate() {
        let y = TOP + row as f64 * (CELL.1 + GAP);
        svg.text((LEFT - 10.0, y + CELL.1 / 2.0), "e strong", truth);
        svg.text((LEFT - 10.0, y + CELL.1 / 2.0 + 16.0), "e quiet small", &thousands(total));
        for (column, (name, count)) in cells.into_iter().enumerate() {
            let x = LEFT + column as f64 * (CELL.0 + GAP);
            let share = if total > 0 { count as f64 / total as f64 } else { 0.0 };
            svg.shaded_rect((x, y), CELL, (class, 0.06 + 0.32 * share), "");
            let middle = x + CELL.0 / 2.0;
            svg.text((middle, y + 46.0), "m", name);
            svg.text((middle, y + 79.0), "m big", &thousands(count));
            if total > 0 {
                svg.text((middle, y + 104.0), "m", &percent(share));
            }
        }
    }
    svg.standalone()
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::assert_well_formed;
    use super::*;

    #[test]
    fn counts_and_shares_are_written_out() {
        let counts = ConfusionCounts {
            true_negatives: 5_804,
            false_positives: 38,
            false_negatives: 6,
            true_positives: 65,
        };
        let svg = confusion(&counts, 0.9);
        assert_well_formed(&svg);
        for text in ["5,804", "38", "6", "65", "5,842", "71"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
        for share in ["99.35", "0.65", "8.5", "91.5"] {
            assert!(svg.contains(&format!(">{share}\u{a0}%</text>")), "{share}");
        }
        assert!(svg.contains("Decisions at threshold 0.9"));
    }

    #[test]
    fn a_class_without_rows_has_no_shares() {
        let svg = confusion(&ConfusionCounts { true_negatives: 3, ..Default::default() }, 0.5);
        assert_well_formed(&svg);
        assert_eq!(svg.matches('%').count(), 2);
    }
}
