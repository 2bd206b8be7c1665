//! How many tokens of a limit per minute are used: GCRA in integers, where a request takes what it may need and gives back what it did not.
//!
//! The bucket is that of [`crate::rate`]: it leaks `limit` parts a millisecond, each token puts in as many parts as the window has
//! milliseconds, and it holds `limit` tokens. What is given back later is only what has not leaked out meanwhile. So the level is, at every
//! moment, that of a bucket in which each settled request had put no less than what it used, from the beginning: in any span of time no
//! more tokens are used than the limit and what it gives for that span, but for what a request used beyond what it took.

use crate::limit::MAX_COUNT;
use crate::rate::UsedLimit;

/// The name under which tokens per minute appear in answers.
pub const TPM: &str = "tpm";
/// The window of tokens per minute, in seconds.
pub const TOKEN_WINDOW_SECONDS: u64 = 60;
/// Parts that one token puts in.
const PARTS: u64 = TOKEN_WINDOW_SECONDS * 1_000;

/// How many tokens are used. Begins with none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenMeter {
    limit: u64,
    level: u64,
    as_of: u64,
    /// All parts that could have leaked out since the beginning.
    leaked: u64,
}

/// When tokens were taken; what has leaked since then is not given back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakenAt(u64);

impl TokenMeter {
    /// Brings it up to `now`, from when on the limit is `limit` tokens per minute. What is used stays when the limit changes.
    ///
    /// `now` is in milliseconds of a clock that does not go back; if it does, time stands still meanwhile.
    pub fn advance(&mut self, limit: u64, now: u64) {
        let parts = now.saturating_sub(self.as_of).saturating_mul(self.limit);
        self.as_of = self.as_of.max(now);
        self.level = self.level.saturating_sub(parts);
        self.leaked = self.leaked.saturating_add(parts);
        self.limit = limit.clamp(1, MAX_COUNT);
    }

    /// Tokens per minute, as of the last [`Self::advance`].
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Tokens that could be taken now.
    pub const fn remaining(&self) -> u64 {
        (self.limit * PARTS).saturating_sub(self.level) / PARTS
    }

    /// Tokens that are used, rounded up, and no more than the limit.
    pub const fn used(&self) -> u64 {
        self.limit - self.remaining()
    }

    /// Never nothing, as a limit is at least one.
    const fn parts_a_millisecond(&self) -> u64 {
        if self.limit == 0 { 1 } else { self.limit }
    }

    /// Milliseconds until nothing is used any more, if nobody takes any.
    pub const fn reset_millis(&self) -> u64 {
        self.level.div_ceil(self.parts_a_millisecond())
    }

    /// Milliseconds until so many can be taken; `None` if they are more than the limit.
    pub fn wait(&self, tokens: u64) -> Option<u64> {
        if tokens > self.limit {
            return None;
        }
        let beyond = self.level.saturating_add(tokens * PARTS).saturating_sub(self.limit * PARTS);
        Some(beyond.div_ceil(self.parts_a_millisecond()))
    }

    /// Takes tokens, whether or not there is room for them.
    pub fn take(&mut self, tokens: u64) -> TakenAt {
        self.level = self.level.saturating_add(parts_of(tokens));
        TakenAt(self.leaked)
    }

    /// Of `taken` tokens so many were used: the others are given back, as far as they have not leaked out; what was used beyond is added.
    /// Call [`Self::advance`] first.
    pub fn settle(&mut self, taken: u64, at: TakenAt, used: u64) {
        if let Some(beyond) = used.checked_sub(taken) {
            self.level = self.level.saturating_add(parts_of(beyond));
            return;
        }
        let leaked = self.leaked.saturating_sub(at.0);
        let unused = parts_of(taken) - parts_of(used);
        let left = parts_of(taken).saturating_sub(leaked);
        self.level = self.level.saturating_sub(unused.min(left));
    }

    /// Whether nothing is used, as of the last [`Self::advance`].
    pub const fn is_clear(&self) -> bool {
        self.level == 0
    }

    /// Whether nothing is used at `now`, so that forgetting it changes no answer.
    pub fn is_unused(&self, now: u64) -> bool {
        self.level <= now.saturating_sub(self.as_of).saturating_mul(self.limit)
    }

    /// What is used, as of the last [`Self::advance`], to be kept over a restart; `None` if that is nothing.
    pub fn to_record(&self) -> Option<UsedLimit> {
        (self.level > 0).then(|| UsedLimit {
            name: TPM.into(),
            limit: self.limit,
            window_seconds: TOKEN_WINDOW_SECONDS,
            burst: self.limit,
            level: self.level,
        })
    }

    /// What was recorded `elapsed` milliseconds ago, as of `now`. A level that no limit could have reached is cut.
    pub fn from_record(record: &UsedLimit, elapsed: u64, now: u64) -> Self {
        let limit = record.limit.clamp(1, MAX_COUNT);
        let level = record.level.min(2 * MAX_COUNT * PARTS).saturating_sub(elapsed.saturating_mul(limit));
        Self { limit, level, as_of: now, leaked: 0 }
    }
}

/// Parts of so many tokens, which are held to what a limit can name.
fn parts_of(tokens: u64) -> u64 {
    tokens.min(MAX_COUNT) * PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_is_given_back_at_once() {
        let mut meter = TokenMeter::default();
        meter.advance(100, 0);
        let at = meter.take(100);
        assert_eq!((meter.remaining(), meter.wait(1)), (0, Some(600)));
        meter.settle(100, at, 30);
        assert_eq!((meter.remaining(), meter.used()), (70, 30));
    }

    #[test]
    fn what_has_leaked_out_is_not_given_back_a_second_time() {
        let mut meter = TokenMeter::default();
        meter.advance(100, 0);
        let first = meter.take(100);
        meter.advance(100, 30_000);
        assert_eq!(meter.remaining(), 50);
        meter.take(50);
        meter.settle(100, first, 1);
        assert_eq!(meter.remaining(), 50, "fifty of a hundred had not leaked out, and fifty were taken at this moment");
    }

    #[test]
    fn what_was_used_beyond_is_added_even_where_there_is_no_room() {
        let mut meter = TokenMeter::default();
        meter.advance(100, 0);
        let at = meter.take(60);
        meter.settle(60, at, 160);
        assert_eq!((meter.remaining(), meter.used(), meter.wait(1)), (0, 100, Some(36_600)));
        assert_eq!((meter.wait(100), meter.wait(101)), (Some(96_000), None));
    }

    #[test]
    fn a_change_of_the_limit_keeps_what_is_used() {
        let mut meter = TokenMeter::default();
        meter.advance(100, 0);
        meter.take(80);
        meter.advance(200, 0);
        assert_eq!(meter.remaining(), 120);
        meter.advance(50, 0);
        assert_eq!((meter.remaining(), meter.wait(1)), (0, Some(37_200)));
    }

    #[test]
    fn what_is_kept_leaks_on() {
        let mut meter = TokenMeter::default();
        meter.advance(600, 0);
        meter.take(600);
        let mut kept = TokenMeter::from_record(&meter.to_record().unwrap(), 30_000, 7);
        kept.advance(600, 7);
        assert_eq!(kept.remaining(), 300);
        assert!(kept.is_unused(30_007) && !kept.is_unused(30_006));
        assert_eq!(TokenMeter::default().to_record(), None);
    }
}
