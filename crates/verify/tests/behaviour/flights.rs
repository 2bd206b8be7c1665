//! Each missing key is read once, many at a time, and never for longer than somebody is there to answer.

use keystile_core::{Ask, Code};
use keystile_verify::{DIGESTS_PER_QUERY, MISSES_WAITING, QUERIES_IN_FLIGHT};

use crate::source::{Held, Mood};
use crate::world::{World, digest, text};

/// Lets every task run until it waits for something.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Occupies every worker with a query of a key beyond `from`.
async fn occupy(world: &World, from: usize) -> Vec<Held> {
    let mut queries = world.source.hold_queries();
    let mut held = Vec::new();
    for number in from..from + QUERIES_IN_FLIGHT {
        world.call(number);
        held.push(queries.recv().await.unwrap());
    }
    held
}

#[tokio::test]
async fn many_callers_of_one_key_share_one_read() {
    let world = World::with_keys(1);
    let mut queries = world.source.hold_queries();
    let callers: Vec<_> = (0..50).map(|_| world.call(0)).collect();
    let query = queries.recv().await.unwrap();
    settle().await;
    assert_eq!(query.digests, [digest(0)]);
    query.release();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Code::Allowed);
    }
    assert_eq!(world.source.queries(), [1]);
}

#[tokio::test]
async fn misses_that_meet_are_read_in_one_query() {
    let world = World::with_keys(1_000);
    let occupied = occupy(&world, 1_000).await;
    let callers: Vec<_> = (0..300).map(|number| world.call(number)).collect();
    settle().await;
    assert_eq!(world.verifier.stats().waiting, 300);
    drop(occupied);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Code::Allowed);
    }
    assert_eq!(world.source.queries()[QUERIES_IN_FLIGHT..], [DIGESTS_PER_QUERY, 300 - DIGESTS_PER_QUERY]);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_read_for_others() {
    let world = World::with_keys(1);
    let mut queries = world.source.hold_queries();
    let first = world.call(0);
    let query = queries.recv().await.unwrap();
    let second = world.call(0);
    settle().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    query.release();
    assert_eq!(second.await.unwrap(), Code::Allowed);
    assert_eq!(world.source.queries(), [1]);
}

#[tokio::test]
async fn a_read_whose_callers_all_went_away_leaves_no_flight_behind() {
    let world = World::with_keys(1);
    let mut queries = world.source.hold_queries();
    let only = world.call(0);
    let query = queries.recv().await.unwrap();
    only.abort();
    query.release();
    settle().await;
    assert_eq!(world.verifier.stats().flights, 0);
    assert_eq!(world.known_code(0), Some(Code::Allowed));
}

#[tokio::test]
async fn a_failed_read_wakes_all_who_wait_for_it() {
    for mood in [Mood::Failing, Mood::Panicking] {
        let world = World::with_keys(2);
        let mut queries = world.source.hold_queries();
        let callers: Vec<_> = (0..20).map(|caller| world.call(caller % 2)).collect();
        let query = queries.recv().await.unwrap();
        assert_eq!(query.digests.len(), 2);
        *world.source.mood.lock() = mood;
        query.release();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), Code::EnforcementUnavailable);
        }
        assert_eq!(world.verifier.stats().flights, 0);
    }
}

#[tokio::test]
async fn panics_of_all_queries_do_not_strand_the_keys_that_wait() {
    let world = World::with_keys(100);
    let occupied = occupy(&world, 100).await;
    let waiting = world.call(0);
    settle().await;
    *world.source.mood.lock() = Mood::Panicking;
    drop(occupied);
    assert_eq!(waiting.await.unwrap(), Code::EnforcementUnavailable);
    *world.source.mood.lock() = Mood::Well;
    world.source.hold_queries();
    assert_eq!(world.code(0).await, Code::Allowed);
}

#[tokio::test]
async fn a_full_queue_refuses_and_recovers() {
    let world = World::with_keys(MISSES_WAITING + 1);
    let occupied = occupy(&world, MISSES_WAITING + 1).await;
    let callers: Vec<_> = (0..MISSES_WAITING).map(|number| world.call(number)).collect();
    settle().await;
    assert_eq!(world.verifier.stats().waiting, MISSES_WAITING);

    assert_eq!(world.code(MISSES_WAITING).await, Code::EnforcementUnavailable);
    let joined = world.call(0);
    settle().await;
    assert!(!joined.is_finished(), "a key that waits already can be waited for by more");

    drop(occupied);
    for caller in callers.into_iter().chain([joined]) {
        assert_eq!(caller.await.unwrap(), Code::Allowed);
    }
    assert_eq!(world.code(MISSES_WAITING).await, Code::Allowed);
}

#[test]
fn without_a_runtime_a_missing_key_is_refused_and_a_later_caller_is_served() {
    let world = World::with_keys(1);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let stopped = runtime();
    let queries = stopped.block_on(async {
        let mut queries = world.source.hold_queries();
        world.call(0);
        (queries.recv().await.unwrap(), queries)
    });
    drop(stopped);
    drop(queries);
    assert_eq!(world.verifier.stats().flights, 0);
    let verdict = runtime().block_on(world.verifier.verify(&text(0), &Ask::ANYTHING));
    assert_eq!(verdict.code(), Code::Allowed);
}
