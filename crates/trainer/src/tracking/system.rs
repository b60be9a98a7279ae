//! What the training asks of the machine, under the names that MLflow shows as system metrics.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use fraud_registry::types::Metric;

/// Between two samples, as in MLflow.
const INTERVAL: Duration = Duration::from_secs(10);

/// Samples of processor and memory, taken while this lives: one when it starts, one every ten seconds,
/// one at the end. Nothing where there is no `/proc`.
#[derive(Debug)]
pub(super) struct SystemMetrics {
    sampler: Arc<Mutex<Sampler>>,
    // Dropped, it stops the thread.
    _stop: Sender<()>,
    _thread: Option<JoinHandle<()>>,
}

impl SystemMetrics {
    pub(super) fn start() -> Self {
        let sampler = Arc::new(Mutex::new(Sampler::default()));
        lock(&sampler).sample();
        let (stop, stopped) = channel();
        let shared = Arc::clone(&sampler);
        let work = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                lock(&shared).sample();
            }
        };
        let thread = std::thread::Builder::new().name("system-metrics".to_owned()).spawn(work);
        Self { sampler, _stop: stop, _thread: thread.ok() }
    }

    /// The samples so far, with one of now.
    pub(super) fn take(&self) -> Vec<Metric> {
        let mut sampler = lock(&self.sampler);
        sampler.sample();
        std::mem::take(&mut sampler.metrics)
    }
}

fn lock(sampler: &Mutex<Sampler>) -> std::sync::MutexGuard<'_, Sampler> {
    sampler.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Sampler {
    metrics: Vec<Metric>,
    step: i64,
    /// Busy and total processor time at the sample before.
    before: Option<(u64, u64)>,
}

impl Sampler {
    fn sample(&mut self) {
        let mut note = |key: &str, value: f64| {
            self.metrics.push(Metric::at_step(format!("system/{key}"), value, self.step));
        };
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        if let Some((busy, total)) = processor_time(&read("/proc/stat")) {
            if let Some((busy_before, total_before)) = self.before
                && total > total_before
            {
                let share = busy.saturating_sub(busy_before) as f64 / (total - total_before) as f64;
                note("cpu_utilization_percentage", 100.0 * share);
            }
            self.before = Some((busy, total));
        }
        if let Some((used, total)) = memory(&read("/proc/meminfo")) {
            note("system_memory_usage_megabytes", used / 1024.0);
            note("system_memory_usage_percentage", 100.0 * used / total);
        }
        if let Some(kilobytes) = field(&read("/proc/self/status"), "VmHWM:") {
            note("process_peak_memory_megabytes", kilobytes / 1024.0);
        }
        self.step += 1;
    }
}

/// Busy and total time of all processors, in ticks, from `/proc/stat`.
fn processor_time(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; the guest times after them are in user already.
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|t| t.parse().ok()).collect();
    let total = ticks.iter().sum();
    let idle: u64 = ticks.get(3..5)?.iter().sum();
    Some((total - idle, total))
}

/// Memory in use and all memory, in kB, from `/proc/meminfo`.
fn memory(meminfo: &str) -> Option<(f64, f64)> {
    let total = field(meminfo, "MemTotal:")?;
    Some((total - field(meminfo, "MemAvailable:")?, total))
}

fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(processor_time("cpu  10 1 5 80 4 0 0 0 3 0\ncpu0 1\n"), Some((16, 100)));
        let meminfo = "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n";
        assert_eq!(memory(meminfo), Some((750.0, 1000.0)));
        assert_eq!(processor_time(""), None);
        assert_eq!(memory("MemTotal: x"), None);
    }
}
