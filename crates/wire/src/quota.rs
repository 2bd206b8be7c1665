//! Tokens and money: what is left, what is held, and what was charged.

use keystile_core::quota::{
    Basis, Day, HoldState, LedgerEntry, LedgerKind, OpenHold, Origin, Spend, SpendBy, SpendSum,
};
use keystile_core::text::check_line;
use keystile_core::{
    Actor, ApplicationId, CustomerId, Environment, HoldId, Invalid, KeyId, LedgerId, NanoUsd, ProviderId,
    TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broken::Broken;
use crate::schema;

/// Most tokens that a caller can name.
const MAX_TOKENS: u64 = 1_000_000_000;
/// Longest reason for a correction, in characters.
const REASON_MAX: usize = 200;
/// Days of a report unless others are asked for.
const USUAL_DAYS: i32 = 30;
/// Most days of a report: eight years.
const MAX_DAYS: i32 = 8 * 366;

/// What a request is estimated to use at most. It is held until the hold is settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Tokens of input and output together.
    #[schema(maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// What it costs, in US dollars.
    #[schema(schema_with = schema::maybe_dollars)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// The checked numbers of an [`Estimate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimated {
    /// Tokens, if they were named.
    pub tokens: Option<u64>,
    /// The cost, if it was named.
    pub cost: Option<NanoUsd>,
}

impl Estimate {
    /// Its numbers, checked.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn parse(&self) -> Result<Estimated, Invalid> {
        if self.tokens.is_some_and(|tokens| tokens > MAX_TOKENS) {
            return Err(Invalid::new("tokens", format!("must be from 0 to {MAX_TOKENS}")));
        }
        let cost = self.cost_usd.map(NanoUsd::from_dollars).transpose();
        let cost = cost.map_err(|invalid| invalid.at("cost_usd"))?;
        Ok(Estimated { tokens: self.tokens, cost })
    }
}

/// What a request did use, for its hold to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleHold {
    /// What was used. What is left out is charged as it was held.
    pub actual: Estimate,
}

/// The same, settled by hand in the caller's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleHoldByHand {
    /// What was used. What is left out is charged as it was held.
    pub actual: Estimate,
    /// Why; 1–200 characters.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl SettleHold {
    /// Its numbers, checked.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn parse(&self) -> Result<Estimated, Invalid> {
        self.actual.parse().map_err(|invalid| invalid.at("actual"))
    }
}

impl SettleHoldByHand {
    /// Its numbers and the reason, checked.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<(Estimated, Option<Box<str>>), Vec<Invalid>> {
        let mut broken = Broken::default();
        let actual = broken.required("actual", self.actual.parse());
        let reason = self.reason.as_deref().map(|reason| check_line(reason, REASON_MAX)).transpose();
        let reason = broken.required("reason", reason);
        broken.or(actual.zip(reason.map(|reason| reason.map(Into::into))))
    }
}

/// What is left of the tokens of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokensLeft {
    /// Tokens per minute.
    pub limit: u64,
    /// Tokens that could be taken now.
    pub remaining: u64,
    /// Seconds until nothing is used any more, if nobody takes any.
    pub reset_seconds: u64,
}

/// What is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetLeftView {
    /// Most that may be spent in the period, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub max_usd: f64,
    /// What is spent.
    #[schema(schema_with = schema::dollars)]
    pub spent_usd: f64,
    /// What is held for requests under way.
    #[schema(schema_with = schema::dollars)]
    pub held_usd: f64,
    /// What could be held now.
    #[schema(schema_with = schema::dollars)]
    pub remaining_usd: f64,
    /// When the budget begins anew; left out if never.
    #[schema(schema_with = schema::time)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

/// What became of a hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettledHoldView {
    /// The hold.
    #[schema(schema_with = schema::hold_id)]
    pub hold_id: HoldId,
    /// The key it was for.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// `settled`, or `charged` if nothing was told of what was used.
    #[schema(schema_with = schema::hold_state)]
    pub state: HoldState,
    /// What was held, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub held_usd: f64,
    /// What is charged.
    #[schema(schema_with = schema::dollars)]
    pub charged_usd: f64,
    /// Tokens that were held.
    pub tokens_held: u64,
    /// Tokens that were used.
    pub tokens_used: u64,
}

