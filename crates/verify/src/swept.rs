//! A hash table with a fixed number of places, from which the coldest entry near a sweeping hand makes room.
//!
//! The hand moves over the buckets of the table itself (CLOCK with a small counter in place of one bit), so
//! the order costs no memory, and a read moves nothing.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use keystile_core::Digest;

/// Most entries looked at to find a cold one. It bounds the time under the lock; if all are warm, the
/// coldest of them goes.
const SWEPT_PER_EVICTION: usize = 32;

/// An entry of a [`Swept`] table.
pub(crate) trait Entrant {
    /// The leading bits of its digest.
    fn hash(&self) -> u64;
    /// Whether it belongs to `digest`, by comparing all of it.
    fn is_of(&self, digest: &Digest) -> bool;
    /// Forgets one use; tells how hot it was before, 0 being cold.
    fn cool(&self) -> u8;
}

/// At most `places` entries, found by their full digest.
pub(crate) struct Swept<T> {
    table: HashTable<T>,
    places: usize,
    hand: usize,
    evictions: u64,
}

impl<T: Entrant> Swept<T> {
    /// At least one place.
    pub(crate) fn new(places: usize) -> Self {
        Self { table: HashTable::new(), places: places.max(1), hand: 0, evictions: 0 }
    }

    pub(crate) fn find(&self, digest: &Digest) -> Option<&T> {
        self.table.find(digest.leading_bits(), |entry| entry.is_of(digest))
    }

    /// Puts `entry` in; gives back what had to go for it, to be dropped outside the lock.
    pub(crate) fn insert(&mut self, digest: &Digest, entry: T) -> Option<T> {
        let full = self.table.len() >= self.places;
        let gone = if full && self.find(digest).is_none() { self.evict() } else { None };
        match self.table.entry(digest.leading_bits(), |old| old.is_of(digest), T::hash) {
            Entry::Occupied(mut old) => Some(std::mem::replace(old.get_mut(), entry)),
            Entry::Vacant(place) => {
                place.insert(entry);
                gone
            }
        }
    }

    pub(crate) fn remove(&mut self, digest: &Digest) -> Option<T> {
        let found = self.table.find_entry(digest.leading_bits(), |entry| entry.is_of(digest));
        found.ok().map(|entry| entry.remove().0)
    }

    pub(crate) fn clear(&mut self) {
        self.table = HashTable::new();
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Entries that had to make room so far.
    pub(crate) const fn evictions(&self) -> u64 {
        self.evictions
    }

    fn evict(&mut self) -> Option<T> {
        let victim = self.coldest_near_hand()?;
        self.evictions += 1;
        self.table.get_bucket_entry(victim).ok().map(|entry| entry.remove().0)
    }

    fn coldest_near_hand(&mut self) -> Option<usize> {
        let buckets = self.table.num_buckets();
        let mut coldest: Option<(u8, usize)> = None;
        let mut seen = 0;
        for _ in 0..buckets {
            self.hand = (self.hand + 1) % buckets;
            let Some(entry) = self.table.get_bucket(self.hand) else { continue };
            let heat = entry.cool();
            if coldest.is_none_or(|(least, _)| heat < least) {
                coldest = Some((heat, self.hand));
            }
            seen += 1;
            if heat == 0 || seen == SWEPT_PER_EVICTION {
                break;
            }
        }
        coldest.map(|(_, bucket)| bucket)
    }
}
