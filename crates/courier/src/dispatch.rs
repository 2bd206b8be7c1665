//! Sends what is due: to many webhooks at once, to each a few messages at a time, and of each key one after the other.

use std::collections::HashSet;
use std::sync::Arc;

use keystile_core::webhook::{Next, next, pause};
use keystile_core::{DeliveryId, WebhookId};
use keystile_manage::{Refused, Target};
use keystile_store::{DueDelivery, DueWebhook, Noted, StoreError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use crate::courier::Shared;
use crate::stats::Outcome;

/// Attempts under way at once for one webhook: enough for a receiver that answers in a tenth of a second to be sent forty messages a
/// second, and so few that one that is slow takes little of what all share.
const AT_ONCE: usize = 4;
/// The same for one that gives no answer: it is tried until it does, and not stormed.
const AT_ONCE_IN_VAIN: usize = 1;
/// Rows that are read for one webhook: those under way are among them.
const READ: u16 = 16;

/// What goes round.
#[derive(Default)]
pub(crate) struct Dispatch {
    tasks: JoinSet<()>,
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
        self.shared.wake.notify_one();
    }
}

impl Dispatch {
    /// Begins as many attempts as there are places for, with each webhook in turn.
    pub(crate) async fn round(&mut self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        while let Some(ended) = self.tasks.try_join_next() {
            if ended.is_err() {
                tracing::error!("the sending of a message to a webhook ended with a panic");
            }
        }
        let began_behind = self.behind.take();
        let mut after = began_behind;
        let now = shared.clock.now();
        while let Some(due) = shared.store.due_webhook(after).await? {
            if due.due_at <= now && !self.send(shared, due).await? {
                self.behind = after;
                return Ok(());
            }
            after = Some(due.webhook_id);
        }
        if began_behind.is_some() {
            // Those before it have their turn at once.
            shared.wake.notify_one();
        }
        Ok(())
    }

    /// Waits for what is under way.
    pub(crate) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Begins attempts for one webhook. False when all places are taken.
    async fn send(&mut self, shared: &Arc<Shared>, due: DueWebhook) -> Result<bool, StoreError> {
        let sending = shared.sending_to(due.webhook_id);
        if sending.len() >= AT_ONCE {
            return Ok(true);
        }
        let which = (due.tenant_id, due.webhook_id);
        let read = shared.store.due_deliveries(which, shared.clock.now(), READ).await?;
        let Some((kept, deliveries)) = read else { return Ok(true) };
        let most = if kept.webhook.unreachable_since.is_some() { AT_ONCE_IN_VAIN } else { AT_ONCE };
        let target = match shared.control.webhook_target(kept) {
            Ok(target) => Arc::new(target),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, webhook = %due.webhook_id, "nothing can be signed");
                return Ok(true);
            }
        };
        let waiting = deliveries.into_iter().filter(|due| !sending.contains(&due.delivery.id));
        for delivery in waiting.take(most.saturating_sub(sending.len())) {
            let Ok(permit) = Arc::clone(&shared.places).try_acquire_owned() else { return Ok(false) };
            let of = (due.webhook_id, delivery.delivery.id);
            shared.under_way.lock().insert(of);
            let place = Place { shared: Arc::clone(shared), of, _permit: permit };
            self.tasks.spawn(attempt(place, Arc::clone(&target), delivery));
        }
        Ok(true)
    }
}

impl Shared {
    fn sending_to(&self, webhook_id: WebhookId) -> HashSet<DeliveryId> {
        let under_way = self.under_way.lock();
        under_way.iter().filter(|(of, _)| *of == webhook_id).map(|(_, id)| *id).collect()
    }
}

async fn attempt(place: Place, target: Arc<Target>, due: DueDelivery) {
    let shared = &place.shared;
    let DueDelivery { delivery, first_tried_at, body } = due;
    let attempt = shared.sender.send(&target, &delivery.id.to_string(), &body).await;
    shared.counts.note(Outcome::of(&attempt));
    let (number, random) = (delivery.attempts + 1, shared.random());
    let first = first_tried_at.unwrap_or(attempt.at);
    let webhook = &target.webhook;
    let (noted, disabled) = match next(&attempt, (number, first), webhook.last_success_at, random) {
        Next::Delivered => (Noted::Delivered, None),
        Next::Again(at) => (Noted::Again(at), None),
        Next::GiveUp => (Noted::GivenUp, None),
        // Should it not come to that, the message is tried again.
        Next::Disable(why) => (Noted::Again(attempt.at.plus(pause(number, random))), Some(why)),
    };
    let webhook_id = webhook.id;
    if let Err(error) = shared.store.note_attempt(delivery, attempt, noted).await {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, webhook = %webhook_id, "an attempt cannot be noted; the message will be sent again");
    }
    let Some(why) = disabled else { return };
    match shared.control.disable_webhook(webhook, why).await {
        Ok(()) => tracing::info!(webhook = %webhook_id, %why, "a webhook is switched off"),
        Err(error) => not_disabled(webhook_id, &error),
    }
}

fn not_disabled(webhook_id: WebhookId, error: &Refused) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, webhook = %webhook_id, "a webhook cannot be switched off now");
}
