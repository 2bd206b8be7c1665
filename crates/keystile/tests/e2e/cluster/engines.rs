//! Several nodes on one PostgreSQL: what is revoked on one is refused by all, whatever befalls them.
//!
//! Most cases take engines in this process, so that they can see what each has in memory; the last ones take the program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keystile_core::key::mint;
use keystile_core::{
    Action, Actor, ApiKey, Ask, AuditEntry, AuditId, Change, Code, Environment, KeyId, Secret, TenantId,
    Timestamp,
};
use keystile_engine::{ClusterSettings, Engine, EngineSettings, Receipt, with_receipt};
use keystile_manage::{Committed, FirstOwner, Founded, Refused};
use keystile_store::Location;
use keystile_testkit::http::NOTHING;
use keystile_testkit::postgres::{Database, Postgres};
use keystile_testkit::proxy::{Fault, Proxy};
use keystile_testkit::server::Plan;
use keystile_testkit::wait::eventually;
use serde_json::json;

use crate::world::{KEYSTILE, World, as_key, text, verify};

/// As short as it may be.
const LEASE: Duration = Duration::from_secs(1);
/// How long a change may wait for nodes that have stopped.
const BOUND: Duration = Duration::from_millis(1_500);
/// Longer than anything here waits.
const FROZEN: Fault = Fault::Delay(Duration::from_secs(30));

/// A database, the folder with the keys of all nodes, and a tenant.
struct Bed {
    database: Arc<Database<'static>>,
    folder: PathBuf,
    founded: Founded,
}

impl Bed {
    /// With the first node.
    async fn new(name: &str) -> (Self, Engine) {
        let database = Postgres::shared().database();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let first = Engine::start(&settings(&database.url(), &folder)).await.unwrap();
        let owner = FirstOwner {
            email: "ada@example.com".parse().unwrap(),
            password: Secret::new("correct horse battery staple"),
            tenant_name: "Shop".parse().unwrap(),
        };
        let founded = first.planes().control.set_up_as_operator(owner).await.unwrap().unwrap();
        let bed = Self { database: Arc::new(database), folder, founded };
        has_lease(&first).await;
        (bed, first)
    }

    async fn node(&self) -> Engine {
        self.node_at(&self.database.url()).await
    }

    async fn node_at(&self, url: &str) -> Engine {
        let node = Engine::start(&settings(url, &self.folder)).await.unwrap();
        has_lease(&node).await;
        node
    }

    /// A proxy before the database, and a node behind it.
    async fn node_by_proxy(&self) -> (Engine, Proxy) {
        let url = self.database.url();
        let address = url.split_once('@').unwrap().1.split('/').next().unwrap().to_owned();
        let proxy = Proxy::start(address.parse::<SocketAddr>().unwrap()).unwrap();
        let node = self.node_at(&url.replace(&address, &proxy.address().to_string())).await;
        (node, proxy)
    }

    /// How often the node has renewed its lease that has done so least.
    fn beat(&self) -> i64 {
        self.database.query("SELECT min(beat) FROM nodes").unwrap().trim().parse().unwrap()
    }

    /// A new key, made on a node.
    async fn key(&self, node: &Engine) -> Key {
        let number = random();
        let at = Timestamp::from_millis(1_700_000_000_000);
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&number.to_be_bytes());
        let tenant = &self.founded.tenant;
        let secret = mint(&tenant.key_label, Environment::Production, &seed);
        let (id, application) = (KeyId::from_parts(at, number), self.founded.application.id);
        let key = ApiKey::new(id, tenant.id, application, "a".parse().unwrap(), &secret, Actor::System, at);
        let (store, made) = (node.planes().store.clone(), key.clone());
        let work = async move {
            store.create_key(made, entry(key.tenant_id, Action::KeyCreate, key.id)).await.unwrap();
            Ok::<_, Refused>(Committed { value: (), change: Change::of([key.secret.digest]) })
        };
        node.planes().commits.carry_out(work).await.unwrap();
        Key { tenant_id: tenant.id, id, secret }
    }
}

