//! What operators see of events that come in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::Heard;
use keystile_core::event::Outcome;
use keystile_measure::Histogram;

use crate::NotKept;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// From one small request to the longest that a statement may take.
const BOUNDS: [Duration; 11] = [
    millis(1),
    millis(2),
    millis(5),
    millis(10),
    millis(25),
    millis(50),
    millis(100),
    millis(250),
    millis(500),
    millis(1_000),
    millis(10_000),
];

/// How events came in. Counts begin at 0 with the process.
#[derive(Debug)]
pub struct IngestMeasures {
    /// How long it took to write what waited, in one transaction, its turn and its commit included; also when it failed.
    pub commits: Histogram,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    not_kept: [AtomicU64; NotKept::ALL.len()],
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// What waits to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestLoad {
    /// Requests that wait.
    pub queued: usize,
    /// Requests that may wait.
    pub most_queued: usize,
    /// Memory of the events that wait, those that are being written among them.
    pub held_bytes: usize,
    /// Memory that they may take.
    pub most_bytes: usize,
}

impl Default for IngestMeasures {
    fn default() -> Self {
        Self {
            commits: Histogram::new(&BOUNDS),
            outcomes: Default::default(),
            not_kept: Default::default(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }
}

impl IngestMeasures {
    /// Events with this outcome.
    pub fn events(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// Events that could not be kept for this reason, so that they have to be sent again.
    pub fn not_kept(&self, why: NotKept) -> u64 {
        self.not_kept[why as usize].load(Ordering::Relaxed)
    }

    /// Requests with at least one event that keeps every rule.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What their events say, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn count_request(&self, bytes: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn count_heard(&self, heard: &[Heard]) {
        for outcome in heard.iter().map(|heard| Outcome::from(*heard)) {
            self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_invalid(&self, count: u64) {
        self.outcomes[Outcome::Invalid as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn count_not_kept(&self, why: NotKept, count: u64) {
        self.not_kept[why as usize].fetch_add(count, Ordering::Relaxed);
    }
}
