//! Telling the audit logs, now and then only, of what somebody can do again and again and which changes nothing else.

use std::time::Duration;

use keystile_core::{AuditEntry, AuditId, KeyId, PersonId, TenantId, Timestamp};

use crate::sessions::tell;
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

/// The same is told to a log once in so long: whoever can do it in a loop must not fill the log with it.
const TOLD_EVERY: Duration = Duration::from_secs(60);

const LOCK_PERSON: &str = "SELECT id FROM persons WHERE id = $1 {for_update}";
const LOCK_KEY: &str = "SELECT id FROM api_keys WHERE tenant_id = $1 AND id = $2 {for_update}";
/// Reads of the log no more than was written to it in that time.
const TOLD: &str = "SELECT id FROM audit_entries WHERE tenant_id = $1 AND id > $2
    AND action = $3 AND target = $4 AND changes = $5 LIMIT 1";

impl Store {
    /// Tells each audit log of what was done in a person's name, unless it was told the same in the last minute.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn note_of_person(
        &self,
        person_id: PersonId,
        now: Timestamp,
        audit: Vec<AuditEntry>,
    ) -> Result<(), StoreError> {
        let args = (Value::text(person_id), now, audit);
        self.write(args, |(person, now, audit), tx| {
            Box::pin(async move {
                tx.query_opt(LOCK_PERSON, std::slice::from_ref(person)).await?;
                tell_anew(audit, *now, tx).await
            })
        })
        .await
    }

    /// Tells the audit log of what a key did, unless it was told the same in the last minute.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn note_of_key(
        &self,
        (tenant_id, id): (TenantId, KeyId),
        now: Timestamp,
        entry: AuditEntry,
    ) -> Result<(), StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], now, [entry]);
        self.write(args, |(key, now, audit), tx| {
            Box::pin(async move {
                tx.query_opt(LOCK_KEY, &*key).await?;
                tell_anew(&*audit, *now, tx).await
            })
        })
        .await
    }
}

/// Whoever calls holds a lock, so that of many at once one tells.
async fn tell_anew(audit: &[AuditEntry], now: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let since = AuditId::from_parts(now.minus(TOLD_EVERY), u128::MAX);
    let same = |entry: &AuditEntry| {
        [
            Value::text(entry.tenant_id),
            Value::text(since),
            Value::text(entry.action),
            Value::text(&entry.target),
            Value::json(&entry.changes),
        ]
    };
    let asked: Vec<_> = audit.iter().map(same).collect();
    let statements: Vec<Statement<'_>> = asked.iter().map(|values| (TOLD, values.as_slice())).collect();
    let told = tx.pipeline(&statements).await?;
    tell(audit.iter().zip(&told).filter(|(_, told)| told.is_empty()).map(|(entry, _)| entry), tx).await
}
