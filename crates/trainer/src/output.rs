//! Results appear whole or not at all: written under a temporary name beside their place, flushed to
//! disk, renamed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The folder that `path` lies in; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the folder of `path` if it is missing.
fn make_folder_of(path: &Path) -> anyhow::Result<&Path> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).with_context(|| {
        format!("cannot write {}: cannot make the folder {}", path.display(), folder.display())
    })?;
    Ok(folder)
}

/// Flushes a folder's list of names, without which a rename may be lost with the power.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A file that appears under its name only by [`AtomicFile::commit`]; dropped before, it leaves
/// nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    writer: BufWriter<tempfile::NamedTempFile>,
}

impl AtomicFile {
    /// Starts a file that will be called `target`, replacing what is there.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made or written to, or `target` is a folder.
    pub fn create(target: &Path) -> anyhow::Result<Self> {
        if target.is_dir() {
            bail!("cannot write {}: it is a folder; expected the name of a file", target.display());
        }
        let folder = make_folder_of(target)?;
        let file = tempfile::Builder::new()
            .prefix(".partial-")
            .permissions(readable_by_all())
            .tempfile_in(folder)
            .with_context(|| format!("cannot write {}", target.display()))?;
        Ok(Self { target: target.to_owned(), writer: BufWriter::with_capacity(1 << 20, file) })
    }

    /// Flushes everything to disk and gives the file its name.
    ///
    /// # Errors
    ///
    /// If the disk is full, or the rename fails; then nothing is left behind.
    pub fn commit(self) -> anyhow::Result<()> {
        let Self { target, writer } = self;
        let context = || format!("cannot write {}", target.display());
        let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = file.with_context(context)?;
        file.as_file().sync_all().with_context(context)?;
        file.persist(&target).with_context(context)?;
        sync_folder(folder_of(&target)).with_context(context)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

/// A folder whose files appear together, or not at all; dropped before [`AtomicFolder::commit`], it
/// leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFolder {
    target: PathBuf,
    content: tempfile::TempDir,
}

impl AtomicFolder {
    /// Starts a folder that will be called `target`. A folder that is there and not empty is only
    /// replaced with `force`, and only if it holds a file called `known_by`: not a home folder by
    /// mistake.
    ///
    /// # Errors
    ///
    /// If `target` is there and may not be replaced, or its parent cannot be made or written to.
    pub fn create(target: &Path, force: bool, known_by: &str) -> anyhow::Result<Self> {
        check_replaceable(target, force, known_by)?;
        let parent = make_folder_of(target)?;
        let content = tempfile::Builder::new()
            .prefix(".partial-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .tempdir_in(parent)
            .with_context(|| format!("cannot write {}", target.display()))?;
        Ok(Self { target: target.to_owned(), content })
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// If the disk is full or fails.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let write = || {
            let mut file = File::create_new(self.content.path().join(name))?;
            file.write_all(content.as_ref())?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write {}", self.target.join(name).display()))
    }

    /// Flushes the folder to disk and gives it its name. An older folder is moved aside first and
    /// removed after.
    ///
    /// # Errors
    ///
    /// If a rename fails; then the older folder is where it was.
    pub fn commit(self) -> anyhow::Result<()> {
        let Self { target, content } = self;
        let context = || format!("cannot write {}", target.display());
        sync_folder(content.path()).with_context(context)?;
        let aside = if target.exists() {
            let aside = tempfile::Builder::new()
                .prefix(".replaced-")
                .tempdir_in(folder_of(&target))
                .with_context(context)?;
            std::fs::rename(&target, aside.path().join("old")).with_context(context)?;
            Some(aside)
        } else {
            None
        };
        if let Err(error) = std::fs::rename(content.path(), &target) {
            if let Some(aside) = &aside {
                std::fs::rename(aside.path().join("old"), &target).with_context(context)?;
            }
            return Err(error).with_context(context);
        }
        // It has its name; there is nothing left to remove.
        let _ = content.keep();
        sync_folder(folder_of(&target)).with_context(context)
    }
}

fn check_replaceable(target: &Path, force: bool, known_by: &str) -> anyhow::Result<()> {
    let shown = target.display();
    if target.is_file() {
        bail!("cannot write {shown}: it is a file; expected the name of a folder");
    }
    let Ok(mut entries) = std::fs::read_dir(target) else { return Ok(()) };
    if entries.next().is_none() {
        return Ok(());
    }
    if !force {
        bail!("{shown} exists and is not empty; name another folder, or replace it with --force");
    }
    if !target.join(known_by).is_file() {
        bail!(
            "{shown} exists and has no {known_by}, so it is not replaced even with --force; \
             name another folder, or empty it first"
        );
    }
    Ok(())
}

/// Writes one whole file: see [`AtomicFile`].
///
/// # Errors
///
/// If it cannot be written; then nothing is left behind, and an older file stays.
pub fn write_file(target: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(content.as_ref())
        .with_context(|| format!("cannot write {}", target.display()))?;
    file.commit()
}

/// A temporary file is private by default; a result is as readable as any other file (0666 less the
/// umask).
fn readable_by_all() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_committed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/er/file.txt");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!target.exists());
        drop(file);
        assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 0);

        write_file(&target, "whole").unwrap();
        write_file(&target, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_appears_whole_and_replaces_only_its_own_kind() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("model");
        let build = |force, text: &str| -> anyhow::Result<()> {
            let folder = AtomicFolder::create(&target, force, "model.json")?;
            folder.write("model.json", text)?;
            folder.commit()
        };
        let read = || std::fs::read_to_string(target.join("model.json")).unwrap();
        drop(AtomicFolder::create(&target, false, "model.json").unwrap());
        assert!(!target.exists());

        build(false, "one").unwrap();
        assert!(build(false, "two").unwrap_err().to_string().contains("--force"));
        assert_eq!(read(), "one");
        build(true, "two").unwrap();
        assert_eq!(read(), "two");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);

        std::fs::remove_file(target.join("model.json")).unwrap();
        std::fs::write(target.join("diary.txt"), "").unwrap();
        assert!(build(true, "three").unwrap_err().to_string().contains("not replaced even"));
        std::fs::remove_file(target.join("diary.txt")).unwrap();
        build(false, "four").unwrap();
        assert_eq!(read(), "four");
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let message = AtomicFile::create(folder.path()).unwrap_err().to_string();
        assert!(message.contains("it is a folder"), "{message}");
    }
}
