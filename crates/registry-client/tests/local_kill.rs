//! The local store under processes that are killed at random moments, and under several at a time.
//!
//! The writers are this test program, started again. After each write that returned, a writer prints
//! what it wrote; that has to be there afterwards, whatever happened to the writer.
//! `FRAUD_KILLS` says how many to kill (120), `FRAUD_SEED` repeats a run.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fraud_registry::types::{
    Batch, Dataset, DatasetInput, KeyValue, LoggedModelStatus, Metric, NewLoggedModel,
    NewModelVersion, NewRun, RunSearch, RunStatus, value_of,
};
use fraud_registry::{LocalStore, Store};
use serde::{Deserialize, Serialize};

/// Name of the registered model that all write to: one that needs an encoded file name.
const MODEL: &str = "Fraud Detection é";
/// Values that each batch logs.
const VALUES: i64 = 40;

/// What a writer says that it wrote.
#[derive(Debug, Serialize, Deserialize)]
enum Fact {
    Experiment { name: String, id: String },
    Run { id: String },
    Batch { run: String, key: String, step: i64 },
    Input { run: String, digest: String },
    Artifact { uri: String, path: String, seed: u64 },
    Model { id: String },
    Ready { id: String },
    Output { run: String, model: String },
    Version { version: String, model: String },
    Tag { version: String },
    Alias { alias: String, version: String },
    Ended { run: String },
}

