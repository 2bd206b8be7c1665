//! Many questions at a time: answered as one by one, and read together.

use std::time::Duration;

use keystile_core::{Ask, Code, LineageLimits, Permission, Rates, Requirement};
use keystile_verify::{BATCH_PARTS, DIGESTS_PER_QUERY, MISSES_WAITING, QUERIES_IN_FLIGHT};

use crate::source::Mood;
use crate::world::{World, digest, start_of_time, text};

const ANYTHING: Ask<'_> = Ask::ANYTHING;

impl World {
    async fn codes(&self, numbers: impl IntoIterator<Item = usize>) -> Vec<Code> {
        let texts: Vec<_> = numbers.into_iter().map(text).collect();
        let questions: Vec<_> = texts.iter().map(|text| (text.as_str(), ANYTHING)).collect();
        self.verifier.verify_all(&questions).await.iter().map(keystile_verify::Verdict::code).collect()
    }
}

#[tokio::test]
async fn each_is_answered_in_its_place_warm_or_cold() {
    let world = World::with_keys(4);
    world.revoke(1);
    world.code(2).await;
    let needed = [Permission::parse("orders:write").unwrap()];
    let write = Ask { permissions: Requirement::All(&needed), ..ANYTHING };
    let texts = [0, 1, 2, 3, 99].map(text);
    let [good, revoked, warm, lacking, unknown] = texts.each_ref().map(String::as_str);
    let questions = [
        (good, ANYTHING),
        ("sk_ks_live_nonsense", ANYTHING),
        (revoked, ANYTHING),
        (warm, ANYTHING),
        (lacking, write),
        (unknown, ANYTHING),
        (good, ANYTHING),
    ];
    let verdicts = world.verifier.verify_all(&questions).await;
    let codes: Vec<_> = verdicts.iter().map(|verdict| verdict.code().as_str()).collect();
    let expected = [
        "allowed",
        "key_malformed",
        "key_revoked",
        "allowed",
        "permission_denied",
        "key_not_found",
        "allowed",
    ];
    assert_eq!(codes, expected);
    let ids: Vec<_> = verdicts.iter().map(|verdict| verdict.key.as_ref().map(|key| key.id())).collect();
    assert_eq!((ids[0], ids[1]), (ids[6], None));
    assert_ne!(ids[0], ids[3]);
}

#[tokio::test]
async fn keys_that_are_not_in_memory_share_queries() {
    let count = 3 * DIGESTS_PER_QUERY;
    let world = World::with_keys(count);
    assert!(world.codes(0..count).await.iter().all(|code| *code == Code::Allowed));
    let queries = world.source.queries();
    assert_eq!(queries.iter().sum::<usize>(), count);
    assert!(queries.len() <= 12, "{queries:?}");
    assert!(world.codes(0..count).await.iter().all(|code| *code == Code::Allowed));
    assert_eq!(world.source.queries(), queries, "now they are in memory");
}

#[tokio::test]
async fn others_get_their_turn_while_a_batch_from_memory_is_decided_about() {
    let world = World::with_keys(1);
    world.code(0).await;
    let batch = world.codes(vec![0; 1_000]);
    let others = async {
        let mut turns = 0;
        while world.verifier.stats().hits < 1_000 {
            turns += 1;
            tokio::task::yield_now().await;
        }
        turns
    };
    let (codes, turns) = tokio::join!(batch, others);
    assert_eq!(codes.len(), 1_000);
    assert!(turns > 10, "{turns} turns");
}

#[tokio::test]
async fn one_batch_leaves_room_for_others_who_wait() {
    let world = World::with_keys(1_000);
    let mut held = world.source.hold_queries();
    let asked = {
        let texts: Vec<_> = (0..1_000).map(text).collect();
        let verifier = std::sync::Arc::clone(&world.verifier);
        tokio::spawn(async move {
            let questions: Vec<_> = texts.iter().map(|text| (text.as_str(), ANYTHING)).collect();
            verifier.verify_all(&questions).await.len()
        })
    };
    let mut read = 0;
    while read < 1_000 {
        let query = held.recv().await.unwrap();
        assert!(world.verifier.stats().waiting + query.digests.len() <= DIGESTS_PER_QUERY);
        read += query.digests.len();
        query.release();
    }
    assert_eq!(asked.await.unwrap(), 1_000);
}

