//! Versions of registered models: one file each, numbered from 1.

use std::fmt::Display;

use serde_json::{Value, json};

use super::registered::{self, registered_folder};
use super::{Files, artifacts, names, readable, set_tags, user};
use crate::clock::now_millis;
use crate::error::Error;
use crate::types::{KeyValue, ModelVersion, ModelVersionStatus, NewModelVersion, RegisteredModel};

/// What the source of a logged model begins with.
const MODELS: &str = "models:/";

impl Files {
    pub(super) fn create_version(&self, new: NewModelVersion) -> Result<ModelVersion, Error> {
        self.check_keys("tag", new.tags.iter().map(|tag| &tag.key))?;
        let run_id = self.check_source(&new)?;
        let writer = self.folder.writer()?;
        let mut record = self.registered_or_not_found(&new.name)?;
        let highest = self.version_numbers(&new.name)?.last().copied().unwrap_or(0);
        // A process killed between the version and the model leaves the model a number behind.
        let number = highest.max(record.last_version) + 1;
        let mut tags = Vec::new();
        set_tags(&mut tags, &new.tags);
        let now = now_millis();
        let version = ModelVersion {
            version: number.to_string(),
            creation_timestamp: now,
            last_updated_timestamp: now,
            user_id: user(),
            description: new.description,
            source: new.source,
            run_id,
            model_id: new.model_id.unwrap_or_default(),
            status: ModelVersionStatus::Ready,
            tags,
            aliases: Vec::new(),
            name: new.name,
        };
        if !writer.create(file(&version.name, number), &stored(&version))? {
            let what = format!("version {number} of registered model {:?}", version.name);
            let location = self.folder.location();
            return Err(Error::AlreadyExists { what, location, answer: None });
        }
        record.last_version = number;
        registered::write(&writer, &mut record)?;
        Ok(version)
    }

    pub(super) fn version(&self, name: &str, version: &str) -> Result<ModelVersion, Error> {
        let model = self.registered_or_not_found(name)?.model;
        let number = names::number(version);
        let found = number.map(|number| self.read_version(&model, number)).transpose()?.flatten();
        if let Some(found) = found {
            return Ok(found);
        }
        let numbers = self.version_numbers(name)?.into_iter().rev();
        let all = numbers.map(|number| number.to_string()).collect();
        let what = format!("version {version:?} of registered model {name:?}");
        Err(self.not_found(what, names::there_are("versions", all)))
    }

    pub(super) fn version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion, Error> {
        let model = self.registered_or_not_found(name)?.model;
        if let Some(version) = model.version_of(alias) {
            return self.version(name, version);
        }
        let all = model.aliases.iter().map(|entry| format!("{:?}", entry.alias)).collect();
        let what = format!("alias {alias:?} of registered model {name:?}");
        Err(self.not_found(what, names::there_are("aliases", all)))
    }

    pub(super) fn versions(&self, name: Option<&str>) -> Result<Vec<ModelVersion>, Error> {
        let models = match name {
            Some(name) => vec![self.registered_or_not_found(name)?.model],
            None => self.registered_models()?,
        };
        let mut versions = Vec::new();
        for model in &models {
            for number in self.version_numbers(&model.name)?.into_iter().rev() {
                versions.extend(readable(self.read_version(model, number))?);
            }
        }
        Ok(versions)
    }

    pub(super) fn describe_version(
        &self,
        name: &str,
        version: &str,
        description: String,
    ) -> Result<(), Error> {
        self.change_version(name, version, |version| version.description = description)
    }

    pub(super) fn tag_version(
        &self,
        name: &str,
        version: &str,
        tags: &[KeyValue],
    ) -> Result<(), Error> {
        self.check_keys("tag", tags.iter().map(|tag| &tag.key))?;
        self.change_version(name, version, |version| set_tags(&mut version.tags, tags))
    }

    pub(super) fn untag_version(&self, name: &str, version: &str, key: &str) -> Result<(), Error> {
        self.change_version(name, version, |version| version.tags.retain(|tag| tag.key != key))
    }

