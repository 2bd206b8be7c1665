//! Correcting what was charged, by another row.

use keystile_core::quota::LedgerEntry;
use keystile_core::{AuditEntry, LedgerId, NanoUsd, TenantId};

use super::guard;
use super::rows::{self, ENTRY, entry_values, read_entry};
use super::settle::add_up;
use crate::edit::take;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, audit};

const CORRECTED: &str = "SELECT CAST(COALESCE(SUM(cost_nano), 0) AS BIGINT) AS corrected FROM ledger
    WHERE tenant_id = $1 AND corrects = $2";

/// A row of the ledger and what was added to correct it.
#[derive(Debug, Clone, PartialEq)]
pub struct Corrected {
    /// The row that was corrected, as it is and stays.
    pub row: LedgerEntry,
    /// What it is charged now, with all its corrections.
    pub amount: NanoUsd,
    /// The row that was added; `None` if that was its amount already.
    pub correction: Option<LedgerEntry>,
}

impl Store {
    /// Corrects a row of a tenant's ledger: reads it and what it is charged with all its corrections, lets `correct` make another row for the
    /// difference, and adds that with its audit entry, to the sums and to what is spent of budgets, while nobody else writes to the ledger.
    /// When `correct` fails, or makes none because there is nothing to correct, nothing is written.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn correct_charge<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: LedgerId,
        correct: impl FnOnce(&LedgerEntry, NanoUsd) -> Result<Option<(LedgerEntry, AuditEntry)>, E> + Send + 'static,
    ) -> Result<Option<Result<Corrected, E>>, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], Some(correct));
        self.write(args, |(which, correct), tx| Box::pin(correct_one(which, correct, tx))).await
    }
}

async fn correct_one<E, F>(
    which: &[Value; 2],
    correct: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<Corrected, E>>, StoreError>
where
    F: FnOnce(&LedgerEntry, NanoUsd) -> Result<Option<(LedgerEntry, AuditEntry)>, E>,
{
    guard(tx).await?;
    let sql = format!("SELECT {ENTRY} FROM ledger WHERE tenant_id = $1 AND id = $2");
    let Some(row) = tx.query_opt(&sql, which).await?.map(read_entry).transpose()? else { return Ok(None) };
    let corrected = tx.query_opt(CORRECTED, which).await?;
    let corrected = corrected.map_or(Ok(0), |mut row| row.int("corrected"))?;
    let amount = NanoUsd::from_nanos(row.cost.as_nanos() + corrected);
    match take(correct)?(&row, amount) {
        Err(refusal) => Ok(Some(Err(refusal))),
        Ok(None) => Ok(Some(Ok(Corrected { row, amount, correction: None }))),
        Ok(Some((correction, entry))) => {
            rows::ADD.run(&[entry_values(&correction)], tx).await?;
            add_up(&[&correction], tx).await?;
            tx.execute(audit::INSERT, &audit::values(&entry)).await?;
            let amount = NanoUsd::from_nanos(amount.as_nanos() + correction.cost.as_nanos());
            Ok(Some(Ok(Corrected { row, amount, correction: Some(correction) })))
        }
    }
}
