//! The facts in memory, the digests known to be absent, and the reads under way, all found by full digest.
//!
//! One lock guards all three for a digest. That is what makes forgetting exact: [`Cache::forget`] removes both
//! kinds of entry and detaches the flight in one step, and [`Cache::settle`] puts in what was read only
//! if the flight is still attached. A read that began before a change therefore never outlives it.

use std::sync::Arc;

use hashbrown::HashTable;
use keystile_core::{Clock, Digest, SharedRates};
use parking_lot::RwLock;

use crate::bounds::Bounds;
use crate::cached_key::CachedKey;
use crate::doubts::Doubts;
use crate::flight::{Flight, Landing, Ticket};
use crate::source::SourceUnavailable;
use crate::swept::{Entrant, Swept};

/// Most shards: enough that cores seldom meet on one and that growing one is short.
const MOST_SHARDS: usize = 128;
/// Fewest keys for which a shard of their own pays. With fewer, chance fills shards too unevenly.
const KEYS_PER_SHARD: usize = 64;

pub(crate) struct Cache {
    shards: Box<[Padded]>,
    clock: Arc<dyn Clock>,
}

/// What a flight brings back: a key and the limits it shares with others, or that there is none.
pub(crate) type FlightRead = Result<Option<(Arc<CachedKey>, SharedRates)>, SourceUnavailable>;

/// Two cache lines, as processors fetch them in pairs; shards do not disturb each other.
#[repr(align(128))]
struct Padded(RwLock<Shard>);

struct Shard {
    keys: Swept<Slot>,
    absent: Swept<Digest>,
    flights: HashTable<(Digest, Arc<Flight>)>,
    doubts: Doubts,
}

/// A key with its hash beside it, so that growing the table does not visit every key.
struct Slot {
    hash: u64,
    key: Arc<CachedKey>,
}

/// What is known of a digest.
pub(crate) enum Look {
    Known(Arc<CachedKey>),
    Absent,
    Unknown,
}

/// How a caller comes to an answer.
pub(crate) enum Boarding {
    /// Somebody was faster: it is there.
    Landed(Landing),
    /// Wait for a read that is under way.
    Joined(Arc<Flight>),
    /// Start this read, then wait for it.
    Opened(Ticket, Arc<Flight>),
}

/// Sums over all shards.
#[derive(Default)]
pub(crate) struct Census {
    pub(crate) keys: usize,
    pub(crate) absent: usize,
    pub(crate) flights: usize,
    pub(crate) evictions: u64,
    pub(crate) absent_evictions: u64,
}

impl Cache {
    pub(crate) fn new(bounds: Bounds, clock: Arc<dyn Clock>) -> Arc<Self> {
        let count = (bounds.keys / KEYS_PER_SHARD).clamp(1, MOST_SHARDS);
        let count = if count.is_power_of_two() { count } else { count.next_power_of_two() / 2 };
        let count = count.min(bounds.absent.max(1).next_power_of_two() / 2).max(1);
        let shard = |_| {
            Padded(RwLock::new(Shard {
                keys: Swept::new(bounds.keys / count),
                absent: Swept::new(bounds.absent / count),
                flights: HashTable::new(),
                doubts: Doubts::default(),
            }))
        };
        Arc::new(Self { shards: (0..count).map(shard).collect(), clock })
    }

    /// What is known of `digest` now. Takes one uncontended lock for reading and waits for nothing.
    pub(crate) fn look_up(&self, digest: &Digest) -> Look {
        let shard = self.shard(digest).read();
        if let Some(slot) = shard.known(digest) {
            slot.key.lately.warm();
            return Look::Known(Arc::clone(&slot.key));
        }
        if shard.absent.find(digest).is_some() { Look::Absent } else { Look::Unknown }
    }

    /// Joins the read of `digest` that is under way, or opens one.
    pub(crate) fn board(self: &Arc<Self>, digest: &Digest) -> Boarding {
        let mut shard = self.shard(digest).write();
        if let Some(slot) = shard.known(digest) {
            return Boarding::Landed(Landing::Found(Arc::clone(&slot.key)));
        }
        if shard.absent.find(digest).is_some() {
            return Boarding::Landed(Landing::Absent);
        }
        let hash = digest.leading_bits();
        if let Some((_, flight)) = shard.flights.find(hash, |(own, _)| own == digest) {
            return Boarding::Joined(Arc::clone(flight));
        }
        let flight = Flight::new();
        let rehash = |entry: &(Digest, Arc<Flight>)| entry.0.leading_bits();
        shard.flights.insert_unique(hash, (*digest, Arc::clone(&flight)), rehash);
        drop(shard);
        Boarding::Opened(Ticket::new(Arc::clone(self), *digest, Arc::clone(&flight)), flight)
    }

    /// Keeps what `flight` read, unless something of it was changed since the flight was opened, or a change of it is in
    /// doubt.
    pub(crate) fn settle(&self, digest: &Digest, flight: &Arc<Flight>, read: FlightRead) -> Landing {
        let mut shard = self.shard(digest).write();
        let attached = shard.detach(digest, |own| Arc::ptr_eq(own, flight));
        match read {
            Err(SourceUnavailable) => Landing::Unavailable,
            Ok(_) if !attached => Landing::Overtaken,
            Ok(Some((key, shared_rates))) => {
                key.shared_meters().set(&shared_rates, self.clock.elapsed_millis());
                if shard.doubts.cover(digest) {
                    return Landing::Found(key);
                }
                let slot = Slot { hash: digest.leading_bits(), key: Arc::clone(&key) };
                let gone = shard.keys.insert(digest, slot);
                drop(shard);
                drop(gone);
                Landing::Found(key)
            }
            Ok(None) => {
                if !shard.doubts.cover(digest) {
                    shard.absent.insert(digest, *digest);
                }
                Landing::Absent
            }
        }
    }

