//! Events and what they say of entities.

use std::collections::BTreeMap;
use std::sync::Arc;

use keystile_core::event::EntityName;
use keystile_core::{
    Environment, Event, EventId, Heard, KeyId, Stamp, StoredEvent, Tenant, TenantId, TenantSettings,
    Timestamp, TrustLevel,
};
use keystile_store::{EventBatch, EventFilter, KnownEntity, Store, Swept};
use serde_json::value::RawValue;

use crate::bed::Bed;
use crate::sample::{World, at, number};

const DAY: i64 = 24 * 60 * 60 * 1000;

pub(crate) fn stamp(tenant_id: TenantId, source_id: &str, trust_level: TrustLevel) -> Stamp {
    Stamp {
        tenant_id,
        environment: Environment::Production,
        application_id: keystile_core::ApplicationId::from_parts(at(0), 1),
        key_id: KeyId::from_parts(at(0), 1),
        source_id: source_id.to_owned(),
        trust_level,
    }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// An event about `entity`, without an id of its source.
pub(crate) fn event(entity: &str, data: &str) -> Event {
    Event {
        source_event_id: None,
        event_type: "thing.changed".to_owned(),
        entity: EntityName::parse(entity).unwrap(),
        data: raw(data),
        occurred_at: None,
    }
}

pub(crate) fn named(id: &str, event: Event) -> Event {
    Event { source_event_id: Some(id.to_owned()), ..event }
}

pub(crate) fn of(event: Event, millis: i64) -> Event {
    Event { occurred_at: Some(at(millis)), ..event }
}

/// Received at `received`.
pub(crate) fn batch(stamp: &Stamp, received: i64, events: Vec<Event>) -> Arc<EventBatch> {
    let named = events.into_iter().map(|event| {
        let id = EventId::from_parts(event.occurred_at.unwrap_or(at(received)), number().into());
        (id, event)
    });
    Arc::new(EventBatch { stamp: stamp.clone(), received_at: at(received), events: named.collect() })
}

pub(crate) async fn add(store: &Store, stamp: &Stamp, received: i64, events: Vec<Event>) -> Vec<Heard> {
    store.add_events(vec![batch(stamp, received, events)]).await.unwrap().concat()
}

fn all() -> EventFilter {
    EventFilter {
        environment: Environment::Production,
        source_id: None,
        event_type: None,
        entity: None,
        from: None,
        to: None,
    }
}

/// Every event that passes, page by page, and how many pages there were.
async fn listed(store: &Store, tenant: TenantId, filter: EventFilter, limit: u32) -> (Vec<StoredEvent>, u32) {
    let (mut events, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.events(tenant, filter.clone(), after, limit).await.unwrap();
        assert!(page.events.len() <= limit as usize);
        events.extend(page.events);
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => return (events, pages),
        }
    }
}

fn texts(events: &[StoredEvent]) -> Vec<&str> {
    events.iter().map(|event| event.data.get()).collect()
}

/// What is believed of an entity, and who said it.
fn known(known: &KnownEntity) -> BTreeMap<String, (String, String)> {
    let field = |(name, field): (&String, &keystile_core::event::entity::Field)| {
        (name.clone(), (field.value.get().to_owned(), field.by.source_id.clone()))
    };
    known.entity.fields.iter().map(field).collect()
}

