//! `fraud-trainer train`: fits a model and writes it with its measures and plots.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use fraud_core::ModelArtifact;
use fraud_core::artifact::MODEL_FILE;
use fraud_registry::types::{KeyValue, RunStatus};
use serde_json::json;

use crate::dataset::Dataset;
use crate::fit::{ClassWeight, Parameters, Solver};
use crate::mlflow_model::{self, Identity};
use crate::output::{self, AtomicFolder};
use crate::report::{self, Plots};
use crate::split::{SplitMethod, check_fraction};
use crate::threshold_rule::ThresholdRule;
use crate::tracking::{Tracking, TrackingArgs};
use crate::training::{Training, TrainingConfig, ValidTrainingConfig, Validation};
use crate::{clock, plot, summary};

/// The files of a model's folder, the one that makes it a model first. A folder that holds others is
/// not replaced.
const FILES: &[&str] = &[
    MODEL_FILE,
    "metrics.json",
    "threshold.json",
    "pr_curve.svg",
    "roc_curve.svg",
    "calibration.svg",
    "confusion.svg",
    "evaluation.html",
    "model.onnx",
    "MLmodel",
    "requirements.txt",
    "python_env.yaml",
    "conda.yaml",
    "input_example.json",
    "serving_input_example.json",
];

/// Fit a fraud model to labelled transactions, measure it, and write it with plots
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// CSV or Parquet files with the columns Time, V1 … V28, Amount and Class, in any order. Name
    /// several, or repeat the flag, to read them one after the other as one table; the variable holds
    /// one
    #[arg(long, env = "FRAUD_TRAIN_DATA", value_name = "FILE", num_args = 1.., required = true)]
    pub data: Vec<PathBuf>,

    /// Folder to write the model to: model.json, metrics.json, threshold.json, plots, evaluation.html,
    /// and the model once more as ONNX, with the files that let Python's MLflow load the folder. Set it
    /// anew for each model to keep
    #[arg(long, env = "FRAUD_TRAIN_OUTPUT", value_name = "DIR")]
    pub output: PathBuf,

    /// Replace the model that is in the output folder. Set it to train again in the same place; a
    /// folder with other files is not replaced
    #[arg(
        long,
        env = "FRAUD_TRAIN_FORCE",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub force: bool,

    /// Measure on this file and fit to all of --data. Set it when the validation rows are fixed, for
    /// instance to compare models
    #[arg(long, env = "FRAUD_TRAIN_VALIDATION", value_name = "FILE", conflicts_with_all = ["validation_fraction", "split"])]
    pub validation: Option<PathBuf>,

    /// Share of the rows that is put aside to measure on. Raise it when there are so few frauds that
    /// the measures are uncertain
    #[arg(
        long,
        env = "FRAUD_TRAIN_VALIDATION_FRACTION",
        value_name = "SHARE",
        default_value = "0.2"
    )]
    pub validation_fraction: f64,

    /// How rows are put aside: "stratified" at random within each class, "time" the latest. Choose
    /// time to see how the model does on what comes after its data
    #[arg(long, env = "FRAUD_TRAIN_SPLIT", default_value = "stratified", value_name = "METHOD")]
    pub split: SplitMethod,

    /// Fit again on training and validation rows together after measuring. For the model that goes to
    /// production: it learns from every row, the measures stay those of the first fit
    #[arg(
        long,
        env = "FRAUD_TRAIN_REFIT",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub refit: bool,

    /// "newton-cholesky" (few, exact steps) or "lbfgs" (many cheap ones). Both end at the same model;
    /// change it to check one with the other
    #[arg(
        long,
        env = "FRAUD_TRAIN_SOLVER",
        default_value = "newton-cholesky",
        value_name = "SOLVER"
    )]
    pub solver: Solver,

    /// "balanced" (both classes count the same), "none", or how many times a fraud counts. Choose none
    /// to have calibrated probabilities
    #[arg(
        long,
        env = "FRAUD_TRAIN_CLASS_WEIGHT",
        default_value = "balanced",
        value_name = "WEIGHT"
    )]
    pub class_weight: ClassWeight,

    /// Strength of the L2 penalty on the coefficients, scikit-learn's 1 / C. Raise it when there are
    /// few frauds
    #[arg(long, env = "FRAUD_TRAIN_L2", default_value = "1", value_name = "STRENGTH")]
    pub l2: f64,

    /// Gradient at which the fit counts as converged. Raise it when lbfgs stops short of it
    #[arg(long, env = "FRAUD_TRAIN_TOLERANCE", default_value_t = Parameters::default().tolerance, value_name = "NORM")]
    pub tolerance: f64,

    /// Iterations after which the fit is given up as an error. Raise it when lbfgs needs more
    #[arg(long, env = "FRAUD_TRAIN_MAX_ITERATIONS", default_value_t = Parameters::default().max_iterations, value_name = "N")]
    pub max_iterations: u64,

    /// Probability from which on a transaction is called fraud, or a rule that finds it on the
    /// validation rows: max-f1, precision=P (at least), recall=R (at least), alerts=N (at most, in
    /// 10,000 transactions). Change it when missed frauds or false alarms cost more than they do now
    #[arg(long, env = "FRAUD_TRAIN_THRESHOLD", default_value = "0.9", value_name = "T|RULE")]
    pub threshold: ThresholdRule,

    /// Samples for the 95 % interval of the average precision. Raise it for a steadier interval; 0
    /// leaves it out and saves the time
    #[arg(long, env = "FRAUD_TRAIN_BOOTSTRAP", default_value = "1000", value_name = "N")]
    pub bootstrap: u32,

    /// Seed of the split and the bootstrap. Same input, flags and seed: same model to the last bit.
    /// Change it to see how much of a measure is the luck of the split
    #[arg(long, env = "FRAUD_TRAIN_SEED", default_value = "42", value_name = "S")]
    pub seed: u64,

    /// Print the measures as JSON instead of tables. Set it for a program that reads them
    #[arg(
        long,
        env = "FRAUD_TRAIN_JSON",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    pub json: bool,

    /// Where the run is noted.
    #[command(flatten, next_help_heading = "Tracking")]
    pub tracking: TrackingArgs,
}

