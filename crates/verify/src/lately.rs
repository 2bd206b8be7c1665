//! What a key remembers of its use, in eight bytes: how hot it is, when its last use was noted, and from where since.
//!
//! | bits | hold |
//! |---|---|
//! | 2 | how hot it is: how often it was asked for lately |
//! | 40 | marks of the addresses that were noted in the slice of time: a filter of five parts with eight bits each |
//! | 22 | the slice of time that the last noted use fell into, or 0 for none |
//!
//! An address has one mark in each part. A use is noted if its slice is another one, or if one of its marks is missing. So what is known
//! costs one load and one compare, nothing is locked or allocated, and no address is noted twice in a slice.
//!
//! What it can miss, and what bounds it:
//!
//! - An address all of whose marks were set by others in the same slice is not noted: the second but for one in 8⁵ = 32,768, the
//!   fifth in one of 80 cases, the tenth in one of six, the twentieth in two of three. The marks of an address are others in each slice, and in each
//!   process, so nobody can choose addresses that hide each other, and what was missed has another chance in the next slice.
//! - Each note of an address sets a mark, so of one key at most 40 are noted in a slice, whoever asks.
//! - Slices are told apart for four years. A key that is in memory, was used in no slice between, and is used in the very slice that many years
//!   later, from an address with the marks of those then, is noted with its next use.
//! - A key that is forgotten and read again notes its uses anew.

use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

const HEAT: u64 = 0b11;
/// Passes of the sweeping hand that the busiest key survives without being used. One is not enough for
/// hot keys to outlast a scan of cold ones; more would keep what was hot long ago.
const HOTTEST: u64 = 3;

/// Where the marks begin.
const MARKS: u32 = 2;
/// Parts of the filter, of eight bits each: the most for which there is room. Fewer would miss a second address more often, more parts that are
/// smaller a tenth.
const PARTS: u32 = 5;
const SLICE: u32 = MARKS + 8 * PARTS;
/// So many slices are told apart; none of them has the number 0.
const SLICES: u64 = (1 << (u64::BITS - SLICE)) - 1;
const SLICE_BITS: u64 = u64::MAX << SLICE;

/// Odd constants with about as many ones as zeros: the fractions of the golden ratio and of the square root of three.
const MIXERS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xbb67_ae85_84ca_a73b];

/// The memory of one key.
#[derive(Default)]
pub(crate) struct Lately(AtomicU64);

/// A use, as a key compares it with those that it knows: the slice of time, and the marks of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sighting {
    slice: u64,
    marks: u64,
}

/// What is new about a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// It is the first of its key in its slice of time.
    First,
    /// Others were before it in the slice, but none from its address.
    Address,
}

impl Sighting {
    /// A use in the slice of time with this number. Equal addresses have equal marks in the same slice and with the same `seed`; an
    /// unknown address has none.
    pub(crate) fn new(slice: u64, ip: Option<IpAddr>, seed: u64) -> Self {
        let marks = ip.map_or(0, |ip| marks(ip, slice.wrapping_add(seed)));
        Self { slice: (slice % SLICES + 1) << SLICE, marks }
    }

    const fn is_known_in(self, word: u64) -> bool {
        word & (SLICE_BITS | self.marks) == self.slice | self.marks
    }
}

impl Lately {
    /// Notes a use, and tells what is new about it, if anything is.
    pub(crate) fn note(&self, seen: Sighting) -> Option<News> {
        if seen.is_known_in(self.0.load(Relaxed)) { None } else { self.note_new(seen) }
    }

    /// Of many who note at the same time each address is told once, and the first of all uses once.
    #[cold]
    fn note_new(&self, seen: Sighting) -> Option<News> {
        let same_slice = |word: u64| word & SLICE_BITS == seen.slice;
        let noted = |word: u64| {
            let kept = if same_slice(word) { word } else { word & HEAT };
            (!seen.is_known_in(word)).then_some(kept | seen.slice | seen.marks)
        };
        let before = self.0.try_update(Relaxed, Relaxed, noted).ok()?;
        Some(if same_slice(before) { News::Address } else { News::First })
    }

    /// Forgets what was noted, so that the next use is noted again.
    pub(crate) fn forget(&self) {
        self.0.fetch_and(HEAT, Relaxed);
    }

    /// Remembers that the key was asked for. Writes only until it is hottest, so that the busiest keys
    /// are not written to at all and stay in the caches of all cores.
    pub(crate) fn warm(&self) {
        let word = self.0.load(Relaxed);
        if word & HEAT < HOTTEST {
            // Somebody else has warmed or noted it at the same time: the next time is early enough.
            let _overtaken = self.0.compare_exchange(word, word + 1, Relaxed, Relaxed);
        }
    }

