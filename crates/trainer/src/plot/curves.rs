//! Precision–recall and ROC: what a model catches against what it costs in false alarms.

use fraud_core::measures::{PrPoint, Ranking, RocPoint};

use super::axes::{Axis, Key, SIZE, axes, down_to, heading, nothing, percent_ticks};
use super::scale::{Scale, decades, thin};
use super::svg::{Point, Svg};
use super::words::{counted, percent, thousands};

const LEFT: f64 = 48.0;
const RIGHT: f64 = SIZE.0 - 24.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = SIZE.1 - 46.0;

/// The precision–recall curve in steps, as average precision adds it up, with the point that
/// `threshold` picks and the precision of alerts drawn by lot (the share of frauds).
///
/// Without a fraud there is no curve, and the picture says so.
#[must_use]
pub fn pr_curve(ranking: &Ranking, threshold: f64) -> String {
    let rows = ranking.positives() + ranking.negatives();
    let Some(average_precision) = ranking.average_precision() else {
        let why = format!("There is no fraud among {}.", counted(rows, "row"));
        return nothing("pr", "Precision–recall: no curve", &why);
    };
    let curve = ranking.pr_curve();
    let base = ranking.positives() as f64 / rows as f64;
    let chosen = curve.iter().rev().find(|point| point.threshold >= threshold);

    let title = format!("Precision–recall: average precision {average_precision:.3}");
    let at_threshold = chosen.map_or_else(
        || format!("Threshold {threshold}: no alert"),
        |point| {
            let (precision, recall) = (percent(point.precision), percent(point.recall));
            format!("Threshold {threshold}: precision {precision}, recall {recall}")
        },
    );
    let by_lot = format!("Alerts drawn by lot: precision {}, the share of frauds", percent(base));
    let description = format!(
        "{at_threshold}. {by_lot}. {}, {} of them frauds.",
        counted(rows, "row"),
        thousands(ranking.positives())
    );

    let mut svg = Svg::new("pr", SIZE, &title, &description);
    heading(&mut svg, &title, &[(Key::Dot("point"), at_threshold), (Key::Line("rule"), by_lot)]);
    let x = Scale::linear((0.0, 1.0), (LEFT, RIGHT));
    let y = Scale::linear((0.0, 1.0), (BOTTOM, TOP));
    axes(
        &mut svg,
        &Axis {
            scale: x,
            ticks: percent_ticks(),
            title: "Recall: share of frauds that raise an alert",
        },
        &Axis {
            scale: y,
            ticks: percent_ticks(),
            title: "Precision: share of alerts that are fraud",
        },
    );
    let line = thin(
        pr_steps(&curve).into_iter().map(|(recall, precision)| (x.at(recall), y.at(precision))),
    );
    svg.area(&down_to(&line, y.at(0.0)), "under");
    svg.line((LEFT, y.at(base)), (RIGHT, y.at(base)), "rule");
    svg.path(&line, "curve");
    if let Some(point) = chosen {
        svg.circle((x.at(point.recall), y.at(point.precision)), 6.0, "point");
    }
    svg.standalone()
}

/// Corners of the step curve as (recall, precision): from the recall of the point before, level at
/// the precision of this one.
fn pr_steps(curve: &[PrPoint]) -> Vec<Point> {
    let mut before = 0.0;
    let mut corners = Vec::with_capacity(2 * curve.len());
    for point in curve {
        corners.push((before, point.precision));
        corners.push((point.recall, point.precision));
        before = point.recall;
    }
    corners
}

