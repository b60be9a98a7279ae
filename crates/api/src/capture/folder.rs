//! The folder of captured files: what has a name in it without a leading dot is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// First part of each name.
pub(super) const PREFIX: &str = "capture-";
/// Last part of each name.
pub(super) const SUFFIX: &str = ".parquet";
/// After the name of a file that is being written.
const PARTIAL: &str = ".partial";

/// A folder that could be written at the start.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Creates the folder if it is not there, and removes what killed processes left in it.
    ///
    /// # Errors
    ///
    /// If it cannot be created or written. A full disk is no error: it may have space again later,
    /// and a service that scores is worth more than one that waits for that.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let advice = || {
            format!(
                "cannot capture what is scored in {}; choose a folder with --capture that this \
                 user may create and write",
                path.display()
            )
        };
        create(path).with_context(advice)?;
        let left = leftovers(path).with_context(advice)?;
        if left > 0 {
            tracing::info!(files = left, "removed what a killed process had not finished");
        }
        let folder = Self { path: path.to_owned() };
        match folder.probe() {
            Err(error) if is_full(&error) => {
                tracing::warn!(folder = %path.display(), %error, "the disk for captured rows is full");
            }
            outcome => outcome.with_context(advice)?,
        }
        Ok(folder)
    }

    /// Writes a file so that it is there whole, also after a power cut, or not at all. When it
    /// failed it may be repeated with the same name and bytes.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let partial = self.path.join(format!(".{name}{PARTIAL}"));
        let outcome = self.attempt(&partial, &self.path.join(name), bytes);
        if outcome.is_err() {
            // Others may need the space.
            let _ = fs::remove_file(&partial);
        }
        outcome
    }

    fn attempt(&self, partial: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = match create_file(partial) {
            // Somebody removed the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(&self.path)?;
                create_file(partial)?
            }
            outcome => outcome?,
        };
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(partial, name)?;
        sync(&self.path)
    }

    /// Creates and removes a file.
    fn probe(&self) -> io::Result<()> {
        let probe = self.path.join(format!(".{PREFIX}probe-{}{SUFFIX}{PARTIAL}", run()));
        let file = create_file(&probe)?;
        let removed = fs::remove_file(&probe);
        drop(file);
        match removed {
            // Another service that starts has tidied up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// Eight random digits that tell this run from others; all process ids are 1 in containers.
pub(super) fn run() -> String {
    uuid::Uuid::new_v4().simple().to_string().split_off(24)
}

/// A file that is locked as long as its process lives, which is how others know that it does: a
/// process id says nothing across containers.
fn create_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    // A file system without locks has no leftovers removed either.
    let _ = file.try_lock();
    Ok(file)
}

fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    // Its own name must survive a power cut, too.
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync(parent),
        _ => sync(Path::new(".")),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes the unfinished files of processes that are no more, and counts them.
fn leftovers(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| {
            name.strip_prefix('.').is_some_and(|name| name.starts_with(PREFIX))
                && name.strip_suffix(PARTIAL).is_some_and(|name| name.ends_with(SUFFIX))
        });
        if is_ours && entry.file_type()?.is_file() && is_abandoned(&entry.path()) {
            // Another process that starts may have been faster.
            removed += usize::from(fs::remove_file(entry.path()).is_ok());
        }
    }
    Ok(removed)
}

/// Whether no living process has the file locked.
fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = OpenOptions::new().write(true).open(path) else { return false };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_and_may_be_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(&directory.path().join("a/b")).unwrap();
        for _ in 0..2 {
            folder.write("capture-1.parquet", b"all").unwrap();
            assert_eq!(names(&folder.path), ["capture-1.parquet"]);
            assert_eq!(fs::read(folder.path.join("capture-1.parquet")).unwrap(), b"all");
        }
    }

    #[test]
    fn a_removed_folder_comes_back_with_the_next_file() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(&directory.path().join("a")).unwrap();
        fs::remove_dir(&folder.path).unwrap();
        folder.write("capture-1.parquet", b"all").unwrap();
        assert_eq!(names(&folder.path), ["capture-1.parquet"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        // No file can take the place of a folder.
        fs::create_dir(directory.path().join("capture-1.parquet")).unwrap();
        folder.write("capture-1.parquet", b"all").unwrap_err();
        assert_eq!(names(directory.path()), ["capture-1.parquet"]);
    }

    #[test]
    fn only_our_own_abandoned_files_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let living = create_file(&at(".capture-1.parquet.partial")).unwrap();
        let others = ["capture-0.parquet", ".capture-3.parquet", ".x.parquet.partial", "x.partial"];
        for name in others {
            fs::write(at(name), "").unwrap();
        }
        fs::write(at(".capture-2.parquet.partial"), "").unwrap();
        assert_eq!(leftovers(directory.path()).unwrap(), 1);
        assert!(at(".capture-1.parquet.partial").exists());
        assert_eq!(names(directory.path()).len(), 1 + others.len());
        drop(living);
        assert_eq!(leftovers(directory.path()).unwrap(), 1);
    }
}
