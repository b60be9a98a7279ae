//! Results appear whole or not at all: written under a temporary name beside their place, flushed to
//! disk, renamed. Whether the name can be taken is checked before the work.

use std::fs::{File, Metadata};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, anyhow, bail};

/// What is on disk only while the program runs. A signal ends it without a `drop`, and then this is
/// what has to go.
static TEMPORARY: Mutex<Vec<Temporary>> = Mutex::new(Vec::new());

/// Access to [`TEMPORARY`]. As long as it is held, no signal ends the program.
fn temporary() -> MutexGuard<'static, Vec<Temporary>> {
    // A list of paths is whole whatever panicked.
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thing that is on disk only while the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Temporary {
    /// A file that does not have its name yet.
    File(PathBuf),
    /// A folder that does not have its name yet.
    Folder(PathBuf),
    /// A folder that was made to write to; it stays if something came of it.
    IfEmpty(PathBuf),
}

impl Temporary {
    fn remove(&self) {
        // What cannot be removed, or has its name by now, is no reason to stop here.
        let _ = match self {
            Self::File(path) => std::fs::remove_file(path),
            Self::Folder(path) => std::fs::remove_dir_all(path),
            Self::IfEmpty(path) => std::fs::remove_dir(path),
        };
    }
}

/// An entry in [`TEMPORARY`]; dropped, it is taken out.
#[derive(Debug)]
struct Registered(Temporary);

impl Registered {
    /// Makes something and enters it, so that no signal comes between the two.
    fn make<T>(
        make: impl FnOnce() -> std::io::Result<T>,
        entry: impl FnOnce(&T) -> Temporary,
    ) -> std::io::Result<(T, Self)> {
        let mut list = temporary();
        let made = make()?;
        let entry = entry(&made);
        list.push(entry.clone());
        Ok((made, Self(entry)))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        temporary().retain(|entry| *entry != self.0);
    }
}

/// Removes what is not finished and ends the program: for a signal, which may come at any moment.
pub fn exit_without_traces(code: i32) -> ! {
    // Held to the end, so that the other threads begin nothing new.
    let list = temporary();
    list.iter().rev().for_each(Temporary::remove);
    signal_hook::low_level::exit(code)
}

/// A folder in the system's place for such, gone when this is dropped or a signal ends the program.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    folder: tempfile::TempDir,
    _registered: Registered,
}

impl TemporaryFolder {
    pub(crate) fn create() -> std::io::Result<Self> {
        let entry = |folder: &tempfile::TempDir| Temporary::Folder(folder.path().to_owned());
        let (folder, registered) = Registered::make(tempfile::tempdir, entry)?;
        Ok(Self { folder, _registered: registered })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Folders that had to be made for an output, the outermost first; dropped, those that are empty are
/// removed again.
#[derive(Debug, Default)]
pub(crate) struct MadeFolders(Vec<Registered>);

impl MadeFolders {
    /// Makes the folder of `path` if it is missing.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let folder = folder_of(path);
        Self::make(folder).with_context(|| {
            format!("cannot write {}: cannot make the folder {}", path.display(), folder.display())
        })
    }

    fn make(folder: &Path) -> std::io::Result<Self> {
        let missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
            .collect();
        let mut made = Self::default();
        for folder in missing.into_iter().rev() {
            let entry = |(): &()| Temporary::IfEmpty(folder.to_owned());
            match Registered::make(|| std::fs::create_dir(folder), entry) {
                Ok(((), registered)) => made.0.push(registered),
                // Another program was faster, and then it is not ours to remove.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        while let Some(registered) = self.0.pop() {
            registered.0.remove();
        }
    }
}

/// The folder that `path` lies in; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What a name stands for: the path behind links, and what is there. So a link stays, and what it
/// points to is replaced.
fn follow(target: &Path, expected: &str) -> anyhow::Result<(PathBuf, Option<Metadata>)> {
    let shown = target.display();
    let context = || format!("cannot write {shown}");
    if target.as_os_str().is_empty() {
        bail!("the name of the output is empty, expected the name of a {expected}");
    }
    match target.symlink_metadata() {
        Ok(_) => {}
        // A file among its folders comes out when the missing ones are made.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok((target.to_owned(), None));
        }
        Err(error) => return Err(error).with_context(context),
    }
    let real = match target.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "cannot write {shown}: it is a link to something that is not there; expected the name of \
             a {expected}"
        ),
        result => result.with_context(context)?,
    };
    let metadata = real.metadata().with_context(context)?;
    Ok((real, Some(metadata)))
}

