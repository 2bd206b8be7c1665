//! A server takes up what others, which run no more, have left. Nodes that have a row run.

use keystile_core::llm::Consumption;
use keystile_core::quota::{Basis, BudgetTime, LedgerEntry, LedgerKind, OpenHold, Origin, Settlement, Whose};
use keystile_core::{HoldId, KeyId, LedgerId, NanoUsd, TenantId, Timestamp};

use super::lease::{change, with};
use super::rows::{self, day, money, time_values};
use super::settle::{close, settle};
use super::{ServerId, guard};
use crate::row::Row;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// How many holds, and how many leases, one transaction takes up.
const AT_ONCE: i64 = 500;

const ADOPT: &str = "UPDATE holds SET server = $1 WHERE id = $2";
const LEASES: &str = "SELECT server, lineage_id, period, first_day, leased_nano FROM budget_leases
    WHERE server <> $1 AND server NOT IN (SELECT server FROM nodes)
    ORDER BY lineage_id, period, first_day, server LIMIT $2";
const PERIOD: &str = "SELECT tenant_id, end_day FROM budgets
    WHERE lineage_id = $1 AND period = $2 AND first_day = $3";
const DROP: &str = "DELETE FROM budget_leases
    WHERE server = $4 AND lineage_id = $1 AND period = $2 AND first_day = $3";
/// The oldest key there is of a lineage: mostly its first.
const KEY: &str = "SELECT id, application_id, customer_id, environment FROM api_keys
    WHERE tenant_id = $1 AND lineage_id = $2 ORDER BY id LIMIT 1";

/// What was taken up.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TakenUp {
    /// Holds that callers have and may still settle; their leases are the server's now.
    pub adopted: Vec<OpenHold>,
    /// How many holds of requests that have ended with their server were charged in full.
    pub charged: usize,
    /// What else was leased, and counts as spent.
    pub lost: NanoUsd,
    /// Whether there may be more.
    pub is_partial: bool,
}

impl Store {
    /// Takes up a part of what other servers have left: none may run but nodes. Holds of callers go on under `server`; those of a gateway are
    /// charged in full, as nobody knows what they used; what else was leased is entered as lost. `random` makes the ids of rows, another one for
    /// each call.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn take_up_quota(
        &self,
        server: ServerId,
        now: Timestamp,
        random: u128,
    ) -> Result<TakenUp, StoreError> {
        let args = (server, now, random);
        self.write_quietly(args, |(server, now, random), tx| Box::pin(take_up(*server, *now, *random, tx)))
            .await
    }

    /// Takes up one hold that another server has left, so that it goes on under `server`; also gives one that does so already. `None` if there is
    /// no such hold of the tenant, or its node runs.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn take_up_hold(
        &self,
        server: ServerId,
        tenant_id: TenantId,
        id: HoldId,
    ) -> Result<Option<OpenHold>, StoreError> {
        let args = (server, [Value::text(tenant_id), Value::text(id)]);
        self.write_quietly(args, |(server, which), tx| Box::pin(take_up_one(*server, which, tx))).await
    }
}

async fn take_up_one(
    server: ServerId,
    which: &[Value; 2],
    tx: &mut Tx<'_>,
) -> Result<Option<OpenHold>, StoreError> {
    guard(tx).await?;
    let sql = format!(
        "SELECT server, {} FROM holds WHERE tenant_id = $1 AND id = $2
            AND (server = $3 OR server NOT IN (SELECT server FROM nodes))",
        rows::HOLD
    );
    let [tenant, id] = which.clone();
    let Some(mut row) = tx.query_opt(&sql, &[tenant, id, server.value()]).await? else { return Ok(None) };
    let other = read_server(&mut row)?;
    let hold = rows::read_hold(&mut row)?;
    if other != server {
        adopt((other, server), &hold, tx).await?;
    }
    Ok(Some(hold))
}

async fn take_up(
    server: ServerId,
    now: Timestamp,
    random: u128,
    tx: &mut Tx<'_>,
) -> Result<TakenUp, StoreError> {
    guard(tx).await?;
    let holds = format!(
        "SELECT server, {} FROM holds WHERE server <> $1 AND server NOT IN (SELECT server FROM nodes)
            ORDER BY server, id LIMIT $2",
        rows::HOLD
    );
    let values = [server.value(), AT_ONCE.into()];
    let holds = tx.query(&holds, &values).await?;
    let mut taken = TakenUp { is_partial: !holds.is_empty(), ..TakenUp::default() };
    for mut row in holds {
        let other = read_server(&mut row)?;
        let hold = rows::read_hold(&mut row)?;
        match hold.origin {
            Origin::Caller => {
                adopt((other, server), &hold, tx).await?;
                taken.adopted.push(hold);
            }
            Origin::Gateway => {
                charge(other, &hold, now, tx).await?;
                taken.charged += 1;
            }
        }
    }
    if !taken.is_partial {
        take_up_leases(server, (now, random), &mut taken, tx).await?;
    }
    Ok(taken)
}

