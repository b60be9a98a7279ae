//! What a process leaves that was killed between two writes, made by hand.

use std::fs::File;

use super::Place;
use crate::store::Store;
use crate::types::{NewModelVersion, RunStatus};

#[tokio::test]
async fn what_killed_writers_left_goes_and_what_others_write_stays() {
    let place = Place::new();
    place.start().await;
    let left = [place.path(".tmp/file-left"), place.path(".tmp/folder-left")];
    std::fs::write(&left[0], "{").unwrap();
    std::fs::create_dir(&left[1]).unwrap();
    std::fs::write(left[1].join("run.json"), "{").unwrap();
    let live = place.path(".tmp/file-live");
    let held = File::create(&live).unwrap();
    held.try_lock().unwrap();

    let other = place.other();
    other.register_model("m").await.unwrap();
    assert!(!left[0].exists() && !left[1].exists());
    assert!(live.exists());
    drop(held);
    // A store tidies once; the next one that writes takes the rest.
    place.other().register_model("n").await.unwrap();
    assert!(!live.exists());
}

#[tokio::test]
async fn a_store_that_was_hardly_begun_is_empty() {
    let place = Place::new();
    std::fs::create_dir_all(place.path(".tmp")).unwrap();
    std::fs::write(place.path(".lock"), "").unwrap();
    std::fs::write(place.path(".tmp/file-1"), "{\"form").unwrap();
    let store = place.other();
    assert!(store.experiments().await.unwrap().is_empty());
    store.experiment("fraud").await.unwrap();
    assert!(place.path("format.json").exists() && !place.path(".tmp/file-1").exists());
}

#[tokio::test]
async fn a_version_whose_model_was_not_written_counts() {
    let place = Place::new();
    let run = place.start().await;
    let model = place.model(&run).await;
    place.store.register_model("m").await.unwrap();
    let new = NewModelVersion {
        name: "m".into(),
        source: format!("models:/{}", model.info.model_id),
        model_id: Some(model.info.model_id.clone()),
        ..NewModelVersion::default()
    };
    let before = std::fs::read(place.path("registered/m/model.json")).unwrap();
    let one = place.store.create_version(&new).await.unwrap();
    std::fs::write(place.path("registered/m/model.json"), before).unwrap();

    assert_eq!(place.other().version("m", "1").await.unwrap(), one);
    assert_eq!(place.other().create_version(&new).await.unwrap().version, "2");
}

#[tokio::test]
async fn a_run_whose_lock_file_is_left_or_lost_shows_as_killed() {
    let place = Place::new();
    let store = place.other();
    let experiment_id = store.experiment("fraud").await.unwrap().experiment_id;
    let new = crate::types::NewRun { experiment_id, ..Default::default() };
    let id = store.create_run(&new).await.unwrap().info.run_id;
    drop(store);
    let active = place.path(format!("runs/{id}/active"));
    assert!(active.exists());
    assert_eq!(place.store.run(&id).await.unwrap().info.status, RunStatus::Killed);
    std::fs::remove_file(active).unwrap();
    assert_eq!(place.store.run(&id).await.unwrap().info.status, RunStatus::Killed);
}
