//! What a command prints for people: tables that fit 100 columns.

use std::fmt::Write;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use fraud_core::measures::Evaluation;

use crate::tracking::{Champion, Recorded};
use crate::training::Training;

/// Measures and threshold table of a training, ending with a newline.
#[must_use]
pub fn training(training: &Training, output: &Path) -> String {
    let Training { artifact, evaluation, .. } = training;
    let provenance = &artifact.provenance;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "Fitted to {} transactions with {} frauds{}.\n\
         {} converged in {} iterations with gradient norm {:.1e}.",
        thousands(provenance.rows),
        thousands(provenance.frauds),
        if provenance.refitted_on_all_rows { " (all, after measuring)" } else { "" },
        provenance.solver,
        provenance.iterations,
        provenance.gradient_norm,
    );
    let _ = writeln!(
        text,
        "Measured on {} transactions with {} frauds that the measured fit has not seen.",
        thousands(evaluation.rows),
        thousands(evaluation.frauds),
    );
    if provenance.is_synthetic() {
        let _ = writeln!(
            text,
            "SYNTHETIC DATA: {} rows come from a generator; the figures say nothing about real cards.",
            thousands(provenance.synthetic_rows)
        );
    }
    let _ = writeln!(text, "\n{}\n", measures(evaluation));
    let _ = writeln!(text, "{}\n", thresholds(evaluation));
    let _ = writeln!(
        text,
        "Threshold {} ({}). Model, measures and plots: {}",
        artifact.threshold,
        provenance.threshold_rule,
        output.display()
    );
    text
}

/// Where a training is noted, and how it compares with the champion on the same rows; ends with a
/// newline.
#[must_use]
pub fn recorded(training: &Training, champion: Option<&Champion>, recorded: &Recorded) -> String {
    let Recorded { version, name, run_name, run_id, location } = recorded;
    let mut text = format!(
        "Version {version} of {name}, now the challenger\nRun {run_name} ({run_id})\nin {location}\n"
    );
    if let (Some(champion), Some(baseline)) = (champion, &training.baseline) {
        let share =
            |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |v| format!("{v:.4}"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "On the same rows the champion, version {}, has\naverage precision {} (here {}) and \
             ROC AUC {} (here {}).",
            champion.version,
            share(baseline.average_precision),
            share(training.evaluation.average_precision),
            share(baseline.roc_auc),
            share(training.evaluation.roc_auc),
        );
    }
    text
}

fn measures(evaluation: &Evaluation) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["measure", "value", ""]);
    let share = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |v| format!("{v:.4}"));
    let interval =
        match (evaluation.average_precision_lower_95, evaluation.average_precision_upper_95) {
            (Some(lower), Some(upper)) => format!("95 % interval {lower:.4} to {upper:.4}"),
            _ => String::new(),
        };
    let rows = [
        ("average precision", share(evaluation.average_precision), interval.as_str()),
        ("ROC AUC", share(evaluation.roc_auc), ""),
        ("recall at 1 % false positives", share(evaluation.recall_at_fpr_0_01), ""),
        ("recall at 0.1 % false positives", share(evaluation.recall_at_fpr_0_001), ""),
        ("precision in the top 100", share(Some(evaluation.precision_at_top_100)), ""),
        ("recall in the top 100", share(evaluation.recall_at_top_100), ""),
        ("log loss", share(Some(evaluation.log_loss)), "nats a transaction"),
        ("Brier score", format!("{:.6}", evaluation.brier_score), ""),
        (
            "expected calibration error",
            format!("{:.6}", evaluation.expected_calibration_error_10_uniform_bins),
            "10 bins of equal width",
        ),
    ];
    for (name, value, note) in rows {
        table.add_row([name, &value, note]);
    }
    align_right(&mut table, 1..2);
    table
}

fn thresholds(evaluation: &Evaluation) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "threshold",
        "precision",
        "recall",
        "F1",
        "specificity",
        "caught",
        "missed",
        "false alarms",
    ]);
    // The map is sorted as text: highest threshold first means backwards.
    for (threshold, at) in evaluation.at_threshold.iter().rev() {
        table.add_row([
            threshold.clone(),
            format!("{:.4}", at.precision),
            format!("{:.4}", at.recall),
            format!("{:.4}", at.f1),
            format!("{:.4}", at.specificity),
            thousands(at.tp),
            thousands(at.fn_),
            thousands(at.fp),
        ]);
    }
    align_right(&mut table, 0..8);
    table
}

fn align_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A count with thousands separators: 284,807.
#[must_use]
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        let texts = [0, 999, 1_000, 284_807, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "284,807", "1,234,567"]);
    }
}
