//! Bad input: an error that says what, where and what is accepted, exit code 2, and nothing written.

use std::path::{Path, PathBuf};

use fraud_tests::{check, synthetic, trainer};

/// A folder with a good data set of 3,000 rows and 5 frauds, and broken ones made from it.
struct Bench {
    folder: tempfile::TempDir,
    lines: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = synthetic(folder.path(), 3_000, 3);
        let text = std::fs::read_to_string(path).unwrap();
        Self { folder, lines: text.lines().map(str::to_owned).collect() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// The good data with one value of one row changed: row from 1, column from 0.
    fn with(&self, row: usize, column: usize, value: &str) -> PathBuf {
        let mut lines = self.lines.clone();
        let mut fields: Vec<&str> = self.lines[row].split(',').collect();
        fields[column] = value;
        lines[row] = fields.join(",");
        self.file("changed.csv", lines.join("\n"))
    }

    /// Trains on a file that must be refused, and checks that nothing was written.
    fn refused(&self, data: &Path, expected: &[&str]) {
        let output = self.path("model");
        let before = self.names();
        let ran = trainer!("train", "--bootstrap", "0", "--data", data, "--output", &output);
        check(&ran, expected);
        assert_eq!(before, self.names());
    }

    fn names(&self) -> Vec<PathBuf> {
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        names
    }
}

#[test]
fn files_that_are_no_tables() {
    let bench = Bench::new();
    bench.refused(&bench.path("none.csv"), &["none.csv", "No such file", "CSV or Parquet"]);
    bench.refused(bench.folder.path(), &["is a directory"]);
    bench.refused(&bench.file("empty.csv", ""), &["empty.csv is empty", "expected"]);
    let header = &bench.lines[0];
    bench.refused(&bench.file("header.csv", header), &["no rows", "at least one transaction"]);
    let renamed = bench.lines.join("\n").replacen("\"V14\"", "\"V_14\"", 1);
    bench.refused(&bench.file("renamed.csv", renamed), &["lacks the column V14", "V_14"]);
    bench.refused(&bench.file("text.parquet", "PAR1 and no more"), &["as Parquet", "cut off"]);

    let model = bench.path("small");
    let data = bench.file("good.csv", bench.lines.join("\n"));
    let scores = bench.path("scores.parquet");
    let _ = trainer!("train", "--bootstrap", "0", "--data", &data, "--output", &model).ok();
    let _ = trainer!("score", "--model", &model, "--data", &data, "--output", &scores).ok();
    let whole = std::fs::read(&scores).unwrap();
    let cut = bench.file("cut.parquet", &whole[..whole.len() * 2 / 3]);
    bench.refused(&cut, &["cut.parquet as Parquet", "cut off"]);
}

#[test]
fn values_that_no_transaction_has() {
    let bench = Bench::new();
    for (value, found) in [
        ("abc", "found \"abc\", expected a number"),
        ("NaN", "found NaN, expected a finite number"),
        ("inf", "found inf, expected a finite number"),
        ("", "the value is missing, expected a number"),
        ("null", "found \"null\", expected a number"),
    ] {
        bench.refused(&bench.with(1_234, 5, value), &["changed.csv, row 1234, column V5", found]);
    }
    bench.refused(&bench.with(7, 29, "-3"), &["row 7, column Amount: found -3", "not negative"]);
    bench
        .refused(&bench.with(9, 30, "2"), &["row 9, column Class: found 2", "0 (legitimate) or 1"]);
    bench.refused(&bench.with(9, 30, "0.5"), &["row 9, column Class: found 0.5"]);
    bench.refused(&bench.with(9, 30, ""), &["row 9, column Class: the value is missing"]);
    bench.refused(&bench.with(9, 30, "fraud"), &["row 9, column Class: found \"fraud\""]);
}

#[test]
fn classes_that_cannot_be_learnt() {
    let bench = Bench::new();
    let (header, rows) = bench.lines.split_first().unwrap();
    let (frauds, legitimate): (Vec<String>, Vec<String>) =
        rows.iter().cloned().partition(|row| row.ends_with("\"1\""));
    assert!(frauds.len() > 2);
    let file =
        |name: &str, rows: &[String]| bench.file(name, format!("{header}\n{}", rows.join("\n")));

    bench.refused(
        &file("legitimate.csv", &legitimate),
        &[
            "without a fraudulent transaction",
            "0 fraudulent",
            "expected at least one of each class",
        ],
    );
    bench.refused(&file("frauds.csv", &frauds), &["without a legitimate transaction"]);
    let one = [&legitimate[..], &frauds[..1]].concat();
    bench.refused(&file("one.csv", &one), &["1 fraudulent", "--validation"]);
    // Frauds at the end only: a split by time leaves the training rows without any.
    let mut late = [&legitimate[..], &frauds[..]].concat();
    for row in &mut late[legitimate.len()..] {
        *row = format!("999999{}", &row[row.find(',').unwrap()..]);
    }
    let late = file("late.csv", &late);
    let output = bench.path("model");
    let ran = trainer!("train", "--split", "time", "--data", &late, "--output", &output);
    check(&ran, &["a time split", "leaves the training rows without a fraudulent"]);
    // All classes in training, none of one in the explicit validation rows: measured as far as it goes.
    let good = bench.file("good.csv", bench.lines.join("\n"));
    let validation = file("validation.csv", &legitimate);
    let ran = trainer!("train", "--data", &good, "--validation", &validation, "--output", &output);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let measures = fraud_tests::json(&output.join("metrics.json"));
    assert!(measures["average_precision"].is_null() && measures["log_loss"].is_number());
}

#[test]
fn settings_out_of_range() {
    let bench = Bench::new();
    let data = bench.file("good.csv", bench.lines.join("\n"));
    let output = bench.path("model");
    for (flag, value, expected) in [
        ("--threshold", "1.5", "expected a probability from 0 to 1"),
        ("--threshold", "recall=7", "expected a probability from 0 to 1"),
        ("--class-weight", "-1", "balanced, none, or the weight"),
        ("--solver", "saga", "newton-cholesky or lbfgs"),
        ("--split", "random", "stratified or time"),
        ("--l2", "-2", "L2 penalty is -2, expected a number from 0 up"),
        ("--tolerance", "0", "tolerance is 0, expected a number greater than 0"),
        ("--max-iterations", "0", "expected at least 1"),
        ("--validation-fraction", "1", "expected a number between 0 and 1"),
        ("--validation-fraction", "0", "expected a number between 0 and 1"),
    ] {
        let flag = format!("{flag}={value}");
        let ran = trainer!("train", "--data", &data, "--output", &output, &flag);
        check(&ran, &[expected]);
        assert!(!output.exists(), "{flag}");
    }
    let ran = trainer!(
        "train",
        "--data",
        &data,
        "--output",
        &output,
        "--solver",
        "lbfgs",
        "--max-iterations",
        "3",
    );
    check(&ran, &["lbfgs did not converge in 3 iterations", "gradient norm", "expected at most"]);
    assert!(!output.exists());
}

#[test]
fn outputs_that_cannot_be_written() {
    let bench = Bench::new();
    let data = bench.file("good.csv", bench.lines.join("\n"));
    let train = |output: &Path, flag: &str| {
        trainer!("train", "--bootstrap", "0", "--data", &data, "--output", output, flag)
    };
    let output = bench.path("model");
    let _ = train(&output, "--seed=1").ok();
    let before = std::fs::read(output.join("model.json")).unwrap();
    check(&train(&output, "--seed=2"), &["exists and is not empty", "--force"]);
    assert_eq!(std::fs::read(output.join("model.json")).unwrap(), before);
    let _ = train(&output, "--force").ok();

    let file = bench.file("a-file", "");
    check(&train(&file, "--seed=1"), &["it is a file", "expected the name of a folder"]);
    check(&train(&file.join("below"), "--seed=1"), &["cannot write", "a-file"]);
    check(&train(Path::new("/proc/none/model"), "--seed=1"), &["cannot write /proc/none/model"]);
    let diary = bench.path("diary");
    std::fs::create_dir(&diary).unwrap();
    std::fs::write(diary.join("monday.txt"), "").unwrap();
    check(&train(&diary, "--force"), &["has no model.json", "not replaced"]);
    assert!(diary.join("monday.txt").exists());

    for name in ["scores.xlsx", "scores"] {
        let path = bench.path(name);
        let ran = trainer!("score", "--model", &output, "--data", &data, "--output", &path);
        check(&ran, &["expected a name that ends in .csv or .parquet"]);
    }
    let taken = bench.file("taken.csv", "mine");
    let ran = trainer!("score", "--model", &output, "--data", &data, "--output", &taken);
    check(&ran, &["taken.csv exists", "--force"]);
}

#[test]
fn models_that_are_cut_or_edited() {
    let bench = Bench::new();
    let data = bench.file("good.csv", bench.lines.join("\n"));
    let model = bench.path("model");
    let _ = trainer!("train", "--bootstrap", "0", "--data", &data, "--output", &model).ok();
    let good = std::fs::read_to_string(model.join("model.json")).unwrap();
    let output = bench.path("scores.csv");
    for (content, expected) in [
        (good[..good.len() / 2].to_owned(), "EOF while parsing"),
        (String::new(), "EOF while parsing"),
        (good.replace("fraud-logistic/1", "fraud-logistic/9"), "expected \"fraud-logistic/1\""),
        (good.replacen("\"V3\"", "\"V4\"", 1), "feature 4 is \"V4\", expected \"V3\""),
        (good.replacen("\"threshold\": 0.9", "\"threshold\": 1.9", 1), "from 0 to 1"),
        (good.replacen("\"threshold\": 0.9", "\"threshold\": 0.2", 1), "do not match the digest"),
    ] {
        let path = bench.file("edited.json", content);
        let ran = trainer!("score", "--model", &path, "--data", &data, "--output", &output);
        check(&ran, &["edited.json is not a model", expected]);
        assert!(!output.exists());
    }
    let ran =
        trainer!("score", "--model", bench.path("none"), "--data", &data, "--output", &output);
    check(&ran, &["cannot read the model", "expected a directory with model.json"]);
    // A bad row far down: what was scored before it leaves no file.
    let bad = bench.with(2_999, 4, "x");
    let ran = trainer!("score", "--model", &model, "--data", &bad, "--output", &output);
    check(&ran, &["row 2999, column V4"]);
    assert!(!output.exists());
}
