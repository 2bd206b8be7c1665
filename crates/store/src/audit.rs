//! The audit log: telling it something, and reading what was sealed.

use std::ops::RangeInclusive;

use keystile_core::{
    Action, Actor, AuditEntry, AuditId, RecordedEntry, SealedEntry, Seq, TenantId, Timestamp,
};

use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

pub(crate) const INSERT: &str = "INSERT INTO audit_entries
    (tenant_id, id, at, actor, action, target, ip, request_id, changes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const PAGE: &str =
    "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes, seq, previous, hash
    FROM audit_entries WHERE tenant_id = $1 AND seq < $2
        AND (actor = $4 OR $4 IS NULL)
        AND (action = $5 OR $5 IS NULL)
        AND (target = $6 OR $6 IS NULL)
        AND (at >= $7 OR $7 IS NULL)
        AND (at < $8 OR $8 IS NULL)
    ORDER BY seq DESC LIMIT $3";
const ONE: &str =
    "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes, seq, previous, hash
    FROM audit_entries WHERE tenant_id = $1 AND id = $2 AND seq IS NOT NULL";
const RANGE: &str =
    "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes, seq, previous, hash
    FROM audit_entries WHERE tenant_id = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq LIMIT $4";

/// Which entries a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Made by.
    pub actor: Option<Actor>,
    /// Tells of this.
    pub action: Option<Action>,
    /// Done to what has this id.
    pub target: Option<String>,
    /// Made then or later.
    pub from: Option<Timestamp>,
    /// Made before.
    pub to: Option<Timestamp>,
}

impl Store {
    /// A page of the tenant's log, the last sealed first. What is not sealed yet is not in it.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn audit(
        &self,
        tenant_id: TenantId,
        filter: &AuditFilter,
        page: Page<Seq>,
    ) -> Result<Vec<SealedEntry>, StoreError> {
        let below = page.after.map_or(Value::Int(i64::MAX), Value::from);
        let args = [
            Value::text(tenant_id),
            below,
            page.limit(),
            Value::opt_text(filter.actor),
            Value::opt_text(filter.action),
            Value::opt_text(filter.target.as_ref()),
            filter.from.into(),
            filter.to.into(),
        ];
        self.read(args, |args, tx| Box::pin(read_many(PAGE, args, tx))).await
    }

    /// One entry of the tenant's log, once it is sealed.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn audit_entry(
        &self,
        tenant_id: TenantId,
        id: AuditId,
    ) -> Result<Option<SealedEntry>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(id)];
        self.read(args, |args, tx| Box::pin(read_one(args, tx))).await
    }

    /// The first `limit` entries that stand at these places, in their order.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn audit_at(
        &self,
        tenant_id: TenantId,
        places: RangeInclusive<Seq>,
        limit: u32,
    ) -> Result<Vec<SealedEntry>, StoreError> {
        let (first, last) = places.into_inner();
        let args = [Value::text(tenant_id), first.into(), last.into(), i64::from(limit).into()];
        self.read(args, |args, tx| Box::pin(read_many(RANGE, args, tx))).await
    }
}

async fn read_many(sql: &str, args: &[Value], tx: &mut Tx<'_>) -> Result<Vec<SealedEntry>, StoreError> {
    tx.query(sql, args).await?.into_iter().map(read_sealed).collect()
}

async fn read_one(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<SealedEntry>, StoreError> {
    tx.query_opt(ONE, args).await?.map(read_sealed).transpose()
}

pub(crate) fn values(entry: &AuditEntry) -> [Value; 9] {
    [
        Value::text(entry.tenant_id),
        Value::text(entry.id),
        entry.at.into(),
        Value::text(entry.actor),
        Value::text(entry.action),
        Value::text(&entry.target),
        Value::opt_text(entry.ip),
        Value::opt_text(entry.request_id.as_ref()),
        Value::json(&entry.changes),
    ]
}

/// Reads the nine columns that an entry was recorded with.
pub(crate) fn read(row: &mut Row) -> Read<RecordedEntry> {
    Ok(RecordedEntry {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        at: row.time("at")?,
        actor: row.parsed("actor")?,
        action: row.parsed("action")?,
        target: row.text("target")?,
        ip: row.opt_parsed("ip")?,
        request_id: row.opt_text("request_id")?,
        changes: row.json_text("changes")?,
    })
}

fn read_sealed(mut row: Row) -> Read<SealedEntry> {
    Ok(SealedEntry {
        entry: read(&mut row)?,
        seq: row.seq("seq")?,
        previous: row.digest("previous")?,
        hash: row.digest("hash")?,
    })
}