/// Reads, trains, writes, and prints the measures on stdout.
///
/// # Errors
///
/// For settings out of range, data that is not labelled transactions, a fit that does not converge,
/// or an output that cannot be written; then nothing is written.
pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let config = TrainingConfig {
        parameters: Parameters {
            solver: args.solver,
            class_weight: args.class_weight,
            l2: args.l2,
            tolerance: args.tolerance,
            max_iterations: args.max_iterations,
        },
        threshold: args.threshold,
        seed: args.seed,
        bootstrap: args.bootstrap,
        refit: args.refit,
    }
    .validate()?;
    check_fraction(args.validation_fraction)?;
    check_distinct(args)?;
    let now = clock::now_rfc3339()?;
    // Opened here for their headers: files that are no tables of transactions leave no failed run.
    for path in args.data.iter().chain(&args.validation) {
        Dataset::check(path)?;
    }
    // Before the work, so that nobody waits for a model that cannot be written.
    let folder = AtomicFolder::create(&args.output, args.force, FILES)?;
    let Some(tracking) = Tracking::start(&args.tracking, parameters(args))? else {
        let training = train(args, &config, now, None)?;
        write(&folder, &training)?;
        folder.commit()?;
        return print(args, &training, None);
    };
    // Dropped by an error, the run has failed.
    let champion = tracking.champion();
    let training = train(args, &config, now, champion.as_ref().map(|champion| &champion.artifact))?;
    write(&folder, &training)?;
    folder.commit()?;
    let recorded =
        tracking.record(&training, champion.as_ref(), parameters(args), &args.output, FILES)?;
    tracking.end(RunStatus::Finished)?;
    print(args, &training, Some(&summary::recorded(&training, champion.as_ref(), &recorded)))
}

