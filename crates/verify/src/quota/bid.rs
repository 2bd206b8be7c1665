//! What one request asks an account for.

use std::time::Duration;

use keystile_core::quota::{Budget, Need, OpenHold, Origin, Whose};
use keystile_core::{NanoUsd, Refusal};

use super::account::{Taken, TokenShortage};

/// Longest text of a caller that stands in the ledger; the rest is cut.
const MOST_LETTERS: usize = 200;

/// What a request needs, and under which limits.
pub(super) struct Bid {
    pub(super) whose: Whose,
    pub(super) tokens: Option<u64>,
    /// Whether it has waited for tokens that nodes share, so that it takes what there is.
    pub(super) asked_tokens: bool,
    pub(super) budget: Option<Budget>,
    pub(super) need: Need,
    pub(super) deadline: Duration,
    pub(super) origin: Origin,
    pub(super) model: Box<str>,
    pub(super) request_id: Box<str>,
}

/// What came of a bid.
pub(super) enum Taking<T> {
    /// All of it is held.
    Held(T),
    /// It does not fit.
    Refused(Refusal),
    /// The lease has too little.
    Short(Shortage),
    /// Too few tokens are reserved here of those that nodes share.
    ShortOfTokens(TokenShortage),
}

/// What a lease must have for a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shortage {
    /// Less is of no use.
    pub(super) least: NanoUsd,
    /// More is not needed.
    pub(super) wanted: NanoUsd,
}

/// A hold in memory.
pub(super) struct Held {
    pub(super) hold: OpenHold,
    /// How its tokens were taken, if they are limited.
    pub(super) taken: Option<Taken>,
    /// When it is charged in full, in milliseconds of the clock that nobody sets.
    pub(super) deadline: u64,
    /// Whether it is, or may be, written as open.
    pub(super) is_written: bool,
    /// Whether another server may have taken it up, or had it before.
    pub(super) is_contested: bool,
}

/// A text that any database stores, and no longer than it need be.
pub(super) fn tidied(text: Box<str>) -> Box<str> {
    if text.len() <= MOST_LETTERS && !text.contains('\0') {
        return text;
    }
    text.chars().filter(|letter| *letter != '\0').take(MOST_LETTERS).collect::<String>().into()
}
