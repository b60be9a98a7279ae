//! Runs: a folder each, with all that is known in one file.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::active::{self, ActiveRuns};
use super::folder::{self, Writer};
use super::{Files, artifacts, names, readable, set_tags, user};
use crate::clock::now_millis;
use crate::error::Error;
use crate::types::{
    Batch, DatasetInput, KeyValue, Metric, ModelOutput, NewRun, Run, RunData, RunInfo, RunInputs,
    RunOutputs, RunSearch, RunStatus, value_of,
};

const RUNS: &str = "runs";
/// The tag that holds a run's name.
const RUN_NAME: &str = "mlflow.runName";

/// What `run.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    info: RunInfo,
    /// When this file was written; the end of a run that was killed.
    last_write: i64,
    params: Vec<KeyValue>,
    tags: Vec<KeyValue>,
    inputs: RunInputs,
    outputs: RunOutputs,
    /// All values, as they were logged.
    metrics: Vec<Metric>,
}

impl Record {
    fn set_tags(&mut self, tags: &[KeyValue]) {
        set_tags(&mut self.tags, tags);
        if let Some(name) = value_of(tags, RUN_NAME) {
            name.clone_into(&mut self.info.run_name);
        }
    }

    fn into_run(self) -> Run {
        let data = RunData { metrics: latest(self.metrics), params: self.params, tags: self.tags };
        Run { info: self.info, data, inputs: self.inputs, outputs: self.outputs }
    }
}

impl Files {
    pub(super) fn create_run(&self, run: NewRun) -> Result<Run, Error> {
        self.check_keys("tag", run.tags.iter().map(|tag| &tag.key))?;
        self.check_experiment(&run.experiment_id)?;
        let run_id = Uuid::new_v4().simple().to_string();
        let run_name = self.run_name(&run, &run_id)?;
        let mut tags = vec![KeyValue::new(RUN_NAME, &run_name)];
        set_tags(&mut tags, &run.tags);
        let folder = folder(&run_id);
        let mut record = Record {
            info: RunInfo {
                experiment_id: run.experiment_id,
                user_id: user(),
                status: RunStatus::Running,
                start_time: run.start_time.unwrap_or_else(now_millis),
                end_time: 0,
                artifact_uri: artifacts::uri(&folder),
                lifecycle_stage: "active".to_owned(),
                run_name,
                run_id,
            },
            last_write: 0,
            params: Vec::new(),
            tags,
            inputs: RunInputs::default(),
            outputs: RunOutputs::default(),
            metrics: Vec::new(),
        };
        let writer = self.folder.writer()?;
        record.last_write = now_millis();
        let lock = writer.create_folder(&folder, |folder| {
            folder::make_folder(&folder.join("artifacts"))?;
            folder::write_new(&folder.join("run.json"), &record)?;
            ActiveRuns::lock(folder)
        })?;
        if let Some(lock) = lock {
            self.active.keep(&record.info.run_id, lock);
        }
        Ok(record.into_run())
    }

    pub(super) fn update_run(
        &self,
        run_id: &str,
        status: RunStatus,
        end_time: Option<i64>,
    ) -> Result<(), Error> {
        let writer = self.folder.writer()?;
        let mut record = self.record(run_id)?;
        record.info.status = status;
        record.info.end_time =
            if status.is_end() { end_time.unwrap_or_else(now_millis) } else { 0 };
        let folder = self.folder.path(folder(run_id));
        // While the file says that it runs, the lock is held: taken before, given back after.
        if status == RunStatus::Running
            && !self.active.is_kept(run_id)
            && let Some(lock) = ActiveRuns::lock(&folder)?
        {
            self.active.keep(run_id, lock);
        }
        write(&writer, &mut record)?;
        if status != RunStatus::Running {
            self.active.end(run_id, &folder);
        }
        Ok(())
    }

    pub(super) fn run(&self, run_id: &str) -> Result<Run, Error> {
        Ok(self.record_as_it_stands(run_id)?.into_run())
    }

