//! What a training says of itself to the registry.

use std::process::{Command, Stdio};

use fraud_core::artifact::DataFile;
use fraud_core::measures::Evaluation;
use fraud_core::{FEATURES, LABEL};
use fraud_registry::tags;
use fraud_registry::types::{CONTEXT, Dataset, DatasetInput, KeyValue, Metric};
use serde_json::{Value, json};

use crate::summary::thousands;
use crate::training::Training;

/// Description of a registered model that has none.
pub(super) const DESCRIPTION: &str = "Probability that a credit-card transaction is a fraud: logistic regression on the 30 features of \
     the Kaggle/ULB data set. The alias \"champion\" is in production, \"challenger\" was trained last.";

/// What a server takes as a digest, at most 36 characters.
const DIGEST: usize = 32;

/// Tags of every run.
pub(super) fn tags() -> Vec<KeyValue> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("LOGNAME").or_else(|| variable("USER")).or_else(user_of_the_process);
    let commit = variable("GIT_COMMIT").or_else(git_commit);
    let mut tags = vec![
        KeyValue::new("mlflow.source.name", "fraud-trainer"),
        KeyValue::new("mlflow.source.type", "LOCAL"),
        KeyValue::new(tags::CRATE_VERSION, env!("CARGO_PKG_VERSION")),
    ];
    tags.extend(user.map(|user| KeyValue::new("mlflow.user", user)));
    tags.extend(commit.map(|commit| KeyValue::new("mlflow.source.git.commit", commit)));
    tags
}

