//! The audit log.

use keystile_core::{AuditEntry, AuditId, TenantId};

use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

pub(crate) const INSERT: &str = "INSERT INTO audit_entries
    (tenant_id, id, at, actor, action, target, ip, request_id, changes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const PAGE: &str = "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes
    FROM audit_entries WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

impl Store {
    /// A page of the tenant's log, newest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn audit(
        &self,
        tenant_id: TenantId,
        page: Page<AuditId>,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let args = [Value::text(tenant_id), page.below(), page.limit()];
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }
}

async fn read_page(args: &[Value; 3], tx: &mut Tx<'_>) -> Result<Vec<AuditEntry>, StoreError> {
    tx.query(PAGE, args).await?.into_iter().map(read).collect()
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

fn read(mut row: Row) -> Read<AuditEntry> {
    Ok(AuditEntry {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        at: row.time("at")?,
        actor: row.parsed("actor")?,
        action: row.parsed("action")?,
        target: row.text("target")?,
        ip: row.opt_parsed("ip")?,
        request_id: row.opt_text("request_id")?,
        changes: row.json("changes")?,
    })
}
