//! An MLflow server, over its REST API.

mod artifacts;
mod batch;
mod http;
mod multipart;

use std::collections::BTreeSet;
use std::path::Path;

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use self::batch::{LONGEST_TAG, fitting};
use self::http::{Call, Http};
use crate::clock;
use crate::config::ServerConfig;
use crate::error::Error;
use crate::store::Store;
use crate::tags::REQUEST_ID;
use crate::types::{
    Batch, DatasetInput, Experiment, FileInfo, KeyValue, LoggedModel, LoggedModelStatus, Metric,
    ModelVersion, NewLoggedModel, NewModelVersion, NewRun, RegisteredModel, Run, RunSearch,
    RunStatus, value_of,
};

/// Entries that one answer of a search holds.
const PAGE: usize = 1_000;
/// Logged models come in smaller pages.
const PAGE_OF_MODELS: usize = 50;

/// An MLflow 3 server.
#[derive(Debug)]
pub struct MlflowServer {
    http: Http,
}

impl MlflowServer {
    /// A client of the server. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// If the certificates or the credentials cannot be used.
    pub fn new(config: ServerConfig) -> Result<Self, Error> {
        Ok(Self { http: Http::new(config)? })
    }

    fn get(&self, path: &str) -> Call {
        self.http.call(Method::GET, path)
    }

    fn post(&self, path: &str, body: Value) -> Call {
        self.http.call(Method::POST, path).json(body)
    }

    async fn experiment_by_name(&self, name: &str) -> Result<Experiment, Error> {
        #[derive(Deserialize)]
        struct Answer {
            experiment: Experiment,
        }
        let call = self.get("experiments/get-by-name").query("experiment_name", name);
        let call = call.about(format!("experiment {name:?}"));
        Ok(self.http.send::<Answer>(call).await?.experiment)
    }

    /// All pages of a search. `call` is given the token of the page.
    async fn pages<P: Page>(
        &self,
        call: impl Fn(Option<&str>) -> Call,
    ) -> Result<Vec<P::Entry>, Error> {
        self.pages_up_to::<P>(None, call).await
    }

    async fn pages_up_to<P: Page>(
        &self,
        limit: Option<usize>,
        call: impl Fn(Option<&str>) -> Call,
    ) -> Result<Vec<P::Entry>, Error> {
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let (entries, next) = self.http.send::<P>(call(token.as_deref())).await?.into_parts();
            all.extend(entries);
            if let Some(limit) = limit
                && all.len() >= limit
            {
                all.truncate(limit);
                return Ok(all);
            }
            match next {
                // A server that repeats a token would keep us here for ever.
                Some(next) if !next.is_empty() && token.as_ref() != Some(&next) => {
                    token = Some(next);
                }
                _ => return Ok(all),
            }
        }
    }

    async fn search_models(
        &self,
        experiments: &[String],
        limit: Option<usize>,
    ) -> Result<Vec<LoggedModel>, Error> {
        self.pages_up_to::<LoggedModels>(limit, |token| {
            let mut body = json!({
                "experiment_ids": experiments,
                "max_results": PAGE_OF_MODELS,
                "order_by": [{ "field_name": "creation_timestamp", "ascending": false }],
            });
            if let Some(token) = token {
                body["page_token"] = json!(token);
            }
            self.post("logged-models/search", body).about("logged models")
        })
        .await
    }

    async fn search_versions(&self, name: Option<&str>) -> Result<Vec<ModelVersion>, Error> {
        let filter = name.and_then(quoted).map(|name| format!("name = {name}"));
        let versions = self
            .pages::<Versions>(|token| {
                let mut call = self.get("model-versions/search");
                if let Some(filter) = &filter {
                    call = call.query("filter", filter);
                }
                call = call.query("max_results", &PAGE.to_string());
                call = call.query("order_by", "creation_timestamp DESC");
                match token {
                    Some(token) => call.query("page_token", token),
                    None => call,
                }
                .about("model versions")
            })
            .await?;
        let mut versions: Vec<_> = versions
            .into_iter()
            .filter(|version| name.is_none_or(|name| version.name == name))
            .map(with_model_id)
            .collect();
        versions.sort_by_key(|version| {
            let number: u64 = version.version.parse().unwrap_or_default();
            (version.name.clone(), std::cmp::Reverse(number))
        });
        Ok(versions)
    }

    async fn nothing(&self, call: Call) -> Result<(), Error> {
        self.http.send::<Value>(call).await.map(drop)
    }
}