pub(crate) async fn an_event_comes_back_with_all_that_was_put_on_it(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let stamp =
        Stamp { environment: Environment::Staging, ..stamp(tenant, "checkout \u{fc}", TrustLevel::Internal) };
    let sent = of(named("a-1", event("order/eu/7", r#"{"total": 1.50}"#)), -5);
    assert_eq!(add(&store, &stamp, 9, vec![sent.clone()]).await, [Heard::Accepted]);
    let filter = EventFilter { environment: Environment::Staging, ..all() };
    let (events, _) = listed(&store, tenant, filter, 10).await;
    let [found] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&found.stamp, found.occurred_at(), found.received_at), (&stamp, at(-5), at(9)));
    assert_eq!((&found.source_event_id, &found.entity), (&sent.source_event_id, &sent.entity));
    assert_eq!((found.event_type.as_str(), found.data.get()), ("thing.changed", r#"{"total": 1.50}"#));
    let one = store.event(tenant, found.id).await.unwrap().unwrap();
    assert_eq!((one.stamp, one.id), (stamp.clone(), found.id));
    let elsewhere = World::founded(&store).await.tenant.id;
    assert!(store.event(elsewhere, found.id).await.unwrap().is_none());
    assert!(listed(&store, tenant, all(), 10).await.0.is_empty(), "other environments do not see it");
    assert!(store.entity(tenant, Environment::Production, &sent.entity).await.unwrap().is_none());
    assert!(store.entity(tenant, Environment::Staging, &sent.entity).await.unwrap().is_some());
}

pub(crate) async fn an_event_is_kept_once_however_often_it_is_sent(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let shop = stamp(tenant, "shop", TrustLevel::External);
    let first = || named("1", event("order/7", r#"{"a":1,"b":[2]}"#));
    let other = || named("1", event("order/7", r#"{"a":2}"#));
    let heard = add(&store, &shop, 1, vec![first(), first(), other(), event("order/7", "{}")]).await;
    assert_eq!(heard, [Heard::Accepted, Heard::Repeated, Heard::Reused, Heard::Accepted]);
    let again = named("1", event("order/7", r#"{ "b": [2], "a": 1 }"#));
    let later = of(first(), 1);
    let elsewhen = of(first(), 2);
    let heard = add(&store, &shop, 5, vec![again, later, elsewhen, other()]).await;
    assert_eq!(heard, [Heard::Repeated, Heard::Repeated, Heard::Reused, Heard::Reused]);
    // A rotated key speaks in the same name; another source, environment or tenant does not.
    let rotated = Stamp { key_id: KeyId::from_parts(at(0), 2), ..shop.clone() };
    assert_eq!(add(&store, &rotated, 5, vec![other()]).await, [Heard::Reused]);
    let other_tenant = World::founded(&store).await.tenant.id;
    for stamp in [
        stamp(tenant, "desk", TrustLevel::External),
        Stamp { environment: Environment::Staging, ..shop.clone() },
        stamp(other_tenant, "shop", TrustLevel::External),
    ] {
        assert_eq!(add(&store, &stamp, 5, vec![other()]).await, [Heard::Accepted], "{stamp:?}");
    }
    let name = EntityName::parse("order/7").unwrap();
    let entity = store.entity(tenant, Environment::Production, &name).await.unwrap().unwrap();
    assert_eq!(entity.entity.count, 3, "each that was kept was heard once");
    assert_eq!(listed(&store, tenant, all(), 10).await.0.len(), 3);
    // Among new ones, with an id and without, which may go by the same statement.
    let one_of_many = |n: usize| match n {
        9 => first(),
        12 => event("order/9", "{}"),
        _ => named(&format!("many-{n}"), event("order/9", "{}")),
    };
    let heard = add(&store, &shop, 6, (0..20).map(one_of_many).collect()).await;
    let expected = |n: usize| if n == 9 { Heard::Repeated } else { Heard::Accepted };
    assert_eq!(heard, (0..20).map(expected).collect::<Vec<_>>());
    assert_eq!(listed(&store, tenant, all(), 30).await.0.len(), 3 + 19);
}

pub(crate) async fn events_are_paged_by_when_they_happened_without_gaps_and_repeats(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let shop = stamp(tenant, "shop", TrustLevel::External);
    let data = |n: i64| format!("{{\"n\":{n}}}");
    let sent = (0..161).map(|n| of(event("order/7", &data(n * 5 % 161)), n * 5 % 161)).collect();
    assert!(add(&store, &shop, 200, sent).await.iter().all(|heard| *heard == Heard::Accepted));
    let expected: Vec<_> = (0..161).rev().map(data).collect();
    for limit in [1, 7, 80, 161, 1_000] {
        let (events, pages) = listed(&store, tenant, all(), limit).await;
        assert_eq!(texts(&events), expected, "{limit}");
        assert_eq!(pages, 161_u32.div_ceil(limit), "{limit}");
    }
    let span = EventFilter { from: Some(at(40)), to: Some(at(50)), ..all() };
    assert_eq!(texts(&listed(&store, tenant, span, 3).await.0), expected[111..121]);
}

pub(crate) async fn each_filter_finds_its_events_only(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let (shop, desk) =
        (stamp(tenant, "shop", TrustLevel::External), stamp(tenant, "desk", TrustLevel::Trusted));
    let paid =
        |entity: &str, data: &str| Event { event_type: "order.paid".to_owned(), ..event(entity, data) };
    add(&store, &shop, 1, vec![event("order/7", r#"{"n":1}"#), paid("order/8", r#"{"n":2}"#)]).await;
    add(&store, &desk, 2, vec![paid("order/7", r#"{"n":3}"#), event("customer/7", r#"{"n":4}"#)]).await;
    let found = async |filter| {
        let (mut events, _) = listed(&store, tenant, filter, 1).await;
        events.sort_by_key(|event| event.data.get().to_owned());
        texts(&events).concat()
    };
    let n = |numbers: &[u32]| numbers.iter().map(|n| format!("{{\"n\":{n}}}")).collect::<String>();
    let order = EntityName::parse("order/7").ok();
    assert_eq!(found(all()).await, n(&[1, 2, 3, 4]));
    assert_eq!(found(EventFilter { source_id: Some("shop".into()), ..all() }).await, n(&[1, 2]));
    assert_eq!(found(EventFilter { event_type: Some("order.paid".into()), ..all() }).await, n(&[2, 3]));
    assert_eq!(found(EventFilter { entity: order.clone(), ..all() }).await, n(&[1, 3]));
    let both = EventFilter { entity: order.clone(), source_id: Some("desk".into()), ..all() };
    assert_eq!(found(both).await, n(&[3]));
    assert_eq!(found(EventFilter { source_id: Some("nobody".into()), ..all() }).await, "");
    let elsewhere = World::founded(&store).await.tenant.id;
    for filter in [all(), EventFilter { entity: order, ..all() }] {
        assert!(listed(&store, elsewhere, filter, 9).await.0.is_empty());
    }
}

pub(crate) async fn a_filter_that_few_events_pass_leads_through_many(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let (shop, rare) =
        (stamp(tenant, "shop", TrustLevel::External), stamp(tenant, "rare", TrustLevel::External));
    add(&store, &rare, 0, vec![event("order/1", "{}")]).await;
    for thousand in 1..=11 {
        let many = (0..1_000).map(|n| event(&format!("order/{}", n % 50), "{}")).collect();
        add(&store, &shop, thousand, many).await;
    }
    let filter = EventFilter { source_id: Some("rare".into()), ..all() };
    let (events, pages) = listed(&store, tenant, filter, 10).await;
    assert_eq!((events.len(), pages), (1, 3), "five thousand are looked at for a page");
}

pub(crate) async fn entities_are_the_same_in_whatever_order_events_come(bed: &Bed) {
    let store = bed.store().await;
    let sources =
        [("web", TrustLevel::External), ("shop", TrustLevel::Internal), ("desk", TrustLevel::Trusted)];
    let events = [
        (0, of(event("customer/7", r#"{"name":"Ada","city":"Kiel","n":1}"#), 30)),
        (1, of(event("customer/7", r#"{"name":"Ada L.","plan":"gold"}"#), 20)),
        (2, of(event("customer/7", r#"{"plan":"free","n":null}"#), 10)),
        (1, of(event("customer/7", r#"{"city":"Bonn"}"#), 40)),
    ];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    let name = EntityName::parse("customer/7").unwrap();
    for (rule, expected) in [
        (false, r#"city="Bonn" shop, n=null desk, name="Ada L." shop, plan="free" desk"#),
        (true, r#"city="Bonn" shop, n=1 web, name="Ada" web, plan="gold" shop"#),
    ] {
        for (order, together) in orders.iter().flat_map(|order| [(order, true), (order, false)]) {
            let tenant = World::founded(&store).await.tenant.id;
            let allow = move |tenant: &mut Tenant| {
                tenant.settings =
                    TenantSettings { less_trusted_overwrites: rule, ..TenantSettings::default() };
                Ok::<_, ()>(Some(crate::sample::entry(
                    tenant.id,
                    keystile_core::Action::TenantUpdate,
                    &tenant.id.to_string(),
                )))
            };
            store.change_tenant(tenant, allow).await.unwrap();
            let one = |place: &usize| {
                let ((source, trust), event) = (sources[events[*place].0], events[*place].1.clone());
                batch(&stamp(tenant, source, trust), 50, vec![event])
            };
            let batches: Vec<_> = order.iter().map(one).collect();
            if together {
                store.add_events(batches).await.unwrap();
            } else {
                for batch in batches {
                    store.add_events(vec![batch]).await.unwrap();
                }
            }
            let found = store.entity(tenant, Environment::Production, &name).await.unwrap().unwrap();
            let told: Vec<_> =
                known(&found).iter().map(|(name, (value, by))| format!("{name}={value} {by}")).collect();
            assert_eq!(told.join(", "), expected, "{order:?}");
            let entity = &found.entity;
            assert_eq!((entity.first_seen, entity.last_seen(), entity.count), (at(10), at(40), 4));
            assert_eq!(entity.last_writer().source_id, "shop");
        }
    }
}

pub(crate) async fn events_that_come_at_the_same_time_are_all_heard(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8_i64 {
        let store = store.clone();
        tasks.spawn(async move {
            for round in 0..5_i64 {
                let shop = stamp(tenant, &format!("source-{}", task % 3), TrustLevel::Internal);
                let field = format!(r#"{{"field{task}":{round},"last":{}}}"#, task * 5 + round);
                let moment = task * 5 + round;
                let sent = vec![of(event("order/7", &field), moment), of(event("order/8", &field), moment)];
                store.add_events(vec![batch(&shop, 100, sent)]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for name in ["order/7", "order/8"] {
        let name = EntityName::parse(name).unwrap();
        let found = store.entity(tenant, Environment::Production, &name).await.unwrap().unwrap();
        let fields = known(&found);
        assert_eq!((found.entity.count, fields.len(), fields["last"].0.as_str()), (40, 9, "39"));
        assert!((0..8).all(|task| fields[&format!("field{task}")].0 == "4"), "{fields:?}");
    }
}

pub(crate) async fn batches_of_events_of_any_size_are_kept(bed: &Bed) {
    let store = bed.store().await;
    for size in [0, 1, 15, 16, 17, 127, 128, 129, 300] {
        let tenant = World::founded(&store).await.tenant.id;
        let shop = stamp(tenant, "shop", TrustLevel::External);
        let sent = (0..size).map(|n| named(&n.to_string(), event(&format!("order/{n}"), "{}"))).collect();
        let heard = add(&store, &shop, 1, sent).await;
        assert_eq!(heard, vec![Heard::Accepted; size]);
        assert_eq!(listed(&store, tenant, all(), 100).await.0.len(), size);
        let mut names = Vec::new();
        loop {
            let after = names.last();
            let page = store.entities(tenant, Environment::Production, None, after, 100).await.unwrap();
            if page.is_empty() {
                break;
            }
            names.extend(page.into_iter().map(|known| known.name));
        }
        let mut expected: Vec<_> = (0..size).map(|n| n.to_string()).collect();
        expected.sort_unstable();
        assert_eq!(names.iter().map(|name| name.entity_id.clone()).collect::<Vec<_>>(), expected);
    }
}

pub(crate) async fn entities_are_listed_by_type_and_id(bed: &Bed) {
    let store = bed.store().await;
    let tenant = World::founded(&store).await.tenant.id;
    let shop = stamp(tenant, "shop", TrustLevel::External);
    let sent = ["b/2", "a/9", "b/10", "c/1", "B/1", "b/~"].map(|name| event(name, "{}")).to_vec();
    add(&store, &shop, 1, sent).await;
    let found = async |only: Option<&str>, after: Option<&str>| {
        let after = after.map(|after| EntityName::parse(after).unwrap());
        let page = store.entities(tenant, Environment::Production, only, after.as_ref(), 4).await.unwrap();
        page.iter().map(|known| known.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found(None, None).await, ["B/1", "a/9", "b/10", "b/2"]);
    assert_eq!(found(None, Some("b/2")).await, ["b/~", "c/1"]);
    assert_eq!(found(Some("b"), None).await, ["b/10", "b/2", "b/~"]);
    assert_eq!(found(Some("b"), Some("b/10")).await, ["b/2", "b/~"]);
    assert_eq!(found(Some("b"), Some("a/9")).await, ["b/10", "b/2", "b/~"]);
    assert_eq!(found(Some("b"), Some("c/1")).await, [""; 0]);
    let elsewhere = World::founded(&store).await.tenant.id;
    assert!(store.entities(elsewhere, Environment::Production, None, None, 9).await.unwrap().is_empty());
}

pub(crate) async fn old_events_and_silent_entities_are_swept_a_few_at_a_time(bed: &Bed) {
    let store = bed.store().await;
    // Keeps events for 60 days.
    let tenant = World::founded(&store).await.tenant.id;
    let shop = stamp(tenant, "shop", TrustLevel::External);
    let old = (0..1_500).map(|n| of(event(&format!("order/{n}"), "{}"), n - 60 * DAY + 10)).collect();
    assert!(add(&store, &shop, 0, old).await.iter().all(|heard| *heard == Heard::Accepted));
    let edge = vec![of(event("order/1", "{}"), -60 * DAY - 1), of(event("order/7", "{}"), 5)];
    assert_eq!(add(&store, &shop, 0, edge).await, [Heard::TooOld { days: 60 }, Heard::Accepted]);
    let sweep = async |now: Timestamp, entities: bool| {
        let (mut next, mut steps, mut full) = (Some(Swept::default()), 0, 0);
        while let Some(from) = next {
            next = store.sweep_events(from, now, entities).await.unwrap();
            steps += 1;
            full += u32::from(next.as_ref().is_some_and(Swept::was_full));
        }
        (steps, full)
    };
    let left = async || {
        let (events, _) = listed(&store, tenant, all(), 1_000).await;
        let mut entities = 0;
        let mut after = None;
        loop {
            let page = store.entities(tenant, Environment::Production, None, after.as_ref(), 1_000).await;
            let Some(last) = page.as_ref().unwrap().last().map(|known| known.name.clone()) else { break };
            entities += page.unwrap().len();
            after = Some(last);
        }
        (events.len(), entities)
    };
    sweep(at(0), true).await;
    assert_eq!(left().await, (1_501, 1_500), "nothing is too old yet");
    let (steps, full) = sweep(at(10 + 1_200), false).await;
    assert!(steps >= 4 && full == 1, "a thousand at a time: {steps}, {full}");
    assert_eq!(left().await, (301, 1_500), "entities are left alone");
    sweep(at(10 + 1_200), true).await;
    assert_eq!(left().await, (301, 301), "one of which was heard of again");
    let other = World::founded(&store).await.tenant.id;
    add(&store, &stamp(other, "shop", TrustLevel::External), 0, vec![event("order/7", "{}")]).await;
    sweep(at(61 * DAY), true).await;
    assert_eq!(left().await, (0, 0));
}