    /// Forgets one time that it was asked for; tells how hot it was before, 0 being cold.
    pub(crate) fn cool(&self) -> u8 {
        let cooler = |word: u64| (word & HEAT > 0).then(|| word - 1);
        let before = self.0.try_update(Relaxed, Relaxed, cooler).unwrap_or(0);
        (before & HEAT) as u8
    }
}

/// One bit in each part, as good as chosen by chance.
fn marks(ip: IpAddr, salt: u64) -> u64 {
    let bits = match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let (high, low) = ((bits >> 64) as u64, bits as u64);
    let mixed = (low ^ salt).wrapping_mul(MIXERS[0]);
    let mixed = (mixed ^ mixed >> 32 ^ high).wrapping_mul(MIXERS[1]);
    // The upper bits of a product depend on all bits of its factors.
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(MIXERS[0]) >> (u64::BITS - 3 * PARTS);
    let mark = |part: u32| 1_u64 << (u64::from(MARKS + 8 * part) + (mixed >> (3 * part) & 7));
    (0..PARTS).fold(0, |marks, part| marks | mark(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 7;

    fn ip(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    fn seen(slice: u64, number: u32) -> Sighting {
        Sighting::new(slice, ip(number), SEED)
    }

    #[test]
    fn each_address_is_news_once_in_a_slice() {
        let lately = Lately::default();
        assert_eq!(lately.note(seen(9, 1)), Some(News::First));
        assert_eq!([lately.note(seen(9, 1)), lately.note(Sighting::new(9, None, SEED))], [None, None]);
        assert_eq!([lately.note(seen(9, 2)), lately.note(seen(9, 2))], [Some(News::Address), None]);
        assert_eq!(lately.note(seen(9, 1)), None);
        assert_eq!(
            [lately.note(seen(10, 2)), lately.note(seen(10, 1))],
            [Some(News::First), Some(News::Address)]
        );
        lately.forget();
        assert_eq!(lately.note(seen(10, 1)), Some(News::First));
    }

    #[test]
    fn an_unknown_address_is_a_use_as_well() {
        for slice in [0, 1, SLICES - 1, SLICES, 60_000_000] {
            let (lately, unknown) = (Lately::default(), Sighting::new(slice, None, SEED));
            assert_eq!([lately.note(unknown), lately.note(unknown)], [Some(News::First), None], "{slice}");
            assert_eq!(lately.note(seen(slice, 1)), Some(News::Address));
        }
    }

    #[test]
    fn few_of_few_addresses_are_missed_and_most_of_a_flood() {
        const SLICES_TRIED: u64 = 2_000;
        /// Of how many slices the address that came so late was missed in.
        fn missed(place: u32) -> usize {
            let is_missed = |slice: &u64| {
                let lately = Lately::default();
                (0..place).map(|number| lately.note(seen(*slice, number))).last() == Some(None)
            };
            (0..SLICES_TRIED).filter(is_missed).count()
        }
        assert_eq!(missed(1), 0);
        assert!(missed(2) <= 2, "{}", missed(2));
        assert!((5..=60).contains(&missed(5)), "{}", missed(5));
        assert!((220..=480).contains(&missed(10)), "{}", missed(10));
        let lately = Lately::default();
        let noted = (0..100_000).filter(|number| lately.note(seen(1, *number)).is_some()).count();
        assert!((10..=40).contains(&noted), "{noted}");
    }

    #[test]
    fn who_is_missed_in_one_slice_is_seen_in_another() {
        let hidden = |slice: u64, other: u32| {
            let lately = Lately::default();
            lately.note(seen(slice, 0));
            lately.note(seen(slice, other)).is_none()
        };
        let pair = (1..4_000_000).find(|other| hidden(1, *other)).unwrap();
        assert!(!hidden(2, pair) || !hidden(3, pair));
    }

    #[test]
    fn heat_and_notes_leave_each_other_alone() {
        let lately = Lately::default();
        lately.note(seen(9, 1));
        (0..9).for_each(|_| lately.warm());
        assert_eq!(lately.note(seen(9, 1)), None);
        assert_eq!(lately.note(seen(10, 1)), Some(News::First));
        assert_eq!([lately.cool(), lately.cool(), lately.cool(), lately.cool()], [3, 2, 1, 0]);
        assert_eq!(lately.note(seen(10, 1)), None);
    }

    #[test]
    fn of_many_who_note_an_address_at_once_one_is_told() {
        let lately = Lately::default();
        for slice in 1..200 {
            let told = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|number| {
                        scope.spawn({
                            let lately = &lately;
                            move || lately.note(seen(slice, number / 2))
                        })
                    })
                    .collect();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(told.iter().filter(|news| **news == News::First).count(), 1);
            assert_eq!(told.len(), 2, "{told:?}");
        }
    }
}