    pub(super) fn version_artifacts(&self, version: ModelVersion) -> Result<String, Error> {
        match version.source.strip_prefix(MODELS) {
            Some(model_id) => Ok(self.logged_model(model_id)?.info.artifact_uri),
            None => Ok(version.source),
        }
    }

    /// Refuses a source that the store does not have, as a server does. Gives the id of the run, that
    /// of the logged model where none is named.
    fn check_source(&self, new: &NewModelVersion) -> Result<String, Error> {
        let refuse = |reason: String| {
            Err(self
                .invalid(format!("source {:?} of a version of {:?}", new.source, new.name), reason))
        };
        let model = new.model_id.as_deref().map(|id| self.logged_model(id)).transpose()?;
        let run_id = new.run_id.clone().filter(|run_id| !run_id.is_empty());
        if let Some(run_id) = &run_id {
            self.check_run(run_id)?;
        }
        if let Some(named) = new.source.strip_prefix(MODELS) {
            if !names::is_model_id(named) {
                return refuse("expected models:/m-… or an artifact URI of this store".to_owned());
            }
            if new.model_id.as_deref() != Some(named) {
                return refuse(format!("expected model_id {named:?}, found {:?}", new.model_id));
            }
        } else {
            let run_uri = run_id.as_ref().map(|run_id| artifacts::uri(&format!("runs/{run_id}")));
            let roots = model.iter().map(|model| model.info.artifact_uri.clone()).chain(run_uri);
            let roots: Vec<String> = roots.collect();
            if !roots.iter().any(|root| artifacts::is_inside(&new.source, root)) {
                let inside = if roots.is_empty() {
                    "an artifact URI of this store with its run_id".to_owned()
                } else {
                    format!("an artifact URI in {}", roots.join(" or "))
                };
                return refuse(format!("expected {inside}, or models:/m-… with its model_id"));
            }
            self.artifact_root(&new.source)?;
        }
        Ok(run_id.or(model.map(|model| model.info.source_run_id)).unwrap_or_default())
    }

    fn change_version(
        &self,
        name: &str,
        version: &str,
        change: impl FnOnce(&mut ModelVersion),
    ) -> Result<(), Error> {
        let writer = self.folder.writer()?;
        let mut record = self.registered_or_not_found(name)?;
        let mut version = self.version(name, version)?;
        change(&mut version);
        version.last_updated_timestamp = now_millis();
        writer.replace(file(name, &version.version), &stored(&version))?;
        registered::write(&writer, &mut record)
    }

    /// A version with the aliases that the model has for it.
    fn read_version(
        &self,
        model: &RegisteredModel,
        number: u64,
    ) -> Result<Option<ModelVersion>, Error> {
        let path = file(&model.name, number);
        let Some(mut version) = self.folder.read::<ModelVersion>(&path)? else { return Ok(None) };
        if version.name != model.name || names::number(&version.version) != Some(number) {
            let reason = format!("holds version {:?} of {:?}", version.version, version.name);
            return Err(Error::Damaged { path: self.folder.path(path), reason });
        }
        let of_it = model.aliases.iter().filter(|entry| entry.version == version.version);
        version.aliases = of_it.map(|entry| entry.alias.clone()).collect();
        Ok(Some(version))
    }

    /// Numbers of all versions of a registered model, the first first.
    fn version_numbers(&self, name: &str) -> Result<Vec<u64>, Error> {
        let names = self.folder.names(format!("{}/versions", registered_folder(name)))?;
        let number = |name: &String| names::number(name.strip_suffix(".json")?);
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

fn file(name: &str, number: impl Display) -> String {
    format!("{}/versions/{number}.json", registered_folder(name))
}

/// What the file holds: all but the aliases, which are the model's.
fn stored(version: &ModelVersion) -> Value {
    let mut stored = json!(version);
    if let Some(fields) = stored.as_object_mut() {
        fields.remove("aliases");
    }
    stored
}
