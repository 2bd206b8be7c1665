//! A verifier that is one of several believes what it remembers for as long as it has a lease, and nothing without one.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::key::KeyStatus;
use keystile_core::quota::{Amount, Need, Origin};
use keystile_core::{ApplicationId, Ask, Budget, BudgetPeriod, Change, Code, LineageLimits, NanoUsd, Rates};
use keystile_verify::Terms;

use crate::world::{World, digest, start_of_time, tenant, text};

const LEASE: Duration = Duration::from_secs(1);

/// Begins a lease, or extends the one that there is.
fn lease(world: &World) {
    use keystile_core::Clock;
    let millis = u64::try_from(LEASE.as_millis()).unwrap();
    world.verifier.extend_lease(world.clock.unslept_millis() + millis);
}

/// Somebody else revokes a key, and nobody tells.
fn revoked_elsewhere(world: &World, number: usize) {
    world.commit(number, |facts| facts.standing = KeyStatus::Revoked);
}

#[tokio::test]
async fn without_a_lease_each_question_is_read_and_nothing_is_kept() {
    let world = World::of_a_node(1);
    assert_eq!((world.code(0).await, world.code(0).await), (Code::Allowed, Code::Allowed));
    assert_eq!((world.code(7).await, world.code(7).await), (Code::KeyNotFound, Code::KeyNotFound));
    assert_eq!(world.source.queries(), [1, 1, 1, 1]);
    let stats = world.verifier.stats();
    assert_eq!((stats.keys, stats.absent, stats.hits), (0, 0, 0));
    revoked_elsewhere(&world, 0);
    assert_eq!(world.code(0).await, Code::KeyRevoked);
}

#[tokio::test]
async fn memory_is_believed_until_the_lease_is_over() {
    let world = World::of_a_node(1);
    lease(&world);
    assert_eq!(world.code(0).await, Code::Allowed);
    revoked_elsewhere(&world, 0);
    world.clock.turn(LEASE - Duration::from_millis(1));
    assert_eq!(world.known_code(0), Some(Code::Allowed));
    assert_eq!(world.verifier.lease_left_millis(), 1);
    world.clock.turn(Duration::from_millis(1));
    assert_eq!(world.known_code(0), None);
    assert!(!world.verifier.has_lease());
    assert_eq!(world.code(0).await, Code::KeyRevoked);
}

#[tokio::test]
async fn a_lease_that_is_extended_in_time_forgets_nothing_and_a_new_one_everything() {
    let world = World::of_a_node(1);
    lease(&world);
    assert_eq!(world.code(0).await, Code::Allowed);
    world.clock.turn(LEASE / 2);
    lease(&world);
    world.clock.turn(LEASE / 2);
    assert_eq!(world.known_code(0), Some(Code::Allowed));
    revoked_elsewhere(&world, 0);
    world.verifier.end_lease();
    lease(&world);
    assert_eq!(world.known_code(0), None);
    assert_eq!(world.code(0).await, Code::KeyRevoked);
}

#[tokio::test]
async fn without_a_lease_nobody_is_answered_by_a_read_that_began_before_they_came() {
    let world = World::of_a_node(1);
    let mut queries = world.source.hold_queries();
    let before = world.call(0);
    let early = queries.recv().await.unwrap();
    revoked_elsewhere(&world, 0);
    let after = world.call(0);
    let late = queries.recv().await.unwrap();
    late.release();
    assert_eq!(after.await.unwrap(), Code::KeyRevoked);
    early.release();
    assert_eq!(before.await.unwrap(), Code::Allowed);
}

#[tokio::test]
async fn what_was_read_without_a_lease_is_read_anew_when_one_has_begun_meanwhile() {
    let world = World::of_a_node(1);
    let mut queries = world.source.hold_queries();
    let call = world.call(0);
    let early = queries.recv().await.unwrap();
    lease(&world);
    world.commit(0, |facts| facts.standing = KeyStatus::Revoked);
    world.verifier.apply(&Change::of([digest(0)]));
    early.release();
    queries.recv().await.unwrap().release();
    assert_eq!(call.await.unwrap(), Code::KeyRevoked);
}

#[tokio::test]
async fn many_questions_are_read_one_by_one_without_a_lease() {
    let world = World::of_a_node(3);
    let texts: Vec<_> = (0..3).map(text).collect();
    let questions: Vec<_> = texts.iter().map(|text| (text.as_str(), Ask::ANYTHING)).collect();
    let ask =
        async || world.verifier.verify_all(&questions).await.iter().filter(|one| one.is_allowed()).count();
    assert_eq!((ask().await, ask().await), (3, 3));
    assert_eq!(world.source.queries(), [1; 6]);
    lease(&world);
    assert_eq!((ask().await, ask().await), (3, 3));
    assert_eq!(world.source.queries()[6..].iter().sum::<usize>(), 3, "each is read once, and kept");
}

#[tokio::test]
async fn routes_and_upstreams_are_kept_under_a_lease_only() {
    let world = World::of_a_node(0);
    let application = ApplicationId::from_parts(start_of_time(), 1);
    let read = async || {
        assert!(world.verifier.routing(application).await.unwrap().is_none());
        world.verifier.upstreams(tenant(1)).await.unwrap();
    };
    read().await;
    read().await;
    assert_eq!(world.source.queries().len(), 4);
    assert!(
        world.verifier.try_routing(application).is_none()
            && world.verifier.try_upstreams(tenant(1)).is_none()
    );
    lease(&world);
    read().await;
    read().await;
    assert_eq!(world.source.queries().len(), 6);
    assert!(
        world.verifier.try_routing(application).is_some()
            && world.verifier.try_upstreams(tenant(1)).is_some()
    );
    world.clock.turn(LEASE);
    assert!(
        world.verifier.try_routing(application).is_none()
            && world.verifier.try_upstreams(tenant(1)).is_none()
    );
}

#[tokio::test]
async fn nothing_is_taken_from_a_budget_without_a_lease() {
    let world = World::of_a_node(1);
    world.commit(0, |facts| {
        let budget = Some(Budget { max: NanoUsd::from_nanos(100), period: BudgetPeriod::Day });
        facts.limits = Some(LineageLimits { lineage_id: facts.id, rates: Rates::NONE, tokens: None, budget });
    });
    let need = Need::of(Amount { tokens: 0, picos: 1_000 });
    let terms = || Terms {
        deadline: Duration::from_secs(60),
        origin: Origin::Gateway,
        model: "m".into(),
        request_id: "r".into(),
    };
    lease(&world);
    let key = world.verify(0).await.key.unwrap();
    let verifier = Arc::clone(&world.verifier);
    verifier.reserve(&key, &need, terms()).await.unwrap().release();
    let asked = world.budgets.leases();
    world.clock.turn(LEASE);
    let refused = verifier.reserve(&key, &need, terms()).await.unwrap_err();
    assert_eq!(refused.code(), Code::EnforcementUnavailable);
    verifier.room(&key).await.unwrap_err();
    assert_eq!(world.budgets.leases(), asked);
    lease(&world);
    verifier.reserve(&key, &need, terms()).await.unwrap().release();
    assert!(world.budgets.leases() > asked, "what was leased before may be another's");
}
