//! The form of a key, read into the requests of the API, so that every rule is the API's.

use std::time::Duration;

use keystile_core::key::{KeyPatch, ObjectPatch};
use keystile_core::{ApiKey, Invalid, KeyKind, RateLimit, Timestamp};
use keystile_wire::{CreateKey, Object, Patch, PatchKey};
use serde_json::{Map, Value};

use crate::form::Fields;
use crate::window;

const DAY: u64 = 24 * 60 * 60;

/// Ends that can be chosen, in days from now.
pub(super) const EXPIRIES: &[(&str, &str)] =
    &[("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")];

/// Fields of the form, where what is wrong with them is told.
pub(super) const SHOWN: &[&str] = &[
    "name",
    "environment",
    "application_id",
    "customer_id",
    "source_id",
    "trust_level",
    "kind",
    "issued_to_user_id",
    "issued_to_service",
    "allowed_models",
    "tpm_limit",
    "max_budget_usd",
    "budget_period",
    "rpm_limit",
    "rate_limits",
    "expires_at",
    "allowed_ips",
    "scopes",
    "tags",
    "metadata",
    "secret",
];

/// Collects what is wrong with numbers and objects, which the API would not even have read.
#[derive(Default)]
struct Reading(Vec<Invalid>);

impl Reading {
    fn keep<T: Default>(&mut self, read: Result<T, Invalid>) -> T {
        read.map_err(|invalid| self.0.push(invalid)).unwrap_or_default()
    }

    fn count(&mut self, fields: &Fields, field: &'static str) -> Option<u64> {
        let text = fields.filled(field)?;
        let digits: String = text.chars().filter(|letter| !matches!(letter, ',' | '_' | ' ')).collect();
        self.keep(digits.parse().map(Some).map_err(|_| Invalid::new(field, "must be a whole number")))
    }

    fn dollars(&mut self, fields: &Fields, field: &'static str) -> Option<f64> {
        let text = fields.filled(field)?;
        let amount = text.trim_start_matches('$').replace(',', "");
        self.keep(
            amount
                .parse()
                .map(Some)
                .map_err(|_| Invalid::new(field, "must be an amount such as 25 or 12.50")),
        )
    }

    fn object(&mut self, fields: &Fields, field: &'static str) -> Option<Map<String, Value>> {
        let text = fields.filled(field)?;
        let read = serde_json::from_str(&text).map(Some);
        self.keep(read.map_err(|error| Invalid::new(field, format!("must be a JSON object: {error}"))))
    }

    fn rates(&mut self, fields: &Fields) -> Vec<RateLimit> {
        window::parse(&window::typed(fields)).unwrap_or_else(|broken| {
            self.0.extend(broken);
            Vec::new()
        })
    }

    /// What was parsed, if nothing is wrong with it, nor with what was read before.
    fn or<T>(mut self, parsed: Result<T, Vec<Invalid>>) -> Result<T, Vec<Invalid>> {
        match parsed {
            Ok(value) if self.0.is_empty() => Ok(value),
            Ok(_) => Err(self.0),
            Err(broken) => {
                self.0.extend(broken);
                Err(self.0)
            }
        }
    }
}

/// The request that the form makes, when it is filled in at `now`.
///
/// # Errors
/// Every broken rule.
pub(super) fn creation(
    fields: &Fields,
    now: Timestamp,
) -> Result<keystile_core::key::KeyDraft, Vec<Invalid>> {
    let mut reading = Reading::default();
    let mut request = request(fields, fields.text("kind"), now, &mut reading);
    // Who ticks nothing says nothing: a key in the name of a source is made to send events.
    request.scopes = request.scopes.filter(|scopes| !scopes.is_empty());
    reading.or(request.parse())
}

