//! Webhooks: whom tenants want told of their keys, what they are told, and how that goes.
//!
//! What happened is read from the sealed log, whose places have no gap, from where it was told last; the deliveries that follow
//! from it commit together with how far it was told. So nothing is lost and nothing is told twice, whatever ends the process. The
//! row of the tenant in `webhook_tenants` is locked first by all that adds deliveries or changes which of them are due.
//!
//! Of the pending deliveries of a key to a webhook the first has a moment at which it is due, and no other, whether the webhook is on
//! or off. So nothing that is done to a webhook writes all that waits for it.

mod budgets;
mod deliveries;
mod due;
mod giving_up;
mod notices;
mod rows;
mod telling;

use keystile_core::webhook::MOST_WEBHOOKS;
use keystile_core::{AuditEntry, Digest, TenantId, Webhook, WebhookId};

use crate::edit::{take, tell};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

pub use budgets::{BudgetLook, ChangedBudget, ChangedBudgets, LookedBudget};
#[cfg(test)]
pub(crate) use budgets::{CHANGED, KEY};
pub use deliveries::{DeliveriesFound, DeliveryFilter, MOST_REDELIVERED, Redelivery};
#[cfg(test)]
pub(crate) use deliveries::{FAILED_ANEW, NONE_OF_KEY, looks};
#[cfg(test)]
pub(crate) use due::{BACKLOG, BRING_FORWARD, DUE, LATER, NEXT, OF_ONE, PROMOTE};
pub use due::{Backlog, DueDelivery, DueWebhook, Noted, Standing};
#[cfg(test)]
pub(crate) use giving_up::{EXPIRED, GIVE_UP, SWEEP};
#[cfg(test)]
pub(crate) use notices::{KEYS, LAST};
pub use notices::{KnownNotice, NewNotice, WatchFor, WatchedKeys};
pub use rows::KeptWebhook;
pub use telling::{NewDelivery, ROWS_AT_ONCE, Telling};

const ENTER: &str = "INSERT INTO webhook_tenants (tenant_id, told, deliveries)
    VALUES ($1, COALESCE((SELECT seq FROM audit_chains WHERE tenant_id = $1), 0), 0) ON CONFLICT DO NOTHING";
const LOCK: &str = "SELECT deliveries FROM webhook_tenants WHERE tenant_id = $1 {for_update}";
const LEAVE: &str = "DELETE FROM webhook_tenants WHERE tenant_id = $1
    AND NOT EXISTS (SELECT 1 FROM webhooks WHERE tenant_id = $1)";
const COUNT: &str = "SELECT COUNT(*) AS counted FROM webhooks WHERE tenant_id = $1";
const DELETE: &str = "DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2";
/// What was tried before has its time anew, and is due in the order in which it was made.
pub(crate) const ANEW: &str =
    "UPDATE webhook_deliveries SET attempts = 0, first_tried_at = NULL, due_at = made_at
    WHERE webhook_id = $1 AND due_at IS NOT NULL AND attempts > 0";
const SEALED_BY: &str = "SELECT sealed_by AS digest FROM webhooks
    UNION SELECT old_sealed_by AS digest FROM webhooks WHERE old_sealed_by IS NOT NULL";

impl Store {
    /// Adds a webhook, and tells the audit log. False when the tenant has [`MOST_WEBHOOKS`].
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn create_webhook(&self, webhook: KeptWebhook, entry: AuditEntry) -> Result<bool, StoreError> {
        let args = (Value::text(webhook.webhook.tenant_id), rows::values(&webhook), entry);
        self.write(args, |(tenant, values, entry), tx| Box::pin(create(tenant, values, entry, tx))).await
    }

