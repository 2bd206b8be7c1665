//! Which deliveries are due, and what came of trying them.

use keystile_core::webhook::Attempt;
use keystile_core::{Delivery, TenantId, Timestamp, WebhookId};

use super::rows::{self, KeptWebhook, delivery_columns, read_delivery};
use super::{lock, read_one};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// Of a webhook its earliest row, which an index leads to, with what became of the webhook.
macro_rules! earliest {
    ($which:literal) => {
        concat!(
            "SELECT tenant_id, webhook_id, due_at,
                (SELECT CASE WHEN webhooks.disabled_at IS NULL THEN 'on' ELSE 'off' END FROM webhooks
                    WHERE webhooks.tenant_id = webhook_deliveries.tenant_id
                        AND webhooks.id = webhook_deliveries.webhook_id) AS standing
            FROM webhook_deliveries WHERE webhook_id ",
            $which,
            " $1 AND due_at IS NOT NULL ORDER BY webhook_id, due_at LIMIT 1"
        )
    };
}

pub(crate) const NEXT: &str = earliest!(">");
pub(crate) const OF_ONE: &str = earliest!("=");
/// What is due is found first, and then what it says.
pub(crate) const DUE: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    ", first_tried_at,
        (SELECT body FROM webhook_messages
            WHERE webhook_messages.tenant_id = due.tenant_id AND webhook_messages.id = due.message_id) AS body
     FROM (SELECT ",
    delivery_columns!(),
    ", first_tried_at, place, message_id FROM webhook_deliveries
        WHERE webhook_id = $1 AND due_at <= $2 ORDER BY due_at, place LIMIT $3) AS due
     ORDER BY due_at, place"
);
/// When what is not due yet will be.
pub(crate) const LATER: &str =
    "SELECT due_at FROM webhook_deliveries WHERE webhook_id = $1 AND due_at > $2 ORDER BY due_at LIMIT 1";
/// It stays due only as long as it is the first of its key: meanwhile an earlier one may have been asked for anew.
const NOTE: &str = "UPDATE webhook_deliveries SET state = $4, attempts = attempts + 1,
        first_tried_at = COALESCE(first_tried_at, CAST($6 AS {int})), tried_at = $6, millis = $7, status = $8,
        error = $9, excerpt = $10,
        due_at = CASE WHEN NOT EXISTS (SELECT 1 FROM webhook_deliveries AS earlier
                WHERE earlier.webhook_id = $3 AND earlier.key_id = webhook_deliveries.key_id
                    AND earlier.state = 'pending' AND earlier.place < webhook_deliveries.place)
            THEN CAST($5 AS {int}) END
    WHERE tenant_id = $1 AND id = $2 AND webhook_id = $3 AND state = 'pending'";
macro_rules! promote {
    ($due_at:literal) => {
        concat!(
            "UPDATE webhook_deliveries SET due_at = ",
            $due_at,
            " WHERE webhook_id = $1 AND key_id = $2 AND state = 'pending' AND place =
            (SELECT MIN(place) FROM webhook_deliveries WHERE webhook_id = $1 AND key_id = $2 AND state = 'pending')"
        )
    };
}
/// The first of the same key may go.
pub(crate) const PROMOTE: &str = promote!("$3");
/// The same, as if it had never waited for another.
pub(super) const PROMOTE_AS_MADE: &str = promote!("made_at");
const ANSWERED: &str =
    "UPDATE webhooks SET last_success_at = $3, unreachable_since = NULL WHERE tenant_id = $1 AND id = $2";
const SILENT: &str = "UPDATE webhooks SET unreachable_since = COALESCE(unreachable_since, CAST($3 AS {int}))
    WHERE tenant_id = $1 AND id = $2";
/// What waits because nobody answered need not wait any longer.
pub(crate) const BRING_FORWARD: &str =
    "UPDATE webhook_deliveries SET due_at = made_at WHERE webhook_id = $1 AND due_at > $2 AND status IS NULL";
pub(crate) const BACKLOG: &str = "SELECT COUNT(*) AS waiting, MIN(made_at) AS oldest FROM webhook_deliveries
    WHERE state = 'pending' AND webhook_id IN (SELECT id FROM webhooks WHERE disabled_at IS NULL)";

/// A webhook for which something is due, now or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueWebhook {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which one.
    pub webhook_id: WebhookId,
    /// When the first of it is.
    pub due_at: Timestamp,
    /// Whether it is sent anything.
    pub standing: Standing,
}

/// Whether a webhook is sent anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    On,
    /// What happens waits for it.
    Off,
    /// It was taken away; what waits for it is to be given up.
    Gone,
}

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// When it was first tried.
    pub first_tried_at: Option<Timestamp>,
    /// The message.
    pub body: String,
}

/// What follows an attempt, for the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// The receiver has it.
    Delivered,
    /// It is tried again then.
    Again(Timestamp),
    /// It is tried no more.
    GivenUp,
}

