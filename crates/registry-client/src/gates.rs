//! Whether a candidate may take the champion's place: from facts to verdicts, without a store.
//!
//! | gate | holds if |
//! |---|---|
//! | `artifact` | the candidate's files are there, and load |
//! | `schema` | both take the same features in the same order, and so say the signatures in `MLmodel` |
//! | `validation data` | both were measured on the same rows |
//! | one a measure | the candidate is worse by no more than the tolerance |
//! | `real data` | no candidate from generated rows takes the place of a champion from real ones |
//!
//! Without a champion there is nothing to compare with, and all but the first hold.

use std::collections::BTreeMap;

use fraud_core::ModelArtifact;
use fraud_core::measures::Evaluation;
use serde::{Deserialize, Serialize};

/// A difference this small comes from writing decimals in binary.
const ROUNDING: f64 = 1e-12;

/// What there is to know before a promotion.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The version that is to be champion.
    pub candidate: VersionFacts,
    /// The version that is; `None` if there is none yet.
    pub champion: Option<VersionFacts>,
    /// The champion of then on the candidate's validation rows, if its training measured that.
    pub rescored: Option<Rescored>,
}

/// What is known of a version.
#[derive(Debug, Clone)]
pub struct VersionFacts {
    /// Its number.
    pub version: String,
    /// Its model, or why that does not load.
    pub artifact: Result<ModelArtifact, String>,
    /// The features that `model.json` states, in their order; `None` if it cannot be read at all.
    pub features: Option<Vec<String>>,
    /// The input columns that `MLmodel` states; `None` if it has no signature.
    pub signature: Option<Vec<Column>>,
    /// Its tag [`VALIDATION_DIGEST`](crate::tags::VALIDATION_DIGEST).
    pub validation_digest: Option<String>,
}

/// An input column of an MLflow signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name; a signature may leave it out.
    #[serde(default)]
    pub name: String,
    /// MLflow's type: `double`, `long`, …
    #[serde(rename = "type")]
    pub kind: String,
}

/// The measures of another version on the validation rows of this one.
#[derive(Debug, Clone, PartialEq)]
pub struct Rescored {
    /// Number of the version that was measured.
    pub version: String,
    /// Its measures by name.
    pub measures: BTreeMap<String, f64>,
}

/// What is asked of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The measures that are compared.
    pub measures: Vec<Measure>,
    /// By how much the candidate may be worse, in units of the measure; finite, 0 or more.
    pub tolerance: f64,
}

impl Default for Rules {
    /// Average precision, ROC AUC and recall at 1 % false positives, each within 0.005.
    fn default() -> Self {
        let measures = DEFAULT_MEASURES.into_iter().filter_map(Measure::named).collect();
        Self { measures, tolerance: DEFAULT_TOLERANCE }
    }
}

/// The measures that are compared unless others are asked for.
pub const DEFAULT_MEASURES: [&str; 3] = ["average_precision", "roc_auc", "recall_at_fpr_0_01"];

/// By how much a candidate may be worse unless told otherwise.
pub const DEFAULT_TOLERANCE: f64 = 0.005;

/// A measure that two versions can be compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// As in `metrics.json`.
    pub name: &'static str,
    /// Whether more is better.
    pub higher_is_better: bool,
}

/// All measures that can be asked for.
pub const MEASURES: [Measure; 9] = [
    Measure { name: "average_precision", higher_is_better: true },
    Measure { name: "roc_auc", higher_is_better: true },
    Measure { name: "recall_at_fpr_0_01", higher_is_better: true },
    Measure { name: "recall_at_fpr_0_001", higher_is_better: true },
    Measure { name: "precision_at_top_100", higher_is_better: true },
    Measure { name: "recall_at_top_100", higher_is_better: true },
    Measure { name: "log_loss", higher_is_better: false },
    Measure { name: "brier_score", higher_is_better: false },
    Measure { name: "expected_calibration_error_10_uniform_bins", higher_is_better: false },
];

impl Measure {
    /// The measure of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        MEASURES.into_iter().find(|measure| measure.name == name)
    }
}

/// What a gate says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Name of the gate, or of the measure.
    pub gate: &'static str,
    /// What it says.
    pub outcome: Outcome,
    /// What the candidate has.
    pub candidate: Figure,
    /// What the champion has.
    pub champion: Figure,
    /// Candidate less champion, for a measure.
    pub difference: Option<f64>,
    /// Why; for a refusal also what would help. Empty where the figures say it all.
    pub reason: String,
}

