//! Budgets that are near their end.

use keystile_core::Budget;
use keystile_core::overview::{NearBudget, NearBudgets};

use super::rows::{count, money};
use crate::row::{Read, Row};

/// Of the last key that was made of those of a lineage that can be used at `$2` and have a budget of this period.
macro_rules! of_key {
    ($column:literal) => {
        concat!(
            "(SELECT ",
            $column,
            " FROM api_keys WHERE api_keys.tenant_id = budgets.tenant_id
                AND api_keys.lineage_id = budgets.lineage_id AND api_keys.budget_period = budgets.period
                AND api_keys.deleted_at IS NULL AND api_keys.max_budget_nano_usd IS NOT NULL
                AND api_keys.revoked_at IS NULL AND api_keys.enabled = 1
                AND (api_keys.expires_at IS NULL OR api_keys.expires_at > $2)
                ORDER BY api_keys.id DESC LIMIT 1)"
        )
    };
}

/// Goes through the periods of the tenant that the day `$3` is in, and finds the key of each by an index. What is spent is four fifths of the budget
/// or more when the budget is at most five fourths of that.
pub(crate) const NEAR: &str = concat!(
    "SELECT key_id, name, max_nano, period, spent_nano, COUNT(*) OVER () AS counted FROM (SELECT ",
    of_key!("api_keys.id"),
    " AS key_id, ",
    of_key!("api_keys.name"),
    " AS name, ",
    of_key!("api_keys.max_budget_nano_usd"),
    " AS max_nano, budgets.period AS period, budgets.spent_nano AS spent_nano FROM budgets
        WHERE budgets.tenant_id = $1 AND budgets.end_day > $3 AND budgets.first_day <= $3
            AND budgets.spent_nano > 0) AS present
    WHERE max_nano <= spent_nano + spent_nano / 4
    ORDER BY CAST(spent_nano AS DOUBLE PRECISION) / CASE WHEN max_nano > 0 THEN max_nano ELSE 1 END DESC,
        key_id LIMIT 5"
);

/// Reads the rows of [`NEAR`].
pub(crate) fn read_near(rows: Vec<Row>) -> Read<NearBudgets> {
    let mut near = NearBudgets::default();
    for mut row in rows {
        near.first.push(read_one(&mut row)?);
        near.count = count(&mut row, "counted")?;
    }
    Ok(near)
}

fn read_one(row: &mut Row) -> Read<NearBudget> {
    let (key_id, name) = (row.parsed("key_id")?, row.parsed("name")?);
    let budget = Budget { max: money(row, "max_nano")?, period: row.parsed("period")? };
    Ok(NearBudget { key_id, name, spent: money(row, "spent_nano")?, budget })
}