    pub(super) fn search_runs(&self, search: &RunSearch) -> Result<Vec<Run>, Error> {
        let mut runs = Vec::new();
        for run_id in self.folder.names(RUNS)? {
            let known = names::is_run_id(&run_id);
            let record = known.then(|| self.record_as_it_stands(&run_id)).transpose();
            if let Some(record) = readable(record)?.filter(|record| matches(search, record)) {
                runs.push(record.into_run());
            }
        }
        let key = |run: &Run| (std::cmp::Reverse(run.info.start_time), run.info.run_id.clone());
        runs.sort_by_cached_key(key);
        runs.truncate(search.limit.unwrap_or(usize::MAX));
        Ok(runs)
    }

    pub(super) fn log_batch(&self, run_id: &str, batch: &Batch) -> Result<(), Error> {
        self.check_keys("metric", batch.metrics.iter().map(|metric| &metric.key))?;
        self.check_keys("parameter", batch.params.iter().map(|param| &param.key))?;
        self.check_keys("tag", batch.tags.iter().map(|tag| &tag.key))?;
        let writer = self.folder.writer()?;
        let mut record = self.record(run_id)?;
        let new = new_metrics(&record.metrics, &batch.metrics);
        for param in &batch.params {
            match value_of(&record.params, &param.key) {
                None => record.params.push(param.clone()),
                Some(value) if value == param.value => {}
                Some(value) => {
                    let what = format!("parameter {:?} = {:?}", param.key, param.value);
                    let reason = format!("run {run_id} has it as {value:?}, and it is set once");
                    return Err(self.invalid(what, reason));
                }
            }
        }
        record.set_tags(&batch.tags);
        // The models first: a batch that is cut off in between is repeated as a whole.
        self.log_model_metrics(&writer, &new)?;
        record.metrics.extend(new);
        write(&writer, &mut record)
    }

    pub(super) fn log_inputs(&self, run_id: &str, datasets: &[DatasetInput]) -> Result<(), Error> {
        for DatasetInput { dataset, .. } in datasets {
            if dataset.name.is_empty() || dataset.digest.is_empty() {
                let found = format!("name {:?} and digest {:?}", dataset.name, dataset.digest);
                return Err(self.invalid("a data set", format!("expected both, found {found}")));
            }
        }
        let writer = self.folder.writer()?;
        let mut record = self.record(run_id)?;
        let inputs = &mut record.inputs.dataset_inputs;
        for new in datasets {
            let identity = |input: &DatasetInput| {
                let DatasetInput { tags, dataset } = input.clone();
                (dataset.name, dataset.digest, tags)
            };
            if !inputs.iter().any(|old| identity(old) == identity(new)) {
                inputs.push(new.clone());
            }
        }
        write(&writer, &mut record)
    }

    pub(super) fn log_outputs(&self, run_id: &str, model_ids: &[String]) -> Result<(), Error> {
        let writer = self.folder.writer()?;
        let mut record = self.record(run_id)?;
        let outputs = &mut record.outputs.model_outputs;
        for model_id in model_ids {
            self.check_logged_model(model_id)?;
            if !outputs.iter().any(|output| output.model_id == *model_id) {
                outputs.push(ModelOutput { model_id: model_id.clone(), step: 0 });
            }
        }
        write(&writer, &mut record)
    }

    pub(super) fn metric_history(&self, run_id: &str, key: &str) -> Result<Vec<Metric>, Error> {
        let mut metrics = self.record(run_id)?.metrics;
        metrics.retain(|metric| metric.key == key);
        metrics.sort_by(order);
        Ok(metrics)
    }

    /// Refuses the id of a run that is not there, without reading all of it.
    pub(super) fn check_run(&self, run_id: &str) -> Result<(), Error> {
        if names::is_run_id(run_id) && self.folder.path(file(run_id)).is_file() {
            return Ok(());
        }
        Err(self
            .not_found(format!("run {run_id:?}"), "; `fraud-registry runs` lists what there is"))
    }

    fn run_name(&self, run: &NewRun, run_id: &str) -> Result<String, Error> {
        match (run.name.as_str(), value_of(&run.tags, RUN_NAME)) {
            ("", None | Some("")) => Ok(format!("run-{}", &run_id[..8])),
            (name, None) => Ok(name.to_owned()),
            ("", Some(tag)) => Ok(tag.to_owned()),
            (name, Some(tag)) if name == tag => Ok(name.to_owned()),
            (name, Some(tag)) => {
                let reason =
                    format!("its tag {RUN_NAME} is {tag:?}; expected one of them, or both equal");
                Err(self.invalid(format!("the run name {name:?}"), reason))
            }
        }
    }

