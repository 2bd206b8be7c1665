//! An explanation and a decision are two readings of one order.

use keystile_core::decision::{Ask, Code, KeyFacts, decide};
use keystile_core::key::KeyStatus;
use keystile_core::{
    Actor, AllowedIps, ApiKey, ApplicationId, Check, CustomerId, Environment, Finding, Grants, KeyId,
    KeyKind, LineageLimits, Permission, Rates, Requirement, Secret, TenantId, Timestamp, explain,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn tenant(number: u128) -> TenantId {
    TenantId::from_parts(NOW, number)
}

fn application(number: u128) -> ApplicationId {
    ApplicationId::from_parts(NOW, number)
}

fn customer(number: u128) -> CustomerId {
    CustomerId::from_parts(NOW, number)
}

/// Facts that differ in everything a decision looks at.
fn facts() -> impl Strategy<Value = KeyFacts> {
    let life = (select(KeyStatus::ALL), option::of(-1..=1_i64), any::<bool>(), any::<bool>());
    let place = (select(Environment::ALL), 1..3_u128, option::of(1..3_u128), any::<bool>());
    let abilities = (select(vec![vec![], vec!["a:read"], vec!["a:*"], vec!["b:read"]]), any::<bool>());
    (life, place, abilities).prop_map(|(life, place, abilities)| {
        let (standing, expires_in, blocked, limited) = life;
        let (environment, application_number, customer_number, listed) = place;
        let (scopes, is_virtual) = abilities;
        let (id, name) = (KeyId::from_parts(NOW, 1), "One".parse().unwrap());
        let secret = Secret::new("9f8e7d6c5b4a39281706f5e4");
        let key =
            ApiKey::new(id, tenant(1), application(application_number), name, &secret, Actor::System, NOW);
        let allowed_models = vec!["small-*".parse().unwrap()];
        let kind = if is_virtual { KeyKind::VirtualLlm { allowed_models } } else { KeyKind::Ingest };
        KeyFacts {
            standing,
            expires_at: expires_in.map(|millis| Timestamp::from_millis(NOW.as_millis() + millis)),
            blocked,
            limits: LineageLimits::new(id, Rates::new(limited.then_some(60), &[])),
            environment,
            customer_id: customer_number.map(customer),
            allowed_ips: AllowedIps::parse(if listed { &["192.0.2.0/24"][..] } else { &[] }).unwrap(),
            scopes: Grants::parse(&scopes).unwrap(),
            kind,
            ..KeyFacts::of(&key)
        }
    })
}

const NEEDED: [&[&str]; 3] = [&[], &["a:read"], &["a:read", "b:read"]];

type Asked = (
    (Option<u128>, Option<Environment>, Option<u128>),
    (Option<bool>, Option<u128>),
    (usize, bool, Option<bool>),
);

fn asked() -> impl Strategy<Value = Asked> {
    let place = (option::of(1..3_u128), option::of(select(Environment::ALL)), option::of(1..3_u128));
    let from = (option::of(any::<bool>()), option::of(1..3_u128));
    (place, from, (0..NEEDED.len(), any::<bool>(), option::of(any::<bool>())))
}

fn with_ask<T>(asked: &Asked, then: impl FnOnce(&Ask<'_>) -> T) -> T {
    let ((tenant_number, environment, application_number), (near, customer_number), (needed, any, model)) =
        *asked;
    let permissions: Vec<_> = NEEDED[needed].iter().map(|text| Permission::parse(text).unwrap()).collect();
    then(&Ask {
        tenant_id: tenant_number.map(tenant),
        environment,
        application_id: application_number.map(application),
        ip: near.map(|near| if near { [192, 0, 2, 7] } else { [198, 51, 100, 7] }.into()),
        customer_id: customer_number.map(customer),
        permissions: if any { Requirement::Any(&permissions) } else { Requirement::All(&permissions) },
        model: model.map(|small| if small { "small-1" } else { "large-1" }),
        cost: 1,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_first_check_that_fails_is_the_decision(facts in facts(), asked in asked()) {
        with_ask(&asked, |ask| {
            let checks = explain(&facts, ask, NOW);
            let first = checks.iter().find_map(|checked| checked.refusal());
            let decision = decide(&facts, ask, NOW);
            prop_assert_eq!(first, decision.as_ref().err());
            Ok(())
        })?;
    }

    #[test]
    fn checks_come_in_their_order_and_go_on_to_the_last(facts in facts(), asked in asked()) {
        with_ask(&asked, |ask| {
            let checks = explain(&facts, ask, NOW);
            let made: Vec<_> = checks.iter().map(|checked| checked.check).collect();
            let of_another = ask.tenant_id.is_some_and(|tenant| tenant != facts.tenant_id);
            let last = if of_another { Check::Known } else { Check::Model };
            let all = Check::ALL.iter().copied().filter(|check| (Check::Known..=last).contains(check));
            prop_assert_eq!(made, all.collect::<Vec<_>>());
            Ok(())
        })?;
    }

    /// A check fails whatever else fails, so that a person sees everything that is wrong.
    #[test]
    fn a_check_finds_the_same_whatever_the_others_find(facts in facts(), asked in asked()) {
        with_ask(&asked, |ask| {
            let blocked = KeyFacts { blocked: true, standing: KeyStatus::Revoked, ..facts.clone() };
            let (with, without) = (explain(&blocked, ask, NOW), explain(&facts, ask, NOW));
            for (with, without) in with.iter().zip(&without) {
                if ![Check::Status, Check::Block].contains(&with.check) {
                    prop_assert_eq!(with, without);
                }
            }
            Ok(())
        })?;
    }
}

#[test]
fn what_the_question_does_not_name_is_told_to_be_not_asked() {
    let secret = Secret::new("9f8e7d6c5b4a39281706f5e4");
    let (id, name) = (KeyId::from_parts(NOW, 1), "One".parse().unwrap());
    let key = ApiKey::new(id, tenant(1), application(1), name, &secret, Actor::System, NOW);
    let found = |ask: &Ask<'_>| {
        let passed = |checked: &keystile_core::Checked| match checked.finding {
            Finding::Passed => Some(checked.check),
            Finding::NotAsked => None,
            Finding::Failed(ref refusal) => panic!("{refusal:?}"),
        };
        explain(&KeyFacts::of(&key), ask, NOW).iter().filter_map(passed).collect::<Vec<_>>()
    };
    assert_eq!(found(&Ask::ANYTHING), [Check::Known, Check::Status, Check::Block]);
    let asked = Ask { environment: Some(key.environment), ..Ask::ANYTHING };
    assert_eq!(found(&asked), [Check::Known, Check::Status, Check::Environment, Check::Block]);
}

#[test]
fn the_codes_of_failing_checks_come_in_the_order_of_codes() {
    let secret = Secret::new("9f8e7d6c5b4a39281706f5e4");
    let (id, name) = (KeyId::from_parts(NOW, 1), "One".parse().unwrap());
    let key = ApiKey::new(id, tenant(1), application(1), name, &secret, Actor::System, NOW);
    let facts = KeyFacts {
        standing: KeyStatus::Revoked,
        blocked: true,
        customer_id: Some(customer(1)),
        allowed_ips: AllowedIps::parse(&["192.0.2.0/24"]).unwrap(),
        ..KeyFacts::of(&key)
    };
    let needed = [Permission::parse("a:read").unwrap()];
    let ask = Ask {
        tenant_id: Some(tenant(1)),
        environment: Some(Environment::Staging),
        application_id: Some(application(2)),
        ip: None,
        customer_id: Some(customer(2)),
        permissions: Requirement::All(&needed),
        model: Some("large-1"),
        cost: 1,
    };
    let codes: Vec<_> =
        explain(&facts, &ask, NOW).iter().filter_map(|checked| Some(checked.refusal()?.code())).collect();
    let expected = [
        Code::KeyRevoked,
        Code::WrongEnvironment,
        Code::KeyBlocked,
        Code::WrongApplication,
        Code::IpNotAllowed,
        Code::WrongCustomer,
        Code::PermissionDenied,
        Code::ModelNotAllowed,
    ];
    assert_eq!(codes, expected);
    assert!(codes.is_sorted());
}
