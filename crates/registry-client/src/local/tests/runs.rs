use std::time::Instant;

use super::{Place, message};
use crate::store::Store;
use crate::types::{
    Batch, CONTEXT, Dataset, DatasetInput, KeyValue, Metric, NewRun, RunSearch, RunStatus, value_of,
};

fn metric(key: &str, step: i64, timestamp: i64, value: f64) -> Metric {
    Metric { key: key.into(), value, timestamp, step, ..Metric::default() }
}

#[tokio::test]
async fn a_run_keeps_what_it_was_given() {
    let place = Place::new();
    let experiment_id = place.store.experiment("fraud").await.unwrap().experiment_id;
    let new = NewRun {
        experiment_id: experiment_id.clone(),
        name: "first".into(),
        tags: vec![KeyValue::new("team", "risk"), KeyValue::new("team", "payments")],
        start_time: Some(17),
    };
    let run = place.store.create_run(&new).await.unwrap();
    let id = &run.info.run_id;
    assert_eq!(run.info.status, RunStatus::Running);
    assert_eq!((run.info.start_time, run.info.end_time), (17, 0));
    assert_eq!(run.info.artifact_uri, format!("local:runs/{id}/artifacts"));
    assert_eq!(run.info.lifecycle_stage, "active");
    assert!(!run.info.user_id.is_empty());
    let expected = [KeyValue::new("mlflow.runName", "first"), KeyValue::new("team", "payments")];
    assert_eq!(run.data.tags, expected);
    assert_eq!(place.other().run(id).await.unwrap(), run);

    let batch = Batch {
        metrics: vec![metric("loss", 0, 1, 0.5), metric("loss", 1, 2, f64::NAN)],
        params: vec![KeyValue::new("solver", "lbfgs"), KeyValue::new("empty", "")],
        tags: vec![KeyValue::new("team", "risk"), KeyValue::new("mlflow.runName", "second")],
    };
    place.store.log_batch(id, &batch).await.unwrap();
    place.store.update_run(id, RunStatus::Finished, Some(99)).await.unwrap();
    let run = place.other().run(id).await.unwrap();
    assert_eq!((run.info.status, run.info.end_time), (RunStatus::Finished, 99));
    assert_eq!(run.info.run_name, "second");
    assert_eq!(run.data.params, batch.params);
    assert_eq!(value_of(&run.data.tags, "team"), Some("risk"));
    assert!(run.metric("loss").unwrap().is_nan());
}

#[tokio::test]
async fn names_and_their_tag_agree() {
    let place = Place::new();
    let experiment_id = place.store.experiment("fraud").await.unwrap().experiment_id;
    let new = |name: &str, tag: &str| NewRun {
        experiment_id: experiment_id.clone(),
        name: name.into(),
        tags: vec![KeyValue::new("mlflow.runName", tag)],
        start_time: None,
    };
    let made_up = place.start().await;
    assert_eq!(made_up.info.run_name, format!("run-{}", &made_up.info.run_id[..8]));
    let name = &made_up.info.run_name;
    assert_eq!(value_of(&made_up.data.tags, "mlflow.runName"), Some(name.as_str()));
    let run = place.store.create_run(&new("", "tagged")).await.unwrap();
    assert_eq!(run.info.run_name, "tagged");
    let text = message(place.store.create_run(&new("one", "other")).await);
    assert!(text.contains("\"one\"") && text.contains("\"other\""), "{text}");
}

#[tokio::test]
async fn parameters_are_set_once_and_a_refused_batch_changes_nothing() {
    let place = Place::new();
    let id = place.start().await.info.run_id;
    let params = |params: &[(&str, &str)]| Batch {
        metrics: vec![metric("m", 0, params.len().try_into().unwrap(), 1.0)],
        params: params.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect(),
        tags: Vec::new(),
    };
    place.store.log_batch(&id, &params(&[("l2", "1"), ("l2", "1")])).await.unwrap();
    place.store.log_batch(&id, &params(&[("l2", "1")])).await.unwrap();
    let before = place.store.run(&id).await.unwrap();
    let text = message(
        place.store.log_batch(&id, &params(&[("new", "1"), ("l2", "2"), ("c", "d")])).await,
    );
    assert!(text.contains("\"l2\" = \"2\"") && text.contains("has it as \"1\""), "{text}");
    let text = message(place.store.log_batch(&id, &params(&[("x", "1"), ("x", "2")])).await);
    assert!(text.contains("has it as \"1\""), "{text}");
    assert_eq!(place.store.run(&id).await.unwrap(), before);

    for (kind, batch) in [
        ("metric", Batch { metrics: vec![metric("", 0, 0, 0.0)], ..Batch::default() }),
        ("parameter", Batch { params: vec![KeyValue::new("", "v")], ..Batch::default() }),
        ("tag", Batch { tags: vec![KeyValue::new("", "v")], ..Batch::default() }),
    ] {
        let text = message(place.store.log_batch(&id, &batch).await);
        assert!(text.contains(&format!("a {kind} without a key")), "{text}");
    }
    // What a server refuses could not be pushed.
    for key in ["a#b", "a\"", "a@b", "a\n", "/a", "a/", "a//b", "..", "a/../b", "./a", "💳"] {
        let batch = Batch { metrics: vec![metric(key, 0, 0, 0.0)], ..Batch::default() };
        let text = message(place.store.log_batch(&id, &batch).await);
        assert!(text.contains(&format!("the metric {key:?}")), "{text}");
    }
    for key in ["größe a/b", "system/cpu.load-1: x", "...", "_"] {
        let batch = Batch { metrics: vec![metric(key, 0, 0, 0.0)], ..Batch::default() };
        place.store.log_batch(&id, &batch).await.unwrap();
    }
}

