//! What operators see of limits that nodes share.

use std::sync::atomic::{AtomicU64, Ordering};

use super::port::{Answer, Statement};

/// Counts begin at 0 with the process.
#[derive(Debug, Default)]
pub(super) struct RateMeasures {
    round_trips: AtomicU64,
    failed: AtomicU64,
    statements: AtomicU64,
    reserved: AtomicU64,
    returned: AtomicU64,
    forgotten: AtomicU64,
    pub(super) waited: AtomicU64,
    pub(super) own_part: AtomicU64,
}

/// A reading of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateStats {
    /// Whether the authority can be asked; if not, what limits say of that holds.
    pub shares: bool,
    /// Questions to the authority.
    pub round_trips: u64,
    /// Of these, how many were not answered.
    pub failed: u64,
    /// Owners about whom it was asked.
    pub statements: u64,
    /// Requests that were reserved.
    pub reserved: u64,
    /// Requests that were given back unused.
    pub returned: u64,
    /// Times that the authority had forgotten everything.
    pub forgotten: u64,
    /// Requests that waited for an answer.
    pub waited: u64,
    /// Requests that were served from this node's own part, as the authority was away.
    pub own_part: u64,
    /// Owners of whom something is reserved, or has to be told.
    pub active: usize,
}

impl RateMeasures {
    pub(super) fn note(&self, statements: &[Statement], answer: Option<&Answer>) {
        let add = |counter: &AtomicU64, count: u64| {
            counter.fetch_add(count, Ordering::Relaxed);
        };
        add(&self.round_trips, 1);
        add(&self.statements, statements.len() as u64);
        add(&self.returned, statements.iter().map(|statement| statement.returned).sum());
        match answer {
            None => add(&self.failed, 1),
            Some(answer) => {
                add(&self.reserved, answer.grants.iter().flatten().map(|grant| grant.granted).sum());
            }
        }
    }

    pub(super) fn note_forgotten(&self) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, shares: bool, active: usize) -> RateStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RateStats {
            shares,
            round_trips: read(&self.round_trips),
            failed: read(&self.failed),
            statements: read(&self.statements),
            reserved: read(&self.reserved),
            returned: read(&self.returned),
            forgotten: read(&self.forgotten),
            waited: read(&self.waited),
            own_part: read(&self.own_part),
            active,
        }
    }
}
