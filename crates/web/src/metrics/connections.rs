//! Connections by listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Clients of the API, and gateways.
    Api,
    /// Whoever operates the server.
    Operations,
    /// Envoys.
    Envoy,
}

impl Listener {
    pub(super) const ALL: [Self; 3] = [Self::Api, Self::Operations, Self::Envoy];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Operations => "operations",
            Self::Envoy => "envoy",
        }
    }
}

/// The connections of one listener.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    most: AtomicU64,
    open: AtomicU64,
    accepted: AtomicU64,
    waits: AtomicU64,
    failed: AtomicU64,
    idle: AtomicU64,
}

/// A connection that is open until the value is dropped.
pub(crate) struct Connected(Arc<Connections>);

/// What stands on the page.
pub(crate) struct Reading {
    pub(crate) most: u64,
    pub(crate) open: u64,
    pub(crate) accepted: u64,
    pub(crate) waits: u64,
    pub(crate) failed: u64,
    pub(crate) idle: u64,
}

impl Connections {
    /// No more than these are open at once.
    pub(crate) fn bound(&self, most: usize) {
        self.most.store(most as u64, Ordering::Relaxed);
    }

    /// One was accepted.
    pub(crate) fn accept(self: &Arc<Self>) -> Connected {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(self))
    }

    /// All places are taken, so that the next one has to wait.
    pub(crate) fn note_wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// The system let us accept none.
    pub(crate) fn note_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// One was ended because nothing moved on it.
    pub(crate) fn note_idle(&self) {
        self.idle.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading {
            most: self.most.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
            waits: self.waits.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            idle: self.idle.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
