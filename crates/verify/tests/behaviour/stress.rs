//! Many verify while keys are revoked and restored as fast as can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keystile_core::key::KeyStatus;
use keystile_core::route::Table;
use keystile_core::{ApplicationId, Ask, Digest, KeyReading, TenantId, Upstreams};
use keystile_verify::{Bounds, BoxFuture, KeySource, OneNode, SourceUnavailable, UsageBatch, Use, Verifier};

use crate::source::FakeSource;
use crate::world::{World, text};

const KEYS: usize = 2;
const CALLERS: usize = 4;
/// How late a fill is, in turns of the scheduler.
const TURNS: usize = 20;
const REVOCATIONS: usize = 100;

/// Answers some turns after it has read, so that fills are late all the time.
struct Tardy(Arc<FakeSource>);

impl KeySource for Tardy {
    fn facts(&self, digests: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
        Box::pin(async move {
            let read = self.0.facts(digests).await;
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            read
        })
    }

    fn routing(&self, _: ApplicationId) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>> {
        Box::pin(async { Ok(None) })
    }

    fn upstreams(&self, _: TenantId) -> BoxFuture<'_, Result<Upstreams, SourceUnavailable>> {
        Box::pin(async { Ok(Upstreams::default()) })
    }

    fn touch(&self, _: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async { Ok(()) })
    }

    fn count(&self, _: UsageBatch) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async { Ok(()) })
    }
}

/// What is known of one key from outside.
#[derive(Default)]
struct Watched {
    /// Odd exactly while the key is revoked and its revocation applied.
    term: AtomicU64,
    /// Verifications that began and ended in one term.
    answers: AtomicU64,
    /// Those of them that said yes in an odd term.
    false_yes: AtomicU64,
    /// All that said yes.
    yes: AtomicU64,
}

impl Watched {
    /// Waits until callers have asked and been answered: more answers than there can be questions now.
    async fn answered(&self) {
        let enough = self.answers.load(Ordering::SeqCst) + CALLERS as u64 + 1;
        while self.answers.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn after_a_revocation_is_applied_there_is_not_one_yes() {
    let mut world = World::with_keys(KEYS);
    let tardy = Arc::new(Tardy(Arc::clone(&world.source)));
    let limiter = OneNode::new(Arc::clone(&world.clock) as _);
    world.verifier = Verifier::new(tardy, limiter, Arc::clone(&world.clock) as _, Bounds::default());
    let watched: Arc<[Watched; KEYS]> = Arc::default();
    let done = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (verifier, watched) = (Arc::clone(&world.verifier), Arc::clone(&watched));
            tokio::spawn(call(caller % KEYS, verifier, watched, Arc::clone(&done)))
        })
        .collect();
    for round in 0..REVOCATIONS {
        let number = round / 10 % KEYS;
        let queries = world.source.queries().len();
        world.change(number, |facts| facts.standing = KeyStatus::Active);
        while world.source.queries().len() == queries {
            tokio::task::yield_now().await;
        }
        if round % 10 < 5 {
            watched[number].answered().await;
        }
        world.revoke(number);
        watched[number].term.fetch_add(1, Ordering::SeqCst);
        watched[number].answered().await;
        watched[number].term.fetch_add(1, Ordering::SeqCst);
    }
    done.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    for key in &*watched {
        assert_eq!(key.false_yes.load(Ordering::SeqCst), 0);
        assert!(key.yes.load(Ordering::SeqCst) > 0, "nobody was ever allowed");
    }
    assert_eq!(world.verifier.stats().flights, 0);
}

async fn call(number: usize, verifier: Arc<Verifier>, watched: Arc<[Watched; KEYS]>, done: Arc<AtomicBool>) {
    let (text, key) = (text(number), &watched[number]);
    while !done.load(Ordering::SeqCst) {
        let before = key.term.load(Ordering::SeqCst);
        let yes = verifier.verify(&text, &Ask::ANYTHING).await.is_allowed();
        key.yes.fetch_add(u64::from(yes), Ordering::SeqCst);
        if before == key.term.load(Ordering::SeqCst) {
            key.false_yes.fetch_add(u64::from(yes && before % 2 == 1), Ordering::SeqCst);
            key.answers.fetch_add(1, Ordering::SeqCst);
        }
        tokio::task::yield_now().await;
    }
}
