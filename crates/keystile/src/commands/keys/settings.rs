//! The settings of a key as flags, the same for `keystile keys create` and `update`.

use clap::{Args, value_parser};
use keystile_core::limit::MAX_COUNT;
use keystile_core::{BudgetPeriod, CustomerId, Grant, RateLimit, SourceType, Timestamp, TrustLevel};
use keystile_wire::{CreateKey, Object};
use serde_json::{Map, Value};

use crate::commands::moment::End;
use crate::commands::rate::{RATE_FORM, rate_limit};
use crate::commands::words::{dollars, network, object, one_of, pair, trust_level};
use crate::failure::Failure;

/// Every setting that a key can be made with and that can be changed later.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Customer it is restricted to.
    #[arg(long, alias = "customer-id", value_name = "CUSTOMER_ID")]
    customer: Option<CustomerId>,
    /// User it is issued to; with kind `user`.
    #[arg(long, value_name = "USER")]
    issued_to_user_id: Option<String>,
    /// Service it is issued to; with kind `service`.
    #[arg(long, value_name = "SERVICE")]
    issued_to_service: Option<String>,
    /// Stable name of the sending system, such as `checkout-service`.
    #[arg(long, value_name = "SOURCE")]
    source_id: Option<String>,
    /// How to treat what that system sends; `external` if nothing is said.
    #[arg(long, value_parser = trust_level())]
    trust_level: Option<TrustLevel>,
    /// What it may do: `customers:read`, `customers:*` or `*`. May be repeated.
    #[arg(long = "permission", alias = "scope", value_name = "PERMISSION")]
    permissions: Vec<Grant>,
    /// Address or network it may be used from. May be repeated.
    #[arg(long = "allowed-ip", value_name = "ADDRESS", value_parser = network)]
    allowed_ips: Vec<String>,
    /// Model it may use, or the beginning of its name before a `*`; with kind `virtual_llm`. May be repeated.
    #[arg(long = "allowed-model", value_name = "MODEL")]
    allowed_models: Vec<String>,
    /// Most requests a minute.
    #[arg(long, alias = "rpm-limit", value_name = "COUNT", value_parser = value_parser!(u64).range(1..=MAX_COUNT))]
    rpm: Option<u64>,
    /// Most tokens a minute.
    #[arg(long, alias = "tpm-limit", value_name = "COUNT", value_parser = value_parser!(u64).range(1..=MAX_COUNT))]
    tpm: Option<u64>,
    /// Most requests in another window, such as `1000/1h` or `5000/1d:daily,burst=50,when_away=refuse`; windows are in
    /// `s`, `min`, `h`, `d` or `w`, up to 31 days. `when_away` says what becomes of requests while nodes cannot reach the
    /// count that they share: `refuse`, or `local_share` for each node's part of the limit; as the server is set by
    /// default. May be repeated.
    #[arg(long = "rate-limit", value_name = RATE_FORM, value_parser = rate_limit)]
    rate_limits: Vec<RateLimit>,
    /// Most it may spend in a budget period, in US dollars.
    #[arg(long, value_name = "AMOUNT", value_parser = dollars)]
    max_budget_usd: Option<f64>,
    /// How long the budget lasts; `lifetime` if nothing is said.
    #[arg(long, value_parser = one_of(BudgetPeriod::ALL.iter().map(|p| p.as_str())))]
    budget_period: Option<String>,
    /// When its time is over: `90min`, `12h`, `30d`, `8w`, `1y` from now, or an RFC 3339 time.
    #[arg(long, alias = "expires-at", value_name = "WHEN", value_parser = End::parse)]
    expires: Option<End>,
    /// Who or what writes this, for the record.
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// From where this is written, for the record; `api` if nothing is said.
    #[arg(long, value_parser = one_of(SourceType::ALL.iter().map(|t| t.as_str())))]
    source_type: Option<String>,
    /// Tag, such as `team=payments`. May be repeated.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    /// Tags with values that are not text, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = object)]
    tags_json: Option<Map<String, Value>>,
    /// Fact that is told with every verification, such as `plan=pro`. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// Facts with values that are not text, as a JSON object such as `{"seats": 5}`.
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata_json: Option<Map<String, Value>>,
}