struct Key {
    tenant_id: TenantId,
    id: KeyId,
    secret: Secret,
}

impl Key {
    /// What a node says of it.
    async fn code(&self, node: &Engine) -> Code {
        node.planes().verifier.verify(self.secret.expose(), &Ask::ANYTHING).await.code()
    }

    /// Revokes it on a node, as a use case does.
    async fn revoke(&self, node: &Engine) -> Option<Receipt> {
        let (store, tenant_id, id) = (node.planes().store.clone(), self.tenant_id, self.id);
        let digest = self.secret.digest();
        let work = async move {
            let revoke = move |key: &mut ApiKey| {
                key.enabled = false;
                Ok::<_, ()>(Some(entry(tenant_id, Action::KeyDisable, id)))
            };
            store.change_key(tenant_id, id, revoke).await.unwrap().unwrap().unwrap();
            Ok::<_, Refused>(Committed { value: (), change: Change::of([digest]) })
        };
        let (done, receipt) = with_receipt(node.planes().commits.carry_out(work)).await;
        done.unwrap();
        receipt
    }
}

fn settings(url: &str, folder: &Path) -> EngineSettings {
    let cluster = ClusterSettings {
        name: "node".to_owned(),
        address: "127.0.0.1:1".to_owned(),
        lease: LEASE,
        rates: None,
    };
    EngineSettings {
        location: Location::Postgres { url: url.to_owned(), max_connections: 4 },
        cluster: Some(cluster),
        // Each node has its own.
        revocation_journal: folder.join(format!("{:x}.journal", random())),
        ..EngineSettings::in_folder(folder)
    }
}

fn random() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(0));
    half() << 64 | half()
}

fn entry(tenant_id: TenantId, action: Action, id: KeyId) -> AuditEntry {
    let at = Timestamp::from_millis(1_700_000_000_000);
    AuditEntry {
        id: AuditId::from_parts(at, random()),
        tenant_id,
        at,
        actor: Actor::System,
        action,
        target: id.to_string(),
        ip: None,
        request_id: None,
        changes: json!({}),
    }
}

async fn has_lease(node: &Engine) {
    let verifier = Arc::clone(&node.planes().verifier);
    eventually("the node to have a lease", async || verifier.has_lease().then_some(())).await;
}

