//! What was scored, kept as Parquet files for drift detection.
//!
//! A request puts its row into a bounded queue and goes on. One thread gathers rows to files in
//! memory (`gather`, `table`), another brings them to the disk (`disk`, `folder`), so that a slow or
//! full disk delays neither requests nor the emptying of the queue.

mod disk;
mod folder;
mod gather;
mod table;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ::metrics::{Counter, counter, describe_counter};
use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use fraud_core::Transaction;

use crate::metrics::Metrics;
use crate::state::Served;
use disk::Disk;
use folder::Folder;
use gather::Gather;
use table::Row;

const CAPTURED: &str = "fraud_captured_total";
const DROPPED: &str = "fraud_capture_dropped_total";
const ERRORS: &str = "fraud_capture_errors_total";

/// Rows after which the gathering thread is woken before its time: a batch would fill the queue.
const WAKE_AFTER: u32 = 1_024;

/// How long a stop waits for a disk that hangs, beyond the time that failing writes have.
const GRACE: Duration = Duration::from_secs(1);

/// Whether and how what is scored is kept.
#[derive(Debug, Clone, clap::Args)]
pub struct CaptureArgs {
    /// Folder that gets Parquet files of what is scored: features, probability, decision, model
    /// version, time. Set it where drift is to be detected; nothing is kept unless it is set. Several
    /// services may share a folder.
    #[arg(id = "capture", long = "capture", env = "FRAUD_API_CAPTURE", value_name = "DIR")]
    pub folder: Option<PathBuf>,

    /// Rows of a captured file. Lower it to save memory: while the disk fails, twice as many rows, of
    /// 250 bytes each, are held.
    #[arg(id = "capture_rows", long = "capture-rows", env = "FRAUD_API_CAPTURE_ROWS", value_name = "N",
          default_value_t = Self::default().rows,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000))]
    pub rows: usize,

    /// Seconds after which a captured file is finished though it is not full. Lower it to see rows
    /// sooner, and to lose fewer when the process is killed.
    #[arg(id = "capture_age", long = "capture-age", env = "FRAUD_API_CAPTURE_AGE",
          value_name = "SECONDS", default_value_t = Self::default().age,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub age: u64,

    /// Rows that may wait between requests and the thread that gathers them, which looks every 10
    /// to 50 milliseconds. Raise it when `fraud_capture_dropped_total{reason="queue"}` grows.
    #[arg(id = "capture_queue", long = "capture-queue", env = "FRAUD_API_CAPTURE_QUEUE",
          value_name = "N", default_value_t = Self::default().queue,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub queue: usize,
}

impl Default for CaptureArgs {
    fn default() -> Self {
        Self { folder: None, rows: 100_000, age: 300, queue: 8_192 }
    }
}

/// Takes rows. A row is kept once it is in a file that is on the disk under its final name; only
/// then `fraud_captured_total` counts it.
pub(crate) struct Capture {
    queue: SyncSender<Row>,
    gathers: Thread,
    offered: AtomicU32,
    /// Whether a full queue is the disk's fault.
    disk_fails: Arc<AtomicBool>,
    counts: Counts,
}

/// The threads behind a [`Capture`]. Dropped, it has them end after one attempt to write what they
/// hold.
pub(crate) struct Writer {
    stop: Arc<Stop>,
    threads: [Thread; 2],
    /// Disconnected when the last thread has ended.
    ended: Receiver<()>,
}

/// The series of one capture.
#[derive(Clone)]
struct Counts {
    captured: Counter,
    /// The queue was full: rows came faster than they were gathered.
    queue: Counter,
    /// The queue was full since the disk fails, or the disk still failed at the end.
    disk: Counter,
    /// Scored after the capture had ended.
    stopped: Counter,
    errors: Counter,
}

