//! Sealing the audit log.
//!
//! An entry commits with its change and without a place in the chain: a chain that grew within each change would
//! make all changes of a tenant wait for each other's commit. Places are given afterwards, many at a time: hashes are
//! calculated outside of any transaction, and count only if the chain still ends where they begin. Whatever ends
//! the process in between is made up for by the next who seals.

use std::time::Instant;

use keystile_core::{ChainHead, RecordedEntry, SealedEntry, TenantId};

use crate::row::Row;
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, audit};

/// Most entries sealed in one transaction: enough to keep up with any stream of changes, and so few that a change
/// which waits behind them waits for about a millisecond.
const MAX_BATCH: usize = 128;

const HEAD: &str = "SELECT seq, hash FROM audit_chains WHERE tenant_id = $1";
const BEGIN: &str =
    "INSERT INTO audit_chains (tenant_id, seq, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const ADVANCE: &str =
    "UPDATE audit_chains SET seq = $2, hash = $3 WHERE tenant_id = $1 AND seq = $4 AND hash = $5";
const NEXT_TENANT: &str = "SELECT tenant_id FROM audit_entries
    WHERE seq IS NULL AND tenant_id > $1 ORDER BY tenant_id LIMIT 1";
const UNSEALED: &str = "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes
    FROM audit_entries WHERE tenant_id = $1 AND seq IS NULL ORDER BY id LIMIT $2";
const SEAL: &str = "UPDATE audit_entries SET seq = $3, previous = $4, hash = $5
    WHERE tenant_id = $1 AND id = $2 AND seq IS NULL";

/// What a sealing has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// Nothing that was committed before it began.
    Complete,
    /// Perhaps more: as many were sealed as one transaction takes, or somebody else sealed meanwhile.
    Partial,
}

impl Store {
    /// Gives the tenant's oldest unsealed entries, a bounded number, their places in the chain. Any number of
    /// processes may do it at once.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn seal(&self, tenant_id: TenantId) -> Result<Sealing, StoreError> {
        let (behind, entries) =
            self.read(tenant_id, |tenant_id, tx| Box::pin(unsealed(*tenant_id, tx))).await?;
        if entries.is_empty() {
            return Ok(Sealing::Complete);
        }
        let is_all = entries.len() < MAX_BATCH;
        let mut head = behind;
        let seal = |entry| {
            let sealed = head.seal(entry);
            head = sealed.head();
            place(&sealed)
        };
        let places = entries.into_iter().map(seal).collect();
        let batch = Batch { tenant_id, behind, places, head };
        let is_taken = self.write_quietly(batch, |batch, tx| Box::pin(append(batch, tx))).await?;
        self.note_sealed();
        Ok(if is_taken && is_all { Sealing::Complete } else { Sealing::Partial })
    }

    /// The next tenant, by id, whose log has unsealed entries.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn unsealed_tenant(&self, after: Option<TenantId>) -> Result<Option<TenantId>, StoreError> {
        let (began, of_all) = (Instant::now(), after.is_none());
        let after = [Value::Text(after.map(|id| id.to_string()).unwrap_or_default())];
        let next = self.read(after, |after, tx| Box::pin(next_tenant(after, tx))).await?;
        if of_all && next.is_none() {
            self.own_measures().note_sealed(began);
        }
        Ok(next)
    }

    /// Where the tenant's chain ends.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn chain_head(&self, tenant_id: TenantId) -> Result<ChainHead, StoreError> {
        let head = self.read(tenant_id, |tenant_id, tx| Box::pin(read_head(*tenant_id, tx))).await?;
        Ok(head.unwrap_or_else(|| ChainHead::empty(tenant_id)))
    }
}

async fn next_tenant(after: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<TenantId>, StoreError> {
    tx.query_opt(NEXT_TENANT, after).await?.map(|mut row| row.parsed("tenant_id")).transpose()
}

/// Where the tenant's chain ends, if anything of its log was sealed.
pub(crate) async fn read_head(tenant_id: TenantId, tx: &mut Tx<'_>) -> Result<Option<ChainHead>, StoreError> {
    let read = |mut row: Row| Ok(ChainHead { seq: row.seq("seq")?, hash: row.digest("hash")? });
    tx.query_opt(HEAD, &[Value::text(tenant_id)]).await?.map(read).transpose()
}

/// The end of the chain first: if somebody seals between the two reads, the end has moved when it is compared.
async fn unsealed(
    tenant_id: TenantId,
    tx: &mut Tx<'_>,
) -> Result<(ChainHead, Vec<RecordedEntry>), StoreError> {
    let head = read_head(tenant_id, tx).await?.unwrap_or_else(|| ChainHead::empty(tenant_id));
    let most = i64::try_from(MAX_BATCH).unwrap_or(i64::MAX);
    let rows = tx.query(UNSEALED, &[Value::text(tenant_id), most.into()]).await?;
    let entries = rows.into_iter().map(|mut row| audit::read(&mut row)).collect::<Result<_, _>>()?;
    Ok((head, entries))
}

/// Entries with their places behind an end of the chain.
struct Batch {
    tenant_id: TenantId,
    behind: ChainHead,
    places: Vec<[Value; 5]>,
    head: ChainHead,
}

/// Writes the places down if the chain still ends where they begin, and says whether it does. From the first statement
/// on nobody else moves the end.
async fn append(batch: &Batch, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let Batch { tenant_id, behind, places, head } = batch;
    let (tenant, empty) = (Value::text(tenant_id), ChainHead::empty(*tenant_id));
    if *behind == empty {
        tx.execute(BEGIN, &[tenant.clone(), empty.seq.into(), empty.hash.into()]).await?;
    }
    let ends = [tenant, head.seq.into(), head.hash.into(), behind.seq.into(), behind.hash.into()];
    if tx.execute(ADVANCE, &ends).await? == 0 {
        return Ok(false);
    }
    let statements: Vec<Statement<'_>> = places.iter().map(|place| (SEAL, place.as_slice())).collect();
    tx.pipeline(&statements).await?;
    Ok(true)
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
