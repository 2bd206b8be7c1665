//! How webhooks as a whole take messages, as far as this process has seen.

use std::collections::HashMap;

use keystile_core::webhook::{IN_VAIN, hold};
use keystile_core::{Timestamp, WebhookId};
use parking_lot::Mutex;

/// What the last attempts came to. Of a webhook that took the last message nothing is remembered, so this has at most as many entries
/// as there are webhooks that something waits for.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<HashMap<WebhookId, InVain>>);

/// Attempts in a row that came to nothing.
#[derive(Debug, Clone, Copy)]
struct InVain {
    times: u32,
    since: Timestamp,
    until: Timestamp,
}

impl Paces {
    /// A webhook took a message, or somebody has mended it.
    pub(crate) fn forget(&self, webhook_id: WebhookId) {
        self.0.lock().remove(&webhook_id);
    }

    /// An attempt came to nothing.
    pub(crate) fn failed(&self, webhook_id: WebhookId, at: Timestamp, random: u64) {
        let mut all = self.0.lock();
        let known = all.entry(webhook_id).or_insert(InVain { times: 0, since: at, until: at });
        known.times = known.times.saturating_add(1);
        known.until = known.until.max(at.plus(hold(known.times, random)));
    }

    /// Tells when something that is due then may be sent to a webhook. Attempts end behind it, so it is not for keeping.
    pub(crate) fn begins(&self) -> impl Fn(WebhookId, Timestamp) -> Timestamp {
        let all = self.0.lock();
        move |webhook_id, due_at| all.get(&webhook_id).map_or(due_at, |known| known.until.max(due_at))
    }

    /// Since when all attempts came to nothing.
    pub(crate) fn failing_since(&self, webhook_id: WebhookId) -> Option<Timestamp> {
        self.0.lock().get(&webhook_id).map(|known| known.since)
    }

    /// Whether so many did that one message is tried at a time.
    pub(crate) fn is_failing(&self, webhook_id: WebhookId) -> bool {
        self.0.lock().get(&webhook_id).is_some_and(|known| known.times >= IN_VAIN)
    }

    /// Forgets all others.
    pub(crate) fn keep(&self, stays: impl Fn(WebhookId) -> bool) {
        self.0.lock().retain(|webhook_id, _| stays(*webhook_id));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn a_webhook_that_takes_nothing_is_held_until_it_takes_something() {
        let (paces, id) = (Paces::default(), WebhookId::from_u128(1));
        let begins = |due_at| paces.begins()(id, due_at);
        for number in 1..IN_VAIN {
            paces.failed(id, NOW, 0);
            assert_eq!((begins(NOW), paces.is_failing(id)), (NOW, false), "{number}");
        }
        let later = NOW.plus(Duration::from_secs(9));
        paces.failed(id, later, 0);
        assert!(paces.is_failing(id) && !paces.is_failing(WebhookId::from_u128(2)));
        let until = later.plus(Duration::from_secs(1));
        let behind = until.plus(Duration::from_secs(1));
        assert_eq!((begins(NOW), begins(behind)), (until, behind));
        assert_eq!(paces.failing_since(id), Some(NOW));
        // What ends late, of those that were under way at once, makes nothing shorter.
        paces.failed(id, NOW, 0);
        assert_eq!(begins(NOW), until);
        paces.keep(|stays| stays == id);
        assert!(paces.is_failing(id));
        paces.forget(id);
        assert_eq!((begins(NOW), paces.failing_since(id)), (NOW, None));
        paces.failed(id, NOW, 0);
        paces.keep(|stays| stays != id);
        assert_eq!(paces.failing_since(id), None);
    }
}
