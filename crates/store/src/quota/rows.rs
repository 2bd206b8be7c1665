//! Rows of holds and of the ledger, as columns.

use std::sync::LazyLock;

use keystile_core::llm::Consumption;
use keystile_core::quota::{Basis, BudgetTime, Day, LedgerEntry, OpenHold, Whose};
use keystile_core::{KeyId, LedgerId, NanoUsd};

use super::ServerId;
use crate::StoreError;
use crate::chunked::{Chunked, places};
use crate::row::{Read, Row};
use crate::value::Value;

/// What a `SELECT` names for [`read_entry`].
pub(super) const ENTRY: &str = "id, kind, tenant_id, key_id, lineage_id, application_id, customer_id, environment,
    opened_at, hold_id, model, provider_id, price_version, basis, input, cached_input, cache_write, output, images,
    characters, audio_millis, held_nano, tokens_held, cost_nano, request_id, corrects, reason, by_actor";
const ENTRY_COLUMNS: usize = 28;

/// What a `SELECT` names for [`read_hold`].
pub(super) const HOLD: &str =
    "id, tenant_id, key_id, lineage_id, application_id, customer_id, environment, origin,
    opened_at, deadline_at, tokens, cost_nano, period, first_day, model, request_id";

/// Adds rows to the ledger, and gives the ids of those that were not there: neither their id nor their hold.
pub(super) static ADD: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|rows| {
        let rows = places(rows, ENTRY_COLUMNS);
        format!("INSERT INTO ledger ({ENTRY}) VALUES {rows} ON CONFLICT DO NOTHING RETURNING id")
    })
});

/// Adds holds, those that are there being left as they are.
pub(super) static OPEN: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|rows| {
        let rows = places(rows, 17);
        format!("INSERT INTO holds ({HOLD}, server) VALUES {rows} ON CONFLICT DO NOTHING")
    })
});

/// The columns of [`ENTRY`]. A row whose lineage is not known is of that of its key.
pub(super) fn entry_values(entry: &LedgerEntry) -> Vec<Value> {
    let LedgerEntry { whose, used, .. } = entry;
    vec![
        Value::id(entry.id),
        Value::Word(entry.kind.as_str()),
        Value::id(whose.tenant_id),
        Value::id(whose.key_id),
        Value::id(whose.lineage_id.unwrap_or(whose.key_id)),
        Value::id(whose.application_id),
        Value::opt_id(whose.customer_id),
        Value::Word(whose.environment.as_str()),
        entry.opened_at.into(),
        Value::opt_id(entry.hold_id),
        Value::Text(entry.model.as_ref().to_owned()),
        Value::opt_id(entry.provider_id),
        Value::count(entry.price_version.map(u64::from)),
        Value::opt_word(entry.basis.map(Basis::as_str)),
        Value::count(Some(used.input)),
        Value::count(Some(used.cached_input)),
        Value::count(Some(used.cache_write)),
        Value::count(Some(used.output)),
        Value::count(Some(used.images)),
        Value::count(Some(used.characters)),
        Value::count(Some(used.audio_millis)),
        entry.held.as_nanos().into(),
        Value::count(entry.tokens_held),
        entry.cost.as_nanos().into(),
        Value::Text(entry.request_id.as_ref().to_owned()),
        Value::opt_id(entry.corrects),
        Value::opt_text(entry.reason.as_ref()),
        Value::opt_text(entry.by),
    ]
}

/// Reads the columns of [`ENTRY`].
pub(super) fn read_entry(mut row: Row) -> Read<LedgerEntry> {
    let row = &mut row;
    let id: LedgerId = row.parsed("id")?;
    let kind = row.parsed("kind")?;
    let whose = Whose {
        tenant_id: row.parsed("tenant_id")?,
        key_id: row.parsed("key_id")?,
        lineage_id: row.opt_parsed("lineage_id")?,
        application_id: row.parsed("application_id")?,
        customer_id: row.opt_parsed("customer_id")?,
        environment: row.parsed("environment")?,
    };
    Ok(LedgerEntry {
        id,
        kind,
        whose,
        at: id.made_at(),
        opened_at: row.time("opened_at")?,
        hold_id: row.opt_parsed("hold_id")?,
        model: row.text("model")?.into(),
        provider_id: row.opt_parsed("provider_id")?,
        price_version: row.opt_count("price_version")?.and_then(|version| u32::try_from(version).ok()),
        basis: row.opt_parsed("basis")?,
        used: read_used(row)?,
        held: money(row, "held_nano")?,
        tokens_held: row.opt_count("tokens_held")?,
        cost: money(row, "cost_nano")?,
        request_id: row.text("request_id")?.into(),
        corrects: row.opt_parsed("corrects")?,
        reason: row.opt_text("reason")?.map(Into::into),
        by: row.opt_parsed("by_actor")?,
    })
}

