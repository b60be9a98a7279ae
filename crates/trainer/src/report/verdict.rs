//! The words of the evaluation page: what the measures mean for who has to act on them.

use fraud_core::Provenance;
use fraud_core::measures::{Evaluation, ThresholdMeasures};

use super::tables::share;
use crate::plot::words::{counted, number, thousands};

/// The one sentence that a payments team needs.
pub(super) fn verdict(threshold: f64, own: Option<&ThresholdMeasures>) -> String {
    let Some(own) = own else {
        return format!("Its threshold of {threshold} was not measured on these rows.");
    };
    let (frauds, legitimate) = (own.tp + own.fn_, own.tn + own.fp);
    let alarms =
        if own.fp == 0 { "no false alarm".to_owned() } else { counted(own.fp, "false alarm") };
    let among = counted(legitimate, "legitimate transaction");
    let rate =
        if own.fp == 0 { String::new() } else { format!(" ({})", share(own.fp, legitimate)) };
    match (frauds, legitimate) {
        (0, _) => format!(
            "At {threshold} it raises {alarms} in {among}{rate}; what it catches is not known, as \
             there was no fraud"
        ),
        (_, 0) => format!(
            "At {threshold} it catches {} of {} ({}); its false alarms are not known, as there was \
             no legitimate transaction",
            thousands(own.tp),
            counted(frauds, "fraud"),
            share(own.tp, frauds),
        ),
        _ => format!(
            "At {threshold} it catches {} of {} ({}) and raises {alarms} in {among}{rate}",
            thousands(own.tp),
            counted(frauds, "fraud"),
            share(own.tp, frauds),
        ),
    }
}

/// What has to be known to take the verdict for what it is.
pub(super) fn more(
    evaluation: &Evaluation,
    own: Option<&ThresholdMeasures>,
    provenance: &Provenance,
) -> Vec<String> {
    let mut more = Vec::new();
    if let Some(own) = own.filter(|own| own.tp + own.fp > 0) {
        let alerts = own.tp + own.fp;
        more.push(format!(
            "Of its {}, {} {} fraud ({}). That share holds where {} of transactions are fraud, as \
             here; it falls where frauds are rarer.",
            counted(alerts, "alert"),
            thousands(own.tp),
            if own.tp == 1 { "is" } else { "are" },
            share(own.tp, alerts),
            share(evaluation.frauds, evaluation.rows),
        ));
    }
    let split = match provenance.split.as_str() {
        "" => String::new(),
        split => format!(" (split: {split})"),
    };
    let refitted = if provenance.refitted_on_all_rows {
        " After that the model was fitted again on all rows, these included."
    } else {
        ""
    };
    let rows = counted(evaluation.rows, "row");
    more.push(format!(
        "Measured on {rows} set aside{split}, which the measured fit did not see.{refitted}"
    ));
    more
}

/// The banner over a page about generated rows; empty where all rows are real.
pub(super) fn synthetic(provenance: &Provenance) -> String {
    if !provenance.is_synthetic() {
        return String::new();
    }
    format!(
        "{} behind this model came from a generator: what is measured here says nothing about real \
         payments.",
        counted(provenance.synthetic_rows, "row")
    )
}

/// The largest weight, read out as an example.
pub(super) fn reading(features: &[(&str, f64)]) -> String {
    match features.iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())) {
        Some((name, weight)) if *weight != 0.0 => format!(
            "For example {name}: one standard deviation more {} the odds of fraud by {}.",
            if *weight > 0.0 { "multiplies" } else { "divides" },
            number(weight.abs().exp()),
        ),
        _ => "All weights are zero: every transaction gets the same probability.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use fraud_core::measures::ConfusionCounts;

    use super::*;

    fn at(tn: u64, fp: u64, fn_: u64, tp: u64) -> ThresholdMeasures {
        ThresholdMeasures::from(ConfusionCounts {
            true_negatives: tn,
            false_positives: fp,
            false_negatives: fn_,
            true_positives: tp,
        })
    }

    #[test]
    fn the_verdict_is_a_sentence_in_every_case() {
        let say = |counts: ThresholdMeasures| verdict(0.9, Some(&counts)).replace('\u{a0}', " ");
        assert_eq!(
            say(at(5_804, 38, 6, 65)),
            "At 0.9 it catches 65 of 71 frauds (91.5 %) and raises 38 false alarms in 5,842 \
             legitimate transactions (0.65 %)"
        );
        assert_eq!(
            say(at(100, 0, 0, 1)),
            "At 0.9 it catches 1 of 1 fraud (100 %) and raises no false alarm in 100 legitimate \
             transactions"
        );
        assert!(say(at(99, 1, 0, 0)).contains("raises 1 false alarm in 100 legitimate"));
        assert!(
            say(at(99, 1, 0, 0)).ends_with("what it catches is not known, as there was no fraud")
        );
        assert!(
            say(at(0, 0, 1, 3)).contains("catches 3 of 4 frauds (75 %); its false alarms are not")
        );
        assert!(verdict(0.25, None).contains("0.25 was not measured"));
    }

    #[test]
    fn the_largest_weight_is_read_out_as_odds() {
        // e^1.93 and e^2
        assert!(
            reading(&[("V1", 0.3), ("Amount", 1.93)]).contains(
                "Amount: one standard deviation more multiplies the odds of fraud by 6.89"
            )
        );
        assert!(reading(&[("V14", -2.0)]).contains("divides the odds of fraud by 7.389"));
        assert!(reading(&[("V1", 0.0)]).starts_with("All weights are zero"));
    }
}
