//! Registered models and their aliases: a folder each, named after the model.

use serde::{Deserialize, Serialize};

use super::folder::{self, Writer};
use super::{Files, names, readable, set_tags};
use crate::clock::now_millis;
use crate::error::Error;
use crate::types::{Alias, KeyValue, RegisteredModel};

const REGISTERED: &str = "registered";
/// What a server keeps of an alias.
const LONGEST_ALIAS: usize = 255;

/// What `model.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub(super) model: RegisteredModel,
    /// The highest number that a version ever had; no number is given twice.
    pub(super) last_version: u64,
}

impl Files {
    pub(super) fn register_model(&self, name: &str) -> Result<RegisteredModel, Error> {
        if name.is_empty() {
            let reason = "expected a name, not \"\"";
            return Err(self.invalid("a registered model without a name", reason));
        }
        // One that is there already was registered by an earlier version.
        if let Some(record) = self.registered(name)? {
            return Ok(record.model);
        }
        if !names::is_model_name(name) {
            let reason =
                "expected a name without / and :, not blank, \".\" or \"..\", as a server does";
            return Err(self.invalid(format!("the registered model name {name:?}"), reason));
        }
        let writer = self.folder.writer()?;
        if let Some(record) = self.registered(name)? {
            return Ok(record.model);
        }
        let now = now_millis();
        let model = RegisteredModel {
            name: name.to_owned(),
            creation_timestamp: now,
            last_updated_timestamp: now,
            ..RegisteredModel::default()
        };
        let record = Record { model, last_version: 0 };
        writer.create_folder(registered_folder(name), |folder| {
            folder::write_new(&folder.join("model.json"), &record)
        })?;
        Ok(record.model)
    }

    pub(super) fn registered_model(&self, name: &str) -> Result<RegisteredModel, Error> {
        Ok(self.registered_or_not_found(name)?.model)
    }

    pub(super) fn registered_models(&self) -> Result<Vec<RegisteredModel>, Error> {
        let mut models = Vec::new();
        for folder in self.folder.names(REGISTERED)? {
            let model = readable(self.registered_in(&format!("{REGISTERED}/{folder}")))?;
            models.extend(model.map(|record| record.model));
        }
        models.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(models)
    }

    pub(super) fn describe_model(&self, name: &str, description: String) -> Result<(), Error> {
        self.change_registered(name, |model| model.description = description)
    }

    pub(super) fn tag_model(&self, name: &str, tags: &[KeyValue]) -> Result<(), Error> {
        self.check_keys("tag", tags.iter().map(|tag| &tag.key))?;
        self.change_registered(name, |model| set_tags(&mut model.tags, tags))
    }

    pub(super) fn untag_model(&self, name: &str, key: &str) -> Result<(), Error> {
        self.change_registered(name, |model| model.tags.retain(|tag| tag.key != key))
    }

    pub(super) fn set_alias(&self, name: &str, alias: &str, version: &str) -> Result<(), Error> {
        self.check_alias(alias)?;
        let writer = self.folder.writer()?;
        let mut record = self.registered_or_not_found(name)?;
        // It is there before an alias stands for it.
        let version = self.version(name, version)?.version;
        let aliases = &mut record.model.aliases;
        match aliases.iter_mut().find(|entry| entry.alias == alias) {
            Some(entry) => entry.version = version,
            None => aliases.push(Alias { alias: alias.to_owned(), version }),
        }
        write(&writer, &mut record)
    }

    pub(super) fn delete_alias(&self, name: &str, alias: &str) -> Result<(), Error> {
        self.change_registered(name, |model| model.aliases.retain(|entry| entry.alias != alias))
    }

    pub(super) fn registered_or_not_found(&self, name: &str) -> Result<Record, Error> {
        if let Some(record) = self.registered(name)? {
            return Ok(record);
        }
        let all = self.registered_models()?.into_iter().map(|model| format!("{:?}", model.name));
        let hint = names::there_are("registered models", all.collect());
        Err(self.not_found(format!("registered model {name:?}"), hint))
    }

    fn registered(&self, name: &str) -> Result<Option<Record>, Error> {
        self.registered_in(&registered_folder(name))
    }

    /// The registered model of a folder.
    fn registered_in(&self, folder: &str) -> Result<Option<Record>, Error> {
        let path = format!("{folder}/model.json");
        let record = self.folder.read::<Record>(&path)?;
        match record {
            Some(record) if registered_folder(&record.model.name) != folder => {
                let reason = format!("holds registered model {:?}", record.model.name);
                Err(Error::Damaged { path: self.folder.path(path), reason })
            }
            record => Ok(record),
        }
    }

    fn change_registered(
        &self,
        name: &str,
        change: impl FnOnce(&mut RegisteredModel),
    ) -> Result<(), Error> {
        let writer = self.folder.writer()?;
        let mut record = self.registered_or_not_found(name)?;
        change(&mut record.model);
        write(&writer, &mut record)
    }

    fn check_alias(&self, alias: &str) -> Result<(), Error> {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let digits = alias.strip_prefix(['v', 'V']).unwrap_or_default();
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let fits = !alias.is_empty() && alias.chars().count() <= LONGEST_ALIAS;
        if fits && alias.chars().all(is_word) && !is_number && alias.to_lowercase() != "latest" {
            return Ok(());
        }
        let reason = format!(
            "expected 1 to {LONGEST_ALIAS} letters, digits, \"-\" and \"_\", and neither \
             \"latest\" nor \"v\" with a number, which MLflow keeps for itself"
        );
        Err(self.invalid(format!("the alias {alias:?}"), reason))
    }
}

/// The folder of a registered model.
pub(super) fn registered_folder(name: &str) -> String {
    format!("{REGISTERED}/{}", names::encode(name))
}

/// Writes a registered model that has changed.
pub(super) fn write(writer: &Writer<'_>, record: &mut Record) -> Result<(), Error> {
    record.model.last_updated_timestamp = now_millis();
    writer.replace(format!("{}/model.json", registered_folder(&record.model.name)), record)
}
