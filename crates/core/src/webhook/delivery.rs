//! A message on its way to a webhook, and what follows an attempt.

use std::time::Duration;

use super::{WebhookEvent, WhyDisabled};
use crate::invalid::text_enum;
use crate::{DeliveryId, KeyId, TenantId, Timestamp, WebhookId};

/// Most that is kept of what a receiver answers, in bytes.
pub const EXCERPT_MAX_BYTES: usize = 1_024;
/// How long a message is tried before its webhook is switched off, or the message is given up.
pub const PATIENCE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Longest pause behind each attempt; the last one stays.
const PAUSES: [Duration; 9] = [
    seconds(5),
    seconds(30),
    seconds(120),
    seconds(600),
    seconds(1_800),
    seconds(3_600),
    seconds(3 * 3_600),
    seconds(6 * 3_600),
    seconds(12 * 3_600),
];
/// Attempts in a row that come to nothing before a webhook as a whole is given pauses, and not only the messages that were tried.
pub const IN_VAIN: u32 = 5;
/// Longest pause of a webhook as a whole: how late it is noticed, at the latest, that a receiver takes messages again.
pub const LONGEST_HOLD: Duration = seconds(120);
/// What answers that there is nobody any more.
const GONE: u16 = 410;

text_enum!(
    /// What became of a message.
    DeliveryState {
        /// It is to be sent, now or later, or waits for an earlier one of the same key.
        Pending = "pending",
        /// The receiver has it.
        Delivered = "delivered",
        /// It was given up.
        Failed = "failed",
    }
);

/// A message to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which one: `webhook-id` of every attempt, by which a receiver knows a repeat.
    pub id: DeliveryId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Where it goes.
    pub webhook_id: WebhookId,
    /// The key that it is about.
    pub key_id: KeyId,
    /// What it tells.
    pub event: WebhookEvent,
    /// When that happened.
    pub happened_at: Timestamp,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was tried since it was made, or was to be sent anew.
    pub attempts: u64,
    /// When it is tried next; none while it waits for an earlier one, or for its webhook to be switched on.
    pub next_attempt_at: Option<Timestamp>,
    /// The last attempt.
    pub last: Option<Attempt>,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why there was none, or why it is no success.
    pub error: Option<String>,
    /// The beginning of the answer: text of the receiver's, without control characters.
    pub excerpt: Option<String>,
}

impl Attempt {
    /// Whether the receiver has the message: only 2xx says so.
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The receiver has it.
    Delivered,
    /// It is tried again then.
    Again(Timestamp),
    /// It is tried no more: others got through meanwhile.
    GiveUp,
    /// The webhook is switched off; the message waits for it to be switched on.
    Disable(WhyDisabled),
}

/// How a webhook as a whole has taken messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// When something was delivered last.
    pub last_success: Option<Timestamp>,
    /// Since when all attempts came to nothing, if that is known.
    pub failing_since: Option<Timestamp>,
}

/// What follows the attempt with this number, from 1, of a message that was first tried at `first`. `random` spreads the repeats of
/// many.
pub fn next(
    attempt: &Attempt,
    (number, first): (u64, Timestamp),
    Record { last_success, failing_since }: Record,
    random: u64,
) -> Next {
    if attempt.is_success() {
        return Next::Delivered;
    }
    if attempt.status == Some(GONE) {
        return Next::Disable(WhyDisabled::Gone);
    }
    let is_over = |since: Timestamp| attempt.at >= since.plus(PATIENCE);
    // With much that waits, no single message may have been tried for so long.
    if failing_since.is_some_and(is_over) {
        return Next::Disable(WhyDisabled::Failing);
    }
    let is_over = is_over(first);
    match last_success {
        Some(success) if is_over && success > first => Next::GiveUp,
        _ if is_over => Next::Disable(WhyDisabled::Failing),
        _ => Next::Again(attempt.at.plus(pause(number, random))),
    }
}

/// The pause behind the attempt with this number, from 1: any length up to the longest of its step, which `random` chooses.
pub fn pause(number: u64, random: u64) -> Duration {
    let place = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX).min(PAUSES.len() - 1);
    let longest = PAUSES[place].as_millis();
    let millis = (longest * (u128::from(random) + 1)) >> 64;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// How long a webhook as a whole waits after so many attempts in a row that came to nothing, so that what waits for a receiver that
