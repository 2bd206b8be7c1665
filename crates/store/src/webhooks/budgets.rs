//! Budgets of which more was spent, for webhooks that are told of it. A charge only notes that a period is to be looked at.

use std::sync::LazyLock;

use keystile_core::quota::BudgetTime;
use keystile_core::{ApiKey, KeyId, NanoUsd, TenantId, Timestamp, Webhook};

use super::telling::{NewDelivery, insert};
use super::{lock, read_all};
use crate::quota::guard;
use crate::quota::rows::{day, money, time_values};
use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, record};

const NEXT: &str = "SELECT tenant_id FROM webhook_tenants WHERE tenant_id > $1
    AND EXISTS (SELECT 1 FROM budgets
        WHERE budgets.tenant_id = webhook_tenants.tenant_id AND budgets.is_changed = 1)
    ORDER BY tenant_id LIMIT 1";
const ROTATION: &str = "SELECT rotation_days FROM tenants WHERE id = $1";
/// As many as are looked at together, for which others wait some milliseconds.
const AT_ONCE: usize = 500;
pub(crate) const CHANGED: &str = "SELECT lineage_id, period, first_day, spent_nano, looked_nano FROM budgets
    WHERE tenant_id = $1 AND is_changed = 1 AND lineage_id > $2
    ORDER BY lineage_id, first_day, period LIMIT 500";
/// The last key of a lineage that was made, of those that can be used and have a budget of this period.
pub(crate) static KEY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM api_keys WHERE tenant_id = $1 AND lineage_id = $2 AND budget_period = $3
            AND deleted_at IS NULL AND max_budget_nano_usd IS NOT NULL AND revoked_at IS NULL AND enabled = 1
            AND (expires_at IS NULL OR expires_at > $4) ORDER BY id DESC LIMIT 1",
        *record::SELECTED
    )
});
/// What was charged since the look leaves the period to be looked at again. Whoever comes second finds another look.
const LOOKED: &str = "UPDATE budgets SET
        looked_nano = CASE WHEN looked_nano < $4 THEN CAST($4 AS {int}) ELSE looked_nano END,
        is_changed = CASE WHEN spent_nano = $4 THEN 0 ELSE 1 END
    WHERE lineage_id = $1 AND period = $2 AND first_day = $3 AND looked_nano = $5 AND is_changed = 1
    RETURNING lineage_id";

/// What is spent of a period of a budget, and was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLook {
    /// The first key of the lineage.
    pub lineage_id: KeyId,
    /// Which period.
    pub time: BudgetTime,
    /// What is spent.
    pub spent: NanoUsd,
    /// The most that was spent at any look before.
    pub looked: NanoUsd,
}

/// A period of a budget of which more was spent since it was last looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedBudget {
    /// What is spent.
    pub look: BudgetLook,
    /// The last key that was made of those that can be used and have this budget; none if there is none, or the period is over.
    pub key: Option<ApiKey>,
}

/// Some budgets of a tenant that are to be looked at.
#[derive(Debug, Default)]
pub struct ChangedBudgets {
    /// The budgets.
    pub budgets: Vec<ChangedBudget>,
    /// Whom it is told.
    pub webhooks: Vec<Webhook>,
    /// After how many days secrets are to be rotated.
    pub rotation_days: u16,
    /// Behind which lineage to look on; nothing when all were looked at.
    pub next: Option<KeyId>,
}

/// A budget that was looked at.
#[derive(Debug, Clone)]
pub struct LookedBudget {
    /// What was seen.
    pub look: BudgetLook,
    /// What is told of it, and to whom.
    pub deliveries: Vec<NewDelivery>,
}

impl Store {
    /// The next tenant, by id, that has webhooks and budgets of which more was spent since they were last looked at.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn tenant_with_changed_budgets(
        &self,
        after: Option<TenantId>,
    ) -> Result<Option<TenantId>, StoreError> {
        let after = [Value::Text(after.map(|id| id.to_string()).unwrap_or_default())];
        self.read(after, |after, tx| Box::pin(next(after, tx))).await
    }

    /// The next 500 of these budgets of a tenant, by lineage, at the most, with their keys at `now`. Of a lineage with more periods than
    /// that the rest comes first when its budgets are asked for anew.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn changed_budgets(
        &self,
        tenant_id: TenantId,
        after: Option<KeyId>,
        now: Timestamp,
    ) -> Result<ChangedBudgets, StoreError> {
        let after = Value::Text(after.map(|id| id.to_string()).unwrap_or_default());
        let args = ([Value::text(tenant_id), after], now);
        self.read(args, |(which, now), tx| Box::pin(look(which, *now, tx))).await
    }

    /// Notes that budgets were looked at, 500 at the most, and adds what is told of them; nothing is told of those that somebody else has looked
    /// at meanwhile.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn note_looks(
        &self,
        tenant_id: TenantId,
        now: Timestamp,
        looked: Vec<LookedBudget>,
    ) -> Result<(), StoreError> {
        let args = (Value::text(tenant_id), now, looked);
        self.write_quietly(args, |(tenant, now, looked), tx| Box::pin(note(tenant, *now, looked, tx))).await
    }
}

