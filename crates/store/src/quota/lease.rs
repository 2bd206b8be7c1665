//! Leasing parts of budgets.

use keystile_core::quota::{Budget, BudgetTime, LeaseAsk, LeaseTruth, Leased};
use keystile_core::{BudgetPeriod, NanoUsd};

use super::rows::{day_value, money, time_values};
use super::{ServerId, guard};
use crate::row::Row;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

const IS_THERE: &str =
    "SELECT 1 AS found FROM budgets WHERE lineage_id = $1 AND period = $2 AND first_day = $3";
const LOCK: &str = "SELECT leased_nano FROM budgets
    WHERE lineage_id = $1 AND period = $2 AND first_day = $3 {for_update}";
const SPENT: &str = "SELECT CAST(COALESCE(SUM(cost_nano), 0) AS BIGINT) AS spent FROM spend
    WHERE lineage_id = $1 AND day >= $2 AND day < $3";
/// What a key has spent elsewhere before it came here; only a budget without a beginning knows of it.
const IMPORTED: &str = "SELECT spend_nano_usd FROM api_keys WHERE tenant_id = $1 AND id = $2";
const MAKE: &str = "INSERT INTO budgets
    (lineage_id, period, first_day, end_day, tenant_id, spent_nano, leased_nano)
    VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT DO NOTHING";
/// All periods of a lineage that share a day with `$2` to `$3`, in the order in which everybody locks them.
const SHARING: &str = "SELECT period, first_day, spent_nano, leased_nano FROM budgets
    WHERE lineage_id = $1 AND first_day < $3 AND end_day > $2 ORDER BY first_day, period {for_update}";
/// The one statement by which leases grow.
const GRANT: &str = "UPDATE budgets SET leased_nano = leased_nano + $4
    WHERE lineage_id = $1 AND period = $2 AND first_day = $3
    AND spent_nano + $4 + $5 + (SELECT CAST(SUM(sharing.leased_nano) AS BIGINT) FROM budgets AS sharing
        WHERE sharing.lineage_id = $1 AND sharing.first_day < budgets.end_day
            AND sharing.end_day > budgets.first_day) <= $6";
pub(super) const OWN: &str = "SELECT leased_nano FROM budget_leases
    WHERE server = $4 AND lineage_id = $1 AND period = $2 AND first_day = $3";
pub(super) const CHANGE_LEASED: &str = "UPDATE budgets SET leased_nano = leased_nano + $4
    WHERE lineage_id = $1 AND period = $2 AND first_day = $3";
pub(super) const CHANGE_OWN: &str =
    "INSERT INTO budget_leases (lineage_id, period, first_day, server, leased_nano)
    VALUES ($1, $2, $3, $5, $4) ON CONFLICT (server, lineage_id, period, first_day)
    DO UPDATE SET leased_nano = budget_leases.leased_nano + excluded.leased_nano";
const DROP_EMPTY: &str = "DELETE FROM budget_leases
    WHERE server = $4 AND lineage_id = $1 AND period = $2 AND first_day = $3 AND leased_nano = 0";
const BUDGET_OF: &str =
    "SELECT max_budget_nano_usd, budget_period FROM api_keys WHERE tenant_id = $1 AND id = $2";

impl Store {
    /// Leases a part of a budget to a server: at most what is wanted, and nothing if not at least what is needed is left. What the server gives
    /// back with it is given back in any case. The budget is the smaller one of what the server knows and what the key's record says.
    ///
    /// # Errors
    /// When the database is unavailable, or the key's budget has another period by now.
    pub async fn lease_budget(&self, server: ServerId, ask: LeaseAsk) -> Result<Leased, StoreError> {
        self.write_quietly((server, ask), |(server, ask), tx| Box::pin(lease(*server, ask, tx))).await
    }

    /// Corrects what is noted as leased by a server of one period.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn true_up_lease(&self, server: ServerId, truth: LeaseTruth) -> Result<(), StoreError> {
        self.write_quietly((server, truth), |(server, truth), tx| Box::pin(true_up(*server, truth, tx))).await
    }
}

async fn lease(server: ServerId, ask: &LeaseAsk, tx: &mut Tx<'_>) -> Result<Leased, StoreError> {
    let max = budget_now(ask, tx).await?.max.as_nanos();
    let time = BudgetTime { period: ask.budget.period, first_day: ask.span.first_day() };
    let place = time_values(ask.lineage_id, time);
    if tx.query_opt(IS_THERE, &place).await?.is_none() {
        make(ask, &place, tx).await?;
    }
    let mut periods = read_sharing(ask, tx).await?;
    let returned = match ask.returned.as_nanos() {
        0 => 0,
        // Another server may have taken it up meanwhile.
        returned => returned.min(own(server, &place, tx).await?),
    };
    if returned > 0 {
        change(server, &place, -returned, tx).await?;
        periods.own_leased -= returned;
    }
    let debt = ask.debt.as_nanos();
    // Far below nothing it stays there.
    let taken = [periods.spent, debt, periods.own_leased, periods.others];
    let left = taken.into_iter().fold(max, i64::saturating_sub);
    let granted = grantable(ask, left);
    if granted > 0 && grant(&place, (granted, debt, max), tx).await? {
        note_own(server, &place, granted, tx).await?;
        periods.own_leased += granted;
        return answer(server, &place, &periods, granted, tx).await;
    }
    answer(server, &place, &periods, 0, tx).await
}