/// An answer of a search.
trait Page: DeserializeOwned {
    type Entry;
    fn into_parts(self) -> (Vec<Self::Entry>, Option<String>);
}

/// Declares the answer of a search: its type, the name of its list, the type of an entry.
macro_rules! page {
    ($name:ident, $list:ident, $entry:ty) => {
        #[derive(Deserialize)]
        struct $name {
            #[serde(default)]
            $list: Vec<$entry>,
            #[serde(default)]
            next_page_token: Option<String>,
        }

        impl Page for $name {
            type Entry = $entry;
            fn into_parts(self) -> (Vec<$entry>, Option<String>) {
                (self.$list, self.next_page_token)
            }
        }
    };
}

page!(Experiments, experiments, Experiment);
page!(Runs, runs, Run);
page!(Metrics, metrics, Metric);
page!(LoggedModels, models, LoggedModel);
page!(RegisteredModels, registered_models, RegisteredModel);
page!(Versions, model_versions, ModelVersion);

#[derive(Deserialize)]
struct RunAnswer {
    run: Run,
}

#[derive(Deserialize)]
struct LoggedModelAnswer {
    model: LoggedModel,
}

#[derive(Deserialize)]
struct RegisteredModelAnswer {
    registered_model: RegisteredModel,
}

#[derive(Deserialize)]
struct VersionAnswer {
    model_version: ModelVersion,
}

impl VersionAnswer {
    fn into_version(self) -> ModelVersion {
        with_model_id(self.model_version)
    }
}

/// The server takes a version's logged model and does not give it back, but for its source.
fn with_model_id(mut version: ModelVersion) -> ModelVersion {
    if version.model_id.is_empty()
        && let Some(id) = version.source.strip_prefix("models:/m-")
    {
        version.model_id = format!("m-{id}");
    }
    version
}

/// Calls that the server refuses the second time: an attempt whose answer was lost has done it.
fn done_before(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Invalid { reason: said, .. } | Error::Server { message: said, .. })
            if is_there_already(&said) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Whether this is what the server's database says of a row that it has.
fn is_there_already(message: &str) -> bool {
    // SQLite; PostgreSQL and SQL Server; MySQL.
    let message = message.to_lowercase();
    ["unique constraint", "duplicate key", "duplicate entry"]
        .iter()
        .any(|text| message.contains(text))
}

/// A text in a search's filter. There is no way to write one with both kinds of quotes, nor is a
/// backslash safe, before a quote: `None`, and what is found has to be looked through.
fn quoted(text: &str) -> Option<String> {
    match (text.contains('\''), text.contains('"'), text.contains('\\')) {
        (_, _, true) | (true, true, _) => None,
        (true, false, _) => Some(format!("\"{text}\"")),
        (false, ..) => Some(format!("'{text}'")),
    }
}

fn run_named(run_id: &str) -> String {
    format!("run {run_id:?}")
}

fn model_named(name: &str) -> String {
    format!("registered model {name:?}")
}

fn version_named(name: &str, version: &str) -> String {
    format!("version {version} of {name:?}")
}

/// Tags with one that finds the thing again.
fn with_request_id(tags: &[KeyValue], id: &str) -> Vec<KeyValue> {
    let mut tags: Vec<KeyValue> = tags.iter().map(|tag| fitting(tag, LONGEST_TAG)).collect();
    tags.push(KeyValue::new(REQUEST_ID, id));
    tags
}

fn new_request_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn has_request_id(tags: &[KeyValue], id: &str) -> bool {
    value_of(tags, REQUEST_ID) == Some(id)
}

#[async_trait]
impl Store for MlflowServer {
    fn location(&self) -> String {
        self.http.location()
    }

