//! What is read as a whole and kept by the id of its owner, with the same promise as keys: once a change was applied, no question
//! that starts later is answered from what was read before.
//!
//! Each owner has a slot. What is kept of it is read once into the slot, however many wait for it. Forgetting takes the slot away, so a
//! read that began before fills a slot that nobody finds any more.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{OnceCell, Semaphore};

use crate::fill::{FILL_TIMEOUT, QUERIES_IN_FLIGHT};
use crate::source::SourceUnavailable;

type Slot<V> = Arc<OnceCell<V>>;

pub(crate) struct Slots<K, V> {
    /// How many are kept. Beyond it, any one goes for the next.
    most: usize,
    /// So that reads leave the connections of the store to others.
    reads: Semaphore,
    known: RwLock<Known<K, V>>,
}

struct Known<K, V> {
    slots: HashMap<K, Slot<V>>,
    /// How many changes may still happen to each. Nothing is kept of these.
    doubts: HashMap<K, usize>,
}

impl<K: Copy + Eq + Hash, V: Clone> Slots<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        let known = Known { slots: HashMap::new(), doubts: HashMap::new() };
        Self { most, reads: Semaphore::new(QUERIES_IN_FLIGHT), known: RwLock::new(known) }
    }

    /// What is in memory; `None` when it must be read. Takes one uncontended lock for reading.
    pub(crate) fn look_up(&self, id: K) -> Option<V> {
        self.known.read().slots.get(&id).and_then(|slot| slot.get().cloned())
    }

    /// What is kept, read by this caller or another. The future can be dropped at any moment; another who waits goes on.
    pub(crate) async fn find<F>(&self, id: K, read: impl FnOnce() -> F) -> Result<V, SourceUnavailable>
    where
        F: Future<Output = Result<V, SourceUnavailable>>,
    {
        let slot = self.slot(id);
        let filled = slot.get_or_try_init(|| self.in_turn(read));
        tokio::time::timeout(FILL_TIMEOUT, filled).await.map_err(|_| SourceUnavailable)?.cloned()
    }

    /// The same for one caller, kept for nobody: as long as nothing that is known may be believed.
    pub(crate) async fn find_alone<F>(&self, read: impl FnOnce() -> F) -> Result<V, SourceUnavailable>
    where
        F: Future<Output = Result<V, SourceUnavailable>>,
    {
        tokio::time::timeout(FILL_TIMEOUT, self.in_turn(read)).await.map_err(|_| SourceUnavailable)?
    }

    /// Forgets one. Whoever asks after this has returned has it read anew.
    pub(crate) fn forget(&self, id: K) {
        self.known.write().slots.remove(&id);
    }

    /// Forgets one and keeps nothing of it, until [`Self::settle`] was called as often.
    pub(crate) fn doubt(&self, id: K) {
        let mut known = self.known.write();
        *known.doubts.entry(id).or_default() += 1;
        known.slots.remove(&id);
    }

    /// Forgets one whose change was in doubt and has ended.
    pub(crate) fn settle(&self, id: K) {
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

    async fn in_turn<F>(&self, read: impl FnOnce() -> F) -> Result<V, SourceUnavailable>
    where
        F: Future<Output = Result<V, SourceUnavailable>>,
    {
        let _permit = self.reads.acquire().await.map_err(|_| SourceUnavailable)?;
        read().await
    }

    fn slot(&self, id: K) -> Slot<V> {
        let mut known = self.known.write();
        if known.doubts.contains_key(&id) {
            return Slot::default();
        }
        if !known.slots.contains_key(&id)
            && known.slots.len() >= self.most
            && let Some(other) = known.slots.keys().next().copied()
        {
            known.slots.remove(&other);
        }
        Arc::clone(known.slots.entry(id).or_default())
    }
}
