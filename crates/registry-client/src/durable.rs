//! Files that appear as a whole, outlive a crash, and can be read by whoever may read their folder.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// Access as for any new file; temporary ones are private by default.
pub(crate) fn readable_by_all() -> Permissions {
    Permissions::from_mode(0o666)
}

/// The folder that something is in; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file beside the one that it is to become, in a folder that is made if it is missing.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = parent(path);
    std::fs::create_dir_all(folder)?;
    tempfile::Builder::new().prefix(".partial-").permissions(readable_by_all()).tempfile_in(folder)
}

/// Gives a file its name, with its content on the disk.
pub(crate) fn place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_parent(path)
}

/// Flushes the list of names that `path` is in, without which a rename may be lost with the power.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync(parent(path))
}

/// Flushes a folder's list of names.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_placed_is_like_any_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, plain) = (folder.path().join("a/b/file"), folder.path().join("plain"));
        let mut file = beside(&path).unwrap();
        io::Write::write_all(&mut file, b"content").unwrap();
        assert!(!path.exists());
        place(file, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"content");
        std::fs::write(&plain, "").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
        assert_eq!(std::fs::read_dir(parent(&path)).unwrap().count(), 1);
    }
}