    async fn experiment(&self, name: &str) -> Result<Experiment, Error> {
        let experiment = match self.experiment_by_name(name).await {
            Err(Error::NotFound { .. }) => {
                let call = self.post("experiments/create", json!({ "name": name }));
                match self.http.send::<Value>(call.about(format!("experiment {name:?}"))).await {
                    // Somebody else, or an attempt of ours whose answer was lost.
                    Ok(_) | Err(Error::AlreadyExists { .. }) => {}
                    Err(error) => return Err(error),
                }
                self.experiment_by_name(name).await?
            }
            result => result?,
        };
        if experiment.lifecycle_stage == "deleted" {
            return Err(Error::Invalid {
                what: format!("the experiment {name:?}"),
                location: self.location(),
                reason: format!(
                    "it is deleted; restore it (mlflow experiments restore --experiment-id {}) or \
                     name another in MLFLOW_EXPERIMENT_NAME",
                    experiment.experiment_id
                ),
                answer: None,
            });
        }
        Ok(experiment)
    }

    async fn experiments(&self) -> Result<Vec<Experiment>, Error> {
        self.pages::<Experiments>(|token| {
            let mut body = json!({ "max_results": PAGE, "view_type": "ACTIVE_ONLY" });
            if let Some(token) = token {
                body["page_token"] = json!(token);
            }
            self.post("experiments/search", body).about("experiments")
        })
        .await
    }

    async fn create_run(&self, run: &NewRun) -> Result<Run, Error> {
        let id = new_request_id();
        let body = json!({
            "experiment_id": run.experiment_id,
            "run_name": run.name,
            "start_time": run.start_time.unwrap_or_else(clock::now_millis),
            "tags": with_request_id(&run.tags, &id),
        });
        let call =
            self.post("runs/create", body).about(format!("experiment {:?}", run.experiment_id));
        let find = || async {
            let search = RunSearch {
                experiment_ids: vec![run.experiment_id.clone()],
                tags: vec![KeyValue::new(REQUEST_ID, &id)],
                limit: Some(1),
                ..RunSearch::default()
            };
            Ok(self.search_runs(&search).await?.pop().map(|run| RunAnswer { run }))
        };
        Ok(self.http.create(call, find).await?.run)
    }

    async fn update_run(
        &self,
        run_id: &str,
        status: RunStatus,
        end_time: Option<i64>,
    ) -> Result<(), Error> {
        let mut body = json!({ "run_id": run_id, "status": status });
        if let Some(end_time) = end_time.or_else(|| status.is_end().then(clock::now_millis)) {
            body["end_time"] = json!(end_time);
        }
        self.nothing(self.post("runs/update", body).about(run_named(run_id))).await
    }

    async fn run(&self, run_id: &str) -> Result<Run, Error> {
        let call = self.get("runs/get").query("run_id", run_id).about(run_named(run_id));
        Ok(self.http.send::<RunAnswer>(call).await?.run)
    }

    async fn search_runs(&self, search: &RunSearch) -> Result<Vec<Run>, Error> {
        let experiment_ids = if search.experiment_ids.is_empty() {
            self.experiments()
                .await?
                .into_iter()
                .map(|experiment| experiment.experiment_id)
                .collect()
        } else {
            search.experiment_ids.clone()
        };
        let (mut conditions, mut left) = (Vec::new(), Vec::new());
        for tag in &search.tags {
            match quoted(&tag.value) {
                Some(value) => conditions.push(format!("tags.`{}` = {value}", tag.key)),
                None => left.push(tag),
            }
        }
        conditions.extend(search.status.map(|status| format!("attributes.status = '{status}'")));
        let filter = conditions.join(" and ");
        let limit = search.limit.filter(|_| left.is_empty());
        let mut runs = self
            .pages_up_to::<Runs>(limit, |token| {
                let mut body = json!({
                    "experiment_ids": experiment_ids,
                    "filter": filter,
                    "max_results": limit.unwrap_or(PAGE).clamp(1, PAGE),
                    "order_by": ["attributes.start_time DESC"],
                });
                if let Some(token) = token {
                    body["page_token"] = json!(token);
                }
                self.post("runs/search", body).about("runs")
            })
            .await?;
        let has =
            |run: &Run, tag: &KeyValue| value_of(&run.data.tags, &tag.key) == Some(&tag.value);
        runs.retain(|run| left.iter().all(|tag| has(run, tag)));
        runs.truncate(search.limit.unwrap_or(usize::MAX));
        Ok(runs)
    }

