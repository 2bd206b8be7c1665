//! A verifier over a fake source, a clock to turn, and keys to present.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keystile_core::key::{KeyStatus, mint};
use keystile_core::{
    Actor, ApiKey, ApplicationId, Ask, Change, Clock, Code, Digest, Environment, Grants, KeyFacts, KeyId,
    KeyLabel, Secret, TenantId, Timestamp,
};
use keystile_verify::{Bounds, Budgets, KeySource, Limiter, OneNode, Verdict, Verifier};
use tokio::task::JoinHandle;

use crate::budgets::FakeBudgets;
use crate::source::FakeSource;

pub(crate) struct World {
    pub(crate) source: Arc<FakeSource>,
    pub(crate) budgets: Arc<FakeBudgets>,
    pub(crate) clock: Arc<TurnableClock>,
    pub(crate) verifier: Arc<Verifier>,
}

pub(crate) struct TurnableClock(AtomicI64);

impl Clock for TurnableClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn elapsed_millis(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed) - start_of_time().as_millis()).unwrap()
    }
}

impl TurnableClock {
    pub(crate) fn turn_to(&self, moment: Timestamp) {
        self.0.store(moment.as_millis(), Ordering::Relaxed);
    }

    pub(crate) fn turn(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

pub(crate) fn start_of_time() -> Timestamp {
    "2026-01-31T09:30:00Z".parse().unwrap()
}

pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId::from_parts(start_of_time(), number)
}

fn secret(number: usize) -> Secret {
    let random = Digest::of(&number.to_le_bytes());
    mint(&KeyLabel::default(), Environment::Production, random.as_bytes())
}

/// The text of key `number`.
pub(crate) fn text(number: usize) -> String {
    secret(number).expose().to_owned()
}

pub(crate) fn digest(number: usize) -> Digest {
    secret(number).digest()
}

/// An active key of tenant 1.
pub(crate) fn facts(number: usize) -> KeyFacts {
    let (start, name) = (start_of_time(), "Orders".parse().unwrap());
    let (id, application_id) =
        (KeyId::from_parts(start, number as u128), ApplicationId::from_parts(start, 1));
    let key = ApiKey::new(id, tenant(1), application_id, name, &secret(number), Actor::System, start);
    KeyFacts::of(&ApiKey { scopes: Grants::parse(&["orders:read"]).unwrap(), ..key })
}

/// How a verifier is made.
type Make =
    fn(Arc<dyn KeySource>, Arc<dyn Limiter>, Arc<dyn Budgets>, Arc<dyn Clock>, Bounds) -> Arc<Verifier>;

impl World {
    pub(crate) fn new() -> Self {
        Self::bounded(Bounds { keys: 10_000, absent: 1_000 })
    }

    pub(crate) fn bounded(bounds: Bounds) -> Self {
        Self::made(bounds, Verifier::with_budgets)
    }

    /// A world with keys `0..count` in which the verifier is one of several, and has no lease.
    pub(crate) fn of_a_node(count: usize) -> Self {
        let world = Self::made(Bounds { keys: 10_000, absent: 1_000 }, Verifier::of_a_node);
        (0..count).for_each(|number| world.commit(number, |_| {}));
        world
    }

    fn made(bounds: Bounds, make: Make) -> Self {
        let source = FakeSource::new();
        let clock = Arc::new(TurnableClock(AtomicI64::new(start_of_time().as_millis())));
        let port: Arc<dyn KeySource> = Arc::clone(&source) as _;
        let limiter = OneNode::new(Arc::clone(&clock) as _);
        let budgets: Arc<FakeBudgets> = Arc::default();
        let authority: Arc<dyn Budgets> = Arc::clone(&budgets) as _;
        let clock_of_all: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let verifier = make(port, limiter, authority, clock_of_all, bounds);
        Self { source, budgets, clock, verifier }
    }

    /// A world in which keys `0..count` exist.
    pub(crate) fn with_keys(count: usize) -> Self {
        let world = Self::new();
        (0..count).for_each(|number| world.commit(number, |_| {}));
        world
    }

    /// Writes key `number`, without telling the verifier.
    pub(crate) fn commit(&self, number: usize, change: impl FnOnce(&mut KeyFacts)) {
        let mut keys = self.source.keys.lock();
        change(keys.entry(digest(number)).or_insert_with(|| facts(number)));
    }

    /// Writes key `number` and tells the verifier.
    pub(crate) fn change(&self, number: usize, change: impl FnOnce(&mut KeyFacts)) {
        self.commit(number, change);
        self.verifier.apply(&Change::of([digest(number)]));
    }

    pub(crate) fn revoke(&self, number: usize) {
        self.change(number, |facts| facts.standing = KeyStatus::Revoked);
    }

    /// Identifies the first key, in both halves.
    pub(crate) async fn identify(&self, ask: &Ask<'_>) -> Verdict {
        match self.verifier.try_identify(&text(0), ask) {
            Ok(verdict) => verdict,
            Err(cold) => self.verifier.identify_cold(cold, ask).await,
        }
    }

    pub(crate) async fn verify(&self, number: usize) -> Verdict {
        self.verifier.verify(&text(number), &Ask::ANYTHING).await
    }

    pub(crate) async fn code(&self, number: usize) -> Code {
        self.verify(number).await.code()
    }

    /// The code of an answer from memory; `None` if it needs a read.
    pub(crate) fn known_code(&self, number: usize) -> Option<Code> {
        self.verifier.try_verify(&text(number), &Ask::ANYTHING).ok().map(|verdict| verdict.code())
    }

    /// A caller of its own that verifies key `number`.
    pub(crate) fn call(&self, number: usize) -> JoinHandle<Code> {
        let verifier = Arc::clone(&self.verifier);
        tokio::spawn(async move { verifier.verify(&text(number), &Ask::ANYTHING).await.code() })
    }
}
