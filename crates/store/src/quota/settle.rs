//! Writing what was charged: the ledger, its sums, and the budgets that pay.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

use keystile_core::quota::{BudgetTime, Day, LedgerEntry, LedgerKind, QuotaBatch, Settlement};
use keystile_core::{ApplicationId, CustomerId, Environment, HoldId, KeyId, LedgerId, ProviderId, TenantId};

use super::lease::{CHANGE_LEASED, CHANGE_OWN, OWN, with};
use super::rows::{self, day_value, time_values};
use super::{ServerId, guard};
use crate::chunked::{Chunked, places};
use crate::row::Row;
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, audit};

/// Most statements that are sent together: an answer to each is kept until the last.
const TOGETHER: usize = 500;

const LINEAGE: &str = "SELECT lineage_id FROM api_keys WHERE tenant_id = $1 AND id = $2";
/// Where sums end: a thousand million dollars, or as many tokens. Beyond it they stand still, so that upstreams that lie without measure fill no
/// integer: a sum that cannot be written would keep the charges of all others from being written, too.
const MOST: i64 = 1_000_000_000_000_000_000;

/// It notes that there is something to look at, too, for those who are told of budgets.
static SPEND: LazyLock<String> = LazyLock::new(|| {
    let spent = held_sum("spent_nano", "CAST($3 AS BIGINT)");
    format!(
        "UPDATE budgets SET spent_nano = {spent}, is_changed = 1
         WHERE lineage_id = $1 AND first_day <= $2 AND end_day > $2"
    )
});

static CLOSE: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|rows| {
        let ids: Vec<String> = (1..=rows).map(|place| format!("${place}")).collect();
        format!("DELETE FROM holds WHERE id IN ({})", ids.join(", "))
    })
});

static ADD_UP: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|rows| {
        let added = |column: &&str| {
            let sum = held_sum(&format!("spend.{column}"), &format!("excluded.{column}"));
            format!("{column} = {sum}")
        };
        let added: Vec<String> = SUMMED.iter().map(added).collect();
        format!(
            "INSERT INTO spend (tenant_id, day, key_id, model, provider_id, customer_id, application_id, lineage_id,
                environment, requests, input, cached_input, cache_write, output, cost_nano) VALUES {}
             ON CONFLICT (tenant_id, day, key_id, model, provider_id, customer_id) DO UPDATE SET {}",
            places(rows, 15),
            added.join(", ")
        )
    })
});

/// What is summed up, in the order of [`Sums`].
const SUMMED: [&str; 6] = ["requests", "input", "cached_input", "cache_write", "output", "cost_nano"];

/// The sum of two integers of which neither is far below nothing, held to [`MOST`].
fn held_sum(one: &str, other: &str) -> String {
    format!("CASE WHEN {one} > {MOST} - {other} THEN {MOST} ELSE {one} + {other} END")
}

impl Store {
    /// Writes what a server has charged, and which of its holds are open. A charge of a hold that has one is left out, together with all that
    /// follows from it, so that a batch can be offered again.
    ///
    /// # Errors
    /// When the database is unavailable; nothing was written then.
    pub async fn write_quota(&self, server: ServerId, batch: Arc<QuotaBatch>) -> Result<(), StoreError> {
        let is_told = batch.settled.iter().any(|settlement| settlement.audit.is_some());
        let args = (server, batch);
        if is_told {
            self.write(args, |(server, batch), tx| Box::pin(write(*server, batch, tx))).await
        } else {
            self.write_quietly(args, |(server, batch), tx| Box::pin(write(*server, batch, tx))).await
        }
    }
}

async fn write(server: ServerId, batch: &QuotaBatch, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    guard(tx).await?;
    let settled = with_lineages(&batch.settled, tx).await?;
    settle(server, &settled, tx).await?;
    let noted = settled.iter().filter(|settlement| settlement.is_noted);
    let mut over: Vec<HoldId> = noted.filter_map(|settlement| settlement.entry.hold_id).collect();
    over.extend(&batch.released);
    close(&over, tx).await?;
    let opened: Vec<_> = batch.opened.iter().map(|hold| rows::hold_values(hold, server)).collect();
    rows::OPEN.write(opened, tx).await.map(drop)
}

