//! Decisions are counted exactly, minute by minute, and written in batches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::usage::Latency;
use keystile_core::{Ask, Clock, Code, KeyId, Minute, Permission, Refusal, Requirement};
use keystile_verify::{Bounds, COUNTS_PER_WRITE, FLUSH_EVERY, SourceUnavailable};

use crate::source::Mood;
use crate::world::{World, facts, start_of_time, tenant, text};

const MINUTE: Duration = Duration::from_secs(60);

/// What was counted of each key in each minute, whatever it waited, over all batches that were written, each once.
fn written(world: &World) -> BTreeMap<(KeyId, Minute, Code), u64> {
    let mut sums = BTreeMap::new();
    for ((key_id, minute, code, _), count) in written_by_latency(world) {
        *sums.entry((key_id, minute, code)).or_default() += count;
    }
    sums
}

fn written_by_latency(world: &World) -> BTreeMap<(KeyId, Minute, Code, Latency), u64> {
    let batches: BTreeMap<u128, _> =
        world.source.counted.lock().iter().map(|batch| (batch.id, batch.counts.clone())).collect();
    let mut sums = BTreeMap::new();
    for counted in batches.into_values().flatten() {
        assert_eq!((counted.tenant_id, counted.environment), (tenant(1), facts(0).environment));
        let place = (counted.key_id, counted.minute, counted.code, counted.latency);
        *sums.entry(place).or_default() += counted.count;
    }
    sums
}

fn minute(turns: u32) -> Minute {
    Minute::of(start_of_time().plus(turns * MINUTE))
}

#[tokio::test]
async fn each_decision_is_counted_in_its_minute() {
    let world = World::with_keys(2);
    let needed = [Permission::parse("orders:write").unwrap()];
    let write = Ask { permissions: Requirement::All(&needed), ..Ask::ANYTHING };
    for _ in 0..5 {
        world.code(0).await;
        world.verifier.verify(&text(0), &write).await;
    }
    world.verifier.flush().await.unwrap();
    world.code(0).await;
    world.clock.turn(MINUTE);
    world.code(0).await;
    world.code(1).await;
    world.revoke(1);
    world.code(1).await;
    world.verifier.flush().await.unwrap();
    world.verifier.flush().await.unwrap();
    let (first, second) = (facts(0).id, facts(1).id);
    let expected = [
        ((first, minute(0), Code::Allowed), 6),
        ((first, minute(0), Code::PermissionDenied), 5),
        ((first, minute(1), Code::Allowed), 1),
        ((second, minute(1), Code::Allowed), 1),
        ((second, minute(1), Code::KeyRevoked), 1),
    ];
    assert_eq!(written(&world), BTreeMap::from(expected));
}

#[tokio::test]
async fn what_waits_for_its_key_is_counted_by_how_long_it_waited() {
    let world = World::with_keys(3);
    let mut held = world.source.hold_queries();
    let waits = [(0, 1, Latency::UpTo1Ms), (1, 80, Latency::UpTo100Ms), (2, 1_500, Latency::Longer)];
    let mut expected = BTreeMap::new();
    for (number, millis, latency) in waits {
        if number == 1 {
            world.commit(number, |facts| facts.blocked = true);
        }
        let call = world.call(number);
        let query = held.recv().await.unwrap();
        world.clock.turn(Duration::from_millis(millis));
        query.release();
        let code = call.await.unwrap();
        assert_eq!(world.known_code(number), Some(code));
        expected.insert((facts(number).id, minute(0), code, latency), 1);
        expected.insert((facts(number).id, minute(0), code, Latency::Memory), 1);
    }
    world.verifier.flush().await.unwrap();
    assert_eq!(written_by_latency(&world), expected);
}

#[tokio::test]
async fn a_look_counts_a_refusal_and_leaves_a_yes_to_the_question() {
    let world = World::with_keys(2);
    world.commit(1, |facts| facts.blocked = true);
    let needed = [Permission::parse("orders:write").unwrap()];
    let write = Ask { permissions: Requirement::All(&needed), ..Ask::ANYTHING };
    for _ in 0..2 {
        assert!(world.verifier.look(&text(0), &write).await.is_allowed());
        let refused = world.verifier.look(&text(1), &write).await;
        assert_eq!(refused.outcome, Err(Refusal::Plain(Code::KeyBlocked)));
        assert_eq!(refused.key.unwrap().id(), facts(1).id);
    }
    assert_eq!(world.verifier.look(&text(7), &write).await.code(), Code::KeyNotFound);
    assert_eq!(world.verifier.look("sk_x", &write).await.code(), Code::KeyMalformed);
    world.verifier.flush().await.unwrap();
    assert_eq!(written(&world), BTreeMap::from([((facts(1).id, minute(0), Code::KeyBlocked), 2)]));
    assert!(world.source.written.lock().is_empty(), "a look is no use");
}

#[tokio::test]
async fn what_no_key_is_known_for_is_not_counted() {
    let world = World::with_keys(1);
    world.code(7).await;
    let of_another = Ask { tenant_id: Some(tenant(2)), ..Ask::ANYTHING };
    assert_eq!(world.verifier.verify(&text(0), &of_another).await.code(), Code::KeyNotFound);
    world.verifier.flush().await.unwrap();
    assert!(world.source.counted.lock().is_empty());
}