    async fn log_batch(&self, run_id: &str, batch: &Batch) -> Result<(), Error> {
        for mut request in batch::requests(batch, &self.location())? {
            request["run_id"] = json!(run_id);
            self.nothing(self.post("runs/log-batch", request).about(run_named(run_id))).await?;
        }
        Ok(())
    }

    async fn log_inputs(&self, run_id: &str, datasets: &[DatasetInput]) -> Result<(), Error> {
        if datasets.is_empty() {
            return Ok(());
        }
        let body = json!({ "run_id": run_id, "datasets": datasets });
        self.nothing(self.post("runs/log-inputs", body).about(run_named(run_id))).await
    }

    async fn log_outputs(&self, run_id: &str, model_ids: &[String]) -> Result<(), Error> {
        let known: BTreeSet<String> = self
            .run(run_id)
            .await?
            .outputs
            .model_outputs
            .into_iter()
            .map(|output| output.model_id)
            .collect();
        // One by one: of several the server would refuse all for one that it knows.
        for model_id in model_ids.iter().filter(|id| !known.contains(*id)) {
            let models = [json!({ "model_id": model_id, "step": 0 })];
            let call = self.post("runs/outputs", json!({ "run_id": run_id, "models": models }));
            done_before(self.nothing(call.about(run_named(run_id))).await)?;
        }
        Ok(())
    }

    async fn metric_history(&self, run_id: &str, key: &str) -> Result<Vec<Metric>, Error> {
        let mut values = self
            .pages::<Metrics>(|token| {
                let call = self.get("metrics/get-history").query("run_id", run_id);
                let call = call.query("metric_key", key).query("max_results", "10000");
                match token {
                    Some(token) => call.query("page_token", token),
                    None => call,
                }
                .about(run_named(run_id))
            })
            .await?;
        values.sort_by_key(|metric| (metric.step, metric.timestamp));
        Ok(values)
    }

    async fn upload_artifact(
        &self,
        artifact_uri: &str,
        path: &str,
        file: &Path,
    ) -> Result<(), Error> {
        artifacts::upload(&self.http, artifact_uri, path, file).await
    }

    async fn list_artifacts(&self, artifact_uri: &str, path: &str) -> Result<Vec<FileInfo>, Error> {
        artifacts::list(&self.http, artifact_uri, path).await
    }

