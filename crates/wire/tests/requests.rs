//! What requests become, and what they refuse.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use keystile_core::{Environment, KeyKind, TrustLevel, WhenAway};
use keystile_wire::{CreateKey, KeyListQuery, PatchKey, PermissionsAsked, VerifyRequest};
use serde_json::{Value, json};

fn create(body: Value) -> Result<keystile_core::key::KeyDraft, Vec<String>> {
    let request: CreateKey = serde_json::from_value(body).unwrap();
    request.parse().map_err(|broken| broken.into_iter().map(|invalid| invalid.field.into_owned()).collect())
}

fn patch(body: Value) -> Result<keystile_core::key::KeyPatch, Vec<String>> {
    let request: PatchKey = serde_json::from_value(body).unwrap();
    request.parse().map_err(|broken| broken.into_iter().map(|invalid| invalid.field.into_owned()).collect())
}

#[test]
fn a_name_is_enough_for_a_key_and_the_rest_has_safe_defaults() {
    let draft = create(json!({ "name": " Production Ingestor " })).unwrap();
    assert_eq!(draft.name.as_str(), "Production Ingestor");
    assert_eq!(draft.environment, Environment::Production);
    assert_eq!(draft.kind, KeyKind::Service { issued_to_service: None });
    assert!(draft.secret.is_none() && draft.application_id.is_none());
    assert_eq!(draft.settings, keystile_core::key::KeyPatch::default());
}

#[test]
fn a_key_for_a_source_is_an_ingest_key_unless_it_says_otherwise() {
    let body =
        json!({ "name": "a", "source_id": "checkout-service", "trust_level": "internal", "secret": "x" });
    let draft = create(body).unwrap();
    assert_eq!(draft.kind, KeyKind::Ingest);
    assert_eq!(draft.settings.trust_level, Some(TrustLevel::Internal));
    assert_eq!(draft.settings.source_id, Some(Some("checkout-service".to_owned())));
    let service = create(json!({ "name": "a", "source_id": "s", "kind": "service" })).unwrap();
    assert_eq!(service.kind.as_str(), "service");
}

