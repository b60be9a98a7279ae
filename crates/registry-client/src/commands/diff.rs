//! `fraud-registry diff`: two models side by side.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::model::{self, Fetched, Name};
use super::show::version_title;
use super::terminal::{self, difference, measure, second, short, thousands};
use crate::cli::Common;
use crate::diff::{Change, Difference, Field};
use crate::tags::VALIDATION_DIGEST;
use crate::types::value_of;

/// Compare two models: coefficients, thresholds, measures, where they come from
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The first model: a version's number or alias, a model URI, or a folder such as
    /// models/production
    pub from: String,

    /// The second model, named the same ways
    pub to: String,

    /// Which model.
    #[command(flatten)]
    pub name: Name,
}

/// Prints the comparison on stdout, in each part the largest change first.
///
/// # Errors
///
/// If one of the models is not there, or cannot be used.
pub async fn run(args: &DiffArgs, common: &Common) -> anyhow::Result<ExitCode> {
    let store = common.store()?;
    let uri = |text| model::uri(text, &args.name.name);
    let (from, to) = (uri(&args.from)?, uri(&args.to)?);
    let (from, to) = tokio::try_join!(model::fetch(&*store, from), model::fetch(&*store, to))?;
    let difference = Difference::between(&from.artifact, &to.artifact);
    if common.json {
        let mut value = json!({ "from": identity(&from), "to": identity(&to) });
        value["same_validation_data"] = json!(same_validation_data(&from, &to));
        if let (Value::Object(all), Value::Object(rest)) = (&mut value, json!(difference)) {
            all.extend(rest);
        }
        terminal::print_json(&value)?;
    } else {
        terminal::print(&as_text(&from, &to, &difference))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn identity(model: &Fetched) -> Value {
    let version = model.version.as_ref();
    json!({
        "uri": model.uri.to_string(),
        "name": version.map(|version| &version.name),
        "version": version.map(|version| &version.version),
        "aliases": version.map(|version| &version.aliases),
        "digest": model.artifact.digest(),
    })
}

/// Whether both say that they were measured on the same rows; `None` if one does not say.
fn same_validation_data(from: &Fetched, to: &Fetched) -> Option<bool> {
    let digest = |model: &Fetched| {
        value_of(&model.version.as_ref()?.tags, VALIDATION_DIGEST).map(str::to_owned)
    };
    Some(digest(from)? == digest(to)?)
}

fn as_text(from: &Fetched, to: &Fetched, all: &Difference) -> String {
    let row = |name: &str, model: &Fetched| {
        let (title, created) = match &model.version {
            Some(version) => (version_title(version), second(version.creation_timestamp)),
            None => (model.uri.to_string(), model.artifact.provenance.created_at.clone()),
        };
        [
            name.to_owned(),
            title,
            short(&model.artifact.digest()).to_owned(),
            model.artifact.threshold.to_string(),
            created,
        ]
    };
    let header = ["", "model", "digest", "threshold", "created"];
    let mut text = terminal::table(header, [3], [row("from", from), row("to", to)]);
    if all.same_model {
        text += "\nThe two are the same model: they compute the same and decide alike.\n";
    } else {
        text += "\nCoefficients: log-odds for one standard deviation of the feature, and for one unit\n";
        text += &coefficients(all);
    }
    if !all.measures.is_empty() {
        text += match same_validation_data(from, to) {
            Some(true) => "\nMeasures, of both on the same validation rows\n",
            Some(false) => "\nMeasures, of each on its own validation rows: NOT THE SAME ROWS\n",
            None => {
                "\nMeasures, of each on its own validation rows (whether these are the same is not known)\n"
            }
        };
        let row = |change: &crate::diff::MeasureChange| {
            [
                change.measure.clone(),
                measure(change.from),
                measure(change.to),
                difference(change.change),
            ]
        };
        let header = ["measure", "from", "to", "change"];
        text += &terminal::table(header, 1..4, all.measures.iter().map(row));
    }
    text += &provenance(&all.provenance);
    text
}

fn coefficients(all: &Difference) -> String {
    let header = [
        "feature",
        "from\nper std. dev.",
        "to\nper std. dev.",
        "change\nper std. dev.",
        "from\nper unit",
        "to\nper unit",
        "change\nper unit",
    ];
    let intercept = ("(intercept)", all.intercept);
    let features = all.coefficients.iter().map(|entry| (entry.feature, entry.weight));
    let rows = [intercept].into_iter().chain(features).map(|(name, weight)| {
        let cells = |change: Change| {
            [measure(Some(change.from)), measure(Some(change.to)), difference(Some(change.change))]
        };
        let [from, to, change] = cells(weight.standardised);
        let [raw_from, raw_to, raw_change] = cells(weight.raw);
        [name.to_owned(), from, to, change, raw_from, raw_to, raw_change]
    });
    terminal::table(header, 1..7, rows)
}

fn provenance(fields: &[Field]) -> String {
    let (same, other): (Vec<&Field>, Vec<&Field>) =
        fields.iter().partition(|field| field.is_same());
    let mut text = String::new();
    if !other.is_empty() {
        let row = |field: &&Field| [field.field.clone(), plain(&field.from), plain(&field.to)];
        text += "\nWhere they come from\n";
        text += &terminal::table(["", "from", "to"], [], other.iter().map(row));
    }
    let same: Vec<String> = same
        .into_iter()
        .filter(|field| field.field != "data")
        .map(|field| format!("{} {}", field.field, plain(&field.from)))
        .collect();
    if !same.is_empty() {
        text += "\n";
        text += &terminal::list([("the same:", same.join(", "))]);
    }
    text
}

/// A value of the provenance for people.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => terminal::NOTHING.to_owned(),
        Value::String(text) => terminal::or_nothing(text),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), thousands),
        Value::Array(entries) => entries.iter().map(plain).collect::<Vec<_>>().join("\n"),
        Value::Object(file) if file.contains_key("sha256") => format!(
            "{} ({} rows, {}…)",
            plain(&file["file"]),
            file.get("rows").map_or_else(String::new, plain),
            short(&plain(&file["sha256"]))
        ),
        other => other.to_string(),
    }
}
