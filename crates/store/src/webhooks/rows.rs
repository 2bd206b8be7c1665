//! The columns of webhooks and of deliveries.

use keystile_core::webhook::Attempt;
use keystile_core::{Delivery, Webhook};
use serde_json::json;

use crate::Sealed;
use crate::row::{Read, Row};
use crate::value::Value;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT tenant_id, id, url, description, events, environments, disabled_at, disabled_why, created_at,
                old_secret_until, last_success_at, unreachable_since, version, sealed_by, sealed, old_sealed_by, old_sealed
            FROM webhooks WHERE tenant_id = $1",
            $rest
        )
    };
}

pub(super) const ALL: &str = select!(" ORDER BY id");
pub(super) const ONE: &str = select!(" AND id = $2");
pub(super) const ONE_LOCKED: &str = select!(" AND id = $2 {for_update}");
pub(super) const INSERT: &str = "INSERT INTO webhooks (tenant_id, id, url, description, events, environments,
        disabled_at, disabled_why, created_at, old_secret_until, version, sealed_by, sealed, old_sealed_by, old_sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
/// How deliveries go is written by themselves.
pub(super) const UPDATE: &str = "UPDATE webhooks SET url = $3, description = $4, events = $5, environments = $6,
        disabled_at = $7, disabled_why = $8, created_at = $9, old_secret_until = $10, version = $11, sealed_by = $12,
        sealed = $13, old_sealed_by = $14, old_sealed = $15
    WHERE tenant_id = $1 AND id = $2";

/// A webhook with the secrets that sign what is sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// Its secret.
    pub secret: Sealed,
    /// The one that it had before.
    pub old_secret: Option<Sealed>,
}

/// Every column that making and changing one write.
pub(super) fn values(kept: &KeptWebhook) -> Vec<Value> {
    let KeptWebhook { webhook, secret, old_secret } = kept;
    let (disabled_at, disabled_why) = webhook.disabled.unzip();
    let (old_by, old_bytes) = old_secret.clone().map(|old| (old.by, Value::blob(old.bytes))).unzip();
    vec![
        Value::text(webhook.tenant_id),
        Value::text(webhook.id),
        Value::text(&webhook.url),
        Value::opt_text(webhook.description.as_ref()),
        Value::json(&json!(webhook.events)),
        Value::json(&json!(webhook.environments)),
        disabled_at.into(),
        Value::opt_text(disabled_why),
        webhook.created_at.into(),
        webhook.old_secret_until.into(),
        webhook.version.into(),
        secret.by.into(),
        Value::blob(secret.bytes.clone()),
        old_by.into(),
        old_bytes.unwrap_or(Value::Null),
    ]
}

pub(super) fn read(mut row: Row) -> Read<KeptWebhook> {
    let row = &mut row;
    let webhook = Webhook {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        url: row.parsed("url")?,
        description: row.opt_text("description")?,
        events: row.json("events")?,
        environments: row.json("environments")?,
        disabled: row.opt_time("disabled_at")?.zip(row.opt_parsed("disabled_why")?),
        created_at: row.time("created_at")?,
        old_secret_until: row.opt_time("old_secret_until")?,
        last_success_at: row.opt_time("last_success_at")?,
        unreachable_since: row.opt_time("unreachable_since")?,
        version: row.int("version")?,
    };
    let secret = Sealed { by: row.digest("sealed_by")?, bytes: row.blob("sealed")? };
    let old_by = row.opt_digest("old_sealed_by")?;
    let old_bytes = row.opt_blob("old_sealed")?;
    let old_secret = old_by.zip(old_bytes).map(|(by, bytes)| Sealed { by, bytes });
    Ok(KeptWebhook { webhook, secret, old_secret })
}

/// What a `SELECT` names for [`read_delivery`], perhaps with another text for when it is due.
macro_rules! delivery_columns {
    () => {
        delivery_columns!("due_at")
    };
    ($due_at:literal) => {
        concat!(
            "tenant_id, id, webhook_id, key_id, event, happened_at, state, attempts, ",
            $due_at,
            ", tried_at, millis, status, error, excerpt"
        )
    };
}
pub(super) use delivery_columns;

pub(super) fn read_delivery(row: &mut Row) -> Read<Delivery> {
    Ok(Delivery {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        webhook_id: row.parsed("webhook_id")?,
        key_id: row.parsed("key_id")?,
        event: row.parsed("event")?,
        happened_at: row.time("happened_at")?,
        state: row.parsed("state")?,
        attempts: row.opt_count("attempts")?.unwrap_or(0),
        next_attempt_at: row.opt_time("due_at")?,
        last: read_attempt(row)?,
    })
}

fn read_attempt(row: &mut Row) -> Read<Option<Attempt>> {
    let at = row.opt_time("tried_at")?;
    let millis = row.opt_count("millis")?.unwrap_or(0);
    let status = row.opt_count("status")?.and_then(|status| u16::try_from(status).ok());
    let (error, excerpt) = (row.opt_text("error")?, row.opt_text("excerpt")?);
    Ok(at.map(|at| Attempt { at, millis, status, error, excerpt }))
}
