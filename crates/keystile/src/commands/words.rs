//! Words of the command line that stand for values.

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use keystile_core::key::{KeySort, RuleFormat, SortOrder};
use keystile_core::quota::{LedgerKind, SpendBy};
use keystile_core::usage::Step;
use keystile_core::{
    Action, AllowedIps, DeliveryState, Encoding, Environment, Invalid, JobKind, JobState, KeyStatus,
    LogExportFormat, LogFace, LogRequests, LogResult, NanoUsd, OnLeak, Protocol, Role, TrustLevel,
    WebhookEvent,
};
use keystile_wire::BlockKey;
use serde_json::{Map, Value};

/// One of `names`, as text.
pub(crate) fn one_of(names: impl IntoIterator<Item = &'static str>) -> PossibleValuesParser {
    PossibleValuesParser::new(names)
}

/// One of the environments.
pub(crate) fn environment() -> impl TypedValueParser<Value = Environment> {
    member(Environment::ALL.iter().map(|e| e.as_str()))
}

/// One of the protocols of providers.
pub(crate) fn protocol() -> impl TypedValueParser<Value = Protocol> {
    member(Protocol::ALL.iter().map(|protocol| protocol.as_str()))
}

/// One of the ways in which texts become tokens.
pub(crate) fn encoding() -> impl TypedValueParser<Value = Encoding> {
    member(Encoding::ALL.iter().map(|encoding| encoding.as_str()))
}

/// One of the statuses.
pub(crate) fn status() -> impl TypedValueParser<Value = KeyStatus> {
    member(KeyStatus::ALL.iter().map(|s| s.as_str()))
}

/// One of the trust levels.
pub(crate) fn trust_level() -> impl TypedValueParser<Value = TrustLevel> {
    member(TrustLevel::ALL.iter().map(|t| t.as_str()))
}

/// One of the ways to treat keys that leaked.
pub(crate) fn on_leak() -> impl TypedValueParser<Value = OnLeak> {
    member(OnLeak::ALL.iter().map(|wanted| wanted.as_str()))
}

/// Which requests are logged.
pub(crate) fn log_requests() -> impl TypedValueParser<Value = LogRequests> {
    member(LogRequests::ALL.iter().map(|wanted| wanted.as_str()))
}

/// What was asked.
pub(crate) fn log_face() -> impl TypedValueParser<Value = LogFace> {
    member(LogFace::ALL.iter().map(|face| face.as_str()))
}

/// What came of a request.
pub(crate) fn log_result() -> impl TypedValueParser<Value = LogResult> {
    member(LogResult::ALL.iter().map(|result| result.as_str()))
}

/// One of the forms of an export of the request log.
pub(crate) fn log_export_format() -> impl TypedValueParser<Value = LogExportFormat> {
    member(LogExportFormat::ALL.iter().map(|format| format.as_str()))
}

/// One of the forms of rules for scanners.
pub(crate) fn rule_format() -> impl TypedValueParser<Value = RuleFormat> {
    member(RuleFormat::ALL.iter().map(|format| format.as_str()))
}

/// One of the kinds of change that the audit log tells of.
pub(crate) fn action() -> impl TypedValueParser<Value = Action> {
    member(Action::ALL.iter().map(|a| a.as_str()))
}

/// One of the things that a background job does.
pub(crate) fn job_kind() -> impl TypedValueParser<Value = JobKind> {
    member(JobKind::ALL.iter().map(|kind| kind.as_str()))
}

/// One of the states of background jobs.
pub(crate) fn job_state() -> impl TypedValueParser<Value = JobState> {
    member(JobState::ALL.iter().map(|state| state.as_str()))
}

/// One of the things that webhooks are told of.
pub(crate) fn webhook_event() -> impl TypedValueParser<Value = WebhookEvent> {
    member(WebhookEvent::ALL.iter().map(|event| event.as_str()))
}

/// What can have become of a message to a webhook.
pub(crate) fn delivery_state() -> impl TypedValueParser<Value = DeliveryState> {
    member(DeliveryState::ALL.iter().map(|state| state.as_str()))
}