/// What is left of leases when no hold is.
async fn take_up_leases(
    server: ServerId,
    (now, random): (Timestamp, u128),
    taken: &mut TakenUp,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let leases = tx.query(LEASES, &[server.value(), AT_ONCE.into()]).await?;
    taken.is_partial = !leases.is_empty();
    for (mut row, number) in leases.into_iter().zip(0_u128..) {
        let other = read_server(&mut row)?;
        let lineage_id = row.parsed("lineage_id")?;
        let time = BudgetTime { period: row.parsed("period")?, first_day: day(row.int("first_day")?)? };
        let left = money(&mut row, "leased_nano")?;
        let id = LedgerId::from_parts(now, random.wrapping_add(number));
        taken.lost = NanoUsd::from_nanos(taken.lost.as_nanos() + left.as_nanos().max(0));
        lose(other, (lineage_id, time), left, (id, now), tx).await?;
    }
    Ok(())
}

fn read_server(row: &mut Row) -> Result<ServerId, StoreError> {
    row.bits("server").map(ServerId::new)
}

/// The hold goes on under another server, and so does what was leased for it.
async fn adopt(
    (other, server): (ServerId, ServerId),
    hold: &OpenHold,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    tx.execute(ADOPT, &[server.value(), Value::text(hold.id)]).await?;
    if let (Some(lineage_id), Some(time)) = (hold.whose.lineage_id, hold.budget) {
        let place = time_values(lineage_id, time);
        change(other, &place, -hold.cost.as_nanos(), tx).await?;
        change(server, &place, hold.cost.as_nanos(), tx).await?;
    }
    Ok(())
}

/// Nobody knows what the request used.
async fn charge(other: ServerId, hold: &OpenHold, now: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let entry = LedgerEntry {
        id: LedgerId::from_parts(now, hold.id.as_u128()),
        kind: LedgerKind::Charge,
        whose: Whose { lineage_id: hold.whose.lineage_id.or(Some(hold.whose.key_id)), ..hold.whose },
        at: now,
        opened_at: hold.opened_at,
        hold_id: Some(hold.id),
        model: hold.model.clone(),
        provider_id: None,
        price_version: None,
        basis: Some(Basis::Hold),
        used: Consumption::default(),
        held: hold.cost,
        tokens_held: Some(hold.tokens),
        cost: hold.cost,
        request_id: hold.request_id.clone(),
        corrects: None,
        reason: None,
        by: None,
    };
    let from_lease = if hold.budget.is_some() { hold.cost } else { NanoUsd::ZERO };
    let settlement = Settlement { entry, budget: hold.budget, from_lease, is_noted: true, audit: None };
    settle(other, &[settlement], tx).await?;
    close(&[hold.id], tx).await
}

/// What is left of a lease is spent, as far as anybody knows. One that holds were taken from beyond what it had is corrected.
async fn lose(
    other: ServerId,
    (lineage_id, time): (KeyId, BudgetTime),
    left: NanoUsd,
    (id, now): (LedgerId, Timestamp),
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let place = time_values(lineage_id, time);
    if left > NanoUsd::ZERO
        && let Some(whose) = key_of(lineage_id, &place, tx).await?
    {
        let (whose, last_day) = whose;
        // A clock that was set back must not give it to an earlier period.
        let opened_at = now.max(time.first_day.start()).min(last_day);
        let entry = LedgerEntry {
            id,
            kind: LedgerKind::Lost,
            whose,
            at: now,
            opened_at,
            hold_id: None,
            model: Box::default(),
            provider_id: None,
            price_version: None,
            basis: None,
            used: Consumption::default(),
            held: left,
            tokens_held: None,
            cost: left,
            request_id: Box::default(),
            corrects: None,
            reason: None,
            by: None,
        };
        let settlement =
            Settlement { entry, budget: Some(time), from_lease: left, is_noted: false, audit: None };
        settle(other, &[settlement], tx).await?;
    } else {
        change(other, &place, -left.as_nanos(), tx).await?;
    }
    tx.execute(DROP, &with(&place, [other.value()])).await.map(drop)
}

/// Whom to charge, and the last day that pays.
async fn key_of(
    lineage_id: KeyId,
    place: &[Value; 3],
    tx: &mut Tx<'_>,
) -> Result<Option<(Whose, Timestamp)>, StoreError> {
    let Some(mut row) = tx.query_opt(PERIOD, place).await? else { return Ok(None) };
    let tenant_id: TenantId = row.parsed("tenant_id")?;
    let last_day = day(row.int("end_day")?)?.plus(-1).start();
    let key = [Value::text(tenant_id), Value::text(lineage_id)];
    let Some(mut row) = tx.query_opt(KEY, &key).await? else { return Ok(None) };
    let whose = Whose {
        tenant_id,
        key_id: row.parsed("id")?,
        lineage_id: Some(lineage_id),
        application_id: row.parsed("application_id")?,
        customer_id: row.opt_parsed("customer_id")?,
        environment: row.parsed("environment")?,
    };
    Ok(Some((whose, last_day)))
}
