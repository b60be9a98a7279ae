//! As many connections as the system allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of files that the process may have open as far as the system lets it: each
/// connection is one, and the usual limit is 1,024.
pub(crate) fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::debug!(?current, ?maximum, "limit of open files raised"),
        Err(error) => tracing::warn!(?current, "the limit of open files stays: {error}"),
    }
}
