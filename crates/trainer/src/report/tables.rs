//! The tables of the evaluation page, row by row, as text.

use fraud_core::measures::{Evaluation, ThresholdMeasures};
use fraud_core::{FEATURES, ModelArtifact, Provenance};

use crate::plot;
use crate::plot::words::{counted, number, percent, percent_in_column, thousands};

/// Stands for a measure that these rows cannot give.
const NOT_THERE: &str = "–";

pub(super) struct Tile {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) range: String,
}

pub(super) struct ThresholdRow<'a> {
    pub(super) threshold: &'a str,
    pub(super) own: bool,
    pub(super) caught: String,
    pub(super) missed: String,
    pub(super) recall: String,
    pub(super) false_alarms: String,
    pub(super) false_alarm_rate: String,
    pub(super) alerts: String,
    pub(super) precision: String,
    pub(super) f1: String,
}

pub(super) struct WeightRow {
    pub(super) feature: &'static str,
    pub(super) weight: String,
    pub(super) odds: String,
    pub(super) mean: String,
    pub(super) scale: String,
}

pub(super) struct FileRow<'a> {
    pub(super) file: &'a str,
    pub(super) role: &'a str,
    pub(super) rows: String,
    pub(super) frauds: String,
    pub(super) sha256: &'a str,
    /// The first 12 digits of the hash: enough to tell files apart.
    pub(super) short: String,
}

pub(super) struct MeasureRow {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) interval: Option<String>,
    pub(super) meaning: &'static str,
}

pub(super) fn tiles(evaluation: &Evaluation, own: Option<&ThresholdMeasures>) -> Vec<Tile> {
    let by_lot = format!("by lot: {:.3}", evaluation.frauds as f64 / evaluation.rows.max(1) as f64);
    let mut tiles = vec![Tile {
        name: "Average precision",
        value: decimals(evaluation.average_precision, 3),
        range: average_precision_interval(evaluation)
            .map_or(by_lot, |interval| format!("95\u{a0}% interval {interval}")),
    }];
    if let Some(own) = own {
        let of = |hits: u64, trials: u64| {
            if trials == 0 { NOT_THERE.to_owned() } else { share(hits, trials) }
        };
        let range = |hits: u64, trials: u64| {
            let (lower, upper) = plot::wilson(hits, trials);
            let interval = format!("95\u{a0}% interval {} to {}", percent(lower), percent(upper));
            if trials == 0 { "no rows to tell".to_owned() } else { interval }
        };
        let (frauds, alerts) = (own.tp + own.fn_, own.tp + own.fp);
        tiles.push(Tile {
            name: "Recall: frauds caught",
            value: of(own.tp, frauds),
            range: range(own.tp, frauds),
        });
        tiles.push(Tile {
            name: "Precision: alerts that are fraud",
            value: of(own.tp, alerts),
            range: range(own.tp, alerts),
        });
    }
    tiles.push(Tile {
        name: "Recall at 0.1\u{a0}% false alarms",
        value: shares(evaluation.recall_at_fpr_0_001),
        range: format!("at 1\u{a0}%: {}", shares(evaluation.recall_at_fpr_0_01)),
    });
    tiles
}

