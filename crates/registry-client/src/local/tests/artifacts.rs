use std::os::unix::fs::PermissionsExt as _;

use super::{Place, message};
use crate::store::Store;

#[tokio::test]
async fn artifacts_go_up_and_come_back() {
    let place = Place::new();
    let run = place.start().await;
    let uri = &run.info.artifact_uri;
    assert!(place.store.list_artifacts(uri, "").await.unwrap().is_empty());
    // More than any buffer, and no multiple of one.
    let content: Vec<u8> = (0..3_000_001_u32).map(|i| (i % 251) as u8).collect();
    let file = place.file("large.bin", &content);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    for path in ["large.bin", "plots/pr curve ü.svg", "plots/deep/er/x", ".hidden"] {
        place.store.upload_artifact(uri, path, &file).await.unwrap();
    }
    let small = place.file("small", "small");
    place.store.upload_artifact(uri, "large.bin", &small).await.unwrap();

    let list = place.store.list_artifacts(uri, "").await.unwrap();
    let list: Vec<_> = list.iter().map(|f| (f.path.as_str(), f.is_dir, f.file_size)).collect();
    assert_eq!(list, [(".hidden", false, 3_000_001), ("large.bin", false, 5), ("plots", true, 0)]);
    let list = place.store.list_artifacts(uri, "plots").await.unwrap();
    let list: Vec<_> = list.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(list, ["plots/deep", "plots/pr curve ü.svg"]);
    assert!(place.store.list_artifacts(uri, "none").await.unwrap().is_empty());
    assert!(place.store.list_artifacts(uri, "large.bin").await.unwrap().is_empty());

    let to = place.folder.path().join("new/folder/copy.svg");
    place.store.download_artifact(uri, "plots/pr curve ü.svg", &to).await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), content);
    // Others may read it, whatever the original or a temporary file allows.
    assert_ne!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o044, 0);
    // What lies below a root is a root as well.
    let below = format!("{uri}/plots");
    assert_eq!(place.store.list_artifacts(&below, "deep").await.unwrap()[0].path, "deep/er");
    place.store.download_artifact(&below, "deep/er/x", &to).await.unwrap();
    assert_eq!(std::fs::read_dir(place.path(".tmp")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn paths_that_leave_the_root_are_refused() {
    let place = Place::new();
    let run = place.start().await;
    let uri = run.info.artifact_uri;
    let file = place.file("x", "x");
    let to = place.folder.path().join("to");
    for path in ["", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/", "a\\b", "..\\x", "a\0"] {
        for text in [
            message(place.store.upload_artifact(&uri, path, &file).await),
            message(place.store.download_artifact(&uri, path, &to).await),
        ] {
            assert!(text.contains("refuses the artifact path"), "{path:?}: {text}");
        }
        if !path.is_empty() {
            assert!(place.store.list_artifacts(&uri, path).await.is_err(), "{path:?}");
        }
    }
    let run_folder = uri.strip_suffix("/artifacts").unwrap();
    for uri in [
        "",
        "local:",
        "local:runs",
        "local:experiments/1/artifacts",
        "s3://bucket/x",
        "/tmp",
        run_folder,
        &format!("{uri}/../.."),
        &format!("{uri}/"),
    ] {
        let text = message(place.store.list_artifacts(uri, "").await);
        assert!(text.contains("refuses the artifact"), "{uri:?}: {text}");
    }
    for uri in ["local:runs/../artifacts", "local:logged-models/m-1/artifacts/x"] {
        let text = message(place.store.list_artifacts(uri, "").await);
        assert!(text.contains("is not in"), "{uri:?}: {text}");
    }
    assert!(!to.exists());
}

#[tokio::test]
async fn files_and_folders_do_not_replace_each_other() {
    let place = Place::new();
    let uri = place.start().await.info.artifact_uri;
    let file = place.file("x", "x");
    place.store.upload_artifact(&uri, "a/b", &file).await.unwrap();
    let text = message(place.store.upload_artifact(&uri, "a", &file).await);
    assert!(text.contains("it is a folder there"), "{text}");
    // What a server refuses could not be pushed.
    for path in ["a#b", "a%20b"] {
        let text = message(place.store.upload_artifact(&uri, path, &file).await);
        assert!(text.contains("cannot keep names with"), "{text}");
    }
    for path in ["a/b/c", "a/b/c/d"] {
        let text = message(place.store.upload_artifact(&uri, path, &file).await);
        assert!(text.contains("a part of it is a file there"), "{text}");
    }
    let absent = place.folder.path().join("absent");
    let text = message(place.store.upload_artifact(&uri, "c", &absent).await);
    assert!(text.contains("cannot read") && text.contains("absent"), "{text}");
    let text = message(place.store.download_artifact(&uri, "a/c", &absent).await);
    assert!(text.contains("artifact \"a/c\"") && text.contains("; there is a/b"), "{text}");
    assert!(!absent.exists());
}
