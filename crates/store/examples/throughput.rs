//! Measures the store: durable creations by 64 concurrent tasks, without and with the sealing of their audit entries,
//! and gathered look-ups of cold keys.
//!
//! `cargo run --release -p keystile-store --example throughput -- sqlite:/path/keystile.db`, or with the URL
//! of an empty PostgreSQL database, or with `private` for a PostgreSQL server of its own.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement for a developer")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use keystile_core::key::{SecretFacts, mint};
use keystile_core::{
    Action, Actor, ApiKey, Application, ApplicationId, AuditEntry, AuditId, Digest, Environment, Grants,
    KeyId, KeyKind, Limits, Membership, Person, PersonId, Role, Tenant, TenantId, Timestamp, TrustLevel,
};
use keystile_store::{Founding, Location, Sealing, Store};
use keystile_testkit::postgres::{Durability, Postgres};

const TASKS: usize = 64;
const TIME: Duration = Duration::from_secs(5);
const BATCH: usize = 64;
/// Between two rounds of sealing, as in the server.
const PAUSE: Duration = Duration::from_millis(100);

fn moment() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn main() {
    let target = std::env::args().nth(1).unwrap_or_else(|| "private".to_owned());
    let server = (target == "private").then(|| Postgres::start(Durability::On).unwrap());
    let url = server.as_ref().map_or(target, |server| server.url().to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(url.parse().unwrap()));
}

async fn measure(location: Location) {
    let store = Store::open(location).await.unwrap();
    store.migrate().await.unwrap();
    let founding = founding();
    store.found_tenant(founding.clone()).await.unwrap();
    let template = Arc::new(founding);
    let count = Arc::new(AtomicU32::new(0));
    for sealer in [None, Some(PAUSE)] {
        let sealing = sealer.map(|pause| tokio::spawn(seal(store.clone(), template.tenant.id, pause)));
        let creations = run(|| create(store.clone(), Arc::clone(&template), Arc::clone(&count))).await;
        let how = if sealing.is_some() { "sealed meanwhile" } else { "not sealed" };
        println!("durable creations, {TASKS} tasks, {how}: {creations:.0} /s");
        if let Some(sealing) = sealing {
            sealing.abort();
        }
        let head = async || store.chain_head(template.tenant.id).await.unwrap().seq.as_u64();
        let (begun, before) = (Instant::now(), head().await);
        while store.seal(template.tenant.id).await.unwrap() == Sealing::Partial {}
        let rest = head().await - before;
        println!("the remaining {rest} entries: sealed in {:.2} s", begun.elapsed().as_secs_f64());
    }
    let made = count.load(Ordering::Relaxed);
    for tasks in [1, 4] {
        let lookups = run_tasks(tasks, || look_up(store.clone(), made)).await;
        println!("look-ups in batches of {BATCH}, {tasks} at a time: {:.0} keys/s", lookups * BATCH as f64);
    }
    let single = run_tasks(1, || look_up_one(store.clone(), made)).await;
    println!("single look-ups, one at a time: {single:.0} /s, {:.0} µs each", 1e6 / single);
    store.close().await;
}

/// What the server does beside the changes.
async fn seal(store: Store, tenant: TenantId, pause: Duration) {
    loop {
        while store.seal(tenant).await.unwrap() == Sealing::Partial {}
        tokio::time::sleep(pause).await;
    }
}

async fn run<F: Future<Output = u32> + Send + 'static>(task: impl Fn() -> F) -> f64 {
    run_tasks(TASKS, task).await
}

/// Operations per second over all tasks.
async fn run_tasks<F: Future<Output = u32> + Send + 'static>(tasks: usize, task: impl Fn() -> F) -> f64 {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(task())).collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    f64::from(done) / begun.elapsed().as_secs_f64()
}

async fn create(store: Store, founding: Arc<Founding>, count: Arc<AtomicU32>) -> u32 {
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < TIME {
        let n = count.fetch_add(1, Ordering::Relaxed);
        let key = key(&founding, n);
        let entry = entry(&key, n);
        store.create_key(key, entry).await.unwrap();
        done += 1;
    }
    done
}

async fn look_up(store: Store, made: u32) -> u32 {
    let (begun, mut done) = (Instant::now(), 0_u32);
    let mut next = 0_u32;
    while begun.elapsed() < TIME {
        let digests = (0..BATCH).map(|_| {
            next = next.wrapping_add(7919) % made;
            digest(next)
        });
        let found = store.facts_by_digest(digests.collect()).await.unwrap();
        assert!(!found.is_empty());
        done += 1;
    }
    done
}

async fn look_up_one(store: Store, made: u32) -> u32 {
    let (begun, mut done) = (Instant::now(), 0_u32);
    while begun.elapsed() < TIME {
        let n = done.wrapping_mul(7919) % made;
        assert_eq!(store.facts_by_digest(vec![digest(n)]).await.unwrap().len(), 1);
        done += 1;
    }
    done
}

fn digest(n: u32) -> Digest {
    Digest::of(&n.to_be_bytes())
}

fn founding() -> Founding {
    let tenant_id = TenantId::from_parts(moment(), 1);
    let person_id = PersonId::from_parts(moment(), 1);
    let (role, created_at) = (Role::Owner, moment());
    let tenant = Tenant {
        id: tenant_id,
        name: "Bench".parse().unwrap(),
        key_label: "ks".parse().unwrap(),
        created_at,
        settings: keystile_core::TenantSettings::default(),
        limits: keystile_core::RequestLimits::default(),
        log_whole_from: Tenant::LOG_WHOLE,
        version: 1,
    };
    let person = Person {
        id: person_id,
        email: "ada@example.com".parse().unwrap(),
        password_hash: String::new(),
        created_at,
        disabled_at: None,
    };
    let id = ApplicationId::from_parts(moment(), 1);
    Founding {
        person: Some(person),
        tenant,
        owner: Membership { tenant_id, person_id, role, created_at },
        application: Application::new(id, tenant_id, "Main".parse().unwrap(), created_at),
        audit: vec![],
    }
}

fn key(founding: &Founding, n: u32) -> ApiKey {
    let id = KeyId::from_parts(Timestamp::from_millis(moment().as_millis() + i64::from(n / 8)), n.into());
    let secret = mint(&founding.tenant.key_label, Environment::Production, &[7; 32]);
    let name = format!("Key {n}").parse().unwrap();
    ApiKey {
        kind: KeyKind::Service { issued_to_service: Some("checkout".into()) },
        source_id: Some("checkout-service".into()),
        trust_level: TrustLevel::Internal,
        scopes: Grants::parse(&["customers:read", "orders:*"]).unwrap(),
        limits: Limits { rpm: Some(600), ..Limits::default() },
        secret: SecretFacts { digest: digest(n), ..SecretFacts::of(&secret) },
        ..ApiKey::new(id, founding.tenant.id, founding.application.id, name, &secret, Actor::System, moment())
    }
}

fn entry(key: &ApiKey, n: u32) -> AuditEntry {
    AuditEntry {
        id: AuditId::from_parts(moment(), n.into()),
        tenant_id: key.tenant_id,
        at: moment(),
        actor: Actor::System,
        action: Action::KeyCreate,
        target: key.id.to_string(),
        ip: None,
        request_id: None,
        changes: serde_json::Value::Null,
    }
}