/// Whether a gate lets the candidate pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It does.
    Holds,
    /// It does not.
    Refused,
    /// There is no telling, because of another gate that refuses.
    NotJudged,
}

/// What a gate looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figure {
    /// Nothing, or not known.
    Unknown,
    /// A measure.
    Number(f64),
    /// Something else.
    Text(String),
}

/// What every gate says, in the order of the table above. The candidate passes if all hold.
#[must_use]
pub fn judge(facts: &Facts, rules: &Rules) -> Vec<Verdict> {
    let mut verdicts = vec![artifact(facts), schema(facts), validation_data(facts)];
    let comparable = verdicts[2].outcome == Outcome::Holds;
    verdicts.extend(
        rules.measures.iter().map(|measure| measured(facts, *measure, rules.tolerance, comparable)),
    );
    verdicts.push(real_data(facts));
    verdicts
}

/// The numbers of an evaluation by name, those for single thresholds left out.
#[must_use]
pub fn numbers(evaluation: &Evaluation) -> BTreeMap<String, f64> {
    let value = serde_json::to_value(evaluation).unwrap_or_default();
    let fields = value.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
}

fn verdict(gate: &'static str, outcome: Outcome, reason: impl Into<String>) -> Verdict {
    let unknown = || Figure::Unknown;
    let reason = reason.into();
    Verdict { gate, outcome, candidate: unknown(), champion: unknown(), difference: None, reason }
}

fn no_champion(gate: &'static str) -> Verdict {
    verdict(gate, Outcome::Holds, "there is no champion yet")
}

fn artifact(facts: &Facts) -> Verdict {
    let candidate = &facts.candidate;
    let digest = |facts: &VersionFacts| match &facts.artifact {
        Ok(artifact) => Figure::Text(artifact.digest()),
        Err(_) => Figure::Unknown,
    };
    let (outcome, reason) = match &candidate.artifact {
        Ok(_) => (Outcome::Holds, String::new()),
        Err(reason) => {
            (Outcome::Refused, format!("version {} does not load: {reason}", candidate.version))
        }
    };
    Verdict {
        candidate: digest(candidate),
        champion: facts.champion.as_ref().map_or(Figure::Unknown, digest),
        ..verdict("artifact", outcome, reason)
    }
}

fn schema(facts: &Facts) -> Verdict {
    const GATE: &str = "schema";
    let candidate = &facts.candidate;
    let Some(champion) = &facts.champion else {
        return Verdict { candidate: features(candidate), ..no_champion(GATE) };
    };
    let (outcome, reason) = match (&candidate.features, &champion.features) {
        (Some(own), Some(other)) => match first_difference(own, other)
            .map(|difference| format!("features: {difference}"))
            .or_else(|| signature_difference(candidate, champion))
        {
            None => (Outcome::Holds, String::new()),
            Some(difference) => (
                Outcome::Refused,
                format!(
                    "{difference}; who calls the champion could not call the candidate: register it \
                     under another name"
                ),
            ),
        },
        (None, _) => (Outcome::NotJudged, "the candidate states no features".to_owned()),
        (Some(_), None) => {
            let why = champion.artifact.as_ref().err().map_or("", String::as_str);
            (
                Outcome::Refused,
                format!(
                    "version {} states no features to compare with ({why}); `fraud-registry \
                     rollback` to a champion that loads, or move the alias by hand",
                    champion.version
                ),
            )
        }
    };
    Verdict {
        candidate: features(candidate),
        champion: features(champion),
        ..verdict(GATE, outcome, reason)
    }
}

fn features(facts: &VersionFacts) -> Figure {
    facts.features.as_ref().map_or(Figure::Unknown, |features| {
        Figure::Text(match &features[..] {
            [first, .., last] => format!("{}: {first} … {last}", features.len()),
            few => format!("{}: {}", few.len(), few.join(", ")),
        })
    })
}

fn signature_difference(candidate: &VersionFacts, champion: &VersionFacts) -> Option<String> {
    let texts = |columns: &[Column]| {
        columns.iter().map(|column| format!("{} ({})", column.name, column.kind)).collect()
    };
    let own: Vec<String> = texts(candidate.signature.as_ref()?);
    let other: Vec<String> = texts(champion.signature.as_ref()?);
    first_difference(&own, &other)
        .map(|difference| format!("the signature in MLmodel: {difference}"))
}

