//! Paths of artifacts below their root: names separated by `/`.

use crate::error::Error;

/// Refuses a path that leaves its root or has empty names.
pub(crate) fn check_artifact_path(path: &str, location: &str) -> Result<(), Error> {
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['\\', '\0']);
    if path.split('/').all(is_name) {
        return Ok(());
    }
    Err(Error::Invalid {
        what: format!("the artifact path {path:?}"),
        location: location.to_owned(),
        reason: "expected names separated by \"/\", none of them empty, \".\" or \"..\"".to_owned(),
    })
}

/// A path in a folder; either may be empty.
pub(crate) fn join(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}
