//! The model to serve: from a folder, from the registry, or from the cache of what the registry gave
//! before.

mod cache;

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use fraud_core::ModelArtifact;
use fraud_registry::{Error, ModelUri, Place, Resolved, Store};

use self::cache::{Cache, Cached, Origin};
use crate::config::Config;

/// A model, and what the log says of it.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) artifact: ModelArtifact,
    /// The URI or folder that was asked for.
    pub(crate) called: String,
    /// The registered model that it is a version of.
    pub(crate) name: Option<String>,
    /// The number of that version.
    pub(crate) version: Option<String>,
    /// The alias that it was asked for by.
    pub(crate) alias: Option<String>,
    /// Where its numbers were read.
    pub(crate) source: String,
}

/// What to do when the registry cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenOutOfReach {
    /// Take what it gave before: at the start, where there is no model yet.
    UseCache,
    /// Fail: there is a model, and it stays.
    Fail,
}

/// Loads the model that the flags name.
///
/// # Errors
///
/// If there is no such model or it is refused, or the registry cannot be asked and the cache does not
/// have it.
pub(crate) async fn load(config: &Config, when: WhenOutOfReach) -> anyhow::Result<Model> {
    match &config.model_uri {
        None => from_folder(&config.model),
        Some(uri) => from_uri(uri, config, when).await,
    }
}

/// Loads a model by its URI, with the registry and the cache of the flags.
///
/// # Errors
///
/// As [`load`].
pub(crate) async fn from_uri(
    uri: &ModelUri,
    config: &Config,
    when: WhenOutOfReach,
) -> anyhow::Result<Model> {
    if let ModelUri::Folder(folder) = uri {
        return from_folder(folder);
    }
    // The cache is keyed by it: a registry is another one when it is in another folder.
    let registry = std::path::absolute(&config.registry)
        .with_context(|| format!("cannot use the registry {}", config.registry.display()))?;
    let cache = Cache::in_folder(&config.model_cache);
    from_registry(uri, Place::from_env(&registry)?, cache.as_ref(), when).await
}

fn from_folder(folder: &Path) -> anyhow::Result<Model> {
    // The message holds those of its sources already; as a chain they would show twice.
    let artifact = ModelArtifact::load(folder).map_err(|error| anyhow!("{error}"))?;
    let source = folder.display().to_string();
    Ok(Model { artifact, called: source.clone(), name: None, version: None, alias: None, source })
}

/// Asks the registry what the URI stands for; if it cannot be asked, the cache knows what it said
/// last.
async fn from_registry(
    uri: &ModelUri,
    place: Place,
    cache: Option<&Cache>,
    when: WhenOutOfReach,
) -> anyhow::Result<Model> {
    let registry = place.to_string();
    let cached = cache.map_or(Ok(None), |cache| cache.read(&registry, uri));
    // With something to fall back on, nobody should wait minutes for a server that is down.
    let may_fail = when == WhenOutOfReach::Fail || matches!(cached, Ok(Some(_)));
    let place = if may_fail { place.in_a_hurry() } else { place };

    match fetch(uri, place, cache, cached.as_ref().ok().and_then(Option::as_ref)).await {
        Ok((origin, artifact, source)) => {
            if let Err(damage) = &cached {
                tracing::warn!("{damage:#}; it was fetched anew");
            }
            let now = Cached::now(registry, uri, origin, artifact);
            // A look every few seconds that finds nothing new need not be written down.
            let is_fresh = matches!(&cached, Ok(Some(before)) if before.still_tells(&now));
            if let Some(cache) = cache
                && !is_fresh
                && let Err(error) = cache.write(&now)
            {
                tracing::warn!("a start without the registry will not work: {error:#}");
            }
            Ok(model(now, source))
        }
        Err(Failure::Refused(error)) => bail!("cannot serve {uri}: {error}"),
        Err(Failure::OutOfReach(reason)) if when == WhenOutOfReach::Fail => {
            bail!("cannot fetch {uri}: {reason}")
        }
        Err(Failure::OutOfReach(reason)) => match (cached, cache) {
            (Ok(Some(cached)), Some(cache)) => {
                tracing::warn!(
                    "{uri} cannot be fetched: {reason}. Starting with the cached {}, which it stood \
                     for {} ago ({})",
                    described(&cached),
                    cached.age(),
                    cached.confirmed_at,
                );
                let file = cache.file(&registry, uri);
                Ok(model(cached, format!("{} (from {registry} before)", file.display())))
            }
            (Err(damage), _) => bail!("cannot fetch {uri}: {reason}; and {damage:#}"),
            (_, Some(cache)) => bail!(
                "cannot fetch {uri}: {reason}; and {cache} has no copy of an earlier start with \
                 this URI and registry"
            ),
            (_, None) => bail!(
                "cannot fetch {uri}: {reason}; and no cache of earlier starts is kept (--model-cache \
                 is empty)"
            ),
        },
    }
}

