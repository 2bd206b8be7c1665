//! The routes of applications in memory: read once, and never older than the last change.

use std::sync::Arc;

use keystile_core::route::{Table, Unmatched};
use keystile_core::{ApplicationId, Change, Routing};
use keystile_verify::{FILL_TIMEOUT, ROUTINGS_KEPT, SourceUnavailable};
use tokio::task::JoinHandle;

use crate::source::Mood;
use crate::world::{World, start_of_time};

const REFUSING: Routing = Routing { hosts: Vec::new(), routes: Vec::new(), unmatched: Unmatched::Refuse };

type Found = Result<Option<Arc<Table>>, SourceUnavailable>;

fn application(number: u128) -> ApplicationId {
    ApplicationId::from_parts(start_of_time(), number)
}

/// Whether an application has routes, as far as is known without a read.
fn known(world: &World, number: u128) -> Option<bool> {
    world.verifier.try_routing(application(number)).map(|table| table.is_some())
}

fn ask(world: &World, number: u128) -> JoinHandle<Found> {
    let verifier = Arc::clone(&world.verifier);
    tokio::spawn(async move { verifier.routing(application(number)).await })
}

fn is_routed(found: &Found) -> bool {
    found.as_ref().unwrap().is_some()
}

fn change(world: &World, number: u128, routing: Option<Routing>) -> Change {
    match routing {
        Some(routing) => world.source.routings.lock().insert(application(number), routing),
        None => world.source.routings.lock().remove(&application(number)),
    };
    Change::of_routing(application(number))
}

#[tokio::test]
async fn routes_are_read_once_and_so_is_that_there_are_none() {
    let world = World::new();
    let _old = change(&world, 1, Some(REFUSING));
    assert_eq!((known(&world, 1), known(&world, 2)), (None, None));
    for _ in 0..2 {
        assert!(is_routed(&ask(&world, 1).await.unwrap()));
        assert!(!is_routed(&ask(&world, 2).await.unwrap()));
    }
    assert_eq!((known(&world, 1), known(&world, 2)), (Some(true), Some(false)));
    assert_eq!(world.source.queries().len(), 2);
}

#[tokio::test]
async fn many_who_wait_make_one_read() {
    let world = World::new();
    let mut queries = world.source.hold_queries();
    let callers: Vec<_> = (0..50).map(|_| ask(&world, 1)).collect();
    queries.recv().await.unwrap().release();
    for caller in callers {
        assert!(!is_routed(&caller.await.unwrap()));
    }
    assert_eq!(world.source.queries().len(), 1);
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_question() {
    let world = World::new();
    assert!(!is_routed(&ask(&world, 1).await.unwrap()));
    world.verifier.apply(&change(&world, 1, Some(REFUSING)));
    assert_eq!(known(&world, 1), None);
    assert!(is_routed(&ask(&world, 1).await.unwrap()));
    world.source.routings.lock().clear();
    world.verifier.forget_all();
    assert!(!is_routed(&ask(&world, 1).await.unwrap()));
}

#[tokio::test]
async fn a_late_read_cannot_undo_a_change() {
    let world = World::new();
    let mut queries = world.source.hold_queries();
    let early = ask(&world, 1);
    let late = queries.recv().await.unwrap();

    world.verifier.apply(&change(&world, 1, Some(REFUSING)));
    let after = ask(&world, 1);
    let fresh = queries.recv().await.expect("a new read, though one is under way");
    late.release();
    assert!(!is_routed(&early.await.unwrap()), "it asked before the change");
    assert_eq!(known(&world, 1), None, "what the late read brought was thrown away");
    fresh.release();
    assert!(is_routed(&after.await.unwrap()));
    assert_eq!(known(&world, 1), Some(true));
}

#[tokio::test]
async fn nothing_is_kept_while_a_change_is_in_doubt() {
    let world = World::new();
    assert!(!is_routed(&ask(&world, 1).await.unwrap()));
    let doubted = Change::of_routing(application(1));
    world.verifier.doubt(&doubted);
    assert!(!is_routed(&ask(&world, 1).await.unwrap()));
    assert_eq!(known(&world, 1), None);
    let _late = change(&world, 1, Some(REFUSING));
    assert!(is_routed(&ask(&world, 1).await.unwrap()), "the change happened after all");
    world.verifier.settle(&doubted);
    assert!(is_routed(&ask(&world, 1).await.unwrap()));
    assert_eq!(known(&world, 1), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_or_hangs_gives_nothing_and_leaves_nothing() {
    let world = World::new();
    for mood in [Mood::Failing, Mood::Hanging] {
        *world.source.mood.lock() = mood;
        let begun = tokio::time::Instant::now();
        assert_eq!(ask(&world, 1).await.unwrap().unwrap_err(), SourceUnavailable);
        assert!(begun.elapsed() <= FILL_TIMEOUT * 2);
        assert_eq!(known(&world, 1), None);
    }
    *world.source.mood.lock() = Mood::Well;
    assert!(!is_routed(&ask(&world, 1).await.unwrap()));
}

#[tokio::test]
async fn no_more_are_kept_than_the_bound() {
    let world = World::new();
    for number in 0..ROUTINGS_KEPT as u128 + 10 {
        assert!(world.verifier.routing(application(number)).await.is_ok());
    }
    assert_eq!(world.verifier.stats().routings, ROUTINGS_KEPT);
}
