//! How long work shows itself: a bar on a terminal, plain log lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two log lines of the same work.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Shown as MiB and MiB a second.
    Bytes,
    /// Shown with thousands separators.
    Rows,
}

/// One piece of long work. Nothing is shown for work that ends within a moment.
#[derive(Debug)]
pub struct Progress {
    label: String,
    unit: Unit,
    total: Option<u64>,
    done: u64,
    bar: Option<ProgressBar>,
    started: Instant,
    logged: Instant,
}

impl Progress {
    /// Starts to show work on `total` bytes or rows, if the total is known.
    #[must_use]
    pub fn start(label: impl Into<String>, unit: Unit, total: Option<u64>) -> Self {
        let label = label.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let counts = match unit {
                Unit::Bytes => "{binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}",
                Unit::Rows => "{human_pos} of {human_len} rows, {per_sec}",
            };
            let template = format!("{{msg:24}} {{wide_bar}} {counts}, {{eta}} left");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar.set_message(label.clone());
            bar
        });
        let now = Instant::now();
        Self { label, unit, total, done: 0, bar, started: now, logged: now }
    }

    /// Says that the work stands at `done` of the total.
    pub fn set(&mut self, done: u64) {
        self.done = done;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.logged.elapsed() >= LOG_EVERY {
            self.logged = Instant::now();
            tracing::info!("{}: {}", self.label, self.state());
        }
    }

    /// Says that `amount` more is done.
    pub fn add(&mut self, amount: u64) {
        self.set(self.done + amount);
    }

    fn state(&self) -> String {
        let amount = |n: u64| match self.unit {
            Unit::Bytes => format!("{:.1} MiB", n as f64 / f64::from(1 << 20)),
            Unit::Rows => format!("{n} rows"),
        };
        let seconds = self.started.elapsed().as_secs();
        match self.total {
            Some(total) if total > 0 => {
                let percent = 100.0 * self.done as f64 / total as f64;
                format!("{percent:.0} %, {} of {} in {seconds} s", amount(self.done), amount(total))
            }
            _ => format!("{} in {seconds} s", amount(self.done)),
        }
    }
}

impl Drop for Progress {
    /// The bar goes away with the work, so that an error message does not stand behind half a bar.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