/// A hold that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// Which one.
    #[schema(schema_with = schema::hold_id)]
    pub id: HoldId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// The key it is for.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// The application the key was issued to.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
    /// The customer the key is restricted to.
    #[schema(schema_with = schema::maybe_customer_id)]
    pub customer_id: Option<CustomerId>,
    /// Where the key works.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// Who has to settle it: the gateway, or whoever asked for it.
    #[schema(schema_with = schema::hold_origin)]
    pub origin: Origin,
    /// `open`.
    #[schema(schema_with = schema::hold_state)]
    pub state: HoldState,
    /// When the request began.
    #[schema(schema_with = schema::time)]
    pub opened_at: Timestamp,
    /// When it is charged in full if nobody has settled it.
    #[schema(schema_with = schema::time)]
    pub deadline_at: Timestamp,
    /// Tokens held.
    pub tokens: u64,
    /// The most that the request can cost, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub cost_usd: f64,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl From<OpenHold> for HoldView {
    fn from(hold: OpenHold) -> Self {
        Self {
            id: hold.id,
            tenant_id: hold.whose.tenant_id,
            key_id: hold.whose.key_id,
            application_id: hold.whose.application_id,
            customer_id: hold.whose.customer_id,
            environment: hold.whose.environment,
            origin: hold.origin,
            state: HoldState::Open,
            opened_at: hold.opened_at,
            deadline_at: hold.deadline_at,
            tokens: hold.tokens,
            cost_usd: hold.cost.to_dollars(),
            model: filled(hold.model),
            request_id: filled(hold.request_id),
        }
    }
}

/// One row of the ledger. Rows are added and never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LedgerView {
    /// Which one.
    #[schema(schema_with = schema::ledger_id)]
    pub id: LedgerId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// `charge`: a request was charged. `lost`: a server ended without telling what became of this part of its lease, which counts as spent.
    /// `correction`: another row was corrected.
    #[schema(schema_with = schema::ledger_kind)]
    pub kind: LedgerKind,
    /// When it was charged.
    #[schema(schema_with = schema::time)]
    pub at: Timestamp,
    /// When the request began; the budget's period in which that is pays for it.
    #[schema(schema_with = schema::time)]
    pub opened_at: Timestamp,
    /// The key that is charged; of what was lost the first of its lineage.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// The application the key was issued to.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
    /// The customer the key was restricted to.
    #[schema(schema_with = schema::maybe_customer_id)]
    pub customer_id: Option<CustomerId>,
    /// Where the key works.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// The hold that was settled.
    #[schema(schema_with = schema::hold_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<HoldId>,
    /// The model that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who served it.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<ProviderId>,
    /// Which version of the model's price was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_version: Option<u32>,
    /// What the charge rests on: the upstream's word, what was counted, or the hold.
    #[schema(schema_with = schema::basis)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// What was used.
    pub used: UsedView,
    /// What was held, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub held_usd: f64,
    /// What is charged, in US dollars; of a correction the difference, which may be below 0.
    pub cost_usd: f64,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The row that a correction refers to.
    #[schema(schema_with = schema::ledger_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<LedgerId>,
    /// Why somebody corrected it, or settled it by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who that was.
    #[schema(schema_with = schema::actor)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
}

/// Tokens and other things that were used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsedView {
    /// Tokens of input that were neither read from nor written to a cache.
    pub input_tokens: u64,
    /// Tokens of input read from a cache.
    pub cached_input_tokens: u64,
    /// Tokens of input written to a cache.
    pub cache_write_tokens: u64,
    /// Tokens of output.
    pub output_tokens: u64,
    /// Images.
    pub images: u64,
    /// Characters, of text that was spoken.
    pub characters: u64,
    /// Milliseconds of audio.
    pub audio_millis: u64,
}

impl From<LedgerEntry> for LedgerView {
    fn from(entry: LedgerEntry) -> Self {
        let used = entry.used;
        Self {
            id: entry.id,
            tenant_id: entry.whose.tenant_id,
            kind: entry.kind,
            at: entry.at,
            opened_at: entry.opened_at,
            key_id: entry.whose.key_id,
            application_id: entry.whose.application_id,
            customer_id: entry.whose.customer_id,
            environment: entry.whose.environment,
            hold_id: entry.hold_id,
            model: filled(entry.model),
            provider_id: entry.provider_id,
            price_version: entry.price_version,
            basis: entry.basis,
            used: UsedView {
                input_tokens: used.input,
                cached_input_tokens: used.cached_input,
                cache_write_tokens: used.cache_write,
                output_tokens: used.output,
                images: used.images,
                characters: used.characters,
                audio_millis: used.audio_millis,
            },
            held_usd: entry.held.to_dollars(),
            cost_usd: entry.cost.to_dollars(),
            request_id: filled(entry.request_id),
            corrects: entry.corrects,
            reason: entry.reason.map(Into::into),
            by: entry.by,
        }
    }
}