#[test]
fn every_broken_rule_is_told_at_once() {
    let body = json!({
        "name": "", "environment": "prod", "kind": "robot", "application_id": "app_1", "customer_id": "cus_1",
        "trust_level": "high", "scopes": ["a:b", "c"], "allowed_ips": ["10.0.0.0/33"], "max_budget_usd": -1,
        "expires_at": "tomorrow", "source_id": "two words", "source_type": "moon", "budget_period": "year",
    });
    let mut fields = create(body).unwrap_err();
    fields.sort();
    let expected = [
        "allowed_ips[0]",
        "application_id",
        "budget_period",
        "customer_id",
        "environment",
        "expires_at",
        "kind",
        "max_budget_usd",
        "name",
        "scopes[1]",
        "source_id",
        "source_type",
        "trust_level",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn in_a_patch_null_clears_and_absence_keeps() {
    let patched =
        patch(json!({ "source_id": null, "rpm_limit": 5, "trust_level": null, "scopes": null })).unwrap();
    assert_eq!(patched.source_id, Some(None));
    assert_eq!(patched.rpm_limit, Some(Some(5)));
    assert_eq!(patched.trust_level, Some(TrustLevel::External));
    assert!(patched.scopes.unwrap().is_empty());
    assert_eq!((patched.name, patched.tpm_limit, patched.expires_at), (None, None, None));
    assert_eq!(patch(json!({ "name": " " })).unwrap_err(), ["name"]);
}

#[test]
fn what_cannot_be_changed_is_no_field_of_a_patch() {
    for field in ["environment", "application_id", "secret", "status", "tenant_id", "id"] {
        let refused = serde_json::from_value::<PatchKey>(json!({ field: "x" })).unwrap_err();
        assert!(refused.to_string().contains("unknown field"), "{field}");
    }
}

#[test]
fn permissions_is_another_name_for_scopes_but_not_beside_it() {
    let draft = create(json!({ "name": "a", "permissions": ["a:b"] })).unwrap();
    assert_eq!(draft.settings.scopes.unwrap().iter().count(), 1);
    assert!(serde_json::from_str::<CreateKey>(r#"{"name": "a", "permissions": [], "scopes": []}"#).is_err());
}

#[test]
fn requests_do_not_print_their_secrets() {
    let create: CreateKey = serde_json::from_value(json!({ "name": "a", "secret": "open sesame" })).unwrap();
    let verify: VerifyRequest = serde_json::from_value(json!({ "key": "open sesame" })).unwrap();
    assert!(!format!("{create:?} {verify:?}").contains("sesame"));
}

#[test]
fn a_client_sends_only_what_it_sets() {
    let request = CreateKey { name: "a".to_owned(), rpm_limit: Some(5), ..CreateKey::default() };
    assert_eq!(serde_json::to_value(request).unwrap(), json!({ "name": "a", "rpm_limit": 5 }));
    let patch = PatchKey { source_id: keystile_wire::Patch::Clear, ..PatchKey::default() };
    assert_eq!(serde_json::to_value(patch).unwrap(), json!({ "source_id": null }));
}

#[test]
fn permissions_are_asked_for_as_a_list_or_as_all_or_any() {
    let asked = |body| serde_json::from_value::<PermissionsAsked>(body).map(|asked| asked.parts().1);
    assert!(!asked(json!(["a:b"])).unwrap());
    assert!(!asked(json!({ "all": ["a:b"] })).unwrap());
    assert!(asked(json!({ "any": ["a:b"] })).unwrap());
    assert!(asked(json!({ "some": ["a:b"] })).is_err());
    assert!(asked(json!({ "all": ["a:b"], "any": ["a:c"] })).is_err(), "neither may be dropped");
}

#[test]
fn a_list_does_not_stand_for_an_object() {
    let limits = |limit| json!({ "name": "a", "rate_limits": [limit] });
    let object = limits(json!({ "name": "a", "limit": 1, "window_seconds": 1 }));
    assert_eq!(create(object.clone()).unwrap().settings.rate_limits.unwrap()[0].limit, 1);
    assert_eq!(patch(object).unwrap().rate_limits.unwrap().len(), 1);
    for (policy, meant) in [(json!(null), None), (json!("local_share"), Some(WhenAway::LocalShare))] {
        let declared = json!({ "name": "a", "limit": 1, "window_seconds": 1, "when_away": policy });
        assert_eq!(create(limits(declared)).unwrap().settings.rate_limits.unwrap()[0].when_away, meant);
    }
    for wrong in [json!(["a", 1, 1]), json!(["a", 1, 1, null]), json!([]), json!("a"), json!(null)] {
        let created = serde_json::from_value::<CreateKey>(limits(wrong.clone())).unwrap_err();
        let patched = serde_json::from_value::<PatchKey>(limits(wrong)).unwrap_err();
        for refused in [created, patched] {
            assert!(refused.to_string().ends_with(", expected an object"), "{refused}");
        }
    }
    let asked = json!({ "key": "x", "permissions": [["a:b"], ["c:d"]] });
    assert!(serde_json::from_value::<VerifyRequest>(asked).is_err());
}

#[test]
fn a_filter_that_nothing_can_match_is_named() {
    let long = "x".repeat(801);
    for (filters, field) in [
        (json!({ "kind": "robot" }), Some("kind")),
        (json!({ "q": long }), Some("q")),
        (json!({ "source_id": "a\u{0}" }), Some("source_id")),
        (json!({ "tag": "" }), Some("tag")),
        (json!({ "unused_days": 0 }), Some("unused_days")),
        (json!({ "unused_days": 3651 }), Some("unused_days")),
        (json!({ "kind": "service", "q": "", "tag": "a:", "unused_days": 3650 }), None),
        (json!({}), None),
    ] {
        let query: KeyListQuery = serde_json::from_value(filters.clone()).unwrap();
        let broken = query.check().err().map(|broken| broken.field.into_owned());
        assert_eq!(broken.as_deref(), field, "{filters}");
    }
}
