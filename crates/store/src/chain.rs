//! Sealing the audit log.
//!
//! An entry commits with its change and without a place in the chain: a chain that grew within each change would
//! make all changes of a tenant wait for each other's commit. Places are given afterwards, many at a time, under
//! the lock of the chain's row; whatever ends the process in between is made up for by the next who seals.

use keystile_core::{ChainHead, SealedEntry, TenantId};

use crate::row::Row;
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, audit};

/// Most entries sealed in one transaction: enough to keep up with any stream of changes, and so few that a change
/// which waits behind them waits for about a millisecond.
const MAX_BATCH: usize = 128;

const HEAD: &str = "SELECT seq, hash FROM audit_chains WHERE tenant_id = $1";
const HEAD_LOCKED: &str = "SELECT seq, hash FROM audit_chains WHERE tenant_id = $1 {for_update}";
const BEGIN: &str =
    "INSERT INTO audit_chains (tenant_id, seq, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const ADVANCE: &str = "UPDATE audit_chains SET seq = $2, hash = $3 WHERE tenant_id = $1";
const NEXT_TENANT: &str = "SELECT tenant_id FROM audit_entries
    WHERE seq IS NULL AND tenant_id > $1 ORDER BY tenant_id LIMIT 1";
const HAS_UNSEALED: &str =
    "SELECT 1 AS found FROM audit_entries WHERE tenant_id = $1 AND seq IS NULL LIMIT 1";
const UNSEALED: &str = "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes
    FROM audit_entries WHERE tenant_id = $1 AND seq IS NULL ORDER BY id LIMIT $2";
const SEAL: &str = "UPDATE audit_entries SET seq = $3, previous = $4, hash = $5
    WHERE tenant_id = $1 AND id = $2 AND seq IS NULL";

/// What a sealing has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// Nothing that was committed before it began.
    Complete,
    /// Perhaps more: as many were sealed as one transaction takes.
    Partial,
}

impl Store {
    /// Gives the tenant's oldest unsealed entries, a bounded number, their places in the chain. Any number of
    /// processes may do it at once.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn seal(&self, tenant_id: TenantId) -> Result<Sealing, StoreError> {
        // Nearly always there is nothing to do, which a read tells without waiting for a commit.

        if !self.read([Value::text(tenant_id)], |tenant, tx| Box::pin(has_unsealed(tenant, tx))).await? {
            return Ok(Sealing::Complete);
        }
        self.write_quietly(tenant_id, |tenant_id, tx| Box::pin(seal(*tenant_id, tx))).await
    }

    /// The next tenant, by id, whose log has unsealed entries.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn unsealed_tenant(&self, after: Option<TenantId>) -> Result<Option<TenantId>, StoreError> {
        let after = [Value::Text(after.map(|id| id.to_string()).unwrap_or_default())];
        self.read(after, |after, tx| Box::pin(next_tenant(after, tx))).await
    }

    /// Where the tenant's chain ends.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn chain_head(&self, tenant_id: TenantId) -> Result<ChainHead, StoreError> {
        let head = self.read(tenant_id, |tenant_id, tx| Box::pin(read_head(HEAD, *tenant_id, tx))).await?;
        Ok(head.unwrap_or_else(|| ChainHead::empty(tenant_id)))
    }
}

async fn has_unsealed(tenant: &[Value; 1], tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    Ok(tx.query_opt(HAS_UNSEALED, tenant).await?.is_some())
}

async fn next_tenant(after: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<TenantId>, StoreError> {
    tx.query_opt(NEXT_TENANT, after).await?.map(|mut row| row.parsed("tenant_id")).transpose()
}

async fn read_head(sql: &str, tenant_id: TenantId, tx: &mut Tx<'_>) -> Result<Option<ChainHead>, StoreError> {
    let read = |mut row: Row| Ok(ChainHead { seq: row.seq("seq")?, hash: row.digest("hash")? });
    tx.query_opt(sql, &[Value::text(tenant_id)]).await?.map(read).transpose()
}

async fn seal(tenant_id: TenantId, tx: &mut Tx<'_>) -> Result<Sealing, StoreError> {
    let mut head = lock_head(tenant_id, tx).await?;
    let most = i64::try_from(MAX_BATCH).unwrap_or(i64::MAX);
    // Read under the lock: what another process sealed meanwhile is no longer among them.
    let rows = tx.query(UNSEALED, &[Value::text(tenant_id), most.into()]).await?;
    let mut places = Vec::with_capacity(rows.len());
    for mut row in rows {
        let sealed = head.seal(audit::read(&mut row)?);
        head = sealed.head();
        places.push(place(&sealed));
    }
    if places.is_empty() {
        return Ok(Sealing::Complete);
    }
    let end = [Value::text(tenant_id), head.seq.into(), head.hash.into()];
    let mut batch: Vec<Statement<'_>> = places.iter().map(|place| (SEAL, place.as_slice())).collect();
    batch.push((ADVANCE, &end));
    tx.pipeline(&batch).await?;
    Ok(if places.len() < MAX_BATCH { Sealing::Complete } else { Sealing::Partial })
}

/// The end of the chain, which nobody else moves until the transaction is over.
async fn lock_head(tenant_id: TenantId, tx: &mut Tx<'_>) -> Result<ChainHead, StoreError> {
    if let Some(head) = read_head(HEAD_LOCKED, tenant_id, tx).await? {
        return Ok(head);
    }
    let empty = ChainHead::empty(tenant_id);
    tx.execute(BEGIN, &[Value::text(tenant_id), empty.seq.into(), empty.hash.into()]).await?;
    Ok(read_head(HEAD_LOCKED, tenant_id, tx).await?.unwrap_or(empty))
}

fn place(sealed: &SealedEntry) -> [Value; 5] {
    [
        Value::text(sealed.entry.tenant_id),
        Value::text(sealed.entry.id),
        sealed.seq.into(),
        sealed.previous.into(),
        sealed.hash.into(),
    ]
}