/// `SplitMix64`, which is enough to pick moments and sizes.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// An artifact's bytes, up to 300 kB.
fn content(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let length = random.below(300_000);
    (0..length).map(|_| random.below(256).to_le_bytes()[0]).collect()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn print(fact: &Fact) {
    let line = format!("\nack {}\n", serde_json::to_string(fact).unwrap());
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The writer: rounds of everything that a store can hold.
#[tokio::test]
#[ignore = "the process that the other tests start"]
async fn writer() {
    let Ok(folder) = std::env::var("LOCAL_KILL_FOLDER") else { return };
    let label = std::env::var("LOCAL_KILL_LABEL").unwrap();
    let shared = std::env::var("LOCAL_KILL_RUN").ok();
    let seed = setting("LOCAL_KILL_SEED").unwrap();
    let store = LocalStore::open(&folder).unwrap();
    let files = tempfile::tempdir().unwrap();
    for round in 0..setting("LOCAL_KILL_ROUNDS").unwrap_or(u64::MAX) {
        write_round(&store, &label, shared.as_deref(), seed + round, files.path(), |fact| {
            print(&fact);
        })
        .await;
    }
}

/// One round; `ack` hears of each write that returned.
async fn write_round(
    store: &LocalStore,
    label: &str,
    shared: Option<&str>,
    seed: u64,
    files: &Path,
    mut ack: impl FnMut(Fact),
) {
    let name = format!("experiment {}", seed % 5);
    let experiment_id = store.experiment(&name).await.unwrap().experiment_id;
    ack(Fact::Experiment { name, id: experiment_id.clone() });
    let new = NewRun { experiment_id: experiment_id.clone(), ..NewRun::default() };
    let run = store.create_run(&new).await.unwrap().info;
    ack(Fact::Run { id: run.run_id.clone() });
    for step in 0..3 {
        for run in [Some(run.run_id.as_str()), shared].into_iter().flatten() {
            let key = format!("{label} {seed}");
            store.log_batch(run, &batch(&key, step)).await.unwrap();
            ack(Fact::Batch { run: run.to_owned(), key, step });
        }
    }
    let digest = format!("{seed:x}");
    store.log_inputs(&run.run_id, &[input(&digest)]).await.unwrap();
    ack(Fact::Input { run: run.run_id.clone(), digest });

    let new = NewLoggedModel {
        experiment_id,
        name: "model".to_owned(),
        source_run_id: run.run_id.clone(),
        ..NewLoggedModel::default()
    };
    let model = store.create_logged_model(&new).await.unwrap().info;
    ack(Fact::Model { id: model.model_id.clone() });
    for (uri, path) in
        [(&run.artifact_uri, "plots/pr curve.svg"), (&model.artifact_uri, "model.json")]
    {
        let file = files.join("file");
        // The second takes the place of the first.
        for seed in [seed, seed + 1] {
            std::fs::write(&file, content(seed)).unwrap();
            store.upload_artifact(uri, path, &file).await.unwrap();
        }
        ack(Fact::Artifact { uri: uri.clone(), path: path.to_owned(), seed: seed + 1 });
    }
    store.finish_logged_model(&model.model_id, LoggedModelStatus::Ready).await.unwrap();
    ack(Fact::Ready { id: model.model_id.clone() });
    store.log_outputs(&run.run_id, std::slice::from_ref(&model.model_id)).await.unwrap();
    ack(Fact::Output { run: run.run_id.clone(), model: model.model_id.clone() });

    store.register_model(MODEL).await.unwrap();
    let new = NewModelVersion {
        name: MODEL.to_owned(),
        source: format!("models:/{}", model.model_id),
        run_id: Some(run.run_id.clone()),
        model_id: Some(model.model_id.clone()),
        ..NewModelVersion::default()
    };
    let version = store.create_version(&new).await.unwrap().version;
    ack(Fact::Version { version: version.clone(), model: model.model_id });
    store.tag_version(MODEL, &version, &[KeyValue::new("checked", "yes")]).await.unwrap();
    ack(Fact::Tag { version: version.clone() });
    store.set_alias(MODEL, label, &version).await.unwrap();
    ack(Fact::Alias { alias: label.to_owned(), version });
    store.update_run(&run.run_id, RunStatus::Finished, None).await.unwrap();
    ack(Fact::Ended { run: run.run_id });
}

fn batch(key: &str, step: i64) -> Batch {
    let steps = step * VALUES..(step + 1) * VALUES;
    Batch {
        metrics: steps.map(|step| Metric::at_step(key, step as f64, step)).collect(),
        params: vec![KeyValue::new(format!("{key} {step}"), step)],
        tags: vec![KeyValue::new(key, step)],
    }
}

fn input(digest: &str) -> DatasetInput {
    let dataset = Dataset { name: "data.csv".into(), digest: digest.into(), ..Dataset::default() };
    DatasetInput { tags: Vec::new(), dataset }
}

/// Fails unless a store holds what a writer said.
async fn check(store: &LocalStore, fact: &Fact, files: &Path) {
    let run = async |id: &str| store.run(id).await.unwrap();
    match fact {
        Fact::Experiment { name, id } => {
            let all = store.experiments().await.unwrap();
            let ids: Vec<_> =
                all.iter().filter(|e| e.name == *name).map(|e| &e.experiment_id).collect();
            assert_eq!(ids, [id], "{name}");
        }
        Fact::Run { id } => assert_eq!(run(id).await.info.run_id, *id),
        Fact::Batch { run: id, key, step } => {
            let history = store.metric_history(id, key).await.unwrap();
            for step in step * VALUES..(step + 1) * VALUES {
                let found = history.iter().filter(|m| m.step == step && m.value == step as f64);
                assert_eq!(found.count(), 1, "{fact:?}");
            }
            let data = run(id).await.data;
            let param = value_of(&data.params, &format!("{key} {step}"));
            assert_eq!(param, Some(step.to_string().as_str()), "{fact:?}");
            let tag: i64 = value_of(&data.tags, key).unwrap().parse().unwrap();
            assert!(tag >= *step, "{fact:?}: {tag}");
        }
        Fact::Input { run: id, digest } => {
            let inputs = run(id).await.inputs.dataset_inputs;
            assert!(inputs.iter().any(|input| input.dataset.digest == *digest), "{fact:?}");
        }
        Fact::Artifact { uri, path, seed } => {
            let to = files.join("download");
            store.download_artifact(uri, path, &to).await.unwrap();
            assert!(std::fs::read(to).unwrap() == content(*seed), "{fact:?}");
        }
        Fact::Model { id } => assert_eq!(store.logged_model(id).await.unwrap().info.model_id, *id),
        Fact::Ready { id } => {
            let status = store.logged_model(id).await.unwrap().info.status;
            assert_eq!(status, LoggedModelStatus::Ready, "{fact:?}");
        }
        Fact::Output { run: id, model } => {
            let outputs = run(id).await.outputs.model_outputs;
            assert!(outputs.iter().any(|output| output.model_id == *model), "{fact:?}");
        }
        Fact::Version { version, model } => {
            let version = store.version(MODEL, version).await.unwrap();
            assert_eq!(version.model_id, *model);
            let uri = store.version_artifacts(&version).await.unwrap();
            assert_eq!(store.list_artifacts(&uri, "").await.unwrap().len(), 1);
        }
        Fact::Tag { version } => {
            let tags = store.version(MODEL, version).await.unwrap().tags;
            assert_eq!(value_of(&tags, "checked"), Some("yes"));
        }
        Fact::Alias { alias, version } => {
            // The writer may have moved it on, which it did not come to say.
            let number = |text: &str| text.parse::<u64>().unwrap();
            let found = store.version_by_alias(MODEL, alias).await.unwrap().version;
            assert!(number(&found) >= number(version), "{fact:?}: {found}");
        }
        Fact::Ended { run: id } => assert_eq!(run(id).await.info.status, RunStatus::Finished),
    }
}

/// Reads everything in a store, where lists would leave out what is damaged.
async fn read_everything(store: &LocalStore, folder: &Path) {
    let names = |path: &str| -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(folder.join(path)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(store.experiments().await.unwrap().len(), names("experiments").len());
    let runs = names("runs");
    for run in &runs {
        let run = store.run(run).await.unwrap();
        store.list_artifacts(&run.info.artifact_uri, "").await.unwrap();
    }
    assert_eq!(store.search_runs(&RunSearch::default()).await.unwrap().len(), runs.len());
    for model in names("logged-models") {
        store.logged_model(&model).await.unwrap();
    }
    for name in names("registered") {
        let models = store.registered_models().await.unwrap();
        assert_eq!(models.len(), 1, "{name}");
        let versions = store.versions(Some(MODEL)).await.unwrap();
        assert_eq!(versions.len(), names(&format!("registered/{name}/versions")).len());
        for alias in &models[0].aliases {
            store.version_by_alias(MODEL, &alias.alias).await.unwrap();
        }
    }
}

/// A started writer, and what it said so far.
struct Writer {
    child: Child,
    facts: JoinHandle<Vec<Fact>>,
}

impl Writer {
    fn start(folder: &Path, label: &str, seed: u64, more: &[(&str, String)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "writer", "--nocapture"])
            .env("LOCAL_KILL_FOLDER", folder)
            .env("LOCAL_KILL_LABEL", label)
            .env("LOCAL_KILL_SEED", seed.to_string())
            .envs(more.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let facts = std::thread::spawn(move || {
            let line =
                |line: String| Some(serde_json::from_str(line.strip_prefix("ack ")?).unwrap());
            lines.map_while(Result::ok).filter_map(line).collect()
        });
        Self { child, facts }
    }

    fn kill(mut self) -> Vec<Fact> {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "the writer ended by itself: {status}");
        self.facts.join().unwrap()
    }

    fn wait(mut self) -> Vec<Fact> {
        assert!(self.child.wait().unwrap().success());
        self.facts.join().unwrap()
    }
}

fn seed() -> u64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let seed = setting("FRAUD_SEED").unwrap_or(u64::try_from(now % 1_000_000_007).unwrap());
    eprintln!("FRAUD_SEED={seed}");
    seed
}

#[tokio::test]
async fn a_killed_writer_leaves_all_that_it_finished() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("registry");
    let kills = setting("FRAUD_KILLS").unwrap_or(120);
    let seed = seed();
    let mut random = Random(seed);
    let mut facts = Vec::new();
    let (mut in_a_write, mut still_running, start) = (0, 0, Instant::now());
    for kill in 0..kills {
        let writer = Writer::start(&folder, "killed", seed + 1_000 * kill, &[]);
        std::thread::sleep(Duration::from_micros(random.below(150_000)));
        let new = writer.kill();

        let left = std::fs::read_dir(folder.join(".tmp")).map_or(0, Iterator::count);
        in_a_write += u32::from(left > 0);
        let store = LocalStore::open(&folder).unwrap();
        read_everything(&store, &folder).await;
        for fact in &new {
            check(&store, fact, place.path()).await;
        }
        let running = RunSearch { status: Some(RunStatus::Running), ..RunSearch::default() };
        assert_eq!(store.search_runs(&running).await.unwrap(), [], "kill {kill}");
        let ended = |fact: &Fact| matches!(fact, Fact::Ended { .. });
        still_running += u32::from(new.last().is_some_and(|last| !ended(last)));
        facts.extend(new);
        // And on it goes.
        let files = tempfile::tempdir().unwrap();
        let seed = seed + 1_000 * kill + 500;
        write_round(&store, "parent", None, seed, files.path(), |fact| facts.push(fact)).await;
        let left = std::fs::read_dir(folder.join(".tmp")).unwrap().count();
        assert_eq!(left, 0, "kill {kill}: files of a killed process are left");
    }
    let store = LocalStore::open(&folder).unwrap();
    for fact in &facts {
        check(&store, fact, place.path()).await;
    }
    let versions = store.versions(Some(MODEL)).await.unwrap();
    eprintln!(
        "{kills} kills in {:.1?}: {in_a_write} left an unfinished file, {still_running} a run without \
         an end; {} finished writes, all there; {} versions",
        start.elapsed(),
        facts.len(),
        versions.len()
    );
}