fn read_used(row: &mut Row) -> Read<Consumption> {
    Ok(Consumption {
        input: count(row, "input")?,
        cached_input: count(row, "cached_input")?,
        cache_write: count(row, "cache_write")?,
        output: count(row, "output")?,
        images: count(row, "images")?,
        characters: count(row, "characters")?,
        audio_millis: count(row, "audio_millis")?,
    })
}

/// The columns of [`HOLD`], and the server behind them.
pub(super) fn hold_values(hold: &OpenHold, server: ServerId) -> Vec<Value> {
    let OpenHold { whose, .. } = hold;
    vec![
        Value::id(hold.id),
        Value::id(whose.tenant_id),
        Value::id(whose.key_id),
        Value::opt_id(whose.lineage_id),
        Value::id(whose.application_id),
        Value::opt_id(whose.customer_id),
        Value::Word(whose.environment.as_str()),
        Value::Word(hold.origin.as_str()),
        hold.opened_at.into(),
        hold.deadline_at.into(),
        Value::count(Some(hold.tokens)),
        hold.cost.as_nanos().into(),
        Value::opt_word(hold.budget.map(|time| time.period.as_str())),
        hold.budget.map(|time| i64::from(time.first_day.number())).into(),
        Value::Text(hold.model.as_ref().to_owned()),
        Value::Text(hold.request_id.as_ref().to_owned()),
        server.value(),
    ]
}

/// Reads the columns of [`HOLD`].
pub(super) fn read_hold(row: &mut Row) -> Read<OpenHold> {
    Ok(OpenHold {
        id: row.parsed("id")?,
        whose: Whose {
            tenant_id: row.parsed("tenant_id")?,
            key_id: row.parsed("key_id")?,
            lineage_id: row.opt_parsed("lineage_id")?,
            application_id: row.parsed("application_id")?,
            customer_id: row.opt_parsed("customer_id")?,
            environment: row.parsed("environment")?,
        },
        origin: row.parsed("origin")?,
        opened_at: row.time("opened_at")?,
        deadline_at: row.time("deadline_at")?,
        tokens: count(row, "tokens")?,
        cost: money(row, "cost_nano")?,
        budget: read_time(row)?,
        model: row.text("model")?.into(),
        request_id: row.text("request_id")?.into(),
    })
}

fn read_time(row: &mut Row) -> Read<Option<BudgetTime>> {
    let period = row.opt_parsed("period")?;
    let first_day = row.opt_int("first_day")?.map(day).transpose()?;
    Ok(period.zip(first_day).map(|(period, first_day)| BudgetTime { period, first_day }))
}

/// The day with this number.
pub(crate) fn day(number: i64) -> Read<Day> {
    let number = i32::try_from(number);
    number.map(Day::from_number).map_err(|_| StoreError::Corrupt("a day is out of range".to_owned()))
}

pub(crate) fn day_value(day: Day) -> Value {
    Value::Int(day.number().into())
}

pub(crate) fn money(row: &mut Row, column: &str) -> Read<NanoUsd> {
    row.int(column).map(NanoUsd::from_nanos)
}

/// A count that cannot be missing.
pub(super) fn count(row: &mut Row, column: &str) -> Read<u64> {
    let negative = |_| StoreError::Corrupt(format!("column `{column}` is negative"));
    u64::try_from(row.int(column)?).map_err(negative)
}

/// The three values that name a period: lineage, kind and first day.
pub(crate) fn time_values(lineage_id: KeyId, time: BudgetTime) -> [Value; 3] {
    [Value::text(lineage_id), Value::text(time.period), day_value(time.first_day)]
}