    async fn download_artifact(
        &self,
        artifact_uri: &str,
        path: &str,
        to: &Path,
    ) -> Result<(), Error> {
        artifacts::download(&self.http, artifact_uri, path, to).await
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<LoggedModel, Error> {
        const MOST_PARAMS: usize = 100;
        let id = new_request_id();
        let params: Vec<KeyValue> =
            model.params.iter().map(|param| fitting(param, 6_000)).collect();
        let (first, rest) = params.split_at(params.len().min(MOST_PARAMS));
        let body = json!({
            "experiment_id": model.experiment_id,
            "name": model.name,
            "source_run_id": model.source_run_id,
            "params": first,
            "tags": with_request_id(&model.tags, &id),
        });
        let call = self.post("logged-models", body).about(format!("logged model {:?}", model.name));
        let find = || async {
            let latest =
                self.search_models(std::slice::from_ref(&model.experiment_id), Some(PAGE)).await?;
            let ours = latest.into_iter().find(|model| has_request_id(&model.info.tags, &id));
            Ok(ours.map(|model| LoggedModelAnswer { model }))
        };
        let created = self.http.create(call, find).await?.model;
        for params in rest.chunks(MOST_PARAMS) {
            let model_id = &created.info.model_id;
            let body = json!({ "model_id": model_id, "params": params });
            let call = self.post(&format!("logged-models/{model_id}/params"), body);
            done_before(self.nothing(call).await)?;
        }
        Ok(created)
    }

    async fn finish_logged_model(
        &self,
        model_id: &str,
        status: LoggedModelStatus,
    ) -> Result<LoggedModel, Error> {
        let body = json!({ "model_id": model_id, "status": status });
        let call = self.http.call(Method::PATCH, &format!("logged-models/{model_id}")).json(body);
        let call = call.about(format!("logged model {model_id:?}"));
        Ok(self.http.send::<LoggedModelAnswer>(call).await?.model)
    }

    async fn logged_model(&self, model_id: &str) -> Result<LoggedModel, Error> {
        let call = self.get(&format!("logged-models/{model_id}"));
        let call = call.about(format!("logged model {model_id:?}"));
        Ok(self.http.send::<LoggedModelAnswer>(call).await?.model)
    }

    async fn logged_models(&self, experiment_ids: &[String]) -> Result<Vec<LoggedModel>, Error> {
        self.search_models(experiment_ids, None).await
    }

    async fn register_model(&self, name: &str) -> Result<RegisteredModel, Error> {
        let call = self.post("registered-models/create", json!({ "name": name }));
        match self.http.send::<RegisteredModelAnswer>(call.about(model_named(name))).await {
            Ok(answer) => Ok(answer.registered_model),
            Err(Error::AlreadyExists { .. }) => self.registered_model(name).await,
            Err(error) => Err(error),
        }
    }

    async fn registered_model(&self, name: &str) -> Result<RegisteredModel, Error> {
        let call = self.get("registered-models/get").query("name", name).about(model_named(name));
        Ok(self.http.send::<RegisteredModelAnswer>(call).await?.registered_model)
    }

    async fn registered_models(&self) -> Result<Vec<RegisteredModel>, Error> {
        self.pages::<RegisteredModels>(|token| {
            let call = self.get("registered-models/search").query("max_results", &PAGE.to_string());
            let call = call.query("order_by", "name ASC").about("registered models");
            match token {
                Some(token) => call.query("page_token", token),
                None => call,
            }
        })
        .await
    }

    async fn describe_model(&self, name: &str, description: &str) -> Result<(), Error> {
        let body = json!({ "name": name, "description": description });
        let call = self.http.call(Method::PATCH, "registered-models/update").json(body);
        self.nothing(call.about(model_named(name))).await
    }

    async fn tag_model(&self, name: &str, tags: &[KeyValue]) -> Result<(), Error> {
        for tag in tags {
            let body =
                json!({ "name": name, "key": tag.key, "value": fitting(tag, LONGEST_TAG).value });
            let call = self.post("registered-models/set-tag", body);
            self.nothing(call.about(model_named(name))).await?;
        }
        Ok(())
    }

    async fn untag_model(&self, name: &str, key: &str) -> Result<(), Error> {
        let body = json!({ "name": name, "key": key });
        let call = self.http.call(Method::DELETE, "registered-models/delete-tag").json(body);
        self.nothing(call.about(model_named(name))).await
    }

    async fn create_version(&self, version: &NewModelVersion) -> Result<ModelVersion, Error> {
        let id = new_request_id();
        let mut body = json!({
            "name": version.name,
            "source": version.source,
            "description": version.description,
            "tags": with_request_id(&version.tags, &id),
        });
        for (key, value) in [("run_id", &version.run_id), ("model_id", &version.model_id)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        let call = self.post("model-versions/create", body).about(model_named(&version.name));
        let find = || async {
            let latest = self.search_versions(Some(&version.name)).await?;
            let ours = latest.into_iter().find(|version| has_request_id(&version.tags, &id));
            Ok(ours.map(|model_version| VersionAnswer { model_version }))
        };
        Ok(self.http.create(call, find).await?.into_version())
    }

    async fn version(&self, name: &str, version: &str) -> Result<ModelVersion, Error> {
        let call = self.get("model-versions/get").query("name", name).query("version", version);
        let call = call.about(version_named(name, version));
        Ok(self.http.send::<VersionAnswer>(call).await?.into_version())
    }

    async fn version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion, Error> {
        let what = format!("alias {alias:?} of {name:?}");
        let call = self.get("registered-models/alias").query("name", name).query("alias", alias);
        match self.http.send::<VersionAnswer>(call.about(&what)).await {
            Ok(answer) => Ok(answer.into_version()),
            // An alias that is not there is an invalid parameter to the server.
            Err(Error::Invalid { location, answer, .. }) => {
                let model = self.registered_model(name).await?;
                let known: Vec<&str> = model.aliases.iter().map(|a| a.alias.as_str()).collect();
                let hint = if known.is_empty() {
                    "; the model has no aliases".to_owned()
                } else {
                    format!("; there are {}", known.join(", "))
                };
                Err(Error::NotFound { what, location, hint, answer })
            }
            Err(error) => Err(error),
        }
    }

    async fn versions(&self, name: Option<&str>) -> Result<Vec<ModelVersion>, Error> {
        let models = match name {
            // A search for a model that is not there would find nothing.
            Some(name) => vec![self.registered_model(name).await?],
            None => self.registered_models().await?,
        };
        let mut versions = self.search_versions(name).await?;
        // A search does not tell the aliases.
        for version in &mut versions {
            let model = models.iter().find(|model| model.name == version.name);
            let aliases = model.iter().flat_map(|model| &model.aliases);
            version.aliases = aliases
                .filter(|alias| alias.version == version.version)
                .map(|alias| alias.alias.clone())
                .collect();
        }
        Ok(versions)
    }

    async fn describe_version(
        &self,
        name: &str,
        version: &str,
        description: &str,
    ) -> Result<(), Error> {
        let body = json!({ "name": name, "version": version, "description": description });
        let call = self.http.call(Method::PATCH, "model-versions/update").json(body);
        self.nothing(call.about(version_named(name, version))).await
    }

    async fn tag_version(&self, name: &str, version: &str, tags: &[KeyValue]) -> Result<(), Error> {
        for tag in tags {
            let KeyValue { key, value } = fitting(tag, LONGEST_TAG);
            let body = json!({ "name": name, "version": version, "key": key, "value": value });
            let call = self.post("model-versions/set-tag", body);
            self.nothing(call.about(version_named(name, version))).await?;
        }
        Ok(())
    }

    async fn untag_version(&self, name: &str, version: &str, key: &str) -> Result<(), Error> {
        let body = json!({ "name": name, "version": version, "key": key });
        let call = self.http.call(Method::DELETE, "model-versions/delete-tag").json(body);
        self.nothing(call.about(version_named(name, version))).await
    }

    async fn version_artifacts(&self, version: &ModelVersion) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Answer {
            artifact_uri: String,
        }
        let (name, number) = (&version.name, &version.version);
        let call = self.get("model-versions/get-download-uri").query("name", name);
        let call = call.query("version", number).about(version_named(name, number));
        Ok(self.http.send::<Answer>(call).await?.artifact_uri)
    }

    async fn set_alias(&self, name: &str, alias: &str, version: &str) -> Result<(), Error> {
        let body = json!({ "name": name, "alias": alias, "version": version });
        let call = self.post("registered-models/alias", body);
        self.nothing(call.about(version_named(name, version))).await
    }

    async fn delete_alias(&self, name: &str, alias: &str) -> Result<(), Error> {
        let body = json!({ "name": name, "alias": alias });
        let call = self.http.call(Method::DELETE, "registered-models/alias").json(body);
        self.nothing(call.about(model_named(name))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_has_its_words_for_what_is_there() {
        for message in [
            "(sqlite3.IntegrityError) UNIQUE constraint failed: inputs.source_type",
            "duplicate key value violates unique constraint \"inputs_pk\"",
            "(1062, \"Duplicate entry 'm-1' for key 'PRIMARY'\")",
            "Violation of PRIMARY KEY constraint 'pk'. Cannot insert duplicate key in object 'x'.",
        ] {
            assert!(is_there_already(message), "{message}");
            let (method, url) = ("POST", String::new());
            let reason = message.to_owned();
            let invalid = Error::Invalid {
                what: String::new(),
                location: String::new(),
                reason: reason.clone(),
                answer: None,
            };
            assert!(done_before(Err(invalid)).is_ok());
            let error_code = "INTERNAL_ERROR".to_owned();
            let server = Error::Server {
                method,
                url,
                status: 500,
                error_code,
                message: reason,
                attempts: 1,
            };
            assert!(done_before(Err(server)).is_ok());
        }
        assert!(!is_there_already("the key is unknown"));
    }

    #[test]
    fn a_text_in_a_filter_ends_where_it_ends() {
        for (text, expected) in [
            ("a b", Some("'a b'")),
            ("it's", Some("\"it's\"")),
            ("a \"b\"", Some("'a \"b\"'")),
            ("it's \"b\"", None),
            ("a\\", None),
        ] {
            assert_eq!(quoted(text).as_deref(), expected);
        }
    }
}
