//! The tables of applications in memory, with the same promise as keys: once a change was applied, no question that
//! starts later is answered from what was read before.
//!
//! Each application has a slot. Its table is read once into the slot, however many wait for it. Forgetting takes the
//! slot away, so a read that began before fills a slot that nobody finds any more.

use std::collections::HashMap;
use std::sync::Arc;

use keystile_core::ApplicationId;
use keystile_core::route::Table;
use parking_lot::RwLock;
use tokio::sync::{OnceCell, Semaphore};

use crate::fill::{FILL_TIMEOUT, QUERIES_IN_FLIGHT};
use crate::source::{KeySource, SourceUnavailable};

/// Most applications whose tables are kept: more than one installation has in use, and a table of some routes takes a
/// few kilobytes. Beyond it, any one goes for the next.
pub const ROUTINGS_KEPT: usize = 10_000;

/// The table of an application; none when it has no routing.
type MaybeTable = Option<Arc<Table>>;
type Slot = Arc<OnceCell<MaybeTable>>;

pub(crate) struct Routings {
    source: Arc<dyn KeySource>,
    /// So that reads leave the connections of the store to others.
    reads: Semaphore,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    slots: HashMap<ApplicationId, Slot>,
    /// How many changes may still happen to each. Nothing is kept of these.
    doubts: HashMap<ApplicationId, usize>,
}

impl Routings {
    pub(crate) fn new(source: Arc<dyn KeySource>) -> Self {
        Self { source, reads: Semaphore::new(QUERIES_IN_FLIGHT), known: RwLock::default() }
    }

    /// What is in memory; `None` when it must be read. Takes one uncontended lock for reading.
    pub(crate) fn look_up(&self, id: ApplicationId) -> Option<MaybeTable> {
        self.known.read().slots.get(&id).and_then(|slot| slot.get().cloned())
    }

    /// The table, read by this caller or another. The future can be dropped at any moment; another who waits goes on.
    pub(crate) async fn find(&self, id: ApplicationId) -> Result<MaybeTable, SourceUnavailable> {
        let slot = self.slot(id);
        let read = slot.get_or_try_init(|| self.read(id));
        tokio::time::timeout(FILL_TIMEOUT, read).await.map_err(|_| SourceUnavailable)?.cloned()
    }

    /// Forgets one. Whoever asks after this has returned has it read anew.
    pub(crate) fn forget(&self, id: ApplicationId) {
        self.known.write().slots.remove(&id);
    }

    /// Forgets one and keeps nothing of it, until [`Self::settle`] was called as often.
    pub(crate) fn doubt(&self, id: ApplicationId) {
        let mut known = self.known.write();
        *known.doubts.entry(id).or_default() += 1;
        known.slots.remove(&id);
    }

    /// Forgets one whose change was in doubt and has ended.
    pub(crate) fn settle(&self, id: ApplicationId) {
        let mut known = self.known.write();
        if let Some(doubts) = known.doubts.get_mut(&id) {
            *doubts -= 1;
            if *doubts == 0 {
                known.doubts.remove(&id);
            }
        }
        known.slots.remove(&id);
    }

    pub(crate) fn forget_all(&self) {
        self.known.write().slots.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.known.read().slots.len()
    }

    async fn read(&self, id: ApplicationId) -> Result<MaybeTable, SourceUnavailable> {
        let _permit = self.reads.acquire().await.map_err(|_| SourceUnavailable)?;
        Ok(self.source.routing(id).await?.map(Arc::new))
    }

    fn slot(&self, id: ApplicationId) -> Slot {
        let mut known = self.known.write();
        if known.doubts.contains_key(&id) {
            return Slot::default();
        }
        if !known.slots.contains_key(&id)
            && known.slots.len() >= ROUTINGS_KEPT
            && let Some(other) = known.slots.keys().next().copied()
        {
            known.slots.remove(&other);
        }
        Arc::clone(known.slots.entry(id).or_default())
    }
}
