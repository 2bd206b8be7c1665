//! Sends what is due: to many webhooks at once, to each a few messages at a time, and of each key one after the other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::webhook::{Attempt, Next, Record, next, pause};
use keystile_core::{Delivery, DeliveryId, WebhookId};
use keystile_manage::{Refused, Target};
use keystile_store::{DueDelivery, DueWebhook, Noted, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::agenda::Agenda;
use crate::courier::Shared;
use crate::stats::Outcome;

/// Attempts under way at once for one webhook: enough for a receiver that answers in a tenth of a second to be sent forty messages a
/// second, and so few that one that is slow takes little of what all share.
const AT_ONCE: usize = 4;
/// The same for one that takes nothing: it is tried until it does, and not stormed.
const AT_ONCE_IN_VAIN: usize = 1;
/// Rows that are read for one webhook: those under way are among them.
const READ: u16 = 16;
/// How often an attempt is to be noted until the message is left to be sent again: for some eight minutes.
const NOTED_AT_MOST: u32 = 20;
/// The pause before the second time; each further one is twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What goes round.
pub(crate) struct Dispatch {
    tasks: JoinSet<()>,
    agenda: Agenda,
    /// Behind whom to go on when all places were taken.
    behind: Option<WebhookId>,
}

/// The place of an attempt under way. It is free again when this is dropped, however the attempt ends.
struct Place {
    shared: Arc<Shared>,
    of: (WebhookId, DeliveryId),
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.under_way.lock().remove(&self.of);
        self.shared.look_at(self.of.0);
    }
}

impl Dispatch {
    pub(crate) fn new() -> Self {
        Self { tasks: JoinSet::new(), agenda: Agenda::new(), behind: None }
    }

    /// Begins as many attempts as there are places for, with each webhook in turn. Tells when to look again at the latest.
    pub(crate) async fn round(&mut self, shared: &Arc<Shared>) -> Result<Instant, StoreError> {
        while let Some(ended) = self.tasks.try_join_next() {
            note_panic(ended.is_err());
        }
        self.agenda.refresh(shared).await?;
        for due in self.agenda.turns(shared, self.behind) {
            if !self.send(shared, due).await? {
                // The end of an attempt wakes, and those that had no turn are next.
                break;
            }
            self.behind = Some(due.webhook_id);
        }
        Ok(self.agenda.next_look(shared))
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.agenda.is_empty() && self.tasks.is_empty()
    }

    /// Waits for what is under way.
    pub(crate) async fn finish(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            note_panic(ended.is_err());
        }
    }

    /// Begins attempts for one webhook. False when all places are taken.
    async fn send(&mut self, shared: &Arc<Shared>, due: DueWebhook) -> Result<bool, StoreError> {
        let DueWebhook { tenant_id, webhook_id, .. } = due;
        let sending = shared.sending_to(webhook_id);
        let most = if shared.paces.is_failing(webhook_id) { AT_ONCE_IN_VAIN } else { AT_ONCE };
        if sending.len() >= most {
            return Ok(true);
        }
        let now = shared.clock.now();
        let read = shared.store.due_deliveries((tenant_id, webhook_id), now, READ).await?;
        let Some((kept, deliveries)) = read.filter(|(_, deliveries)| !deliveries.is_empty()) else {
            self.agenda.forget(webhook_id);
            return Ok(true);
        };
        let is_silent = kept.webhook.unreachable_since.is_some();
        let most = if is_silent { AT_ONCE_IN_VAIN } else { most };
        let target = match shared.control.webhook_target(kept) {
            Ok(target) => Arc::new(target),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, webhook = %webhook_id, "nothing can be signed");
                shared.paces.failed(webhook_id, now, 0);
                return Ok(true);
            }
        };
        let free = most.saturating_sub(sending.len());
        let is_all_read = deliveries.len() < usize::from(READ);
        let waiting: Vec<_> =
            deliveries.into_iter().filter(|due| !sending.contains(&due.delivery.id)).collect();
        let is_all_sent = is_all_read && waiting.len() <= free;
        for delivery in waiting.into_iter().take(free) {
            let Ok(permit) = Arc::clone(&shared.places).try_acquire_owned() else { return Ok(false) };
            let of = (webhook_id, delivery.delivery.id);
            shared.under_way.lock().insert(of);
            let place = Place { shared: Arc::clone(shared), of, _permit: permit };
            self.tasks.spawn(attempt(place, Arc::clone(&target), delivery));
        }
        if is_all_sent {
            // Until one of them ends, or something is added, nothing else is to be sent before that moment.
            let later = shared.store.due_later(webhook_id, now).await?;
            self.agenda.wait(due, later);
        }
        Ok(true)
    }
}

