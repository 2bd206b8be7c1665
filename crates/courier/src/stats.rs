//! What operators see of the courier.

use std::sync::atomic::{AtomicU64, Ordering};

use keystile_core::Timestamp;
use keystile_core::webhook::Attempt;
use keystile_store::Backlog;
use parking_lot::Mutex;

/// How an attempt went, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has the message.
    Delivered,
    /// The receiver answered, and not with success.
    Refused,
    /// There was no answer.
    Unreachable,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Refused, Self::Unreachable];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }

    pub(crate) fn of(attempt: &Attempt) -> Self {
        match attempt.status {
            Some(_) if attempt.is_success() => Self::Delivered,
            Some(_) => Self::Refused,
            None => Self::Unreachable,
        }
    }
}

/// How the sending goes. Counts begin at 0 with the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CourierStats {
    attempts: [u64; 3],
    /// Attempts that are under way.
    pub sending: usize,
    /// Messages that wait for webhooks that are on, as counted some seconds ago.
    pub pending: u64,
    /// When the oldest of them was made.
    pub oldest: Option<Timestamp>,
}

impl CourierStats {
    /// Attempts that went so.
    pub const fn attempts(&self, outcome: Outcome) -> u64 {
        self.attempts[outcome as usize]
    }
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    attempts: [AtomicU64; 3],
    backlog: Mutex<Backlog>,
}

impl Counts {
    pub(crate) fn note(&self, outcome: Outcome) {
        self.attempts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_backlog(&self, backlog: Backlog) {
        *self.backlog.lock() = backlog;
    }

    pub(crate) fn read(&self, sending: usize) -> CourierStats {
        let attempts = std::array::from_fn(|place| self.attempts[place].load(Ordering::Relaxed));
        let Backlog { waiting, oldest } = *self.backlog.lock();
        CourierStats { attempts, sending, pending: waiting, oldest }
    }
}
