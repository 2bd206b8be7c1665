//! `keystile keys create`.

use clap::{Args, value_parser};
use keystile_core::Grant;
use keystile_core::limit::MAX_COUNT;
use keystile_core::{
    ApplicationId, BudgetPeriod, CustomerId, Environment, KeyKind, Name, Secret, Timestamp, TrustLevel,
};
use keystile_wire::CreateKey;
use serde_json::{Map, Value};

use super::{Context, changed, shown_once};
use crate::commands::input::secret_line;
use crate::commands::moment::End;
use crate::commands::output::{Form, Report};
use crate::commands::words::{dollars, environment, network, one_of, tag, trust_level};
use crate::failure::Failure;

/// Creates a key and prints its secret, once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  KEY=$(keystile keys create web)
  keystile keys create ci --environment staging --permission 'builds:*'
  keystile keys create sensors --source-id warehouse --expires 30d
  keystile keys create bot --kind virtual_llm --allowed-model 'gpt-4o*' \\
    --max-budget-usd 50 --budget-period month

Only the secret goes to standard output; the record goes to standard error.
Nobody can show the secret again; `keystile keys regenerate` makes a new one.")]
pub(super) struct Create {
    /// What people call the key; 1 to 200 characters.
    name: Name,
    /// The only environment it will work in.
    #[arg(long, value_parser = environment(), default_value = "production")]
    environment: Environment,
    /// Application it is issued to; by default the tenant's first.
    #[arg(long, value_name = "APPLICATION_ID")]
    application: Option<ApplicationId>,
    /// Customer it is restricted to.
    #[arg(long, value_name = "CUSTOMER_ID")]
    customer: Option<CustomerId>,
    /// What it is for; by default `service`, or `ingest` with a source.
    #[arg(long, value_parser = one_of(KeyKind::NAMES))]
    kind: Option<String>,
    /// Stable name of the sending system, such as `checkout-service`.
    #[arg(long, value_name = "SOURCE")]
    source_id: Option<String>,
    /// How to treat what that system sends [default: external].
    #[arg(long, value_parser = trust_level())]
    trust_level: Option<TrustLevel>,
    /// What it may do: `customers:read`, `customers:*` or `*`. May be repeated; without any, nothing that needs one.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<Grant>,
    /// Address or network it may be used from. May be repeated; without any, from everywhere.
    #[arg(long = "allowed-ip", value_name = "ADDRESS", value_parser = network)]
    allowed_ips: Vec<String>,
    /// Model it may use, or the beginning of its name before a `*`; with kind `virtual_llm`. May be repeated.
    #[arg(long = "allowed-model", value_name = "MODEL")]
    allowed_models: Vec<String>,
    /// Most requests a minute.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u64).range(1..=MAX_COUNT))]
    rpm: Option<u64>,
    /// Most tokens a minute.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u64).range(1..=MAX_COUNT))]
    tpm: Option<u64>,
    /// Most it may spend in a budget period, in US dollars.
    #[arg(long, value_name = "AMOUNT", value_parser = dollars)]
    max_budget_usd: Option<f64>,
    /// How long the budget lasts [default: lifetime].
    #[arg(long, requires = "max_budget_usd", value_parser = one_of(BudgetPeriod::ALL.iter().map(|p| p.as_str())))]
    budget_period: Option<String>,
    /// When its time is over: `90min`, `12h`, `30d`, `8w`, `1y` from now, or an RFC 3339 time.
    #[arg(long, value_name = "WHEN", value_parser = End::parse)]
    expires: Option<End>,
    /// Tag, such as `team=payments`. May be repeated.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Use a secret of your own, read from the first line of standard input: 24 to 512 visible ASCII characters that
    /// nobody can guess. It is not printed again.
    #[arg(long)]
    secret_stdin: bool,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let brought = if self.secret_stdin { Some(secret_line("the secret")?) } else { None };
        let is_brought = brought.is_some();
        let request = self.request(brought, context.now)?;
        let tenant = context.session.tenant().await?;
        let created = context.session.client.create_key(tenant, &request).await?;
        match context.form {
            Form::Text if is_brought => {
                changed(&created.key, "was created, with the secret you brought", context)
            }
            Form::Text | Form::Json => shown_once(&created, "created", context),
        }
    }

    fn request(self, secret: Option<Secret>, now: Timestamp) -> Result<CreateKey, Failure> {
        Ok(CreateKey {
            name: self.name.to_string(),
            environment: Some(self.environment.to_string()),
            application_id: self.application.map(|id| id.to_string()),
            customer_id: self.customer.map(|id| id.to_string()),
            kind: self.kind,
            secret,
            source_id: self.source_id,
            trust_level: self.trust_level.map(|level| level.to_string()),
            scopes: some(self.permissions.iter().map(ToString::to_string).collect()),
            allowed_ips: some(self.allowed_ips),
            allowed_models: some(self.allowed_models),
            rpm_limit: self.rpm,
            tpm_limit: self.tpm,
            max_budget_usd: self.max_budget_usd,
            budget_period: self.budget_period,
            expires_at: self.expires.map(|end| end.moment(now).to_string()),
            tags: tags(self.tags)?,
            ..CreateKey::default()
        })
    }
}

