//! `fraud-registry promote`: the champion's place for a candidate that deserves it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser as _};
use clap::{ArgAction, Args};
use fraud_core::ModelArtifact;
use fraud_core::artifact::MODEL_FILE;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{self, Name};
use super::show::version_title;
use super::terminal::{self, cut};
use super::versions::{run_of, status};
use crate::cli::Common;
use crate::error::Error;
use crate::gates::{
    Column, DEFAULT_MEASURES, DEFAULT_TOLERANCE, Facts, Figure, MEASURES, Measure, Outcome,
    Rescored, Rules, Verdict, VersionFacts, judge,
};
use crate::store::Store;
use crate::tags::{
    CHAMPION_METRIC, CHAMPION_VERSION, NO_CHAMPION, PREVIOUS_CHAMPION, PROMOTED_AT, ROLLED_BACK_AT,
    VALIDATION_DIGEST,
};
use crate::types::{KeyValue, ModelVersion, ModelVersionStatus, value_of};
use crate::uri::ModelUri;
use crate::{CHALLENGER, CHAMPION};

/// Make a version champion, if it holds against the one that is
///
/// Moves the alias champion to the candidate if every gate holds: its files load; it takes the same
/// features as the champion; both were measured on the same rows; it is worse in no measure by more
/// than the tolerance; and it does not bring generated rows in the place of real ones. Prints each gate
/// with its figures. Exit code 1 if one refuses.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// Which model.
    #[command(flatten)]
    pub name: Name,

    /// The candidate: an alias, or the number of a version. Set it to promote another than the one
    /// that was trained last
    #[arg(
        long,
        env = "FRAUD_REGISTRY_PROMOTE_FROM",
        value_name = "ALIAS|VERSION",
        default_value = CHALLENGER
    )]
    pub from: String,

    /// By how much the candidate may be worse, in units of each measure. Lower it to 0 to accept no
    /// loss; raise it where validation rows are few and measures differ by chance
    #[arg(
        long,
        env = "FRAUD_REGISTRY_PROMOTE_TOLERANCE",
        value_name = "T",
        default_value_t = DEFAULT_TOLERANCE,
        value_parser = tolerance,
        allow_negative_numbers = true
    )]
    pub tolerance: f64,

    /// Compare by this measure; may be given several times, and replaces the default. Set it to what
    /// the team is judged by. Lower is better for `log_loss`, `brier_score` and the calibration error,
    /// higher for the others
    #[arg(
        long,
        env = "FRAUD_REGISTRY_PROMOTE_MEASURE",
        value_name = "NAME",
        value_delimiter = ',',
        default_values = DEFAULT_MEASURES,
        value_parser = measures()
    )]
    pub measure: Vec<Measure>,

    /// Say what the gates say, and leave everything as it is. Set it to look before a promotion
    #[arg(
        long,
        env = "FRAUD_REGISTRY_PROMOTE_DRY_RUN",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub dry_run: bool,
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("expected a number of 0 or more".to_owned()),
    }
}

fn measures() -> impl clap::builder::TypedValueParser<Value = Measure> {
    PossibleValuesParser::new(MEASURES.map(|measure| measure.name))
        .try_map(|name| Measure::named(&name).ok_or("unknown"))
}

