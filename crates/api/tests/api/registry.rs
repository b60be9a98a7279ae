//! `--model-uri`: the real program with a local registry, and with a server that comes and goes.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use fraud_core::{LogisticModel, ModelArtifact};
use fraud_registry::types::{LoggedModelStatus, NewLoggedModel, NewModelVersion, NewRun};
use fraud_registry::{LocalStore, Store as _};
use serde_json::json;
use tempfile::TempDir;

use crate::helpers::amount_model;

const NAME: &str = "fraud_detection_logreg";
const CHAMPION: &str = "models:/fraud_detection_logreg@champion";

/// The model of the other tests with another intercept, so that each has a digest of its own.
fn artifact(intercept: f64) -> ModelArtifact {
    let model = amount_model().model;
    let model =
        LogisticModel::new(model.scaler().clone(), *model.coefficients(), intercept).unwrap();
    ModelArtifact { model, ..amount_model() }
}

/// A project folder with `registry`, a local store, and `cache`.
struct Project {
    folder: TempDir,
    store: LocalStore,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path().join("registry")).unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Registers a version with the next number and lets the alias stand for it.
    async fn promote(&self, artifact: &ModelArtifact) {
        let file = self.path("model.json");
        std::fs::write(&file, artifact.to_json()).unwrap();
        let experiment_id = self.store.experiment("e").await.unwrap().experiment_id;
        let new = NewLoggedModel { experiment_id, name: "model".into(), ..Default::default() };
        let logged = self.store.create_logged_model(&new).await.unwrap().info;
        let (id, uri) = (logged.model_id, logged.artifact_uri);
        self.store.upload_artifact(&uri, "model.json", &file).await.unwrap();
        self.store.finish_logged_model(&id, LoggedModelStatus::Ready).await.unwrap();
        self.store.register_model(NAME).await.unwrap();
        let version = NewModelVersion {
            name: NAME.into(),
            source: format!("models:/{id}"),
            model_id: Some(id),
            ..NewModelVersion::default()
        };
        let version = self.store.create_version(&version).await.unwrap().version;
        self.store.set_alias(NAME, "champion", &version).await.unwrap();
    }

    /// Starts the program as an operator would, in the project's folder, and ends it when it serves.
    fn start(&self, uri: &str) -> Start {
        self.start_with(uri, "cache", &[])
    }

    fn start_with(&self, uri: &str, cache: &str, variables: &[(&str, &str)]) -> Start {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fraud-api"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MLFLOW_") {
                command.env_remove(name);
            }
        }
        let child = command
            .current_dir(self.folder.path())
            .args(["--host", "127.0.0.1", "--port", "0", "--workers", "1", "--log", "info"])
            .args(["--model-uri", uri, "--registry", "registry"])
            .args(["--model-cache", cache])
            // No waiting between attempts.
            .envs([
                ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0"),
                ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0"),
                ("MLFLOW_HTTP_REQUEST_TIMEOUT", "20"),
            ])
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Start::of(child)
    }

    /// The one file of the cache.
    fn cached_file(&self) -> std::path::PathBuf {
        let files: Vec<_> = std::fs::read_dir(self.path("cache"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.into_iter().next().unwrap()
    }
}

/// What the program wrote until it served or ended.
struct Start {
    log: String,
    serves: bool,
}

impl Start {
    fn of(mut child: Child) -> Self {
        use std::io::{BufRead as _, BufReader};
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (mut log, mut serves) = (String::new(), false);
        while !serves && stderr.read_line(&mut log).unwrap() > 0 {
            serves = log.contains("address=");
        }
        let _ = child.kill();
        let status = child.wait().unwrap();
        assert!(serves || status.code() == Some(2), "{status}: {log}");
        Self { log, serves }
    }

    /// That it serves this model as that version.
    fn serves(&self, artifact: &ModelArtifact, version: &str) -> &Self {
        assert!(self.serves, "{}", self.log);
        let line = self.log.lines().last().unwrap();
        for part in [
            format!("digest=\"{}\"", artifact.digest()),
            format!("name=\"{NAME}\" version=\"{version}\""),
        ] {
            assert!(line.contains(&part), "{part} not in {line}");
        }
        self
    }

    fn says(&self, text: &str) -> &Self {
        assert!(self.log.contains(text), "{text:?} not in {}", self.log);
        self
    }

    fn is_refused(&self) -> &Self {
        assert!(!self.serves, "{}", self.log);
        self
    }

    fn without_warning(&self) -> &Self {
        assert!(!self.log.contains("WARN"), "{}", self.log);
        self
    }
}

#[actix_web::test]
async fn the_alias_is_looked_up_at_each_start() {
    let project = Project::new();
    let (first, second) = (artifact(-100.0), artifact(-200.0));
    project.promote(&first).await;
    project.start(CHAMPION).serves(&first, "1").without_warning();
    project.promote(&second).await;
    let start = project.start(CHAMPION);
    start.serves(&second, "2").without_warning().says("source=\"local:logged-models/m-");
    // The version has not moved: its files need not be read again.
    project.start(CHAMPION).serves(&second, "2").says("source=\"the cache, checked with ");
    project.store.set_alias(NAME, "champion", "1").await.unwrap();
    project.start(CHAMPION).serves(&first, "1").without_warning();
}

#[actix_web::test]
async fn versions_logged_models_runs_and_folders_are_served_too() {
    let project = Project::new();
    let (first, second) = (artifact(-100.0), artifact(-200.0));
    project.promote(&first).await;
    project.promote(&second).await;
    project.start("models:/fraud_detection_logreg/1").serves(&first, "1");
    project.start("models:/fraud_detection_logreg").serves(&second, "2");

    let logged = project.store.version(NAME, "1").await.unwrap().source;
    let start = project.start(&logged);
    assert!(start.serves && !start.log.contains("version="), "{}", start.log);
    start.says(&first.digest());

    let experiment_id = project.store.experiment("e").await.unwrap().experiment_id;
    let new = NewRun { experiment_id, ..NewRun::default() };
    let run = project.store.create_run(&new).await.unwrap().info;
    let file = project.path("model.json");
    project.store.upload_artifact(&run.artifact_uri, "a/model.json", &file).await.unwrap();
    let uri = format!("runs:/{}/a", run.run_id);
    project.start(&uri).says(&second.digest());
    // What a run has may change as long as it goes on.
    std::fs::write(&file, first.to_json()).unwrap();
    project.store.upload_artifact(&run.artifact_uri, "a/model.json", &file).await.unwrap();
    project.start(&uri).says(&first.digest());

    let start = project.start(project.folder.path().to_str().unwrap());
    assert!(start.serves, "{}", start.log);
    start.says(&first.digest());
}

#[actix_web::test]
async fn without_its_registry_it_serves_what_it_served_before() {
    let project = Project::new();
    let first = artifact(-100.0);
    project.promote(&first).await;
    project.start(CHAMPION).serves(&first, "1");

    std::fs::rename(project.path("registry"), project.path("elsewhere")).unwrap();
    let start = project.start(CHAMPION);
    start.serves(&first, "1").says("WARN").says("is not there or empty");
    start
        .says("Starting with the cached version 1 of \"fraud_detection_logreg\"")
        .says("s ago (20");
    // A volume that is not mounted.
    std::fs::create_dir(project.path("registry")).unwrap();
    project.start(CHAMPION).serves(&first, "1").says("is not there or empty");

    // Another URI or another registry is another model.
    project.start("models:/fraud_detection_logreg/1").is_refused().says("has no copy");
    let other = [("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")];
    project.start_with(CHAMPION, "cache", &other).is_refused().says("has no copy");
    project.start_with(CHAMPION, "", &[]).is_refused().says("--model-cache is empty");
}

#[actix_web::test]
async fn what_the_registry_denies_is_not_looked_for_in_the_cache() {
    let project = Project::new();
    let first = artifact(-100.0);
    project.promote(&first).await;
    project.start(CHAMPION).serves(&first, "1");
    project.store.set_alias(NAME, "challenger", "1").await.unwrap();
    project.store.delete_alias(NAME, "champion").await.unwrap();
    let start = project.start(CHAMPION);
    start.is_refused().says("error: cannot serve models:/fraud_detection_logreg@champion: ");
    start.says("alias \"champion\" of registered model").says("; there is \"challenger\"");
    project
        .start("models:/other@champion")
        .is_refused()
        .says("; there is \"fraud_detection_logreg\"");
}

#[actix_web::test]
async fn a_damaged_cache_is_replaced_or_named() {
    let project = Project::new();
    let first = artifact(-100.0);
    project.promote(&first).await;
    project.start(CHAMPION).serves(&first, "1");
    let file = project.cached_file();
    let whole = std::fs::read_to_string(&file).unwrap();
    let edited = whole.replace("-100.0", "-10.0");
    assert_ne!(edited, whole);
    for damaged in ["", &whole[..whole.len() / 2], &edited] {
        std::fs::write(&file, damaged).unwrap();
        let start = project.start(CHAMPION);
        start.serves(&first, "1").says("WARN").says("is damaged: ").says("it was fetched anew");
        let text = std::fs::read_to_string(&file).unwrap();
        let is_whole = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        assert!(is_whole && text.contains("-100.0"), "{text}");
        project.start(CHAMPION).serves(&first, "1").without_warning();
    }

    std::fs::write(&file, &edited).unwrap();
    std::fs::rename(project.path("registry"), project.path("elsewhere")).unwrap();
    let start = project.start(CHAMPION);
    start.is_refused().says("is not there or empty").says("is damaged: the numbers do not match");
}

#[actix_web::test]
async fn a_cache_that_cannot_be_written_is_no_reason_not_to_serve() {
    let project = Project::new();
    let first = artifact(-100.0);
    project.promote(&first).await;
    std::fs::write(project.path("file"), "").unwrap();
    let start = project.start_with(CHAMPION, "file/cache", &[]);
    start.serves(&first, "1").says("WARN").says("cannot keep the model as file/cache/");
}

/// As much of an MLflow server as a start asks: one alias, one version, one file.
struct Server {
    handle: ServerHandle,
    port: u16,
}

/// Status and body by path; what is not there is no route.
type Answers = Arc<Mutex<HashMap<&'static str, (u16, String)>>>;

impl Server {
    /// In a thread of its own: the tests wait for the program without giving way.
    fn start(port: u16, answers: Answers) -> Self {
        let (started, server) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(web::Data::new(Arc::clone(&answers)))
                        .default_service(web::to(answer))
                });
                let server = server.workers(1).disable_signals();
                let server = server.bind(("127.0.0.1", port)).unwrap();
                let port = server.addrs()[0].port();
                let server = server.run();
                started.send(Self { handle: server.handle(), port }).unwrap();
                server.await.unwrap();
            });
        });
        server.recv().unwrap()
    }
}

