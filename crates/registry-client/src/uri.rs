//! Where a model is, in the words that Python's MLflow uses.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fraud_core::ModelArtifact;
use fraud_core::artifact::MODEL_FILE;

use crate::artifact_path::join;
use crate::error::Error;
use crate::store::Store;
use crate::types::{FileInfo, ModelVersion};

/// A model's URI: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME/latest`,
/// `models:/m-…` (a logged model), `runs:/RUN_ID/PATH`, or a folder, as such or as `file://…`.
///
/// They mean what they mean to Python's client, which knows one that is refused here (a stage, as in
/// `models:/NAME/Production`: stages are deprecated), and takes `models:/NAME` for the id of a logged
/// model in any case. Here that is one only if it looks like one, `m-` and 32 hexadecimal digits, and
/// otherwise the latest version of that name, where Python finds nothing.
///
/// ```
/// use fraud_registry::ModelUri;
///
/// let uri: ModelUri = "models:/fraud_detection_logreg@champion".parse()?;
/// assert_eq!(uri.to_string(), "models:/fraud_detection_logreg@champion");
/// assert!("models:/fraud_detection_logreg/newest".parse::<ModelUri>().is_err());
/// # Ok::<(), fraud_registry::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelUri {
    /// The version that an alias stands for.
    Alias {
        /// The registered model's name.
        name: String,
        /// The alias.
        alias: String,
    },
    /// A version by its number.
    Version {
        /// The registered model's name.
        name: String,
        /// The number.
        version: String,
    },
    /// The version with the highest number.
    Latest {
        /// The registered model's name.
        name: String,
    },
    /// A logged model.
    LoggedModel {
        /// Its id, `m-…`.
        model_id: String,
    },
    /// A folder among a run's artifacts, or the logged model of that name that the run made.
    Run {
        /// The run's id.
        run_id: String,
        /// The path below its artifacts.
        path: String,
    },
    /// A folder on this machine.
    Folder(PathBuf),
}

impl FromStr for ModelUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Setting {
            setting: "the model URI".to_owned(),
            found: text.to_owned(),
            expected:
                "models:/NAME@ALIAS, models:/NAME/VERSION, models:/NAME/latest, models:/m-…, \
                       runs:/RUN_ID/PATH, or a folder"
                    .to_owned(),
        };
        if let Some(rest) = text.strip_prefix("models:") {
            // models:///x is the same as models:/x, and models://x/1 names a host, and no model.
            let slashes = rest.len() - rest.trim_start_matches('/').len();
            let rest = &rest[slashes..];
            if slashes == 0 || slashes == 2 {
                return Err(wrong());
            }
            // No name has a slash or is blank.
            let name_of = |name: &str| {
                let is_name = !name.trim().is_empty() && !name.contains('/');
                is_name.then(|| name.to_owned()).ok_or_else(wrong)
            };
            if let Some((name, suffix)) = rest.split_once('/') {
                let name = name_of(name)?;
                return match suffix {
                    _ if suffix.eq_ignore_ascii_case("latest") => Ok(Self::Latest { name }),
                    "" => Err(wrong()),
                    version if version.bytes().all(|byte| byte.is_ascii_digit()) => {
                        Ok(Self::Version { name, version: version.to_owned() })
                    }
                    _ => Err(wrong()),
                };
            }
            if let Some((name, alias)) = rest.rsplit_once('@') {
                return Ok(Self::Alias { name: name_of(name)?, alias: name_of(alias)? });
            }
            if is_model_id(rest) {
                return Ok(Self::LoggedModel { model_id: rest.to_owned() });
            }
            return Ok(Self::Latest { name: name_of(rest)? });
        }
        if let Some(rest) = text.strip_prefix("runs:") {
            let (run_id, path) = rest.trim_matches('/').split_once('/').ok_or_else(wrong)?;
            if run_id.is_empty() || path.is_empty() {
                return Err(wrong());
            }
            return Ok(Self::Run { run_id: run_id.to_owned(), path: path.to_owned() });
        }
        if text.starts_with("file:") {
            let url = url::Url::parse(text).map_err(|_| wrong())?;
            return url.to_file_path().map(Self::Folder).map_err(|()| wrong());
        }
        if text.is_empty() || text.contains(":/") {
            return Err(wrong());
        }
        Ok(Self::Folder(text.into()))
    }
}