#[tokio::test]
async fn a_metric_value_is_kept_once_and_the_latest_is_the_highest() {
    let place = Place::new();
    let id = place.start().await.info.run_id;
    // MLflow's rule: the highest (step, timestamp, value), whatever the order of arrival.
    let metrics = vec![
        metric("auc", 2, 5, 0.7),
        metric("auc", 2, 5, 0.9),
        metric("auc", 2, 5, 0.8),
        metric("auc", 1, 9, 1.0),
        metric("auc", 2, 5, 0.9),
        metric("ap", 0, 0, -0.0),
        metric("ap", 0, 0, 0.0),
        metric("nan", 0, 0, f64::NAN),
        metric("nan", 0, 0, -f64::NAN),
        metric("inf", 0, 0, f64::NEG_INFINITY),
    ];
    let batch = Batch { metrics, ..Batch::default() };
    for _ in 0..2 {
        place.store.log_batch(&id, &batch).await.unwrap();
    }
    let run = place.store.run(&id).await.unwrap();
    let keys: Vec<_> = run.data.metrics.iter().map(|metric| metric.key.as_str()).collect();
    assert_eq!(keys, ["ap", "auc", "inf", "nan"]);
    assert_eq!(run.metric("auc"), Some(0.9));
    assert_eq!(run.metric("inf"), Some(f64::NEG_INFINITY));
    let history = place.store.metric_history(&id, "auc").await.unwrap();
    let history: Vec<_> = history.iter().map(|m| (m.step, m.timestamp, m.value)).collect();
    assert_eq!(history, [(1, 9, 1.0), (2, 5, 0.7), (2, 5, 0.8), (2, 5, 0.9)]);
    for key in ["ap", "nan"] {
        assert_eq!(place.store.metric_history(&id, key).await.unwrap().len(), 1);
    }
    assert!(place.store.metric_history(&id, "none").await.unwrap().is_empty());
}

#[tokio::test]
async fn thousands_of_metrics_fit_in_one_call() {
    let place = Place::new();
    let id = place.start().await.info.run_id;
    let all: Vec<_> = (0..20_000).map(|step| metric("loss", step, step, step as f64)).collect();
    let start = Instant::now();
    place.store.log_batch(&id, &Batch { metrics: all.clone(), ..Batch::default() }).await.unwrap();
    eprintln!("20,000 metrics in one call: {:?}", start.elapsed());
    assert_eq!(place.store.metric_history(&id, "loss").await.unwrap(), all);
}

#[tokio::test]
async fn data_sets_and_models_are_noted_once() {
    let place = Place::new();
    let run = place.start().await;
    let id = &run.info.run_id;
    let input = |digest: &str, context: &str| DatasetInput {
        tags: vec![KeyValue::new(CONTEXT, context)],
        dataset: Dataset { name: "data.csv".into(), digest: digest.into(), ..Dataset::default() },
    };
    for inputs in [
        [input("a", "training"), input("b", "validation")],
        [input("a", "training"), input("a", "validation")],
    ] {
        place.store.log_inputs(id, &inputs).await.unwrap();
    }
    let text = message(place.store.log_inputs(id, &[input("", "training")]).await);
    assert!(text.contains("name \"data.csv\" and digest \"\""), "{text}");

    let model = place.model(&run).await.info.model_id;
    for _ in 0..2 {
        place.store.log_outputs(id, &[model.clone(), model.clone()]).await.unwrap();
    }
    assert!(place.store.log_outputs(id, &["m-none".into()]).await.is_err());
    let run = place.store.run(id).await.unwrap();
    assert_eq!(run.inputs.dataset_inputs.len(), 3);
    assert_eq!(run.dataset("training").unwrap().digest, "a");
    assert_eq!(run.outputs.model_outputs.len(), 1);
    assert_eq!(run.outputs.model_outputs[0].model_id, model);
}

