//! Holds that are open, and periods that are over.

use keystile_core::quota::{Day, OpenHold};
use keystile_core::{HoldId, KeyId, TenantId};

use super::rows::{HOLD, day_value, read_hold};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

const SWEEP: &str = "DELETE FROM budgets WHERE (lineage_id, period, first_day) IN
    (SELECT lineage_id, period, first_day FROM budgets WHERE end_day < $1 AND leased_nano = 0
        ORDER BY end_day LIMIT 1000)";

impl Store {
    /// A page of the holds of a tenant that were open when their server last wrote, latest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn open_holds(
        &self,
        tenant_id: TenantId,
        key_id: Option<KeyId>,
        page: Page<HoldId>,
    ) -> Result<Vec<OpenHold>, StoreError> {
        let mut values = vec![Value::text(tenant_id), page.below(), page.limit()];
        let of_key = if key_id.is_some() { " AND key_id = $4" } else { "" };
        values.extend(key_id.map(Value::text));
        let sql = format!(
            "SELECT {HOLD} FROM holds WHERE tenant_id = $1 AND id < $2{of_key} ORDER BY id DESC LIMIT $3"
        );
        self.read((sql, values), |(sql, values), tx| Box::pin(read(sql, values, tx))).await
    }

    /// One hold of a tenant, if it was open when its server last wrote.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn open_hold(&self, tenant_id: TenantId, id: HoldId) -> Result<Option<OpenHold>, StoreError> {
        let sql = format!("SELECT {HOLD} FROM holds WHERE tenant_id = $1 AND id = $2");
        let args = (sql, vec![Value::text(tenant_id), Value::text(id)]);
        let found = self.read(args, |(sql, values), tx| Box::pin(read(sql, values, tx))).await?;
        Ok(found.into_iter().next())
    }

    /// Forgets some periods that ended before `day` and of which nothing is leased; tells how many, so that it can be called again
    /// until there are none. What was spent in them can be summed up again.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_budgets(&self, day: Day) -> Result<u64, StoreError> {
        self.write_quietly([day_value(day)], |args, tx| Box::pin(sweep(args, tx))).await
    }
}

async fn read(sql: &str, values: &[Value], tx: &mut Tx<'_>) -> Result<Vec<OpenHold>, StoreError> {
    tx.query(sql, values).await?.into_iter().map(|mut row| read_hold(&mut row)).collect()
}

async fn sweep(args: &[Value; 1], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute(SWEEP, args).await
}
