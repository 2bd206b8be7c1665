//! Requests that are carried out once.

use keystile_core::{Action, Digest};
use keystile_store::{Begun, Once, Receipt, Store, StoreError};

use crate::bed::Bed;
use crate::sample::{World, at, number};

/// An attempt at `millis` of a request that is stale after 10 and kept for 1,000.
fn attempt(key: &str, body: &str, millis: i64) -> Once {
    let owner = Digest::of(&number().to_be_bytes());
    Once {
        receipt: Receipt { scope: Digest::of(key.as_bytes()), owner },
        request: Digest::of(body.as_bytes()),
        now: at(millis),
        stale: at(millis - 10),
        expires_at: at(millis + 1000),
    }
}

async fn begun(store: &Store, once: Once) -> Begun {
    store.begin_once(once).await.unwrap()
}

pub(crate) async fn a_request_is_begun_once_and_its_answer_kept(bed: &Bed) {
    let store = bed.store().await;
    let first = attempt("k", "a", 0);
    assert_eq!(begun(&store, first).await, Begun::First);
    assert_eq!(begun(&store, attempt("k", "a", 1)).await, Begun::Running);
    assert_eq!(begun(&store, attempt("k", "b", 1)).await, Begun::Other);
    assert_eq!(begun(&store, attempt("other", "a", 1)).await, Begun::First);
    let stranger = Receipt { owner: Digest::of(b"stranger"), ..first.receipt };
    store.keep_answer(stranger, b"nothing".to_vec()).await.unwrap();
    store.give_up(stranger).await.unwrap();
    assert_eq!(begun(&store, attempt("k", "a", 2)).await, Begun::Running);
    store.keep_answer(first.receipt, b"done".to_vec()).await.unwrap();
    assert_eq!(begun(&store, attempt("k", "a", 500)).await, Begun::Done(b"done".to_vec()));
    assert_eq!(begun(&store, attempt("k", "b", 500)).await, Begun::Other);
    store.give_up(first.receipt).await.unwrap();
    assert_eq!(begun(&store, attempt("k", "b", 501)).await, Begun::First);
}

async fn create(store: &Store, world: &World, receipt: Receipt) -> Result<(), StoreError> {
    let key = world.key();
    let entry = world.entry(Action::KeyCreate, key.id);
    store.signing(receipt).create_key(key, entry).await
}

pub(crate) async fn an_attempt_that_is_taken_over_writes_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (slow, next) = (attempt("k", "a", 0), attempt("k", "a", 10));
    assert_eq!(begun(&store, slow).await, Begun::First);
    assert_eq!(begun(&store, next).await, Begun::First, "the first one is stale");
    let late = create(&store, &world, slow.receipt).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    create(&store, &world, next.receipt).await.unwrap();
    let all = keystile_store::KeyFilter::all(at(0));
    assert_eq!(world.listed(&store, &all).await.len(), 1);
    assert_eq!(world.log(&store).await.len(), 2);
}

pub(crate) async fn a_change_and_its_receipt_commit_together(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (done, failed) = (attempt("done", "a", 0), attempt("failed", "a", 0));
    assert_eq!(begun(&store, done).await, Begun::First);
    assert_eq!(begun(&store, failed).await, Begun::First);
    create(&store, &world, done.receipt).await.unwrap();
    let taken = world.created(&store).await;
    let entry = world.entry(Action::KeyCreate, taken.id);
    assert!(store.signing(failed.receipt).create_key(taken, entry).await.is_err());
    assert_eq!(begun(&store, attempt("done", "a", 9)).await, Begun::Running);
    assert_eq!(begun(&store, attempt("done", "a", 10)).await, Begun::Lost, "it is never carried out twice");
    assert_eq!(begun(&store, attempt("failed", "a", 10)).await, Begun::First);
}

pub(crate) async fn requests_are_forgotten_when_they_expire(bed: &Bed) {
    let store = bed.store().await;
    for n in 0..20 {
        let once = attempt(&n.to_string(), "a", 0);
        assert_eq!(begun(&store, once).await, Begun::First);
        store.keep_answer(once.receipt, b"done".to_vec()).await.unwrap();
    }
    assert_eq!(begun(&store, attempt("3", "b", 999)).await, Begun::Other);
    for n in 0..20 {
        assert_eq!(begun(&store, attempt(&n.to_string(), "b", 1000)).await, Begun::First);
    }
    store.close().await;
    let gone = "DELETE FROM idempotent_requests WHERE answer IS NOT NULL OR 1 / (SELECT COUNT(*) FROM idempotent_requests) > 1";
    bed.run_sql(gone);
}
