//! Logged models: a folder each, with the files of the model.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::folder::{self, Writer};
use super::runs::new_metrics;
use super::{Files, artifacts, names, readable, set_tags};
use crate::clock::now_millis;
use crate::error::Error;
use crate::types::{
    LoggedModel, LoggedModelData, LoggedModelInfo, LoggedModelStatus, Metric, NewLoggedModel,
};

const LOGGED_MODELS: &str = "logged-models";
/// What a server refuses in the name of a logged model.
const NOT_IN_NAMES: [char; 6] = ['/', ':', '.', '%', '"', '\''];

impl Files {
    pub(super) fn create_logged_model(&self, model: NewLoggedModel) -> Result<LoggedModel, Error> {
        if model.name.is_empty() || model.name.contains(NOT_IN_NAMES) {
            let reason = "expected a name without / : . % and quotes, as a server does";
            return Err(self.invalid(format!("the logged model name {:?}", model.name), reason));
        }
        // A server takes any other here.
        for (kind, list) in [("parameter", &model.params), ("tag", &model.tags)] {
            list.iter().try_for_each(|entry| self.check_not_empty(kind, &entry.key))?;
        }
        self.check_experiment(&model.experiment_id)?;
        if !model.source_run_id.is_empty() {
            self.check_run(&model.source_run_id)?;
        }
        let model_id = format!("m-{}", Uuid::new_v4().simple());
        let folder = folder(&model_id);
        let mut tags = Vec::new();
        set_tags(&mut tags, &model.tags);
        let logged = LoggedModel {
            info: LoggedModelInfo {
                experiment_id: model.experiment_id,
                name: model.name,
                creation_timestamp_ms: now_millis(),
                artifact_uri: artifacts::uri(&folder),
                status: LoggedModelStatus::Pending,
                source_run_id: model.source_run_id,
                tags,
                model_id,
            },
            data: LoggedModelData { params: model.params, metrics: Vec::new() },
        };
        self.folder.writer()?.create_folder(folder, |folder| {
            folder::make_folder(&folder.join("artifacts"))?;
            folder::write_new(&folder.join("model.json"), &logged)
        })?;
        Ok(logged)
    }

    pub(super) fn finish_logged_model(
        &self,
        model_id: &str,
        status: LoggedModelStatus,
    ) -> Result<LoggedModel, Error> {
        let writer = self.folder.writer()?;
        let mut model = self.logged_model(model_id)?;
        model.info.status = status;
        writer.replace(file(model_id), &model)?;
        Ok(model)
    }

    pub(super) fn logged_model(&self, model_id: &str) -> Result<LoggedModel, Error> {
        self.check_logged_model(model_id)?;
        let path = file(model_id);
        match self.folder.read::<LoggedModel>(&path)? {
            Some(model) if model.info.model_id == model_id => Ok(model),
            found => {
                let path = self.folder.path(path);
                let id = found.map(|model| model.info.model_id);
                let reason = format!("expected logged model {model_id}, found {id:?}");
                Err(Error::Damaged { path, reason })
            }
        }
    }

    pub(super) fn logged_models(
        &self,
        experiment_ids: &[String],
    ) -> Result<Vec<LoggedModel>, Error> {
        let mut models = Vec::new();
        for model_id in self.folder.names(LOGGED_MODELS)? {
            let known = names::is_model_id(&model_id);
            let model = readable(known.then(|| self.logged_model(&model_id)).transpose())?;
            models.extend(model.filter(|model| experiment_ids.contains(&model.info.experiment_id)));
        }
        models.sort_by_cached_key(|model| {
            (std::cmp::Reverse(model.info.creation_timestamp_ms), model.info.model_id.clone())
        });
        Ok(models)
    }

    /// Refuses the id of a logged model that is not there.
    pub(super) fn check_logged_model(&self, model_id: &str) -> Result<(), Error> {
        if names::is_model_id(model_id) && self.folder.path(file(model_id)).is_file() {
            return Ok(());
        }
        let hint = "; `fraud-registry models` lists what there is";
        Err(self.not_found(format!("logged model {model_id:?}"), hint))
    }

    /// Adds the metrics that name a model to that model.
    pub(super) fn log_model_metrics(
        &self,
        writer: &Writer<'_>,
        metrics: &[Metric],
    ) -> Result<(), Error> {
        let mut by_model = BTreeMap::<&str, Vec<Metric>>::new();
        for metric in metrics {
            if let Some(model_id) = metric.model_id.as_deref() {
                by_model.entry(model_id).or_default().push(metric.clone());
            }
        }
        // All are read before the first is written: one that is not there changes nothing.
        let mut models = Vec::new();
        for (model_id, metrics) in by_model {
            let mut model = self.logged_model(model_id)?;
            model.data.metrics.extend(new_metrics(&model.data.metrics, &metrics));
            models.push(model);
        }
        models.iter().try_for_each(|model| writer.replace(file(&model.info.model_id), model))
    }
}

fn folder(model_id: &str) -> String {
    format!("{LOGGED_MODELS}/{model_id}")
}

fn file(model_id: &str) -> String {
    format!("{LOGGED_MODELS}/{model_id}/model.json")
}