/// The path of a file to write, behind links.
///
/// # Errors
///
/// If something else than a file has the name: a rename would replace a device or a pipe as well.
pub(crate) fn file_target(target: &Path) -> anyhow::Result<PathBuf> {
    let shown = target.display();
    let (real, found) = follow(target, "file")?;
    let ends_as_folder = target.as_os_str().as_encoded_bytes().ends_with(b"/");
    match found {
        Some(found) if found.is_dir() => {
            bail!("cannot write {shown}: it is a folder; expected the name of a file")
        }
        Some(found) if !found.is_file() => {
            bail!("cannot write {shown}: it is a device or pipe; expected the name of a file")
        }
        None if ends_as_folder || target.file_name().is_none() => {
            bail!("cannot write {shown}: it names a folder; expected the name of a file")
        }
        _ => Ok(real),
    }
}

/// The path of a folder to write, behind links.
fn folder_target(target: &Path) -> anyhow::Result<PathBuf> {
    let shown = target.display();
    let (real, found) = follow(target, "folder")?;
    match found {
        Some(found) if found.is_file() => {
            bail!("cannot write {shown}: it is a file; expected the name of a folder")
        }
        Some(found) if !found.is_dir() => {
            bail!("cannot write {shown}: it is a device or pipe; expected the name of a folder")
        }
        // The folder is replaced as a whole, and nobody can work on in one that is gone.
        Some(_) if current_folder().is_some_and(|current| current.starts_with(&real)) => bail!(
            "cannot write {shown}: it is the current folder, or the current folder lies in it; \
             expected the name of another folder"
        ),
        _ if real.file_name().is_none() => {
            bail!("cannot write {shown}: it has no name of its own; expected the name of a folder")
        }
        _ => Ok(real),
    }
}

fn current_folder() -> Option<PathBuf> {
    std::env::current_dir().and_then(|folder| folder.canonicalize()).ok()
}

/// Refuses an output that is one of the inputs, by whatever path: it would be read and replaced.
///
/// # Errors
///
/// If it is.
pub fn check_not_an_input<'a>(
    output: &Path,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
) -> anyhow::Result<()> {
    let Ok(real) = output.canonicalize() else { return Ok(()) };
    if inputs.into_iter().any(|input| input.canonicalize().is_ok_and(|input| input == real)) {
        bail!("{} is an input as well; expected another name for the output", output.display());
    }
    Ok(())
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
    // Dropped in this order: the file goes before the folders that were made for it.
    writer: BufWriter<tempfile::NamedTempFile>,
    _registered: Registered,
    _folders: MadeFolders,
}

impl AtomicFile {
    /// Starts a file that will be called `target`, replacing the file that is there. If that is a
    /// link, what it points to is replaced.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made or written to, or `target` is a folder, a device, a pipe, or a
    /// link to nothing.
    pub fn create(target: &Path) -> anyhow::Result<Self> {
        let real = file_target(target)?;
        let folders = MadeFolders::of(&real)?;
        let make = || {
            tempfile::Builder::new()
                .prefix(".partial-")
                .permissions(readable_by_all())
                .tempfile_in(folder_of(&real))
        };
        let (file, registered) =
            Registered::make(make, |file| Temporary::File(file.path().to_owned()))
                .with_context(|| format!("cannot write {}", target.display()))?;
        Ok(Self {
            target: real,
            writer: BufWriter::with_capacity(1 << 20, file),
            _registered: registered,
            _folders: folders,
        })
    }

