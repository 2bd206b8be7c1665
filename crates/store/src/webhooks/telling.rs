//! From what the log tells to deliveries.

use keystile_core::{
    ApiKey, DeliveryId, KeyId, SealedEntry, Seq, TenantId, Timestamp, Webhook, WebhookEvent, WebhookId,
};

use super::{lock, read_all};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, audit, keys, record};

/// Rows that one transaction adds, for which others wait: some twenty milliseconds of SQLite's writer.
pub const ROWS_AT_ONCE: usize = 512;
/// Entries that are read at a time at the most. Of each at most one message goes to each webhook.
const MOST_ENTRIES: usize = 128;

const NEXT: &str = "SELECT webhook_tenants.tenant_id FROM webhook_tenants
    JOIN audit_chains ON audit_chains.tenant_id = webhook_tenants.tenant_id
    WHERE webhook_tenants.tenant_id > $1 AND webhook_tenants.told < audit_chains.seq
    ORDER BY webhook_tenants.tenant_id LIMIT 1";
const TOLD: &str = "SELECT told FROM webhook_tenants WHERE tenant_id = $1";
const ROTATION: &str = "SELECT rotation_days FROM tenants WHERE id = $1";
const ADVANCE: &str = "UPDATE webhook_tenants SET told = $3 WHERE tenant_id = $1 AND told = $2";
const INSERT_MESSAGE: &str =
    "INSERT INTO webhook_messages (tenant_id, id, deliveries, body) VALUES ($1, $2, $3, $4)";
/// A delivery is due at once if nothing else about the key waits.
const INSERT: &str = "INSERT INTO webhook_deliveries
        (tenant_id, id, webhook_id, place, key_id, event, happened_at, made_at, message_id, state, attempts, due_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 0,
        CASE WHEN NOT EXISTS (SELECT 1 FROM webhook_deliveries AS earlier
            WHERE earlier.webhook_id = $3 AND earlier.key_id = $5 AND earlier.state = 'pending')
        THEN CAST($8 AS {int}) END)";
const COUNTED: &str = "UPDATE webhook_tenants SET deliveries = $2 WHERE tenant_id = $1";

/// What is to be told to the webhooks of a tenant next.
#[derive(Debug)]
pub struct Telling {
    /// Up to which place the log was told.
    pub told: Seq,
    /// The entries that follow, in their order.
    pub entries: Vec<SealedEntry>,
    /// Whom it is told, those that are off, too.
    pub webhooks: Vec<Webhook>,
    /// The keys that the entries are about, as they are now.
    pub keys: Vec<ApiKey>,
    /// After how many days the tenant's secrets are to be rotated.
    pub rotation_days: u16,
}

/// A message to be sent to one webhook.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Which one.
    pub id: DeliveryId,
    /// Where it goes.
    pub webhook_id: WebhookId,
    /// The key that it is about.
    pub key_id: KeyId,
    /// What it tells.
    pub event: WebhookEvent,
    /// When that happened.
    pub happened_at: Timestamp,
    /// The message itself. It is kept once for deliveries that follow each other with the same one.
    pub body: String,
}

/// A message that deliveries carry; it has the id of the first of them.
struct Carried<'d> {
    id: DeliveryId,
    body: &'d str,
    deliveries: i64,
}

impl Store {
    /// The next tenant, by id, with webhooks that were not told all of its sealed log.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn untold_tenant(&self, after: Option<TenantId>) -> Result<Option<TenantId>, StoreError> {
        let after = [Value::Text(after.map(|id| id.to_string()).unwrap_or_default())];
        self.read(after, |after, tx| Box::pin(next(after, tx))).await
    }

    /// What is to be told to the tenant's webhooks next, a bounded part of it; nothing for a tenant without any.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn telling(&self, tenant_id: TenantId) -> Result<Option<Telling>, StoreError> {
        let tenant = [Value::text(tenant_id)];
        self.read(tenant, |tenant, tx| Box::pin(read(tenant, tx))).await
    }

    /// Adds what follows from the log up to `upto`, if it was told up to `told` until now, and says whether it was.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn add_deliveries(
        &self,
        tenant_id: TenantId,
        (told, upto): (Seq, Seq),
        now: Timestamp,
        deliveries: Vec<NewDelivery>,
    ) -> Result<bool, StoreError> {
        let args = ([Value::text(tenant_id), told.into(), upto.into()], now, deliveries);
        self.write_quietly(args, |(places, now, deliveries), tx| {
            Box::pin(advance(places, *now, deliveries, tx))
        })
        .await
    }
}

