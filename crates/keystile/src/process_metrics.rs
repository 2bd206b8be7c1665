//! What the system says of this process, under the names that every Prometheus client uses.

use std::fs;
use std::sync::LazyLock;

use keystile_measure::Exposition;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Writes what there is; where the system has no `/proc`, nothing.
pub(crate) fn write(page: &mut Exposition) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
        write_stat(&stat, page);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Reading the folder has opened one more.
        let open = open.count().saturating_sub(1);
        page.gauge("process_open_fds", "Files and connections that are open.").size(&[], open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.gauge("process_max_fds", "Files and connections that may be open.").count(&[], most);
    }
}

fn write_stat(stat: &Stat, page: &mut Exposition) {
    let help = "Processor time that was used, in seconds.";
    page.counter("process_cpu_seconds_total", help).value(&[], seconds(stat.ticks));
    let resident = stat.resident_pages.saturating_mul(page_size() as u64);
    page.gauge("process_resident_memory_bytes", "Memory that is in use.").count(&[], resident);
    page.gauge("process_virtual_memory_bytes", "Addresses that are in use.").count(&[], stat.virtual_bytes);
    page.gauge("process_threads", "Threads.").count(&[], stat.threads);
    if let Some(booted) = *BOOTED {
        let help = "When the process was started, in seconds since 1970.";
        page.gauge("process_start_time_seconds", help).value(&[], booted + seconds(stat.started));
    }
}

/// When the system was started, in seconds since 1970. It is read once, as it moves when the time is set.
static BOOTED: LazyLock<Option<f64>> = LazyLock::new(|| {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
});

#[expect(clippy::cast_precision_loss, reason = "Prometheus reads every number as a double")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

/// What is read of `/proc/self/stat`; `man 5 proc` numbers its fields.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ticks: u64,
    threads: u64,
    started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program may hold spaces and parentheses.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // What follows the name is the third field.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: field(14)?.checked_add(field(15)?)?,
            threads: field(20)?,
            started: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read_by_its_numbers() {
        let text = "7 (a b) c) S 1 7 7 0 -1 4194304 10 0 0 0 150 50 0 0 20 0 9 0 4711 1048576 256 18446744073709551615 1";
        let expected =
            Stat { ticks: 200, threads: 9, started: 4711, virtual_bytes: 1_048_576, resident_pages: 256 };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
    }
}
