//! Several servers on one database: what triggers note, who serves beside whom, and what each hears of the others.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a case that fails has to panic")]

#[path = "behaviour/sample.rs"]
#[expect(dead_code, reason = "shared with the behaviour suite, which uses all of it")]
mod sample;

use std::time::Duration;

use keystile_core::{Action, ApiKey, Change, Digest, LogBreak, NodeId, Timestamp};
use keystile_store::{
    Heard, Hearing, Location, Member, NewNode, OpenError, ServerId, Store, Told, Touch, Written, noting,
};
use keystile_testkit::postgres::{Database, Postgres};
use sample::{World, at, number};
use tokio_postgres::{Client, NoTls};

/// Longer than any case takes.
const LEASE: Duration = Duration::from_secs(30);

/// A database with the present schema, and what a tenant has.
struct Bed {
    database: Database<'static>,
    store: Store,
    world: World,
    key: ApiKey,
}

impl Bed {
    async fn new() -> Self {
        let database = Postgres::shared().database();
        let store = open(&database).await;
        store.migrate().await.unwrap();
        let world = World::founded(&store).await;
        let key = world.created(&store).await;
        let bed = Self { database, store, world, key };
        bed.noted();
        bed
    }

    /// What was noted since the last call, in the order of revisions.
    fn noted(&self) -> Vec<String> {
        let sql = "WITH gone AS (DELETE FROM changes RETURNING revision, what) SELECT what FROM gone ORDER BY revision";
        self.database.query(sql).unwrap().lines().map(str::to_owned).collect()
    }

    /// What somebody notes who runs this.
    fn noted_by(&self, sql: &str) -> Vec<String> {
        self.database.run(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        self.noted()
    }

    fn of_key(&self) -> Vec<String> {
        vec![format!("digests {}", self.key.secret.digest.to_hex())]
    }

    async fn node(&self, name: &str) -> Result<Node, OpenError> {
        let store = open(&self.database).await;
        let id = NodeId::from_parts(at(0), number().into());
        let new = NewNode {
            id,
            name: name.to_owned(),
            address: format!("{name}:7878"),
            version: "1.2.3".to_owned(),
            lease: LEASE,
        };
        let store = store.as_node(id);
        let (member, hearing, applied) = store.join(&new).await?;
        Ok(Node { store, new, member, hearing, applied })
    }
}

struct Node {
    store: Store,
    new: NewNode,
    member: Member,
    hearing: Hearing,
    applied: keystile_store::Applied,
}

impl Node {
    /// What the next renewal finds that the last one did not see.
    async fn missed(&mut self) -> Vec<Heard> {
        let renewal = self.member.renew(&self.applied).await.unwrap().unwrap();
        self.applied = renewal.applied;
        renewal.missed.into_iter().map(|(_, heard)| heard).collect()
    }

