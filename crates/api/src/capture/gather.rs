//! Gathers rows from the queue until they make a file.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use parquet::errors::ParquetError;

use super::disk::{Files, Finished};
use super::folder::{self, PREFIX, SUFFIX};
use super::table::{Row, Table};
use super::{CaptureArgs, Counts, Stop};

/// Between two looks at the queue: when the last found rows, and when it found none. Waiting in the
/// queue's own way would have each request take a lock and wake this thread.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(50)];

/// The thread that gathers.
pub(super) struct Gather {
    queue: Receiver<Row>,
    files: Files,
    counts: Counts,
    stop: Arc<Stop>,
    rows: usize,
    age: Duration,
    table: Table,
    /// When the table's first row came.
    since: Option<Instant>,
    run: String,
    /// Files so far.
    number: u64,
}

impl Gather {
    /// # Errors
    ///
    /// If Parquet refuses the schema.
    pub(super) fn new(
        args: &CaptureArgs,
        queue: Receiver<Row>,
        files: Files,
        counts: Counts,
        stop: Arc<Stop>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            queue,
            files,
            counts,
            stop,
            rows: args.rows,
            age: Duration::from_secs(args.age),
            table: Table::new().context("cannot begin a Parquet file")?,
            since: None,
            run: folder::run(),
            number: 0,
        })
    }

    /// Takes rows until the stop is asked for, then hands over what is gathered.
    pub(super) fn run(mut self) {
        loop {
            // Asked before the queue is emptied: what came before the stop is not missed.
            let stopping = self.stop.is_asked();
            let mut pause = PAUSES[1];
            while self.has_room() {
                let Ok(row) = self.queue.try_recv() else { break };
                self.take(row);
                pause = PAUSES[0];
            }
            if stopping {
                break;
            }
            let is_old = self.since.is_some_and(|since| since.elapsed() >= self.age);
            if is_old && self.files.is_idle() {
                self.hand_over();
            }
            thread::park_timeout(pause);
        }
        if self.table.len() > 0 {
            self.hand_over();
        }
    }

    /// Whether a row can be taken. While it cannot, since the disk does not keep up, rows stay in the
    /// queue, and when that is full the newest are dropped there. While stopping no more can come
    /// than is in the queue: a hand-over may wait.
    fn has_room(&self) -> bool {
        self.table.len() < self.rows || self.files.is_idle() || self.stop.is_asked()
    }

    fn take(&mut self, row: Row) {
        if self.table.len() >= self.rows {
            self.hand_over();
        }
        self.since.get_or_insert_with(Instant::now);
        if let Err(error) = self.table.push(row) {
            self.lose(self.table.len(), &error);
            self.begin();
        }
        if self.table.len() >= self.rows && self.files.is_idle() {
            self.hand_over();
        }
    }

    /// Begins another table and gives back the one that was there. `None` cannot be: the first table
    /// had the same schema.
    fn begin(&mut self) -> Option<Table> {
        self.since = None;
        Table::new().ok().map(|next| std::mem::replace(&mut self.table, next))
    }

    /// Gives the table to the disk and begins another.
    fn hand_over(&mut self) {
        let Some(table) = self.begin() else { return };
        self.number += 1;
        let rows = table.len();
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let name = format!("{PREFIX}{time}-{}-{:06}{SUFFIX}", self.run, self.number);
        match table.finish() {
            Ok(bytes) => {
                if self.files.send(Finished { name, bytes, rows }).is_err() {
                    self.counts.disk.increment(rows as u64);
                }
            }
            Err(error) => {
                self.lose(rows, &error);
            }
        }
    }

    /// Counts rows that cannot be encoded; in memory and with a fixed schema, that is a defect.
    fn lose(&self, rows: usize, error: &ParquetError) {
        self.counts.errors.increment(1);
        self.counts.disk.increment(rows as u64);
        tracing::error!(rows, %error, "captured rows are lost: no Parquet file can be made");
    }
}
