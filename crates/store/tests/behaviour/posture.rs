//! How events come in.

use std::collections::BTreeMap;

use keystile_core::event::{Outcome, OutcomeSum, Source};
use keystile_core::key::Revocation;
use keystile_core::usage::{Latency, Span, Step};
use keystile_core::{
    Actor, ApiKey, Code, Environment, Event, Heard, KeyId, KeyUsage, Minute, Stamp, TenantId, TrustLevel,
};
use keystile_store::{RefusedEvents, Store};

use crate::bed::Bed;
use crate::events::{add, batch, event, named, of, stamp};
use crate::sample::{World, at};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const PRODUCTION: Environment = Environment::Production;

/// So many events without ids of their source.
fn some(count: usize) -> Vec<Event> {
    vec![event("order/1", "{}"); count]
}

/// What became of events, in the steps between two moments.
async fn counted(
    store: &Store,
    tenant: TenantId,
    (from, to): (i64, i64),
    step: Step,
) -> Vec<(i64, Outcome, u64)> {
    let span = Span::new(at(from), at(to), step).unwrap();
    let mut sums = store.event_counts(tenant, PRODUCTION, span).await.unwrap();
    sums.sort_unstable();
    let (first, _) = span.minutes();
    sums.into_iter()
        .map(|OutcomeSum { minute, outcome, count }| ((minute - first) / step.minutes(), outcome, count))
        .collect()
}

fn ids(sources: &[Source]) -> Vec<&str> {
    sources.iter().map(|source| source.stamp.source_id.as_str()).collect()
}

pub(crate) async fn what_becomes_of_events_is_counted_where_their_key_works(bed: &Bed) {
    let store = bed.store().await;
    // Keeps events for 60 days.
    let tenant = World::founded(&store).await.tenant.id;
    let shop = stamp(tenant, "shop", TrustLevel::External);
    let named = |entity: &str| named("1", event(entity, "{}"));
    let sent =
        vec![named("order/1"), named("order/1"), named("order/2"), of(event("order/1", "{}"), -61 * DAY)];
    let heard = add(&store, &shop, 0, sent).await;
    assert_eq!(heard, [Heard::Accepted, Heard::Repeated, Heard::Reused, Heard::TooOld { days: 60 }]);
    // Received before, as a clock may be set back.
    for (received, count) in [(-59 * MINUTE, 2), (-60 * MINUTE, 4), (-25 * HOUR, 8)] {
        add(&store, &shop, received, some(count)).await;
    }
    add(&store, &Stamp { environment: Environment::Staging, ..shop.clone() }, 0, some(16)).await;
    let refused = |count| RefusedEvents { stamp: shop.clone(), received_at: at(0), count };
    store.count_refused_events(vec![refused(30), refused(2)]).await.unwrap();

    let posture = store.ingest_posture(tenant, PRODUCTION, at(0)).await.unwrap();
    let accepted = |count| {
        let refused = [(Outcome::Invalid, 32), (Outcome::Reused, 1), (Outcome::TooOld, 1)];
        let all = [(Outcome::Accepted, count), (Outcome::Repeated, 1)].into_iter().chain(refused);
        all.collect::<BTreeMap<_, _>>()
    };
    assert_eq!((&posture.last_hour, &posture.last_day), (&accepted(3), &accepted(7)));
    let [source] = &posture.sources[..] else { panic!("{posture:?}") };
    assert_eq!((&source.stamp, source.last_seen_at), (&shop, at(0)));
    let lately = &source.activity;
    assert_eq!((lately.in_last_hour(at(0)), lately.in_last_day(at(0))), (3, 7));
    assert_eq!(lately.refused_in_last_day(at(0)), 34);

    let this = [
        (1, Outcome::Accepted, 1),
        (1, Outcome::Repeated, 1),
        (1, Outcome::Invalid, 32),
        (1, Outcome::Reused, 1),
        (1, Outcome::TooOld, 1),
    ];
    let hours = [&[(0, Outcome::Accepted, 6)], &this[..]].concat();
    assert_eq!(counted(&store, tenant, (-HOUR, 1), Step::Hour).await, hours);
    let days = counted(&store, tenant, (-DAY, 1), Step::Day).await;
    assert_eq!((days[0], days[1]), ((0, Outcome::Accepted, 8), (1, Outcome::Accepted, 7)));

    let staging = store.ingest_posture(tenant, Environment::Staging, at(0)).await.unwrap();
    assert_eq!(staging.last_hour, BTreeMap::from([(Outcome::Accepted, 16)]));
    let elsewhere = World::founded(&store).await.tenant.id;
    let empty = store.ingest_posture(elsewhere, PRODUCTION, at(0)).await.unwrap();
    assert!(empty.sources.is_empty() && empty.last_day.is_empty() && !empty.has_more_sources, "{empty:?}");
}

