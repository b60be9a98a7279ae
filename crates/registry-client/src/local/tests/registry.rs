use super::{Place, message};
use crate::error::Error;
use crate::store::Store;
use crate::types::{
    Batch, KeyValue, LoggedModel, LoggedModelStatus, Metric, ModelVersion, NewLoggedModel,
    NewModelVersion,
};

fn of(model: &LoggedModel, name: &str) -> NewModelVersion {
    NewModelVersion {
        name: name.to_owned(),
        source: format!("models:/{}", model.info.model_id),
        model_id: Some(model.info.model_id.clone()),
        ..NewModelVersion::default()
    }
}

fn numbers(versions: &[ModelVersion]) -> Vec<&str> {
    versions.iter().map(|version| version.version.as_str()).collect()
}

#[tokio::test]
async fn a_logged_model_collects_params_files_and_metrics() {
    let place = Place::new();
    let run = place.start().await;
    let new = NewLoggedModel {
        experiment_id: "1".into(),
        name: "model".into(),
        source_run_id: run.info.run_id.clone(),
        params: (0..150).map(|i| KeyValue::new(format!("p{i}"), i)).collect(),
        tags: vec![KeyValue::new("kind", "logistic")],
    };
    let model = place.store.create_logged_model(&new).await.unwrap();
    let id = &model.info.model_id;
    assert_eq!(model.info.status, LoggedModelStatus::Pending);
    assert_eq!(model.info.artifact_uri, format!("local:logged-models/{id}/artifacts"));
    let auc = Metric { model_id: Some(id.clone()), ..Metric::at_step("auc", 0.97, 3) };
    let batch = Batch { metrics: vec![auc.clone(), Metric::now("loss", 1.0)], ..Batch::default() };
    for _ in 0..2 {
        place.store.log_batch(&run.info.run_id, &batch).await.unwrap();
    }
    let ready = place.store.finish_logged_model(id, LoggedModelStatus::Ready).await.unwrap();
    assert_eq!(ready.info.status, LoggedModelStatus::Ready);
    assert_eq!(ready.data.params, new.params);
    assert_eq!(ready.data.metrics, [auc]);
    assert_eq!(place.other().logged_model(id).await.unwrap(), ready);

    // A metric of a model that is not there is refused before anything is written.
    let lost = Metric { model_id: Some("m-1".into()), ..Metric::now("x", 1.0) };
    let batch = Batch { metrics: vec![lost], ..Batch::default() };
    assert!(message(place.store.log_batch(&run.info.run_id, &batch).await).contains("m-1"));
    assert!(place.store.run(&run.info.run_id).await.unwrap().metric("x").is_none());

    let second = place.model(&run).await;
    let models = place.store.logged_models(&["1".into(), "7".into()]).await.unwrap();
    assert_eq!(models.len(), 2);
    assert!(models.contains(&ready) && models.contains(&second));
    assert!(place.store.logged_models(&["2".into()]).await.unwrap().is_empty());
    for name in ["", "a/b", "a.b", "a:b", "50%"] {
        let new = NewLoggedModel { name: name.into(), ..new.clone() };
        assert!(message(place.store.create_logged_model(&new).await).contains("expected a name"));
    }
    for id in ["m-", "..", "m-../x"] {
        assert!(matches!(place.store.logged_model(id).await, Err(Error::NotFound { .. })), "{id}");
    }
}

#[tokio::test]
async fn names_of_any_kind_are_kept_apart() {
    let place = Place::new();
    let long = "x".repeat(2_000);
    let longer = format!("{long}y");
    let names = [
        "fraud", "Fraud", "FRAUD", "a b", "a\\b", "...", ".hidden", "%2e", "é", "e\u{301}", "💳",
        "con", "tab\t", &long, &longer,
    ];
    for name in names {
        assert_eq!(place.store.register_model(name).await.unwrap().name, name);
        place.store.describe_model(name, &format!("I am {name}")).await.unwrap();
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let models = place.other().registered_models().await.unwrap();
    assert_eq!(models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), sorted);
    for name in names {
        let model = place.store.registered_model(name).await.unwrap();
        assert_eq!(model.description, format!("I am {name}"));
    }
    let text = message(place.store.registered_model("frauds").await);
    assert!(text.contains("registered model \"frauds\" is not in"), "{text}");
    assert!(text.contains("; there are ") && text.contains("(15 registered models)"), "{text}");
    // What a server refuses could not be pushed.
    for name in ["", " ", "a/b", "a:b", "..", ".", "/"] {
        assert!(message(place.store.register_model(name).await).contains("expected a name"));
    }
}

