//! Tokens and money: what is left, what is held, and settling it.

use keystile_core::quota::{HoldState, OpenHold, Origin};
use keystile_core::text::check_line;
use keystile_core::{
    ApplicationId, CustomerId, Environment, HoldId, Invalid, KeyId, NanoUsd, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broken::Broken;
use crate::schema;

/// Most tokens that a caller can name.
const MAX_TOKENS: u64 = 1_000_000_000;
/// Longest reason for a correction, in characters.
pub(crate) const REASON_MAX: usize = 200;

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

/// A text that there may not be.
pub(crate) fn filled(text: Box<str>) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_held_to_its_range() {
        let field = |estimate: Estimate| estimate.parse().unwrap_err().field.into_owned();
        assert_eq!(field(Estimate { tokens: Some(MAX_TOKENS + 1), cost_usd: None }), "tokens");
        assert_eq!(field(Estimate { tokens: None, cost_usd: Some(-0.1) }), "cost_usd");
        let settle = SettleHold { actual: Estimate { tokens: None, cost_usd: Some(f64::NAN) } };
        assert_eq!(settle.parse().unwrap_err().field, "actual.cost_usd");
    }
}