/// Judges, promotes if all gates hold, and prints gates and verdict on stdout. Exit code 1 if one
/// refuses.
///
/// # Errors
///
/// If there is no such candidate, or the store cannot be asked or written to; the champion is then
/// the one before.
pub async fn run(args: &PromoteArgs, common: &Common) -> anyhow::Result<ExitCode> {
    let store = common.store()?;
    let name = &args.name.name;
    let champion = champion(&*store, name).await?;
    let candidate = model::version(&*store, name, &args.from).await?;
    let promotion = Promotion {
        verdicts: if is_same(champion.as_ref(), &candidate) {
            Vec::new()
        } else {
            let facts = facts(&*store, &candidate, champion.as_ref()).await?;
            let rules = Rules { measures: args.measure.clone(), tolerance: args.tolerance };
            judge(&facts, &rules)
        },
        candidate,
        champion,
        tolerance: args.tolerance,
        dry_run: args.dry_run,
    };
    let end = promotion.end();
    if end == End::Promoted {
        promote(&*store, &promotion.candidate, promotion.champion.as_ref()).await?;
    }
    if common.json {
        terminal::print_json(&promotion.as_json())?;
    } else {
        terminal::print(&promotion.as_text())?;
    }
    Ok(if end == End::Refused { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn is_same(champion: Option<&ModelVersion>, candidate: &ModelVersion) -> bool {
    champion.is_some_and(|champion| champion.version == candidate.version)
}

/// The version that is champion.
pub(super) async fn champion(store: &dyn Store, name: &str) -> Result<Option<ModelVersion>, Error> {
    let model = store.registered_model(name).await?;
    match model.version_of(CHAMPION) {
        Some(version) => store.version(name, version).await.map(Some),
        None => Ok(None),
    }
}

/// Reads all that the gates ask for.
async fn facts(
    store: &dyn Store,
    candidate: &ModelVersion,
    champion: Option<&ModelVersion>,
) -> anyhow::Result<Facts> {
    let of_champion = async {
        match champion {
            Some(champion) => version_facts(store, champion).await.map(Some),
            None => Ok(None),
        }
    };
    let rescored = async { Ok(rescored(store, candidate).await?) };
    let (candidate, champion, rescored) =
        tokio::try_join!(version_facts(store, candidate), of_champion, rescored)?;
    Ok(Facts { candidate, champion, rescored })
}

/// What the candidate's training measured of the champion of then.
async fn rescored(store: &dyn Store, candidate: &ModelVersion) -> Result<Option<Rescored>, Error> {
    let Some(version) = value_of(&candidate.tags, CHAMPION_VERSION) else { return Ok(None) };
    let Some(run) = run_of(store, candidate).await? else { return Ok(None) };
    let metrics = run.data.metrics.iter();
    let measures = metrics.filter_map(|metric| {
        Some((metric.key.strip_prefix(CHAMPION_METRIC)?.to_owned(), metric.value))
    });
    Ok(Some(Rescored { version: version.to_owned(), measures: measures.collect() }))
}

async fn version_facts(store: &dyn Store, version: &ModelVersion) -> anyhow::Result<VersionFacts> {
    let folder = model::temporary_folder()?;
    let uri = ModelUri::Version { name: version.name.clone(), version: version.version.clone() };
    let artifact = if version.status == ModelVersionStatus::Ready {
        match model::download(store, &uri, folder.path()).await {
            Ok((_, artifact)) => Ok(with_measures(artifact, folder.path())),
            Err(error @ (Error::Model { .. } | Error::NotFound { .. })) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    } else {
        Err(format!("the registry says {}, expected READY", status(version)))
    };
    Ok(VersionFacts {
        version: version.version.clone(),
        artifact,
        features: features(folder.path()),
        signature: signature(folder.path()),
        validation_digest: value_of(&version.tags, VALIDATION_DIGEST).map(str::to_owned),
    })
}

/// The measures of a model made by other means may stand in `metrics.json` alone.
fn with_measures(mut artifact: ModelArtifact, folder: &Path) -> ModelArtifact {
    if artifact.provenance.measures.is_none() {
        let text = std::fs::read_to_string(folder.join("metrics.json")).unwrap_or_default();
        artifact.provenance.measures = serde_json::from_str(&text).ok();
    }
    artifact
}

/// The features that `model.json` states, even if the rest of it is no model.
fn features(folder: &Path) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct ModelFile {
        features: Vec<String>,
    }
    let text = std::fs::read_to_string(folder.join(MODEL_FILE)).ok()?;
    serde_json::from_str(&text).ok().map(|file: ModelFile| file.features)
}

/// The input columns that `MLmodel` states.
fn signature(folder: &Path) -> Option<Vec<Column>> {
    let text = std::fs::read_to_string(folder.join("MLmodel")).ok()?;
    // A signature of tensors has no columns to compare.
    serde_json::from_str(&signature_inputs(&text)?).ok()
}

/// The JSON of the signature's inputs: a text in single quotes, which MLflow breaks into lines at blanks.
/// A YAML reader for this one field would be a dozen crates.
fn signature_inputs(mlmodel: &str) -> Option<String> {
    let start =
        if mlmodel.starts_with("signature:\n") { 0 } else { mlmodel.find("\nsignature:\n")? };
    let (_, rest) = mlmodel[start..].split_once("  inputs: '")?;
    let mut text = String::new();
    let mut parts = rest.split('\'');
    loop {
        text.push_str(parts.next()?);
        // Two quotes in a row are one of the text; a single one ends it.
        match parts.next() {
            Some("") => text.push('\''),
            _ => break,
        }
    }
    Some(text.lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

/// Moves the alias. What the rollback needs is written first: if this ends in between, the champion is
/// the one before, and a second attempt writes the same again.
async fn promote(
    store: &dyn Store,
    candidate: &ModelVersion,
    old: Option<&ModelVersion>,
) -> anyhow::Result<()> {
    let ModelVersion { name, version, .. } = candidate;
    let number = |version: &ModelVersion| version.version.clone();
    let previous = old.map_or_else(|| NO_CHAMPION.to_owned(), number);
    let tags = [KeyValue::new(PREVIOUS_CHAMPION, &previous), KeyValue::new(PROMOTED_AT, now())];
    store.tag_version(name, version, &tags).await?;
    if value_of(&candidate.tags, ROLLED_BACK_AT).is_some() {
        store.untag_version(name, version, ROLLED_BACK_AT).await?;
    }
    let found = champion(store, name).await?.as_ref().map(number);
    if found != old.map(number) {
        bail!(
            "version {} became champion of {name:?} while the gates were checked, so nothing was \
             promoted; run it again",
            found.as_deref().unwrap_or(NO_CHAMPION)
        );
    }
    store.set_alias(name, CHAMPION, version).await.with_context(|| {
        format!("version {version} is not champion yet (before: {previous}); run it again")
    })
}

/// Now in UTC to the second, RFC 3339.
pub(super) fn now() -> String {
    format!("{:.0}", Timestamp::now())
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    AlreadyChampion,
    Refused,
    WouldPromote,
    Promoted,
}

/// A promotion that has been judged.
struct Promotion {
    candidate: ModelVersion,
    champion: Option<ModelVersion>,
    verdicts: Vec<Verdict>,
    tolerance: f64,
    dry_run: bool,
}

impl Promotion {
    fn end(&self) -> End {
        if is_same(self.champion.as_ref(), &self.candidate) {
            End::AlreadyChampion
        } else if self.verdicts.iter().any(|verdict| verdict.outcome != Outcome::Holds) {
            End::Refused
        } else if self.dry_run {
            End::WouldPromote
        } else {
            End::Promoted
        }
    }

    fn as_json(&self) -> Value {
        json!({
            "model": self.candidate.name,
            "candidate": self.candidate.version,
            "champion": self.champion.as_ref().map(|champion| &champion.version),
            "outcome": match self.end() {
                End::AlreadyChampion => "already_champion",
                End::Refused => "refused",
                End::WouldPromote => "would_promote",
                End::Promoted => "promoted",
            },
            "dry_run": self.dry_run,
            "tolerance": self.tolerance,
            "gates": self.verdicts,
        })
    }

    fn as_text(&self) -> String {
        let number = &self.candidate.version;
        let name = terminal::visible(&self.candidate.name);
        let end = self.end();
        if end == End::AlreadyChampion {
            return format!("Version {number} of {name} is champion already\n");
        }
        let champion = self.champion.as_ref().map_or_else(|| "none yet".to_owned(), version_title);
        let mut text = terminal::list([
            ("candidate", version_title(&self.candidate)),
            ("champion", champion),
            ("tolerance", self.tolerance.to_string()),
        ]);
        let row = |verdict: &Verdict| {
            [
                verdict.gate.to_owned(),
                figure(&verdict.candidate),
                figure(&verdict.champion),
                verdict.difference.map_or_else(String::new, |d| terminal::difference(Some(d))),
                match verdict.outcome {
                    Outcome::Holds => "holds",
                    Outcome::Refused => "REFUSED",
                    Outcome::NotJudged => "not judged",
                }
                .to_owned(),
            ]
        };
        let header = ["gate", "candidate", "champion", "difference", "verdict"];
        text += "\n";
        text += &terminal::table(header, 1..4, self.verdicts.iter().map(row));
        let reasons = reasons(&self.verdicts);
        if !reasons.is_empty() {
            text += "\n";
            text += &terminal::list(reasons);
        }
        let old = self.champion.as_ref().map(|champion| &champion.version);
        text += "\n";
        let verdict = match (end, old) {
            (End::Promoted, Some(old)) => format!(
                "Promoted: version {number} is champion of {name}, in the place of version {old}\n"
            ),
            (End::Promoted, None) => {
                format!("Promoted: version {number} is the first champion of {name}\n")
            }
            (End::WouldPromote, _) => {
                format!("All gates hold: version {number} would be champion (dry run)\n")
            }
            (_, Some(old)) => format!("Refused: version {old} stays champion of {name}\n"),
            (_, None) => format!("Refused: {name} still has no champion\n"),
        };
        text += &verdict;
        text
    }
}

/// The reasons of the gates; gates in a row that have the same share it.
fn reasons(verdicts: &[Verdict]) -> Vec<(String, String)> {
    let mut reasons: Vec<(Vec<&str>, &str)> = Vec::new();
    for verdict in verdicts.iter().filter(|verdict| !verdict.reason.is_empty()) {
        match reasons.last_mut() {
            Some((gates, reason)) if *reason == verdict.reason => gates.push(verdict.gate),
            _ => reasons.push((vec![verdict.gate], &verdict.reason)),
        }
    }
    reasons.into_iter().map(|(gates, reason)| (gates.join(",\n"), reason.to_owned())).collect()
}

fn figure(figure: &Figure) -> String {
    /// Enough to tell two digests apart.
    const LONGEST: usize = 20;
    match figure {
        Figure::Unknown => terminal::NOTHING.to_owned(),
        Figure::Number(value) => terminal::measure(Some(*value)),
        Figure::Text(text) => cut(text.strip_prefix("sha256:").unwrap_or(text), LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_as_python_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(signature(folder.path()), None);
        // PyYAML breaks long texts into lines, and doubles quotes.
        let text = "flavors:\n  python_function:\n    data: model.onnx\nsignature:\n  \
                    inputs: '[{\"type\": \"double\", \"name\": \"Time\", \"required\": true}, {\"type\":\n    \
                    \"double\", \"name\": \"it''s\", \"required\": true}]'\n  params: null\n";
        std::fs::write(folder.path().join("MLmodel"), text).unwrap();
        let columns = signature(folder.path()).unwrap();
        let shown: Vec<_> = columns.iter().map(|c| (c.name.as_str(), c.kind.as_str())).collect();
        assert_eq!(shown, [("Time", "double"), ("it's", "double")]);

        std::fs::write(folder.path().join("MLmodel"), "signature: null\n").unwrap();
        assert_eq!(signature(folder.path()), None);
        let tensors = "signature:\n  inputs: '[{\"type\": \"tensor\", \"tensor-spec\": {}}]'\n";
        std::fs::write(folder.path().join("MLmodel"), tensors).unwrap();
        assert_eq!(signature(folder.path()).unwrap()[0].kind, "tensor");
    }

    #[test]
    fn features_are_read_from_a_file_that_is_no_model() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(features(folder.path()), None);
        let text = r#"{"format": "fraud-logistic/9", "features": ["a", "b"]}"#;
        std::fs::write(folder.path().join(MODEL_FILE), text).unwrap();
        assert_eq!(features(folder.path()).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_time_is_rfc_3339_to_the_second() {
        let now = now();
        assert!(now.len() == "2026-11-24T04:37:51Z".len() && now.ends_with('Z'), "{now}");
    }
}