fn request(fields: &Fields, kind: &str, now: Timestamp, reading: &mut Reading) -> CreateKey {
    // What is hidden because of the kind is not meant.
    let only = |owner: &str, field: &str| fields.filled(field).filter(|_| kind == owner);
    let models = fields.lines("allowed_models");
    let rates = reading.rates(fields);
    CreateKey {
        name: fields.text("name").to_owned(),
        environment: fields.filled("environment"),
        application_id: fields.filled("application_id"),
        kind: fields.filled("kind"),
        secret: fields.secret("secret"),
        customer_id: fields.filled("customer_id"),
        issued_to_user_id: only("user", "issued_to_user_id"),
        issued_to_service: only("service", "issued_to_service"),
        source_id: fields.filled("source_id"),
        trust_level: fields.filled("trust_level"),
        scopes: Some(scopes(fields)),
        allowed_ips: Some(fields.lines("allowed_ips")),
        allowed_models: Some(models).filter(|_| kind == "virtual_llm"),
        rpm_limit: reading.count(fields, "rpm_limit"),
        tpm_limit: if kind == "virtual_llm" { reading.count(fields, "tpm_limit") } else { None },
        rate_limits: Some(rates.into_iter().map(Object).collect()),
        max_budget_usd: if kind == "virtual_llm" { reading.dollars(fields, "max_budget_usd") } else { None },
        budget_period: only("virtual_llm", "budget_period"),
        expires_at: expiry(fields, now),
        tags: reading.object(fields, "tags"),
        metadata: reading.object(fields, "metadata"),
        ..CreateKey::default()
    }
}

/// The change that the form makes of a key, when it is filled in at `now`.
///
/// # Errors
/// Every broken rule.
pub(super) fn change(fields: &Fields, key: &ApiKey, now: Timestamp) -> Result<KeyPatch, Vec<Invalid>> {
    let mut reading = Reading::default();
    // Which fields the form has is the key's matter; here all of them may be read.
    let llm = request(fields, "virtual_llm", now, &mut reading);
    let objects =
        [llm.tags, llm.metadata].map(|object| Some(ObjectPatch::Replace(object.unwrap_or_default())));
    let kept = fields.text("expiry") == KEEP;
    let patch = PatchKey {
        name: Some(llm.name),
        customer_id: written(llm.customer_id),
        issued_to_user_id: written(fields.filled("issued_to_user_id")),
        issued_to_service: written(fields.filled("issued_to_service")),
        source_id: written(llm.source_id),
        trust_level: written(llm.trust_level),
        scopes: written(llm.scopes),
        allowed_ips: written(llm.allowed_ips),
        allowed_models: if is_llm(key) { written(llm.allowed_models) } else { Patch::Keep },
        rpm_limit: written(llm.rpm_limit),
        rate_limits: written(llm.rate_limits),
        expires_at: if kept { Patch::Keep } else { written(llm.expires_at) },
        ..PatchKey::default()
    };
    let patch = PatchKey {
        tpm_limit: if spends(key) { written(llm.tpm_limit) } else { Patch::Keep },
        max_budget_usd: if spends(key) { written(llm.max_budget_usd) } else { Patch::Keep },
        budget_period: if spends(key) { written(llm.budget_period) } else { Patch::Keep },
        ..patch
    };
    let [tags, metadata] = objects;
    reading.or(patch.parse().map(|patch| KeyPatch { tags, metadata, ..patch }))
}

/// The choice that leaves a key's end as it is.
pub(super) const KEEP: &str = "keep";

pub(super) const fn is_llm(key: &ApiKey) -> bool {
    matches!(key.kind, KeyKind::VirtualLlm { .. })
}

/// Whether tokens and money of a key are counted, so that its form asks for them.
pub(super) const fn spends(key: &ApiKey) -> bool {
    is_llm(key) || key.limits.tpm.is_some() || key.limits.max_budget.is_some()
}

fn written<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Clear, Patch::Write)
}

/// The permissions that are ticked, and those that are typed.
pub(super) fn scopes(fields: &Fields) -> Vec<String> {
    let mut scopes = fields.all("scopes");
    scopes.extend(fields.lines("more_scopes"));
    scopes
}

/// When the key ends: as chosen, or at the moment that is typed; that is in UTC where no script runs.
fn expiry(fields: &Fields, now: Timestamp) -> Option<String> {
    match fields.text("expiry") {
        "date" => {
            let typed = || fields.filled("expires_on").map(|local| in_utc(&local));
            // What is missing is told as a moment that is none.
            Some(fields.filled("expires_at").or_else(typed).unwrap_or_default())
        }
        days => days
            .parse::<u16>()
            .ok()
            .map(|days| now.plus(Duration::from_secs(u64::from(days) * DAY)).to_string()),
    }
}

/// `2030-01-02T03:04`, as browsers send it with seconds or without, as a moment of UTC.
fn in_utc(local: &str) -> String {
    let seconds = if local.matches(':').count() < 2 { ":00" } else { "" };
    format!("{local}{seconds}Z")
}