/// Highest threshold first.
pub(super) fn threshold_rows(evaluation: &Evaluation, own: f64) -> Vec<ThresholdRow<'_>> {
    let mut rows: Vec<(f64, ThresholdRow<'_>)> = evaluation
        .at_threshold
        .iter()
        .map(|(threshold, at)| {
            let row = ThresholdRow {
                threshold,
                own: *threshold == own.to_string(),
                caught: thousands(at.tp),
                missed: thousands(at.fn_),
                recall: share_in_column(at.tp, at.tp + at.fn_),
                false_alarms: thousands(at.fp),
                false_alarm_rate: share_in_column(at.fp, at.fp + at.tn),
                alerts: thousands(at.tp + at.fp),
                precision: share_in_column(at.tp, at.tp + at.fp),
                f1: format!("{:.3}", at.f1),
            };
            (threshold.parse().unwrap_or(f64::NAN), row)
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    rows.into_iter().map(|(_, row)| row).collect()
}

pub(super) fn weight_rows(artifact: &ModelArtifact) -> Vec<WeightRow> {
    let scaler = artifact.model.scaler();
    let mut order: Vec<usize> = (0..FEATURES.len()).collect();
    let weights = artifact.model.coefficients();
    order.sort_by(|a, b| weights[*b].abs().total_cmp(&weights[*a].abs()));
    order
        .into_iter()
        .map(|index| WeightRow {
            feature: FEATURES[index],
            weight: number(weights[index]),
            odds: number(weights[index].exp()),
            mean: number(scaler.mean()[index]),
            scale: number(scaler.scale()[index]),
        })
        .collect()
}

pub(super) fn measure_rows(evaluation: &Evaluation) -> Vec<MeasureRow> {
    let row = |name, value, meaning| MeasureRow { name, value, interval: None, meaning };
    vec![
        MeasureRow {
            interval: average_precision_interval(evaluation),
            ..row(
                "Average precision",
                decimals(evaluation.average_precision, 4),
                "Precision averaged over all frauds; the share of frauds is what chance would reach",
            )
        },
        row(
            "ROC AUC",
            decimals(evaluation.roc_auc, 4),
            "Probability that a fraud scores above a legitimate row; 0.5 is chance",
        ),
        row(
            "Recall at 1\u{a0}% false alarms",
            shares(evaluation.recall_at_fpr_0_01),
            "Frauds caught when 1 in 100 legitimate rows may raise an alert",
        ),
        row(
            "Recall at 0.1\u{a0}% false alarms",
            shares(evaluation.recall_at_fpr_0_001),
            "Frauds caught when 1 in 1,000 legitimate rows may raise an alert",
        ),
        row(
            "Precision in the top 100",
            percent(evaluation.precision_at_top_100),
            "Frauds among the 100 rows of highest score",
        ),
        row(
            "Recall in the top 100",
            shares(evaluation.recall_at_top_100),
            "Share of all frauds that are among these 100 rows",
        ),
        row(
            "Log loss",
            number(evaluation.log_loss),
            "Mean surprise of the probabilities, in nats a row; lower is better",
        ),
        row(
            "Brier score",
            number(evaluation.brier_score),
            "Mean squared error of the probabilities; lower is better",
        ),
        row(
            "Expected calibration error",
            number(evaluation.expected_calibration_error_10_uniform_bins),
            "Mean distance of probability and observed share, ten bins; class weights raise it",
        ),
    ]
}

pub(super) fn file_rows(provenance: &Provenance) -> Vec<FileRow<'_>> {
    provenance
        .data
        .iter()
        .map(|file| FileRow {
            file: &file.file,
            role: &file.role,
            rows: thousands(file.rows),
            frauds: thousands(file.frauds),
            sha256: &file.sha256,
            short: file.sha256.chars().take(12).collect(),
        })
        .collect()
}

/// What is known of the training; nothing that is not.
pub(super) fn provenance_rows(artifact: &ModelArtifact) -> Vec<(&'static str, String)> {
    let from = &artifact.provenance;
    let mut rows = vec![("Model", artifact.digest())];
    let mut known = |name, value: &str| {
        if !value.is_empty() {
            rows.push((name, value.to_owned()));
        }
    };
    known("Made", &from.created_at);
    known("Trainer", &from.crate_version);
    if from.rows > 0 {
        let (rows, frauds) = (counted(from.rows, "row"), counted(from.frauds, "fraud"));
        known("Fitted on", &format!("{rows}, {frauds} ({})", share(from.frauds, from.rows)));
    }
    if from.is_synthetic() {
        known("Synthetic rows", &thousands(from.synthetic_rows));
    }
    known("Split", &from.split);
    if !from.solver.is_empty() {
        known("Seed", &from.seed.to_string());
        known("Solver", &from.solver);
        let state = if from.converged { "converged" } else { "did not converge" };
        let gradient = format!("{:.1e}", from.gradient_norm);
        let iterations = counted(from.iterations, "iteration");
        known("Fit", &format!("{state} after {iterations}, largest gradient {gradient}"));
        known("L2 penalty (1/C)", &from.l2.to_string());
    }
    known("Class weight", &from.class_weight);
    let threshold = artifact.threshold.to_string();
    match from.threshold_rule.as_str() {
        "" | "fixed" => known("Threshold", &threshold),
        rule => known("Threshold", &format!("{threshold}, by the rule {rule}")),
    }
    rows
}

fn average_precision_interval(evaluation: &Evaluation) -> Option<String> {
    let lower = evaluation.average_precision_lower_95?;
    let upper = evaluation.average_precision_upper_95?;
    Some(format!("{lower:.3} to {upper:.3}"))
}

fn decimals(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| NOT_THERE.to_owned(), |value| format!("{value:.digits$}"))
}

fn shares(value: Option<f64>) -> String {
    value.map_or_else(|| NOT_THERE.to_owned(), percent)
}

/// `hits` of `trials` as a percentage.
pub(super) fn share(hits: u64, trials: u64) -> String {
    if trials == 0 { NOT_THERE.to_owned() } else { percent(hits as f64 / trials as f64) }
}

fn share_in_column(hits: u64, trials: u64) -> String {
    if trials == 0 { NOT_THERE.to_owned() } else { percent_in_column(hits as f64 / trials as f64) }
}
