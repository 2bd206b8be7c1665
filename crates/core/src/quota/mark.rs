//! The part of a hold's id that tells which run of a server has opened it, so that any other finds that one without asking around.

use crate::{HoldId, Timestamp};

/// Bits of an id behind the mark: they are a number that no other hold of the run has.
const NUMBER_BITS: u32 = 48;

/// Stands in the ids of all holds of one run of a server. Two runs share it once in 2³² pairs, so it is where to look first, and proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Mark(u32);

impl Mark {
    /// Of the run that these random bits name.
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are the random ones of a ULID")]
    pub const fn of_run(bits: u128) -> Self {
        Self(bits as u32)
    }

    /// The one that an id carries.
    #[expect(clippy::cast_possible_truncation, reason = "what is above is the moment")]
    pub const fn of_hold(id: HoldId) -> Self {
        Self((id.as_u128() >> NUMBER_BITS) as u32)
    }

    /// Names a hold that was opened at this moment. The low 48 bits of `number` have to be another's of none that is open.
    pub fn hold(self, at: Timestamp, number: u64) -> HoldId {
        let number = u128::from(number) & ((1 << NUMBER_BITS) - 1);
        HoldId::from_parts(at, u128::from(self.0) << NUMBER_BITS | number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_run_and_its_moment_whatever_its_number() {
        let (at, mark) = (Timestamp::from_millis(1_700_000_000_000), Mark::of_run(0xfeed_0000_1234_5678));
        let [first, last] = [0, u64::MAX].map(|number| mark.hold(at, number));
        for id in [first, last] {
            assert_eq!((Mark::of_hold(id), id.made_at()), (mark, at));
        }
        assert_ne!(first, last);
        assert_ne!(Mark::of_run(1), mark);
    }
}
