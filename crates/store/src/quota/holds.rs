//! Holds that are open, where each is, and periods that are over.

use keystile_core::quota::{Day, LedgerEntry, Mark, OpenHold, Origin};
use keystile_core::{HoldId, KeyId, NodeId, TenantId};

use super::ServerId;
use super::rows::{ENTRY, HOLD, day_value, read_entry, read_hold};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

const SWEEP: &str = "DELETE FROM budgets WHERE (lineage_id, period, first_day) IN
    (SELECT lineage_id, period, first_day FROM budgets WHERE end_day < $1 AND leased_nano = 0
        ORDER BY end_day LIMIT 1000)";

/// Nodes that have a row run.
const WHO_HAS: &str =
    "SELECT server, origin, CASE WHEN server IN (SELECT server FROM nodes) THEN 1 ELSE 0 END AS runs
    FROM holds WHERE tenant_id = $1 AND id = $2";

/// What is written of a hold.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundHold {
    /// It is open.
    Open {
        /// Which run of a server has it in memory.
        server: ServerId,
        /// Who has to settle it.
        origin: Origin,
        /// Whether that is a node that runs.
        runs: bool,
    },
    /// It was charged so.
    Charged(Box<LedgerEntry>),
    /// Nothing: there is none, or its server has not written yet.
    Nothing {
        /// The other node that runs whose mark the id carries, if there is one.
        made_by: Option<NodeId>,
    },
}

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

    /// What is written of a hold of a tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn find_hold(&self, tenant_id: TenantId, id: HoldId) -> Result<FoundHold, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], Mark::of_hold(id), self.node());
        self.read(args, |(which, mark, own), tx| Box::pin(find(which, *mark, *own, tx))).await
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

/// Looks at what is open first: what is charged meanwhile is found in the ledger.
async fn find(
    which: &[Value; 2],
    mark: Mark,
    own: Option<NodeId>,
    tx: &mut Tx<'_>,
) -> Result<FoundHold, StoreError> {
    if let Some(mut row) = tx.query_opt(WHO_HAS, which).await? {
        let (server, origin) = (row.bits("server").map(ServerId::new)?, row.parsed("origin")?);
        return Ok(FoundHold::Open { server, origin, runs: row.truth("runs")? });
    }
    let sql = format!("SELECT {ENTRY} FROM ledger WHERE tenant_id = $1 AND hold_id = $2");
    if let Some(row) = tx.query_opt(&sql, which).await? {
        return Ok(FoundHold::Charged(Box::new(read_entry(row)?)));
    }
    let nodes = tx.query("SELECT id FROM nodes", &[]).await?;
    let nodes = nodes.into_iter().map(|mut row| row.parsed("id")).collect::<Result<Vec<NodeId>, _>>()?;
    let made_it = |node: &NodeId| ServerId::of_node(*node).mark() == mark && Some(*node) != own;
    Ok(FoundHold::Nothing { made_by: nodes.into_iter().find(made_it) })
}

async fn sweep(args: &[Value; 1], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute(SWEEP, args).await
}