/// Why the registry did not give a model.
enum Failure {
    /// It was not asked, or its answer or its files did not arrive: the cache may help.
    OutOfReach(String),
    /// It says that there is no such model, or what it gave is refused: what it said before no longer
    /// counts.
    Refused(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let broken =
            matches!(error, Error::Answer { .. } | Error::File { .. } | Error::Damaged { .. });
        if error.is_unavailable() || broken {
            Self::OutOfReach(error.to_string())
        } else {
            Self::Refused(error.to_string())
        }
    }
}

/// What the URI stands for now, its numbers, and where they were read. An alias moves and a version's
/// files do not: those of the cached version are not fetched again.
async fn fetch(
    uri: &ModelUri,
    place: Place,
    cache: Option<&Cache>,
    cached: Option<&Cached>,
) -> Result<(Origin, ModelArtifact, String), Failure> {
    if let Place::Folder(folder) = &place
        && is_absent(folder)
    {
        return Err(Failure::OutOfReach(format!(
            "the registry {} is not there or empty; train a model into it (fraud-trainer train), \
             choose another with --registry, or set MLFLOW_TRACKING_URI",
            folder.display()
        )));
    }
    let store = place.connect()?;
    let resolved = uri.resolve(store.as_ref()).await?;
    let origin = Origin::of(&resolved);
    // A run that goes on may still change its files.
    let is_fixed = !matches!(uri, ModelUri::Run { .. });
    if let Some(cached) = cached
        && is_fixed
        && cached.origin == origin
    {
        let source = format!("the cache, checked with {}", store.location());
        return Ok((origin, cached.artifact.clone(), source));
    }
    let artifact = download(&resolved, store.as_ref(), cache).await?;
    let source = format!("{} at {}", origin.artifact_uri, store.location());
    Ok((origin, artifact, source))
}

async fn download(
    resolved: &Resolved,
    store: &dyn Store,
    cache: Option<&Cache>,
) -> Result<ModelArtifact, Error> {
    let failed = |cause| Error::File { action: "make", path: std::env::temp_dir(), cause };
    let folder = match cache.and_then(|cache| cache.temporary_folder().ok()) {
        Some(folder) => folder,
        None => tempfile::tempdir().map_err(failed)?,
    };
    resolved.download(store, folder.path()).await
}

/// Whether a registry's folder is gone. A volume that is not mounted is an empty folder.
fn is_absent(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or_else(
        |error| error.kind() == std::io::ErrorKind::NotFound,
        |mut entries| entries.next().is_none(),
    )
}

fn model(cached: Cached, source: String) -> Model {
    let Cached { uri, origin, artifact, .. } = cached;
    let alias = match uri.parse() {
        Ok(ModelUri::Alias { alias, .. }) => Some(alias),
        _ => None,
    };
    Model { artifact, called: uri, name: origin.name, version: origin.version, alias, source }
}

/// `version 3 of "fraud_detection_logreg" (sha256:…)`.
fn described(cached: &Cached) -> String {
    let digest = cached.artifact.digest();
    match &cached.origin {
        Origin { name: Some(name), version: Some(version), .. } => {
            format!("version {version} of {name:?} ({digest})")
        }
        origin => format!("model of {} ({digest})", origin.artifact_uri),
    }
}