/// The ROC curve over a logarithmic axis of false alarms: with one fraud among hundreds of rows the
/// left end, which a linear axis presses into a line, decides. Marks the recall where 0.1 % and 1 %
/// of the legitimate rows raise an alert, and the point that `threshold` picks.
///
/// The axis begins at the power of ten below one false alarm; what is caught without any stands at
/// its left end. If a class is missing there is no curve, and the picture says so.
#[must_use]
pub fn roc_curve(ranking: &Ranking, threshold: f64) -> String {
    let Some(auc) = ranking.roc_auc() else {
        let why = format!(
            "It needs both classes; there are {} and {}.",
            counted(ranking.positives(), "fraud"),
            counted(ranking.negatives(), "legitimate row")
        );
        return nothing("roc", "ROC: no curve", &why);
    };
    let curve = ranking.roc_curve();
    let chosen = curve.iter().rev().find(|point| point.threshold >= threshold);

    let title = format!("ROC: area under the curve {auc:.4}");
    let at_threshold = chosen.map_or_else(String::new, |point| {
        let (recall, alarms) =
            (percent(point.true_positive_rate), percent(point.false_positive_rate));
        format!("Threshold {threshold}: recall {recall}, {alarms} false alarms")
    });
    let recall_at = [0.001, 0.01].map(|rate| (rate, ranking.recall_at_fpr(rate).unwrap_or(0.0)));
    let marks = recall_at.map(|(rate, recall)| format!("{} at {}", percent(recall), percent(rate)));
    let marks = format!("Recall {} false alarms", marks.join(", "));
    let description = format!(
        "{at_threshold}. {marks}. {}, {}.",
        counted(ranking.positives(), "fraud"),
        counted(ranking.negatives(), "legitimate row")
    );

    let mut svg = Svg::new("roc", SIZE, &title, &description);
    heading(&mut svg, &title, &[(Key::Dot("point"), at_threshold), (Key::Dot("dot"), marks)]);
    let lowest = lowest_rate(ranking.negatives());
    let x = Scale::log((lowest, 1.0), (LEFT, RIGHT));
    let y = Scale::linear((0.0, 1.0), (BOTTOM, TOP));
    axes(
        &mut svg,
        &Axis {
            scale: x,
            ticks: decades(lowest, 1.0).into_iter().map(|rate| (rate, percent(rate))).collect(),
            title: "False alarms: share of legitimate rows with an alert (log)",
        },
        &Axis {
            scale: y,
            ticks: percent_ticks(),
            title: "Recall: share of frauds that raise an alert",
        },
    );
    let chance: Vec<Point> = (0..=120)
        .map(|step| lowest.powf(1.0 - f64::from(step) / 120.0))
        .map(|rate| (x.at(rate), y.at(rate)))
        .collect();
    svg.path(&chance, "rule");
    svg.text((x.at(0.9), y.at(0.04)), "e quiet small halo", "drawn by lot");
    let line =
        thin(roc_points(&curve, lowest).into_iter().map(|(fpr, tpr)| (x.at(fpr), y.at(tpr))));
    svg.area(&down_to(&line, y.at(0.0)), "under");
    for (rate, recall) in recall_at.into_iter().filter(|(rate, _)| *rate >= lowest) {
        svg.line((x.at(rate), BOTTOM), (x.at(rate), y.at(recall)), "rule");
        svg.text((x.at(rate), y.at(0.08)), "m halo", &percent(recall));
    }
    svg.path(&line, "curve");
    for (rate, recall) in recall_at.into_iter().filter(|(rate, _)| *rate >= lowest) {
        svg.circle((x.at(rate), y.at(recall)), 5.0, "dot");
    }
    if let Some(point) = chosen {
        let at = (x.at(point.false_positive_rate), y.at(point.true_positive_rate));
        svg.circle(at, 6.0, "point");
    }
    svg.standalone()
}

/// The power of ten below the rate of one false alarm, from 10⁻⁶ to 10⁻³.
fn lowest_rate(negatives: u64) -> f64 {
    let below_one = 0.99 / negatives.max(1) as f64;
    10_f64.powf(below_one.log10().floor()).clamp(1e-6, 1e-3)
}

