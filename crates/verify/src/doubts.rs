//! Digests whose change may still happen, so that nothing read of them may be kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use keystile_core::Digest;

/// Most digests that are known one by one, in each shard of the cache. When more are in doubt, all of the shard are.
const MOST: usize = 1024;

/// How many doubts there are about each digest.
#[derive(Default)]
pub(crate) struct Doubts {
    known: HashMap<Digest, usize>,
    /// Doubts that found no place.
    beyond: usize,
}

impl Doubts {
    pub(crate) fn add(&mut self, digest: &Digest) {
        let full = self.known.len() >= MOST;
        match self.known.entry(*digest) {
            Entry::Vacant(_) if full => self.beyond += 1,
            entry => *entry.or_default() += 1,
        }
    }

    /// Takes back one that was added.
    pub(crate) fn remove(&mut self, digest: &Digest) {
        match self.known.entry(*digest) {
            Entry::Occupied(entry) if *entry.get() == 1 => drop(entry.remove()),
            Entry::Occupied(mut entry) => *entry.get_mut() -= 1,
            Entry::Vacant(_) => self.beyond = self.beyond.saturating_sub(1),
        }
    }

    pub(crate) fn cover(&self, digest: &Digest) -> bool {
        self.beyond > 0 || self.known.contains_key(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    #[test]
    fn a_digest_is_in_doubt_until_every_doubt_about_it_has_ended() {
        let mut doubts = Doubts::default();
        doubts.add(&digest(1));
        doubts.add(&digest(1));
        doubts.remove(&digest(1));
        assert!(doubts.cover(&digest(1)) && !doubts.cover(&digest(2)));
        doubts.remove(&digest(1));
        assert!(!doubts.cover(&digest(1)));
    }

    #[test]
    fn more_than_are_known_one_by_one_put_all_in_doubt() {
        let mut doubts = Doubts::default();
        (0..=MOST).for_each(|number| doubts.add(&digest(number)));
        assert_eq!(doubts.known.len(), MOST);
        assert!(doubts.cover(&digest(MOST)) && doubts.cover(&digest(MOST + 1)));
        // Its own doubt found no place; now there is one for a second doubt about it.
        doubts.remove(&digest(0));
        doubts.add(&digest(MOST));
        doubts.remove(&digest(MOST));
        assert!(doubts.cover(&digest(MOST)));
        doubts.remove(&digest(MOST));
        assert!(!doubts.cover(&digest(MOST)) && doubts.cover(&digest(1)));
    }
}
