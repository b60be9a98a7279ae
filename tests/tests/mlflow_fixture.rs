//! The MLflow server of the tests, its proxy, and what Python reads: do they work themselves?

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fraud_tests::mlflow::{Mlflow, Options};
use fraud_tests::proxy::{Fault, Proxy, Rule};
use serde_json::{Value, json};

fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(time.as_millis()).unwrap()
}

fn post(mlflow: &Mlflow, path: &str, body: &Value) -> Value {
    let answer = mlflow.rest("POST", &format!("2.0/mlflow/{path}"), body);
    assert_eq!(answer["error_code"], Value::Null, "{path}: {answer}");
    answer
}

/// An experiment with one run of everything, over REST; the run's id.
fn track(mlflow: &Mlflow, experiment: &str) -> String {
    let post = |path: &str, body: Value| post(mlflow, path, &body);
    let created = post("experiments/create", json!({"name": experiment}));
    let run = post(
        "runs/create",
        json!({
            "experiment_id": created["experiment_id"],
            "run_name": "a run",
            "start_time": now(),
        }),
    );
    let id = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let metric = |step: u64, value: Value| {
        let timestamp = 1_700_000_000_000 + step;
        json!({"key": "loss", "value": value, "timestamp": timestamp, "step": step})
    };
    post(
        "runs/log-batch",
        json!({
            "run_id": id,
            "metrics": [metric(1, json!(0.5)), metric(2, json!("NaN"))],
            "params": [{"key": "l2", "value": "1"}],
            "tags": [{"key": "a.b", "value": "it's"}],
        }),
    );
    let dataset = json!({
        "name": "synthetic", "digest": "0123", "source_type": "local", "source": "synthetic.csv",
    });
    post(
        "runs/log-inputs",
        json!({
            "run_id": id,
            "datasets": [{
                "tags": [{"key": "mlflow.data.context", "value": "training"}],
                "dataset": dataset,
            }],
        }),
    );
    post("runs/update", json!({"run_id": id, "status": "FINISHED", "end_time": now()}));
    id
}

fn check(mlflow: &Mlflow, experiment: &str) {
    let id = track(mlflow, experiment);
    assert_eq!(mlflow.read_back(&["experiment", experiment])["runs"], json!([id]));
    let run = mlflow.read_back(&["run", &id]);
    assert_eq!(run["info"]["run_name"], "a run");
    assert_eq!(run["info"]["status"], "FINISHED");
    assert_eq!(run["params"], json!({"l2": "1"}));
    assert_eq!(run["tags"]["a.b"], "it's");
    assert_eq!(
        run["history"]["loss"],
        json!([
            {"value": 0.5, "step": 1, "timestamp": 1_700_000_000_001_u64},
            {"value": "nan", "step": 2, "timestamp": 1_700_000_000_002_u64},
        ])
    );
    assert_eq!(run["inputs"][0]["dataset"]["name"], "synthetic");
    assert_eq!(run["inputs"][0]["tags"], json!({"mlflow.data.context": "training"}));
    assert_eq!(run["artifacts"], json!({}));
}

#[test]
fn python_reads_what_rest_wrote() {
    let Some(mlflow) = Mlflow::shared() else { return };
    check(mlflow, "a name with spaces, /slashes/ and ünïcode 模型");
}

#[test]
fn python_reads_what_rest_wrote_after_a_login() {
    let Some(mlflow) = Mlflow::shared_with_login() else { return };
    check(mlflow, "with a login");
    let path = "/api/2.0/mlflow/experiments/get?experiment_id=0";
    let refused = ureq::get(format!("{}{path}", mlflow.url())).call();
    assert!(matches!(refused, Err(ureq::Error::StatusCode(401))), "{refused:?}");
}