    /// Flushes everything to disk and gives the file its name.
    ///
    /// # Errors
    ///
    /// If the disk is full, or the rename fails; then nothing is left behind.
    pub fn commit(self) -> anyhow::Result<()> {
        let context = || format!("cannot write {}", self.target.display());
        let file = self.writer.into_inner().map_err(std::io::IntoInnerError::into_error);
        let file = file.with_context(context)?;
        file.as_file().sync_all().with_context(context)?;
        // The whole error would keep the file until it is printed.
        file.persist(&self.target).map_err(|error| error.error).with_context(context)?;
        sync_folder(folder_of(&self.target)).with_context(context)
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
    force: bool,
    known: &'static [&'static str],
    // Dropped in this order: the content goes before the folders that were made for it.
    content: tempfile::TempDir,
    _registered: Registered,
    _folders: MadeFolders,
}

impl AtomicFolder {
    /// Starts a folder that will be called `target`. A folder that is there and not empty is only
    /// replaced with `force`, and only if it holds the first of the `known` files and nothing but
    /// known ones: not a home folder by mistake, nor notes beside a model.
    ///
    /// # Errors
    ///
    /// If `target` is there and may not be replaced, or its parent cannot be made or written to.
    pub fn create(
        target: &Path,
        force: bool,
        known: &'static [&'static str],
    ) -> anyhow::Result<Self> {
        let real = folder_target(target)?;
        check_replaceable(&real, force, known)?;
        let folders = MadeFolders::of(&real)?;
        let make = || {
            tempfile::Builder::new()
                .prefix(".partial-")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
                .tempdir_in(folder_of(&real))
        };
        let (content, registered) =
            Registered::make(make, |content| Temporary::Folder(content.path().to_owned()))
                .with_context(|| format!("cannot write {}", target.display()))?;
        Ok(Self { target: real, force, known, content, _registered: registered, _folders: folders })
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// If the disk is full or fails.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let create = || {
            // Not while a signal has the folder removed: it would not be empty in the end.
            let _held = temporary();
            File::create_new(self.content.path().join(name))
        };
        let write = || {
            let mut file = create()?;
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
    /// If the older folder may no longer be replaced, or a rename fails; then it is where it was, or
    /// the error says where.
    pub fn commit(self) -> anyhow::Result<()> {
        let context = || format!("cannot write {}", self.target.display());
        sync_folder(self.content.path()).with_context(context)?;
        // The work may have taken long enough for someone to put something there.
        check_replaceable(&self.target, self.force, self.known)?;
        replace_folder(self.content.path(), &self.target)?;
        // It has its name; there is nothing left to remove.
        let _ = self.content.keep();
        sync_folder(folder_of(&self.target)).with_context(context)
    }
}

/// Gives the folder `content` the name `target`, and removes what had it.
fn replace_folder(content: &Path, target: &Path) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", target.display());
    // No signal may end the program while neither folder has the name.
    let _held = temporary();
    let aside = if target.exists() {
        let aside = tempfile::Builder::new()
            .prefix(".replaced-")
            .tempdir_in(folder_of(target))
            .with_context(context)?;
        std::fs::rename(target, aside.path().join("old")).with_context(context)?;
        Some(aside)
    } else {
        None
    };
    let renamed = std::fs::rename(content, target);
    let Some(aside) = aside else { return renamed.with_context(context) };
    if let Err(error) = renamed {
        return Err(match std::fs::rename(aside.path().join("old"), target) {
            Ok(()) => anyhow!(error).context(context()),
            Err(back) => anyhow!(error).context(format!(
                "cannot write {}, and what was there cannot be moved back ({back}): it is now in {}",
                target.display(),
                aside.keep().join("old").display()
            )),
        });
    }
    let path = aside.path().to_owned();
    if let Err(error) = aside.close() {
        tracing::warn!("the older folder is left in {}: {error}", path.display());
    }
    Ok(())
}

fn check_replaceable(target: &Path, force: bool, known: &[&str]) -> anyhow::Result<()> {
    let shown = target.display();
    let context = || format!("cannot write {shown}");
    let entries = match std::fs::read_dir(target) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        result => result.with_context(context)?,
    };
    let mut empty = true;
    let mut unknown = None;
    for entry in entries {
        let entry = entry.with_context(context)?;
        empty = false;
        let is_file = entry.file_type().with_context(context)?.is_file();
        if !is_file || !known.iter().any(|name| entry.file_name() == *name) {
            unknown = Some(entry.file_name());
        }
    }
    if empty {
        return Ok(());
    }
    if !force {
        bail!("{shown} exists and is not empty; name another folder, or replace it with --force");
    }
    if let Some(first) = known.first().filter(|name| !target.join(name).is_file()) {
        bail!(
            "{shown} exists and has no {first}, so it is not replaced even with --force; \
             name another folder, or empty it first"
        );
    }
    if let Some(unknown) = unknown {
        bail!(
            "{shown} exists and holds {}, which is no part of such a folder, so it is not replaced \
             even with --force; name another folder, or move that away first",
            unknown.display()
        );
    }
    Ok(())
}

