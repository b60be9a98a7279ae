//! A download on its way: `<output>.part`, and in `<output>.part.json` where it comes from, so that two
//! versions of a file are never glued together.

use std::fs::{self, File, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::beside;
use crate::output::MadeFolders;

/// Where the bytes of a part file come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    /// SHA-256 of the URL, by which it is known again; the URL itself may hold a password.
    url_sha256: String,
    /// `ETag` or `Last-Modified`: by which the server knows whether its file is still the same. `None`
    /// if it did not say; then there is no going on.
    validator: Option<String>,
}

impl Source {
    pub(super) fn new(url: &Url, validator: Option<String>) -> Self {
        Self { url_sha256: digest(url), validator }
    }
}

fn digest(url: &Url) -> String {
    Sha256::digest(url.as_str())
        .iter()
        .fold(String::with_capacity(64), |digits, byte| digits + &format!("{byte:02x}"))
}

/// The part file, open and locked.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    source_path: PathBuf,
    file: File,
    len: u64,
    /// Dropped last, when an empty part file is gone.
    _folders: MadeFolders,
}

impl Part {
    /// Opens the part file of `output`, with what an earlier download left in it.
    pub(super) fn open(output: &Path) -> anyhow::Result<Self> {
        let path = beside(output, ".part");
        let context = || format!("cannot write {}", path.display());
        // A pipe would make opening wait for a writer.
        crate::output::file_target(&path)?;
        let folders = MadeFolders::of(&path)?;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(context)?;
        let busy = match file.try_lock() {
            Err(TryLockError::WouldBlock) => true,
            // Another download may have renamed the file between opening and locking.
            Ok(()) => !is_still_at(&file, &path).with_context(context)?,
            // Not every file system has locks; then care is left to the caller.
            Err(TryLockError::Error(_)) => false,
        };
        if busy {
            bail!("{} is being written by another download; wait for it", path.display());
        }
        let len = file.metadata().with_context(context)?.len();
        let source_path = beside(output, ".part.json");
        Ok(Self { path, source_path, file, len, _folders: folders })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes are there.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The validator of the file that the bytes belong to, if a download from `url` can go on.
    pub(super) fn resume(&self, url: &Url) -> Option<String> {
        if self.len == 0 {
            return None;
        }
        let text = fs::read(&self.source_path).ok()?;
        let source: Source = serde_json::from_slice(&text).ok()?;
        source.validator.filter(|_| source.url_sha256 == digest(url))
    }

    /// Throws the bytes away and remembers where the next ones come from.
    pub(super) fn restart(&mut self, source: &Source) -> anyhow::Result<()> {
        self.clear()?;
        let text = serde_json::to_vec(source)?;
        crate::output::write_file(&self.source_path, text)
    }

    /// Throws the bytes away.
    pub(super) fn clear(&mut self) -> anyhow::Result<()> {
        self.file.set_len(0).with_context(|| format!("cannot write {}", self.path.display()))?;
        self.len = 0;
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self
            .file
            .seek(SeekFrom::Start(self.len))
            .and_then(|_| self.file.write_all(bytes))
            .with_context(|| format!("cannot write {}", self.path.display()));
        if written.is_ok() {
            self.len += bytes.len() as u64;
        }
        written
    }

    /// Flushes the file to disk and gives it its name.
    pub(super) fn commit(self, output: &Path) -> anyhow::Result<()> {
        let context = || format!("cannot write {}", output.display());
        self.file.sync_all().with_context(context)?;
        fs::rename(&self.path, output).with_context(context)?;
        // Without the file that it speaks of, it does no harm.
        let _ = fs::remove_file(&self.source_path);
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).with_context(context)?;
        folder.sync_all().with_context(context)
    }

    /// Removes everything. What cannot be removed is truncated, or noticed by the next download.
    pub(super) fn discard(mut self) {
        let _ = self.clear();
        let _ = fs::remove_file(&self.source_path);
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Part {
    /// An empty part file is of no use to anyone.
    fn drop(&mut self) {
        if self.len == 0 && is_still_at(&self.file, &self.path).unwrap_or(false) {
            let _ = fs::remove_file(&self.source_path);
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn is_still_at(file: &File, path: &Path) -> std::io::Result<bool> {
    let (open, named) = (file.metadata()?, fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}
