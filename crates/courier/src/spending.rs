//! From what is spent of budgets to deliveries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::webhook::budget_notices;
use keystile_core::{KeyId, TenantId, Timestamp};
use keystile_store::{ChangedBudget, ChangedBudgets, LookedBudget, StoreError};

use crate::courier::Shared;
use crate::message::{Shown, of_budget};
use crate::telling::{Ids, addressed};
use crate::watching::parts;

/// Time between two rounds: how late a part of a budget is told that is spent, at the most.
const PAUSE: Duration = Duration::from_secs(60);
/// Pause between two looks of a round, for others that read and write.
const BREATH: Duration = Duration::from_millis(50);

/// Looks at the budgets of all tenants with webhooks of which more was spent since, again and again, the first time at the start.
pub(crate) async fn watch_budgets(shared: Arc<Shared>) {
    loop {
        if let Err(error) = look_at_all(&shared).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "what is spent of budgets cannot be told now");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look_at_all(shared: &Shared) -> Result<(), StoreError> {
    let mut after = None::<TenantId>;
    while let Some(tenant_id) = shared.store.tenant_with_changed_budgets(after).await? {
        look_at_those_of(shared, tenant_id).await?;
        after = Some(tenant_id);
    }
    Ok(())
}

async fn look_at_those_of(shared: &Shared, tenant_id: TenantId) -> Result<(), StoreError> {
    let mut after = None::<KeyId>;
    loop {
        let now = shared.clock.now();
        let changed = shared.store.changed_budgets(tenant_id, after, now).await?;
        let Some(mut ids) = Ids::new(shared, now) else { return Ok(()) };
        for part in parts(looked(&changed, now, &mut ids), |one| one.deliveries.len()) {
            let deliveries = part.iter().flat_map(|one| &one.deliveries);
            let told: BTreeSet<_> = deliveries.map(|delivery| delivery.webhook_id).collect();
            let noted = shared.store.note_looks(tenant_id, now, part).await;
            told.into_iter().for_each(|webhook_id| shared.look_at(webhook_id));
            noted?;
        }
        let Some(next) = changed.next else { return Ok(()) };
        after = Some(next);
        tokio::time::sleep(BREATH).await;
    }
}

/// All of them, with what is told of each, which may be nothing.
fn looked(changed: &ChangedBudgets, now: Timestamp, ids: &mut Ids) -> Vec<LookedBudget> {
    let shown = Shown { now, rotation_days: changed.rotation_days };
    let mut looked = Vec::with_capacity(changed.budgets.len());
    for ChangedBudget { look, key } in &changed.budgets {
        let mut deliveries = Vec::new();
        if let Some(key) = key {
            for notice in budget_notices(&key.limits, (look.looked, look.spent), now) {
                let message = of_budget(key, &notice, shown);
                deliveries.extend(addressed(key, &message, &changed.webhooks, ids));
            }
        }
        looked.push(LookedBudget { look: *look, deliveries });
    }
    looked
}
