//! From the sealed log to deliveries.

use std::collections::{BTreeSet, HashMap};

use keystile_core::{ApiKey, DeliveryId, KeyId, TenantId, Timestamp, Webhook, WebhookId};
use keystile_store::{NewDelivery, StoreError, Telling};

use crate::courier::Shared;
use crate::message::{Message, Shown, of_entry};

/// Tells all tenants' webhooks what was sealed since. A tenant whose log cannot be told does not keep the others from it; its error
/// is given at the end.
pub(crate) async fn tell_all(shared: &Shared) -> Result<bool, StoreError> {
    let (mut after, mut told, mut failed) = (None::<TenantId>, false, None);
    while let Some(tenant_id) = shared.store.untold_tenant(after).await? {
        match tell_next(shared, tenant_id).await {
            Ok(()) => told = true,
            Err(error) => failed = Some(error),
        }
        // Each in turn: who has much to tell goes on in the next round.
        after = Some(tenant_id);
    }
    failed.map_or(Ok(told), Err)
}

async fn tell_next(shared: &Shared, tenant_id: TenantId) -> Result<(), StoreError> {
    let Some(telling) = shared.store.telling(tenant_id).await? else { return Ok(()) };
    let Some(last) = telling.entries.last() else { return Ok(()) };
    let (places, now) = ((telling.told, last.seq), shared.clock.now());
    let Some(mut ids) = Ids::new(shared, now) else { return Ok(()) };
    let deliveries = deliveries(&telling, now, &mut ids);
    let told: BTreeSet<WebhookId> = deliveries.iter().map(|delivery| delivery.webhook_id).collect();
    let added = shared.store.add_deliveries(tenant_id, places, now, deliveries).await;
    // Also where nobody knows whether they were added.
    told.into_iter().for_each(|webhook_id| shared.look_at(webhook_id));
    // If somebody else has told it meanwhile, there is nothing left to do.
    added.map(drop)
}

fn deliveries(telling: &Telling, now: Timestamp, ids: &mut Ids) -> Vec<NewDelivery> {
    let keys: HashMap<KeyId, &ApiKey> = telling.keys.iter().map(|key| (key.id, key)).collect();
    let shown = Shown { now, rotation_days: telling.rotation_days };
    let said = telling.entries.iter().filter_map(|sealed| of_entry(sealed, &keys, shown));
    said.flat_map(|(key, message)| addressed(key, &message, &telling.webhooks, ids)).collect()
}

/// The message to each webhook that wants it.
pub(crate) fn addressed(
    key: &ApiKey,
    message: &Message,
    webhooks: &[Webhook],
    ids: &mut Ids,
) -> Vec<NewDelivery> {
    let wants = |webhook: &&Webhook| webhook.wants(message.event, key.environment, message.happened_at);
    let to = |webhook: &Webhook| NewDelivery {
        id: ids.next(),
        webhook_id: webhook.id,
        key_id: key.id,
        event: message.event,
        happened_at: message.happened_at,
        body: message.body.clone(),
    };
    webhooks.iter().filter(wants).map(to).collect()
}

/// Ids that follow each other, so that those of one batch are in its order.
pub(crate) struct Ids {
    at: Timestamp,
    next: u128,
}

impl Ids {
    /// None while the system gives no random bytes, which is told to the log.
    pub(crate) fn new(shared: &Shared, at: Timestamp) -> Option<Self> {
        let mut random = [0; 16];
        match shared.entropy.fill(&mut random) {
            // Half of the room is left for those that follow.
            Ok(()) => Some(Self { at, next: u128::from_be_bytes(random) & (u128::MAX >> 49) }),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "messages to webhooks cannot be named");
                None
            }
        }
    }

    pub(crate) fn next(&mut self) -> DeliveryId {
        self.next += 1;
        DeliveryId::from_parts(self.at, self.next)
    }
}
