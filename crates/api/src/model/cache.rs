//! What the registry gave before: one file for each registry and URI, replaced as a whole.

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use fraud_core::ModelArtifact;
use fraud_registry::{ModelUri, Resolved};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const FORMAT: &str = "fraud-model-cache/1";

/// A folder with the models of earlier starts.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// How long a model in the cache counts as just confirmed.
const CONFIRMED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// A model of an earlier start.
#[derive(Debug)]
pub(super) struct Cached {
    registry: String,
    pub(super) uri: String,
    pub(super) origin: Origin,
    /// When the registry last said that the URI stands for it.
    pub(super) confirmed_at: Timestamp,
    pub(super) artifact: ModelArtifact,
}

/// Which model a URI stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The registered model, if it is a version of one.
    pub(super) name: Option<String>,
    /// The number of that version.
    pub(super) version: Option<String>,
    /// Where the registry has its files.
    pub(super) artifact_uri: String,
    /// The folder below that.
    path: String,
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    registry: String,
    uri: String,
    origin: Origin,
    confirmed_at: String,
    digest: String,
    /// The text of `model.json`, whose numbers are the model's to the last bit.
    model: Box<RawValue>,
}

impl Origin {
    pub(super) fn of(resolved: &Resolved) -> Self {
        let version = resolved.version.as_ref();
        Self {
            name: version.map(|version| version.name.clone()),
            version: version.map(|version| version.version.clone()),
            artifact_uri: resolved.artifact_uri.clone(),
            path: resolved.path.clone(),
        }
    }
}

impl Cached {
    /// What the registry says now.
    pub(super) fn now(
        registry: String,
        uri: &ModelUri,
        origin: Origin,
        artifact: ModelArtifact,
    ) -> Self {
        let confirmed_at = Timestamp::now();
        Self { registry, uri: uri.to_string(), origin, confirmed_at, artifact }
    }

    /// Whether it says what `now` says, and said so lately.
    pub(super) fn still_tells(&self, now: &Self) -> bool {
        let age = now.confirmed_at.duration_since(self.confirmed_at);
        self.origin == now.origin
            && self.artifact.digest() == now.artifact.digest()
            && age < CONFIRMED_FOR
    }

    /// How long ago it was confirmed, for people: `26h 3m 5s`.
    pub(super) fn age(&self) -> String {
        let age = Timestamp::now().duration_since(self.confirmed_at);
        format!("{:#}", SignedDuration::from_secs(age.as_secs()))
    }
}

impl Cache {
    /// A cache, or none for an empty path. The folder is made with the first model.
    pub(super) fn in_folder(folder: &Path) -> Option<Self> {
        (!folder.as_os_str().is_empty()).then(|| Self { folder: folder.to_owned() })
    }

    /// The file for a URI of a registry: readable, and told apart by a digest of both.
    pub(super) fn file(&self, registry: &str, uri: &ModelUri) -> PathBuf {
        let uri = uri.to_string();
        let readable: String = uri
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' })
            .take(80)
            .collect();
        let key = Sha256::digest(format!("{registry}\n{uri}"));
        let digest =
            key[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        self.folder.join(format!("{readable}-{digest}.json"))
    }

    /// The model of an earlier start with this URI and registry; `None` if there was none.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not what was written.
    pub(super) fn read(&self, registry: &str, uri: &ModelUri) -> anyhow::Result<Option<Cached>> {
        let path = self.file(registry, uri);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let message = format!("the cached model {} cannot be read", path.display());
                return Err(anyhow::Error::new(error).context(message));
            }
        };
        let cached = parse(&text, registry, uri)
            .with_context(|| format!("the cached model {} is damaged", path.display()))?;
        Ok(Some(cached))
    }

    /// Keeps a model in place of the one before: after a crash it is one or the other.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to.
    pub(super) fn write(&self, cached: &Cached) -> anyhow::Result<()> {
        let uri: ModelUri = cached.uri.parse()?;
        let path = self.file(&cached.registry, &uri);
        let file = File {
            format: FORMAT.to_owned(),
            registry: cached.registry.clone(),
            uri: cached.uri.clone(),
            origin: cached.origin.clone(),
            confirmed_at: cached.confirmed_at.to_string(),
            digest: cached.artifact.digest(),
            model: RawValue::from_string(cached.artifact.to_json())?,
        };
        let text = serde_json::to_string_pretty(&file)?;
        let write = || {
            std::fs::create_dir_all(&self.folder)?;
            // As any program makes a file: what others may do with it is up to the umask.
            let mut temporary = tempfile::Builder::new()
                .prefix(".partial-")
                .permissions(std::fs::Permissions::from_mode(0o666))
                .tempfile_in(&self.folder)?;
            temporary.write_all(text.as_bytes())?;
            temporary.as_file().sync_all()?;
            temporary.persist(&path).map_err(|error| error.error)?;
            std::fs::File::open(&self.folder)?.sync_all()
        };
        write().with_context(|| format!("cannot keep the model as {}", path.display()))
    }

    /// A folder for a download that ends with it.
    ///
    /// # Errors
    ///
    /// If the cache's folder cannot be written to.
    pub(super) fn temporary_folder(&self) -> std::io::Result<TempDir> {
        std::fs::create_dir_all(&self.folder)?;
        tempfile::Builder::new().prefix(".download-").tempdir_in(&self.folder)
    }
}

impl fmt::Display for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cache {}", self.folder.display())
    }
}

fn parse(text: &str, registry: &str, uri: &ModelUri) -> anyhow::Result<Cached> {
    let file: File = serde_json::from_str(text)?;
    if file.format != FORMAT {
        bail!("its format is {:?}, expected {FORMAT:?}", file.format);
    }
    if (file.registry.as_str(), file.uri.clone()) != (registry, uri.to_string()) {
        bail!("it is {} of {}, expected {uri} of {registry}", file.uri, file.registry);
    }
    // As a chain the messages would show twice.
    let artifact =
        ModelArtifact::from_json(file.model.get()).map_err(|error| anyhow::anyhow!("{error}"))?;
    if artifact.digest() != file.digest {
        bail!("its numbers have the digest {}, expected {}", artifact.digest(), file.digest);
    }
    let confirmed_at = file.confirmed_at.parse().context("its time is none")?;
    Ok(Cached {
        registry: file.registry,
        uri: file.uri,
        origin: file.origin,
        confirmed_at,
        artifact,
    })
}
