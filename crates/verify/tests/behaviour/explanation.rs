//! Explanations say what verification would say, and more, and leave no trace.

use keystile_core::key::KeyStatus;
use keystile_core::{
    AllowedIps, Ask, Check, Checked, Code, Environment, LineageLimits, Permission, Rates, Refusal, Requirement,
};

use crate::source::Mood;
use crate::world::{World, tenant, text};

/// The checks that failed, with their codes.
fn failed(checks: &[Checked]) -> Vec<(Check, Code)> {
    checks.iter().filter_map(|checked| Some((checked.check, checked.refusal()?.code()))).collect()
}

#[tokio::test]
async fn every_check_is_made_whichever_fails_first() {
    let world = World::with_keys(1);
    world.change(0, |facts| {
        facts.blocked = true;
        facts.standing = KeyStatus::Revoked;
        facts.allowed_ips = AllowedIps::parse(&["192.0.2.0/24"]).unwrap();
        facts.limits = LineageLimits::new(facts.id, Rates::new(Some(1), &[]));
    });
    let needed = [Permission::parse("orders:write").unwrap()];
    let ask = Ask {
        environment: Some(Environment::Staging),
        permissions: Requirement::All(&needed),
        cost: 2,
        ..Ask::ANYTHING
    };
    let explanation = world.verifier.explain(&text(0), &ask).await;
    let expected = [
        (Check::Status, Code::KeyRevoked),
        (Check::Environment, Code::WrongEnvironment),
        (Check::Block, Code::KeyBlocked),
        (Check::Address, Code::IpNotAllowed),
        (Check::Permissions, Code::PermissionDenied),
        (Check::Limits, Code::RateLimited),
    ];
    assert_eq!(failed(&explanation.checks), expected);
    let made: Vec<_> = explanation.checks.iter().map(|checked| checked.check).collect();
    assert_eq!(made, Check::ALL);
    assert_eq!(explanation.verdict.code(), Code::KeyRevoked);
    assert_eq!(explanation.verdict.limits().count(), 1, "what is left is told with a refusal, too");
}

#[tokio::test]
async fn an_explanation_says_what_verification_says() {
    let world = World::with_keys(6);
    world.revoke(1);
    world.change(2, |facts| facts.blocked = true);
    world.change(3, |facts| facts.tenant_id = tenant(2));
    world.change(4, |facts| facts.limits = LineageLimits::new(facts.id, Rates::new(Some(1), &[])));
    let ask = Ask { tenant_id: Some(tenant(1)), ..Ask::ANYTHING };
    // The fourth time around its limit is used up.
    for presented in [0, 1, 2, 3, 4, 4, 5, 99].map(text).iter().chain([&"sk_ks_live_nonsense".to_owned()]) {
        let explained = world.verifier.explain(presented, &ask).await.verdict;
        let verified = world.verifier.verify(presented, &ask).await;
        assert_eq!(explained.outcome, verified.outcome);
        assert_eq!(explained.key.map(|key| key.id()), verified.key.map(|key| key.id()));
    }
}

#[tokio::test]
async fn a_key_of_another_tenant_is_explained_like_one_that_does_not_exist() {
    let world = World::with_keys(1);
    let ask = Ask { tenant_id: Some(tenant(2)), ..Ask::ANYTHING };
    let of_another = world.verifier.explain(&text(0), &ask).await;
    let unknown = world.verifier.explain(&text(1), &ask).await;
    assert_eq!(of_another.checks, unknown.checks);
    assert!(of_another.verdict.key.is_none());
    assert_eq!(failed(&of_another.checks), [(Check::Known, Code::KeyNotFound)]);
}

#[tokio::test]
async fn a_text_that_is_no_key_is_explained_without_a_read() {
    let world = World::with_keys(1);
    let explanation = world.verifier.explain("sk_ks_live_nonsense", &Ask::ANYTHING).await;
    assert_eq!(failed(&explanation.checks), [(Check::Form, Code::KeyMalformed)]);
    assert_eq!(world.source.queries(), [0; 0]);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_explained_as_our_fault() {
    let world = World::with_keys(1);
    *world.source.mood.lock() = Mood::Failing;
    let explanation = world.verifier.explain(&text(0), &Ask::ANYTHING).await;
    assert_eq!(failed(&explanation.checks), [(Check::Known, Code::EnforcementUnavailable)]);
    assert!(world.verifier.key_of(&text(0)).await.is_err());
}

#[tokio::test]
async fn explaining_counts_nothing_and_notes_no_use() {
    let world = World::with_keys(1);
    world.change(0, |facts| facts.limits = LineageLimits::new(facts.id, Rates::new(Some(2), &[])));
    for _ in 0..10 {
        let explanation = world.verifier.explain(&text(0), &Ask::ANYTHING).await;
        let remaining: Vec<_> = explanation.verdict.limits().map(|left| left.count.remaining).collect();
        assert_eq!((explanation.verdict.code(), remaining), (Code::Allowed, vec![2]));
    }
    let refused = Ask { environment: Some(Environment::Staging), ..Ask::ANYTHING };
    world.verifier.explain(&text(0), &refused).await;
    world.verifier.key_of(&text(0)).await.unwrap().unwrap();
    world.verifier.flush().await.unwrap();
    assert_eq!((world.source.writes(), world.source.counted.lock().len()), (0, 0));
    assert_eq!(world.code(0).await, Code::Allowed);
    assert_eq!(world.code(0).await, Code::Allowed);
    let explanation = world.verifier.explain(&text(0), &Ask::ANYTHING).await;
    assert!(matches!(explanation.verdict.outcome, Err(Refusal::RateLimited(_))));
}