#[tokio::test]
async fn searches_filter_sort_and_stop() {
    let place = Place::new();
    let (one, two) =
        (place.store.experiment("1").await.unwrap(), place.store.experiment("2").await.unwrap());
    let mut ids = Vec::new();
    for (experiment, start, tag) in [(&one, 10, "a"), (&two, 30, "a"), (&one, 20, "b")] {
        let new = NewRun {
            experiment_id: experiment.experiment_id.clone(),
            name: String::new(),
            tags: vec![KeyValue::new("t", tag)],
            start_time: Some(start),
        };
        ids.push(place.store.create_run(&new).await.unwrap().info.run_id);
    }
    place.store.update_run(&ids[0], RunStatus::Failed, None).await.unwrap();
    let found = async |search: RunSearch| {
        let runs = place.store.search_runs(&search).await.unwrap();
        runs.iter()
            .map(|run| ids.iter().position(|id| *id == run.info.run_id).unwrap())
            .collect::<Vec<_>>()
    };
    let all = RunSearch::default;
    assert_eq!(found(all()).await, [1, 2, 0]);
    assert_eq!(found(RunSearch { limit: Some(2), ..all() }).await, [1, 2]);
    assert_eq!(found(RunSearch { experiment_ids: vec!["1".into()], ..all() }).await, [2, 0]);
    assert_eq!(found(RunSearch { tags: vec![KeyValue::new("t", "a")], ..all() }).await, [1, 0]);
    assert_eq!(found(RunSearch { status: Some(RunStatus::Failed), ..all() }).await, [0]);
    assert_eq!(found(RunSearch { status: Some(RunStatus::Running), ..all() }).await, [1, 2]);
}

#[tokio::test]
async fn a_run_whose_store_is_gone_shows_as_killed() {
    let place = Place::new();
    let other = place.other();
    let experiment_id = other.experiment("fraud").await.unwrap().experiment_id;
    let new = NewRun { experiment_id, ..NewRun::default() };
    let id = other.create_run(&new).await.unwrap().info.run_id;
    let ended = other.create_run(&new).await.unwrap().info.run_id;
    other.update_run(&ended, RunStatus::Finished, None).await.unwrap();
    let status = async |id: &str| place.store.run(id).await.unwrap().info.status;
    assert_eq!(status(&id).await, RunStatus::Running);
    // The same store opened again in the same process does not keep it alive.
    drop(place.other());
    assert_eq!(status(&id).await, RunStatus::Running);
    drop(other);
    let run = place.store.run(&id).await.unwrap();
    assert_eq!(run.info.status, RunStatus::Killed);
    assert!(run.info.end_time >= run.info.start_time && run.info.end_time > 0);
    assert_eq!(status(&ended).await, RunStatus::Finished);
    let killed = RunSearch { status: Some(RunStatus::Killed), ..RunSearch::default() };
    assert_eq!(place.store.search_runs(&killed).await.unwrap().len(), 1);

    // Another process may carry it on, and end it.
    place
        .store
        .log_batch(&id, &Batch { params: vec![KeyValue::new("a", 1)], ..Batch::default() })
        .await
        .unwrap();
    assert_eq!(status(&id).await, RunStatus::Killed);
    place.store.update_run(&id, RunStatus::Running, None).await.unwrap();
    place.store.update_run(&id, RunStatus::Running, None).await.unwrap();
    assert_eq!(place.other().run(&id).await.unwrap().info.status, RunStatus::Running);
    place.store.update_run(&id, RunStatus::Finished, None).await.unwrap();
    assert_eq!(status(&id).await, RunStatus::Finished);
    assert!(!place.path(format!("runs/{id}/active")).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_never_shows_as_killed_while_it_ends() {
    let place = Place::new();
    let id = place.start().await.info.run_id;
    let (reader, watched) = (place.other(), id.clone());
    let watch = tokio::spawn(async move {
        loop {
            match reader.run(&watched).await.unwrap().info.status {
                RunStatus::Running => {}
                status => return status,
            }
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    place.store.update_run(&id, RunStatus::Finished, None).await.unwrap();
    assert_eq!(watch.await.unwrap(), RunStatus::Finished);
}

#[tokio::test]
async fn what_is_no_run_is_not_found() {
    let place = Place::new();
    place.start().await;
    for id in ["", "..", "../experiments", "0123", &"f".repeat(32), &"F".repeat(32)] {
        let text = message(place.store.run(id).await);
        assert!(text.contains("is not in") && text.contains("fraud-registry runs"), "{text}");
        assert!(place.store.log_batch(id, &Batch::default()).await.is_err());
        assert!(place.store.update_run(id, RunStatus::Failed, None).await.is_err());
    }
}