    async fn changed(&mut self) -> (Written, Heard) {
        loop {
            match self.hearing.next().await.unwrap() {
                Told::Changed(written, heard) => return (written, heard),
                Told::Applied(..) | Told::Message(_) => {}
            }
        }
    }
}

async fn open(database: &Database<'_>) -> Store {
    Store::open(Location::Postgres { url: database.url(), max_connections: 2 }).await.unwrap()
}

async fn connect(database: &Database<'_>) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn change(digest: Digest) -> Heard {
    Heard::Change(Change::of([digest]))
}

/// Each column of a key that verification reads, with another value for it. `customer_id` and `digest` have cases of their own.
const FACTS: [(&str, &str); 24] = [
    ("environment", "'staging'"),
    ("kind", "'ingest'"),
    ("issued_to_service", "'a'"),
    ("issued_to_user_id", "'a'"),
    ("allowed_models", "'[]'"),
    ("source_id", "'a'"),
    ("trust_level", "'trusted'"),
    ("scopes", "'[\"a:read\"]'"),
    ("allowed_ips", "'[\"192.0.2.1\"]'"),
    ("metadata", "'{\"a\":1}'"),
    ("enabled", "0"),
    ("blocked_reason", "'a'"),
    ("revoked_at", "1"),
    ("deleted_at", "1"),
    ("expires_at", "1"),
    ("lineage_id", "'a'"),
    ("tpm_limit", "7"),
    ("max_budget_nano_usd", "7"),
    ("budget_period", "'day'"),
    ("rpm_limit", "7"),
    ("rate_limits", "'[1]'"),
    ("customer_id", "'CUSTOMER'"),
    ("digest", "decode(repeat('07', 32), 'hex')"),
    ("id", "'key_other'"),
];

#[test]
fn every_column_that_verification_reads_of_a_key_is_watched() {
    let read = include_str!("../src/facts.rs");
    // `k` is what statements call the table of keys, and not the end of another word.
    let mut columns: Vec<_> = read
        .match_indices("k.")
        .filter(|(at, _)| !read[..*at].ends_with(|before: char| before.is_ascii_alphanumeric()))
        .map(|(at, _)| &read[at + 2..])
        .collect();
    columns.retain(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()));
    let name = |rest: &&str| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    let columns: std::collections::BTreeSet<_> = columns.iter().map(name).collect();
    assert!(columns.len() > 20, "{columns:?}");
    let triggers = include_str!("../migrations/0032_nodes.postgres.sql");
    for column in columns {
        let is_watched = ["OLD.", "NEW."].map(|row| triggers.contains(&format!("{row}{column}")));
        assert_eq!(is_watched, [true, true], "{column}");
        let has_case = FACTS.iter().any(|(own, _)| *own == column)
            || column == "tenant_id"
            || column == "application_id";
        assert!(has_case, "{column}");
    }
}

#[tokio::test]
async fn every_change_of_a_fact_of_a_key_is_noted_once_whoever_makes_it() {
    let bed = Bed::new().await;
    let customer = bed.world.customer("Globex");
    let told = sample::entry(bed.world.tenant.id, Action::CustomerCreate, &customer.id.to_string());
    bed.store.create_customer(customer.clone(), told).await.unwrap();
    bed.noted();
    for (column, value) in FACTS.iter().filter(|(column, _)| !["digest", "id"].contains(column)) {
        let value = value.replace("CUSTOMER", &customer.id.to_string());
        let update = format!("UPDATE api_keys SET {column} = {value}");
        assert_eq!(bed.noted_by(&update), bed.of_key(), "{column}");
        assert_eq!(bed.noted_by(&update), [""; 0], "{column} stays as it is");
    }
    let both = format!("digests {},{}", bed.key.secret.digest.to_hex(), "07".repeat(32));
    assert_eq!(bed.noted_by("UPDATE api_keys SET digest = decode(repeat('07', 32), 'hex')"), [both]);
    let gone = format!("digests {}", "07".repeat(32));
    assert_eq!(bed.noted_by("DELETE FROM api_keys"), [gone]);
    assert_eq!(bed.noted_by("TRUNCATE api_keys"), ["everything"]);
}

#[tokio::test]
async fn what_verification_does_not_read_is_not_noted() {
    let bed = Bed::new().await;
    for column in [
        "name = 'b'",
        "last_used_at = 7",
        "last_used_ip = 'b'",
        "spend_nano_usd = 7",
        "tags = '{}'",
        "version = 9",
    ] {
        assert_eq!(bed.noted_by(&format!("UPDATE api_keys SET {column}")), [""; 0], "{column}");
    }
    let touch = Touch { tenant_id: bed.world.tenant.id, key_id: bed.key.id, at: at(99), ip: None };
    bed.store.touch_keys(vec![touch]).await.unwrap();
    for other in ["tenants SET rotation_days = 7", "applications SET description = 'b'"] {
        bed.database.run(&format!("UPDATE {other}")).unwrap();
    }
    assert_eq!(bed.noted(), [""; 0]);
}

