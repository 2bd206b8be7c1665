//! The form of a key as it is first shown: with what a new key usually has, or with what a key has.

use keystile_core::key::ModelPattern;
use keystile_core::{ApiKey, CatalogueEntry, KeyKind};
use serde_json::{Map, Value};

use super::draft::KEEP;
use crate::form::Fields;
use crate::window;

/// The form as it is first shown for a new key, all but its kind.
pub(super) fn blank(trust_level: &str, application_id: &str, customer_id: &str) -> Fields {
    Fields::from([
        ("environment", "production"),
        ("trust_level", trust_level),
        ("application_id", application_id),
        ("customer_id", customer_id),
        ("expiry", "never"),
        ("budget_period", "month"),
    ])
}

/// The form with what a key has.
pub(super) fn of_key(key: &ApiKey, catalogue: &[CatalogueEntry]) -> Fields {
    let number = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    let id = key.customer_id.map(|id| id.to_string()).unwrap_or_default();
    let (user, service, models) = issued_to(&key.kind);
    let budget = key.limits.max_budget.map(|budget| budget.to_dollars().to_string()).unwrap_or_default();
    let ips: Vec<String> = key.allowed_ips.iter().collect();
    let is_listed = |scope: &str| catalogue.iter().any(|entry| entry.name.as_str() == scope);
    let (listed, others): (Vec<_>, Vec<_>) =
        key.scopes.iter().map(keystile_core::Grant::as_str).partition(|scope| is_listed(scope));
    let mut fields: Vec<(String, String)> = [
        ("name", key.name.as_str()),
        ("customer_id", &id),
        ("source_id", key.source_id.as_deref().unwrap_or_default()),
        ("trust_level", key.trust_level.as_str()),
        ("issued_to_user_id", user),
        ("issued_to_service", service),
        ("allowed_models", &models),
        ("rpm_limit", &number(key.limits.rpm)),
        ("tpm_limit", &number(key.limits.tpm)),
        ("max_budget_usd", &budget),
        ("budget_period", key.limits.budget_period.as_str()),
        ("expiry", if key.expires_at.is_some() { KEEP } else { "never" }),
        ("allowed_ips", &ips.join("\n")),
        ("more_scopes", &others.join("\n")),
        ("tags", &object_text(&key.tags)),
        ("metadata", &object_text(&key.metadata)),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    fields.extend(window::fields_of(&key.limits.rates));
    fields.extend(listed.into_iter().map(|scope| ("scopes".to_owned(), scope.to_owned())));
    fields.into()
}

fn issued_to(kind: &KeyKind) -> (&str, &str, String) {
    match kind {
        KeyKind::User { issued_to_user_id } => {
            (issued_to_user_id.as_deref().unwrap_or_default(), "", String::new())
        }
        KeyKind::Service { issued_to_service } => {
            ("", issued_to_service.as_deref().unwrap_or_default(), String::new())
        }
        KeyKind::Ingest => ("", "", String::new()),
        KeyKind::VirtualLlm { allowed_models } => {
            let models: Vec<_> = allowed_models.iter().map(ModelPattern::as_str).collect();
            ("", "", models.join("\n"))
        }
    }
}

fn object_text(object: &Map<String, Value>) -> String {
    if object.is_empty() { String::new() } else { serde_json::to_string_pretty(object).unwrap_or_default() }
}
