//! What the kernel says of this process, under the names that Prometheus' own clients use.
//!
//! (Crates that do this count seconds of CPU time in whole ones, which a rate over 15 seconds shows.)

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::exposition::{Exposition, Kind};

/// Units of time in `/proc/…/stat` in a second, as every Linux but that of long gone machines has it.
const TICKS: f64 = 100.0;

/// Adds what can be read; where there is no `/proc`, nothing.
pub(crate) fn describe(text: &mut Exposition) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
    if let Some(seconds) = cpu_seconds(&stat) {
        let help = "User and system CPU time spent, in seconds.";
        text.single("process_cpu_seconds_total", Kind::Counter, help, seconds);
    }
    for (name, help, field, unit) in [
        ("process_resident_memory_bytes", "Resident memory, in bytes.", "VmRSS:", 1_024),
        ("process_virtual_memory_bytes", "Virtual memory, in bytes.", "VmSize:", 1_024),
        ("process_threads", "Threads of the process.", "Threads:", 1),
    ] {
        if let Some(value) = number(&status, field) {
            text.single(name, Kind::Gauge, help, value * unit);
        }
    }
    if let (Some(boot), Some(started)) = (number(&read("/proc/stat"), "btime "), started(&stat)) {
        let help = "Start of the process, in seconds since 1970.";
        text.single("process_start_time_seconds", Kind::Gauge, help, boot as f64 + started);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder itself is open while it is read.
        let open = open.count().saturating_sub(1);
        text.single("process_open_fds", Kind::Gauge, "Open file descriptors.", open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        let help = "Most file descriptors that may be open.";
        text.single("process_max_fds", Kind::Gauge, help, most);
    }
}

/// CPU time, of `/proc/self/stat`.
fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) as f64 / TICKS)
}

/// Seconds from the boot to the start, of `/proc/self/stat`.
fn started(stat: &str) -> Option<f64> {
    Some(stat_field(stat, 22)? as f64 / TICKS)
}

/// A field by its number in `proc_pid_stat(5)`. The name of the program stands in parentheses and may
/// hold anything; the fields behind it begin with the third.
fn stat_field(stat: &str, number: usize) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)?.parse().ok()
}

/// The number of the line that starts so.
fn number(text: &str, start: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(start))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_spaces_and_parentheses() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 6 0 1234 9000000 512";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(started(stat), Some(12.34));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
        assert_eq!(number("cpu 1\nbtime 1000\n", "btime "), Some(1_000));
        assert_eq!(number("VmRSS:\t   512 kB\n", "VmRSS:"), Some(512));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_described() {
        let mut text = Exposition::default();
        describe(&mut text);
        let text = text.into_text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e5);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_open_fds") <= value("process_max_fds"));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-2.0..86_400.0).contains(&age), "{age}");
    }
}