fn some(list: Vec<String>) -> Option<Vec<String>> {
    if list.is_empty() { None } else { Some(list) }
}

fn tags(pairs: Vec<(String, String)>) -> Result<Option<Map<String, Value>>, Failure> {
    let mut tags = Map::new();
    for (name, value) in pairs {
        if tags.contains_key(&name) {
            return Err(Failure::new(format!("--tag {name}=… is given twice; a tag has one value")));
        }
        tags.insert(name, Value::String(value));
    }
    Ok(if tags.is_empty() { None } else { Some(tags) })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::super::record::sample;
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn request(words: &[&str]) -> Result<CreateKey, Failure> {
        let line = Line::try_parse_from(std::iter::once(&"create").chain(words)).unwrap();
        line.create.request(None, sample::now())
    }

    #[test]
    fn a_name_is_enough() {
        let sent = serde_json::to_string(&request(&["web"]).unwrap()).unwrap();
        assert_eq!(sent, r#"{"name":"web","environment":"production"}"#);
    }

    #[test]
    fn every_option_is_a_field_that_the_server_takes() {
        let all = [
            "team a",
            "--environment",
            "staging",
            "--application",
            "app_01HF7YAT000000000000000001",
            "--customer",
            "cus_01HF7YAT000000000000000001",
            "--kind",
            "virtual_llm",
            "--source-id",
            "checkout",
            "--trust-level",
            "internal",
            "--permission",
            "customers:read",
            "--permission",
            "orders:*",
            "--allowed-ip",
            "10.0.0.0/8",
            "--allowed-model",
            "gpt-4o*",
            "--rpm",
            "60",
            "--tpm",
            "1000",
            "--max-budget-usd",
            "12.5",
            "--budget-period",
            "month",
            "--expires",
            "30d",
            "--tag",
            "team=payments",
        ];
        let sent = serde_json::to_value(request(&all).unwrap()).unwrap();
        let expected = serde_json::json!({
            "name": "team a", "environment": "staging", "application_id": "app_01HF7YAT000000000000000001",
            "customer_id": "cus_01HF7YAT000000000000000001", "kind": "virtual_llm", "source_id": "checkout",
            "trust_level": "internal", "scopes": ["customers:read", "orders:*"], "allowed_ips": ["10.0.0.0/8"],
            "allowed_models": ["gpt-4o*"], "rpm_limit": 60, "tpm_limit": 1000, "max_budget_usd": 12.5,
            "budget_period": "month", "expires_at": "2026-03-02T09:30:00.000Z", "tags": {"team": "payments"},
        });
        assert_eq!(sent, expected);
        assert!(request(&all).unwrap().parse().is_ok());
    }

    #[test]
    fn a_tag_has_one_value() {
        assert!(request(&["web", "--tag", "a=1", "--tag", "a=2"]).is_err());
    }
}
