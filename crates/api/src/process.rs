//! What the kernel says of this process, under the names that Prometheus' own clients use.
//!
//! (Crates that do this count seconds of CPU time in whole ones, which a rate over 15 seconds shows.)

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::exposition::{Exposition, Kind};

/// Adds what can be read; where there is no `/proc`, nothing.
pub(crate) fn describe(text: &mut Exposition) {
    let Some(stat) = Stat::read() else { return };
    text.single(
        "process_cpu_seconds_total",
        Kind::Counter,
        "User and system CPU time spent, in seconds.",
        stat.cpu_seconds,
    );
    text.single(
        "process_resident_memory_bytes",
        Kind::Gauge,
        "Resident memory, in bytes.",
        stat.resident,
    );
    text.single(
        "process_virtual_memory_bytes",
        Kind::Gauge,
        "Virtual memory, in bytes.",
        stat.virtual_memory,
    );
    text.single("process_threads", Kind::Gauge, "Threads of the process.", stat.threads);
    if let Some(start) = stat.start {
        text.single(
            "process_start_time_seconds",
            Kind::Gauge,
            "Start of the process, in seconds since 1970.",
            start,
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder itself is open while it is read.
        let open = open.count().saturating_sub(1);
        text.single("process_open_fds", Kind::Gauge, "Open file descriptors.", open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        text.single(
            "process_max_fds",
            Kind::Gauge,
            "Most file descriptors that may be open.",
            most,
        );
    }
}

/// Of `/proc/self/stat`; see `proc_pid_stat(5)`.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: u64,
    virtual_memory: u64,
    resident: u64,
    /// Seconds since 1970.
    start: Option<f64>,
}

impl Stat {
    fn read() -> Option<Self> {
        let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text));
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?, boot)
    }

    /// The name of the program stands in parentheses and may hold anything; the fields behind it are
    /// numbered from the third on.
    fn parse(text: &str, boot: Option<f64>) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let page = rustix::param::page_size() as u64;
        let started = field(22)? as f64 / ticks;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / ticks,
            threads: field(20)?,
            virtual_memory: field(23)?,
            resident: field(24)? * page,
            start: boot.map(|boot| boot + started),
        })
    }
}

/// Seconds since 1970, of `/proc/stat`.
fn boot_time(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_spaces_and_parentheses() {
        let text =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 6 0 1234 9000000 512 99";
        let stat = Stat::parse(text, boot_time("cpu 1\nbtime 1000\n")).unwrap();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(stat.cpu_seconds, 300.0 / ticks);
        assert_eq!((stat.threads, stat.virtual_memory), (6, 9_000_000));
        assert_eq!(stat.resident, 512 * rustix::param::page_size() as u64);
        assert_eq!(stat.start, Some(1000.0 + 1234.0 / ticks));
        assert_eq!(Stat::parse("7 (a) S 1", None), None);
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
