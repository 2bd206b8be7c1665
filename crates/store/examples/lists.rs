//! Measures what a console asks of a tenant with many keys: its figures, lists in every order, searches, its usage and its log; and
//! what last uses cost beside that.
//!
//! `cargo run --release -p keystile-store --example lists -- [KEYS] [URL]`: 100,000 keys in SQLite by default.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement for a developer")]

use std::time::{Duration, Instant};

use keystile_core::key::mint;
use keystile_core::overview::Horizon;
use keystile_core::usage::{Latency, Span, Step};
use keystile_core::{
    Action, Actor, ApiKey, Application, ApplicationId, AuditEntry, AuditId, Code, Environment, KeyId,
    KeyUsage, Membership, Minute, Person, PersonId, Role, Tenant, TenantId, Timestamp, TrustLevel,
};
use keystile_store::{AuditFilter, Founding, KeyFilter, Location, Page, Sealing, Store, Touch};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TIMES: usize = 200;
/// As many as a page of the console goes through.
const LOOKED_AT: u32 = 2_500;

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let keys: u32 = arguments.next().map_or(100_000, |count| count.parse().unwrap());
    let folder = std::env::temp_dir().join(format!("keystile-lists-{}", std::process::id()));
    let url = arguments.next().unwrap_or_else(|| format!("sqlite:{}/keystile.db", folder.display()));
    let store = Store::open(url.parse::<Location>().unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    let tenant = fill(&store, keys).await;
    figures(&store, tenant).await;
    lists(&store, tenant).await;
    log(&store, tenant, keys).await;
    touches(&store, tenant, keys).await;
    store.close().await;
    std::fs::remove_dir_all(folder).ok();
}

async fn fill(store: &Store, keys: u32) -> TenantId {
    let founding = founding();
    store.found_tenant(founding.clone()).await.unwrap();
    let (tenant, began) = (founding.tenant.id, Instant::now());
    let mut made = tokio::task::JoinSet::new();
    for number in 0..keys {
        let (store, key) = (store.clone(), key(&founding, number));
        made.spawn(async move {
            let entry = created(&key);
            store.create_key(key, entry).await.unwrap();
        });
        if made.len() >= 256 {
            made.join_next().await.unwrap().unwrap();
        }
    }
    made.join_all().await;
    println!("{keys} keys made in {:.1} s", began.elapsed().as_secs_f64());
    for minute in 0..20_000_u32 {
        let at = Minute::new(Minute::of(now()).number() - minute * 6);
        let count = |(code, latency)| KeyUsage {
            tenant_id: tenant,
            key_id: KeyId::from_parts(now(), 1),
            minute: at,
            code,
            latency,
            environment: Environment::Production,
            count: 7,
        };
        let codes = [(Code::Allowed, Latency::Memory), (Code::RateLimited, Latency::Memory)];
        store.add_usage(minute.into(), codes.map(count).to_vec(), now()).await.unwrap();
    }
    tenant
}

async fn figures(store: &Store, tenant: TenantId) {
    measure("overview, counted", 20, async || {
        store.overview(tenant, Horizon::of(now(), 90)).await.unwrap();
    })
    .await;
    for step in Step::ALL {
        let span = Span::within(None, None, *step, now()).unwrap();
        measure(&format!("usage of the tenant by {step}"), TIMES, async || {
            store.tenant_usage(tenant, None, span).await.unwrap();
        })
        .await;
    }
    let quarter = Span::new(now().minus(60 * DAY), now(), Step::Hour).unwrap();
    measure("usage of the tenant, 60 days by hour", TIMES, async || {
        store.tenant_usage(tenant, None, quarter).await.unwrap();
    })
    .await;
}

async fn lists(store: &Store, tenant: TenantId) {
    let page = || Page { after: None, limit: 51 };
    let all = KeyFilter::all(now());
    let named = |part: &str| KeyFilter { name_contains: Some(part.into()), ..all.clone() };
    for (what, filter) in [
        ("list", all.clone()),
        ("list, a name that many have", named("key 7")),
        ("list, a name that one has", named("key 77777")),
        ("list, a name that nobody has", named("nobody")),
        ("list, a source that nobody has", KeyFilter { source_id: Some("x".into()), ..all.clone() }),
    ] {
        measure(what, 50, async || {
            store.keys(tenant, &filter, page()).await.unwrap();
        })
        .await;
        measure(&format!("{what}, one look"), 50, async || {
            store.look_for_keys(tenant, &filter, page(), LOOKED_AT).await.unwrap();
        })
        .await;
    }
}