fn filled(text: Box<str>) -> Option<String> {
    (!text.is_empty()).then(|| text.into())
}

/// Which holds to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HoldListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only holds of this key.
    #[param(schema_with = schema::key_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
}

/// Which rows of the ledger to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LedgerListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only what this key is charged.
    #[param(schema_with = schema::key_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// Only what was charged for this model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only rows of this kind.
    #[param(schema_with = schema::ledger_kind)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<LedgerKind>,
    /// Charged then or later.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Charged before.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// What a row of the ledger should say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectCharge {
    /// What should be charged altogether, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub amount_usd: f64,
    /// Why; 1–200 characters.
    #[schema(schema_with = schema::line)]
    pub reason: String,
}

impl CorrectCharge {
    /// The amount and the reason, checked.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<(NanoUsd, Box<str>), Vec<Invalid>> {
        let mut broken = Broken::default();
        let amount = broken.required("amount_usd", NanoUsd::from_dollars(self.amount_usd));
        let reason = broken.required("reason", check_line(&self.reason, REASON_MAX));
        broken.or(amount.zip(reason.map(Into::into)))
    }
}

/// A row of the ledger and how it was corrected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CorrectedView {
    /// The row, which stays as it is.
    pub entry: LedgerView,
    /// What is charged for it now, with all its corrections, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub amount_usd: f64,
    /// The row that was added; left out if that was the amount already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<LedgerView>,
}

/// Which spending to sum up. Days are those of UTC on which requests began.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SpendQuery {
    /// By what; `key` by default.
    #[param(schema_with = schema::spend_by)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<SpendBy>,
    /// From the day that holds this moment; by default so that there are 30 days.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Up to this moment, to the end of the day that holds the last bit before it; now by default.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

impl SpendQuery {
    /// The days that are asked for: the first, and the first that is not.
    ///
    /// # Errors
    /// When `to` is not later than `from`, or they are more than eight years apart.
    pub fn days(&self, now: Timestamp) -> Result<(Day, Day), Invalid> {
        let last = self.to.unwrap_or(now).minus(std::time::Duration::from_millis(1));
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
    /// Each, whoever spent most first, and days in their order; 3,000 at the most.
    pub data: Vec<SpendItem>,
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
    pub fn new(by: SpendBy, (from, to): (Day, Day), sums: Vec<SpendSum>, total: Spend) -> Self {
        let item = |sum: SpendSum| SpendItem { name: sum.name, figures: sum.spend.into() };
        let data = sums.into_iter().map(item).collect();
        Self { by, from: from.start(), to: to.start(), total: total.into(), data }
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
            let days = SpendQuery { by: None, from, to }.days(now);
            days.map(|(from, to)| (from.to_string(), to.to_string()))
        };
        let both = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(days(None, None), both("2026-02-01", "2026-03-03"));
        let (first, second) = (at("2026-02-28T23:00:00Z"), at("2026-03-01T00:00:00Z"));
        assert_eq!(days(first, second), both("2026-02-28", "2026-03-01"));
        assert_eq!(days(first, at("2026-03-01T00:00:00.001Z")), both("2026-02-28", "2026-03-02"));
        assert_eq!(days(second, first).unwrap_err().field, "to");
        assert_eq!(days(at("2001-01-01T00:00:00Z"), None).unwrap_err().field, "from");
    }

    #[test]
    fn an_estimate_is_held_to_its_range() {
        let field = |estimate: Estimate| estimate.parse().unwrap_err().field.into_owned();
        assert_eq!(field(Estimate { tokens: Some(MAX_TOKENS + 1), cost_usd: None }), "tokens");
        assert_eq!(field(Estimate { tokens: None, cost_usd: Some(-0.1) }), "cost_usd");
        let settle = SettleHold { actual: Estimate { tokens: None, cost_usd: Some(f64::NAN) } };
        assert_eq!(settle.parse().unwrap_err().field, "actual.cost_usd");
    }
}