/// The curve as (false-positive rate, recall). Where rows of equal score make it slanted, more
/// points: what is straight over rates is not over their logarithms.
fn roc_points(curve: &[RocPoint], lowest: f64) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::with_capacity(curve.len());
    for point in curve {
        let (fpr, tpr) = (point.false_positive_rate, point.true_positive_rate);
        if let Some(&(fpr_before, tpr_before)) = points.last()
            && fpr > fpr_before
            && tpr > tpr_before
        {
            let from = fpr_before.max(lowest);
            let pieces = (40.0 * (fpr / from).log10()).ceil().max(1.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // up to 240
            points.extend((0..pieces as u32).map(|piece| {
                let rate = from * (fpr / from).powf(f64::from(piece) / pieces);
                let share = (rate - fpr_before) / (fpr - fpr_before);
                (rate, tpr_before + share.clamp(0.0, 1.0) * (tpr - tpr_before))
            }));
        }
        points.push((fpr, tpr));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::assert_well_formed;
    use super::*;

    /// scikit-learn's example: precision 1, ½, ⅔, ½ at recall ½, ½, 1, 1.
    fn small() -> Ranking {
        Ranking::new(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8]).unwrap()
    }

    /// The path of the curve, as written.
    fn curve_of(svg: &str) -> &str {
        let start = svg.find("<path class=\"curve\" d=\"").unwrap() + 23;
        &svg[start..start + svg[start..].find('"').unwrap()]
    }

    #[test]
    fn precision_recall_goes_in_steps_through_known_points() {
        let svg = pr_curve(&small(), 0.35);
        assert_well_formed(&svg);
        assert!(svg.contains("average precision 0.833"));
        assert!(svg.contains("Threshold 0.35: precision 66.7\u{a0}%, recall 100\u{a0}%"));
        // x: 48 at 0, 252 at ½, 456 at 1; y: 364 at 0, 104 at 1, so 234 at ½ and 190.67 at ⅔.
        assert_eq!(curve_of(&svg), "M48 104H252V234V190.67H456V234");
        assert!(svg.contains("<circle cx=\"456\" cy=\"190.67\" r=\"6\" class=\"point\"/>"));
        assert!(pr_curve(&small(), 0.9).contains("Threshold 0.9: no alert"));
    }

    #[test]
    fn roc_stands_on_a_log_axis() {
        // 1,000 legitimate rows, one above the first of two frauds: recall 0, then ½, at 0.1 %.
        let labels: Vec<bool> = (0..1_002).map(|row| row == 1 || row == 500).collect();
        let scores: Vec<f64> = (0..1_002).map(|row| 1.0 - f64::from(row) / 2_000.0).collect();
        let ranking = Ranking::new(&labels, &scores).unwrap();
        let svg = roc_curve(&ranking, 0.9995);
        assert_well_formed(&svg);
        assert!(svg.contains("area under the curve 0.7500"), "{svg}");
        assert!(svg.contains("Recall 50\u{a0}% at 0.1\u{a0}%, 50\u{a0}% at 1\u{a0}% false alarms"));
        // The axis goes from 0.01 % at 48 to 100 % at 456, so 0.1 % is at 48 + 408 / 4.
        assert!(curve_of(&svg).starts_with("M48 364H150V234H"), "{}", curve_of(&svg));
        assert!(curve_of(&svg).contains("V104H"), "{}", curve_of(&svg));
        assert!(curve_of(&svg).ends_with("H456"), "{}", curve_of(&svg));
        assert!(svg.contains("<circle cx=\"150\" cy=\"234\" r=\"6\" class=\"point\"/>"));
    }

    #[test]
    fn a_slanted_piece_is_curved_over_logarithms() {
        // All rows tied: the diagonal, which is half way up at a rate of ½, not of √lowest.
        let tied = Ranking::new(&[true, false], &[0.5, 0.5]).unwrap();
        let points = roc_points(&tied.roc_curve(), 1e-3);
        assert!(points.len() > 100);
        assert!(points.iter().all(|(fpr, tpr)| (fpr - tpr).abs() < 1e-12));
        assert_well_formed(&roc_curve(&tied, 0.5));
    }

    #[test]
    fn one_class_is_said_and_many_rows_stay_small() {
        let legitimate = Ranking::new(&[false, false], &[0.1, 0.2]).unwrap();
        assert!(pr_curve(&legitimate, 0.5).contains("There is no fraud among 2 rows."));
        let fraud = Ranking::new(&[true], &[0.1]).unwrap();
        assert!(roc_curve(&fraud, 0.5).contains("there are 1 fraud and 0 legitimate rows"));
        assert_well_formed(&pr_curve(&fraud, 0.05));

        let labels: Vec<bool> = (0..200_000).map(|row| row * 7_919 % 13 == 0).collect();
        let scores: Vec<f64> = (0..200_000).map(|row| f64::from(row * 31 % 200_003)).collect();
        let ranking = Ranking::new(&labels, &scores).unwrap();
        for svg in [pr_curve(&ranking, 1e5), roc_curve(&ranking, 1e5)] {
            assert_well_formed(&svg);
            assert!(svg.len() < 80_000, "{}", svg.len());
        }
    }
}