async fn next(after: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<TenantId>, StoreError> {
    tx.query_opt(NEXT, after).await?.map(|mut row| row.parsed("tenant_id")).transpose()
}

async fn read(tenant: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<Telling>, StoreError> {
    let Some(mut row) = tx.query_opt(TOLD, tenant).await? else { return Ok(None) };
    let told = row.seq("told")?;
    let webhooks: Vec<Webhook> = read_all(tenant, tx).await?.into_iter().map(|kept| kept.webhook).collect();
    let (first, last) = (told.next().into(), Value::Int(i64::MAX));
    let range = [tenant[0].clone(), first, last, entries_for(webhooks.len()).into()];
    let entries = audit::read_many(audit::RANGE, &range, tx).await?;
    let keys = read_keys(&tenant[0], &entries, tx).await?;
    let gone = || StoreError::Corrupt("a webhook has no tenant".to_owned());
    let rotation_days = tx.query_opt(ROTATION, tenant).await?.ok_or_else(gone)?.small("rotation_days")?;
    Ok(Some(Telling { told, entries, webhooks, keys, rotation_days }))
}

/// How many entries are told to so many webhooks at a time.
fn entries_for(webhooks: usize) -> i64 {
    let entries = (ROWS_AT_ONCE / webhooks.max(1)).clamp(1, MOST_ENTRIES);
    i64::try_from(entries).unwrap_or(i64::MAX)
}

/// The keys that are told of, each once.
async fn read_keys(
    tenant: &Value,
    entries: &[SealedEntry],
    tx: &mut Tx<'_>,
) -> Result<Vec<ApiKey>, StoreError> {
    let told = entries.iter().filter(|sealed| WebhookEvent::of(sealed.entry.action).is_some());
    let mut targets: Vec<&str> = told.map(|sealed| sealed.entry.target.as_str()).collect();
    targets.sort_unstable();
    targets.dedup();
    let which: Vec<_> = targets.into_iter().map(|target| [tenant.clone(), Value::text(target)]).collect();
    let statements: Vec<Statement<'_>> =
        which.iter().map(|which| (keys::ONE.as_str(), which.as_slice())).collect();
    tx.pipeline(&statements).await?.into_iter().flatten().map(record::read).collect()
}

async fn advance(
    places: &[Value; 3],
    now: Timestamp,
    deliveries: &[NewDelivery],
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    let [tenant, ..] = places;
    let Some(before) = lock(tenant, tx).await? else { return Ok(false) };
    if tx.execute(ADVANCE, places).await? == 0 {
        return Ok(false);
    }
    insert((tenant, before), now, deliveries, tx).await.map(|()| true)
}

/// Adds deliveries behind the `before` ones that the tenant has had. Its row must be locked. Those to webhooks that were taken
/// away meanwhile are left out.
pub(super) async fn insert(
    (tenant, before): (&Value, i64),
    now: Timestamp,
    deliveries: &[NewDelivery],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let kept = read_all(std::slice::from_ref(tenant), tx).await?;
    let mut place = before;
    let (mut messages, mut rows) = (Vec::new(), Vec::with_capacity(deliveries.len()));
    for delivery in deliveries {
        if !kept.iter().any(|kept| kept.webhook.id == delivery.webhook_id) {
            continue;
        }
        place += 1;
        let message_id = carry(delivery, &mut messages);
        rows.push(values(tenant, delivery, message_id, (place, now)));
    }
    let messages: Vec<_> = messages.iter().map(|message| message_values(tenant, message)).collect();
    let counted = [tenant.clone(), place.into()];
    let said = messages.iter().map(|row| (INSERT_MESSAGE, row.as_slice()));
    let all = said.chain(rows.iter().map(|row| (INSERT, row.as_slice())));
    let all = all.chain([(COUNTED, counted.as_slice())]);
    tx.pipeline(&all.collect::<Vec<Statement<'_>>>()).await.map(drop)
}

/// The message that a delivery carries: that of the delivery before, if it says the same.
fn carry<'d>(delivery: &'d NewDelivery, messages: &mut Vec<Carried<'d>>) -> DeliveryId {
    match messages.last_mut().filter(|last| last.body == delivery.body) {
        Some(last) => {
            last.deliveries += 1;
            last.id
        }
        None => {
            messages.push(Carried { id: delivery.id, body: &delivery.body, deliveries: 1 });
            delivery.id
        }
    }
}

fn message_values(tenant: &Value, message: &Carried<'_>) -> [Value; 4] {
    let Carried { id, body, deliveries } = message;
    [tenant.clone(), Value::text(id), (*deliveries).into(), Value::text(body)]
}

fn values(
    tenant: &Value,
    delivery: &NewDelivery,
    message_id: DeliveryId,
    (place, now): (i64, Timestamp),
) -> [Value; 9] {
    let NewDelivery { id, webhook_id, key_id, event, happened_at, body: _ } = delivery;
    [
        tenant.clone(),
        Value::text(id),
        Value::text(webhook_id),
        place.into(),
        Value::text(key_id),
        Value::text(event),
        (*happened_at).into(),
        now.into(),
        Value::text(message_id),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_webhooks_there_are_the_fewer_entries_are_told_at_a_time() {
        for (webhooks, entries) in [(0, 128), (1, 128), (4, 128), (20, 25), (10_000, 1)] {
            assert_eq!(entries_for(webhooks), entries, "{webhooks}");
        }
    }
}