#[tokio::test]
async fn versions_are_numbered_and_never_reused() {
    let place = Place::new();
    let run = place.start().await;
    let model = place.model(&run).await;
    assert!(
        message(place.store.create_version(&of(&model, "m")).await)
            .contains("no registered models")
    );
    place.store.register_model("m").await.unwrap();
    let new = NewModelVersion {
        description: "first".into(),
        tags: vec![KeyValue::new("a", 1), KeyValue::new("a", 2)],
        ..of(&model, "m")
    };
    let first = place.store.create_version(&new).await.unwrap();
    assert_eq!((first.version.as_str(), first.description.as_str()), ("1", "first"));
    assert_eq!(first.tags, [KeyValue::new("a", 2)]);
    assert_eq!(first.run_id, run.info.run_id, "that of the logged model");
    assert_eq!(place.store.version("m", "1").await.unwrap(), first);
    for _ in 0..11 {
        place.store.create_version(&of(&model, "m")).await.unwrap();
    }
    let versions = place.store.versions(Some("m")).await.unwrap();
    assert_eq!(numbers(&versions)[..3], ["12", "11", "10"]);
    // Not even after the latest was taken away by hand.
    std::fs::remove_file(place.path("registered/m/versions/12.json")).unwrap();
    assert_eq!(place.store.create_version(&of(&model, "m")).await.unwrap().version, "13");
    for version in ["0", "12", "01", "latest", "../model", ""] {
        let text = message(place.store.version("m", version).await);
        assert!(
            text.contains("; there are 13, 11, 10") && text.contains("(12 versions)"),
            "{text}"
        );
    }

    place.store.tag_version("m", "1", &[KeyValue::new("b", "c")]).await.unwrap();
    place.store.untag_version("m", "1", "a").await.unwrap();
    place.store.untag_version("m", "1", "none").await.unwrap();
    place.store.describe_version("m", "1", "new").await.unwrap();
    let version = place.store.version("m", "1").await.unwrap();
    assert_eq!(version.tags, [KeyValue::new("b", "c")]);
    assert_eq!(version.description, "new");
    let registered = place.store.registered_model("m").await.unwrap();
    assert!(registered.last_updated_timestamp >= version.last_updated_timestamp);
    assert!(place.store.tag_version("m", "99", &[]).await.is_err());

    place.store.register_model("n").await.unwrap();
    place.store.create_version(&of(&model, "n")).await.unwrap();
    let all = place.store.versions(None).await.unwrap();
    assert_eq!((all.len(), all[0].name.as_str(), all[12].name.as_str()), (13, "m", "n"));
}

#[tokio::test]
async fn sources_are_checked_as_a_server_does() {
    let place = Place::new();
    let run = place.start().await;
    let (model, other) = (place.model(&run).await, place.model(&run).await);
    place.store.register_model("m").await.unwrap();
    let run_uri = &run.info.artifact_uri;
    let new = |source: &str, run_id: Option<&str>, model_id: Option<&str>| NewModelVersion {
        name: "m".into(),
        source: source.into(),
        run_id: run_id.map(str::to_owned),
        model_id: model_id.map(str::to_owned),
        ..NewModelVersion::default()
    };
    let (run_id, id) = (Some(run.info.run_id.as_str()), Some(model.info.model_id.as_str()));
    let source = format!("models:/{}", model.info.model_id);
    for (source, run_id, model_id, expected) in [
        (source.as_str(), None, None, "expected model_id"),
        (&source, None, Some(other.info.model_id.as_str()), "expected model_id"),
        ("models:/m-0123", None, Some("m-0123"), "logged model \"m-0123\" is not in"),
        ("models:/m/1", None, id, "expected models:/m-…"),
        ("s3://bucket/model", run_id, None, "expected an artifact URI in local:runs/"),
        ("runs:/x/model", run_id, None, "expected an artifact URI in local:runs/"),
        (run_uri, None, None, "with its run_id"),
        (run_uri, None, id, "expected an artifact URI in local:logged-models/"),
        (&format!("{run_uri}x"), run_id, None, "expected an artifact URI in"),
        (&format!("{run_uri}/../x"), run_id, None, "refuses the artifact path"),
        (run_uri, Some("0123"), None, "run \"0123\" is not in"),
    ] {
        let text = message(place.store.create_version(&new(source, run_id, model_id)).await);
        assert!(text.contains(expected), "{source} {run_id:?} {model_id:?}: {text}");
    }
    assert!(place.store.versions(Some("m")).await.unwrap().is_empty());

    let below = format!("{run_uri}/model");
    let model_uri = &model.info.artifact_uri;
    for (source, run_id, model_id, artifacts) in [
        (source.as_str(), None, id, model_uri),
        (model_uri, run_id, id, model_uri),
        (run_uri, run_id, None, run_uri),
        (&below, run_id, None, &below),
    ] {
        let version = place.store.create_version(&new(source, run_id, model_id)).await.unwrap();
        assert_eq!(version.source, source);
        assert_eq!(place.store.version_artifacts(&version).await.unwrap(), *artifacts);
    }
    let version = place.store.version("m", "1").await.unwrap();
    let uri = place.store.version_artifacts(&version).await.unwrap();
    assert_eq!(place.store.list_artifacts(&uri, "").await.unwrap()[0].path, "model.json");
}

