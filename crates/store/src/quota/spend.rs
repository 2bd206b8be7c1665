//! What was spent, summed up.

use keystile_core::quota::{Day, Span, Spend, SpendBy, SpendSum, Spending};
use keystile_core::{ApplicationId, CustomerId, Environment, KeyId, NanoUsd, TenantId};

use super::rows::{count, day, day_value, money};
use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

/// Most sums one report tells. The days of a year are far fewer, and who looks for one among more has filters.
pub const MOST_SUMS: usize = 1_000;

const SUMS: &str = "CAST(COALESCE(SUM(requests), 0) AS BIGINT) AS requests,
    CAST(COALESCE(SUM(input), 0) AS BIGINT) AS input,
    CAST(COALESCE(SUM(cached_input), 0) AS BIGINT) AS cached_input,
    CAST(COALESCE(SUM(cache_write), 0) AS BIGINT) AS cache_write,
    CAST(COALESCE(SUM(output), 0) AS BIGINT) AS output,
    CAST(COALESCE(SUM(cost_nano), 0) AS BIGINT) AS cost_nano
    FROM spend WHERE day >= $2 AND day < $3";
const OF_TENANT: &str = " AND tenant_id = $1";
/// Of one key, whose sums are few beside those of all keys of the tenant.
const OF_TENANT_OF_KEY: &str = " AND {aside}tenant_id = $1";
const OF_LINEAGE: &str = "SELECT CAST(COALESCE(SUM(cost_nano), 0) AS BIGINT) AS cost_nano FROM spend
    WHERE lineage_id = $1 AND day >= $2 AND day < $3";

/// Whose spending in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentOf {
    /// The first key of the lineage.
    pub lineage_id: KeyId,
    /// Since when, and until when.
    pub span: Span,
}

/// Whose spending a report is of; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendFilter {
    /// Of this key.
    pub key_id: Option<KeyId>,
    /// Of keys that were restricted to this customer.
    pub customer_id: Option<CustomerId>,
    /// Of keys that were issued to this application.
    pub application_id: Option<ApplicationId>,
    /// On this model.
    pub model: Option<String>,
    /// Of keys of this environment.
    pub environment: Option<Environment>,
}

/// A report as statements.
pub(crate) struct Asked {
    by: SpendBy,
    /// Gives the sums, one more than is told.
    pub(crate) sums: String,
    /// Gives their sum.
    total: String,
    pub(crate) values: Vec<Value>,
}

impl SpendFilter {
    /// Conditions that are not asked for are not spelled, so that an index leads to the others.
    pub(crate) fn ask(&self, tenant_id: TenantId, by: SpendBy, (from, to): (Day, Day)) -> Asked {
        let mut values = vec![Value::text(tenant_id), day_value(from), day_value(to)];
        let mut of = SUMS.to_owned() + if self.key_id.is_some() { OF_TENANT_OF_KEY } else { OF_TENANT };
        let wanted = [
            ("key_id", self.key_id.map(Value::text)),
            ("customer_id", self.customer_id.map(Value::text)),
            ("application_id", self.application_id.map(Value::text)),
            ("model", self.model.as_ref().map(Value::text)),
            ("environment", self.environment.map(Value::text)),
        ];
        for (column, value) in wanted {
            if let Some(value) = value {
                values.push(value);
                of.push_str(&format!(" AND {column} = ${}", values.len()));
            }
        }
        let (name, order) = match by {
            SpendBy::Key => ("key_id", "cost_nano DESC, name"),
            SpendBy::Customer => ("customer_id", "cost_nano DESC, name"),
            SpendBy::Application => ("application_id", "cost_nano DESC, name"),
            SpendBy::Model => ("model", "cost_nano DESC, name"),
            SpendBy::Day => ("day", "day DESC"),
        };
        let sums = format!(
            "SELECT CAST({name} AS TEXT) AS name, {of} GROUP BY {name} ORDER BY {order} LIMIT {}",
            MOST_SUMS + 1
        );
        Asked { by, sums, total: format!("SELECT {of}"), values }
    }
}

impl Store {
    /// What was spent in a tenant on requests that began from the first of `days` on and before the second. At most [`MOST_SUMS`] sums are told,
    /// while their sum is that of all.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn spend(
        &self,
        tenant_id: TenantId,
        by: SpendBy,
        days: (Day, Day),
        filter: &SpendFilter,
    ) -> Result<Spending, StoreError> {
        self.read(filter.ask(tenant_id, by, days), |asked, tx| Box::pin(sum_up(asked, tx))).await
    }

    /// What each of these lineages has spent in its time, in their order.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn spent(&self, of: &[SpentOf]) -> Result<Vec<NanoUsd>, StoreError> {
        let values = |of: &SpentOf| {
            [Value::text(of.lineage_id), day_value(of.span.first_day()), day_value(of.span.end_day())]
        };
        let args: Vec<[Value; 3]> = of.iter().map(values).collect();
        self.read(args, |args, tx| Box::pin(spent(args, tx))).await
    }
}

async fn sum_up(asked: &Asked, tx: &mut Tx<'_>) -> Result<Spending, StoreError> {
    let rows = tx.query(&asked.sums, &asked.values).await?;
    let mut sums: Vec<SpendSum> =
        rows.into_iter().map(|row| read_sum(asked.by, row)).collect::<Result<_, _>>()?;
    let has_more = sums.len() > MOST_SUMS;
    let total = if has_more {
        sums.truncate(MOST_SUMS);
        let total = tx.query_opt(&asked.total, &asked.values).await?;
        total.map_or_else(|| Ok(Spend::default()), |mut row| read_spend(&mut row))?
    } else {
        sums.iter().fold(Spend::default(), |total, sum| total.plus(sum.spend))
    };
    if asked.by == SpendBy::Day {
        sums.reverse();
    }
    Ok(Spending { sums, total, has_more })
}

fn read_sum(by: SpendBy, mut row: Row) -> Read<SpendSum> {
    let name = row.text("name")?;
    let name = match by {
        SpendBy::Day => {
            let number =
                name.parse::<i64>().map_err(|_| StoreError::Corrupt("a day is no number".to_owned()))?;
            day(number)?.to_string()
        }
        SpendBy::Key | SpendBy::Customer | SpendBy::Application | SpendBy::Model => name,
    };
    Ok(SpendSum { name: Some(name).filter(|name| !name.is_empty()), spend: read_spend(&mut row)? })
}

fn read_spend(row: &mut Row) -> Read<Spend> {
    Ok(Spend {
        requests: count(row, "requests")?,
        input: count(row, "input")?,
        cached_input: count(row, "cached_input")?,
        cache_write: count(row, "cache_write")?,
        output: count(row, "output")?,
        cost: money(row, "cost_nano")?,
    })
}

async fn spent(args: &[[Value; 3]], tx: &mut Tx<'_>) -> Result<Vec<NanoUsd>, StoreError> {
    let batch: Vec<Statement<'_>> = args.iter().map(|values| (OF_LINEAGE, &values[..])).collect();
    let rows = tx.pipeline(&batch).await?.into_iter().flatten();
    rows.map(|mut row| money(&mut row, "cost_nano")).collect()
}
