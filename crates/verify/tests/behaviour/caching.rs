//! What is kept, what is decided anew, and what is refused when nothing can be known.

use std::time::Duration;

use keystile_core::{Ask, Code};

use crate::source::Mood;
use crate::world::{World, facts, start_of_time, tenant, text};

#[tokio::test]
async fn a_key_is_read_once_and_then_known() {
    let world = World::with_keys(1);
    let verdict = world.verify(0).await;
    assert!(verdict.is_allowed());
    assert_eq!(verdict.key.unwrap().id(), facts(0).id);
    assert_eq!(world.known_code(0), Some(Code::Allowed));
    assert_eq!(world.source.queries(), [1]);
    let stats = world.verifier.stats();
    assert_eq!((stats.keys, stats.hits, stats.misses, stats.queries), (1, 1, 1, 1));
}

#[tokio::test]
async fn a_malformed_text_is_refused_without_a_look_up() {
    let world = World::with_keys(1);
    let mut mistyped = text(0);
    mistyped.pop();
    mistyped.push('!');
    for malformed in ["", "short", "with a blank in it", &text(0)[..40], &mistyped] {
        let verdict = world.verifier.try_verify(malformed, &Ask::ANYTHING).unwrap();
        assert_eq!(verdict.code(), Code::KeyMalformed, "{malformed}");
        assert!(verdict.key.is_none());
    }
    assert!(world.source.queries().is_empty());
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once() {
    let world = World::new();
    assert_eq!(world.code(0).await, Code::KeyNotFound);
    assert_eq!(world.known_code(0), Some(Code::KeyNotFound));
    assert_eq!(world.source.queries(), [1]);
    assert_eq!(world.verifier.stats().absent, 1);
}

#[tokio::test]
async fn another_tenants_key_does_not_exist() {
    let world = World::with_keys(1);
    for _from_source_and_from_memory in 0..2 {
        let ask = Ask { tenant_id: Some(tenant(2)), ..Ask::ANYTHING };
        let verdict = world.verifier.verify(&text(0), &ask).await;
        assert_eq!(verdict.code(), Code::KeyNotFound);
        assert!(verdict.key.is_none());
    }
    let own = Ask { tenant_id: Some(tenant(1)), ..Ask::ANYTHING };
    assert!(world.verifier.verify(&text(0), &own).await.is_allowed());
}

#[tokio::test]
async fn a_key_in_memory_expires_by_the_clock() {
    let world = World::new();
    let end = start_of_time().plus(Duration::from_secs(60));
    world.commit(0, |facts| facts.expires_at = Some(end));
    assert_eq!(world.code(0).await, Code::Allowed);
    world.clock.turn(Duration::from_secs(60));
    let verdict = world.verify(0).await;
    assert_eq!(verdict.code(), Code::KeyExpired);
    assert_eq!(verdict.key.unwrap().expires_at(), Some(end));
    assert_eq!(world.source.queries(), [1]);
}

#[tokio::test]
async fn without_its_source_a_key_is_refused_as_unknowable_and_nothing_is_kept() {
    for mood in [Mood::Failing, Mood::Panicking] {
        let world = World::with_keys(1);
        *world.source.mood.lock() = mood;
        let verdict = world.verify(0).await;
        assert_eq!(verdict.code(), Code::EnforcementUnavailable);
        assert!(verdict.key.is_none());
        let stats = world.verifier.stats();
        assert_eq!((stats.keys, stats.absent, stats.flights, stats.unavailable), (0, 0, 0, 1));
        *world.source.mood.lock() = Mood::Well;
        assert_eq!(world.code(0).await, Code::Allowed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_hangs_is_given_up_in_time() {
    let world = World::with_keys(2);
    *world.source.mood.lock() = Mood::Hanging;
    let begun = tokio::time::Instant::now();
    assert_eq!(world.code(0).await, Code::EnforcementUnavailable);
    assert!(begun.elapsed() <= keystile_verify::FILL_TIMEOUT + Duration::from_millis(1));
    // The query is given up in the same moment as the caller; let its task see that.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.verifier.stats().flights, 0);
    *world.source.mood.lock() = Mood::Well;
    assert_eq!(world.code(0).await, Code::Allowed);
}
