//! After `apply` nothing read before the change is used.

use keystile_core::key::KeyStatus;
use keystile_core::{Change, Code};

use crate::source::Held;
use crate::world::{World, digest};

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let world = World::with_keys(1);
    assert_eq!(world.code(0).await, Code::Allowed);
    world.revoke(0);
    assert_eq!(world.known_code(0), None);
    assert_eq!(world.code(0).await, Code::KeyRevoked);
}

#[tokio::test]
async fn a_new_key_works_at_once_though_it_was_known_to_be_absent() {
    let world = World::new();
    assert_eq!(world.code(0).await, Code::KeyNotFound);
    world.change(0, |_| {});
    assert_eq!(world.code(0).await, Code::Allowed);
}

#[tokio::test]
async fn late_fill_cannot_undo_a_revocation() {
    let world = World::with_keys(1);
    let mut queries = world.source.hold_queries();
    let early = world.call(0);
    let late = queries.recv().await.unwrap();

    world.revoke(0);
    let after = world.call(0);
    let fresh = queries.recv().await.expect("a new read, though one is under way");
    fresh.release();
    assert_eq!(after.await.unwrap(), Code::KeyRevoked);
    late.release();
    assert_eq!(early.await.unwrap(), Code::KeyRevoked, "it waited until after the change");
    assert_eq!(world.known_code(0), Some(Code::KeyRevoked));
}

#[tokio::test]
async fn late_fill_that_lands_first_cannot_undo_a_revocation() {
    let world = World::with_keys(1);
    let mut queries = world.source.hold_queries();
    let early = world.call(0);
    let late = queries.recv().await.unwrap();

    world.revoke(0);
    late.release();
    let again = queries.recv().await.expect("the early caller looks again");
    assert_eq!(world.known_code(0), None, "what the late fill read was thrown away");
    again.release();
    assert_eq!(early.await.unwrap(), Code::KeyRevoked);
}

#[tokio::test]
async fn late_fill_cannot_hide_a_new_key() {
    let world = World::new();
    let mut queries = world.source.hold_queries();
    let early = world.call(0);
    let late = queries.recv().await.unwrap();

    world.change(0, |_| {});
    let after = world.call(0);
    queries.recv().await.expect("a new read, though one is under way").release();
    assert_eq!(after.await.unwrap(), Code::Allowed);
    late.release();
    assert_eq!(early.await.unwrap(), Code::Allowed);
    assert_eq!(world.known_code(0), Some(Code::Allowed));
    assert_eq!(world.verifier.stats().absent, 0);
}

#[tokio::test]
async fn a_key_that_waits_for_its_query_is_read_anew_after_a_change() {
    let world = World::with_keys(10);
    let mut queries = world.source.hold_queries();
    let mut held = Vec::new();
    for number in 0..keystile_verify::QUERIES_IN_FLIGHT {
        world.call(number);
        held.push(queries.recv().await.unwrap());
    }
    let early = world.call(9);
    while world.verifier.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    world.revoke(9);
    let after = world.call(9);
    held.drain(..).for_each(Held::release);
    while !(early.is_finished() && after.is_finished()) {
        tokio::select! {
            Some(query) = queries.recv() => query.release(),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!((early.await.unwrap(), after.await.unwrap()), (Code::KeyRevoked, Code::KeyRevoked));
}

#[tokio::test]
async fn a_change_forgets_its_own_keys_and_no_others() {
    let world = World::with_keys(3);
    for number in 0..3 {
        world.code(number).await;
    }
    world.verifier.apply(&Change::of([digest(0), digest(2)]));
    let known: Vec<_> = (0..3).map(|number| world.known_code(number)).collect();
    assert_eq!(known, [None, Some(Code::Allowed), None]);
}

#[tokio::test]
async fn when_changes_may_have_been_missed_everything_is_forgotten() {
    let world = World::with_keys(2);
    for number in 0..3 {
        world.code(number).await;
    }
    let mut queries = world.source.hold_queries();
    let early = world.call(7);
    let late = queries.recv().await.unwrap();
    world.commit(0, |facts| facts.standing = KeyStatus::Revoked);
    world.commit(7, |_| {});

    world.verifier.forget_all();
    let stats = world.verifier.stats();
    assert_eq!((stats.keys, stats.absent, stats.flights), (0, 0, 0));
    late.release();
    queries.recv().await.unwrap().release();
    assert_eq!(early.await.unwrap(), Code::Allowed);
}

#[tokio::test]
async fn a_change_in_doubt_takes_effect_whenever_it_happens() {
    let world = World::with_keys(2);
    let (revoked, made) = (0, 7);
    let change = Change::of([digest(revoked), digest(made)]);
    assert_eq!((world.code(revoked).await, world.code(made).await), (Code::Allowed, Code::KeyNotFound));
    world.code(1).await;

    world.verifier.doubt(&change);
    assert_eq!((world.known_code(revoked), world.known_code(made)), (None, None));
    assert_eq!((world.code(revoked).await, world.code(made).await), (Code::Allowed, Code::KeyNotFound));
    assert_eq!((world.known_code(revoked), world.known_code(made)), (None, None), "read, but not kept");
    assert_eq!(world.known_code(1), Some(Code::Allowed), "nobody doubts it");

    let mut queries = world.source.hold_queries();
    let early = world.call(revoked);
    let late = queries.recv().await.unwrap();
    world.commit(revoked, |facts| facts.standing = KeyStatus::Revoked);
    world.commit(made, |_| {});
    world.verifier.settle(&change);
    late.release();
    queries.recv().await.expect("the read that began before is thrown away").release();
    assert_eq!(early.await.unwrap(), Code::KeyRevoked);
    assert_eq!(world.known_code(revoked), Some(Code::KeyRevoked), "it is kept again");
    let made = world.call(made);
    queries.recv().await.unwrap().release();
    assert_eq!(made.await.unwrap(), Code::Allowed);
}