/// What spending is told by.
pub(crate) fn spend_by() -> impl TypedValueParser<Value = SpendBy> {
    member(SpendBy::ALL.iter().map(|by| by.as_str()))
}

/// One of the kinds of rows of the ledger.
pub(crate) fn ledger_kind() -> impl TypedValueParser<Value = LedgerKind> {
    member(LedgerKind::ALL.iter().map(|kind| kind.as_str()))
}

/// One of the roles.
pub(crate) fn role() -> impl TypedValueParser<Value = Role> {
    member(Role::ALL.iter().map(|role| role.as_str()))
}

/// One of the ways to order keys.
pub(crate) fn key_sort() -> impl TypedValueParser<Value = KeySort> {
    member(KeySort::ALL.iter().map(|sort| sort.as_str()))
}

/// Which way round.
pub(crate) fn sort_order() -> impl TypedValueParser<Value = SortOrder> {
    member(SortOrder::ALL.iter().map(|order| order.as_str()))
}

/// One of the lengths that a step of a series can have.
pub(crate) fn step() -> impl TypedValueParser<Value = Step> {
    member(Step::ALL.iter().map(|step| step.as_str()))
}

fn member<T>(names: impl Iterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = Invalid> + Clone + Send + Sync + 'static,
{
    one_of(names).try_map(|name| name.parse::<T>())
}

/// An address or a network.
pub(crate) fn network(text: &str) -> Result<String, Invalid> {
    let rule = "must be an IP address or a CIDR network such as `10.0.0.0/8`";
    AllowedIps::parse(&[text]).map_err(|_| Invalid::rule(rule))?;
    Ok(text.to_owned())
}

/// An amount of US dollars.
pub(crate) fn dollars(text: &str) -> Result<f64, Invalid> {
    let amount = text.parse().map_err(|_| Invalid::rule("must be an amount in dollars such as `12.50`"))?;
    NanoUsd::from_dollars(amount).map(|_| amount)
}

/// Why something is done to a key.
pub(crate) fn reason(text: &str) -> Result<String, Invalid> {
    let reason = BlockKey { reason: text.to_owned() }.parse();
    // The flag is named by whoever tells the rule.
    reason.map_err(|invalid| Invalid::rule(invalid.rule))
}

/// A JSON object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, Invalid> {
    let rule = r#"must be a JSON object such as `{"plan": "pro", "seats": 5}`"#;
    serde_json::from_str(text).map_err(|_| Invalid::rule(rule))
}

/// `name=value`.
pub(crate) fn pair(text: &str) -> Result<(String, String), Invalid> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Invalid::rule("must be a name and a value such as `team=payments`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_a_name_and_a_value() {
        assert_eq!(pair("team=payments"), Ok(("team".into(), "payments".into())));
        assert_eq!(pair("query=a=b"), Ok(("query".into(), "a=b".into())));
        assert_eq!(pair("empty="), Ok(("empty".into(), String::new())));
        assert!(pair("team").is_err());
        assert!(pair("=payments").is_err());
    }

    #[test]
    fn a_reason_and_an_object_are_checked_before_anything_is_sent() {
        assert_eq!(reason(" leaked "), Ok("leaked".into()));
        assert_eq!(reason("").unwrap_err().to_string(), "must have 1 to 200 characters");
        assert_eq!(object(r#"{"seats": 5}"#).unwrap()["seats"], 5);
        for bad in ["", "[]", "5", "{seats: 5}", "{} {}"] {
            assert!(object(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_and_amounts_are_checked_before_anything_is_sent() {
        assert!(network("10.0.0.0/8").is_ok() && network("2001:db8::1").is_ok());
        assert!(network("10.0.0.0/33").is_err());
        assert_eq!(dollars("12.50"), Ok(12.5));
        for bad in ["-1", "NaN", "much", "5000000"] {
            assert!(dollars(bad).is_err(), "{bad}");
        }
    }
}
