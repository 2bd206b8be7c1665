//! Deliveries that nobody waits for any more, and those that were kept for long enough. All of it a part at a time.

use std::collections::BTreeMap;

use keystile_core::{TenantId, Timestamp, WebhookId};

use super::due::PROMOTE_AS_MADE;
use super::{lock, read_one, rows};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

/// Of a webhook that is gone. A thousand rows take some ten milliseconds, for which others wait.
pub(crate) const GIVE_UP: &str = "UPDATE webhook_deliveries SET state = 'failed', due_at = NULL
    WHERE state = 'pending' AND (tenant_id, id) IN
        (SELECT tenant_id, id FROM webhook_deliveries WHERE webhook_id = $2 AND state = 'pending' LIMIT 1000)
        AND NOT EXISTS (SELECT 1 FROM webhooks WHERE webhooks.tenant_id = $1 AND webhooks.id = $2)";
/// The keys whose first delivery was due so long ago. Those of a webhook that is off are due since they were made, or were tried last
/// before it was switched off.
pub(crate) const EXPIRED: &str = "SELECT key_id FROM webhook_deliveries WHERE webhook_id = $1 AND due_at < $2
    ORDER BY due_at LIMIT 100";
const EXPIRE: &str = "UPDATE webhook_deliveries SET state = 'failed', due_at = NULL
    WHERE webhook_id = $1 AND key_id = $2 AND state = 'pending' AND made_at < $3";
pub(crate) const SWEEP: &str = "DELETE FROM webhook_deliveries WHERE (tenant_id, id) IN
    (SELECT tenant_id, id FROM webhook_deliveries WHERE made_at < $1 AND state <> 'pending'
        ORDER BY made_at LIMIT 1000) RETURNING tenant_id, message_id";
const CARRIED_BY_FEWER: &str =
    "UPDATE webhook_messages SET deliveries = deliveries - $3 WHERE tenant_id = $1 AND id = $2";
const CARRIED_BY_NONE: &str =
    "DELETE FROM webhook_messages WHERE tenant_id = $1 AND id = $2 AND deliveries <= 0";

impl Store {
    /// Gives up to 1,000 deliveries up that wait for a webhook that was taken away, and tells how many; none of one that is there.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn give_up_deliveries(
        &self,
        tenant_id: TenantId,
        webhook_id: WebhookId,
    ) -> Result<u64, StoreError> {
        let which = [Value::text(tenant_id), Value::text(webhook_id)];
        self.write_quietly(which, |which, tx| Box::pin(of_one_that_is_gone(which, tx))).await
    }

    /// Gives deliveries up that wait for a webhook that is off and were made before, those of up to 100 keys, and tells of how many
    /// keys; none of one that is on.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn expire_deliveries(
        &self,
        tenant_id: TenantId,
        webhook_id: WebhookId,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let which = [Value::text(tenant_id), Value::text(webhook_id)];
        self.write_quietly((which, before), |(which, before), tx| Box::pin(expire(which, *before, tx))).await
    }

    /// Removes up to 1,000 deliveries that were made before, but for those that wait, and what none carries any more; tells how many
    /// deliveries.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_deliveries(&self, before: Timestamp) -> Result<u64, StoreError> {
        let before = [before.into()];
        self.write_quietly(before, |before, tx| Box::pin(sweep(before, tx))).await
    }
}

/// Nothing is added for a webhook that is gone, so nobody has to be kept from it.
pub(super) async fn of_one_that_is_gone(which: &[Value; 2], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute(GIVE_UP, which).await
}

async fn expire(which: &[Value; 2], before: Timestamp, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let [tenant, webhook] = which;
    lock(tenant, tx).await?;
    let is_off = read_one(rows::ONE, which, tx).await?.is_some_and(|kept| kept.webhook.disabled.is_some());
    if !is_off {
        return Ok(0);
    }
    let mut keys = Vec::new();
    for mut row in tx.query(EXPIRED, &[webhook.clone(), before.into()]).await? {
        keys.push(Value::Text(row.text("key_id")?));
    }
    for key in &keys {
        tx.execute(EXPIRE, &[webhook.clone(), key.clone(), before.into()]).await?;
        tx.execute(PROMOTE_AS_MADE, &[webhook.clone(), key.clone()]).await?;
    }
    Ok(keys.len() as u64)
}

async fn sweep(before: &[Value; 1], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let (mut swept, mut carried) = (0, BTreeMap::<(String, String), i64>::new());
    for mut row in tx.query(SWEEP, before).await? {
        *carried.entry((row.text("tenant_id")?, row.text("message_id")?)).or_default() += 1;
        swept += 1;
    }
    let row = |((tenant, id), count)| [Value::Text(tenant), Value::Text(id), Value::Int(count)];
    let rows: Vec<[Value; 3]> = carried.into_iter().map(row).collect();
    let fewer = rows.iter().map(|row| (CARRIED_BY_FEWER, row.as_slice()));
    let none = rows.iter().map(|row| (CARRIED_BY_NONE, &row[..2]));
    tx.pipeline(&fewer.chain(none).collect::<Vec<Statement<'_>>>()).await?;
    Ok(swept)
}