impl Counts {
    fn register(metrics: &Metrics) -> Self {
        metrics.register(|| {
            describe_counter!(CAPTURED, "Scored rows that are in a finished file on the disk.");
            describe_counter!(DROPPED, "Scored rows that will be in no file, by reason.");
            describe_counter!(ERRORS, "Failed attempts to write a file of scored rows.");
            let dropped = |reason| counter!(DROPPED, "reason" => reason);
            Self {
                captured: counter!(CAPTURED),
                queue: dropped("queue"),
                disk: dropped("disk"),
                stopped: dropped("stopped"),
                errors: counter!(ERRORS),
            }
        })
    }
}

/// Tells the threads until when they may try.
#[derive(Debug, Default)]
struct Stop(OnceLock<Instant>);

impl Stop {
    /// The first deadline holds.
    fn by(&self, deadline: Instant) {
        self.0.get_or_init(|| deadline);
    }

    fn is_asked(&self) -> bool {
        self.0.get().is_some()
    }

    /// The time that is left; none is set before the stop.
    fn left(&self) -> Option<Duration> {
        self.0.get().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Starts to capture, if a folder is given.
///
/// # Errors
///
/// If the folder cannot be created, or no file can be created in it.
pub(crate) fn start(
    args: &CaptureArgs,
    metrics: &Metrics,
) -> anyhow::Result<Option<(Capture, Writer)>> {
    let Some(path) = &args.folder else { return Ok(None) };
    let folder = Folder::open(path)?;
    let counts = Counts::register(metrics);
    let stop = Arc::new(Stop::default());
    let (queue, rows) = mpsc::sync_channel(args.queue);
    let (alive, ended) = mpsc::channel();

    let (disk, files) = Disk::new(folder, counts.clone(), stop.clone());
    let disk_fails = disk.is_failing();
    let gather = Gather::new(args, rows, files, counts.clone(), stop.clone())?;
    let also_alive = alive.clone();
    let writes = thread::Builder::new().name("capture-disk".to_owned()).spawn(move || {
        let _alive = also_alive;
        disk.run();
    });
    let gathers = thread::Builder::new().name("capture-gather".to_owned()).spawn(move || {
        let _alive = alive;
        gather.run();
    });
    let failed = "no thread could be started to capture what is scored";
    let gathers = gathers.context(failed)?.thread().clone();
    let threads = [gathers.clone(), writes.context(failed)?.thread().clone()];
    tracing::info!(folder = %path.display(), rows = args.rows, age = args.age, "capturing");
    let offered = AtomicU32::new(0);
    let capture = Capture { queue, gathers, offered, disk_fails, counts };
    Ok(Some((capture, Writer { stop, threads, ended })))
}

impl Capture {
    /// Puts a row into the queue, or counts it as dropped when the queue is full. Never waits: the
    /// other end looks by itself, and is woken only when rows come fast.
    pub(crate) fn offer(
        &self,
        transaction: &Transaction,
        probability: f64,
        fraud: bool,
        served: &Served,
    ) {
        let row = Row {
            values: *transaction.values(),
            probability,
            fraud,
            version: served.label.clone(),
            scored_at: now(),
        };
        match self.queue.try_send(row) {
            Ok(()) => {
                if self.offered.fetch_add(1, Ordering::Relaxed) % WAKE_AFTER == WAKE_AFTER - 1 {
                    self.gathers.unpark();
                }
            }
            Err(TrySendError::Full(_)) if self.disk_fails.load(Ordering::Relaxed) => {
                self.counts.disk.increment(1);
            }
            Err(TrySendError::Full(_)) => self.counts.queue.increment(1),
            Err(TrySendError::Disconnected(_)) => self.counts.stopped.increment(1),
        }
    }
}

impl Writer {
    /// Writes what was offered, for which a failing disk has `limit`, and ends the capture. Blocks.
    pub(crate) fn finish(self, limit: Duration) {
        self.stop_by(Instant::now() + limit);
        if self.ended.recv_timeout(limit + GRACE) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the disk hangs: the last captured rows are lost");
        }
    }

    fn stop_by(&self, deadline: Instant) {
        self.stop.by(deadline);
        self.threads.iter().for_each(Thread::unpark);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop_by(Instant::now());
    }
}

/// Milliseconds since 1970, UTC.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