    /// The tenant's webhooks, oldest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn webhooks(&self, tenant_id: TenantId) -> Result<Vec<Webhook>, StoreError> {
        let tenant = [Value::text(tenant_id)];
        let kept = self.read(tenant, |tenant, tx| Box::pin(read_all(tenant, tx))).await?;
        Ok(kept.into_iter().map(|kept| kept.webhook).collect())
    }

    /// One webhook of the tenant, with its secrets.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn webhook(
        &self,
        tenant_id: TenantId,
        id: WebhookId,
    ) -> Result<Option<KeptWebhook>, StoreError> {
        let which = [Value::text(tenant_id), Value::text(id)];
        self.read(which, |which, tx| Box::pin(read_one(rows::ONE, which, tx))).await
    }

    /// Changes a webhook of the tenant, as [`Self::change_tenant`] changes a tenant. What is switched off is sent nothing any more;
    /// what is switched on has all that waits for it tried anew at once.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn change_webhook<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: WebhookId,
        change: impl FnOnce(&mut KeptWebhook) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<KeptWebhook, E>>, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], Some(change));
        self.write(args, |(which, change), tx| Box::pin(change_one(which, change, tx))).await
    }

    /// Takes a webhook away, and gives up some of what was on its way; [`Self::give_up_deliveries`] does the rest. False when there
    /// is none.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn delete_webhook(
        &self,
        tenant_id: TenantId,
        id: WebhookId,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], entry);
        self.write(args, |(which, entry), tx| Box::pin(delete(which, entry, tx))).await
    }
}

async fn create(
    tenant: &Value,
    values: &[Value],
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    let of_tenant = std::slice::from_ref(tenant);
    tx.execute(ENTER, of_tenant).await?;
    // The row is gone again when somebody takes the last webhook away in this moment.
    let again = || StoreError::unavailable("the change was interrupted; it may be tried again");
    lock(tenant, tx).await?.ok_or_else(again)?;
    let counted =
        tx.query_opt(COUNT, of_tenant).await?.map(|mut row| row.opt_count("counted")).transpose()?;
    if counted.flatten().unwrap_or(0) >= MOST_WEBHOOKS {
        return Ok(false);
    }
    tell(&[(rows::INSERT, values)], entry, tx).await?;
    Ok(true)
}

/// Keeps others from adding deliveries of the tenant, and from changing which are due, until the transaction ends. Tells how
/// many it has had; nothing for a tenant without webhooks.
async fn lock(tenant: &Value, tx: &mut Tx<'_>) -> Result<Option<i64>, StoreError> {
    let row = tx.query_opt(LOCK, std::slice::from_ref(tenant)).await?;
    row.map(|mut row| row.int("deliveries")).transpose()
}

async fn read_all(tenant: &[Value], tx: &mut Tx<'_>) -> Result<Vec<KeptWebhook>, StoreError> {
    tx.query(rows::ALL, tenant).await?.into_iter().map(rows::read).collect()
}

async fn read_one(sql: &str, which: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<KeptWebhook>, StoreError> {
    tx.query_opt(sql, which).await?.map(rows::read).transpose()
}

async fn change_one<E, F>(
    which: &[Value; 2],
    change: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<KeptWebhook, E>>, StoreError>
where
    F: FnOnce(&mut KeptWebhook) -> Result<Option<AuditEntry>, E>,
{
    let [tenant, id] = which;
    lock(tenant, tx).await?;
    let Some(before) = read_one(rows::ONE_LOCKED, which, tx).await? else { return Ok(None) };
    let mut after = before.clone();
    match take(change)?(&mut after) {
        Err(refusal) => return Ok(Some(Err(refusal))),
        Ok(None) => return Ok(Some(Ok(before))),
        Ok(Some(entry)) => tell(&[(rows::UPDATE, &rows::values(&after))], &entry, tx).await?,
    }
    if before.webhook.disabled.is_some() && after.webhook.disabled.is_none() {
        tx.execute(ANEW, std::slice::from_ref(id)).await?;
    }
    Ok(Some(Ok(after)))
}

async fn delete(which: &[Value; 2], entry: &AuditEntry, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let [tenant, _] = which;
    lock(tenant, tx).await?;
    if tx.execute(DELETE, which).await? == 0 {
        return Ok(false);
    }
    giving_up::of_one_that_is_gone(which, tx).await?;
    tell(&[(LEAVE, std::slice::from_ref(tenant))], entry, tx).await?;
    Ok(true)
}

/// Fingerprints of the keys that secrets of webhooks are sealed with.
pub(crate) async fn sealing_keys(tx: &mut Tx<'_>) -> Result<Vec<Digest>, StoreError> {
    tx.query(SEALED_BY, &[]).await?.into_iter().map(|mut row| row.digest("digest")).collect()
}