impl Settings {
    /// The settings as fields of a request that lacks its name. What was not given is absent.
    pub(super) fn request(self, now: Timestamp) -> Result<CreateKey, Failure> {
        Ok(CreateKey {
            customer_id: self.customer.map(|id| id.to_string()),
            issued_to_user_id: self.issued_to_user_id,
            issued_to_service: self.issued_to_service,
            source_id: self.source_id,
            trust_level: self.trust_level.map(|level| level.to_string()),
            scopes: some(self.permissions.iter().map(ToString::to_string).collect()),
            allowed_ips: some(self.allowed_ips),
            allowed_models: some(self.allowed_models),
            rpm_limit: self.rpm,
            tpm_limit: self.tpm,
            rate_limits: some(self.rate_limits.into_iter().map(Object).collect()),
            max_budget_usd: self.max_budget_usd,
            budget_period: self.budget_period,
            expires_at: self.expires.map(|end| end.moment(now).to_string()),
            source: self.source,
            source_type: self.source_type,
            tags: combined("--tag", self.tags_json, self.tags)?,
            metadata: combined("--metadata", self.metadata_json, self.metadata)?,
            ..CreateKey::default()
        })
    }

    /// Whether a period is given, but no budget that would last so long.
    pub(super) fn has_period_without_budget(&self) -> bool {
        self.budget_period.is_some() && self.max_budget_usd.is_none()
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}

/// An object and the pairs beside it. A name that is given twice could mean either value.
fn combined(
    flag: &str,
    object: Option<Map<String, Value>>,
    pairs: Vec<(String, String)>,
) -> Result<Option<Map<String, Value>>, Failure> {
    if object.is_none() && pairs.is_empty() {
        return Ok(None);
    }
    let mut combined = object.unwrap_or_default();
    for (name, value) in pairs {
        if combined.contains_key(&name) {
            return Err(Failure::new(format!("{flag} {name}=… is given twice; a name has one value")));
        }
        combined.insert(name, Value::String(value));
    }
    Ok(Some(combined))
}

#[cfg(test)]
pub(super) mod sample {
    /// Every flag once, but those that only other kinds of keys have.
    pub(in super::super) const ALL: &str = "\
        --customer cus_01HF7YAT000000000000000001 --source-id checkout --trust-level internal \
        --permission customers:read --permission orders:* --allowed-ip 10.0.0.0/8 --allowed-model gpt-4o* \
        --rpm 60 --tpm 1000 --rate-limit 1000/1h --rate-limit 5000/1d:daily,burst=50,when_away=refuse --max-budget-usd 12.5 \
        --budget-period month --expires 30d --source console --source-type backend --tag team=payments \
        --tags-json {\"n\":1} --metadata plan=pro --metadata-json {\"seats\":5}";

    /// What those flags say.
    pub(in super::super) fn all() -> serde_json::Value {
        serde_json::json!({
            "customer_id": "cus_01HF7YAT000000000000000001", "source_id": "checkout", "trust_level": "internal",
            "scopes": ["customers:read", "orders:*"], "allowed_ips": ["10.0.0.0/8"], "allowed_models": ["gpt-4o*"],
            "rpm_limit": 60, "tpm_limit": 1000, "max_budget_usd": 12.5, "budget_period": "month",
            "rate_limits": [
                {"name": "1h", "limit": 1000, "window_seconds": 3600},
                {"name": "daily", "limit": 5000, "window_seconds": 86_400, "burst": 50, "when_away": "refuse"},
            ],
            "expires_at": "2026-03-02T09:30:00.000Z", "source": "console", "source_type": "backend",
            "tags": {"n": 1, "team": "payments"}, "metadata": {"plan": "pro", "seats": 5},
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::super::record;
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn request(line: &str) -> Result<CreateKey, Failure> {
        let line = Line::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).unwrap();
        line.settings.request(record::sample::now())
    }

    #[test]
    fn nothing_given_is_nothing_said() {
        let sent = serde_json::to_string(&request("").unwrap()).unwrap();
        assert_eq!(sent, r#"{"name":""}"#);
    }

    #[test]
    fn the_names_of_the_api_are_taken_too() {
        let ours = request("--customer cus_01HF7YAT000000000000000001 --permission a:b --rpm 1 --expires 1h");
        let theirs = "--customer-id cus_01HF7YAT000000000000000001 --scope a:b --rpm-limit 1 --expires-at 1h";
        let json = |request: Result<CreateKey, Failure>| serde_json::to_value(request.unwrap()).unwrap();
        assert_eq!(json(request(theirs)), json(ours));
    }

    #[test]
    fn a_name_has_one_value() {
        for line in [
            "--tag a=1 --tag a=2",
            "--metadata a=1 --metadata a=2",
            r#"--metadata a=1 --metadata-json {"a":1}"#,
        ] {
            let refused = format!("{:?}", request(line).unwrap_err());
            assert!(refused.contains(" a=… is given twice"), "{refused}");
        }
    }
}
