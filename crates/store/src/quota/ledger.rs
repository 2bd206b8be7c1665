//! Reading the ledger.

use keystile_core::quota::{LedgerEntry, LedgerKind};
use keystile_core::{KeyId, LedgerId, TenantId, Timestamp};

use super::rows::{ENTRY, read_entry};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

/// Which rows a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct LedgerFilter {
    /// Charged to this key.
    pub key_id: Option<KeyId>,
    /// For using this model.
    pub model: Option<String>,
    /// Saying this.
    pub kind: Option<LedgerKind>,
    /// Charged then or later.
    pub from: Option<Timestamp>,
    /// Charged before.
    pub to: Option<Timestamp>,
}

impl LedgerFilter {
    /// The statement, and its values. Conditions that are not asked for are not spelled, so that an index leads to the others.
    pub(crate) fn statement(&self, tenant_id: TenantId, page: Page<LedgerId>) -> (String, Vec<Value>) {
        let first_of = |moment| Value::text(LedgerId::from_parts(moment, 0));
        let mut values = vec![Value::text(tenant_id), page.below(), page.limit()];
        let mut conditions = String::new();
        let wanted = [
            ("key_id =", self.key_id.map(Value::text)),
            ("model =", self.model.as_ref().map(Value::text)),
            ("kind =", self.kind.map(Value::text)),
            ("id >=", self.from.map(first_of)),
            ("id <", self.to.map(first_of)),
        ];
        for (condition, value) in wanted {
            if let Some(value) = value {
                values.push(value);
                conditions.push_str(&format!(" AND {condition} ${}", values.len()));
            }
        }
        // Spelled out, so that the index of what is unusual leads to it.
        if self.kind.is_some_and(|kind| kind != LedgerKind::Charge) {
            conditions.push_str(" AND kind <> 'charge'");
        }
        let sql = format!(
            "SELECT {ENTRY} FROM ledger WHERE tenant_id = $1 AND id < $2{conditions} ORDER BY id DESC LIMIT $3"
        );
        (sql, values)
    }
}

impl Store {
    /// A page of what was charged to a tenant, latest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn ledger(
        &self,
        tenant_id: TenantId,
        filter: &LedgerFilter,
        page: Page<LedgerId>,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        self.read(filter.statement(tenant_id, page), |(sql, values), tx| Box::pin(read(sql, values, tx)))
            .await
    }

    /// One row of the ledger of a tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn ledger_entry(
        &self,
        tenant_id: TenantId,
        id: LedgerId,
    ) -> Result<Option<LedgerEntry>, StoreError> {
        let sql = format!("SELECT {ENTRY} FROM ledger WHERE tenant_id = $1 AND id = $2");
        let args = (sql, vec![Value::text(tenant_id), Value::text(id)]);
        let read = self.read(args, |(sql, values), tx| Box::pin(read(sql, values, tx))).await?;
        Ok(read.into_iter().next())
    }
}

async fn read(sql: &str, values: &[Value], tx: &mut Tx<'_>) -> Result<Vec<LedgerEntry>, StoreError> {
    tx.query(sql, values).await?.into_iter().map(read_entry).collect()
}
