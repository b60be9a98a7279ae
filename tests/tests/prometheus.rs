//! A real Prometheus over the real service: it is scraped, the rules that are deployed are evaluated, and
//! promtool finds nothing wrong with either.

use std::io::Write as _;
use std::process::{Command, Stdio};

use fraud_core::FEATURES;
use fraud_tests::prometheus::{Prometheus, deployed};
use fraud_tests::{Api, root, run, tool};
use serde_json::Value;

fn service() -> Api {
    Api::start(&root().join("models/production"))
}

fn transaction() -> String {
    let fields = FEATURES.map(|name| format!("\"{name}\": 1"));
    format!("{{{}}}", fields.join(", "))
}

/// Some of everything that is counted.
fn traffic(api: &Api) {
    let body = transaction();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    for (path, body) in [
        ("/predict", body.as_str()),
        ("/predict", "{}"),
        ("/predict", "{"),
        ("/explain", &body),
        ("/predict/batch", &format!("[{body}, 1]")),
        ("/nowhere", ""),
    ] {
        let request = agent.post(format!("{}{path}", api.url()));
        let _ = request.content_type("application/json").send(body).unwrap();
    }
    for path in ["/", "/docs", "/redoc", "/openapi.json", "/model", "/health/ready"] {
        let _ = api.get(path);
    }
}

#[test]
fn it_is_scraped_and_the_rules_see_it_go() {
    let folder = tempfile::tempdir().unwrap();
    let api = service();
    let address = api.url().trim_start_matches("http://");
    let Some(prometheus) = Prometheus::start(folder.path(), address) else { return };
    traffic(&api);
    let targets = prometheus.wait("targets", |data| {
        data["activeTargets"].as_array().is_some_and(|targets| {
            !targets.is_empty() && targets.iter().all(|target| target["health"] == "up")
        })
    });
    let target = &targets["activeTargets"][0];
    assert_eq!(targets["activeTargets"].as_array().unwrap().len(), 1);
    assert_eq!((&target["labels"]["job"], &target["lastError"]), (&"fraud-api".into(), &"".into()));
    // What was counted is there, with its labels: no field, and no JSON.
    let query = "query?query=http_requests_total{endpoint=\"/predict\",status=\"422\"}";
    let query = query.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    let found = prometheus.wait(&query, |data| data["result"][0]["value"][1].is_string());
    assert_eq!(found["result"][0]["value"][1], "2", "{found}");
    // Each rule is evaluated, without an error, and none sees anything wrong. (Before the first scrape
    // the service was down.)
    let is_well = |rule: &&Value| {
        rule["health"] == "ok" && (rule["type"] == "recording" || rule["state"] == "inactive")
    };
    let answer = prometheus.wait("rules", |data| {
        let rules = rules(data);
        !rules.is_empty() && rules.iter().all(is_well)
    });
    assert!(rules(&answer).len() > 10, "{answer:#}");
    assert_eq!(api.stop(), 0);
    // It fires after a minute.
    let sees_it = |rule: &Value| {
        rule["name"] == "FraudApiDown" && (rule["state"] == "pending" || rule["state"] == "firing")
    };
    let _ = prometheus.wait("rules", |data| rules(data).into_iter().any(sees_it));
}

/// The rules of all groups.
fn rules(data: &Value) -> Vec<&Value> {
    let groups = data["groups"].as_array().into_iter().flatten();
    groups.flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect()
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let Some(promtool) = tool("promtool") else { return };
    let api = service();
    traffic(&api);
    let text = api.get("/metrics");
    let mut process = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "", "{text}");
    assert!(output.status.success());
}

#[test]
fn promtool_finds_nothing_wrong_with_what_is_deployed() {
    let Some(promtool) = tool("promtool") else { return };
    let promtool = |arguments: &[&str]| {
        run(Command::new(&promtool).current_dir(deployed()).args(arguments)).ok()
    };
    let checked = promtool(&["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"]);
    assert!(checked.stdout.contains("SUCCESS"), "{checked:?}");
    let checked = promtool(&["check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"]);
    assert!(checked.stdout.contains("SUCCESS"), "{checked:?}");
    let tested = promtool(&["test", "rules", "alerts.test.yml"]);
    assert!(tested.stdout.contains("SUCCESS"), "{tested:?}");
}