/// Where two lists differ first, in words.
fn first_difference(candidate: &[String], champion: &[String]) -> Option<String> {
    let longest = candidate.len().max(champion.len());
    (0..longest).find(|&at| candidate.get(at) != champion.get(at)).map(|at| {
        let shown = |list: &[String]| {
            list.get(at).map_or_else(|| "nothing".to_owned(), |name| format!("{name:?}"))
        };
        format!(
            "number {} is {} for the candidate and {} for the champion",
            at + 1,
            shown(candidate),
            shown(champion)
        )
    })
}

/// Where the champion's side of a comparison comes from.
enum Comparison<'a> {
    /// Both were measured on the same rows.
    OwnMeasures(&'a Evaluation),
    /// The candidate's training measured the champion too.
    Rescored(&'a Rescored),
}

fn comparison<'a>(facts: &'a Facts, champion: &'a VersionFacts) -> Option<Comparison<'a>> {
    let same_rows = facts.candidate.validation_digest.is_some()
        && facts.candidate.validation_digest == champion.validation_digest;
    if same_rows && let Some(measures) = own_measures(champion) {
        return Some(Comparison::OwnMeasures(measures));
    }
    let rescored = facts.rescored.as_ref()?;
    (rescored.version == champion.version && !rescored.measures.is_empty())
        .then_some(Comparison::Rescored(rescored))
}

fn own_measures(facts: &VersionFacts) -> Option<&Evaluation> {
    facts.artifact.as_ref().ok()?.provenance.measures.as_ref()
}

fn validation_data(facts: &Facts) -> Verdict {
    const GATE: &str = "validation data";
    let digest = |facts: &VersionFacts| match &facts.validation_digest {
        Some(digest) => Figure::Text(digest.clone()),
        None => Figure::Unknown,
    };
    let candidate = digest(&facts.candidate);
    let Some(champion) = &facts.champion else {
        return Verdict { candidate, ..no_champion(GATE) };
    };
    let number = &champion.version;
    let (outcome, reason) = match comparison(facts, champion) {
        _ if facts.candidate.artifact.is_err() => {
            (Outcome::NotJudged, "the candidate does not load".to_owned())
        }
        Some(Comparison::OwnMeasures(_)) => {
            (Outcome::Holds, "both were measured on the same rows".to_owned())
        }
        Some(Comparison::Rescored(_)) => (
            Outcome::Holds,
            format!(
                "the candidate's training measured version {number} on the same rows as the candidate"
            ),
        ),
        None => {
            let what = match &facts.rescored {
                Some(rescored) if rescored.version != *number => format!(
                    "the candidate's training measured version {}, which is not champion any more",
                    rescored.version
                ),
                _ => format!(
                    "the candidate's training did not measure version {number}, and the two were not \
                     measured on rows known to be the same"
                ),
            };
            (
                Outcome::Refused,
                format!(
                    "{what}; train again while version {number} is champion and this registry can be \
                     reached, or with the validation file that it was measured on (--validation)"
                ),
            )
        }
    };
    Verdict { candidate, champion: digest(champion), ..verdict(GATE, outcome, reason) }
}

fn measured(facts: &Facts, measure: Measure, tolerance: f64, comparable: bool) -> Verdict {
    let name = measure.name;
    let of = |measures: &BTreeMap<String, f64>| {
        measures.get(name).copied().filter(|value| value.is_finite())
    };
    let own = own_measures(&facts.candidate).and_then(|evaluation| of(&numbers(evaluation)));
    let candidate = own.map_or(Figure::Unknown, Figure::Number);
    let Some(champion) = &facts.champion else {
        return Verdict { candidate, ..no_champion(name) };
    };
    let comparison = comparison(facts, champion).filter(|_| comparable);
    let Some(comparison) = comparison else {
        // The figure that it has is of other rows, and would only mislead beside the candidate's.
        let reason = "not measured on the same rows";
        return Verdict { candidate, ..verdict(name, Outcome::NotJudged, reason) };
    };
    let other = match comparison {
        Comparison::OwnMeasures(evaluation) => of(&numbers(evaluation)),
        Comparison::Rescored(rescored) => of(&rescored.measures),
    };
    let (Some(own), Some(other)) = (own, other) else {
        let who = if own.is_none() { "candidate" } else { "champion" };
        let reason = format!(
            "the {who} has no {name}; measure on rows with frauds and legitimate transactions, or \
             compare by others (--measure)"
        );
        let champion = other.map_or(Figure::Unknown, Figure::Number);
        return Verdict { candidate, champion, ..verdict(name, Outcome::Refused, reason) };
    };
    let difference = own - other;
    let worse_by = if measure.higher_is_better { -difference } else { difference };
    let (outcome, reason) = if worse_by <= tolerance + ROUNDING {
        (Outcome::Holds, String::new())
    } else {
        let direction = if measure.higher_is_better { "lower" } else { "higher" };
        (
            Outcome::Refused,
            format!(
                "{worse_by:.6} {direction} than the champion's, at most {tolerance} is tolerated \
                 (--tolerance)"
            ),
        )
    };
    Verdict {
        candidate,
        champion: Figure::Number(other),
        difference: Some(difference),
        ..verdict(name, outcome, reason)
    }
}

fn real_data(facts: &Facts) -> Verdict {
    const GATE: &str = "real data";
    let synthetic = |facts: &VersionFacts| {
        facts.artifact.as_ref().ok().map(|artifact| artifact.provenance.synthetic_rows)
    };
    let figure = |rows: Option<u64>| match rows {
        Some(0) => Figure::Text("real rows".to_owned()),
        Some(rows) => Figure::Text(format!("{rows} synthetic")),
        None => Figure::Unknown,
    };
    let own = synthetic(&facts.candidate);
    let Some(champion) = &facts.champion else {
        return Verdict { candidate: figure(own), ..no_champion(GATE) };
    };
    let other = synthetic(champion);
    let (outcome, reason) = match (own, other) {
        (None, _) => (Outcome::NotJudged, "the candidate does not load".to_owned()),
        (Some(0), _) | (Some(_), Some(1..)) => (Outcome::Holds, String::new()),
        (Some(_), Some(0)) => (
            Outcome::Refused,
            "the candidate learnt from generated rows, the champion from real ones; train on real \
             transactions"
                .to_owned(),
        ),
        (Some(_), None) => (
            Outcome::Refused,
            "the candidate learnt from generated rows, and what the champion learnt from cannot be \
             read; train on real transactions"
                .to_owned(),
        ),
    };
    Verdict { candidate: figure(own), champion: figure(other), ..verdict(GATE, outcome, reason) }
}

#[cfg(test)]
mod tests {
    use fraud_core::{FEATURES, LogisticModel, N_FEATURES, Provenance, StandardScaler, Threshold};

    use super::*;

    fn evaluation(average_precision: Option<f64>, log_loss: f64) -> Evaluation {
        Evaluation {
            rows: 1_000,
            frauds: 10,
            average_precision,
            average_precision_lower_95: None,
            average_precision_upper_95: None,
            roc_auc: Some(0.96),
            log_loss,
            brier_score: 0.01,
            expected_calibration_error_10_uniform_bins: 0.02,
            recall_at_fpr_0_01: Some(0.9),
            recall_at_fpr_0_001: Some(0.8),
            precision_at_top_100: 0.1,
            recall_at_top_100: Some(1.0),
            at_threshold: BTreeMap::new(),
        }
    }

    fn version(number: &str, average_precision: f64) -> VersionFacts {
        let scaler = StandardScaler::new([0.0; N_FEATURES], [1.0; N_FEATURES]).unwrap();
        let measures = Some(evaluation(Some(average_precision), 0.1));
        VersionFacts {
            version: number.to_owned(),
            artifact: Ok(ModelArtifact {
                model: LogisticModel::new(scaler, [0.5; N_FEATURES], -3.0).unwrap(),
                threshold: Threshold::new(0.9).unwrap(),
                provenance: Provenance { measures, ..Provenance::default() },
            }),
            features: Some(FEATURES.map(str::to_owned).to_vec()),
            signature: None,
            validation_digest: Some("rows".to_owned()),
        }
    }

    fn facts(candidate: f64, champion: f64) -> Facts {
        let champion = Some(version("1", champion));
        Facts { candidate: version("2", candidate), champion, rescored: None }
    }

    fn provenance(facts: &mut VersionFacts) -> &mut Provenance {
        &mut facts.artifact.as_mut().unwrap().provenance
    }

    fn outcomes(facts: &Facts) -> Vec<(&'static str, Outcome)> {
        judge(facts, &Rules::default()).iter().map(|v| (v.gate, v.outcome)).collect()
    }

    /// The gates that do not hold.
    fn refusals(facts: &Facts) -> Vec<(&'static str, Outcome)> {
        outcomes(facts).into_iter().filter(|(_, outcome)| *outcome != Outcome::Holds).collect()
    }

    fn reason(facts: &Facts, gate: &str) -> String {
        let verdicts = judge(facts, &Rules::default());
        verdicts.into_iter().find(|verdict| verdict.gate == gate).unwrap().reason
    }

    #[test]
    fn all_gates_are_named_in_order_and_hold_for_an_equal() {
        let expected = [
            "artifact",
            "schema",
            "validation data",
            "average_precision",
            "roc_auc",
            "recall_at_fpr_0_01",
            "real data",
        ]
        .map(|gate| (gate, Outcome::Holds));
        assert_eq!(outcomes(&facts(0.8, 0.8)), expected);
    }

    #[test]
    fn the_tolerance_itself_is_tolerated_though_decimals_are_not_exact() {
        // In binary 0.895 − 0.89 is 0.0050000000000000044, more than 0.005.
        assert_eq!(refusals(&facts(0.89, 0.895)), []);
        assert_eq!(refusals(&facts(0.8899, 0.895)), [("average_precision", Outcome::Refused)]);
        let reason = reason(&facts(0.88, 0.895), "average_precision");
        assert!(
            reason.starts_with("0.015000 lower than the champion's, at most 0.005"),
            "{reason}"
        );
    }

    #[test]
    fn less_is_better_where_it_is_a_loss() {
        let rules = Rules { measures: vec![Measure::named("log_loss").unwrap()], tolerance: 0.01 };
        let outcome = |own: f64, other: f64| {
            let mut facts = facts(0.8, 0.8);
            provenance(&mut facts.candidate).measures = Some(evaluation(None, own));
            provenance(facts.champion.as_mut().unwrap()).measures = Some(evaluation(None, other));
            judge(&facts, &rules)[3].outcome
        };
        assert_eq!(outcome(0.1, 0.3), Outcome::Holds);
        assert_eq!(outcome(0.31, 0.3), Outcome::Holds);
        assert_eq!(outcome(0.32, 0.3), Outcome::Refused);
    }

    #[test]
    fn without_a_champion_only_the_artifact_counts() {
        let mut facts = Facts { champion: None, ..facts(0.1, 0.9) };
        provenance(&mut facts.candidate).synthetic_rows = 7;
        facts.candidate.validation_digest = None;
        assert_eq!(refusals(&facts), []);
        assert_eq!(reason(&facts, "roc_auc"), "there is no champion yet");

        facts.candidate.artifact = Err("it is cut off".to_owned());
        assert_eq!(refusals(&facts), [("artifact", Outcome::Refused)]);
        assert_eq!(reason(&facts, "artifact"), "version 2 does not load: it is cut off");
    }

    #[test]
    fn a_candidate_that_does_not_load_is_not_judged_further() {
        let mut facts = facts(0.8, 0.8);
        facts.candidate.artifact = Err("it is cut off".to_owned());
        facts.candidate.features = None;
        let mut expected = outcomes(&facts);
        assert_eq!(expected.remove(0), ("artifact", Outcome::Refused));
        assert!(expected.iter().all(|(_, outcome)| *outcome == Outcome::NotJudged), "{expected:?}");
    }

    #[test]
    fn the_order_of_the_features_is_part_of_the_schema() {
        let mut facts = facts(0.8, 0.8);
        facts.champion.as_mut().unwrap().features.as_mut().unwrap().swap(0, 1);
        assert_eq!(refusals(&facts), [("schema", Outcome::Refused)]);
        let reason = reason(&facts, "schema");
        assert!(
            reason.starts_with(
                "features: number 1 is \"Time\" for the candidate and \"V1\" for the champion"
            ),
            "{reason}"
        );
    }

    #[test]
    fn signatures_count_if_both_have_one() {
        let columns =
            |kind: &str| Some(vec![Column { name: "Time".to_owned(), kind: kind.to_owned() }]);
        let mut facts = facts(0.8, 0.8);
        facts.candidate.signature = columns("double");
        assert_eq!(refusals(&facts), []);
        facts.champion.as_mut().unwrap().signature = columns("double");
        assert_eq!(refusals(&facts), []);
        facts.champion.as_mut().unwrap().signature = columns("long");
        assert_eq!(refusals(&facts), [("schema", Outcome::Refused)]);
        assert!(reason(&facts, "schema").contains("\"Time (double)\" for the candidate"));
        facts.champion.as_mut().unwrap().signature = Some(Vec::new());
        assert!(reason(&facts, "schema").contains("nothing for the champion"));
    }

    #[test]
    fn measures_of_other_rows_are_not_compared() {
        let mut facts = facts(0.9, 0.1);
        facts.candidate.validation_digest = Some("others".to_owned());
        let expected = [
            ("validation data", Outcome::Refused),
            ("average_precision", Outcome::NotJudged),
            ("roc_auc", Outcome::NotJudged),
            ("recall_at_fpr_0_01", Outcome::NotJudged),
        ];
        assert_eq!(refusals(&facts), expected);
        let verdicts = judge(&facts, &Rules::default());
        assert_eq!(verdicts[3].champion, Figure::Unknown);
        let reason = reason(&facts, "validation data");
        assert!(reason.contains("train again while version 1 is champion"), "{reason}");

        // Two versions without a digest have not been measured on the same rows.
        facts.candidate.validation_digest = None;
        facts.champion.as_mut().unwrap().validation_digest = None;
        assert_eq!(refusals(&facts), expected);
    }

    #[test]
    fn the_champion_as_measured_by_the_candidates_training_counts() {
        let names = ["average_precision", "roc_auc", "recall_at_fpr_0_01"];
        let measures = names.map(|name| (name.to_owned(), 0.7)).into();
        let mut facts = facts(0.8, 0.99);
        facts.champion.as_mut().unwrap().validation_digest = Some("others".to_owned());
        facts.rescored = Some(Rescored { version: "1".to_owned(), measures });
        assert_eq!(refusals(&facts), []);
        let verdicts = judge(&facts, &Rules::default());
        assert_eq!(verdicts[3].champion, Figure::Number(0.7));
        assert!((verdicts[3].difference.unwrap() - 0.1).abs() < 1e-12);

        let rescored = facts.rescored.as_mut().unwrap();
        rescored.measures.remove("roc_auc");
        rescored.measures.insert("average_precision".to_owned(), f64::NAN);
        assert_eq!(
            refusals(&facts),
            [("average_precision", Outcome::Refused), ("roc_auc", Outcome::Refused)]
        );
        assert!(reason(&facts, "roc_auc").starts_with("the champion has no roc_auc"));

        facts.rescored.as_mut().unwrap().version = "7".to_owned();
        assert_eq!(refusals(&facts)[0], ("validation data", Outcome::Refused));
        let reason = reason(&facts, "validation data");
        assert!(reason.contains("version 7, which is not champion any more"), "{reason}");
    }

    #[test]
    fn generated_rows_do_not_take_the_place_of_real_ones() {
        let mut facts = facts(0.9, 0.8);
        provenance(&mut facts.candidate).synthetic_rows = 1;
        assert_eq!(refusals(&facts), [("real data", Outcome::Refused)]);
        provenance(facts.champion.as_mut().unwrap()).synthetic_rows = 5;
        assert_eq!(refusals(&facts), []);
        provenance(&mut facts.candidate).synthetic_rows = 0;
        assert_eq!(refusals(&facts), []);
    }

    #[test]
    fn a_champion_that_cannot_be_read_is_not_replaced_in_silence() {
        let mut facts = facts(0.9, 0.8);
        let champion = facts.champion.as_mut().unwrap();
        champion.artifact = Err("model.json is gone".to_owned());
        champion.features = None;
        let refused: Vec<_> = refusals(&facts).into_iter().map(|(gate, _)| gate).collect();
        assert!(refused.contains(&"schema") && refused.contains(&"validation data"), "{refused:?}");
        assert!(reason(&facts, "schema").contains("model.json is gone"));
    }

    #[test]
    fn every_measure_is_a_number_of_an_evaluation() {
        let numbers = numbers(&evaluation(Some(0.8), 0.1));
        for measure in MEASURES {
            assert!(numbers.contains_key(measure.name), "{}", measure.name);
        }
        assert_eq!(Rules::default().measures.len(), DEFAULT_MEASURES.len());
    }
}
