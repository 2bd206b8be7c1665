//! What a node and the authority of shared limits say to each other.

use std::sync::Arc;

use keystile_core::Rates;
use keystile_core::rate::Floors;
use smallvec::SmallVec;

use crate::source::{BoxFuture, SourceUnavailable};

/// The authority of limits that nodes share. For each owner it keeps, at any moment, the level of each limit, and how many requests each
/// node has reserved; it reserves more only while the level, all that is reserved and what is asked for fit together. What is reserved
/// does not leak, and counts as used when nothing was heard of its node until [`RESERVED_MILLIS`] after it was answered.
pub trait RateAuthority: Send + Sync + 'static {
    /// States what a node has used and still has reserved of some owners' limits, and asks for more: all in one round trip. A statement is
    /// heard once however often it arrives, and not at all behind a later one of the same owner. Where few are left, `nodes` nodes share them.
    ///
    /// # Errors
    /// When it is not known to have been heard. It may have been.
    fn state(
        &self,
        statements: Arc<[Statement]>,
        nodes: u64,
    ) -> BoxFuture<'_, Result<Answer, SourceUnavailable>>;
}

/// From the answer of the authority until it counts as used what is reserved and was not heard of. A node counts it from before it has asked.
pub const RESERVED_MILLIS: u64 = 1_000;

/// Whose limits are counted together, as the authority knows them.
pub type OwnerName = Arc<str>;

/// What a node says of the limits of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Whose limits.
    pub owner: OwnerName,
    /// The limits.
    pub rates: Rates,
    /// Numbers the statements of a node; later ones have greater numbers.
    pub number: u64,
    /// Since which statement of this node its totals are counted.
    pub since: u64,
    /// The last statement that was answered; 0 if none was.
    pub answered: u64,
    /// All that this node has used, without what it gave back in statements that were answered.
    pub total: i64,
    /// What of it was not used after all, and is given back now.
    pub back: u64,
    /// How much of it is in `floors`.
    pub total_known: i64,
    /// What of its reservation it keeps.
    pub kept: u64,
    /// What of it it gives back.
    pub returned: u64,
    /// What is asked for.
    pub want: Want,
    /// Whether it has used a part of the limits on its own while the authority was away, and tells it for the first time. Some of it may have
    /// leaked out since, so all of `total` is told by `floors`, and nothing by its growth.
    pub was_alone: bool,
    /// The level of each limit, in units, that the authority had when it last answered and knew all that nodes know, less what would have leaked out
    /// since, be that more than there was: if it has forgotten, it is this and what other nodes have told since. With `was_alone`, all
    /// that this node knows to be used.
    pub floors: Floors,
}

/// What a node asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Want {
    /// As many requests as it would like to reserve.
    pub most: u64,
    /// What those need who wait.
    pub need: u64,
    /// Less is of no use; 0 if nobody waits.
    pub least: u64,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Since when the authority remembers everything, by its own clock: another moment than last time means that it has forgotten.
    pub epoch: u64,
    /// For so many milliseconds it reserves nothing, as it may not know yet what is reserved.
    pub unsettled_millis: u64,
    /// For each statement; `None` if a later one had been heard.
    pub grants: Vec<Option<Grant>>,
}

/// What was answered about the limits of one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Whether what was kept is still reserved. If not, it counts as used.
    pub keeps: bool,
    /// So much more is reserved.
    pub granted: u64,
    /// For so many milliseconds nothing is reserved, as the authority has forgotten something.
    pub unsettled_millis: u64,
    /// If nothing more is free now, or too little was: for how long, if nothing is used meanwhile.
    pub wait_millis: u64,
    /// And of which limit, by its place.
    pub place: usize,
    /// What other nodes have reserved.
    pub others: u64,
    /// How much is used of each limit, in units.
    pub levels: SmallVec<[u64; 2]>,
}