#[test]
fn the_proxy_stands_before_the_server() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let proxy = Proxy::start(mlflow.url(), [Rule::first("PUT", "/artifacts/", Fault::status(503))]);
    let run = mlflow.rest("POST", "2.0/mlflow/runs/create", &json!({"experiment_id": "0"}));
    let info = &run["run"]["info"];
    let root = info["artifact_uri"].as_str().unwrap().strip_prefix("mlflow-artifacts:/").unwrap();
    let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/{root}/a%20b/%C3%A4.txt", proxy.url());
    assert!(matches!(ureq::put(&url).send("text"), Err(ureq::Error::StatusCode(503))));
    assert_eq!(ureq::put(&url).send("text").unwrap().status(), 200);
    let id = info["run_id"].as_str().unwrap();
    assert_eq!(mlflow.read_back(&["run", id])["artifacts"], json!({"a b/ä.txt": 4}));
    let uri = format!("{}/a b/ä.txt", info["artifact_uri"].as_str().unwrap());
    assert_eq!(mlflow.read_back(&["text", &uri]), "text");
    let file = mlflow.artifacts().join(root).join("a b/ä.txt");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "text");
    let puts = proxy.matching("PUT", "/artifacts/");
    assert_eq!(puts.iter().map(|put| put.status).collect::<Vec<_>>(), [Some(503), Some(200)]);
}

/// A model of a line of Python, which doubles the first column.
#[test]
fn python_scores_with_a_registered_model() {
    let Some(mlflow) = Mlflow::shared() else { return };
    let name = "it's a modèl";
    let created = post(mlflow, "logged-models", &json!({"experiment_id": "0", "name": "doubled"}));
    let info = &created["model"]["info"];
    let id = info["model_id"].as_str().unwrap();
    let root = info["artifact_uri"].as_str().unwrap().strip_prefix("mlflow-artifacts:/").unwrap();
    for (path, text) in [
        (
            "MLmodel",
            "flavors:\n  python_function: {loader_module: doubled, code: code, data: data}\n",
        ),
        (
            "code/doubled.py",
            "class Doubled:\n    def predict(self, rows):\n        return 2 * rows.iloc[:, 0]\n\n\n\
             def _load_pyfunc(path):\n    return Doubled()\n",
        ),
        ("data/none.txt", "nothing"),
    ] {
        let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/{root}/{path}", mlflow.url());
        assert_eq!(ureq::put(url).send(text).unwrap().status(), 200);
    }
    let ready = json!({"model_id": id, "status": "LOGGED_MODEL_READY"});
    let _ = mlflow.rest("PATCH", &format!("2.0/mlflow/logged-models/{id}"), &ready);
    post(mlflow, "registered-models/create", &json!({"name": name}));
    let source = json!({"name": name, "source": format!("models:/{id}"), "model_id": id});
    post(mlflow, "model-versions/create", &source);
    let alias = json!({"name": name, "alias": "challenger", "version": "1"});
    post(mlflow, "registered-models/alias", &alias);

    let model = mlflow.read_back(&["model", name]);
    assert_eq!(model["aliases"], json!({"challenger": "1"}));
    let version = mlflow.read_back(&["alias", name, "challenger"]);
    assert_eq!(model["versions"], json!([version]));
    assert_eq!(version["aliases"], json!(["challenger"]));
    let logged = &version["logged_model"];
    assert_eq!((&logged["name"], &logged["status"]), (&json!("doubled"), &json!("READY")));
    assert_eq!(logged["artifacts"]["data/none.txt"], 7);
    assert_eq!(logged["artifacts"].as_object().unwrap().len(), 3);
    assert_eq!(
        mlflow.read_back(&["alias", name, "champion"])["error_code"],
        "INVALID_PARAMETER_VALUE"
    );
    let rows = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(rows.path(), "V1,V2,Class\n0.1,3,0\n-1e-300,4,1\n").unwrap();
    let scores = mlflow.score(&format!("models:/{name}@challenger"), rows.path());
    assert_eq!(scores, [0.2, -2e-300]);
}

#[test]
fn a_dropped_server_leaves_nothing_behind() {
    let started = Instant::now();
    let Some(mlflow) = Mlflow::start(&Options::default()) else { return };
    println!("the server was there after {:.1} s", started.elapsed().as_secs_f64());
    let (url, artifacts) = (format!("{}/health", mlflow.url()), mlflow.artifacts());
    assert!(ureq::get(&url).call().is_ok());
    assert!(mlflow.log().contains("/health"), "{}", mlflow.log());
    drop(mlflow);
    assert!(ureq::get(&url).call().is_err());
    assert!(!artifacts.parent().unwrap().exists());
}
