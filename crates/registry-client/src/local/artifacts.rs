//! Artifacts: plain files below a run's or a logged model's folder.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Files, folder, names};
use crate::artifact_path::{check_artifact_path, check_sendable, join};
use crate::durable;
use crate::error::Error;
use crate::types::FileInfo;

/// What an artifact URI begins with; the rest is the path in the store.
const SCHEME: &str = "local:";
const ARTIFACTS: &str = "artifacts";

/// The artifact URI of a run's or logged model's folder.
pub(super) fn uri(owner_folder: &str) -> String {
    format!("{SCHEME}{owner_folder}/{ARTIFACTS}")
}

/// Whether an artifact URI is a root or lies below it.
pub(super) fn is_inside(uri: &str, root: &str) -> bool {
    uri.strip_prefix(root).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

impl Files {
    pub(super) fn upload_artifact(&self, uri: &str, path: &str, from: &Path) -> Result<(), Error> {
        let root = self.artifact_root(uri)?;
        check_artifact_path(path, &self.folder.location())?;
        check_sendable(path, &self.folder.location())?;
        let target = root.join(path);
        if target.is_dir() {
            let reason = "it is a folder there; expected the path of a file";
            return Err(self.invalid(format!("the artifact path {path:?}"), reason));
        }
        let mut source = File::open(from).map_err(Error::file("read", from))?;
        let mut copy = self.folder.temporary()?;
        // The kernel copies: no more than a buffer of it is ever ours.
        std::io::copy(&mut source, copy.as_file_mut()).map_err(Error::file("copy", from))?;
        let made = folder::make_folder(durable::parent(&target));
        made.and_then(|()| self.folder.place(copy, target)).map_err(|error| match error {
            Error::File { cause, .. } if cause.kind() == ErrorKind::NotADirectory => self.invalid(
                format!("the artifact path {path:?}"),
                "a part of it is a file there; expected folders before the last name",
            ),
            error => error,
        })
    }

    pub(super) fn list_artifacts(&self, uri: &str, path: &str) -> Result<Vec<FileInfo>, Error> {
        let root = self.artifact_root(uri)?;
        if !path.is_empty() {
            check_artifact_path(path, &self.folder.location())?;
        }
        let folder = root.join(path);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(Error::file("read", folder)(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::file("read", &folder))?;
            // What is not Unicode is not ours; what is no longer there is not there.
            let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata())
            else {
                continue;
            };
            files.push(FileInfo {
                path: join(path, &name),
                is_dir: metadata.is_dir(),
                file_size: if metadata.is_dir() { 0 } else { metadata.len() },
            });
        }
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    pub(super) fn download_artifact(&self, uri: &str, path: &str, to: &Path) -> Result<(), Error> {
        let root = self.artifact_root(uri)?;
        check_artifact_path(path, &self.folder.location())?;
        let from = root.join(path);
        if !from.is_file() {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let beside = self.list_artifacts(uri, folder)?.into_iter().map(|file| file.path);
            let hint = names::there_are("files beside it", beside.collect());
            return Err(self.not_found(format!("artifact {path:?} of {uri}"), hint));
        }
        let mut source = File::open(&from).map_err(Error::file("read", &from))?;
        let mut copy = durable::beside(to).map_err(Error::file("write", to))?;
        std::io::copy(&mut source, copy.as_file_mut()).map_err(Error::file("write", to))?;
        durable::place(copy, to).map_err(Error::file("write", to))
    }

    /// The folder that an artifact URI stands for, of a run or a logged model that is there.
    pub(super) fn artifact_root(&self, uri: &str) -> Result<PathBuf, Error> {
        let refuse = || {
            self.invalid(
                format!("the artifact URI {uri:?}"),
                "expected one that the store gave: local:runs/<run id>/artifacts or \
                 local:logged-models/<model id>/artifacts, or what is below it",
            )
        };
        let path = uri.strip_prefix(SCHEME).ok_or_else(refuse)?;
        let mut parts = path.splitn(4, '/');
        let (Some(kind), Some(id), Some(ARTIFACTS)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse());
        };
        match kind {
            "runs" => self.check_run(id)?,
            "logged-models" => self.check_logged_model(id)?,
            _ => return Err(refuse()),
        }
        if let Some(below) = parts.next() {
            check_artifact_path(below, &self.folder.location())?;
        }
        Ok(self.folder.path(path))
    }
}
