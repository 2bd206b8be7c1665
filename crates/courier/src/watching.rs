//! From what becomes true of keys by time alone to deliveries.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::webhook::{EXPIRING_DAYS, Notice, UNUSED_DAYS, notices};
use keystile_core::{ApiKey, KeyId, TenantId, Timestamp};
use keystile_store::{KnownNotice, NewNotice, StoreError, WatchFor, WatchedKeys};

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
        let new = news(&watched, now, &mut ids);
        if !new.is_empty() {
            shared.store.add_notices(tenant_id, now, new).await?;
            shared.wake.notify_one();
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

fn known(key: &ApiKey, notice: &Notice) -> KnownNotice {
    KnownNotice { key_id: key.id, kind: notice.kind, mark: notice.mark.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_horizon_is_looked_at() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let WatchFor { ending, unused, .. } = wanted(now);
        assert_eq!((ending, unused), (now.plus(DAY * 30), now.minus(DAY * 30)));
    }
}