async fn next(after: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<TenantId>, StoreError> {
    tx.query_opt(NEXT, after).await?.map(|mut row| row.parsed("tenant_id")).transpose()
}

async fn look(which: &[Value; 2], now: Timestamp, tx: &mut Tx<'_>) -> Result<ChangedBudgets, StoreError> {
    let [tenant, _] = which;
    let of_tenant = [tenant.clone()];
    let Some(mut row) = tx.query_opt(ROTATION, &of_tenant).await? else {
        return Ok(ChangedBudgets::default());
    };
    let rotation_days = row.small("rotation_days")?;
    let changed = tx.query(CHANGED, which).await?;
    let looks = changed.into_iter().map(read_look).collect::<Result<Vec<BudgetLook>, _>>()?;
    let next = looks.last().filter(|_| looks.len() >= AT_ONCE).map(|last| last.lineage_id);
    let budgets = with_keys(tenant, looks, now, tx).await?;
    let webhooks = read_all(&of_tenant, tx).await?.into_iter().map(|kept| kept.webhook).collect();
    Ok(ChangedBudgets { budgets, webhooks, rotation_days, next })
}

fn read_look(mut row: Row) -> Read<BudgetLook> {
    let row = &mut row;
    let lineage_id = row.parsed("lineage_id")?;
    let time = BudgetTime { period: row.parsed("period")?, first_day: day(row.int("first_day")?)? };
    Ok(BudgetLook { lineage_id, time, spent: money(row, "spent_nano")?, looked: money(row, "looked_nano")? })
}

async fn with_keys(
    tenant: &Value,
    looks: Vec<BudgetLook>,
    now: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<Vec<ChangedBudget>, StoreError> {
    let values = |look: &BudgetLook| {
        [tenant.clone(), Value::text(look.lineage_id), Value::text(look.time.period), now.into()]
    };
    let sought: Vec<[Value; 4]> = looks.iter().filter(|look| is_present(look, now)).map(values).collect();
    let statements: Vec<Statement<'_>> =
        sought.iter().map(|values| (KEY.as_str(), values.as_slice())).collect();
    let mut found = tx.pipeline(&statements).await?.into_iter();
    let mut budgets = Vec::with_capacity(looks.len());
    for look in looks {
        let rows = if is_present(&look, now) { found.next().unwrap_or_default() } else { Vec::new() };
        let key = rows.into_iter().next().map(record::read).transpose()?;
        budgets.push(ChangedBudget { look, key });
    }
    Ok(budgets)
}

fn is_present(look: &BudgetLook, now: Timestamp) -> bool {
    look.time.period.span_at(now).first_day() == look.time.first_day
}

async fn note(
    tenant: &Value,
    now: Timestamp,
    looked: &[LookedBudget],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let Some(before) = lock(tenant, tx).await? else { return Ok(()) };
    // Whoever charges locks several budgets, too, and in another order.
    guard(tx).await?;
    let values: Vec<Vec<Value>> = looked.iter().map(|one| looked_values(&one.look)).collect();
    let statements: Vec<Statement<'_>> = values.iter().map(|values| (LOOKED, values.as_slice())).collect();
    let noted = tx.pipeline(&statements).await?;
    let told = looked.iter().zip(noted).filter(|(_, rows)| !rows.is_empty());
    let deliveries: Vec<NewDelivery> = told.flat_map(|(one, _)| one.deliveries.iter().cloned()).collect();
    insert((tenant, before), now, &deliveries, tx).await
}

fn looked_values(look: &BudgetLook) -> Vec<Value> {
    let seen = [look.spent, look.looked].map(|amount| Value::Int(amount.as_nanos()));
    time_values(look.lineage_id, look.time).into_iter().chain(seen).collect()
}