#[tokio::test]
async fn counts_of_keys_that_are_forgotten_or_make_room_are_kept() {
    let world = World::bounded(Bounds { keys: 1, absent: 1 });
    for number in 0..50 {
        world.commit(number, |_| {});
        world.code(number).await;
        world.code(number).await;
    }
    world.change(49, |_| {});
    world.code(49).await;
    world.verifier.flush().await.unwrap();
    let written = written(&world);
    assert_eq!((written.len(), written.values().sum::<u64>()), (50, 101));
    assert_eq!(written[&(facts(49).id, minute(0), Code::Allowed)], 3);
}

#[tokio::test]
async fn batches_are_bounded() {
    let world = World::with_keys(COUNTS_PER_WRITE + 1);
    for number in 0..=COUNTS_PER_WRITE {
        world.code(number).await;
    }
    world.verifier.flush().await.unwrap();
    let sizes: Vec<_> = world.source.counted.lock().iter().map(|batch| batch.counts.len()).collect();
    assert_eq!(sizes, [COUNTS_PER_WRITE, 1]);
}

#[tokio::test]
async fn what_is_counted_of_all_keys_is_written_for_a_reader_if_it_is_one_batch() {
    let world = World::with_keys(COUNTS_PER_WRITE + 1);
    let use_of = async |keys| {
        for number in 0..keys {
            world.code(number).await;
        }
    };
    let sum = || usize::try_from(written(&world).values().sum::<u64>()).unwrap();
    use_of(COUNTS_PER_WRITE).await;
    world.verifier.flush_few().await.unwrap();
    assert_eq!(sum(), COUNTS_PER_WRITE);
    use_of(COUNTS_PER_WRITE + 1).await;
    world.verifier.flush_few().await.unwrap();
    assert_eq!(sum(), COUNTS_PER_WRITE, "a reader waited for many writes");
    world.verifier.flush().await.unwrap();
    assert_eq!(sum(), 2 * COUNTS_PER_WRITE + 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_of_one_key_is_written_when_it_is_asked_for() {
    let world = World::with_keys(3);
    for number in [0, 1, 1, 2] {
        world.code(number).await;
    }
    world.verifier.flush_usage(tenant(1), facts(1).id).await.unwrap();
    let (first, second) = ((facts(0).id, minute(0), Code::Allowed), (facts(1).id, minute(0), Code::Allowed));
    assert_eq!(written(&world), BTreeMap::from([(second, 2)]));
    // A batch of others that may have been written comes first, as it could hold counts of this key.
    *world.source.mood.lock() = Mood::Failing;
    assert_eq!(world.verifier.flush().await, Err(SourceUnavailable));
    assert_eq!(world.verifier.flush_usage(tenant(1), facts(0).id).await, Err(SourceUnavailable));
    *world.source.mood.lock() = Mood::Well;
    world.code(1).await;
    world.verifier.flush_usage(tenant(1), facts(1).id).await.unwrap();
    let written = written(&world);
    assert_eq!((written[&first], written[&second], written.len()), (1, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_may_have_been_written_is_offered_again_as_it_was() {
    let world = World::with_keys(1);
    world.code(0).await;
    for mood in [Mood::Failing, Mood::Panicking, Mood::Hanging] {
        *world.source.mood.lock() = mood;
        assert_eq!(world.verifier.flush().await, Err(SourceUnavailable));
        world.code(0).await;
    }
    *world.source.mood.lock() = Mood::Well;
    world.verifier.flush().await.unwrap();
    let batches = world.source.counted.lock().clone();
    let counts: Vec<_> = batches.iter().map(|batch| batch.counts[0].count).collect();
    assert_eq!((counts.as_slice(), batches[0].id == batches[1].id), (&[1, 3][..], false));
    assert_eq!(world.verifier.stats().uncounted, 0);
}

#[tokio::test(start_paused = true)]
async fn counts_are_written_regularly_and_at_the_end() {
    let world = World::with_keys(1);
    let background = world.verifier.start();
    world.code(0).await;
    tokio::time::sleep(FLUSH_EVERY + Duration::from_millis(1)).await;
    assert_eq!(written(&world).into_values().sum::<u64>(), 1);
    world.code(0).await;
    background.stop().await;
    assert_eq!(written(&world).into_values().sum::<u64>(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_threads_flushes_and_minutes() {
    const CALLERS: u64 = 4;
    const CALLS: u64 = 20_000;
    let world = Arc::new(World::with_keys(2));
    let call = |_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for number in 0..CALLS {
                world.code(usize::from(number % 3 == 0)).await;
            }
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(call).collect();
    while callers.iter().any(|caller| !caller.is_finished()) {
        world.verifier.flush().await.unwrap();
        world.clock.turn(Duration::from_secs(7));
        tokio::task::yield_now().await;
    }
    let now = world.clock.now();
    world.verifier.flush().await.unwrap();
    let written = written(&world);
    assert_eq!(written.values().sum::<u64>(), CALLERS * CALLS);
    let times = Minute::of(start_of_time())..=Minute::of(now);
    assert!(written.keys().all(|(_, minute, _)| times.contains(minute)), "{times:?}");
}