#[tokio::test]
async fn many_batches_leave_room_for_others_who_wait() {
    let batches = (MISSES_WAITING / DIGESTS_PER_QUERY) + QUERIES_IN_FLIGHT;
    let single = batches * DIGESTS_PER_QUERY;
    let world = std::sync::Arc::new(World::with_keys(single + 1));
    let mut held = world.source.hold_queries();
    let asked: Vec<_> = (0..batches)
        .map(|batch| {
            let (world, first) = (std::sync::Arc::clone(&world), batch * DIGESTS_PER_QUERY);
            tokio::spawn(async move { world.codes(first..first + DIGESTS_PER_QUERY).await })
        })
        .collect();
    // Nothing is read, so that after a turn for each of its questions every batch waits.
    for _ in 0..DIGESTS_PER_QUERY {
        tokio::task::yield_now().await;
    }
    assert!(world.verifier.stats().flights <= BATCH_PARTS * DIGESTS_PER_QUERY);
    let alone = world.call(single);
    tokio::spawn(async move {
        while let Some(query) = held.recv().await {
            query.release();
        }
    });
    assert_eq!(alone.await.unwrap(), Code::Allowed);
    for batch in asked {
        assert!(batch.await.unwrap().iter().all(|code| *code == Code::Allowed));
    }
}

#[tokio::test]
async fn keys_are_decided_about_as_they_are_read_and_not_when_all_are() {
    let world = World::with_keys(2 * DIGESTS_PER_QUERY);
    let last = 2 * DIGESTS_PER_QUERY - 1;
    let mut held = world.source.hold_queries();
    let asked = {
        let texts: Vec<_> = (0..=last).map(text).collect();
        let verifier = std::sync::Arc::clone(&world.verifier);
        tokio::spawn(async move {
            let questions: Vec<_> = texts.iter().map(|text| (text.as_str(), ANYTHING)).collect();
            let verdicts = verifier.verify_all(&questions).await;
            verdicts.iter().map(keystile_verify::Verdict::code).collect::<Vec<_>>()
        })
    };
    let mut query = held.recv().await.unwrap();
    while !query.digests.contains(&digest(last)) {
        query.release();
        query = held.recv().await.unwrap();
    }
    world.clock.turn(Duration::from_secs(60));
    query.release();
    drop(held);
    assert!(asked.await.unwrap().iter().all(|code| *code == Code::Allowed));
    world.verifier.flush().await.unwrap();
    let written = world.source.written.lock();
    let early = written.iter().filter(|key_use| key_use.at == start_of_time()).count();
    assert!(
        (DIGESTS_PER_QUERY..=last).contains(&early),
        "{early} were decided about before the last was read"
    );
}

#[tokio::test]
async fn a_key_that_stands_in_a_batch_twice_is_counted_twice() {
    let world = World::with_keys(1);
    world.change(0, |facts| facts.limits = LineageLimits::new(facts.id, Rates::new(Some(3), &[])));
    let allowed = [Code::Allowed; 2];
    assert_eq!(world.codes([0, 0]).await, allowed);
    assert_eq!(world.codes([0, 0]).await, [Code::Allowed, Code::RateLimited]);
}

#[tokio::test]
async fn a_source_that_fails_spoils_no_answer_from_memory() {
    let world = World::with_keys(2);
    world.code(0).await;
    *world.source.mood.lock() = Mood::Failing;
    let codes = world.codes([0, 1, 0]).await;
    assert_eq!(codes, [Code::Allowed, Code::EnforcementUnavailable, Code::Allowed]);
    assert_eq!(world.verifier.stats().unavailable, 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_holds_a_batch_no_longer_than_one_question() {
    let world = World::with_keys(1_000);
    *world.source.mood.lock() = Mood::Hanging;
    let begun = tokio::time::Instant::now();
    let codes = world.codes(0..1_000).await;
    assert!(codes.iter().all(|code| *code == Code::EnforcementUnavailable));
    assert!(begun.elapsed() <= keystile_verify::FILL_TIMEOUT + Duration::from_millis(10));
}
