//! Limits: exact under any number of callers, shared by a lineage, and never lost with the facts of a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystile_core::{
    ApplicationId, Ask, Change, Code, CustomerId, KeyFacts, LimitedId, LineageLimits, Owner, RateLimit,
    Rates, Refusal, SharedRates,
};

use keystile_verify::OwnerId;

use crate::world::{World, digest, start_of_time, tenant, text};

const ALL: Ask<'_> = Ask::ANYTHING;

fn per_minute(limit: u64) -> Rates {
    Rates::new(Some(limit), &[])
}

/// Sets the limits of a key; lineages begin with the key itself.
fn limited(facts: &mut KeyFacts, rates: Rates) {
    facts.limits = LineageLimits::new(facts.id, rates);
}

impl World {
    async fn limited_key(limit: u64) -> Self {
        let world = Self::with_keys(3);
        world.change(0, |facts| limited(facts, per_minute(limit)));
        world.verifier.verify(&text(1), &ALL).await;
        world
    }

    /// Verifies key `number` until it is refused; tells how often it was not.
    async fn drain(&self, number: usize) -> usize {
        let mut admitted = 0;
        while self.code(number).await == Code::Allowed {
            admitted += 1;
        }
        assert_eq!(self.code(number).await, Code::RateLimited);
        admitted
    }

    /// Changes the limits that all keys share, and says whose.
    fn share(&self, whose: LimitedId, rates: SharedRates) {
        *self.source.shared_rates.lock() = rates;
        self.verifier.apply(&Change::of_limits(whose));
    }

    fn tenants_limit(&self, limit: Option<u64>) {
        let rates = Rates::new(limit, &[]);
        self.share(LimitedId::Tenant(tenant(1)), SharedRates { tenant: rates, ..SharedRates::default() });
    }
}

#[tokio::test]
async fn a_limit_admits_its_burst_and_then_says_when_to_come_back() {
    let world = World::limited_key(5).await;
    let first = world.verify(0).await;
    let left: Vec<_> =
        first.limits().map(|left| (left.owner, left.rate.name(), left.count.remaining)).collect();
    assert_eq!(left, [(Owner::Key, "rpm", 4)]);
    assert_eq!(world.drain(0).await, 4);
    let Err(Refusal::RateLimited(exceeded)) = world.verify(0).await.outcome else { panic!("it is full") };
    assert_eq!(
        (exceeded.owner, exceeded.remaining, exceeded.retry_after_seconds()),
        (Owner::Key, 0, Some(12))
    );
    world.clock.turn(Duration::from_secs(12));
    assert_eq!(world.drain(0).await, 1);
    assert_eq!(world.code(1).await, Code::Allowed, "another key has its own limits, or none");
}

#[tokio::test]
async fn to_be_identified_takes_nothing_of_limits_and_is_no_decision_to_count_but_a_use() {
    let world = World::limited_key(2).await;
    for _ in 0..10 {
        assert_eq!(world.identify(&ALL).await.code(), Code::Allowed);
    }
    assert_eq!(world.drain(0).await, 2);
    assert_eq!(world.identify(&ALL).await.code(), Code::Allowed, "a full limit does not bear on it");
    let elsewhere = Ask { tenant_id: Some(tenant(2)), ..ALL };
    let unknown = world.identify(&elsewhere).await;
    assert!(unknown.code() == Code::KeyNotFound && unknown.key.is_none());
    let second = World::with_keys(1);
    second.identify(&ALL).await;
    second.revoke(0);
    assert_eq!(second.identify(&ALL).await.code(), Code::KeyRevoked);
    second.verifier.flush().await.unwrap();
    assert!(second.source.counted.lock().is_empty());
    assert_eq!(second.source.written.lock().len(), 1);
}

#[tokio::test]
async fn what_is_refused_for_another_reason_is_not_counted() {
    let world = World::limited_key(2).await;
    let elsewhere = Ask { tenant_id: Some(tenant(2)), ..ALL };
    for _ in 0..10 {
        assert_eq!(world.verifier.verify(&text(0), &elsewhere).await.code(), Code::KeyNotFound);
    }
    assert_eq!(world.drain(0).await, 2);
}

#[tokio::test]
async fn a_request_can_cost_more_than_one_or_nothing() {
    let world = World::limited_key(10).await;
    let code = async |cost| world.verifier.verify(&text(0), &Ask { cost, ..ALL }).await.code();
    assert_eq!(code(7).await, Code::Allowed);
    assert_eq!(code(4).await, Code::RateLimited);
    assert_eq!(code(0).await, Code::Allowed);
    assert_eq!(code(3).await, Code::Allowed);
    assert_eq!(code(0).await, Code::Allowed, "what costs nothing fits what is full");
    world.clock.turn(Duration::from_secs(600));
    let Err(Refusal::RateLimited(exceeded)) =
        world.verifier.verify(&text(0), &Ask { cost: 11, ..ALL }).await.outcome
    else {
        panic!("more than can ever come at once")
    };
    assert_eq!((exceeded.retry_after_seconds(), exceeded.remaining), (None, 10));
}

