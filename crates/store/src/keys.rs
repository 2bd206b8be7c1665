//! Keys: making, reading and changing one.

use std::sync::LazyLock;

use keystile_core::{ApiKey, AuditEntry, KeyId, TenantId};

use crate::belonging::Belonging;
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, Unique, audit, ends, record, tags};

pub(crate) static ONE: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM api_keys WHERE tenant_id = $1 AND id = $2", *record::SELECTED));
pub(crate) static ONE_LOCKED: LazyLock<String> = LazyLock::new(|| format!("{} {{for_update}}", *ONE));
const IS_RETIRED: &str = "SELECT 1 AS found FROM retired_secrets WHERE digest = $1";
const RETIRE: &str =
    "INSERT INTO retired_secrets (digest, tenant_id, key_id, retired_at) VALUES ($1, $2, $3, $4)";

/// A key before and after a change; the same when there was nothing to change.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// As it was.
    pub before: ApiKey,
    /// As it is now.
    pub after: ApiKey,
}

impl Store {
    /// Adds a key, and tells the audit log. Its application must be the tenant's.
    ///
    /// # Errors
    /// `Archived` when its application or its customer is.
    ///
    /// `Conflict(Secret)` when any key of the installation has, or ever had, the same secret.
    pub async fn create_key(&self, key: ApiKey, entry: AuditEntry) -> Result<(), StoreError> {
        self.write((key, entry), |(key, entry), tx| Box::pin(create(key, entry, tx))).await
    }

    /// One key of the tenant, deleted or not.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn key(&self, tenant_id: TenantId, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(id)];
        self.read(args, |args, tx| Box::pin(read_one(&ONE, args, tx))).await
    }

    /// Changes one key of the tenant: reads it, applies `change`, and writes it with the audit entry, while
    /// nobody else changes it. When `change` fails, or returns no entry because there is nothing to change,
    /// nothing is written. A replaced secret stays taken for all time.
    ///
    /// `change` must not touch the ids, the environment, the lineage, who made the key and when, nor its
    /// last use; it must not block, and it may run once only.
    ///
    /// # Errors
    /// `Conflict(Secret)` when another key has, or any ever had, the new secret; `Archived` when its new customer is;
    /// `Refused` when `change` touched what it must not.
    pub async fn change_key<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: KeyId,
        change: impl FnOnce(&mut ApiKey) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<Changed, E>>, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], Some(change));
        self.write(args, |(which, change), tx| Box::pin(change_one(which, change, tx))).await
    }
}

async fn create(key: &ApiKey, entry: &AuditEntry, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    insert(key, entry, Belonging::of(std::slice::from_ref(key)), tx).await
}

/// Adds a key to what it must be able to belong to. The unique index is waited for before the retired secrets are read: what another transaction retires meanwhile is then seen.
pub(crate) async fn insert(
    key: &ApiKey,
    entry: &AuditEntry,
    belonging: Belonging,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let digest = [key.secret.digest.into()];
    let (row, entry) = (record::insert_values(key), audit::values(entry));
    let batch: [Statement<'_>; 3] = [(&record::INSERT, &row), (IS_RETIRED, &digest), (audit::INSERT, &entry)];
    let batch: Vec<Statement<'_>> = belonging.statements().chain(batch).collect();
    let mut answers = tx.pipeline(&batch).await?;
    let written = answers.split_off(belonging.len());
    belonging.check(answers)?;
    refuse_retired(written.get(1))?;
    tags::add(std::slice::from_ref(key), tx).await
}

pub(crate) async fn read_one(
    sql: &str,
    which: &[Value; 2],
    tx: &mut Tx<'_>,
) -> Result<Option<ApiKey>, StoreError> {
    tx.query_opt(sql, which).await?.map(record::read).transpose()
}

async fn change_one<E, F>(
    which: &[Value; 2],
    change: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<Changed, E>>, StoreError>
where
    F: FnOnce(&mut ApiKey) -> Result<Option<AuditEntry>, E>,
{
    let Some(before) = read_one(&ONE_LOCKED, which, tx).await? else { return Ok(None) };
    let again = || StoreError::unavailable("the change was interrupted; it may be tried again");
    let change = change.take().ok_or_else(again)?;
    let mut after = before.clone();
    match change(&mut after) {
        Err(refusal) => return Ok(Some(Err(refusal))),
        Ok(None) => after = before.clone(),
        Ok(Some(entry)) => {
            record::check_change(&before, &after)?;
            write(&before, &after, &entry, tx).await?;
        }
    }
    Ok(Some(Ok(Changed { before, after })))
}

pub(crate) async fn write(
    before: &ApiKey,
    after: &ApiKey,
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    Belonging::new_customer(before, after).hold(tx).await?;
    tags::change(before, after, tx).await?;
    let (row, entry, end) = (record::update_values(after), audit::values(entry), ends::noted(before, after));
    let end = end.as_ref().map(|end| (ends::NOTE, end.as_slice()));
    let (old, new) = (before.secret.digest, after.secret.digest);
    if old == new {
        let batch: [Statement<'_>; 2] = [(&record::UPDATE, &row), (audit::INSERT, &entry)];
        let batch: Vec<Statement<'_>> = batch.into_iter().chain(end).collect();
        return tx.pipeline(&batch).await.map(drop);
    }
    let new = [new.into()];
    let retired =
        [old.into(), Value::text(before.tenant_id), Value::text(before.id), after.updated_at.into()];
    let batch: [Statement<'_>; 4] =
        [(&record::UPDATE, &row), (IS_RETIRED, &new), (RETIRE, &retired), (audit::INSERT, &entry)];
    let batch: Vec<Statement<'_>> = batch.into_iter().chain(end).collect();
    refuse_retired(tx.pipeline(&batch).await?.get(1))
}

fn refuse_retired(found: Option<&Vec<crate::row::Row>>) -> Result<(), StoreError> {
    if found.is_some_and(|rows| !rows.is_empty()) {
        return Err(StoreError::Conflict(Unique::Secret));
    }
    Ok(())
}