    /// A run as it was written.
    fn record(&self, run_id: &str) -> Result<Record, Error> {
        self.check_run(run_id)?;
        let path = file(run_id);
        match self.folder.read::<Record>(&path)? {
            Some(record) if record.info.run_id == run_id => Ok(record),
            found => {
                let path = self.folder.path(path);
                let id = found.map(|record| record.info.run_id);
                Err(Error::Damaged { path, reason: format!("expected run {run_id}, found {id:?}") })
            }
        }
    }

    /// A run as it stands.
    fn record_as_it_stands(&self, run_id: &str) -> Result<Record, Error> {
        let record = self.record(run_id)?;
        self.killed_if_abandoned(record)
    }

    /// A run that says that it runs, and that nobody runs, was killed.
    fn killed_if_abandoned(&self, record: Record) -> Result<Record, Error> {
        let is_running = |record: &Record| record.info.status == RunStatus::Running;
        let run_id = &record.info.run_id;
        if !is_running(&record) || active::is_active(&self.folder.path(folder(run_id)))? {
            return Ok(record);
        }
        // It may have ended between the two looks; then its file said so before the lock was free.
        let mut record = self.record(run_id)?;
        if is_running(&record) {
            record.info.status = RunStatus::Killed;
            record.info.end_time = record.last_write;
        }
        Ok(record)
    }
}

fn folder(run_id: &str) -> String {
    format!("{RUNS}/{run_id}")
}

fn file(run_id: &str) -> String {
    format!("{RUNS}/{run_id}/run.json")
}

fn write(writer: &Writer<'_>, record: &mut Record) -> Result<(), Error> {
    record.last_write = now_millis();
    writer.replace(file(&record.info.run_id), record)
}

fn matches(search: &RunSearch, record: &Record) -> bool {
    let has = |tag: &KeyValue| value_of(&record.tags, &tag.key) == Some(&tag.value);
    (search.experiment_ids.is_empty() || search.experiment_ids.contains(&record.info.experiment_id))
        && search.tags.iter().all(has)
        && search.status.is_none_or(|status| status == record.info.status)
}

/// Those of `new` that are neither in `old` nor in `new` before.
pub(super) fn new_metrics(old: &[Metric], new: &[Metric]) -> Vec<Metric> {
    if new.is_empty() {
        return Vec::new();
    }
    let mut seen: HashSet<_> = old.iter().map(identity).collect();
    new.iter().filter(|metric| seen.insert(identity(metric))).cloned().collect()
}

fn identity(metric: &Metric) -> (&str, i64, i64, u64) {
    // All NaNs are one, and both zeros.
    let value = if metric.value.is_nan() { f64::NAN } else { metric.value + 0.0 };
    (&metric.key, metric.step, metric.timestamp, value.to_bits())
}

/// By step, time and value, as MLflow finds the latest; it takes NaN for 0.
fn order(a: &Metric, b: &Metric) -> Ordering {
    let value = |metric: &Metric| if metric.value.is_nan() { 0.0 } else { metric.value };
    (a.step, a.timestamp).cmp(&(b.step, b.timestamp)).then(value(a).total_cmp(&value(b)))
}

/// The latest value of each metric, by key.
fn latest(metrics: Vec<Metric>) -> Vec<Metric> {
    let mut latest = BTreeMap::<String, Metric>::new();
    for metric in metrics {
        match latest.get_mut(&metric.key) {
            Some(known) if order(known, &metric).is_gt() => {}
            Some(known) => *known = metric,
            None => {
                latest.insert(metric.key.clone(), metric);
            }
        }
    }
    latest.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalStore;

    #[test]
    fn a_run_that_ends_between_two_looks_was_not_killed() {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalStore::open(folder.path()).unwrap().files;
        let experiment_id = files.experiment("fraud").unwrap().experiment_id;
        let new = NewRun { experiment_id, ..NewRun::default() };
        let run_id = files.create_run(new).unwrap().info.run_id;
        let first_look = files.record(&run_id).unwrap();
        assert_eq!(first_look.info.status, RunStatus::Running);
        files.update_run(&run_id, RunStatus::Finished, Some(7)).unwrap();
        let info = files.killed_if_abandoned(first_look).unwrap().info;
        assert_eq!((info.status, info.end_time), (RunStatus::Finished, 7));
    }
}
