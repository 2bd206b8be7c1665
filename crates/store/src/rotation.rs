//! Rotation: a key gets an end, and another one that follows it.

use std::sync::LazyLock;

use keystile_core::{ApiKey, AuditEntry, KeyId, TenantId, Timestamp};

use crate::belonging::Belonging;
use crate::keys::{ONE_LOCKED, insert, read_one, write};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, record};

/// The newest key that was made from `$2` and has not ended by `$3`.
const SUCCESSOR: &str = "SELECT id FROM api_keys WHERE tenant_id = $1 AND rotated_from_key_id = $2
    AND revoked_at IS NULL AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
    ORDER BY id DESC LIMIT 1";

/// The newest keys that were made from `$2`, deleted ones too. A key has one successor at a time, and rarely more than one in its life.
static SUCCESSORS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM api_keys WHERE tenant_id = $1 AND rotated_from_key_id = $2 ORDER BY id DESC LIMIT 20",
        *record::SELECTED
    )
});

/// What a rotation writes beside the key that it ends.
#[derive(Debug)]
pub struct Rotation {
    /// The new key.
    pub successor: ApiKey,
    /// What the audit log is told of the old key.
    pub ended: AuditEntry,
    /// What the audit log is told of the new one.
    pub made: AuditEntry,
}

/// A key that was rotated.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotated {
    /// The old key as it was.
    pub before: ApiKey,
    /// The old key as it is now.
    pub after: ApiKey,
    /// The new key.
    pub successor: ApiKey,
}

impl Store {
    /// Rotates one key of the tenant: reads it, and the id of a successor that lives at `now`; lets `rotate` change it and
    /// make another; and writes both with their audit entries, while nobody else changes it. When `rotate` fails,
    /// nothing is written.
    ///
    /// `rotate` is held to what the closure of [`Self::change_key`] is.
    ///
    /// # Errors
    /// `Conflict(Secret)` when another key has, or any ever had, the new secret; `Refused` when `rotate` touched what it
    /// must not.
    pub async fn rotate_key<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: KeyId,
        now: Timestamp,
        rotate: impl FnOnce(&mut ApiKey, Option<KeyId>) -> Result<Rotation, E> + Send + 'static,
    ) -> Result<Option<Result<Rotated, E>>, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], now, Some(rotate));
        self.write(args, |(which, now, rotate), tx| Box::pin(rotate_one(which, *now, rotate, tx))).await
    }

    /// The newest keys that were made by rotating this one, at most 20, deleted ones too.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn successors(&self, tenant_id: TenantId, id: KeyId) -> Result<Vec<ApiKey>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(id)];
        self.read(args, |args, tx| Box::pin(read_successors(args, tx))).await
    }
}

/// Both questions for the successors of a key, with their values.
#[cfg(test)]
pub(crate) fn questions(tenant_id: TenantId, id: KeyId, now: Timestamp) -> [(&'static str, Vec<Value>); 2] {
    let which = || vec![Value::text(tenant_id), Value::text(id)];
    let living = [which(), vec![now.into()]].concat();
    [(SUCCESSORS.as_str(), which()), (SUCCESSOR, living)]
}

async fn read_successors(which: &[Value; 2], tx: &mut Tx<'_>) -> Result<Vec<ApiKey>, StoreError> {
    tx.query(&SUCCESSORS, which).await?.into_iter().map(record::read).collect()
}

/// The newest key that was made from this one and has not ended by `now`.
pub(crate) async fn living_successor(
    key: &ApiKey,
    now: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<Option<KeyId>, StoreError> {
    let values = [Value::text(key.tenant_id), Value::text(key.id), now.into()];
    tx.query_opt(SUCCESSOR, &values).await?.map(|mut row| row.parsed("id")).transpose()
}

async fn rotate_one<E, F>(
    which: &[Value; 2],
    now: Timestamp,
    rotate: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<Rotated, E>>, StoreError>
where
    F: FnOnce(&mut ApiKey, Option<KeyId>) -> Result<Rotation, E>,
{
    let Some(before) = read_one(&ONE_LOCKED, which, tx).await? else { return Ok(None) };
    let successor = living_successor(&before, now, tx).await?;
    let again = || StoreError::unavailable("the rotation was interrupted; it may be tried again");
    let rotate = rotate.take().ok_or_else(again)?;
    let mut after = before.clone();
    let Rotation { successor, ended, made } = match rotate(&mut after, successor) {
        Err(refusal) => return Ok(Some(Err(refusal))),
        Ok(rotation) => rotation,
    };
    record::check_change(&before, &after)?;
    write(&before, &after, &ended, tx).await?;
    // It belongs to what the old key does, archived or not.
    insert(&successor, &made, Belonging::default(), tx).await?;
    Ok(Some(Ok(Rotated { before, after, successor })))
}