/// The name in `/etc/passwd`, as Python's client finds it where no variable names the user.
fn user_of_the_process() -> Option<String> {
    let id = rustix::process::getuid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

/// The commit of the folder that the program was started in, where there is one.
fn git_commit() -> Option<String> {
    let mut git = Command::new("git");
    let output =
        git.args(["rev-parse", "HEAD"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text =
        String::from_utf8(output.ok().filter(|output| output.status.success())?.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|commit| !commit.is_empty())
}

/// What is a parameter of a training, but known only after it: the digest of its data and the threshold
/// that its rule chose.
pub(super) fn found(training: &Training) -> Vec<KeyValue> {
    let provenance = &training.artifact.provenance;
    let digests: Vec<&str> = provenance.data.iter().map(|data| data.sha256.as_str()).collect();
    vec![
        KeyValue::new("data_sha256", digests.join(",")),
        KeyValue::new("threshold", training.artifact.threshold),
    ]
}

/// Tags of the run, the logged model and the version alike.
pub(super) fn model_tags(training: &Training) -> Vec<KeyValue> {
    let provenance = &training.artifact.provenance;
    let mut tags = vec![
        KeyValue::new(tags::VALIDATION_DIGEST, &training.validation_digest),
        KeyValue::new(tags::THRESHOLD, training.artifact.threshold),
        KeyValue::new(tags::MODEL_DIGEST, training.artifact.digest()),
    ];
    if let Some(ap) = training.evaluation.average_precision {
        tags.push(KeyValue::new(tags::AVERAGE_PRECISION, format!("{ap:.4}")));
    }
    if provenance.is_synthetic() {
        tags.push(KeyValue::new(tags::SYNTHETIC_ROWS, provenance.synthetic_rows));
    }
    tags
}

/// A paragraph for people, in Markdown.
pub(super) fn note(training: &Training) -> String {
    let provenance = &training.artifact.provenance;
    let files: Vec<&str> = provenance.data.iter().map(|data| data.file.as_str()).collect();
    let share = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |v| format!("{v:.4}"));
    let mut note = format!(
        "Fitted to {} transactions with {} frauds ({}), measured on {} with {}: average precision {}, \
         ROC AUC {}. Threshold {} ({}).",
        thousands(provenance.rows),
        thousands(provenance.frauds),
        files.join(", "),
        thousands(training.evaluation.rows),
        thousands(training.evaluation.frauds),
        share(training.evaluation.average_precision),
        share(training.evaluation.roc_auc),
        training.artifact.threshold,
        provenance.threshold_rule,
    );
    if provenance.is_synthetic() {
        note.push_str(" **Synthetic data: the figures say nothing about real cards.**");
    }
    note
}

/// The files as data sets, and last the validation rows as one.
pub(super) fn datasets(training: &Training) -> Vec<DatasetInput> {
    let provenance = &training.artifact.provenance;
    let input = |context: &str, dataset| DatasetInput {
        tags: vec![KeyValue::new(CONTEXT, context)],
        dataset,
    };
    let mut inputs: Vec<DatasetInput> = provenance
        .data
        .iter()
        .filter(|data| data.role != "validation")
        .map(|data| input("training", dataset(data)))
        .collect();
    let validation = provenance.data.iter().rfind(|data| data.role != "training");
    let name = validation.map_or("validation", |data| data.file.as_str());
    let whole = validation.is_some_and(|data| data.role == "validation");
    inputs.push(input(
        "validation",
        Dataset {
            name: if whole { name.to_owned() } else { format!("{name} (validation rows)") },
            digest: training.validation_digest.clone(),
            ..described(name, training.evaluation.rows)
        },
    ));
    inputs
}

fn dataset(data: &DataFile) -> Dataset {
    Dataset {
        name: data.file.clone(),
        digest: data.sha256.chars().take(DIGEST).collect(),
        ..described(&data.file, data.rows)
    }
}

/// A table of transactions with so many rows.
fn described(file: &str, rows: u64) -> Dataset {
    let columns: Vec<Value> = FEATURES
        .into_iter()
        .map(|name| ("double", name))
        .chain([("long", LABEL)])
        .map(|(kind, name)| json!({ "type": kind, "name": name, "required": true }))
        .collect();
    Dataset {
        source_type: "local".to_owned(),
        source: json!({ "uri": file }).to_string(),
        schema: json!({ "mlflow_colspec": columns }).to_string(),
        profile: json!({ "num_rows": rows, "num_elements": rows * columns.len() as u64 })
            .to_string(),
        ..Dataset::default()
    }
}

/// The measures as metrics.
pub(super) fn metrics(training: &Training) -> Vec<Metric> {
    let mut metrics = measures("", &training.evaluation);
    let chosen = training.artifact.threshold.value();
    metrics.push(Metric::now("threshold", chosen));
    if let Some(at) = training.evaluation.at_threshold.get(&chosen.to_string()) {
        metrics.push(Metric::now("precision", at.precision));
        metrics.push(Metric::now("recall", at.recall));
        metrics.push(Metric::now("f1", at.f1));
    }
    metrics
}

/// The champion's measures on the same rows.
pub(super) fn baseline_metrics(training: &Training) -> Vec<Metric> {
    training.baseline.iter().flat_map(|baseline| measures("champion/", baseline)).collect()
}

/// Numbers by name; those at a threshold as `threshold_0.9/precision`. What is not defined is left out.
fn measures(prefix: &str, evaluation: &Evaluation) -> Vec<Metric> {
    // Numbers, text and maps only.
    let value = serde_json::to_value(evaluation).unwrap_or_default();
    let mut metrics = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        if let Some(number) = value.as_f64() {
            metrics.push(Metric::now(format!("{prefix}{name}"), number));
        }
        for (threshold, at) in value.as_object().into_iter().flatten() {
            for (measure, number) in at.as_object().into_iter().flatten() {
                let key = format!("{prefix}threshold_{threshold}/{measure}");
                metrics.extend(number.as_f64().map(|number| Metric::now(key, number)));
            }
        }
    }
    metrics
}

/// Loss and gradient norm by iteration.
pub(super) fn path_metrics(training: &Training) -> Vec<Metric> {
    let steps = training.path.iter().zip(0..);
    steps
        .flat_map(|(here, step)| {
            [
                Metric::at_step("loss", here.loss, step),
                Metric::at_step("gradient_norm", here.gradient_norm, step),
            ]
        })
        .collect()
}

/// Files that people look at in the run; the others belong to the model alone.
pub(super) fn is_for_people(name: &str) -> bool {
    [".svg", ".html", "metrics.json", "threshold.json"].iter().any(|end| name.ends_with(end))
}