#[tokio::test]
async fn what_costs_nothing_fits_a_limit_that_was_lowered_below_what_is_used_and_leaves_nothing_to_keep() {
    let hourly = |limit| {
        let rate =
            RateLimit { name: "hourly".into(), limit, window_seconds: 3_600, burst: None, when_away: None };
        Rates::new(None, &[rate])
    };
    let world = World::limited_key(1).await;
    world.change(0, |facts| limited(facts, hourly(10)));
    for shared in [SharedRates::default(), SharedRates { tenant: hourly(10), ..SharedRates::default() }] {
        world.share(LimitedId::Tenant(tenant(1)), shared);
        for _ in 0..4 {
            assert_eq!(world.code(0).await, Code::Allowed);
        }
    }
    world.change(0, |facts| limited(facts, hourly(2)));
    assert_eq!(world.verifier.limits_to_keep(false).len(), 2);
    for shared in [SharedRates { tenant: hourly(2), ..SharedRates::default() }, SharedRates::default()] {
        world.share(LimitedId::Tenant(tenant(1)), shared);
        let free = world.verifier.verify(&text(0), &Ask { cost: 0, ..ALL }).await;
        assert_eq!(free.code(), Code::Allowed);
        assert!(free.limits().all(|left| left.count.remaining == 0));
        assert_eq!(world.verifier.limits_to_keep(false), []);
    }
    assert_eq!(world.code(0).await, Code::RateLimited);
}

#[tokio::test]
async fn neither_a_change_nor_an_eviction_gives_a_used_limit_back() {
    let world = World::limited_key(10).await;
    for _ in 0..6 {
        world.verify(0).await;
    }
    world.change(0, |facts| facts.trust_level = keystile_core::TrustLevel::Internal);
    world.verifier.forget_all();
    assert_eq!(world.verify(0).await.limits().next().map(|left| left.count.remaining), Some(3));
    world.change(0, |facts| limited(facts, per_minute(8)));
    assert_eq!(world.drain(0).await, 1, "seven of eight were used");
    world.change(0, |facts| limited(facts, per_minute(100)));
    assert_eq!(world.drain(0).await, 92);
    world.change(0, |facts| facts.limits = None);
    assert_eq!(world.code(0).await, Code::Allowed);
    world.change(0, |facts| limited(facts, per_minute(100)));
    assert_eq!(world.code(0).await, Code::RateLimited, "taking a limit away for a moment does not empty it");
}

#[tokio::test]
async fn keys_of_one_lineage_share_what_is_used() {
    let world = World::limited_key(10).await;
    let first = crate::world::facts(0).id;
    world.change(1, |facts| facts.limits = LineageLimits::new(first, per_minute(10)));
    for _ in 0..4 {
        assert_eq!((world.code(0).await, world.code(1).await), (Code::Allowed, Code::Allowed));
    }
    assert_eq!(world.drain(1).await, 2);
    assert_eq!(world.code(0).await, Code::RateLimited);
}

#[tokio::test]
async fn limits_of_all_owners_bear_on_a_request_and_one_that_is_full_leaves_the_others_alone() {
    let world = World::limited_key(10).await;
    let customer = CustomerId::from_parts(start_of_time(), 1);
    world.change(0, |facts| facts.customer_id = Some(customer));
    let hourly =
        RateLimit { name: "hourly".into(), limit: 3, window_seconds: 3_600, burst: None, when_away: None };
    let application = ApplicationId::from_parts(start_of_time(), 1);
    let shared = SharedRates {
        customer: Rates::new(Some(8), &[hourly]),
        application: per_minute(20),
        tenant: per_minute(1_000),
        ..SharedRates::default()
    };
    for whose in
        [LimitedId::Customer(customer), LimitedId::Application(application), LimitedId::Tenant(tenant(1))]
    {
        world.share(whose, shared.clone());
    }
    assert_eq!(world.drain(0).await, 3);
    let Err(Refusal::RateLimited(exceeded)) = world.verify(0).await.outcome else { panic!("it is full") };
    assert_eq!(
        (exceeded.owner, exceeded.rate().map(keystile_core::Rate::name)),
        (Owner::Customer, Some("hourly"))
    );
    // The refusals took nothing from the application, which key 1 shares without being the customer's.
    let left = world.verify(1).await;
    let remaining: Vec<_> = left.limits().map(|left| (left.owner, left.count.remaining)).collect();
    assert_eq!(remaining, [(Owner::Application, 16), (Owner::Tenant, 996)]);
}