async fn answer(request: HttpRequest, answers: web::Data<Answers>) -> HttpResponse {
    let answers = answers.lock().unwrap();
    let found = answers.iter().find(|(path, _)| request.path().ends_with(**path));
    let (status, body) = found.map_or((404, String::new()), |(_, answer)| answer.clone());
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status).body(body)
}

const ALIAS: &str = "/registered-models/alias";
const FILE: &str = "/artifacts/1/m/artifacts/model.json";

fn answers(version: &str, artifact: &ModelArtifact) -> HashMap<&'static str, (u16, String)> {
    let version = json!({ "name": NAME, "version": version, "source": "models:/m-1" });
    let uri = "mlflow-artifacts:/1/m/artifacts";
    HashMap::from([
        (ALIAS, (200, json!({ "model_version": version }).to_string())),
        ("/get-download-uri", (200, json!({ "artifact_uri": uri }).to_string())),
        ("/artifacts", (200, json!({ "files": [{ "path": "model.json" }] }).to_string())),
        (FILE, (200, artifact.to_json())),
    ])
}

#[actix_web::test]
async fn a_server_that_is_down_does_not_keep_it_from_starting() {
    let project = Project::new();
    let (first, second) = (artifact(-100.0), artifact(-200.0));
    let all = Answers::new(Mutex::new(answers("1", &first)));
    let server = Server::start(0, Arc::clone(&all));
    let port = server.port;
    let uri = format!("http://user:hidden@127.0.0.1:{port}");
    let variables = [("MLFLOW_TRACKING_URI", uri.as_str())];
    let start = || project.start_with(CHAMPION, "cache", &variables);
    start().serves(&first, "1").without_warning();

    server.handle.stop(false).await;
    let down = start();
    down.serves(&first, "1").says("Connection refused").says("(tried 3 times)");
    assert!(!down.log.contains("hidden"), "{}", down.log);
    let patient = [("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"), variables[0]];
    let start_without = project.start_with(CHAMPION, "other", &patient);
    start_without.is_refused().says("Connection refused").says("(tried 2 times)");
    start_without.says("; and the cache other has no copy of an earlier start");

    *all.lock().unwrap() = answers("2", &second);
    let server = Server::start(port, all);
    start().serves(&second, "2").without_warning();
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn a_server_that_stumbles_is_told_from_one_that_refuses() {
    let project = Project::new();
    let (first, second) = (artifact(-100.0), artifact(-200.0));
    let all = Answers::new(Mutex::new(answers("1", &first)));
    let server = Server::start(0, Arc::clone(&all));
    let uri = format!("http://127.0.0.1:{}", server.port);
    let variables = [("MLFLOW_TRACKING_URI", uri.as_str())];
    let start = || project.start_with(CHAMPION, "cache", &variables);
    start().serves(&first, "1");
    let error = |code: &str| json!({ "error_code": code, "message": "so it is" }).to_string();

    for (path, status, body, says) in [
        (ALIAS, 503, error("TEMPORARILY_UNAVAILABLE"), "503 TEMPORARILY_UNAVAILABLE: so it is"),
        (ALIAS, 200, "<html>Sign in".to_owned(), "not what an MLflow 3 server gives"),
        (FILE, 500, error("INTERNAL_ERROR"), "500 INTERNAL_ERROR: so it is"),
    ] {
        *all.lock().unwrap() = answers("2", &second);
        all.lock().unwrap().insert(path, (status, body));
        start().serves(&first, "1").says("Starting with the cached version 1").says(says);
    }
    for (path, status, body, says) in [
        (ALIAS, 404, error("RESOURCE_DOES_NOT_EXIST"), "is not in http://127.0.0.1:"),
        (ALIAS, 401, String::new(), "check MLFLOW_TRACKING_USERNAME"),
        // A version that is no model of ours must not be taken for an outage.
        (FILE, 200, "{}".to_owned(), "is no model that can be used"),
    ] {
        *all.lock().unwrap() = answers("2", &second);
        all.lock().unwrap().insert(path, (status, body));
        start().is_refused().says("cannot serve models:/").says(says);
    }
    server.handle.stop(false).await;
}
