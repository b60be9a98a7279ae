//! How a command names a model, and gets hold of it.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use fraud_core::{ArtifactError, ModelArtifact};
use tempfile::TempDir;

use crate::error::Error;
use crate::store::Store;
use crate::types::ModelVersion;
use crate::uri::{ModelUri, Resolved, load};

/// Which registered model is meant.
#[derive(Debug, Args)]
pub struct Name {
    /// Registered model whose versions and aliases are meant. Set it where several models share a
    /// registry
    #[arg(
        long,
        env = "FRAUD_REGISTRY_NAME",
        value_name = "NAME",
        default_value = crate::MODEL_NAME
    )]
    pub name: String,
}

/// A version as a person names it.
///
/// A number or `latest`, an alias, a model URI, the id of a logged model, or a folder (with a `/`, or a
/// dot in front).
///
/// # Errors
///
/// If it begins like a URI and is none.
pub(super) fn uri(text: &str, name: &str) -> Result<ModelUri, Error> {
    let is_uri = ["models:", "runs:", "file:"].iter().any(|scheme| text.starts_with(scheme));
    if is_uri || text.is_empty() || text.contains(['/', '\\']) || text.starts_with('.') {
        return text.parse();
    }
    let name = name.to_owned();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(ModelUri::Version { name, version: text.to_owned() });
    }
    if text == "latest" {
        return Ok(ModelUri::Latest { name });
    }
    match format!("models:/{text}").parse() {
        Ok(logged @ ModelUri::LoggedModel { .. }) => Ok(logged),
        _ => Ok(ModelUri::Alias { name, alias: text.to_owned() }),
    }
}

/// The version of a registered model that a number or alias stands for.
///
/// # Errors
///
/// If there is none.
pub(super) async fn version(
    store: &dyn Store,
    name: &str,
    text: &str,
) -> Result<ModelVersion, Error> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        store.version(name, text).await
    } else {
        store.version_by_alias(name, text).await
    }
}

/// Downloads all files of a model into a folder, and loads it. What is wrong with the model is said of
/// the URI, not of the folder that it happens to be in.
///
/// # Errors
///
/// If it is not there, does not arrive, or is no model.
pub(super) async fn download(
    store: &dyn Store,
    uri: &ModelUri,
    to: &Path,
) -> Result<(Resolved, ModelArtifact), Error> {
    let resolved = uri.resolve(store).await?;
    match resolved.download(store, to).await {
        Ok(artifact) => Ok((resolved, artifact)),
        Err(Error::Model { cause, .. }) => {
            let cause = match cause {
                ArtifactError::File { reason, .. } => *reason,
                cause => cause,
            };
            Err(Error::Model { origin: uri.to_string(), cause })
        }
        Err(error) => Err(error),
    }
}

/// A model from the store or from a folder, for as long as a command runs.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What it is called.
    pub(super) uri: ModelUri,
    /// Its version, if it is one.
    pub(super) version: Option<ModelVersion>,
    /// The model.
    pub(super) artifact: ModelArtifact,
    /// Where its files are, while this lives.
    _files: Option<TempDir>,
}

/// Gets a model from wherever it is.
///
/// # Errors
///
/// As [`download`].
pub(super) async fn fetch(store: &dyn Store, uri: ModelUri) -> anyhow::Result<Fetched> {
    if let ModelUri::Folder(folder) = &uri {
        let artifact = load(folder)?;
        return Ok(Fetched { uri, version: None, artifact, _files: None });
    }
    let files = temporary_folder()?;
    let (resolved, artifact) = download(store, &uri, files.path()).await?;
    Ok(Fetched { uri, version: resolved.version, artifact, _files: Some(files) })
}

/// A folder that goes when it is dropped.
///
/// # Errors
///
/// If it cannot be made.
pub(super) fn temporary_folder() -> anyhow::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("fraud-registry-")
        .tempdir()
        .context("cannot make a temporary folder (TMPDIR)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_may_leave_the_model_out() {
        let id = format!("m-{}", "0123456789abcdef".repeat(2));
        for (text, expected) in [
            ("3", "models:/fraud/3"),
            ("champion", "models:/fraud@champion"),
            ("latest", "models:/fraud/latest"),
            ("m-x", "models:/fraud@m-x"),
            (&id, &format!("models:/{id}")),
            ("models:/other@champion", "models:/other@champion"),
            ("runs:/r/model", "runs:/r/model"),
            ("models/production", "models/production"),
            (".", "."),
        ] {
            assert_eq!(uri(text, "fraud").unwrap().to_string(), expected, "{text}");
        }
        for wrong in ["", "models:/", "runs:/r", "s3://bucket/x"] {
            assert!(uri(wrong, "fraud").is_err(), "{wrong}");
        }
    }
}