#[tokio::test]
async fn limits_routes_upstreams_and_corrections_are_noted() {
    let bed = Bed::new().await;
    let (tenant, application) = (bed.world.tenant.id, bed.world.application.id);
    let customer = bed.world.customer("Globex");
    let told = sample::entry(tenant, Action::CustomerCreate, &customer.id.to_string());
    bed.store.create_customer(customer.clone(), told).await.unwrap();
    bed.noted();
    let upstreams = format!("upstreams {tenant}");
    let provider = format!(
        "INSERT INTO providers (tenant_id, id, name, protocol, base_url, enabled, created_at, updated_at, version, sealed_by,
            sealed) VALUES ('{tenant}', 'prv_1', 'a', 'openai', 'https://a', 1, 1, 1, 1, '', '')"
    );
    let model = format!(
        "INSERT INTO models (tenant_id, id, provider_id, name, aliases, upstream_name, rank, price_version, enabled,
            created_at, updated_at, version) VALUES ('{tenant}', 'mdl_1', 'prv_1', 'a', '[]', 'a', 1, 0, 1, 1, 1, 1)"
    );
    let correction = |corrects: &str| {
        format!(
            "INSERT INTO ledger (tenant_id, id, kind, key_id, lineage_id, application_id, environment, opened_at, model, input,
                cached_input, cache_write, output, images, characters, audio_millis, held_nano, cost_nano, request_id, corrects)
            VALUES ('{tenant}', 'led_' || {corrects}, 'correction', 'k', '{}', 'a', 'production', 1, 'm', 0, 0, 0, 0, 0, 0, 0, 0, 0,
                '', NULLIF({corrects}, 'none'))",
            bed.key.id
        )
    };
    let nothing: Vec<String> = Vec::new();
    for (sql, expected) in [
        ("UPDATE tenants SET rpm_limit = 7".to_owned(), vec![format!("limits {tenant}")]),
        ("UPDATE tenants SET rate_limits = '[1]'".to_owned(), vec![format!("limits {tenant}")]),
        ("UPDATE tenants SET log_requests = 'none'".to_owned(), vec![format!("limits {tenant}")]),
        ("UPDATE tenants SET rpm_limit = 7".to_owned(), nothing.clone()),
        ("UPDATE applications SET rpm_limit = 7".to_owned(), vec![format!("limits {application}")]),
        ("UPDATE applications SET rate_limits = '[1]'".to_owned(), vec![format!("limits {application}")]),
        ("UPDATE applications SET routing = '{}'".to_owned(), vec![format!("routes {application}")]),
        ("UPDATE applications SET routing = '{}'".to_owned(), nothing.clone()),
        ("UPDATE customers SET rpm_limit = 7".to_owned(), vec![format!("limits {}", customer.id)]),
        ("UPDATE customers SET rate_limits = '[1]'".to_owned(), vec![format!("limits {}", customer.id)]),
        (provider, vec![upstreams.clone()]),
        ("UPDATE providers SET enabled = 0".to_owned(), vec![upstreams.clone()]),
        (model, vec![upstreams.clone()]),
        ("UPDATE models SET enabled = 0".to_owned(), vec![upstreams.clone()]),
        ("DELETE FROM models".to_owned(), vec![upstreams.clone()]),
        ("DELETE FROM providers".to_owned(), vec![upstreams]),
        (correction("'none'"), nothing),
        (correction("'led_1'"), vec![format!("budget {}", bed.key.id)]),
        ("DELETE FROM api_keys".to_owned(), bed.of_key()),
        ("DELETE FROM applications".to_owned(), vec![format!("routes {application}")]),
        (
            format!(
                "INSERT INTO applications (id, tenant_id, name, created_at, routing) VALUES ('app_2', '{tenant}', 'b', 1, '{{}}')"
            ),
            vec!["routes app_2".to_owned()],
        ),
        (
            "INSERT INTO persons (id, email, password_hash, created_at) VALUES ('p', 'p', '', 1)".to_owned(),
            vec!["people".to_owned()],
        ),
        ("TRUNCATE customers CASCADE".to_owned(), vec!["everything".to_owned()]),
    ] {
        assert_eq!(bed.noted_by(&sql), expected, "{sql}");
    }
}

