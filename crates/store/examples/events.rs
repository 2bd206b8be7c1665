//! Measures events in the store: how many are kept in a second, and how long pages take then.
//!
//! `cargo run --release -p keystile-store --example events -- sqlite:/path/keystile.db 10000000`, or with the URL of an empty
//! PostgreSQL database, or with `private` for a PostgreSQL server of its own. The number is how many events are added.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement for a developer")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use keystile_core::event::EntityName;
use keystile_core::{
    Application, ApplicationId, Environment, Event, EventId, Heard, KeyId, Membership, Person, PersonId,
    Role, Stamp, Tenant, TenantId, Timestamp, TrustLevel,
};
use keystile_store::{EventBatch, EventFilter, Founding, Location, Store};
use keystile_testkit::postgres::{Durability, Postgres};
use serde_json::value::RawValue;

/// Events that are sent together, and requests that are written together.
const BATCH: u64 = 100;
const TOGETHER: u64 = 30;
const ENTITIES: u64 = 10_000;
const SOURCES: u64 = 20;
/// Reads of each kind.
const READS: u64 = 300;

fn moment() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn main() {
    let target = std::env::args().nth(1).unwrap_or_else(|| "private".to_owned());
    let count = std::env::args().nth(2).map_or(1_000_000, |count| count.parse().unwrap());
    let server = (target == "private").then(|| Postgres::start(Durability::On).unwrap());
    let url = server.as_ref().map_or(target, |server| server.url().to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(url.parse().unwrap(), count));
}

async fn measure(location: Location, count: u64) {
    let store = Store::open(location).await.unwrap();
    store.migrate().await.unwrap();
    let founding = founding();
    let tenant = founding.tenant.id;
    store.found_tenant(founding).await.unwrap();
    let (begun, mut done, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while done < count {
        let batches = (0..TOGETHER).map(|n| Arc::new(batch(tenant, done + n * BATCH))).collect();
        let one = Instant::now();
        let heard = store.add_events(batches).await.unwrap();
        slowest = slowest.max(one.elapsed());
        assert!(heard.iter().flatten().all(|heard| *heard == Heard::Accepted));
        done += TOGETHER * BATCH;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{done} events about {ENTITIES} entities, {} a transaction: {:.0} /s, slowest {} ms",
        TOGETHER * BATCH,
        done as f64 / seconds,
        slowest.as_millis()
    );
    let all = EventFilter {
        environment: Environment::Production,
        source_id: None,
        event_type: None,
        entity: None,
        from: None,
        to: None,
    };
    let middle = Some(EventId::from_parts(at(done / 2), 0));
    for (name, filter, after) in [
        ("list", all.clone(), None),
        ("list, from the middle", all.clone(), middle),
        ("list, of an entity", EventFilter { entity: Some(name_of(7)), ..all.clone() }, None),
        ("list, of a source", EventFilter { source_id: Some("source-7".into()), ..all.clone() }, None),
        (
            "list, of a source that nobody is",
            EventFilter { source_id: Some("nobody".into()), ..all.clone() },
            middle,
        ),
    ] {
        let read = async |_: u64| drop(store.events(tenant, filter.clone(), after, 50).await.unwrap());
        timed(name, read).await;
    }
    timed("entity", async |n| {
        let name = name_of(n * 7919 % ENTITIES);
        drop(store.entity(tenant, Environment::Production, &name).await.unwrap().unwrap());
    })
    .await;
    timed("entities, a page", async |n| {
        let after = name_of(n * 7919 % ENTITIES);
        drop(store.entities(tenant, Environment::Production, None, Some(&after), 51).await.unwrap());
    })
    .await;
    timed("how events come in", async |_| {
        drop(store.ingest_posture(tenant, Environment::Production, at(done)).await.unwrap());
    })
    .await;
    timed("sources, a page", async |_| {
        drop(store.sources(tenant, Environment::Production, None, 51, at(done)).await.unwrap());
    })
    .await;
    store.close().await;
}

async fn timed(name: &str, read: impl AsyncFn(u64)) {
    let mut times = Vec::new();
    for n in 0..READS {
        let begun = Instant::now();
        read(n).await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
    println!("{name}: p50 {} µs, p99 {} µs", at(50), at(99));
}

fn name_of(n: u64) -> EntityName {
    EntityName { entity_type: "order".to_owned(), entity_id: n.to_string() }
}

/// Twenty events happen in a millisecond.
fn at(n: u64) -> Timestamp {
    moment().plus(Duration::from_millis(n / 20))
}

fn batch(tenant_id: TenantId, first: u64) -> EventBatch {
    let source = first / BATCH % SOURCES;
    let stamp = Stamp {
        tenant_id,
        environment: Environment::Production,
        application_id: ApplicationId::from_parts(moment(), 1),
        key_id: KeyId::from_parts(moment(), source.into()),
        source_id: format!("source-{source}"),
        trust_level: TrustLevel::Internal,
    };
    let event = |n: u64| {
        let data =
            format!(r#"{{"total":{n},"currency":"EUR","status":"paid","customer":"cus-{}"}}"#, n % 977);
        let event = Event {
            source_event_id: Some(format!("{n:012}")),
            event_type: "order.paid".to_owned(),
            entity: name_of(n.wrapping_mul(2_654_435_761) % ENTITIES),
            data: RawValue::from_string(data).unwrap(),
            occurred_at: None,
        };
        (EventId::from_parts(at(n), n.into()), event)
    };
    EventBatch { stamp, received_at: at(first + BATCH), events: (first..first + BATCH).map(event).collect() }
}

fn founding() -> Founding {
    let tenant_id = TenantId::from_parts(moment(), 1);
    let person_id = PersonId::from_parts(moment(), 1);
    let tenant = Tenant {
        id: tenant_id,
        name: "Bench".parse().unwrap(),
        key_label: "ks".parse().unwrap(),
        created_at: moment(),
        settings: keystile_core::TenantSettings::default(),
        limits: keystile_core::RequestLimits::default(),
        log_whole_from: Tenant::LOG_WHOLE,
        version: 1,
    };
    let person = Person {
        id: person_id,
        email: "ada@example.com".parse().unwrap(),
        password_hash: String::new(),
        created_at: moment(),
        disabled_at: None,
    };
    let id = ApplicationId::from_parts(moment(), 1);
    Founding {
        person: Some(person),
        tenant,
        owner: Membership { tenant_id, person_id, role: Role::Owner, created_at: moment() },
        application: Application::new(id, tenant_id, "Main".parse().unwrap(), moment()),
        audit: vec![],
    }
}