#[cfg(test)]
mod tests {
    use keystile_core::{Actor, ApplicationId, KeyId, RateLimit, Secret, TenantId, WhenAway};
    use serde_json::json;

    use super::super::filled::of_key;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn key() -> ApiKey {
        let (id, tenant) = (KeyId::from_parts(NOW, 1), TenantId::from_parts(NOW, 1));
        let (application, secret) =
            (ApplicationId::from_parts(NOW, 1), Secret::new("9f8e7d6c5b4a39281706f5e4"));
        ApiKey::new(id, tenant, application, "web".parse().unwrap(), &secret, Actor::System, NOW)
    }

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    /// What a form shows of a key and gives back changes nothing.
    #[test]
    fn a_form_that_is_sent_as_it_is_shown_leaves_a_key_as_it_was() {
        let mut full = key();
        full.kind =
            KeyKind::VirtualLlm { allowed_models: vec!["gpt-4o*".parse().unwrap(), "o3".parse().unwrap()] };
        full.scopes = keystile_core::Grants::parse(&["orders:read", "customers:*"]).unwrap();
        full.allowed_ips = keystile_core::AllowedIps::parse(&["10.0.0.0/8", "2001:db8::/32"]).unwrap();
        full.source_id = Some("checkout".to_owned());
        full.limits.rpm = Some(600);
        full.limits.tpm = Some(10_000);
        full.limits.max_budget = Some(keystile_core::NanoUsd::from_nanos(12_345_678_901));
        full.limits.rates = vec![RateLimit {
            name: "d".to_owned(),
            limit: 5,
            window_seconds: 86_400,
            burst: Some(2),
            when_away: Some(WhenAway::Refuse),
        }];
        full.expires_at = Some(NOW.plus(Duration::from_millis(12_345)));
        full.tags = object(json!({ "team": "a", "none": null, "deep": { "x": [1, null] } }));
        for key in [key(), full] {
            let mut changed = key.clone();
            change(&of_key(&key, &[]), &key, NOW).unwrap().apply(&mut changed).unwrap();
            assert_eq!(changed, key);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let fields = Fields::from([
            ("kind", "virtual_llm"),
            ("rpm_limit", "many"),
            ("max_budget_usd", "a lot"),
            ("tags", "[1]"),
            ("rate_limits[1].limit", "x"),
            ("expiry", "date"),
            ("scopes", "orders"),
            ("environment", "moon"),
        ]);
        let mut told: Vec<_> =
            creation(&fields, NOW).unwrap_err().into_iter().map(|broken| broken.field.to_string()).collect();
        told.sort();
        let all = [
            "environment",
            "expires_at",
            "max_budget_usd",
            "name",
            "rate_limits[0].limit",
            "rpm_limit",
            "scopes[0]",
            "tags",
        ];
        assert_eq!(told, all);
        assert!(told.iter().all(|field| SHOWN.iter().any(|shown| field.starts_with(shown))));
    }

    #[test]
    fn what_only_another_kind_has_is_not_sent() {
        let fields = Fields::from([
            ("name", "a"),
            ("kind", "user"),
            ("issued_to_user_id", "u"),
            ("issued_to_service", "s"),
            ("allowed_models", "gpt-4o"),
            ("tpm_limit", "x"),
            ("expiry", "30"),
            ("rpm_limit", "1,000"),
        ]);
        let draft = creation(&fields, NOW).unwrap();
        assert_eq!(draft.settings.issued_to_user_id, Some(Some("u".to_owned())));
        assert_eq!((draft.settings.issued_to_service, draft.settings.allowed_models), (None, None));
        assert_eq!((draft.settings.tpm_limit, draft.settings.rpm_limit), (None, Some(Some(1_000))));
        assert_eq!(draft.settings.expires_at, Some(Some(NOW.plus(Duration::from_secs(30 * DAY)))));
    }

    #[test]
    fn a_moment_that_no_script_has_read_is_in_utc() {
        let fields = Fields::from([("expiry", "date"), ("expires_on", "2030-01-02T03:04")]);
        assert_eq!(expiry(&fields, NOW).as_deref(), Some("2030-01-02T03:04:00Z"));
        assert_eq!(in_utc("2030-01-02T03:04:05"), "2030-01-02T03:04:05Z");
    }
}