#[tokio::test]
async fn many_keys_are_noted_together_and_too_many_changes_are_everything() {
    let bed = Bed::new().await;
    let copies = "CREATE TEMP TABLE copies AS SELECT k.* FROM api_keys k, generate_series(1, 250);
        UPDATE copies SET id = 'key_' || CAST(ctid AS TEXT), digest = sha256(CAST(CAST(ctid AS TEXT) AS BYTEA));";
    let columns = "SELECT string_agg(column_name, ', ') FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'api_keys' AND is_generated = 'NEVER'";
    let insert = format!(
        "{copies} DO $$ BEGIN EXECUTE (SELECT format('INSERT INTO api_keys (%1$s) SELECT %1$s FROM copies', ({columns}))); END $$"
    );
    let noted = bed.noted_by(&insert);
    let digests: Vec<_> =
        noted.iter().map(|what| what.trim_start_matches("digests ").split(',').count()).collect();
    assert_eq!(digests.len(), 3, "{digests:?}");
    assert_eq!(digests.iter().sum::<usize>(), 250);
    assert!(noted.iter().all(|what| what.len() < 7_000));

    let other = bed.world.created(&bed.store).await;
    bed.noted();
    let each = format!(
        "DO $$ BEGIN FOR i IN 1..200 LOOP
            UPDATE api_keys SET rpm_limit = i WHERE id = '{}'; UPDATE api_keys SET rpm_limit = i WHERE id = '{}';
        END LOOP; END $$",
        bed.key.id, other.id
    );
    let noted = bed.noted_by(&each);
    assert_eq!((noted.len(), noted.last().map(String::as_str)), (257, Some("everything")));
    assert!(noted[..256].iter().all(|what| what.starts_with("digests ")));
    let same = "DO $$ BEGIN FOR i IN 1..300 LOOP UPDATE tenants SET rpm_limit = i; END LOOP; END $$";
    assert_eq!(bed.noted_by(same), [format!("limits {}", bed.world.tenant.id)], "it is told once in a row");
}

#[tokio::test]
async fn nodes_serve_beside_each_other_and_not_beside_who_serves_alone() {
    let bed = Bed::new().await;
    let (one, two) = (bed.node("one").await.unwrap(), bed.node("two").await.unwrap());
    assert!(matches!(bed.store.take_helm().await, Err(OpenError::Served)));
    let nodes = bed.store.nodes().await.unwrap();
    let names: Vec<_> =
        nodes.iter().map(|node| (node.name.as_str(), node.address.as_str(), node.beat)).collect();
    assert_eq!(names, [("one", "one:7878", 1), ("two", "two:7878", 1)]);
    assert!(nodes.iter().all(|node| node.has_lease() && node.lease == LEASE && node.version == "1.2.3"));

    let other_lease = NewNode { id: NodeId::from_parts(at(0), 1), lease: 2 * LEASE, ..one.new.clone() };
    let refused = bed.store.join(&other_lease).await.unwrap_err();
    assert!(matches!(refused, OpenError::OtherLease { theirs } if theirs == LEASE), "{refused}");

    assert!(one.member.lead().await.unwrap() && !two.member.lead().await.unwrap());
    one.member.leave().await.unwrap();
    assert_eq!(bed.store.nodes().await.unwrap().len(), 1);
    // Locks go with the connection, of whose end the server hears soon.
    while !two.member.lead().await.unwrap() {}
    two.member.leave().await.unwrap();
    let helm = bed.store.take_helm().await.unwrap();
    assert!(matches!(bed.node("three").await.map(drop), Err(OpenError::Served)));
    drop(helm);
    bed.node("four").await.unwrap();
}

