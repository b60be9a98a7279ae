//! The local store as its users see it.

mod artifacts;
mod crashes;
mod registry;
mod runs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::LocalStore;
use crate::error::Error;
use crate::store::Store;
use crate::types::{
    KeyValue, LoggedModel, LoggedModelStatus, NewLoggedModel, NewRun, Run, RunSearch,
};

/// A store in a temporary folder.
struct Place {
    folder: tempfile::TempDir,
    store: LocalStore,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path().join("registry")).unwrap();
        Self { folder, store }
    }

    /// What is at a path in the store.
    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("registry").join(path)
    }

    /// The same store as another process has it.
    fn other(&self) -> LocalStore {
        LocalStore::open(self.path("")).unwrap()
    }

    /// A file outside of the store.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn start(&self) -> Run {
        let experiment_id = self.store.experiment("fraud").await.unwrap().experiment_id;
        self.store.create_run(&NewRun { experiment_id, ..NewRun::default() }).await.unwrap()
    }

    /// A logged model of a run, with one file.
    async fn model(&self, run: &Run) -> LoggedModel {
        let new = NewLoggedModel {
            experiment_id: run.info.experiment_id.clone(),
            name: "model".to_owned(),
            source_run_id: run.info.run_id.clone(),
            params: vec![KeyValue::new("l2", 1.0)],
            tags: Vec::new(),
        };
        let model = self.store.create_logged_model(&new).await.unwrap();
        let file = self.file("model.json", "{}");
        let uri = &model.info.artifact_uri;
        self.store.upload_artifact(uri, "model.json", &file).await.unwrap();
        let ready = LoggedModelStatus::Ready;
        self.store.finish_logged_model(&model.info.model_id, ready).await.unwrap()
    }
}

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn an_absent_folder_is_an_empty_store_until_the_first_write() {
    let place = Place::new();
    assert!(place.store.experiments().await.unwrap().is_empty());
    assert!(place.store.registered_models().await.unwrap().is_empty());
    assert!(place.store.search_runs(&RunSearch::default()).await.unwrap().is_empty());
    assert!(place.store.versions(None).await.unwrap().is_empty());
    assert!(!place.path("").exists());

    place.start().await;
    let format = std::fs::read_to_string(place.path("format.json")).unwrap();
    assert_eq!(format.split_whitespace().collect::<String>(), r#"{"format":"fraud-registry/1"}"#);
    assert!(place.store.location().ends_with("registry"));
    assert_eq!(place.other().search_runs(&RunSearch::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_format_and_another_folder_are_refused() {
    let place = Place::new();
    place.start().await;
    std::fs::write(place.path("format.json"), r#"{"format": "fraud-registry/2"}"#).unwrap();
    let text = message(LocalStore::open(place.path("")));
    assert!(text.contains("format.json is \"fraud-registry/2\""), "{text}");
    assert!(text.contains("expected \"fraud-registry/1\""), "{text}");
    // A store that was open when the format changed writes nothing either.
    assert!(place.store.register_model("m").await.is_err());

    std::fs::write(place.path("format.json"), "{").unwrap();
    let error = LocalStore::open(place.path("")).unwrap_err();
    assert!(
        matches!(&error, Error::Damaged { path, .. } if path.ends_with("format.json")),
        "{error}"
    );

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let text = message(LocalStore::open(folder.path()));
    assert!(text.contains("notes.txt") && text.contains("expected a store"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    // A volume that was just made is as good as empty.
    let volume = tempfile::tempdir().unwrap();
    std::fs::create_dir(volume.path().join("lost+found")).unwrap();
    let store = LocalStore::open(volume.path()).unwrap();
    assert_eq!(store.register_model("m").await.unwrap().name, "m");
}

#[tokio::test]
async fn experiments_are_numbered_and_found_by_name() {
    let place = Place::new();
    for (name, id) in [("fraud", "1"), ("Fraud", "2"), ("a/b ü ..", "3"), ("fraud", "1")] {
        let experiment = place.store.experiment(name).await.unwrap();
        assert_eq!((experiment.name.as_str(), experiment.experiment_id.as_str()), (name, id));
        assert_eq!(experiment.lifecycle_stage, "active");
    }
    assert_eq!(place.store.experiments().await.unwrap().len(), 3);
    assert!(message(place.store.experiment("").await).contains("expected a name"));

    let text = message(
        place.store.create_run(&NewRun { experiment_id: "9".into(), ..NewRun::default() }).await,
    );
    assert!(text.contains("experiment \"9\" is not in"), "{text}");
    assert!(text.contains("; there are 1 (\"fraud\"), 2 (\"Fraud\"), 3"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_stores_agree_on_one_experiment_and_one_model() {
    let place = Place::new();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = place.other();
            tokio::spawn(async move {
                let id = store.experiment("same").await.unwrap().experiment_id;
                store.register_model("same").await.unwrap();
                id
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), "1");
    }
    assert_eq!(place.store.experiments().await.unwrap().len(), 1);
    assert_eq!(place.store.registered_models().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lock_that_is_never_free_is_an_error_that_names_it() {
    let place = Place::new();
    place.start().await;
    let lock = std::fs::File::open(place.path(".lock")).unwrap();
    lock.lock().unwrap();
    let impatient = LocalStore::with_lock_wait(&place.path(""), Duration::from_millis(30)).unwrap();
    let text = message(impatient.register_model("m").await);
    assert!(
        text.contains(".lock") && text.contains("another process has held it for 30ms"),
        "{text}"
    );
    // Reading needs no lock, and who waits long enough gets it.
    assert_eq!(impatient.experiments().await.unwrap().len(), 1);
    let patient = place.other();
    let waiting = tokio::spawn(async move { patient.register_model("m").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    lock.unlock().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().name, "m");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_the_rest_stays_readable() {
    let place = Place::new();
    let (good, bad) = (place.start().await, place.start().await);
    place.store.experiment("other").await.unwrap();
    let model = place.model(&good).await;
    for name in ["good", "bad"] {
        place.store.register_model(name).await.unwrap();
    }
    let other_model = place.model(&good).await;
    let files = [
        place.path("experiments/2.json"),
        place.path(format!("runs/{}/run.json", bad.info.run_id)),
        place.path(format!("logged-models/{}/model.json", other_model.info.model_id)),
        place.path("registered/bad/model.json"),
    ];
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        std::fs::write(file, &whole[..whole.len() / 2]).unwrap();
    }

    let damaged = |error: Error, file: &PathBuf| {
        assert!(matches!(&error, Error::Damaged { path, .. } if path == file), "{error}");
    };
    damaged(place.store.experiment("other").await.unwrap_err(), &files[0]);
    damaged(place.store.run(&bad.info.run_id).await.unwrap_err(), &files[1]);
    let id = &other_model.info.model_id;
    damaged(place.store.logged_model(id).await.unwrap_err(), &files[2]);
    damaged(place.store.registered_model("bad").await.unwrap_err(), &files[3]);
    damaged(place.store.register_model("bad").await.unwrap_err(), &files[3]);

    assert_eq!(place.store.experiments().await.unwrap().len(), 1);
    assert_eq!(place.store.experiment("fraud").await.unwrap().experiment_id, "1");
    let runs = place.store.search_runs(&RunSearch::default()).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].info.run_id, good.info.run_id);
    let models = place.store.logged_models(&["1".to_owned()]).await.unwrap();
    assert_eq!(models, [model]);
    let registered = place.store.registered_models().await.unwrap();
    assert_eq!(registered.len(), 1);
    assert_eq!(registered[0].name, "good");
    assert!(place.store.versions(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_in_the_wrong_place_is_damaged() {
    let place = Place::new();
    let (one, two) = (place.start().await, place.start().await);
    let file = |run: &Run| place.path(format!("runs/{}/run.json", run.info.run_id));
    std::fs::copy(file(&one), file(&two)).unwrap();
    let text = message(place.store.run(&two.info.run_id).await);
    assert!(text.contains(&format!("expected run {}", two.info.run_id)), "{text}");
}

#[tokio::test]
async fn a_moved_store_holds() {
    let place = Place::new();
    let run = place.start().await;
    let model = place.model(&run).await;
    let moved = place.folder.path().join("moved");
    std::fs::rename(place.path(""), &moved).unwrap();
    let store = LocalStore::open(&moved).unwrap();
    let to = place.folder.path().join("copy.json");
    store.download_artifact(&model.info.artifact_uri, "model.json", &to).await.unwrap();
    assert_eq!(std::fs::read_to_string(to).unwrap(), "{}");
}