fn note_panic(is_one: bool) {
    if is_one {
        tracing::error!("the sending of a message to a webhook ended with a panic");
    }
}

impl Shared {
    fn sending_to(&self, webhook_id: WebhookId) -> HashSet<DeliveryId> {
        let under_way = self.under_way.lock();
        under_way.iter().filter(|(of, _)| *of == webhook_id).map(|(_, id)| *id).collect()
    }
}

async fn attempt(place: Place, target: Arc<Target>, due: DueDelivery) {
    let (shared, webhook) = (&place.shared, &target.webhook);
    let DueDelivery { delivery, first_tried_at, body } = due;
    let attempt = shared.sender.send(&target, &delivery.id.to_string(), &body).await;
    shared.counts.note(Outcome::of(&attempt));
    let (number, random) = (delivery.attempts + 1, shared.random());
    if attempt.is_success() {
        shared.paces.forget(webhook.id);
    } else {
        shared.paces.failed(webhook.id, attempt.at, random);
    }
    let first = first_tried_at.unwrap_or(attempt.at);
    let since = [shared.paces.failing_since(webhook.id), webhook.unreachable_since];
    let record =
        Record { last_success: webhook.last_success_at, failing_since: since.into_iter().flatten().min() };
    let (noted, disabled) = match next(&attempt, (number, first), record, random) {
        Next::Delivered => (Noted::Delivered, None),
        Next::Again(at) => (Noted::Again(at), None),
        Next::GiveUp => (Noted::GivenUp, None),
        // Should it not come to that, the message is tried again.
        Next::Disable(why) => (Noted::Again(attempt.at.plus(pause(number, random))), Some(why)),
    };
    note(shared, &delivery, &attempt, noted).await;
    let Some(why) = disabled else { return };
    match shared.control.disable_webhook(webhook, why).await {
        Ok(()) => tracing::info!(webhook = %webhook.id, %why, "a webhook is switched off"),
        Err(error) => not_disabled(webhook.id, &error),
    }
}

/// Notes an attempt, however long the store is away: the message keeps its place meanwhile, so that nobody is sent it again and
/// again because there is no room on the disk. Few are noted at once, as each takes a connection to PostgreSQL that others want,
/// and those of a tenant wait for each other.
async fn note(shared: &Shared, delivery: &Delivery, attempt: &Attempt, noted: Noted) {
    let mut pause = SHORTEST_PAUSE;
    for time in 1..=NOTED_AT_MOST {
        let Ok(turn) = shared.notes.acquire().await else { return };
        let done = shared.store.note_attempt(delivery.clone(), attempt.clone(), noted).await;
        drop(turn);
        let Err(error) = done else { return };
        if time == 1 {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, webhook = %delivery.webhook_id, "an attempt cannot be noted now");
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    // It will be sent again, as seldom as to a receiver that takes nothing.
    for _ in 0..NOTED_AT_MOST {
        shared.paces.failed(delivery.webhook_id, shared.clock.now(), 0);
    }
}

fn not_disabled(webhook_id: WebhookId, error: &Refused) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, webhook = %webhook_id, "a webhook cannot be switched off now");
}
