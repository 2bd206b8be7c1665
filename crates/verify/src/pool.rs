//! Things that several keys share, each kept once, for as long as somebody needs it.

use std::sync::Arc;

use hashbrown::HashTable;
use parking_lot::Mutex;

/// Independent parts, so that growing one holds up few fills and only for a moment.
const PARTS: usize = 16;
/// Buckets looked at for what is no longer needed whenever something is added: more than one, so that it goes
/// faster than it comes.
const SWEPT_PER_ADDITION: usize = 4;

/// Shared things, found by a hash and a comparison. What nobody outside holds any more, and what
/// [`Pooled::is_spent`], is let go, a few at a time.
pub(crate) struct Pool<T> {
    parts: [Mutex<Part<T>>; PARTS],
}

/// Something that can be let go once nobody holds it.
pub(crate) trait Pooled {
    /// Whether forgetting it would change nothing, as of `now`.
    fn is_spent(&self, now: u64) -> bool;
}

struct Part<T> {
    table: HashTable<(u64, Arc<T>)>,
    hand: usize,
}

impl<T: Pooled> Pool<T> {
    pub(crate) fn new() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::new(Part { table: HashTable::new(), hand: 0 })) }
    }

    /// The one that `is_meant`, made if there is none. `hash` must be the same for whatever is meant.
    pub(crate) fn get(
        &self,
        hash: u64,
        now: u64,
        is_meant: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut part = self.parts[part_of(hash)].lock();
        if let Some((_, known)) = part.table.find(hash, |(_, known)| is_meant(known)) {
            return Arc::clone(known);
        }
        part.sweep(now);
        let made = Arc::new(make());
        part.table.insert_unique(hash, (hash, Arc::clone(&made)), |(hash, _)| *hash);
        made
    }

    /// The one that `is_meant`, if there is one.
    pub(crate) fn find(&self, hash: u64, is_meant: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let part = self.parts[part_of(hash)].lock();
        part.table.find(hash, |(_, known)| is_meant(known)).map(|(_, known)| Arc::clone(known))
    }

    /// What `pick` takes of each.
    pub(crate) fn pick<U>(&self, mut pick: impl FnMut(&T) -> Option<U>) -> Vec<U> {
        let mut picked = Vec::new();
        for part in &self.parts {
            let part = part.lock();
            picked.extend(part.table.iter().filter_map(|(_, one)| pick(one)));
        }
        picked
    }

    /// How many there are, some of them perhaps no longer needed.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().table.len()).sum()
    }
}

impl<T: Pooled> Part<T> {
    /// The only other owners are keys, and a new one is handed out only under the lock that is held here.
    fn sweep(&mut self, now: u64) {
        for _ in 0..SWEPT_PER_ADDITION.min(self.table.num_buckets()) {
            self.hand = (self.hand + 1) % self.table.num_buckets();
            let unneeded = |(_, known): &(u64, Arc<T>)| Arc::strong_count(known) == 1 && known.is_spent(now);
            if self.table.get_bucket(self.hand).is_some_and(unneeded)
                && let Ok(entry) = self.table.get_bucket_entry(self.hand)
            {
                entry.remove();
            }
        }
    }
}

/// Bits the hash table itself uses neither for its buckets nor for its tags.
fn part_of(hash: u64) -> usize {
    usize::from((hash >> 40).to_le_bytes()[0]) % PARTS
}
