//! From what becomes true of keys by time alone to deliveries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::webhook::{EXPIRING_DAYS, Notice, UNUSED_DAYS, notices};
use keystile_core::{ApiKey, KeyId, TenantId, Timestamp};
use keystile_store::{KnownNotice, NewNotice, ROWS_AT_ONCE, StoreError, WatchFor, WatchedKeys};

use crate::courier::Shared;
use crate::message::{Shown, of_notice};
use crate::telling::{Ids, addressed};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Time between two rounds. What is told is counted in days.
const PAUSE: Duration = Duration::from_secs(60 * 60);
/// Pause between two looks of a round, for others that read and write.
const BREATH: Duration = Duration::from_millis(50);

/// Looks through the keys of all tenants with webhooks, again and again, the first time at the start.
pub(crate) async fn watch(shared: Arc<Shared>) {
    loop {
        if let Err(error) = watch_all(&shared).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "what ends, grows old or lies idle cannot be told now");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn watch_all(shared: &Shared) -> Result<(), StoreError> {
    let mut after = None::<TenantId>;
    while let Some(tenant_id) = shared.store.tenant_with_webhooks(after).await? {
        watch_one(shared, tenant_id).await?;
        after = Some(tenant_id);
    }
    Ok(())
}

async fn watch_one(shared: &Shared, tenant_id: TenantId) -> Result<(), StoreError> {
    let mut after = None::<KeyId>;
    loop {
        let now = shared.clock.now();
        let watched = shared.store.watched_keys(tenant_id, after, wanted(now)).await?;
        let Some(mut ids) = Ids::new(shared, now) else { return Ok(()) };
        for part in parts(news(&watched, now, &mut ids), |notice| notice.deliveries.len()) {
            let deliveries = part.iter().flat_map(|notice| &notice.deliveries);
            let told: BTreeSet<_> = deliveries.map(|delivery| delivery.webhook_id).collect();
            let added = shared.store.add_notices(tenant_id, now, part).await;
            told.into_iter().for_each(|webhook_id| shared.look_at(webhook_id));
            added?;
        }
        let Some(next) = watched.next else { return Ok(()) };
        after = Some(next);
        tokio::time::sleep(BREATH).await;
    }
}

fn wanted(now: Timestamp) -> WatchFor {
    let days = |all: &[u16], choose: fn(u16, u16) -> u16| {
        DAY * u32::from(all.iter().copied().reduce(choose).unwrap_or(0))
    };
    WatchFor {
        now,
        ending: now.plus(days(&EXPIRING_DAYS, u16::max)),
        unused: now.minus(days(&UNUSED_DAYS, u16::min)),
    }
}

/// What was not told yet, and of which somebody is told.
fn news(watched: &WatchedKeys, now: Timestamp, ids: &mut Ids) -> Vec<NewNotice> {
    let shown = Shown { now, rotation_days: watched.rotation_days };
    let all = watched.keys.iter().flat_map(|key| {
        notices(key, now, watched.rotation_days).into_iter().map(move |notice| (key, notice))
    });
    let mut new = Vec::new();
    for (key, notice) in all {
        let known = known(key, &notice);
        if watched.known.contains(&known) {
            continue;
        }
        let deliveries = addressed(key, &of_notice(key, &notice, shown), &watched.webhooks, ids);
        if !deliveries.is_empty() {
            new.push(NewNotice { notice: known, deliveries });
        }
    }
    new
}

/// The same in parts that are added at a time, so that others have their turn, by the deliveries of each.
pub(crate) fn parts<N>(new: Vec<N>, deliveries: fn(&N) -> usize) -> Vec<Vec<N>> {
    let (mut parts, mut rows) = (Vec::<Vec<N>>::new(), 0);
    for notice in new {
        let more = deliveries(&notice);
        match parts.last_mut().filter(|_| rows + more <= ROWS_AT_ONCE) {
            Some(part) => {
                rows += more;
                part.push(notice);
            }
            None => {
                rows = more;
                parts.push(vec![notice]);
            }
        }
    }
    parts
}

fn known(key: &ApiKey, notice: &Notice) -> KnownNotice {
    KnownNotice { key_id: key.id, kind: notice.kind, mark: notice.mark.clone() }
}

#[cfg(test)]
mod tests {
    use keystile_core::webhook::NoticeKind;
    use keystile_core::{DeliveryId, WebhookEvent, WebhookId};
    use keystile_store::NewDelivery;

    use super::*;

    #[test]
    fn the_widest_horizon_is_looked_at() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let WatchFor { ending, unused, .. } = wanted(now);
        assert_eq!((ending, unused), (now.plus(DAY * 30), now.minus(DAY * 30)));
    }

    #[test]
    fn much_that_is_told_at_once_is_added_part_by_part() {
        let notice = |deliveries: usize| {
            let (key_id, webhook_id) = (KeyId::from_u128(1), WebhookId::from_u128(2));
            let delivery = NewDelivery {
                id: DeliveryId::from_u128(3),
                webhook_id,
                key_id,
                event: WebhookEvent::KeyUnused,
                happened_at: Timestamp::from_millis(0),
                body: String::new(),
            };
            let notice = KnownNotice { key_id, kind: NoticeKind::Unused, mark: String::new() };
            NewNotice { notice, deliveries: vec![delivery; deliveries] }
        };
        let sizes = |all: Vec<NewNotice>| {
            parts(all, |notice| notice.deliveries.len()).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert!(sizes(Vec::new()).is_empty());
        let few = ROWS_AT_ONCE / 20;
        assert_eq!(sizes((0..=few).map(|_| notice(20)).collect()), [few, 1]);
        assert_eq!(sizes(vec![notice(ROWS_AT_ONCE), notice(1), notice(ROWS_AT_ONCE)]), [1, 1, 1]);
    }
}
