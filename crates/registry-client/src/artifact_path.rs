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
        answer: None,
    })
}

/// A server refuses `#`, and decodes names until nothing is left to decode: what looks encoded would
/// be stored under another name.
pub(crate) fn check_sendable(path: &str, location: &str) -> Result<(), Error> {
    let looks_encoded = path.as_bytes().windows(3).any(|three| {
        three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit()
    });
    if !looks_encoded && !path.contains(['#', '\n', '\r']) {
        return Ok(());
    }
    Err(Error::Invalid {
        what: format!("the artifact path {path:?}"),
        location: location.to_owned(),
        reason: "an MLflow server cannot keep names with \"#\", line ends, or \"%\" before two \
                 hexadecimal digits; expected another name"
            .to_owned(),
        answer: None,
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
