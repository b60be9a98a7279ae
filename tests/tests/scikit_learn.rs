//! The trainer against scikit-learn: on real rows with stored figures, and on synthetic rows with
//! scikit-learn run here.

use std::path::Path;
use std::process::Command;

use fraud_tests::{json, numbers, python, root, run, shared, synthetic, trainer};
use serde_json::Value;

/// Largest relative difference of numbers.
fn worst(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let relative = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / b.abs());
    relative.fold(0.0, f64::max)
}

/// Every measure that `theirs` lists, at every threshold, counts of curve points aside; returns how
/// many numbers were compared.
fn compare_measures(ours: &Value, theirs: &Value, tolerance: f64, setting: &str) -> usize {
    let mut compared = 0;
    for (name, theirs) in theirs.as_object().unwrap() {
        if name == "pr_curve_points" || name == "roc_curve_points_drop_intermediate" {
            continue;
        }
        if theirs.is_object() {
            compared += compare_measures(&ours[name], theirs, tolerance, setting);
            continue;
        }
        let (ours, theirs) = (ours[name].as_f64().unwrap(), theirs.as_f64().unwrap());
        let difference = (ours - theirs).abs();
        assert!(difference <= tolerance * theirs.abs(), "{setting} {name}: {ours} and {theirs}");
        compared += 1;
    }
    compared
}

fn agrees_on_real_rows(solver: &str, tolerance: f64) {
    let Some(expected) = shared("expected/sklearn.json") else { return };
    let (Some(training), Some(validation)) =
        (shared("data/train.parquet"), shared("data/validation.parquet"))
    else {
        return;
    };
    let expected = json(&expected);
    let settings = [
        ("balanced_C1", "balanced", "1"),
        ("none_C1", "none", "1"),
        ("balanced_C0.01", "balanced", "100"),
        ("fraud_weight_50_C1", "50", "1"),
    ];
    assert_eq!(expected["fits"].as_object().unwrap().len(), settings.len());
    for (setting, class_weight, l2) in settings {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("model");
        let _ = trainer!(
            "train",
            "--data",
            &training,
            "--validation",
            &validation,
            "--output",
            &output,
            "--solver",
            solver,
            "--class-weight",
            class_weight,
            "--l2",
            l2,
            "--bootstrap",
            "0",
        )
        .ok();
        let model = json(&output.join("model.json"));
        let fit = &expected["fits"][setting];
        let scaler = &expected["scaler"];
        for (ours, theirs) in [
            (&model["scaler"]["mean"], &scaler["mean"]),
            (&model["scaler"]["scale"], &scaler["scale"]),
            (&model["coefficients"], &fit["coefficients"]),
        ] {
            let worst = worst(&numbers(ours), &numbers(theirs));
            assert!(worst <= tolerance, "{setting}: {worst:e}");
        }
        let intercepts = [&model["intercept"], &fit["intercept"]].map(|x| x.as_f64().unwrap());
        assert!(worst(&intercepts[..1], &intercepts[1..]) <= tolerance, "{setting}");
        let measures = json(&output.join("metrics.json"));
        let compared = compare_measures(&measures, &fit["validation"], tolerance, setting);
        assert_eq!(compared, 9 + 5 * 7, "{setting}");
    }
}

#[test]
fn newton_cholesky_agrees_on_real_rows() {
    agrees_on_real_rows("newton-cholesky", 1e-6);
}

#[test]
fn lbfgs_agrees_on_real_rows() {
    agrees_on_real_rows("lbfgs", 1e-4);
}

/// Rows that nobody has looked at: train on one file, validate on another, and let scikit-learn do
/// the same.
#[test]
fn freshly_drawn_rows_give_the_same_model_as_scikit_learn() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let training = synthetic(folder.path(), 40_000, 11);
    let validation = synthetic(folder.path(), 20_000, 12);
    let output = folder.path().join("model");
    let _ = trainer!(
        "train",
        "--data",
        &training,
        "--validation",
        &validation,
        "--output",
        &output,
        "--class-weight",
        "30",
        "--l2",
        "0.5",
        "--bootstrap",
        "0",
    )
    .ok();
    let reference = folder.path().join("reference.json");
    let _ = run(Command::new(python)
        .arg(root().join("tests/python/fit_reference.py"))
        .args([&training as &Path, &validation, &reference])
        .args(["30", "0.5"]))
    .ok();
    let (model, reference) = (json(&output.join("model.json")), json(&reference));
    for name in ["coefficients", "mean", "scale"] {
        let ours = if name == "coefficients" { &model[name] } else { &model["scaler"][name] };
        let worst = worst(&numbers(ours), &numbers(&reference[name]));
        assert!(worst < 1e-6, "{name}: {worst:e}");
    }
    let measures = json(&output.join("metrics.json"));
    assert_eq!(compare_measures(&measures, &reference["validation"], 1e-6, "fresh"), 9 + 5 * 4);
}
