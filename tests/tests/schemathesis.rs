//! schemathesis reads `/openapi.json` and looks for what the service does otherwise than it says: all of
//! its checks, no one left out.
//!
//! `FRAUD_TEST_EXAMPLES` is the number of requests that it makes up for each operation and phase: 50
//! unless told, 1,000 before a release.

use std::process::Command;

use fraud_tests::{Api, python, root, run};

#[test]
fn the_service_does_what_its_document_says() {
    let Some(python) = python() else { return };
    let examples = std::env::var("FRAUD_TEST_EXAMPLES").unwrap_or_else(|_| "50".to_owned());
    let api = Api::start(&root().join("models/production"));
    let folder = tempfile::tempdir().unwrap();
    let ran = run(Command::new(python.with_file_name("schemathesis"))
        .args(["--no-color", "run", &format!("{}/openapi.json", api.url())])
        .args(["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--max-examples", &examples, "--continue-on-failure"])
        // It keeps what it found in the folder where it runs.
        .args(["--generation-database", "none"])
        .current_dir(&folder)
        .env("SCHEMATHESIS_HOOKS", "schemathesis_forms")
        .env("PYTHONPATH", root().join("tests/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    println!("{}", ran.stdout);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    // A check that could not be made is no check.
    for text in
        ["No issues found", "Operations:       8 selected / 8 total", "2 covered / 2 selected"]
    {
        assert!(ran.stdout.contains(text), "expected {text:?} in {}", ran.stdout);
    }
    assert_eq!(api.get("/health"), r#"{"status":"ok"}"#);
}