#[tokio::test]
async fn aliases_move_and_show_on_both_sides() {
    let place = Place::new();
    let run = place.start().await;
    let model = place.model(&run).await;
    place.store.register_model("m").await.unwrap();
    for _ in 0..2 {
        place.store.create_version(&of(&model, "m")).await.unwrap();
    }
    for (alias, version) in [("champion", "1"), ("challenger", "2"), ("über_1", "1")] {
        place.store.set_alias("m", alias, version).await.unwrap();
    }
    let aliases = async |version: &str| place.store.version("m", version).await.unwrap().aliases;
    assert_eq!(aliases("1").await, ["champion", "über_1"]);
    place.store.set_alias("m", "champion", "2").await.unwrap();
    assert_eq!(aliases("1").await, ["über_1"]);
    assert_eq!(aliases("2").await, ["champion", "challenger"]);
    assert_eq!(place.store.version_by_alias("m", "champion").await.unwrap().version, "2");
    let registered = place.other().registered_model("m").await.unwrap();
    assert_eq!(registered.version_of("champion"), Some("2"));
    assert_eq!(place.store.versions(Some("m")).await.unwrap()[0].aliases.len(), 2);
    // A change of the version does not fix its aliases.
    place.store.describe_version("m", "2", "d").await.unwrap();
    place.store.delete_alias("m", "champion").await.unwrap();
    place.store.delete_alias("m", "champion").await.unwrap();
    assert_eq!(aliases("2").await, ["challenger"]);
    let text = message(place.store.version_by_alias("m", "champion").await);
    assert!(text.contains("alias \"champion\" of") && text.contains("\"challenger\""), "{text}");

    for alias in ["", "latest", "LATEST", "v1", "V22", "a b", "a/b", "a.b", &"x".repeat(256)] {
        let text = message(place.store.set_alias("m", alias, "1").await);
        assert!(text.contains("refuses the alias") && text.contains("expected 1 to 255"), "{text}");
    }
    for alias in ["v", "v1a", "latest-1"] {
        place.store.set_alias("m", alias, "1").await.unwrap();
    }
    assert!(message(place.store.set_alias("m", "x", "3").await).contains("; there are 2, 1"));
    assert!(place.store.set_alias("none", "x", "1").await.is_err());
}

#[tokio::test]
async fn models_have_tags() {
    let place = Place::new();
    place.store.register_model("m").await.unwrap();
    let tags = [KeyValue::new("a", 1), KeyValue::new("b", 2), KeyValue::new("a", 3)];
    place.store.tag_model("m", &tags).await.unwrap();
    place.store.untag_model("m", "b").await.unwrap();
    place.store.untag_model("m", "none").await.unwrap();
    let model = place.store.registered_model("m").await.unwrap();
    assert_eq!(model.tags, [KeyValue::new("a", 3)]);
    assert!(place.store.tag_model("m", &[KeyValue::new("", 1)]).await.is_err());
    assert_eq!(place.store.register_model("m").await.unwrap(), model);
}