/// Both sides of the wait are whole: everybody has acknowledged.
fn all(nodes: usize, receipt: Option<Receipt>) {
    let receipt = receipt.unwrap();
    assert_eq!((receipt.nodes, receipt.acknowledged, receipt.expired), (nodes, nodes, 0), "{receipt}");
    assert!(receipt.revision > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_on_one_node_is_refused_by_the_others_at_once() {
    let (bed, one) = Bed::new("cluster-revoked").await;
    let (two, three) = (bed.node().await, bed.node().await);
    for round in 0..50 {
        let key = bed.key(&one).await;
        for node in [&one, &two, &three] {
            assert_eq!(key.code(node).await, Code::Allowed);
        }
        let hits = two.planes().verifier.stats().hits;
        assert_eq!(key.code(&two).await, Code::Allowed);
        assert_eq!(two.planes().verifier.stats().hits, hits + 1, "it answers from memory");
        let receipt = key.revoke(&one).await;
        for node in [&two, &three, &one] {
            assert_eq!(key.code(node).await, Code::KeyInactive, "round {round}");
        }
        all(3, receipt);
    }
    for node in [one, two, three] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_did_not_exist_is_known_to_all_when_it_was_made() {
    let (bed, one) = Bed::new("cluster-made").await;
    let two = bed.node().await;
    let seed = [9; 32];
    let secret = mint(&bed.founded.tenant.key_label, Environment::Production, &seed);
    let ask = async || two.planes().verifier.verify(secret.expose(), &Ask::ANYTHING).await.code();
    assert_eq!((ask().await, ask().await), (Code::KeyNotFound, Code::KeyNotFound));
    let at = Timestamp::from_millis(1_700_000_000_000);
    let (tenant_id, application) = (bed.founded.tenant.id, bed.founded.application.id);
    let id = KeyId::from_parts(at, 9);
    let key = ApiKey::new(id, tenant_id, application, "a".parse().unwrap(), &secret, Actor::System, at);
    let store = one.planes().store.clone();
    let work = async move {
        let digest = key.secret.digest;
        store.create_key(key, entry(tenant_id, Action::KeyCreate, id)).await.unwrap();
        Ok::<_, Refused>(Committed { value: (), change: Change::of([digest]) })
    };
    one.planes().commits.carry_out(work).await.unwrap();
    assert_eq!(ask().await, Code::Allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_beside_a_revocation_on_another_node_get_no_yes_after_it() {
    let (bed, one) = Bed::new("cluster-readers").await;
    let two = Arc::new(bed.node().await);
    for _ in 0..100 {
        let key = Arc::new(bed.key(&one).await);
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let (two, key) = (Arc::clone(&two), Arc::clone(&key));
                tokio::spawn(async move {
                    while key.code(&two).await == Code::Allowed {
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        all(2, key.revoke(&one).await);
        assert_eq!(key.code(&two).await, Code::KeyInactive);
        for reader in readers {
            reader.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_stopped_makes_a_change_wait_for_its_lease_and_answers_nothing_from_memory() {
    let (bed, one) = Bed::new("cluster-stopped").await;
    let (two, proxy) = bed.node_by_proxy().await;
    let key = bed.key(&one).await;
    assert_eq!(key.code(&two).await, Code::Allowed);
    proxy.set(FROZEN);
    let began = Instant::now();
    let receipt = key.revoke(&one).await.unwrap();
    let took = began.elapsed();
    assert_eq!((receipt.nodes, receipt.acknowledged, receipt.expired), (2, 1, 1), "{receipt}");
    assert!(took <= BOUND, "{took:?}");
    assert_eq!(key.code(&two).await, Code::EnforcementUnavailable, "its database does not answer");
    // What was seen to be over is not waited for again.
    let another = bed.key(&one).await;
    let began = Instant::now();
    let receipt = another.revoke(&one).await.unwrap();
    assert_eq!((receipt.acknowledged, receipt.expired), (1, 1), "{receipt}");
    assert!(began.elapsed() < LEASE, "{:?}", began.elapsed());
    proxy.set(Fault::None);
    proxy.cut_all();
    has_lease(&two).await;
    assert_eq!(key.code(&two).await, Code::KeyInactive);
    let third = bed.key(&one).await;
    all(2, third.revoke(&one).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_lease_asks_the_database_each_time() {
    let (bed, one) = Bed::new("cluster-leaseless").await;
    let key = bed.key(&one).await;
    let verifier = Arc::clone(&one.planes().verifier);
    assert_eq!(key.code(&one).await, Code::Allowed);
    // No lease can be renewed; what is read is read all the same.
    let database = Arc::clone(&bed.database);
    let holds = "BEGIN; LOCK TABLE nodes IN EXCLUSIVE MODE; SELECT pg_sleep(600)";
    let holding = tokio::task::spawn_blocking(move || database.run(holds));
    let forgotten = async || (!verifier.has_lease() && verifier.stats().keys == 0).then_some(());
    eventually("the lease to be over", forgotten).await;
    let before = verifier.stats();
    for _ in 0..3 {
        assert_eq!(key.code(&one).await, Code::Allowed);
    }
    let after = verifier.stats();
    assert_eq!((after.hits, after.queries), (before.hits, before.queries + 3));
    assert_eq!((after.keys, after.absent), (0, 0), "nothing is kept");
    bed.database.run(&format!("UPDATE api_keys SET enabled = 0 WHERE id = '{}'", key.id)).unwrap();
    assert_eq!(key.code(&one).await, Code::KeyInactive);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()";
    bed.database.run(end).unwrap();
    assert!(holding.await.unwrap().is_err(), "it was ended");
    has_lease(&one).await;
    assert_eq!(key.code(&one).await, Code::KeyInactive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_is_lost_is_made_up_for_by_the_next_renewal() {
    let (bed, one) = Bed::new("cluster-lost").await;
    let two = bed.node().await;
    let key = bed.key(&one).await;
    assert_eq!(key.code(&two).await, Code::Allowed);
    let mute = "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('keystile_note(text)'::regprocedure),
        'PERFORM pg_notify(', 'PERFORM concat('); END $$";
    bed.database.run(mute).unwrap();
    let began = Instant::now();
    let receipt = key.revoke(&one).await;
    assert_eq!(key.code(&two).await, Code::KeyInactive);
    all(2, receipt);
    assert!(began.elapsed() < LEASE, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_by_hand_reaches_all_nodes() {
    let (bed, one) = Bed::new("cluster-by-hand").await;
    let two = bed.node().await;
    let key = bed.key(&one).await;
    for node in [&one, &two] {
        assert_eq!(key.code(node).await, Code::Allowed);
    }
    bed.database.run(&format!("UPDATE api_keys SET enabled = 0 WHERE id = '{}'", key.id)).unwrap();
    for node in [&one, &two] {
        eventually("the key to be refused", async || {
            (key.code(node).await == Code::KeyInactive).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_connection_was_cut_joins_again_and_has_missed_nothing() {
    let (bed, one) = Bed::new("cluster-cut").await;
    let two = bed.node().await;
    let key = bed.key(&one).await;
    assert_eq!(key.code(&two).await, Code::Allowed);
    for _ in 0..3 {
        let beat = bed.beat();
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        bed.database.run(cut).unwrap();
        // One renewal may have been under way, and each node that is back renews again and again.
        eventually("both nodes to be back", async || (bed.beat() > beat + 2).then_some(())).await;
        for node in [&one, &two] {
            let store = &node.planes().store;
            eventually("the node to write again", async || (!store.is_adrift()).then_some(())).await;
            has_lease(node).await;
        }
        let another = bed.key(&one).await;
        assert_eq!(another.code(&two).await, Code::Allowed);
        all(2, another.revoke(&one).await);
        assert_eq!(another.code(&two).await, Code::KeyInactive);
    }
    all(2, key.revoke(&one).await);
    assert_eq!(key.code(&two).await, Code::KeyInactive);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_leads_and_another_when_it_is_gone() {
    let (bed, one) = Bed::new("cluster-leads").await;
    let leads = |node: &Engine| node.planes().cluster.as_ref().unwrap().leads();
    eventually("the first node to lead", async || leads(&one).then_some(())).await;
    let two = bed.node().await;
    assert!(!leads(&two));
    assert_eq!(two.planes().cluster.as_ref().unwrap().list().await.unwrap().len(), 2);
    one.stop().await;
    eventually("the second node to lead", async || leads(&two).then_some(())).await;
    assert_eq!(two.planes().cluster.as_ref().unwrap().list().await.unwrap().len(), 1, "the first has left");
    let key = bed.key(&two).await;
    all(1, key.revoke(&two).await);
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_a_server_that_serves_alone_exclude_each_other() {
    let (bed, one) = Bed::new("cluster-alone").await;
    let shared = settings(&bed.database.url(), &bed.folder);
    let alone = EngineSettings { cluster: None, new_revocation_journal: true, ..shared };
    let refused = Engine::start(&alone).await.map(drop).unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("another Keystile server serves"), "{why}");
    one.stop().await;
    let alone = Engine::start(&alone).await.unwrap();
    assert!(alone.planes().cluster.is_none() && alone.planes().verifier.has_lease());
    let refused = Engine::start(&settings(&bed.database.url(), &bed.folder)).await.map(drop);
    assert!(refused.is_err());
    alone.stop().await;
    bed.node().await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_person_is_known_to_all_nodes() {
    let database = Postgres::shared().database();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-people");
    let _ = std::fs::remove_dir_all(&folder);
    let node = async || Engine::start(&settings(&database.url(), &folder)).await.unwrap();
    let (one, two) = (node().await, node().await);
    for node in [&one, &two] {
        has_lease(node).await;
        assert!(node.planes().control.offer_set_up().await.unwrap().is_some());
    }
    let owner = FirstOwner {
        email: "ada@example.com".parse().unwrap(),
        password: Secret::new("correct horse battery staple"),
        tenant_name: "Shop".parse().unwrap(),
    };
    one.planes().control.set_up_as_operator(owner).await.unwrap().unwrap();
    let control = &two.planes().control;
    eventually("the other node to await nobody", async || (!control.awaits_set_up()).then_some(())).await;
}

/// The program, as a node.
fn plan(plan: Plan, database: &Database<'_>) -> Plan {
    plan.own_database().flag("--database-url", &database.url()).variable("KEYSTILE_CLUSTER", "yes")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_serve_from_one_database_and_tell_who_has_heard_of_a_change() {
    let database = Postgres::shared().database();
    let dev =
        plan(Plan::dev(KEYSTILE), &database).flag("--operations-listen", "127.0.0.1:0").flag("--log", "info");
    let world = World::of(dev.start()).await;
    let data = world.server.plan().data_dir();
    let file = |name: &str| data.join(name).display().to_string();
    let second = plan(Plan::serve(KEYSTILE), &database)
        .flag("--signing-key-file", &file("signing-key.der"))
        .flag("--encryption-key-file", &file("encryption-key"))
        .flag("--node-name", "second")
        .start();
    let (asker, beside) = (world.asker(), second.http());
    let key = world.create(&json!({ "name": "known" })).await;
    let question = json!({ "key": key["secret"], "environment": "production" });
    assert_eq!(text(&verify(&beside, &asker, &question).await, "code"), "allowed");
    let revoked = world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await;
    let receipt = revoked.header("keystile-revision").to_owned();
    revoked.expect(200);
    assert!(receipt.ends_with("; nodes=2; acknowledged=2; expired=0"), "{receipt}");
    assert_eq!(text(&verify(&beside, &asker, &question).await, "code"), "key_revoked");
    // Whoever has signed in on one is known to the other, and a key that asks as well.
    let keys = beside.json("GET", &world.keys(), &world.owner, &NOTHING).await.expect(200);
    assert!(keys["data"].as_array().unwrap().len() > 1);
    let refused = beside.json("GET", "/api/v1/whoami", &as_key(text(&key, "secret")), &NOTHING).await;
    assert_eq!(refused.status, 401, "{}", refused.text);

    let nodes = world.server.operations().json("GET", "/nodes", "", &NOTHING).await.expect(200);
    let names: Vec<_> = nodes.as_array().unwrap().iter().map(|node| text(node, "state")).collect();
    assert_eq!(names, ["running", "running"]);
    assert!(nodes.as_array().unwrap().iter().any(|node| text(node, "name") == "second"));
    let page = world.server.operations().json("GET", "/metrics", "", &NOTHING).await;
    assert!(page.text.contains("\nkeystile_cluster_nodes 2\n"), "{}", page.text);

    let mut list = std::process::Command::new(KEYSTILE);
    list.args(["nodes", "list", "--json", "--database-url", &database.url()]).env_clear();
    let output = list.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

#[test]
fn a_node_on_sqlite_does_not_start() {
    let plan = Plan::serve(KEYSTILE).own_database().variable("KEYSTILE_CLUSTER", "true");
    let mut refused = plan.run("refused");
    assert!(!refused.wait().success());
    assert!(refused.stderr().contains("needs PostgreSQL"), "{}", refused.stderr());
}
