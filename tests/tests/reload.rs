//! Two models by turns under full load: every answer is exactly that of the model that its header names.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fraud_core::{FEATURES, LogisticModel, ModelArtifact, ScoredExample};
use fraud_tests::{Api, root, tool};
use serde_json::{Value, json};

const ALTERNATIONS: usize = 100;

/// wrk, which compares each answer with the version in its header.
const SCRIPT: &str = r#"
wrk.method, wrk.body = "POST", [==[BODY]==]
wrk.headers["content-type"] = "application/json"
local expected = { EXPECTED }
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init() answers, mixed = 0, 0 end
function response(status, headers, body)
  local version = headers["X-Model-Version"] or headers["x-model-version"]
  answers = answers + 1
  if status ~= 200 or body ~= expected[version] then mixed = mixed + 1 end
end
function done(summary)
  local answers, mixed = 0, 0
  for _, thread in ipairs(threads) do
    answers, mixed = answers + thread:get("answers"), mixed + thread:get("mixed")
  end
  local errors = summary.errors
  print(string.format('{"answers":%d,"mixed":%d,"errors":%d}', answers, mixed,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"#;

fn write(folder: &Path, artifact: &ModelArtifact) {
    let new = folder.join(".new");
    std::fs::write(&new, artifact.to_json()).unwrap();
    std::fs::rename(new, folder.join("model.json")).unwrap();
}

fn served(api: &Api) -> String {
    let card: Value = serde_json::from_str(&api.get("/model")).unwrap();
    card["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_hundred_reloads_under_full_load_lose_and_mix_up_nothing() {
    let Some(wrk) = tool("wrk") else { return };
    let production = ModelArtifact::load(root().join("models/production")).unwrap();
    let models = [0.0, 1.5].map(|more| {
        let model = &production.model;
        let (scaler, intercept) = (model.scaler().clone(), model.intercept() + more);
        let model = LogisticModel::new(scaler, *model.coefficients(), intercept).unwrap();
        let mut artifact = ModelArtifact { model, ..production.clone() };
        artifact.provenance.examples = ScoredExample::of(&artifact.model);
        artifact
    });
    let body: Value = FEATURES.iter().map(|name| ((*name).to_owned(), json!(0.5))).collect();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &models[0]);
    let api = Api::start(folder.path());
    let reload = |artifact: &ModelArtifact| {
        write(folder.path(), artifact);
        let hangup = Command::new("kill").args(["-s", "HUP", &api.id().to_string()]).status();
        assert!(hangup.unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(30);
        while served(&api) != artifact.digest() {
            assert!(Instant::now() < deadline, "the model is not reloaded");
            std::thread::sleep(Duration::from_millis(2));
        }
    };

    let expected: Vec<String> = models
        .iter()
        .map(|artifact| {
            reload(artifact);
            format!("[\"{}\"] = [==[{}]==]", artifact.digest(), api.predict(&body.to_string()))
        })
        .collect();
    assert_ne!(expected[0].split("= ").nth(1), expected[1].split("= ").nth(1));
    let script = folder.path().join("compare.lua");
    let text = SCRIPT.replace("BODY", &body.to_string()).replace("EXPECTED", &expected.join(", "));
    std::fs::write(&script, text).unwrap();
    // Longer than the alternations take; it is stopped with them.
    let load = Command::new(wrk)
        .args(["-t", "1", "-c", "64", "-d", "120s", "-s"])
        .arg(&script)
        .arg(format!("{}/predict", api.url()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    for alternation in 0..ALTERNATIONS {
        reload(&models[alternation % 2]);
    }
    // wrk ends early at SIGINT, and says what it saw.
    let stopped = Command::new("kill").args(["-s", "INT", &load.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    let output = load.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().find(|line| line.starts_with('{')).expect(&said);
    let found: Value = serde_json::from_str(found).unwrap();
    assert!(found["answers"].as_u64().unwrap() > 1_000, "{found}");
    assert_eq!((&found["mixed"], &found["errors"]), (&json!(0), &json!(0)), "{found}");
    // The first of the alternations found the other model, as every one after it.
    let loaded = format!("model_reloads_total{{outcome=\"loaded\"}} {}", ALTERNATIONS + 1);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !api.get("/metrics").lines().any(|line| line == loaded) {
        assert!(Instant::now() < deadline, "{}", api.get("/metrics"));
        std::thread::sleep(Duration::from_millis(10));
    }
    eprintln!("{found}");
}
