//! What was spent, summed up.

use keystile_core::quota::{Day, Span, Spend, SpendBy, SpendSum};
use keystile_core::{KeyId, NanoUsd, TenantId};

use super::rows::{count, day, day_value, money};
use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

/// Most sums one report tells. Whoever spent most comes first, and days come in their order; there are no more than eight years of them.
pub const MOST_SUMS: u32 = 3_000;

const SUMS: &str = "CAST(COALESCE(SUM(requests), 0) AS BIGINT) AS requests,
    CAST(COALESCE(SUM(input), 0) AS BIGINT) AS input,
    CAST(COALESCE(SUM(cached_input), 0) AS BIGINT) AS cached_input,
    CAST(COALESCE(SUM(cache_write), 0) AS BIGINT) AS cache_write,
    CAST(COALESCE(SUM(output), 0) AS BIGINT) AS output,
    CAST(COALESCE(SUM(cost_nano), 0) AS BIGINT) AS cost_nano
    FROM spend WHERE tenant_id = $1 AND day >= $2 AND day < $3";
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

impl Store {
    /// What a tenant has spent on requests that began from the day `from` on and before `to`: the sums, and their sum. At most [`MOST_SUMS`] are
    /// told, while their sum is that of all.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn spend(
        &self,
        tenant_id: TenantId,
        by: SpendBy,
        (from, to): (Day, Day),
    ) -> Result<(Vec<SpendSum>, Spend), StoreError> {
        let args = (by, [Value::text(tenant_id), day_value(from), day_value(to)]);
        self.read(args, |(by, args), tx| Box::pin(sum_up(*by, args, tx))).await
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

async fn sum_up(
    by: SpendBy,
    args: &[Value; 3],
    tx: &mut Tx<'_>,
) -> Result<(Vec<SpendSum>, Spend), StoreError> {
    let (name, order) = match by {
        SpendBy::Key => ("key_id", "cost_nano DESC, name"),
        SpendBy::Customer => ("customer_id", "cost_nano DESC, name"),
        SpendBy::Application => ("application_id", "cost_nano DESC, name"),
        SpendBy::Model => ("model", "cost_nano DESC, name"),
        SpendBy::Day => ("day", "day DESC"),
    };
    let sums = format!(
        "SELECT CAST({name} AS TEXT) AS name, {SUMS} GROUP BY {name} ORDER BY {order} LIMIT {MOST_SUMS}"
    );
    let mut sums: Vec<SpendSum> =
        tx.query(&sums, args).await?.into_iter().map(|row| read_sum(by, row)).collect::<Result<_, _>>()?;
    if by == SpendBy::Day {
        sums.reverse();
    }
    let total = tx.query_opt(&format!("SELECT {SUMS}"), args).await?;
    let total = total.map_or_else(|| Ok(Spend::default()), |mut row| read_spend(&mut row))?;
    Ok((sums, total))
}

fn read_sum(by: SpendBy, mut row: Row) -> Read<SpendSum> {
    let name = row.text("name")?;
    let name = match by {
        SpendBy::Day => {
            let number = name.parse::<i64>().map_err(|_| StoreError::Corrupt("a day is no number".to_owned()))?;
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