/// Prints a result on stdout. A reader that has gone away had enough, which is no error.
///
/// # Errors
///
/// If it cannot be written, as to a file on a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot print the result on stdout"),
    }
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

    const KNOWN: &[&str] = &["model.json", "page.html"];

    fn names(folder: &Path) -> Vec<std::ffi::OsString> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_only_when_committed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("deep/er/file.txt");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!target.exists());
        drop(file);
        assert!(names(folder.path()).is_empty());

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
            let folder = AtomicFolder::create(&target, force, KNOWN)?;
            folder.write("model.json", text)?;
            folder.commit()
        };
        let read = || std::fs::read_to_string(target.join("model.json")).unwrap();
        drop(AtomicFolder::create(&target, false, KNOWN).unwrap());
        assert!(!target.exists());

        build(false, "one").unwrap();
        assert!(build(false, "two").unwrap_err().to_string().contains("--force"));
        assert_eq!(read(), "one");
        build(true, "two").unwrap();
        assert_eq!(read(), "two");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);

        std::fs::write(target.join("diary.txt"), "").unwrap();
        let message = build(true, "three").unwrap_err().to_string();
        assert!(message.contains("diary.txt") && message.contains("not replaced"), "{message}");
        std::fs::remove_file(target.join("model.json")).unwrap();
        assert!(build(true, "three").unwrap_err().to_string().contains("not replaced even"));
        std::fs::remove_file(target.join("diary.txt")).unwrap();
        build(false, "four").unwrap();
        assert_eq!(read(), "four");
    }

    #[test]
    fn what_comes_into_the_folder_during_the_work_stays() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("deep/model");
        let folder = AtomicFolder::create(&target, false, KNOWN).unwrap();
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("model.json"), "theirs").unwrap();
        assert!(folder.commit().unwrap_err().to_string().contains("--force"));
        assert_eq!(std::fs::read_to_string(target.join("model.json")).unwrap(), "theirs");
        assert_eq!(names(target.parent().unwrap()), ["model"]);
    }

    #[test]
    fn a_link_stays_and_what_it_points_to_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::write(path("file"), "old").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        write_file(&path("link"), "new").unwrap();
        assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "new");
        assert!(path("link").is_symlink());

        std::os::unix::fs::symlink("nothing", path("dangling")).unwrap();
        let message = write_file(&path("dangling"), "").unwrap_err().to_string();
        assert!(message.contains("link to something that is not there"), "{message}");
        let message = AtomicFolder::create(&path("dangling"), true, KNOWN).unwrap_err().to_string();
        assert!(message.contains("link to something that is not there"), "{message}");
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let below = folder.path().join("below/");
        for (path, expected) in [
            (folder.path(), "it is a folder"),
            (&pipe, "it is a device or pipe; expected the name of a file"),
            (&below, "it names a folder"),
            (Path::new(""), "is empty"),
        ] {
            let message = AtomicFile::create(path).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        for (path, expected) in [
            (pipe.as_path(), "it is a device or pipe; expected the name of a folder"),
            (Path::new("."), "it is the current folder"),
            (Path::new("/"), "it is the current folder, or the current folder lies in it"),
        ] {
            let message = AtomicFolder::create(path, true, KNOWN).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert_eq!(names(folder.path()), ["pipe"]);
    }

    #[test]
    fn an_output_is_no_input() {
        let folder = tempfile::tempdir().unwrap();
        let (data, link) = (folder.path().join("data.csv"), folder.path().join("link.csv"));
        std::fs::write(&data, "").unwrap();
        std::os::unix::fs::symlink(&data, &link).unwrap();
        assert!(check_not_an_input(&link, [&data]).is_err());
        check_not_an_input(&folder.path().join("new.csv"), [&data]).unwrap();
    }
}
