//! `decide` keeps the documented order, and a key's status has one meaning wherever it is derived.

use std::net::IpAddr;

use keystile_core::decision::{Ask, Code, KeyFacts, decide};
use keystile_core::key::{ApiKey, KeyKind, KeyStatus, Revocation};
use keystile_core::{
    Actor, AllowedIps, ApplicationId, CustomerId, Environment, Grants, KeyId, Permission, Requirement,
    Secret, TenantId, Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const BEFORE: Timestamp = Timestamp::from_millis(NOW.as_millis() - 1);
const AFTER: Timestamp = Timestamp::from_millis(NOW.as_millis() + 1);

/// The order that callers are promised. Every refusal of `decide` is here.
const DOCUMENTED_ORDER: [&str; 11] = [
    "key_not_found",
    "key_revoked",
    "key_expired",
    "key_inactive",
    "wrong_environment",
    "key_blocked",
    "wrong_application",
    "ip_not_allowed",
    "wrong_customer",
    "permission_denied",
    "model_not_allowed",
];

fn sound_key() -> ApiKey {
    let (id, tenant_id) = (KeyId::from_parts(BEFORE, 1), TenantId::from_parts(BEFORE, 1));
    let (application_id, name) = (ApplicationId::from_parts(BEFORE, 1), "Checkout".parse().unwrap());
    let secret = Secret::new("9f8e7d6c5b4a39281706f5e4");
    ApiKey {
        customer_id: Some(CustomerId::from_parts(BEFORE, 1)),
        kind: KeyKind::VirtualLlm { allowed_models: vec!["small-*".parse().unwrap()] },
        scopes: Grants::parse(&["customers:read"]).unwrap(),
        allowed_ips: AllowedIps::parse(&["192.0.2.0/24"]).unwrap(),
        ..ApiKey::new(id, tenant_id, application_id, name, &secret, Actor::System, BEFORE)
    }
}

/// What the sound key may be asked for.
fn fitting_ask<'a>(permissions: &'a [Permission<'a>]) -> Ask<'a> {
    let key = sound_key();
    Ask {
        tenant_id: Some(key.tenant_id),
        environment: Some(key.environment),
        application_id: Some(key.application_id),
        ip: Some(IpAddr::from([192, 0, 2, 7])),
        customer_id: key.customer_id,
        permissions: Requirement::All(permissions),
        model: Some("small-1"),
        cost: 1,
    }
}

fn revocation() -> Revocation {
    Revocation { at: BEFORE, reason: None }
}

/// Makes the named condition, and only that one, fail.
fn spoil(code: &str, key: &mut ApiKey) {
    match code {
        "key_not_found" => key.tenant_id = TenantId::from_parts(BEFORE, 2),
        "key_revoked" => key.revoked = Some(revocation()),
        "key_expired" => key.expires_at = Some(NOW),
        "key_inactive" => key.enabled = false,
        "wrong_environment" => key.environment = Environment::Staging,
        "key_blocked" => key.blocked = Some("leaked".to_owned()),
        "wrong_application" => key.application_id = ApplicationId::from_parts(BEFORE, 2),
        "ip_not_allowed" => key.allowed_ips = AllowedIps::parse(&["198.51.100.0/24"]).unwrap(),
        "wrong_customer" => key.customer_id = Some(CustomerId::from_parts(BEFORE, 2)),
        "permission_denied" => key.scopes = Grants::default(),
        "model_not_allowed" => key.kind = KeyKind::VirtualLlm { allowed_models: Vec::new() },
        other => panic!("no way to spoil {other}"),
    }
}

/// The code for a key in which all of `spoiled` fail.
fn code_of(spoiled: &[&str]) -> &'static str {
    let mut key = sound_key();
    for code in spoiled {
        spoil(code, &mut key);
    }
    let permissions = [Permission::parse("customers:read").unwrap()];
    let decision = decide(&KeyFacts::of(&key), &fitting_ask(&permissions), NOW);
    decision.map_or_else(|refusal| refusal.code(), |()| Code::Allowed).as_str()
}

#[test]
fn a_sound_key_is_allowed_and_each_condition_alone_refuses_it() {
    assert_eq!(code_of(&[]), "allowed");
    for code in DOCUMENTED_ORDER {
        assert_eq!(code_of(&[code]), code);
    }
}

#[test]
fn of_two_failing_conditions_the_earlier_one_is_the_answer() {
    for (index, earlier) in DOCUMENTED_ORDER.iter().enumerate() {
        for later in &DOCUMENTED_ORDER[index + 1..] {
            assert_eq!(code_of(&[earlier, later]), *earlier, "beside {later}");
        }
    }
}

#[test]
fn a_key_that_fails_everything_is_refused_in_the_documented_order_as_it_is_repaired() {
    for (index, code) in DOCUMENTED_ORDER.iter().enumerate() {
        assert_eq!(code_of(&DOCUMENTED_ORDER[index..]), *code);
    }
}

#[test]
fn the_codes_are_declared_in_the_documented_order() {
    let declared = Code::ALL.iter().map(|code| code.as_str()).filter(|code| DOCUMENTED_ORDER.contains(code));
    assert_eq!(declared.collect::<Vec<_>>(), DOCUMENTED_ORDER);
}

#[test]
fn what_is_not_asked_is_not_checked_except_the_address() {
    let facts = |spoiled: &[&str]| {
        let mut key = sound_key();
        spoiled.iter().for_each(|code| spoil(code, &mut key));
        KeyFacts::of(&key)
    };
    let here = Ask { ip: Some(IpAddr::from([192, 0, 2, 7])), ..Ask::ANYTHING };
    let needless = [
        "key_not_found",
        "wrong_environment",
        "wrong_application",
        "wrong_customer",
        "permission_denied",
        "model_not_allowed",
    ];
    assert_eq!(decide(&facts(&needless), &here, NOW), Ok(()));
    let refusal = decide(&facts(&[]), &Ask::ANYTHING, NOW).unwrap_err();
    assert_eq!(refusal.code(), Code::IpNotAllowed);
}

#[test]
fn a_key_that_is_for_no_customer_may_act_for_any() {
    let key = ApiKey { customer_id: None, ..sound_key() };
    let permissions = [Permission::parse("customers:read").unwrap()];
    assert_eq!(decide(&KeyFacts::of(&key), &fitting_ask(&permissions), NOW), Ok(()));
}

#[test]
fn a_refusal_for_a_permission_names_the_first_that_is_missing() {
    let permissions = ["customers:read", "customers:write", "orders:read"];
    let permissions = permissions.map(|text| Permission::parse(text).unwrap());
    let refusal = decide(&KeyFacts::of(&sound_key()), &fitting_ask(&permissions), NOW).unwrap_err();
    let missing = "customers:write".to_owned();
    assert_eq!(refusal, keystile_core::Refusal::PermissionDenied { missing });
}

/// Revoked beats expired beats inactive; a key whose end is exactly now is over.
#[test]
fn status_is_derived_as_the_table_says() {
    let end_is_over = [(None, false), (Some(BEFORE), true), (Some(NOW), true), (Some(AFTER), false)];
    for (expires_at, over) in end_is_over {
        for (revoked, deleted, enabled) in every_three_answers() {
            let expected = match (revoked || deleted, over, enabled) {
                (true, _, _) => KeyStatus::Revoked,
                (false, true, _) => KeyStatus::Expired,
                (false, false, true) => KeyStatus::Active,
                (false, false, false) => KeyStatus::Inactive,
            };
            let key = key_in(expires_at, revoked, deleted, enabled);
            assert_eq!(key.status(NOW), expected, "{expires_at:?} {revoked} {deleted} {enabled}");
        }
    }
}

/// The data plane's facts outlive the moment they were taken down at, and must still tell the record's truth.
#[test]
fn facts_and_record_agree_on_the_status_at_every_moment() {
    let moments = [i64::MIN, BEFORE.as_millis(), NOW.as_millis(), AFTER.as_millis(), i64::MAX];
    let moments = moments.map(Timestamp::from_millis);
    for expires_at in moments.map(Some).into_iter().chain([None]) {
        for (revoked, deleted, enabled) in every_three_answers() {
            let key = key_in(expires_at, revoked, deleted, enabled);
            for now in moments {
                let facts = KeyFacts::of(&key);
                assert_eq!(facts.status(now), key.status(now), "{expires_at:?} {enabled} at {now}");
            }
        }
    }
}

fn key_in(expires_at: Option<Timestamp>, revoked: bool, deleted: bool, enabled: bool) -> ApiKey {
    let deleted = deleted.then_some((BEFORE, Actor::System));
    ApiKey { expires_at, revoked: revoked.then(revocation), deleted, enabled, ..sound_key() }
}

fn every_three_answers() -> impl Iterator<Item = (bool, bool, bool)> {
    (0..8).map(|number| (number & 1 != 0, number & 2 != 0, number & 4 != 0))
}
