//! What was spent, by whom and on what.

use std::time::Duration;

use keystile_core::quota::{Day, Spend, SpendBy, SpendSum, Spending};
use keystile_core::{ApplicationId, CustomerId, Environment, Invalid, KeyId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::schema;

/// Days of a report unless others are asked for.
const USUAL_DAYS: i32 = 30;
/// Most days of a report: a year. Of each there is a sum for every key, model and provider that was used on it.
const MAX_DAYS: i32 = 366;

/// Which spending to sum up. Days are those of UTC on which requests began.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SpendQuery {
    /// By what; `key` by default.
    #[param(schema_with = schema::spend_by)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<SpendBy>,
    /// From the day that holds this moment; by default so that there are 30 days. There are 366 at the most.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Up to this moment, to the end of the day that holds the last bit before it; now by default.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Only what this key has spent.
    #[param(schema_with = schema::key_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// Only what was spent with keys that were restricted to this customer.
    #[param(schema_with = schema::customer_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Only what was spent with keys of this application.
    #[param(schema_with = schema::application_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_id: Option<ApplicationId>,
    /// Only what was spent on this model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only what was spent with keys of this environment.
    #[param(schema_with = schema::environment)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

impl SpendQuery {
    /// The days that are asked for: the first, and the first that is not.
    ///
    /// # Errors
    /// When `to` is not later than `from`, or they are more than a year apart.
    pub fn days(&self, now: Timestamp) -> Result<(Day, Day), Invalid> {
        let last = self.to.unwrap_or(now).minus(Duration::from_millis(1));
        let to = Day::of(last).plus(1);
        let from = self.from.map_or_else(|| to.plus(-USUAL_DAYS), Day::of);
        if from >= to {
            return Err(Invalid::new("to", "must be later than `from`"));
        }
        if to.number() - from.number() > MAX_DAYS {
            return Err(Invalid::new("from", format!("must be at most {MAX_DAYS} days before `to`")));
        }
        Ok((from, to))
    }

    /// By what.
    pub fn by(&self) -> SpendBy {
        self.by.unwrap_or(SpendBy::Key)
    }
}

/// What was spent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpendView {
    /// By what it is told.
    #[schema(schema_with = schema::spend_by)]
    pub by: SpendBy,
    /// When the first day begins.
    #[schema(schema_with = schema::time)]
    pub from: Timestamp,
    /// When the last day ends.
    #[schema(schema_with = schema::time)]
    pub to: Timestamp,
    /// All together, also what is in no item because there are too many of them.
    pub total: SpendFigures,
    /// Each, whoever spent most first, and days in their order; 1,000 at the most.
    pub data: Vec<SpendItem>,
    /// Whether there are more than that. A filter shows those that spent less.
    pub has_more: bool,
}

/// What was spent by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpendItem {
    /// The id of the key, customer or application, the model, or the day such as `2026-01-31`; null for what belongs to none.
    #[schema(required)]
    pub name: Option<String>,
    /// What it spent.
    #[serde(flatten)]
    pub figures: SpendFigures,
}

/// Requests, tokens and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpendFigures {
    /// Requests that were charged.
    pub requests: u64,
    /// Tokens of input that were neither read from nor written to a cache.
    pub input_tokens: u64,
    /// Tokens of input read from a cache.
    pub cached_input_tokens: u64,
    /// Tokens of input written to a cache.
    pub cache_write_tokens: u64,
    /// Tokens of output.
    pub output_tokens: u64,
    /// Money in US dollars, with corrections and what was lost.
    pub cost_usd: f64,
}

impl From<Spend> for SpendFigures {
    fn from(spend: Spend) -> Self {
        Self {
            requests: spend.requests,
            input_tokens: spend.input,
            cached_input_tokens: spend.cached_input,
            cache_write_tokens: spend.cache_write,
            output_tokens: spend.output,
            cost_usd: spend.cost.to_dollars(),
        }
    }
}

impl SpendView {
    /// The report of these days.
    pub fn new(by: SpendBy, (from, to): (Day, Day), spending: Spending) -> Self {
        let Spending { sums, total, has_more } = spending;
        let item = |sum: SpendSum| SpendItem { name: sum.name, figures: sum.spend.into() };
        let data = sums.into_iter().map(item).collect();
        Self { by, from: from.start(), to: to.start(), total: total.into(), data, has_more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_of_whole_days() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let now = at("2026-03-02T10:00:00Z").unwrap();
        let days = |from, to| {
            let days = SpendQuery { from, to, ..SpendQuery::default() }.days(now);
            days.map(|(from, to)| (from.to_string(), to.to_string()))
        };
        let both = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(days(None, None), both("2026-02-01", "2026-03-03"));
        let (first, second) = (at("2026-02-28T23:00:00Z"), at("2026-03-01T00:00:00Z"));
        assert_eq!(days(first, second), both("2026-02-28", "2026-03-01"));
        assert_eq!(days(first, at("2026-03-01T00:00:00.001Z")), both("2026-02-28", "2026-03-02"));
        assert_eq!(days(second, first).unwrap_err().field, "to");
        assert!(days(at("2025-03-02T00:00:00Z"), None).is_ok(), "366 days");
        let too_many = days(at("2025-03-01T23:59:59Z"), None).unwrap_err();
        assert_eq!((&*too_many.field, &*too_many.rule), ("from", "must be at most 366 days before `to`"));
    }
}