/// `m-` and 32 hexadecimal digits.
fn is_model_id(text: &str) -> bool {
    let digits = text.strip_prefix("m-").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl fmt::Display for ModelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alias { name, alias } => write!(f, "models:/{name}@{alias}"),
            Self::Version { name, version } => write!(f, "models:/{name}/{version}"),
            Self::Latest { name } => write!(f, "models:/{name}/latest"),
            Self::LoggedModel { model_id } => write!(f, "models:/{model_id}"),
            Self::Run { run_id, path } => write!(f, "runs:/{run_id}/{path}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Where a model's files are, and which version that is.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The artifact root of the files.
    pub artifact_uri: String,
    /// The path of the model's folder below that root; `""` for the root itself.
    pub path: String,
    /// The version, if the URI names a registered model.
    pub version: Option<ModelVersion>,
}

impl ModelUri {
    /// Looks up where the files are. An alias may stand for another version a moment later.
    ///
    /// # Errors
    ///
    /// If there is no such model, version, alias or run, or the store cannot be asked. A
    /// [`ModelUri::Folder`] is in no store and is [`Error::Invalid`] here.
    pub async fn resolve(&self, store: &dyn Store) -> Result<Resolved, Error> {
        let version = match self {
            Self::Alias { name, alias } => store.version_by_alias(name, alias).await?,
            Self::Version { name, version } => store.version(name, version).await?,
            Self::Latest { name } => {
                let versions = store.versions(Some(name)).await?;
                versions.into_iter().next().ok_or_else(|| Error::NotFound {
                    what: format!("a version of {name:?}"),
                    location: store.location(),
                    hint: String::new(),
                    answer: None,
                })?
            }
            Self::LoggedModel { model_id } => {
                let artifact_uri = store.logged_model(model_id).await?.info.artifact_uri;
                return Ok(Resolved { artifact_uri, path: String::new(), version: None });
            }
            Self::Run { run_id, path } => {
                let run = store.run(run_id).await?;
                // In MLflow 3 a run's model is a logged model of its own, of this name.
                for output in &run.outputs.model_outputs {
                    let model = store.logged_model(&output.model_id).await?;
                    if model.info.name == *path {
                        let artifact_uri = model.info.artifact_uri;
                        return Ok(Resolved { artifact_uri, path: String::new(), version: None });
                    }
                }
                let artifact_uri = run.info.artifact_uri;
                return Ok(Resolved { artifact_uri, path: path.clone(), version: None });
            }
            Self::Folder(path) => {
                return Err(Error::Invalid {
                    what: format!("the model {}", path.display()),
                    location: store.location(),
                    reason: "a folder is in no registry".to_owned(),
                    answer: None,
                });
            }
        };
        let artifact_uri = store.version_artifacts(&version).await?;
        // A server gives back runs:/… as it was registered.
        if artifact_uri.starts_with("runs:") {
            let run: Self = artifact_uri.parse()?;
            let resolved = Box::pin(run.resolve(store)).await?;
            return Ok(Resolved { version: Some(version), ..resolved });
        }
        Ok(Resolved { artifact_uri, path: String::new(), version: Some(version) })
    }
}

impl Resolved {
    /// Downloads `model.json` alone into a folder, and loads the model from it.
    ///
    /// # Errors
    ///
    /// If it is not there, does not arrive or cannot be written, or is no model.
    pub async fn download_model(
        &self,
        store: &dyn Store,
        to: &Path,
    ) -> Result<ModelArtifact, Error> {
        let file = join(&self.path, MODEL_FILE);
        // A server does not say that a file is not there, but fails, and is asked again and again.
        let there = store.list_artifacts(&self.artifact_uri, &self.path).await?;
        self.check_has_model(store, &there)?;
        store.download_artifact(&self.artifact_uri, &file, &to.join(MODEL_FILE)).await?;
        load(to)
    }

    /// Downloads all files of the model into a folder, which is made if it is missing, and loads the
    /// model from it as [`ModelArtifact::load`] does, with all its checks.
    ///
    /// # Errors
    ///
    /// If a file does not arrive or cannot be written, or the files are no model.
    pub async fn download(&self, store: &dyn Store, to: &Path) -> Result<ModelArtifact, Error> {
        let files = list_recursively(store, &self.artifact_uri, &self.path).await?;
        self.check_has_model(store, &files)?;
        for file in files {
            let below = file.path.strip_prefix(&self.path).unwrap_or(&file.path);
            let target = to.join(below.trim_start_matches('/'));
            store.download_artifact(&self.artifact_uri, &file.path, &target).await?;
        }
        load(to)
    }

    /// Whether what is there includes what makes it a model of this product.
    fn check_has_model(&self, store: &dyn Store, there: &[FileInfo]) -> Result<(), Error> {
        let has = |name: &str| there.iter().any(|file| file.path == join(&self.path, name));
        if has(MODEL_FILE) {
            return Ok(());
        }
        let of_mlflow = if has("MLmodel") { " of an MLflow model" } else { "" };
        Err(Error::NotFound {
            what: format!("{MODEL_FILE} of the model at {}", join(&self.artifact_uri, &self.path)),
            location: store.location(),
            hint: format!(
                "; there are {} files{of_mlflow}, and a model of this product has one",
                there.iter().filter(|file| !file.is_dir).count()
            ),
            answer: None,
        })
    }
}

/// Loads a model from a folder.
///
/// # Errors
///
/// If it holds no model.
pub fn load(folder: &Path) -> Result<ModelArtifact, Error> {
    ModelArtifact::load(folder)
        .map_err(|cause| Error::Model { origin: folder.display().to_string(), cause })
}

/// All files below a path of an artifact root.
///
/// # Errors
///
/// If the store cannot be asked.
pub async fn list_recursively(
    store: &dyn Store,
    artifact_uri: &str,
    path: &str,
) -> Result<Vec<FileInfo>, Error> {
    let mut folders = vec![path.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in store.list_artifacts(artifact_uri, &folder).await? {
            if entry.is_dir {
                folders.push(entry.path);
            } else {
                files.push(entry);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_as_python_reads_them() {
        let id = format!("m-{}", "0123456789abcdef".repeat(2));
        let name = || "n".to_owned();
        for (text, expected) in [
            ("models:/n@c", ModelUri::Alias { name: name(), alias: "c".into() }),
            ("models:/a@b@c", ModelUri::Alias { name: "a@b".into(), alias: "c".into() }),
            ("models:/n/12", ModelUri::Version { name: name(), version: "12".into() }),
            ("models:/n/latest", ModelUri::Latest { name: name() }),
            ("models:/n/LateST", ModelUri::Latest { name: name() }),
            ("models:///n/1", ModelUri::Version { name: name(), version: "1".into() }),
            ("models:/n", ModelUri::Latest { name: name() }),
            ("models:/m-x", ModelUri::Latest { name: "m-x".into() }),
            (&format!("models:/{id}"), ModelUri::LoggedModel { model_id: id.clone() }),
            ("runs:/r/a/b", ModelUri::Run { run_id: "r".into(), path: "a/b".into() }),
            ("models/production", ModelUri::Folder("models/production".into())),
            ("file:///srv/a%20b", ModelUri::Folder("/srv/a b".into())),
        ] {
            assert_eq!(text.parse::<ModelUri>().unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "models:/",
            "models:/@c",
            "models:/n@",
            "models:/n/v1",
            "models:/n/",
            "models:/a/b@c",
            "models:/a/b/1",
            "models:n",
            "models://n/1",
            "models:/ /1",
            "runs:/r",
            "s3://b/x",
        ] {
            let message = text.parse::<ModelUri>().unwrap_err().to_string();
            assert!(message.contains("models:/NAME@ALIAS"), "{message}");
        }
    }
}
