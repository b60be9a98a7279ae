//! A folder of JSON files that are written whole or not at all, by one writer at a time.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tempfile::NamedTempFile;

use crate::durable::{self, parent, readable_by_all};
use crate::error::Error;

/// What `format.json` says.
const FORMAT: &str = "fraud-registry/1";
const FORMAT_FILE: &str = "format.json";
/// The file whose lock a writer holds.
const LOCK: &str = ".lock";
/// Where files are until they have their names.
const TEMPORARY: &str = ".tmp";
/// What a fresh volume holds.
const LOST_AND_FOUND: &str = "lost+found";

#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: String,
}

/// The folder. Readers need no lock, since every file is replaced as a whole.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    lock_wait: Duration,
    /// Whether what killed processes left was removed.
    tidied: AtomicBool,
}

impl Folder {
    /// A folder that is there or not yet; a writer waits for another at most `lock_wait`.
    pub(super) fn open(root: PathBuf, lock_wait: Duration) -> Result<Self, Error> {
        let folder = Self { root, lock_wait, tidied: AtomicBool::new(false) };
        folder.has_format()?;
        Ok(folder)
    }

    pub(super) fn location(&self) -> String {
        self.root.display().to_string()
    }

    /// Full path of what is at `path` in the folder.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// A JSON file; `None` if it is not there.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<Option<T>, Error> {
        let path = self.path(path);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Error::Damaged { path, reason: error.to_string() }),
        }
    }

    /// Names of what is in a folder; none if it is not there.
    pub(super) fn names(&self, folder: impl AsRef<Path>) -> Result<Vec<String>, Error> {
        let path = self.path(folder);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            // What is not Unicode is not ours.
            if let Ok(name) = entry.map_err(Error::file("read", &path))?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Waits until no other writes, and makes the folder if it is not there.
    pub(super) fn writer(&self) -> Result<Writer<'_>, Error> {
        // A folder that is there and not ours gets no lock file from us.
        self.has_format()?;
        make_folder(&self.path(TEMPORARY))?;
        let writer = Writer { folder: self, lock: self.lock()? };
        if !self.has_format()? {
            writer.replace(FORMAT_FILE, &Format { format: FORMAT.to_owned() })?;
        }
        if !self.tidied.swap(true, Ordering::Relaxed) {
            writer.tidy()?;
        }
        Ok(writer)
    }

    /// A file for what will be moved to its place. It is locked: a live process writes it.
    pub(super) fn temporary(&self) -> Result<NamedTempFile, Error> {
        let folder = self.path(TEMPORARY);
        make_folder(&folder)?;
        loop {
            let file = tempfile::Builder::new()
                .prefix("file-")
                .permissions(readable_by_all())
                .tempfile_in(&folder)
                .map_err(Error::file("write to", &folder))?;
            match file.as_file().try_lock() {
                // Someone who tidies may have come between the creation and the lock.
                Ok(()) if file.path().exists() => return Ok(file),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(Error::file("lock", file.path())(error));
                }
            }
        }
    }

    /// Gives a temporary file its name, with its content on the disk.
    pub(super) fn place(&self, file: NamedTempFile, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = self.path(path);
        durable::place(file, &path).map_err(Error::file("write", &path))
    }

    /// Whether this is a store; an error if it is a folder of something else.
    fn has_format(&self) -> Result<bool, Error> {
        let known = |format: Format| {
            if format.format == FORMAT {
                return Ok(true);
            }
            Err(Error::Setting {
                setting: self.path(FORMAT_FILE).display().to_string(),
                found: format.format,
                expected: format!("{FORMAT:?}: another version of this program wrote the store"),
            })
        };
        if let Some(format) = self.read::<Format>(FORMAT_FILE)? {
            return known(format);
        }
        // A first writer that was killed leaves no more than these, and a file system its own folder.
        let known_names = [LOCK, TEMPORARY, FORMAT_FILE, LOST_AND_FOUND];
        let is_foreign = |name: &String| !known_names.contains(&name.as_str());
        let Some(found) = self.names("")?.into_iter().find(is_foreign) else { return Ok(false) };
        // Another process may have begun the store between the two looks.
        match self.read::<Format>(FORMAT_FILE)? {
            Some(format) => known(format),
            None => Err(Error::Setting {
                setting: self.location(),
                found: format!("a folder with {found} and without {FORMAT_FILE}"),
                expected: "a store, an empty folder, or a path where there is nothing".to_owned(),
            }),
        }
    }

    fn lock(&self) -> Result<File, Error> {
        let path = self.path(LOCK);
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open().map_err(Error::file("open", &path))?;
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let cause = match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if start.elapsed() < self.lock_wait => {
                    std::thread::sleep(pause);
                    pause = (2 * pause).min(Duration::from_millis(16));
                    continue;
                }
                Err(TryLockError::WouldBlock) => std::io::Error::new(
                    ErrorKind::TimedOut,
                    format!("another process has held it for {:?}", self.lock_wait),
                ),
                Err(TryLockError::Error(error)) => error,
            };
            return Err(Error::file("lock", path)(cause));
        }
    }
}

