//! What a change of keys touches, also when nobody learns whether it happened.

use std::sync::{Arc, OnceLock};

use keystile_core::Change;
use keystile_store::StoreError;

use crate::Refused;

/// The keys that a transaction touches, known at the latest when it has decided what to write. The clone that goes into
/// the transaction notes them, the other one tells them when the commit is in doubt.
#[derive(Clone, Default)]
pub(crate) struct Touched(Arc<OnceLock<Change>>);

impl Touched {
    /// These, and no others.
    pub(crate) fn known(change: Change) -> Self {
        Self(Arc::new(OnceLock::from(change)))
    }

    /// To be called before anything is written.
    pub(crate) fn note(&self, change: Change) {
        self.0.get_or_init(|| change);
    }

    /// What was noted; no keys if nothing was.
    pub(crate) fn noted(&self) -> Change {
        self.0.get().cloned().unwrap_or(Change::of([]))
    }

    /// The result of the transaction; one in doubt says what verification may no longer believe.
    pub(crate) fn outcome<T>(&self, outcome: Result<T, StoreError>) -> Result<T, Refused> {
        outcome.map_err(|error| match Refused::from(error) {
            Refused::InDoubt { change, doubt, source } => {
                let change = self.0.get().cloned().map_or(change, Box::new);
                Refused::InDoubt { change, doubt, source }
            }
            refused => refused,
        })
    }
}