    /// Forgets `digest`. Whoever asks after this has returned starts a new read.
    pub(crate) fn forget(&self, digest: &Digest) {
        self.forget_and(digest, |_| {});
    }

    /// Forgets `digest`, and keeps nothing that is read of it until [`Self::settle_doubt`].
    pub(crate) fn doubt(&self, digest: &Digest) {
        self.forget_and(digest, |doubts| doubts.add(digest));
    }

    /// Ends one doubt about `digest`, and forgets what its last reads are about to bring.
    pub(crate) fn settle_doubt(&self, digest: &Digest) {
        self.forget_and(digest, |doubts| doubts.remove(digest));
    }

    fn forget_and(&self, digest: &Digest, then: impl FnOnce(&mut Doubts)) {
        let mut shard = self.shard(digest).write();
        then(&mut shard.doubts);
        let known = shard.keys.remove(digest);
        shard.absent.remove(digest);
        shard.detach(digest, |_| true);
        drop(shard);
        drop(known);
    }

    /// Detaches all reads under way, as something that many keys share was changed.
    pub(crate) fn detach_flights(&self) {
        self.shards.iter().for_each(|shard| shard.0.write().flights.clear());
    }

    /// Forgets every digest.
    pub(crate) fn forget_all(&self) {
        for shard in &self.shards {
            let mut shard = shard.0.write();
            shard.keys.clear();
            shard.absent.clear();
            shard.flights.clear();
        }
    }

    pub(crate) fn census(&self) -> Census {
        self.shards.iter().fold(Census::default(), |sum, shard| {
            let shard = shard.0.read();
            Census {
                keys: sum.keys + shard.keys.len(),
                absent: sum.absent + shard.absent.len(),
                flights: sum.flights + shard.flights.len(),
                evictions: sum.evictions + shard.keys.evictions(),
                absent_evictions: sum.absent_evictions + shard.absent.evictions(),
            }
        })
    }

    /// Chosen by bytes of the digest that the tables use neither for their buckets nor for their tags.
    fn shard(&self, digest: &Digest) -> &RwLock<Shard> {
        let [.., last] = *digest.as_bytes();
        &self.shards[usize::from(last) & (self.shards.len() - 1)].0
    }
}

impl Shard {
    /// A key whose facts are here, and whose shared limits are known as well.
    fn known(&self, digest: &Digest) -> Option<&Slot> {
        self.keys.find(digest).filter(|slot| !slot.key.shared_meters().are_unknown())
    }

    /// Takes the flight of `digest` out if it is the one meant; tells whether it was.
    fn detach(&mut self, digest: &Digest, meant: impl Fn(&Arc<Flight>) -> bool) -> bool {
        let same = |entry: &(Digest, Arc<Flight>)| entry.0 == *digest && meant(&entry.1);
        let found = self.flights.find_entry(digest.leading_bits(), same);
        found.map(hashbrown::hash_table::OccupiedEntry::remove).is_ok()
    }
}

impl Entrant for Slot {
    fn hash(&self) -> u64 {
        self.hash
    }

    fn is_of(&self, digest: &Digest) -> bool {
        self.hash == digest.leading_bits() && self.key.digest() == digest
    }

    fn cool(&self) -> u8 {
        self.key.lately.cool()
    }
}

impl Entrant for Digest {
    fn hash(&self) -> u64 {
        self.leading_bits()
    }

    fn is_of(&self, digest: &Digest) -> bool {
        self == digest
    }

    /// Always cold: the hand takes them one after the other.
    fn cool(&self) -> u8 {
        0
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Timestamp;

    use super::*;

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn elapsed_millis(&self) -> u64 {
            0
        }
    }

    /// Digests that differ in their very middle only.
    fn near_twins() -> (Digest, Digest) {
        let mut bytes = [7; 32];
        let first = Digest::from_bytes(bytes);
        bytes[16] = 8;
        (first, Digest::from_bytes(bytes))
    }

    #[test]
    fn nothing_is_found_by_a_part_of_its_digest() {
        let (own, twin) = near_twins();
        let cache = Cache::new(Bounds::default(), Arc::new(Stopped));
        let Boarding::Opened(ticket, flight) = cache.board(&own) else { panic!("nothing is known yet") };
        let Boarding::Opened(twin_ticket, _) = cache.board(&twin) else { panic!("joined another's flight") };
        cache.forget(&twin);
        ticket.land(Ok(None));
        assert!(matches!(cache.look_up(&own), Look::Absent), "its flight was detached with another's");
        assert!(matches!(cache.look_up(&twin), Look::Unknown));
        drop((flight, twin_ticket));
    }

    #[test]
    fn a_key_is_not_found_by_a_part_of_its_digest() {
        let (own, twin) = near_twins();
        let cache = Cache::new(Bounds::default(), Arc::new(Stopped));
        let Boarding::Opened(ticket, _) = cache.board(&own) else { panic!("nothing is known yet") };
        let key =
            CachedKey::new(own, &crate::cached_key::tests::key(1), &crate::cached_key::Shared::new(), 0);
        ticket.land(Ok(Some((Arc::new(key), SharedRates::default()))));
        assert!(matches!(cache.look_up(&own), Look::Known(_)));
        assert!(matches!(cache.look_up(&twin), Look::Unknown));
    }
}
