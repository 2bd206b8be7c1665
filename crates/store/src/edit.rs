//! Changing one row: read under its lock, decided on, and written with its audit entry.

use keystile_core::AuditEntry;

use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, audit};

/// A row that is changed as a whole.
pub(crate) trait Editable: Clone + Send + 'static {
    /// Reads and locks one.
    const ONE_LOCKED: &str;
    /// Writes [`Self::update_values`].
    const UPDATE: &str;

    /// Reads the columns of [`Self::ONE_LOCKED`].
    fn read(row: Row) -> Read<Self>;

    /// Every column.
    fn update_values(&self) -> Vec<Value>;
}

impl Store {
    /// Changes the row that `which` names and gives it as it is afterwards. When `change` fails, or returns no entry
    /// because there is nothing to change, nothing is written.
    pub(crate) async fn edit<T: Editable, E: Send + 'static>(
        &self,
        which: Vec<Value>,
        change: impl FnOnce(&mut T) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<T, E>>, StoreError> {
        self.write((which, Some(change)), |(which, change), tx| Box::pin(edit_one(which, change, tx))).await
    }
}

async fn edit_one<T, E, F>(
    which: &[Value],
    change: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<T, E>>, StoreError>
where
    T: Editable,
    F: FnOnce(&mut T) -> Result<Option<AuditEntry>, E>,
{
    let Some(row) = tx.query_opt(T::ONE_LOCKED, which).await? else { return Ok(None) };
    let before = T::read(row)?;
    let mut after = before.clone();
    match take(change)?(&mut after) {
        Err(refusal) => Ok(Some(Err(refusal))),
        Ok(None) => Ok(Some(Ok(before))),
        Ok(Some(entry)) => {
            tell(&[(T::UPDATE, &after.update_values())], &entry, tx).await?;
            Ok(Some(Ok(after)))
        }
    }
}

/// What decides a change. It can be had once: a second attempt of the same transaction is left to the caller.
pub(crate) fn take<F>(change: &mut Option<F>) -> Result<F, StoreError> {
    change.take().ok_or_else(|| StoreError::unavailable("the change was interrupted; it may be tried again"))
}

/// Runs the statements and tells the audit log, sent together.
pub(crate) async fn tell(
    statements: &[Statement<'_>],
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let entry = audit::values(entry);
    let batch: Vec<Statement<'_>> = statements.iter().copied().chain([(audit::INSERT, &entry[..])]).collect();
    tx.pipeline(&batch).await.map(drop)
}
