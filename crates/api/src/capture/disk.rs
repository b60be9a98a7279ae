//! Brings finished files to the disk, and tries again while that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::{Counts, Stop};

/// Between two attempts: doubled each time, from the first to the last; the first while stopping.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// A disk that fails is logged this often.
const REMINDER: Duration = Duration::from_mins(1);

/// A whole Parquet file in memory.
pub(super) struct Finished {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) rows: usize,
}

/// Takes finished files, one at a time.
pub(super) struct Files {
    sender: SyncSender<Finished>,
    is_idle: Arc<AtomicBool>,
}

impl Files {
    /// Whether the last file is done, so that [`Files::send`] does not wait.
    pub(super) fn is_idle(&self) -> bool {
        self.is_idle.load(Ordering::Acquire)
    }

    /// Hands a file over; gives it back if the thread is no more.
    pub(super) fn send(&self, file: Finished) -> Result<(), Finished> {
        self.is_idle.store(false, Ordering::Release);
        self.sender.send(file).map_err(|error| error.0)
    }
}

/// The thread that writes.
pub(super) struct Disk {
    folder: Folder,
    files: Receiver<Finished>,
    is_idle: Arc<AtomicBool>,
    /// Whether the last attempt failed, for those who must say why they drop rows.
    is_failing: Arc<AtomicBool>,
    counts: Counts,
    stop: Arc<Stop>,
    kept: usize,
    lost: usize,
}

impl Disk {
    pub(super) fn new(folder: Folder, counts: Counts, stop: Arc<Stop>) -> (Self, Files) {
        let (sender, files) = mpsc::sync_channel(1);
        let is_idle = Arc::new(AtomicBool::new(true));
        let disk = Self {
            folder,
            files,
            is_idle: is_idle.clone(),
            is_failing: Arc::default(),
            counts,
            stop,
            kept: 0,
            lost: 0,
        };
        (disk, Files { sender, is_idle })
    }

    pub(super) fn is_failing(&self) -> Arc<AtomicBool> {
        self.is_failing.clone()
    }

    /// Writes all files that come, until no more can come.
    pub(super) fn run(mut self) {
        while let Ok(file) = self.files.recv() {
            self.write(&file);
            self.is_idle.store(true, Ordering::Release);
        }
        tracing::info!(kept = self.kept, lost = self.lost, "the capture has ended");
    }

    fn write(&mut self, file: &Finished) {
        let [first, last] = PAUSES;
        let mut pause = first;
        let mut failing: Option<(Instant, Instant)> = None;
        while let Err(error) = self.folder.write(&file.name, &file.bytes) {
            self.counts.errors.increment(1);
            self.is_failing.store(true, Ordering::Relaxed);
            let now = Instant::now();
            let (since, logged) = failing.unwrap_or((now, now));
            let is_due = failing.is_none() || now.duration_since(logged) >= REMINDER;
            failing = Some((since, if is_due { now } else { logged }));
            if is_due {
                tracing::error!(
                    file = file.name, rows = file.rows, %error,
                    "cannot write captured rows; they are held in memory and written later"
                );
            }
            match self.stop.left() {
                Some(Duration::ZERO) => {
                    self.counts.disk.increment(file.rows as u64);
                    self.lost += file.rows;
                    let rows = file.rows;
                    tracing::error!(rows, %error, "captured rows are lost: they cannot be written");
                    return;
                }
                Some(left) => thread::park_timeout(left.min(first)),
                None => thread::park_timeout(pause),
            }
            pause = last.min(2 * pause);
        }
        self.is_failing.store(false, Ordering::Relaxed);
        self.counts.captured.increment(file.rows as u64);
        self.kept += file.rows;
        if let Some((since, _)) = failing {
            let after = since.elapsed().as_secs();
            tracing::info!(file = file.name, rows = file.rows, after, "captured rows are written");
        }
    }
}
