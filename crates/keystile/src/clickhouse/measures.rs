//! What became of the requests that go to ClickHouse, for `/metrics`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keystile_engine::NotLogged;
use keystile_measure::Exposition;

/// Counts begin at 0 with the process.
#[derive(Debug, Default)]
pub(super) struct Measures {
    taken: AtomicU64,
    refused: AtomicU64,
    left_out: AtomicU64,
    failures: AtomicU64,
    is_away: AtomicBool,
}

impl Measures {
    /// Notes what came of an insert with so many rows.
    pub(super) fn note(&self, rows: usize, taken: Result<(), NotLogged>) {
        let rows = rows as u64;
        match taken {
            Ok(()) => self.taken.fetch_add(rows, Ordering::Relaxed),
            Err(NotLogged::Refused) => self.refused.fetch_add(rows, Ordering::Relaxed),
            Err(NotLogged::Unavailable) => self.failures.fetch_add(1, Ordering::Relaxed),
        };
        let is_away = taken == Err(NotLogged::Unavailable);
        let was_away = self.is_away.swap(is_away, Ordering::Relaxed);
        if was_away && !is_away {
            tracing::info!("ClickHouse answers again");
        }
    }

    /// Notes that there was no room for so many rows.
    pub(super) fn leave_out(&self, rows: usize) {
        self.left_out.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// How many rows ClickHouse has, and how many it will never have.
    #[cfg(test)]
    pub(super) fn taken_and_missing(&self) -> (u64, u64) {
        let missing = self.refused.load(Ordering::Relaxed) + self.left_out.load(Ordering::Relaxed);
        (self.taken.load(Ordering::Relaxed), missing)
    }

    /// Writes all of it, and how many rows wait, if they do so before ClickHouse alone.
    pub(super) fn write(&self, waiting: Option<usize>, page: &mut Exposition) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let help = "Requests of the log that ClickHouse has taken.";
        page.counter("keystile_clickhouse_rows_total", help).count(&[], read(&self.taken));
        let help = "Inserts that failed; they are tried again.";
        page.counter("keystile_clickhouse_failures_total", help).count(&[], read(&self.failures));
        let help = "Requests that are in the log and will never be in ClickHouse.";
        page.counter("keystile_clickhouse_missing_total", help)
            .count(&[("reason", "no_room")], read(&self.left_out))
            .count(&[("reason", "refused")], read(&self.refused));
        if let Some(waiting) = waiting {
            let help = "Requests that wait for ClickHouse.";
            page.gauge("keystile_clickhouse_waiting", help).size(&[], waiting);
        }
        let help = "1 while the last insert failed.";
        page.gauge("keystile_clickhouse_away", help).count(&[], self.is_away.load(Ordering::Relaxed).into());
    }
}