#[tokio::test]
async fn a_file_is_shared_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Location::Sqlite(folder.path().join("keystile.db"))).await.unwrap();
    store.migrate().await.unwrap();
    let new = NewNode {
        id: NodeId::from_parts(at(0), 1),
        name: "one".to_owned(),
        address: String::new(),
        version: String::new(),
        lease: LEASE,
    };
    assert!(matches!(store.join(&new).await.map(drop), Err(OpenError::Alone)));
    assert_eq!(store.nodes().await.unwrap(), []);
    let (_, committed) = noting(store.forget_nodes()).await;
    assert!(committed.is_empty(), "a file numbers nothing");
    assert_eq!(store.sweep_changes(at(0)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_node_hears_what_others_change_and_others_hear_that_it_has() {
    let bed = Bed::new().await;
    let (mut one, mut two) = (bed.node("one").await.unwrap(), bed.node("two").await.unwrap());
    let (made, committed) = noting(bed.world.created(&bed.store)).await;
    assert!(!committed.is_empty());
    let (written, heard) = two.changed().await;
    assert_eq!(heard, change(made.secret.digest));
    assert_eq!(one.changed().await, (written, heard));

    let outlook = one.store.outlook(&committed).await.unwrap();
    assert_eq!(outlook.written, [written]);
    let others: Vec<_> = outlook.others.iter().map(|other| (other.node.id, other.has_applied)).collect();
    assert_eq!(others, [(two.new.id, false)], "its last renewal was before");

    two.member.acknowledge(&[written]).await.unwrap();
    let told = loop {
        match one.hearing.next().await.unwrap() {
            Told::Applied(node, written) => break (node, written),
            Told::Changed(..) | Told::Message(_) => {}
        }
    };
    assert_eq!(told, (two.new.id, vec![written]));

    assert_eq!(two.missed().await, [change(made.secret.digest)], "a renewal does not rely on notifications");
    assert!(
        !one.store.outlook(&committed).await.unwrap().others[0].has_applied,
        "that is told with the next"
    );
    assert_eq!(two.missed().await, []);
    assert!(one.store.outlook(&committed).await.unwrap().others[0].has_applied);
}

#[tokio::test]
async fn what_is_of_no_concern_to_verification_is_waited_for_by_nobody() {
    let bed = Bed::new().await;
    let one = bed.node("one").await.unwrap();
    let touch = Touch { tenant_id: bed.world.tenant.id, key_id: bed.key.id, at: at(99), ip: None };
    let (_, committed) = noting(bed.store.touch_keys(vec![touch])).await;
    assert!(!committed.is_empty());
    assert_eq!(one.store.outlook(&committed).await.unwrap().written, []);
}

#[tokio::test]
async fn a_renewal_finds_what_was_begun_early_and_committed_late() {
    let bed = Bed::new().await;
    let other = bed.world.created(&bed.store).await;
    let mut one = bed.node("one").await.unwrap();
    let (early, late) = (connect(&bed.database).await, connect(&bed.database).await);
    let revoke = |id| format!("UPDATE api_keys SET revoked_at = 7 WHERE id = '{id}'");
    early.batch_execute(&format!("BEGIN; {}", revoke(bed.key.id))).await.unwrap();
    late.batch_execute(&revoke(other.id)).await.unwrap();
    // Its revision is the greater one, and it is there first.
    assert_eq!(one.missed().await, [change(other.secret.digest)]);
    assert_eq!(one.missed().await, []);
    early.batch_execute("COMMIT").await.unwrap();
    assert_eq!(one.missed().await, [change(bed.key.secret.digest)]);
    assert_eq!(one.missed().await, []);
}

#[tokio::test]
async fn what_is_missed_beyond_bounds_is_everything() {
    let bed = Bed::new().await;
    let mut one = bed.node("one").await.unwrap();
    let many = "DO $$ BEGIN FOR i IN 1..5001 LOOP
            INSERT INTO changes (xid, what, at) VALUES (pg_current_xact_id(), 'people', 1);
        END LOOP; END $$";
    bed.database.run(many).unwrap();
    let missed = one.missed().await;
    assert_eq!((missed.len(), missed.last()), (5_001, Some(&Heard::Everything)));
    assert_eq!(one.missed().await, []);
    assert_eq!(bed.store.sweep_changes(Timestamp::from_millis(2)).await.unwrap(), 1_000);
}

#[tokio::test]
async fn changes_that_were_restored_from_another_server_are_no_news() {
    let bed = Bed::new().await;
    bed.database.run("INSERT INTO changes (xid, what, at) VALUES ('9000000000', 'everything', 1)").unwrap();
    let mut one = bed.node("one").await.unwrap();
    assert_eq!(one.missed().await, []);
}

#[tokio::test]
async fn a_node_that_is_given_up_has_to_join_again() {
    let bed = Bed::new().await;
    let mut one = bed.node("one").await.unwrap();
    assert_eq!(one.missed().await, []);
    assert!(!bed.store.bury_node(one.new.id, 1, at(0)).await.unwrap(), "it has renewed its lease since");
    assert!(bed.store.bury_node(one.new.id, 2, at(0)).await.unwrap());
    assert!(one.member.renew(&one.applied).await.unwrap().is_none());
    let (again, _, _) = one.store.join(&one.new).await.unwrap();
    assert_eq!(bed.store.nodes().await.unwrap()[0].id, one.new.id);
    again.leave().await.unwrap();
}

#[tokio::test]
async fn a_node_that_joins_anew_has_forgotten_all_before_others_read_that_it_has_applied_all() {
    let bed = Bed::new().await;
    let one = bed.node("one").await.unwrap();
    let applied = || bed.database.query("SELECT applied FROM nodes").unwrap();
    let before = applied();
    bed.database.run("CREATE TABLE something ()").unwrap();
    let mut when_forgotten = None;
    let joined = one.store.join_anew(&one.new, || when_forgotten = Some(applied())).await;
    let (again, _, _) = joined.unwrap();
    assert_eq!(when_forgotten, Some(before.clone()));
    assert_ne!(applied(), before);
    again.leave().await.unwrap();
}

#[tokio::test]
async fn a_node_takes_up_what_others_have_leased_only_when_they_are_no_more() {
    let bed = Bed::new().await;
    let (one, two) = (bed.node("one").await.unwrap(), bed.node("two").await.unwrap());
    let (tenant, key) = (bed.world.tenant.id, bed.key.id);
    let leased = format!(
        "INSERT INTO budgets (lineage_id, period, first_day, end_day, tenant_id, spent_nano, leased_nano)
            VALUES ('{key}', 'day', 100, 101, '{tenant}', 0, 5);
        INSERT INTO budget_leases (server, lineage_id, period, first_day, leased_nano)
            VALUES (decode('{:032x}', 'hex'), '{key}', 'day', 100, 5)",
        one.new.id.as_u128()
    );
    bed.database.run(&leased).unwrap();
    let server = ServerId::new(two.new.id.as_u128());
    let taken = two.store.take_up_quota(server, at(0), 1).await.unwrap();
    assert_eq!(taken, keystile_store::TakenUp::default(), "its node runs");
    assert!(bed.store.bury_node(one.new.id, 1, at(0)).await.unwrap());
    let taken = two.store.take_up_quota(server, at(0), 2).await.unwrap();
    assert_eq!((taken.lost.as_nanos(), taken.is_partial), (5, true));
}

#[tokio::test]
async fn each_node_has_a_request_log_of_its_own() {
    let bed = Bed::new().await;
    let (one, two) = (bed.node("one").await.unwrap(), bed.node("two").await.unwrap());
    let breaks = async || bed.store.log_breaks(at(0), at(9_000)).await.unwrap();
    one.store.begin_log(at(0)).await.unwrap();
    two.store.begin_log(at(100)).await.unwrap();
    one.store.mark_log(at(1_000)).await.unwrap();
    assert_eq!(breaks().await, [], "both run");
    two.store.end_log().await.unwrap();
    assert!(bed.store.bury_node(two.new.id, 1, at(2_000)).await.unwrap());
    assert_eq!(breaks().await, [], "it has ended its log");
    assert!(bed.store.bury_node(one.new.id, 1, at(3_000)).await.unwrap());
    assert_eq!(breaks().await, [LogBreak { since: at(1_000), until: at(3_000) }]);
}

#[tokio::test]
async fn a_node_that_is_adrift_reads_and_writes_nothing() {
    let bed = Bed::new().await;
    let one = bed.node("one").await.unwrap();
    one.store.drift();
    one.store.ready().await.unwrap();
    let refused = one.store.sweep_limit_use(at(0), 1).await.unwrap_err();
    assert!(matches!(refused, keystile_store::StoreError::Unavailable(_)), "{refused}");
    one.store.anchor();
    one.store.sweep_limit_use(at(0), 1).await.unwrap();
}