#[tokio::test]
async fn writers_at_the_same_time_lose_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("registry");
    let store = LocalStore::open(&folder).unwrap();
    let experiment_id = store.experiment("shared").await.unwrap().experiment_id;
    let new = NewRun { experiment_id, ..NewRun::default() };
    let shared = store.create_run(&new).await.unwrap().info.run_id;
    let seed = seed();
    let rounds = 12;
    let more = [("LOCAL_KILL_ROUNDS", rounds.to_string()), ("LOCAL_KILL_RUN", shared.clone())];
    let writers = ["a", "b"].map(|label| Writer::start(&folder, label, seed, &more));
    // A third one dies again and again beside them, while everything is read.
    let mut random = Random(seed);
    let mut facts = Vec::new();
    let mut kills = 0;
    while !writers.iter().all(|writer| writer.facts.is_finished()) {
        let killed = Writer::start(&folder, "killed", seed + 1_000 * (kills + 1), &[]);
        let end = Instant::now() + Duration::from_millis(random.below(200));
        while Instant::now() < end {
            store.search_runs(&RunSearch::default()).await.unwrap();
            store.registered_models().await.unwrap();
            assert_eq!(store.run(&shared).await.unwrap().info.status, RunStatus::Running);
        }
        facts.extend(killed.kill());
        kills += 1;
    }
    for writer in writers {
        let new = writer.wait();
        assert_eq!(new.iter().filter(|fact| matches!(fact, Fact::Ended { .. })).count(), 12);
        facts.extend(new);
    }
    read_everything(&store, &folder).await;
    for fact in &facts {
        check(&store, fact, place.path()).await;
    }

    let versions = store.versions(Some(MODEL)).await.unwrap();
    let numbers: Vec<u64> = versions.iter().rev().map(|v| v.version.parse().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let models: HashSet<&str> = versions.iter().map(|version| version.model_id.as_str()).collect();
    assert_eq!(models.len(), versions.len());
    let run = store.run(&shared).await.unwrap();
    assert_eq!(run.data.params.len(), 2 * 3 * 12);
    eprintln!("2 writers, {kills} killed beside them: {} finished writes, all there", facts.len());
}