/// The right to change the folder; gone when dropped.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    folder: &'a Folder,
    lock: File,
}

impl Writer<'_> {
    /// Writes a JSON file, in place of one that is there.
    pub(super) fn replace(
        &self,
        path: impl AsRef<Path>,
        value: &impl Serialize,
    ) -> Result<(), Error> {
        self.folder.place(self.written(path.as_ref(), value)?, path)
    }

    /// Writes a JSON file that must not be there; `false` if it is.
    pub(super) fn create(
        &self,
        path: impl AsRef<Path>,
        value: &impl Serialize,
    ) -> Result<bool, Error> {
        let file = self.written(path.as_ref(), value)?;
        let path = self.folder.path(path);
        make_parent(&path)?;
        match file.persist_noclobber(&path) {
            Ok(_) => sync_parent(&path).map(|()| true),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::file("write", path)(error.error)),
        }
    }

    /// Makes a folder that appears with everything that `fill` puts into it.
    pub(super) fn create_folder<T>(
        &self,
        path: impl AsRef<Path>,
        fill: impl FnOnce(&Path) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let path = self.folder.path(path);
        make_parent(&path)?;
        let content = tempfile::Builder::new()
            .prefix("folder-")
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(self.folder.path(TEMPORARY))
            .map_err(Error::file("write", &path))?;
        let filled = fill(content.path())?;
        durable::sync(content.path()).map_err(Error::file("write", content.path()))?;
        std::fs::rename(content.path(), &path).map_err(Error::file("write", &path))?;
        // It has its name; there is nothing left to remove.
        let _ = content.keep();
        sync_parent(&path)?;
        Ok(filled)
    }

    fn written(&self, path: &Path, value: &impl Serialize) -> Result<NamedTempFile, Error> {
        let mut file = self.folder.temporary()?;
        write_json(file.as_file_mut(), &self.folder.path(path), value)?;
        Ok(file)
    }

    /// Removes what killed processes left. A file that someone writes is locked; folders are only
    /// made by a writer, and that is us.
    fn tidy(&self) -> Result<(), Error> {
        for name in self.folder.names(TEMPORARY)? {
            let path = self.folder.path(TEMPORARY).join(name);
            let Ok(file) = File::open(&path) else { continue };
            let removed = if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                std::fs::remove_dir_all(&path)
            } else if file.try_lock().is_ok() {
                std::fs::remove_file(&path)
            } else {
                Ok(())
            };
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(
                        "cannot remove {}, left by a killed process: {error}",
                        path.display()
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        // Closing would do, but for a child process that has not yet closed what it inherited.
        let _ = self.lock.unlock();
    }
}

/// Writes a JSON file where nothing is yet, down to the disk.
pub(super) fn write_new(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut file = File::create_new(path).map_err(Error::file("write", path))?;
    write_json(&mut file, path, value)
}

fn write_json(file: &mut File, path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut writer = BufWriter::with_capacity(1 << 16, &mut *file);
    serde_json::to_writer_pretty(&mut writer, value)
        .map_err(std::io::Error::from)
        .and_then(|()| writer.write_all(b"\n"))
        .and_then(|()| writer.flush())
        .map_err(Error::file("write", path))?;
    drop(writer);
    file.sync_all().map_err(Error::file("write", path))
}

/// Makes a folder and those above it, each on the disk before the next.
pub(super) fn make_folder(path: &Path) -> Result<(), Error> {
    let made = match std::fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_parent(path)?;
            std::fs::create_dir(path)
        }
        made => made,
    };
    match made {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::file("make", path)(error)),
    }
}

fn make_parent(path: &Path) -> Result<(), Error> {
    make_folder(parent(path))
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    durable::sync_parent(path).map_err(Error::file("write", parent(path)))
}