pub(crate) async fn sources_that_were_heard_last_come_first_and_all_are_listed(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let first = |source: &str| stamp(tenant, source, TrustLevel::External);
    for (source, received) in [("b", 0), ("a", 1_000), ("c", 2_000)] {
        add(&store, &first(source), received, some(1)).await;
    }
    let rotated = KeyId::from_parts(at(0), 9);
    let rotated = Stamp { key_id: rotated, trust_level: TrustLevel::Trusted, ..first("a") };
    add(&store, &rotated, 5_000, some(1)).await;
    add(&store, &first("a"), 4_000, some(1)).await;
    let posture = store.ingest_posture(tenant, PRODUCTION, at(5_000)).await.unwrap();
    assert_eq!(ids(&posture.sources), ["a", "c", "b"]);
    assert_eq!((&posture.sources[0].stamp, posture.sources[0].last_seen_at), (&rotated, at(5_000)));
    assert_eq!(posture.sources[0].activity.in_last_hour(at(5_000)), 3);
    let page = async |after, limit| store.sources(tenant, PRODUCTION, after, limit, at(5_000)).await.unwrap();
    assert_eq!(ids(&page(None, 2).await), ["a", "b"]);
    assert_eq!(ids(&page(Some("b"), 2).await), ["c"]);

    // More than one statement takes.
    let many = |n: i64| batch(&first(&format!("d{n:03}")), 10_000 + n, some(1));
    store.add_events((0..150).map(many).collect()).await.unwrap();
    let posture = store.ingest_posture(tenant, PRODUCTION, at(11_000)).await.unwrap();
    assert_eq!((posture.sources.len(), posture.has_more_sources), (20, true));
    assert_eq!(ids(&posture.sources)[..2], ["d149", "d148"]);
    assert_eq!(page(Some("c"), 1_001).await.len(), 150);
    let elsewhere = World::founded(&store).await.tenant.id;
    assert!(store.sources(elsewhere, PRODUCTION, None, 9, at(0)).await.unwrap().is_empty());
}

pub(crate) async fn active_keys_of_a_source_are_counted(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let of_shop = || ApiKey { source_id: Some("shop".into()), ..world.key() };
    for key in [
        of_shop(),
        ApiKey { expires_at: Some(at(DAY)), ..of_shop() },
        ApiKey { expires_at: Some(at(0)), ..of_shop() },
        ApiKey { enabled: false, ..of_shop() },
        ApiKey { revoked: Some(Revocation { at: at(0), reason: None }), ..of_shop() },
        ApiKey { deleted: Some((at(0), Actor::System)), ..of_shop() },
        ApiKey { environment: Environment::Staging, ..of_shop() },
        ApiKey { source_id: Some("desk".into()), ..of_shop() },
        ApiKey { source_id: None, ..of_shop() },
    ] {
        world.create(&store, &key).await;
    }
    let tenant = world.tenant.id;
    add(&store, &stamp(tenant, "shop", TrustLevel::External), 0, some(1)).await;
    let posture = store.ingest_posture(tenant, PRODUCTION, at(0)).await.unwrap();
    assert_eq!(posture.sources[0].active_keys, 2);
    assert_eq!(store.sources(tenant, PRODUCTION, None, 9, at(DAY)).await.unwrap()[0].active_keys, 1);
}

pub(crate) async fn refused_attempts_are_told_by_code(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let counted = |received, code, environment, count| KeyUsage {
        tenant_id: tenant,
        key_id: KeyId::from_parts(at(0), 1),
        minute: Minute::of(at(received)),
        code,
        latency: Latency::Memory,
        environment,
        count,
    };
    let counts = vec![
        counted(0, Code::Allowed, PRODUCTION, 100),
        counted(0, Code::RateLimited, PRODUCTION, 2),
        counted(-23 * HOUR, Code::RateLimited, PRODUCTION, 3),
        counted(-24 * HOUR, Code::RateLimited, PRODUCTION, 50),
        counted(0, Code::KeyRevoked, PRODUCTION, 1),
        counted(0, Code::KeyRevoked, Environment::Staging, 70),
    ];
    store.add_usage(1, counts, at(0)).await.unwrap();
    let posture = store.ingest_posture(tenant, PRODUCTION, at(0)).await.unwrap();
    let expected = BTreeMap::from([(Code::RateLimited, 5), (Code::KeyRevoked, 1)]);
    assert_eq!(posture.refused_attempts, expected);
}

pub(crate) async fn old_counts_of_events_are_swept(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    add(&store, &stamp(tenant, "shop", TrustLevel::External), 0, some(3)).await;
    assert_eq!(store.sweep_usage(at(0), at(0)).await.unwrap(), 0, "no step is over");
    assert_eq!(store.sweep_usage(at(MINUTE), at(0)).await.unwrap(), 1, "its minute is");
    assert_eq!(counted(&store, tenant, (0, 1), Step::Hour).await, [(0, Outcome::Accepted, 3)]);
    assert_eq!(store.sweep_usage(at(2 * DAY), at(0)).await.unwrap(), 2);
    assert!(counted(&store, tenant, (0, 1), Step::Day).await.is_empty());
    let posture = store.ingest_posture(tenant, PRODUCTION, at(2 * DAY)).await.unwrap();
    assert_eq!(ids(&posture.sources), ["shop"], "it is still known who has sent");
}