/// Keys without limits are charged without knowing their lineage; here it is.
async fn with_lineages<'s>(
    settled: &'s [Settlement],
    tx: &mut Tx<'_>,
) -> Result<Cow<'s, [Settlement]>, StoreError> {
    let is_named = |settlement: &Settlement| settlement.entry.whose.lineage_id.is_some();
    if settled.iter().all(is_named) {
        return Ok(Cow::Borrowed(settled));
    }
    let (mut named, mut known) = (settled.to_vec(), BTreeMap::<KeyId, KeyId>::new());
    for settlement in named.iter_mut().filter(|settlement| !is_named(settlement)) {
        let whose = &mut settlement.entry.whose;
        let lineage_id = match known.get(&whose.key_id) {
            Some(lineage_id) => *lineage_id,
            None => {
                let key = [Value::text(whose.tenant_id), Value::text(whose.key_id)];
                let row = tx.query_opt(LINEAGE, &key).await?;
                let read = row.map(|mut row| row.parsed("lineage_id")).transpose()?;
                read.unwrap_or(whose.key_id)
            }
        };
        known.insert(whose.key_id, lineage_id);
        whose.lineage_id = Some(lineage_id);
    }
    Ok(Cow::Owned(named))
}

/// Adds charges to the ledger, to its sums and to what is spent of budgets, and takes them from what the server has leased. Those that
/// were added before are left out.
pub(super) async fn settle(
    server: ServerId,
    settled: &[Settlement],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let values: Vec<_> = settled.iter().map(|settlement| rows::entry_values(&settlement.entry)).collect();
    let added = rows::ADD.run(values, tx).await?;
    let added: HashSet<LedgerId> =
        added.into_iter().map(|mut row| row.parsed("id")).collect::<Result<_, _>>()?;
    let is_new = |settlement: &&Settlement| added.contains(&settlement.entry.id);
    let new: Vec<&Settlement> = settled.iter().filter(is_new).collect();
    let entries: Vec<&LedgerEntry> = new.iter().map(|settlement| &settlement.entry).collect();
    add_up(&entries, tx).await?;
    shrink_leases(server, &new, tx).await?;
    let told: Vec<_> = new.iter().filter_map(|settlement| settlement.audit.as_deref()).collect();
    for entry in told {
        tx.execute(audit::INSERT, &audit::values(entry)).await?;
    }
    Ok(())
}

/// Where a row of the ledger is summed up: what the table has one row of.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'e> {
    tenant_id: TenantId,
    day: Day,
    key_id: KeyId,
    model: &'e str,
    provider_id: Option<ProviderId>,
    customer_id: Option<CustomerId>,
}

/// What goes with the key of a place.
#[derive(Clone, Copy)]
struct Belonging {
    application_id: ApplicationId,
    lineage_id: KeyId,
    environment: Environment,
}

/// Requests, four kinds of tokens, and money.
type Sums = [i64; 6];

/// Adds rows that are new in the ledger to its sums and to all periods of budgets that pay for them.
pub(super) async fn add_up(entries: &[&LedgerEntry], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let mut sums: BTreeMap<Place<'_>, (Belonging, Sums)> = BTreeMap::new();
    let mut costs: BTreeMap<(KeyId, Day), i64> = BTreeMap::new();
    for entry in entries {
        let (place, belonging) = (place_of(entry), belonging_of(entry));
        let cost = costs.entry((belonging.lineage_id, place.day)).or_default();
        *cost = cost.saturating_add(entry.cost.as_nanos()).min(MOST);
        let (_, sums) = sums.entry(place).or_insert((belonging, Sums::default()));
        for (sum, more) in sums.iter_mut().zip(sums_of(entry)) {
            *sum = sum.saturating_add(more).min(MOST);
        }
    }
    let row = |(place, (belonging, sums))| sum_values(&place, belonging, sums);
    let rows: Vec<_> = sums.into_iter().map(row).collect();
    ADD_UP.write(rows, tx).await?;
    let spend = |((lineage_id, day), cost): ((KeyId, Day), i64)| {
        (SPEND.as_str(), vec![Value::text(lineage_id), day_value(day), cost.into()])
    };
    let spent: Vec<_> = costs.into_iter().map(spend).collect();
    run_all(&spent, tx).await.map(drop)
}