/// As much as is wanted, if what is left allows at least what is needed.
fn grantable(ask: &LeaseAsk, left: i64) -> i64 {
    if left < ask.least.as_nanos() { 0 } else { ask.wanted.as_nanos().min(left).max(0) }
}

/// The budget of the key that asks, at this moment.
async fn budget_now(ask: &LeaseAsk, tx: &mut Tx<'_>) -> Result<Budget, StoreError> {
    let key = [Value::text(ask.tenant_id), Value::text(ask.key_id)];
    let Some(mut row) = tx.query_opt(BUDGET_OF, &key).await? else { return Ok(ask.budget) };
    let Some(max) = row.opt_int("max_budget_nano_usd")?.map(NanoUsd::from_nanos) else {
        return Ok(ask.budget);
    };
    let period: BudgetPeriod = row.parsed("budget_period")?;
    if period != ask.budget.period {
        return Err(StoreError::unavailable("the budget of the key was changed meanwhile"));
    }
    Ok(Budget { max: max.min(ask.budget.max), period })
}

/// Makes a period with what was spent in it.
async fn make(ask: &LeaseAsk, place: &[Value; 3], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    guard(tx).await?;
    let [lineage, period, first] = place.clone();
    let end = day_value(ask.span.end_day());
    let spent = tx.query_opt(SPENT, &[lineage.clone(), first.clone(), end.clone()]).await?;
    let mut spent = spent.map_or(Ok(0), |mut row| row.int("spent"))?;
    if ask.budget.period == BudgetPeriod::Lifetime {
        let key = [Value::text(ask.tenant_id), lineage.clone()];
        let imported = tx.query_opt(IMPORTED, &key).await?;
        spent = spent.saturating_add(imported.map_or(Ok(0), |mut row| row.int("spend_nano_usd"))?);
    }
    let values = [lineage, period, first, end, Value::text(ask.tenant_id), spent.into()];
    tx.execute(MAKE, &values).await.map(drop)
}

/// What is spent in the period and leased of it, and of all that share a day with it.
struct Periods {
    spent: i64,
    own_leased: i64,
    others: i64,
}

/// Reads and locks them.
async fn read_sharing(ask: &LeaseAsk, tx: &mut Tx<'_>) -> Result<Periods, StoreError> {
    let days = [ask.span.first_day(), ask.span.end_day()].map(day_value);
    let values: Vec<Value> = std::iter::once(Value::text(ask.lineage_id)).chain(days).collect();
    let mut periods = Periods { spent: 0, own_leased: 0, others: 0 };
    let first_day = i64::from(ask.span.first_day().number());
    for mut row in tx.query(SHARING, &values).await? {
        let period: BudgetPeriod = row.parsed("period")?;
        let is_own = row.int("first_day")? == first_day && period == ask.budget.period;
        let (spent, leased) = (row.int("spent_nano")?, row.int("leased_nano")?);
        if is_own {
            (periods.spent, periods.own_leased) = (spent, leased);
        } else {
            periods.others += leased;
        }
    }
    Ok(periods)
}

/// Whether so much more could be leased.
async fn grant(
    place: &[Value; 3],
    (granted, debt, max): (i64, i64, i64),
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    let values: Vec<Value> = place.iter().cloned().chain([granted.into(), debt.into(), max.into()]).collect();
    Ok(tx.execute(GRANT, &values).await? > 0)
}

async fn answer(
    server: ServerId,
    place: &[Value; 3],
    periods: &Periods,
    granted: i64,
    tx: &mut Tx<'_>,
) -> Result<Leased, StoreError> {
    let own = own(server, place, tx).await?;
    Ok(Leased {
        granted: NanoUsd::from_nanos(granted),
        spent: NanoUsd::from_nanos(periods.spent),
        own: NanoUsd::from_nanos(own),
        others: NanoUsd::from_nanos(periods.others + periods.own_leased - own),
    })
}

/// What the server has leased of the period.
async fn own(server: ServerId, place: &[Value; 3], tx: &mut Tx<'_>) -> Result<i64, StoreError> {
    let row: Option<Row> = tx.query_opt(OWN, &with(place, [server.value()])).await?;
    row.map_or(Ok(0), |mut row| money(&mut row, "leased_nano").map(NanoUsd::as_nanos))
}

async fn true_up(server: ServerId, truth: &LeaseTruth, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let place = time_values(truth.lineage_id, truth.time);
    // Whoever leases holds this lock to the end, also one of whom nobody has heard.
    tx.query(LOCK, &place).await?;
    let beyond = truth.leased.as_nanos() - own(server, &place, tx).await?;
    if beyond != 0 {
        change(server, &place, beyond, tx).await?;
    }
    tx.execute(DROP_EMPTY, &with(&place, [server.value()])).await.map(drop)
}

/// Changes what a server has leased of a period.
pub(super) async fn change(
    server: ServerId,
    place: &[Value; 3],
    by: i64,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    tx.execute(CHANGE_LEASED, &with(place, [by.into()])).await?;
    note_own(server, place, by, tx).await
}

async fn note_own(server: ServerId, place: &[Value; 3], by: i64, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute(CHANGE_OWN, &with(place, [by.into(), server.value()])).await.map(drop)
}

/// The values that name a period, and more behind them.
pub(super) fn with<const N: usize>(place: &[Value; 3], more: [Value; N]) -> Vec<Value> {
    place.iter().cloned().chain(more).collect()
}