/// What waits for webhooks that are on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many deliveries.
    pub waiting: u64,
    /// When the oldest of them was made.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// The next webhook, by id, that something waits for.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn due_webhook(&self, after: Option<WebhookId>) -> Result<Option<DueWebhook>, StoreError> {
        let after = [Value::Text(after.map(|id| id.to_string()).unwrap_or_default())];
        self.read(after, |after, tx| Box::pin(earliest(NEXT, after, tx))).await
    }

    /// A webhook, if something waits for it.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn what_waits_for(&self, webhook_id: WebhookId) -> Result<Option<DueWebhook>, StoreError> {
        let which = [Value::text(webhook_id)];
        self.read(which, |which, tx| Box::pin(earliest(OF_ONE, which, tx))).await
    }

    /// A webhook of a tenant with what is to be sent to it at `now`, the longest due first, which is nothing if it is off; nothing at
    /// all if it was taken away.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn due_deliveries(
        &self,
        (tenant_id, webhook_id): (TenantId, WebhookId),
        now: Timestamp,
        limit: u16,
    ) -> Result<Option<(KeptWebhook, Vec<DueDelivery>)>, StoreError> {
        let which = [Value::text(tenant_id), Value::text(webhook_id)];
        let wanted = [Value::text(webhook_id), now.into(), i64::from(limit).into()];
        self.read((which, wanted), |(which, wanted), tx| Box::pin(due(which, wanted, tx))).await
    }

    /// When the first of what is not due at `now` for a webhook will be.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn due_later(
        &self,
        webhook_id: WebhookId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let which = [Value::text(webhook_id), now.into()];
        self.read(which, |which, tx| Box::pin(later(which, tx))).await
    }

    /// Notes an attempt of a delivery and what follows from it. One that is not pending any more stays as it is.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn note_attempt(
        &self,
        delivery: Delivery,
        attempt: Attempt,
        noted: Noted,
    ) -> Result<(), StoreError> {
        let args = (delivery, attempt, noted);
        self.write_quietly(args, |(delivery, attempt, noted), tx| {
            Box::pin(note(delivery, attempt, *noted, tx))
        })
        .await
    }

    /// What waits for the webhooks of all tenants that are on.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn webhook_backlog(&self) -> Result<Backlog, StoreError> {
        self.read((), |(), tx| Box::pin(backlog(tx))).await
    }
}

async fn earliest(sql: &str, which: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<DueWebhook>, StoreError> {
    let Some(mut row) = tx.query_opt(sql, which).await? else { return Ok(None) };
    let (tenant_id, webhook_id) = (row.parsed("tenant_id")?, row.parsed("webhook_id")?);
    let due_at = row.time("due_at")?;
    let standing = match row.opt_text("standing")?.as_deref() {
        Some("on") => Standing::On,
        Some(_) => Standing::Off,
        None => Standing::Gone,
    };
    Ok(Some(DueWebhook { tenant_id, webhook_id, due_at, standing }))
}

async fn due(
    which: &[Value; 2],
    wanted: &[Value; 3],
    tx: &mut Tx<'_>,
) -> Result<Option<(KeptWebhook, Vec<DueDelivery>)>, StoreError> {
    let Some(kept) = read_one(rows::ONE, which, tx).await? else { return Ok(None) };
    let mut deliveries = Vec::new();
    if kept.webhook.disabled.is_some() {
        return Ok(Some((kept, deliveries)));
    }
    for mut row in tx.query(DUE, wanted).await? {
        let delivery = read_delivery(&mut row)?;
        let first_tried_at = row.opt_time("first_tried_at")?;
        deliveries.push(DueDelivery { delivery, first_tried_at, body: row.text("body")? });
    }
    Ok(Some((kept, deliveries)))
}

async fn later(which: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
    tx.query_opt(LATER, which).await?.map(|mut row| row.time("due_at")).transpose()
}

async fn note(
    delivery: &Delivery,
    attempt: &Attempt,
    noted: Noted,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let (tenant, webhook) = (Value::text(delivery.tenant_id), Value::text(delivery.webhook_id));
    lock(&tenant, tx).await?;
    let (state, due_at) = match noted {
        Noted::Delivered => ("delivered", None),
        Noted::Again(at) => ("pending", Some(at)),
        Noted::GivenUp => ("failed", None),
    };
    let row = [
        tenant.clone(),
        Value::text(delivery.id),
        webhook.clone(),
        Value::text(state),
        due_at.into(),
        attempt.at.into(),
        Value::count(Some(attempt.millis)),
        Value::count(attempt.status.map(u64::from)),
        Value::opt_text(attempt.error.as_ref()),
        Value::opt_text(attempt.excerpt.as_ref()),
    ];
    if tx.execute(NOTE, &row).await? == 0 {
        return Ok(());
    }
    let of_webhook = [tenant.clone(), webhook.clone(), attempt.at.into()];
    match noted {
        Noted::Again(_) if attempt.status.is_none() => {
            tx.execute(SILENT, &of_webhook).await?;
        }
        Noted::Again(_) => {}
        Noted::Delivered | Noted::GivenUp => {
            let next = [webhook.clone(), Value::text(delivery.key_id), attempt.at.into()];
            tx.execute(PROMOTE, &next).await?;
        }
    }
    if noted == Noted::Delivered {
        answered(&of_webhook, attempt.at, tx).await?;
    }
    Ok(())
}

async fn answered(of_webhook: &[Value; 3], now: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let [tenant, webhook, _] = of_webhook;
    let which = [tenant.clone(), webhook.clone()];
    let was_silent =
        read_one(rows::ONE, &which, tx).await?.is_some_and(|kept| kept.webhook.unreachable_since.is_some());
    tx.execute(ANSWERED, of_webhook).await?;
    if was_silent {
        tx.execute(BRING_FORWARD, &[webhook.clone(), now.into()]).await?;
    }
    Ok(())
}

async fn backlog(tx: &mut Tx<'_>) -> Result<Backlog, StoreError> {
    let Some(mut row) = tx.query_opt(BACKLOG, &[]).await? else { return Ok(Backlog::default()) };
    Ok(Backlog { waiting: row.opt_count("waiting")?.unwrap_or(0), oldest: row.opt_time("oldest")? })
}