fn place_of(entry: &LedgerEntry) -> Place<'_> {
    let whose = entry.whose;
    Place {
        tenant_id: whose.tenant_id,
        day: Day::of(entry.opened_at),
        key_id: whose.key_id,
        model: &entry.model,
        provider_id: entry.provider_id,
        customer_id: whose.customer_id,
    }
}

fn belonging_of(entry: &LedgerEntry) -> Belonging {
    let whose = entry.whose;
    Belonging {
        application_id: whose.application_id,
        lineage_id: whose.lineage_id.unwrap_or(whose.key_id),
        environment: whose.environment,
    }
}

fn sums_of(entry: &LedgerEntry) -> Sums {
    let requests = match entry.kind {
        LedgerKind::Charge => 1,
        LedgerKind::Lost | LedgerKind::Correction => 0,
    };
    let used = entry.used;
    let [input, cached, written, output] = [used.input, used.cached_input, used.cache_write, used.output]
        .map(|tokens| i64::try_from(tokens).unwrap_or(MOST));
    [requests, input, cached, written, output, entry.cost.as_nanos()]
}

/// Who has no provider, or no customer, has an empty text for it.
fn sum_values(place: &Place<'_>, belonging: Belonging, sums: Sums) -> Vec<Value> {
    let nobody = || Value::Word("");
    let place = [
        Value::text(place.tenant_id),
        day_value(place.day),
        Value::text(place.key_id),
        Value::text(place.model),
        place.provider_id.map_or_else(nobody, Value::text),
        place.customer_id.map_or_else(nobody, Value::text),
        Value::text(belonging.application_id),
        Value::text(belonging.lineage_id),
        Value::text(belonging.environment),
    ];
    place.into_iter().chain(sums.map(Value::Int)).collect()
}

/// What was charged is not leased any more. A server whose leases another one has taken up meanwhile has none to take it from: it counts as
/// spent already.
async fn shrink_leases(server: ServerId, settled: &[&Settlement], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let mut leased: BTreeMap<(KeyId, BudgetTime), i64> = BTreeMap::new();
    for settlement in settled {
        if let (Some(lineage_id), Some(time)) = (settlement.entry.whose.lineage_id, settlement.budget) {
            *leased.entry((lineage_id, time)).or_default() += settlement.from_lease.as_nanos();
        }
    }
    let leased: Vec<_> =
        leased.into_iter().map(|((id, time), nanos)| (time_values(id, time), nanos)).collect();
    let own = |(place, _): &([Value; 3], i64)| (OWN, with(place, [server.value()]));
    let own: Vec<_> = leased.iter().map(own).collect();
    let own = run_all(&own, tx).await?;
    let mut changes = Vec::new();
    for ((place, nanos), own) in leased.into_iter().zip(own) {
        let own = own.into_iter().next().map_or(Ok(0), |mut row| row.int("leased_nano"))?;
        let by = -nanos.min(own);
        if by != 0 {
            changes.push((CHANGE_LEASED, with(&place, [by.into()])));
            changes.push((CHANGE_OWN, with(&place, [by.into(), server.value()])));
        }
    }
    run_all(&changes, tx).await.map(drop)
}

/// Holds are open no more.
pub(super) async fn close(ids: &[HoldId], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let ids: Vec<_> = ids.iter().map(|id| vec![Value::id(*id)]).collect();
    CLOSE.write(ids, tx).await.map(drop)
}

/// Runs statements in their order, many at a time, and gives the rows of each.
async fn run_all(statements: &[(&str, Vec<Value>)], tx: &mut Tx<'_>) -> Result<Vec<Vec<Row>>, StoreError> {
    let mut rows = Vec::with_capacity(statements.len());
    for chunk in statements.chunks(TOGETHER) {
        let chunk: Vec<Statement<'_>> = chunk.iter().map(|(sql, values)| (*sql, values.as_slice())).collect();
        rows.extend(tx.pipeline(&chunk).await?);
    }
    Ok(rows)
}
