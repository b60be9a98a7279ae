//! A folder that appears whole or not at all.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use fraud_core::artifact::MODEL_FILE;
use tempfile::TempDir;

/// A model's folder that gets its name by [`ModelFolder::commit`]; dropped before, it leaves nothing
/// behind.
#[derive(Debug)]
pub(super) struct ModelFolder {
    target: PathBuf,
    force: bool,
    content: TempDir,
}

impl ModelFolder {
    /// Starts a folder that will be called `target`. One that is there and not empty is only replaced
    /// with `force`, and only if it is a model: it holds a `model.json`, and no folder that the new
    /// one does not have.
    ///
    /// # Errors
    ///
    /// If `target` is there and may not be replaced, or its parent cannot be made or written to.
    pub(super) fn create(target: &Path, force: bool) -> anyhow::Result<Self> {
        let context = || format!("cannot write {}", target.display());
        // Behind links: a link stays, and what it points to is replaced.
        let target = match target.canonicalize() {
            Err(error) if error.kind() == ErrorKind::NotFound && !target.is_symlink() => {
                target.to_owned()
            }
            result => result.with_context(context)?,
        };
        if target.file_name().is_none() {
            bail!("cannot write {}: expected the name of a folder", target.display());
        }
        check_replaceable(&target, force)?;
        let parent = parent(&target);
        std::fs::create_dir_all(parent).with_context(context)?;
        let content = tempfile::Builder::new()
            .prefix(".partial-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .tempdir_in(parent)
            .with_context(context)?;
        Ok(Self { target, force, content })
    }

    /// Where the files go until then.
    pub(super) fn path(&self) -> &Path {
        self.content.path()
    }

    /// Gives the folder its name. An older one is moved aside first and removed after.
    ///
    /// # Errors
    ///
    /// If the older folder may not be replaced, or a rename fails; then it is where it was, or the
    /// error says where.
    pub(super) fn commit(self) -> anyhow::Result<()> {
        let context = || format!("cannot write {}", self.target.display());
        sync(self.content.path()).with_context(context)?;
        // The download may have taken long enough for someone to put something there.
        check_replaceable(&self.target, self.force)?;
        check_folders(&self.target, self.content.path())?;
        replace(self.content.path(), &self.target)?;
        // It has its name; there is nothing left to remove.
        let _ = self.content.keep();
        sync(parent(&self.target)).with_context(context)
    }
}

fn check_replaceable(target: &Path, force: bool) -> anyhow::Result<()> {
    let shown = target.display();
    let mut entries = match std::fs::read_dir(target) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            bail!("cannot write {shown}: it is a file; expected the name of a folder")
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {shown}")),
    };
    let current = std::env::current_dir().and_then(|folder| folder.canonicalize());
    if current.is_ok_and(|current| current.starts_with(target)) {
        bail!(
            "cannot write {shown}: it is the current folder, or the current folder lies in it; \
             expected the name of another folder"
        );
    }
    if entries.next().is_none() {
        return Ok(());
    }
    if !force {
        bail!("{shown} exists and is not empty; name another folder, or replace it with --force");
    }
    if !target.join(MODEL_FILE).is_file() {
        bail!(
            "{shown} exists and has no {MODEL_FILE}, so it is not replaced even with --force; name \
             another folder, or empty it first"
        );
    }
    Ok(())
}

/// Refuses to replace more than a model: a project that happens to hold a `model.json` has folders
/// that no model has.
fn check_folders(target: &Path, content: &Path) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(target) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.path().is_dir() && !content.join(entry.file_name()).is_dir() {
            bail!(
                "{} holds the folder {}, which is no part of the model, so it is not replaced even \
                 with --force; name another folder, or move that away first",
                target.display(),
                entry.file_name().display()
            );
        }
    }
    Ok(())
}

fn replace(content: &Path, target: &Path) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", target.display());
    if !target.exists() {
        return std::fs::rename(content, target).with_context(context);
    }
    let aside = tempfile::Builder::new()
        .prefix(".replaced-")
        .tempdir_in(parent(target))
        .with_context(context)?;
    let old = aside.path().join("old");
    std::fs::rename(target, &old).with_context(context)?;
    if let Err(error) = std::fs::rename(content, target) {
        return Err(match std::fs::rename(&old, target) {
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

/// Flushes a folder's list of names, without which a rename may be lost with the power.
fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder that `path` lies in; `.` for a bare name.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(target: &Path, force: bool, text: &str) -> anyhow::Result<()> {
        let folder = ModelFolder::create(target, force)?;
        std::fs::write(folder.path().join(MODEL_FILE), text)?;
        folder.commit()
    }

    fn refusal(target: &Path, force: bool) -> String {
        pull(target, force, "new").unwrap_err().to_string()
    }

    #[test]
    fn a_folder_appears_whole_and_replaces_only_a_model() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("deep/er/model");
        drop(ModelFolder::create(&target, false).unwrap());
        assert!(std::fs::read_dir(target.parent().unwrap()).unwrap().next().is_none());

        pull(&target, false, "one").unwrap();
        assert!(refusal(&target, false).contains("--force"));
        pull(&target, true, "two").unwrap();
        assert_eq!(std::fs::read_to_string(target.join(MODEL_FILE)).unwrap(), "two");
        assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);

        std::fs::create_dir(target.join(".git")).unwrap();
        assert!(refusal(&target, true).contains("holds the folder .git"));
        std::fs::remove_dir(target.join(".git")).unwrap();
        std::fs::rename(target.join(MODEL_FILE), target.join("diary.txt")).unwrap();
        assert!(refusal(&target, true).contains("has no model.json"));
        assert!(target.join("diary.txt").is_file());
        assert!(refusal(&target.join("diary.txt"), true).contains("it is a file"));
        assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_and_the_current_folder_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let (real, link) = (root.path().join("real"), root.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        pull(&link, false, "one").unwrap();
        assert!(link.is_symlink() && real.join(MODEL_FILE).is_file());
        assert!(refusal(Path::new("."), true).contains("current folder"));
        assert!(refusal(Path::new(""), true).contains("name of a folder"));
    }
}