#[tokio::test]
async fn a_change_of_a_shared_limit_holds_for_every_key_at_once_and_costs_one_read_each_way() {
    let world = World::with_keys(50);
    for number in 0..50 {
        assert_eq!(world.code(number).await, Code::Allowed);
    }
    world.tenants_limit(Some(10));
    let mut admitted = 0;
    for number in 0..50 {
        admitted += usize::from(world.code(number).await == Code::Allowed);
    }
    assert_eq!(admitted, 10);
    assert_eq!(world.source.queries().len(), 51, "the first key that was asked for told for all");
    world.tenants_limit(None);
    assert_eq!(world.code(7).await, Code::Allowed);
}

#[tokio::test]
async fn a_read_that_began_before_a_shared_limit_was_set_does_not_undo_it() {
    let world = World::with_keys(2);
    let mut held = world.source.hold_queries();
    let early = world.call(0);
    let query = held.recv().await.unwrap();
    world.tenants_limit(Some(1));
    query.release();
    held.recv().await.unwrap().release();
    assert_eq!(early.await.unwrap(), Code::Allowed);
    held.close();
    assert_eq!(world.code(1).await, Code::RateLimited, "the limit of one was used by the first");
}

#[test]
fn any_number_of_callers_take_exactly_what_two_limits_allow() {
    let world = World::with_keys(2);
    world.commit(0, |facts| limited(facts, per_minute(700)));
    world.commit(1, |facts| limited(facts, per_minute(900)));
    *world.source.shared_rates.lock() = SharedRates { tenant: per_minute(1_000), ..SharedRates::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for number in 0..2 {
        let free = Ask { cost: 0, ..ALL };
        assert!(runtime.block_on(world.verifier.verify(&text(number), &free)).is_allowed());
    }
    let taken = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let (verifier, taken) = (Arc::clone(&world.verifier), &taken);
            scope.spawn(move || {
                let texts = [text(0), text(1)];
                for turn in 0..1_000 {
                    let which = (turn + caller) % 2;
                    let verdict = verifier.try_verify(&texts[which], &ALL).unwrap();
                    taken[which].fetch_add(usize::from(verdict.is_allowed()), Ordering::Relaxed);
                }
            });
        }
    });
    let [first, second] = taken.map(AtomicUsize::into_inner);
    assert_eq!(first + second, 1_000, "the tenant's limit is used to the last request and not beyond");
    assert!(first <= 700 && second <= 900);
}

#[tokio::test]
async fn what_is_used_is_remembered_only_as_long_as_it_matters() {
    let world = World::with_keys(2_000);
    for number in 0..1_000 {
        world.commit(number, |facts| limited(facts, per_minute(60)));
        world.verify(number).await;
    }
    (0..1_000).for_each(|number| world.verifier.apply(&Change::of([digest(number)])));
    assert!(world.verifier.stats().meters >= 1_000);
    // A key is held until its counts are gathered.
    world.verifier.flush().await.unwrap();
    world.clock.turn(Duration::from_secs(1));
    for number in 1_000..2_000 {
        world.commit(number, |facts| limited(facts, per_minute(60)));
        world.verify(number).await;
    }
    let left = world.verifier.stats().meters;
    assert!(left < 1_300, "{left} are kept");
}

#[tokio::test]
async fn what_is_kept_of_limits_holds_in_another_process() {
    let hourly = RateLimit {
        name: "hourly".into(),
        limit: 3_600,
        window_seconds: 3_600,
        burst: Some(10),
        when_away: None,
    };
    let long = Rates::new(Some(60), &[hourly]);
    let world = World::with_keys(3);
    world.change(0, |facts| limited(facts, long.clone()));
    world.change(1, |facts| limited(facts, per_minute(60)));
    assert!(world.verifier.limits_to_keep(true).is_empty());
    for _ in 0..8 {
        assert_eq!((world.code(0).await, world.code(1).await), (Code::Allowed, Code::Allowed));
    }
    let kept = world.verifier.limits_to_keep(false);
    assert_eq!(kept.iter().map(|of| (of.owner, of.reset_millis)).collect::<Vec<_>>(), [(owner(0), 8_000)]);
    assert!(world.verifier.limits_to_keep(false).is_empty(), "it is kept already");
    world.verifier.keep_again([owner(0)].into_iter());
    assert_eq!(world.verifier.limits_to_keep(false), kept);
    assert_eq!(world.verifier.limits_to_keep(true).len(), 2);

    let next = World::with_keys(3);
    next.change(0, |facts| limited(facts, long));
    let read = kept[0].owner.to_string().parse().unwrap();
    next.verifier.restore_limits(read, &kept[0].used, 3_000);
    assert_eq!(next.drain(0).await, 5, "of ten eight were used, and three came back meanwhile");
}

fn owner(number: usize) -> OwnerId {
    OwnerId::lineage(crate::world::facts(number).id)
}