/// Reads and trains.
fn train(
    args: &TrainArgs,
    config: &ValidTrainingConfig,
    now: String,
    baseline: Option<&ModelArtifact>,
) -> anyhow::Result<Training> {
    let (data, validation) = match &args.validation {
        Some(path) => (
            Dataset::read(&args.data, "training")?,
            Validation::Explicit(Dataset::read(std::slice::from_ref(path), "validation")?),
        ),
        None => (
            Dataset::read(&args.data, "training and validation")?,
            Validation::Aside { method: args.split, fraction: args.validation_fraction },
        ),
    };
    config.train(data, validation, now, baseline)
}

/// The measures on stdout, as JSON or as tables with `more` below them.
fn print(args: &TrainArgs, training: &Training, more: Option<&str>) -> anyhow::Result<()> {
    if args.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&training.evaluation)?))
    } else {
        let tables = summary::training(training, &args.output);
        output::print(&(tables + more.unwrap_or_default()))
    }
}

/// The settings as parameters of the run.
fn parameters(args: &TrainArgs) -> Vec<KeyValue> {
    let names = |paths: &[PathBuf]| {
        let names = paths.iter().map(|path| path.display().to_string());
        names.collect::<Vec<_>>().join(", ")
    };
    let mut parameters = vec![
        KeyValue::new("data", names(&args.data)),
        KeyValue::new("solver", args.solver),
        KeyValue::new("class_weight", args.class_weight),
        KeyValue::new("l2", args.l2),
        KeyValue::new("tolerance", args.tolerance),
        KeyValue::new("max_iterations", args.max_iterations),
        KeyValue::new("threshold_rule", args.threshold),
        KeyValue::new("bootstrap", args.bootstrap),
        KeyValue::new("refit", args.refit),
        KeyValue::new("seed", args.seed),
    ];
    if let Some(path) = &args.validation {
        parameters.push(KeyValue::new("validation", path.display()));
    } else {
        parameters.push(KeyValue::new("split", args.split));
        parameters.push(KeyValue::new("validation_fraction", args.validation_fraction));
    }
    parameters
}

/// A file that is trained on and measured on would flatter the model.
fn check_distinct(args: &TrainArgs) -> anyhow::Result<()> {
    let mut seen: Vec<(PathBuf, &PathBuf)> = Vec::new();
    for path in args.data.iter().chain(&args.validation) {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if let Some((_, first)) = seen.iter().find(|(seen, _)| *seen == real) {
            let same = if *first == path {
                "named twice".to_owned()
            } else {
                format!("the same file as {}", first.display())
            };
            bail!(
                "{} is {same}; expected each file once in --data and --validation",
                path.display()
            );
        }
        seen.push((real, path));
    }
    Ok(())
}

/// The files of the artifact directory.
fn write(folder: &AtomicFolder, training: &Training) -> anyhow::Result<()> {
    let Training { artifact, evaluation, scored, .. } = training;
    let ModelArtifact { threshold, provenance, .. } = artifact;
    let plots = Plots {
        pr_curve: plot::pr_curve(scored.ranking(), threshold.value()),
        roc_curve: plot::roc_curve(scored.ranking(), threshold.value()),
        calibration: plot::calibration(&scored.reliability()?),
        confusion: plot::confusion(&scored.confusion(*threshold)?, threshold.value()),
    };
    let page = report::evaluation_page(artifact, evaluation, &plots)
        .context("cannot render evaluation.html")?;
    let chosen = json!({ "threshold": threshold.value(), "rule": provenance.threshold_rule });

    folder.write(MODEL_FILE, artifact.to_json())?;
    folder.write("metrics.json", format!("{}\n", serde_json::to_string_pretty(evaluation)?))?;
    folder.write("threshold.json", format!("{}\n", serde_json::to_string_pretty(&chosen)?))?;
    folder.write("pr_curve.svg", &plots.pr_curve)?;
    folder.write("roc_curve.svg", &plots.roc_curve)?;
    folder.write("calibration.svg", &plots.calibration)?;
    folder.write("confusion.svg", &plots.confusion)?;
    folder.write("evaluation.html", page)?;
    for (name, bytes) in mlflow_model::files(artifact, &Identity::default())? {
        folder.write(name, bytes)?;
    }
    Ok(())
}