async fn log(store: &Store, tenant: TenantId, keys: u32) {
    while store.seal(tenant).await.unwrap() == Sealing::Partial {}
    let all = AuditFilter::default();
    let about = |target: &str| AuditFilter { target: Some(target.into()), ..all.clone() };
    for (what, filter) in [
        ("log", all.clone()),
        ("log, of one key", about(&id(keys / 2).to_string())),
        ("log, of nothing", about("nothing")),
        ("log, what was never done", AuditFilter { action: Some(Action::KeyBlock), ..all.clone() }),
    ] {
        measure(&format!("{what}, one look"), 50, async || {
            let page = Page { after: None, limit: 51 };
            store.look_in_audit(tenant, &filter, page, LOOKED_AT).await.unwrap();
        })
        .await;
    }
    let ids: Vec<String> = (0..51).map(|number| id(number * 31 % keys).to_string()).collect();
    measure("names of 51 keys", TIMES, async || {
        assert_eq!(store.names(tenant, ids.clone()).await.unwrap().len(), 51);
    })
    .await;
}

async fn touches(store: &Store, tenant: TenantId, keys: u32) {
    let mut round = 0;
    measure("1,000 last uses", 50, async || {
        round += 1;
        let touch = |number: u32| Touch {
            tenant_id: tenant,
            key_id: id(number * 97 % keys),
            at: now().plus(Duration::from_secs(round)),
            ip: Some([192, 0, 2, 7].into()),
        };
        let first = u32::try_from(round).unwrap() * 1_000;
        store.touch_keys((first..first + 1_000).map(touch).collect()).await.unwrap();
    })
    .await;
}

async fn measure(what: &str, times: usize, mut ask: impl AsyncFnMut()) {
    ask().await;
    let mut took = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        ask().await;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let millis = |of: usize| took[of.min(times - 1)].as_secs_f64() * 1e3;
    println!("{what:40} p50 {:8.3} ms  p99 {:8.3} ms", millis(times / 2), millis(times * 99 / 100));
}

fn id(number: u32) -> KeyId {
    KeyId::from_parts(now().minus(100 * DAY).plus(Duration::from_secs(number.into())), number.into())
}

fn key(founding: &Founding, number: u32) -> ApiKey {
    let mut random = [0; 32];
    random[..4].copy_from_slice(&number.to_be_bytes());
    let environment = Environment::ALL[number as usize % 3];
    let secret = mint(&founding.tenant.key_label, environment, &random);
    let (name, by) = (format!("Key {number}").parse().unwrap(), Actor::System);
    let (tenant, application, made) = (founding.tenant.id, founding.application.id, now().minus(100 * DAY));
    let days = |count: u32| u64::from(number % count) * DAY.as_secs();
    let key = ApiKey::new(id(number), tenant, application, name, &secret, by, made);
    ApiKey {
        environment,
        trust_level: TrustLevel::ALL[number as usize / 3 % 3],
        enabled: !number.is_multiple_of(20),
        expires_at: number.is_multiple_of(2).then(|| made.plus(Duration::from_secs(days(400)))),
        last_used_at: (!number.is_multiple_of(3)).then(|| made.plus(Duration::from_secs(days(100)))),
        ..key
    }
}

fn created(key: &ApiKey) -> AuditEntry {
    AuditEntry {
        id: AuditId::from_parts(now(), key.id.as_u128()),
        tenant_id: key.tenant_id,
        at: now(),
        actor: Actor::System,
        action: Action::KeyCreate,
        target: key.id.to_string(),
        ip: None,
        request_id: None,
        changes: serde_json::Value::Null,
    }
}

fn founding() -> Founding {
    let (tenant_id, person_id) = (TenantId::from_parts(now(), 1), PersonId::from_parts(now(), 1));
    let (role, created_at) = (Role::Owner, now());
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
    let id = ApplicationId::from_parts(now(), 1);
    Founding {
        person: Some(person),
        tenant,
        owner: Membership { tenant_id, person_id, role, created_at },
        application: Application::new(id, tenant_id, "Main".parse().unwrap(), created_at),
        audit: vec![],
    }
}
