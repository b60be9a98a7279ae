//! Which runs have a living process: it holds the lock on a file in the run's folder.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Error;

/// Name of the file in the run's folder.
const ACTIVE: &str = "active";

/// The runs that this store keeps active, by id. The lock goes with the file when the process ends,
/// however it ends.
#[derive(Debug, Default)]
pub(super) struct ActiveRuns(Mutex<HashMap<String, File>>);

impl ActiveRuns {
    /// Locks a run's folder as ours, to be kept with [`Self::keep`]. `None` if another process has it.
    pub(super) fn lock(run_folder: &Path) -> Result<Option<File>, Error> {
        let path = run_folder.join(ACTIVE);
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open().map_err(Error::file("open", &path))?;
        // Those who look have the lock, shared, for a moment.
        for _ in 0..20 {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
                Err(TryLockError::Error(error)) => return Err(Error::file("lock", path)(error)),
            }
        }
        Ok(None)
    }

    /// Keeps a run active until [`Self::end`], or the store is dropped.
    pub(super) fn keep(&self, run_id: &str, lock: File) {
        self.locks().insert(run_id.to_owned(), lock);
    }

    /// Whether this store keeps a run active.
    pub(super) fn is_kept(&self, run_id: &str) -> bool {
        self.locks().contains_key(run_id)
    }

    /// Lets a run go that has ended, and whose file says so.
    pub(super) fn end(&self, run_id: &str, run_folder: &Path) {
        self.locks().remove(run_id);
        // The lock is what counts; the file only tidies up.
        let _ = std::fs::remove_file(run_folder.join(ACTIVE));
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<String, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether any living process keeps a run active.
pub(super) fn is_active(run_folder: &Path) -> Result<bool, Error> {
    let path = run_folder.join(ACTIVE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::file("open", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::file("lock", path)(error)),
    }
}
