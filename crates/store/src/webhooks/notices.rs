//! What becomes true of keys by time alone, told once.

use std::sync::LazyLock;
use std::time::Duration;

use keystile_core::webhook::NoticeKind;
use keystile_core::{ApiKey, KeyId, TenantId, Timestamp, Webhook};

use super::telling::{NewDelivery, insert};
use super::{lock, read_all};
use crate::row::Row;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, record};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Sorts behind every id.
const BEHIND_ALL: &str = "~";

const NEXT: &str = "SELECT tenant_id FROM webhook_tenants WHERE tenant_id > $1 ORDER BY tenant_id LIMIT 1";
const ROTATION: &str = "SELECT rotation_days FROM tenants WHERE id = $1";
/// Of an index alone: where a look ends.
pub(crate) const LAST: &str =
    "SELECT id FROM api_keys WHERE tenant_id = $1 AND id > $2 AND deleted_at IS NULL
    ORDER BY id LIMIT 1 OFFSET 499";
/// Active keys that end soon, whose secret is old, or that nobody used for long.
pub(crate) static KEYS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM api_keys WHERE tenant_id = $1 AND id > $2 AND id <= $3 AND deleted_at IS NULL
            AND revoked_at IS NULL AND enabled = 1 AND (expires_at IS NULL OR expires_at > $4)
            AND (expires_at <= $5 OR secret_created_at <= $6 OR (used_order <= $7 AND created_at <= $7))
        ORDER BY id",
        *record::SELECTED
    )
});
const KNOWN: &str = "SELECT key_id, kind, mark FROM key_notices
    WHERE tenant_id = $1 AND key_id > $2 AND key_id <= $3";
const MARK: &str = "INSERT INTO key_notices (tenant_id, key_id, kind, mark) VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant_id, key_id, kind) DO UPDATE SET mark = excluded.mark WHERE key_notices.mark <> excluded.mark";

/// Which keys there may be something to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchFor {
    /// The present.
    pub now: Timestamp,
    /// Those that end by then.
    pub ending: Timestamp,
    /// Those that were last used before.
    pub unused: Timestamp,
}

/// Some keys of a tenant that there may be something to tell of.
#[derive(Debug, Default)]
pub struct WatchedKeys {
    /// The keys.
    pub keys: Vec<ApiKey>,
    /// What was told of them.
    pub known: Vec<KnownNotice>,
    /// Whom it is told.
    pub webhooks: Vec<Webhook>,
    /// After how many days secrets are to be rotated.
    pub rotation_days: u16,
    /// Where to look on; nothing when all were looked at.
    pub next: Option<KeyId>,
}

/// What was told of a key last, of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNotice {
    /// The key.
    pub key_id: KeyId,
    /// Of which kind.
    pub kind: NoticeKind,
    /// What it was.
    pub mark: String,
}

/// Something to be told of a key, once.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// What is told.
    pub notice: KnownNotice,
    /// To whom.
    pub deliveries: Vec<NewDelivery>,
}

impl Store {
    /// The next tenant, by id, that has webhooks.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn tenant_with_webhooks(
        &self,
        after: Option<TenantId>,
    ) -> Result<Option<TenantId>, StoreError> {
        let after = [Value::Text(after.map(|id| id.to_string()).unwrap_or_default())];
        self.read(after, |after, tx| Box::pin(next(after, tx))).await
    }

    /// Looks at the next 500 keys of a tenant, by id, and gives those that there may be something to tell of.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn watched_keys(
        &self,
        tenant_id: TenantId,
        after: Option<KeyId>,
        watch: WatchFor,
    ) -> Result<WatchedKeys, StoreError> {
        let after = Value::Text(after.map(|id| id.to_string()).unwrap_or_default());
        let args = ([Value::text(tenant_id), after], watch);
        self.read(args, |(which, watch), tx| Box::pin(look(which, *watch, tx))).await
    }

    /// Adds what is told of keys, but for what was told before.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn add_notices(
        &self,
        tenant_id: TenantId,
        now: Timestamp,
        notices: Vec<NewNotice>,
    ) -> Result<(), StoreError> {
        let args = (Value::text(tenant_id), now, notices);
        self.write_quietly(args, |(tenant, now, notices), tx| Box::pin(add(tenant, *now, notices, tx))).await
    }
}

async fn next(after: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<TenantId>, StoreError> {
    tx.query_opt(NEXT, after).await?.map(|mut row| row.parsed("tenant_id")).transpose()
}

async fn look(which: &[Value; 2], watch: WatchFor, tx: &mut Tx<'_>) -> Result<WatchedKeys, StoreError> {
    let [tenant, after] = which;
    let of_tenant = [tenant.clone()];
    let Some(mut row) = tx.query_opt(ROTATION, &of_tenant).await? else { return Ok(WatchedKeys::default()) };
    let rotation_days = row.small("rotation_days")?;
    let last: Option<KeyId> = tx.query_opt(LAST, which).await?.map(|mut row| row.parsed("id")).transpose()?;
    let end = last.map_or_else(|| Value::text(BEHIND_ALL), Value::text);
    let due = watch.now.minus(DAY * u32::from(rotation_days));
    let range = [tenant.clone(), after.clone(), end.clone()];
    let [of, from, to] = range.clone();
    let wanted = [of, from, to, watch.now.into(), watch.ending.into(), due.into(), watch.unused.into()];
    let keys = tx.query(&KEYS, &wanted).await?.into_iter().map(record::read).collect::<Result<_, _>>()?;
    let known = tx.query(KNOWN, &range).await?.into_iter().map(read_known).collect::<Result<_, _>>()?;
    let webhooks = read_all(&of_tenant, tx).await?.into_iter().map(|kept| kept.webhook).collect();
    Ok(WatchedKeys { keys, known, webhooks, rotation_days, next: last })
}

fn read_known(mut row: Row) -> Result<KnownNotice, StoreError> {
    Ok(KnownNotice { key_id: row.parsed("key_id")?, kind: row.parsed("kind")?, mark: row.text("mark")? })
}

async fn add(
    tenant: &Value,
    now: Timestamp,
    notices: &[NewNotice],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let Some(before) = lock(tenant, tx).await? else { return Ok(()) };
    let mut deliveries = Vec::new();
    for NewNotice { notice, deliveries: of_notice } in notices {
        let KnownNotice { key_id, kind, mark } = notice;
        let row = [tenant.clone(), Value::text(key_id), Value::text(kind), Value::text(mark)];
        if tx.execute(MARK, &row).await? > 0 {
            deliveries.extend(of_notice.iter().cloned());
        }
    }
    insert((tenant, before), now, &deliveries, tx).await
}