/// takes nothing is not tried message by message. Twice as long each time, less a random part of up to a half.
pub fn hold(in_vain: u32, random: u64) -> Duration {
    let Some(more) = in_vain.checked_sub(IN_VAIN) else { return Duration::ZERO };
    let longest = seconds(1 << more.min(16)).min(LONGEST_HOLD).as_millis();
    let random_part = (longest / 2 * u128::from(random)) >> 64;
    Duration::from_millis(u64::try_from(longest - random_part).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Record = Record { last_success: None, failing_since: None };
    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn attempt(status: Option<u16>, at: Timestamp) -> Attempt {
        Attempt { at, millis: 1, status, error: None, excerpt: None }
    }

    #[test]
    fn only_success_is_a_delivery_and_410_the_end() {
        for status in [200, 201, 204, 299] {
            assert_eq!(next(&attempt(Some(status), NOW), (1, NOW), NEW, 7), Next::Delivered);
        }
        for status in [None, Some(199), Some(301), Some(304), Some(400), Some(404), Some(429), Some(503)] {
            let again = Next::Again(NOW.plus(pause(1, 7)));
            assert_eq!(next(&attempt(status, NOW), (1, NOW), NEW, 7), again, "{status:?}");
        }
        let record = Record { last_success: Some(NOW), ..NEW };
        let gone = next(&attempt(Some(410), NOW), (1, NOW), record, 7);
        assert_eq!(gone, Next::Disable(WhyDisabled::Gone));
    }

    #[test]
    fn pauses_grow_to_half_a_day_and_are_spread_over_their_step() {
        for (number, longest) in [(1, 5), (2, 30), (3, 120), (6, 3_600), (9, 43_200), (100, 43_200)] {
            assert_eq!(pause(number, u64::MAX), Duration::from_secs(longest), "{number}");
            assert_eq!(pause(number, 0), Duration::ZERO);
            let half = pause(number, u64::MAX / 2).as_millis();
            assert_eq!(half, u128::from(longest) * 500);
        }
    }

    /// An hour is over after so many attempts, and three days are, whatever the pauses.
    #[test]
    fn a_receiver_that_is_away_for_long_is_asked_few_times() {
        let (mut at, mut number) = (NOW, 0);
        let end = loop {
            number += 1;
            match next(&attempt(None, at), (number, NOW), NEW, u64::MAX) {
                Next::Again(later) => at = later,
                other => break other,
            }
        };
        assert_eq!(end, Next::Disable(WhyDisabled::Failing));
        assert!((10..30).contains(&number), "{number}");
    }

    #[test]
    fn one_message_that_is_never_taken_does_not_end_a_webhook_that_takes_others() {
        let over = NOW.plus(PATIENCE);
        let of = |last_success| next(&attempt(Some(400), over), (12, NOW), Record { last_success, ..NEW }, 7);
        assert_eq!(of(Some(NOW.plus(Duration::from_secs(1)))), Next::GiveUp);
        assert_eq!(of(Some(NOW)), Next::Disable(WhyDisabled::Failing));
        assert_eq!(of(None), Next::Disable(WhyDisabled::Failing));
    }

    #[test]
    fn a_webhook_that_takes_nothing_for_three_days_is_switched_off_however_many_messages_wait() {
        let failing = |for_long: Duration| {
            let record = Record { last_success: Some(NOW), failing_since: Some(NOW) };
            let at = NOW.plus(for_long);
            next(&attempt(Some(503), at), (1, at), record, 7)
        };
        assert_eq!(failing(PATIENCE), Next::Disable(WhyDisabled::Failing));
        assert!(matches!(failing(PATIENCE - Duration::from_millis(1)), Next::Again(_)));
    }

    #[test]
    fn a_webhook_that_takes_nothing_is_asked_more_and_more_seldom() {
        for (in_vain, longest) in [(0, 0), (4, 0), (5, 1), (6, 2), (11, 64), (12, 120), (u32::MAX, 120)] {
            assert_eq!(hold(in_vain, 0), Duration::from_secs(longest), "{in_vain}");
            let least = hold(in_vain, u64::MAX);
            assert!(least >= Duration::from_millis(longest * 500), "{in_vain}: {least:?}");
            assert!(least <= Duration::from_millis(longest * 500 + 1), "{in_vain}: {least:?}");
        }
    }
}
