//! Whether statements that go through what a tenant has many of are answered by the index that is there for them. An engine that
//! does without gives the same answer, only later and later, so its plan has to tell.

mod queues;

use keystile_core::key::{KeyCursor, KeyPlace, KeySort, SortOrder};
use keystile_core::{
    Action, ApplicationId, CustomerId, Environment, KeyId, LogFilter, Seq, TenantId, Timestamp,
};
use keystile_testkit::postgres::{Database, Postgres};
use rusqlite::Connection;

use crate::engine::{postgres, sqlite};
use crate::events::posture;
use crate::filter::Tagged;
use crate::listing::Listing;
use crate::request_log::{find, sweep};
use crate::value::Value;
use crate::{AuditFilter, KeyFilter, KeyPage, Location, Order, Page, Store, audit, listing, names, tags};

/// A tag that many keys have.
const TAG: &str = "team:web";

/// A tenant with many keys, which are of a few applications and have a tag; every hundredth is of a customer, of a source and blocked.
const FILL: &str = "
INSERT INTO tenants (id, name, key_label, created_at) VALUES ('TENANT', 'Acme', 'ks', 1);
INSERT INTO applications (id, tenant_id, name, created_at) VALUES ('APPLICATION', 'TENANT', 'Main', 1), ('app_2', 'TENANT', 'Other', 1);
INSERT INTO customers (tenant_id, id, name, name_search, metadata, created_at, version)
    VALUES ('TENANT', 'CUSTOMER', 'C', 'c', '{}', 1, 1);
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO api_keys (id, tenant_id, application_id, customer_id, source_id, blocked_reason, name, name_search,
    environment, kind, trust_level, scopes, allowed_ips, rate_limits, budget_period, spend_nano_usd, enabled, digest,
    prefix, key_prefix, last4, secret_created_at, lineage_id, created_by, updated_by, created_at, updated_at,
    source_type, tags, metadata, version, schema_version, last_used_at, expires_at)
SELECT 'key_' || (100000 + i), 'TENANT', CASE WHEN i % 100 = 0 THEN 'APPLICATION' ELSE 'app_2' END,
    CASE WHEN i % 100 = 0 THEN 'CUSTOMER' END, CASE WHEN i % 100 = 0 THEN 'checkout' END,
    CASE WHEN i % 100 = 0 THEN 'unpaid' END, 'Key ' || i, 'key ' || i,
    'production', 'service', 'external', '[]', '[]', '[]', 'month', 0, 1, DIGEST,
    'sk_ks_pr', 'sk_ks_prod_aB3d', '9xYz', 5, 'key_' || i, 'system', 'system', i, i,
    'api', '{}', '{}', 1, 1, i, 100000 + i FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO key_tags (tenant_id, key_id, tag) SELECT 'TENANT', 'key_' || (100000 + i), TAGGED FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO key_tags (tenant_id, key_id, tag) SELECT 'TENANT', 'key_' || (100000 + i), DIGEST FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO audit_entries (tenant_id, id, at, actor, action, target, changes, seq)
SELECT 'TENANT', 'aud_' || i, i, 'system', 'key.create', 'key_' || (100000 + i), 'null', i FROM numbers;
INSERT INTO event_spaces (id, tenant_id, environment) VALUES (1, 'TENANT', 'production');
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO event_sources (id, space, source_id) SELECT i, 1, 'source-' || i FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO event_streams (id, source, application_id, key_id, trust_level)
SELECT i, i, 'app_2', 'key_100001', 'external' FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO source_activity (source, space, stream, last_seen_at, recent) SELECT i, 1, i, i, DIGEST FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO event_counts (space, step, minute, outcome, counted)
 SELECT 1 + i % 50, 60, i * 60, 'accepted', 1 FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO requests (tenant_id, id, face, key_id, asked_by, code)
SELECT OWNER, PLACE, 'authz', CASE WHEN i % 100 = 0 THEN BEARER ELSE PLACE END, CASE WHEN i % 100 = 1 THEN BEARER END,
    'allowed' FROM numbers;";

fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn tenant() -> TenantId {
    TenantId::from_parts(moment(1), 1)
}

fn application() -> ApplicationId {
    ApplicationId::from_parts(moment(1), 2)
}

fn customer() -> CustomerId {
    CustomerId::from_parts(moment(1), 3)
}

/// The key of a hundredth of all requests, which has asked about others as often.
fn bearer() -> KeyId {
    KeyId::from_parts(moment(1), 9)
}

/// How a dialect writes a digest of its own, given bytes, and the number of a row as 16 bytes.
fn fill([digest, bytes, place]: [&str; 3]) -> String {
    let bits = |bits: u128| bytes.replace("HEX", &format!("{bits:032x}"));
    let tagged = bytes.replace("HEX", &tags::digest(TAG).to_hex());
    FILL.replace("TENANT", &tenant().to_string())
        .replace("OWNER", &bits(tenant().as_u128()))
        .replace("BEARER", &bits(bearer().as_u128()))
        .replace("PLACE", place)
        .replace("APPLICATION", &application().to_string())
        .replace("CUSTOMER", &customer().to_string())
        .replace("DIGEST", digest)
        .replace("TAGGED", &tagged)
}

/// A filled database.
enum Bed {
    Sqlite { connection: Connection, _folder: tempfile::TempDir },
    Postgres(Database<'static>),
}

impl Bed {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keystile.db");
        migrate(Location::Sqlite(path.clone())).await;
        let connection = Connection::open(path).unwrap();
        let written = ["randomblob(32)", "x'HEX'", "CAST(printf('%016d', i) AS BLOB)"];
        connection.execute_batch(&fill(written)).unwrap();
        Self::Sqlite { connection, _folder: folder }
    }

    /// What the server guesses differs when it has never looked at the rows.
    async fn postgres(is_analyzed: bool) -> Self {
        let database = Postgres::shared().database();
        migrate(Location::Postgres { url: database.url(), max_connections: 1 }).await;
        let place = "convert_to(lpad(CAST(i AS TEXT), 16, '0'), 'UTF8')";
        let written = ["decode(md5(CAST(i AS TEXT)), 'hex')", "decode('HEX', 'hex')", place];
        database.run(&fill(written)).unwrap();
        if is_analyzed {
            database.run("VACUUM ANALYZE").unwrap();
        }
        Self::Postgres(database)
    }

    /// Adds more, which the server looks at as it did at the rest.
    fn add(&self, sql: &str, is_analyzed: bool) {
        match self {
            Self::Sqlite { connection, .. } => connection.execute_batch(sql).unwrap(),
            Self::Postgres(database) => {
                database.run(sql).unwrap();
                if is_analyzed {
                    database.run("VACUUM ANALYZE").unwrap();
                }
            }
        }
    }

    /// How a statement would be answered; on PostgreSQL for these values, or for any.
    fn plan(&self, sql: &str, values: &[Value], mode: &str) -> String {
        match self {
            Self::Sqlite { connection, .. } => {
                let rows = sqlite::query(connection, &format!("EXPLAIN QUERY PLAN {sql}"), values).unwrap();
                let detail = |mut row: crate::row::Row| {
                    let _numbers = ["id", "parent", "notused"].map(|column| row.int(column).unwrap());
                    row.text("detail").unwrap() + "\n"
                };
                rows.into_iter().map(detail).collect()
            }
            Self::Postgres(database) => {
                let (sql, literals) = (postgres::translated(sql), values.iter().map(literal));
                let literals = literals.collect::<Vec<_>>().join(", ");
                let values = if values.is_empty() { String::new() } else { format!("({literals})") };
                let explained = format!(
                    "SET plan_cache_mode = {mode}; PREPARE asked AS {sql};
                    EXPLAIN (COSTS OFF) EXECUTE asked {values}"
                );
                database.query(&explained).unwrap()
            }
        }
    }
}

async fn migrate(location: Location) {
    let store = Store::open(location).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(int) => int.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'")
        }
    }
}

async fn beds() -> [Bed; 3] {
    [Bed::sqlite().await, Bed::postgres(false).await, Bed::postgres(true).await]
}

const FOR_THESE: &str = "auto";
const FOR_ANY: &str = "force_generic_plan";

/// Neither sorts nor reads a table from its beginning to its end.
fn assert_led_by(index: &str, plan: &str, of: &str) {
    assert!(plan.contains(index), "{of} without {index}:\n{plan}");
    for costly in ["TEMP B-TREE", "Sort", "SCAN api_keys\n", "Seq Scan on api_keys", "Seq Scan on audit"] {
        assert!(!plan.contains(costly), "{of} with {costly}:\n{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_to_one_thing_is_found_by_its_index() {
    let target = Some("key_100007".to_owned());
    for bed in &beds().await {
        for filter in [
            AuditFilter { target: target.clone(), ..AuditFilter::default() },
            AuditFilter { target: target.clone(), action: Some(Action::KeyCreate), ..AuditFilter::default() },
        ] {
            let which = audit::Which { tenant_id: tenant(), filter, page: Page { after: None, limit: 11 } };
            let (sql, values) = which.statement(Seq::FIRST);
            for mode in [FOR_THESE, FOR_ANY] {
                assert_led_by("audit_of_target", &bed.plan(sql, &values, mode), "a story");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_what_was_done_to_one_thing_is_led_by_its_index() {
    let target = "key_100007";
    let (action, of) = (Some(Action::KeyCreate), Some(target.to_owned()));
    let filter = AuditFilter { target: of, action, ..AuditFilter::default() };
    for bed in &beds().await {
        let page = Page { after: Some(Seq::new(20_001)), limit: 11 };
        let which = audit::Which { tenant_id: tenant(), filter: filter.clone(), page };
        let [(look, values), (end, of_end)] = which.look_at(target, 5_000);
        for mode in [FOR_THESE, FOR_ANY] {
            let plan = bed.plan(look, &values, mode);
            // What is found among so many may be sorted.
            assert!(plan.contains("audit_of_target") && !plan.contains("Seq Scan on audit"), "{plan}");
            assert_led_by("audit_of_target", &bed.plan(end, &of_end, mode), "the end of a look");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_one_by_one_however_many_keys_there_are() {
    let ids: Vec<String> = (0..51).map(|number| KeyId::from_parts(moment(1), number).to_string()).collect();
    for bed in &beds().await {
        for (sql, values) in names::questions(tenant(), &ids) {
            for mode in [FOR_THESE, FOR_ANY] {
                let plan = bed.plan(&sql, &values, mode);
                let by_id = ["(id=?", "AND id=?", "(id = "].iter().any(|by| plan.contains(by));
                assert!(by_id, "{plan}");
                assert_led_by("api_keys", &plan, "names");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_keys_in_any_order_is_led_by_the_index_of_that_order() {
    for bed in &beds().await {
        for (sort, index) in [
            (KeySort::Created, "api_keys_"),
            (KeySort::Name, "api_keys_named"),
            (KeySort::LastUsed, "api_keys_used"),
            (KeySort::Expires, "api_keys_ending"),
        ] {
            for after in [None, Some(behind(sort))] {
                let page = KeyPage { sort, order: sort.usual_order(), after, limit: 51 };
                let which = listing::Which { tenant_id: tenant(), filter: KeyFilter::all(moment(7)), page };
                let Listing { sql, values } = Listing::of_page(&which, Tagged::Together, None);
                assert_led_by(index, &bed.plan(&sql, &values, FOR_THESE), sort.as_str());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_with_a_tag_of_many_are_asked_one_by_one_within_a_look() {
    let filter = KeyFilter { tag: Some(TAG.to_owned()), ..KeyFilter::all(moment(7)) };
    for bed in &beds().await {
        for (sort, index) in [
            (KeySort::Created, "api_keys_"),
            (KeySort::Name, "api_keys_named"),
            (KeySort::LastUsed, "api_keys_used"),
            (KeySort::Expires, "api_keys_ending"),
        ] {
            let page = KeyPage { sort, order: sort.usual_order(), after: None, limit: 51 };
            let which = listing::Which { tenant_id: tenant(), filter: filter.clone(), page };
            let Listing { sql, values } = Listing::of_page(&which, Tagged::OneByOne, Some(&behind(sort)));
            let plan = bed.plan(&sql, &values, FOR_THESE);
            assert_led_by(index, &plan, sort.as_str());
            let is_asked = plan.contains("SCALAR SUBQUERY") || plan.contains("SubPlan");
            assert!(is_asked && !plan.contains("hashed"), "{plan}");
            let values = which.tagged(2_500).unwrap();
            assert_led_by("key_tags_tag", &bed.plan(tags::MORE, &values, FOR_THESE), "a tag");
        }
    }
}

fn behind(sort: KeySort) -> KeyCursor {
    let place = match sort {
        KeySort::Created => KeyPlace::Id,
        KeySort::Name => KeyPlace::Name("Key 500".parse().unwrap()),
        KeySort::LastUsed | KeySort::Expires => KeyPlace::Moment(Some(moment(15_000))),
    };
    KeyCursor { id: KeyId::from_parts(moment(1), 5), place }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_one_thing_are_led_by_its_index_and_so_is_the_end_of_a_look() {
    let all = KeyFilter::all(moment(100_007));
    let created = KeySort::Created;
    for bed in &beds().await {
        for (filter, sort, index) in [
            (KeyFilter { customer_id: Some(customer()), ..all.clone() }, created, "api_keys_of_customer"),
            (KeyFilter { source_id: Some("checkout".into()), ..all.clone() }, created, "api_keys_of_source"),
            (KeyFilter { blocked: Some(true), ..all.clone() }, created, "api_keys_blocked"),
            (KeyFilter { application_id: Some(application()), ..all.clone() }, created, "api_keys_of_appl"),
            (KeyFilter { unused_since: Some(moment(9)), ..all.clone() }, KeySort::LastUsed, "api_keys_used"),
            (
                KeyFilter { expires_by: Some(moment(100_009)), ..all.clone() },
                KeySort::Expires,
                "api_keys_end",
            ),
        ] {
            let order = if sort == created { SortOrder::Descending } else { SortOrder::Ascending };
            let page = KeyPage { sort, order, after: None, limit: 51 };
            let which = listing::Which { tenant_id: tenant(), filter, page };
            let Listing { sql, values } = Listing::of_page(&which, Tagged::Together, None);
            assert_led_by(index, &bed.plan(&sql, &values, FOR_THESE), "a page");
            let Listing { sql, values } = Listing::of_last(&which, 5_000);
            let plan = bed.plan(&sql, &values, FOR_THESE);
            assert_led_by(index, &plan, "the end of a look");
            if matches!(bed, Bed::Postgres(_)) {
                assert!(plan.contains("Index Only Scan"), "{plan}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_events_come_in_is_told_without_going_through_all_sources_and_counts() {
    let [seen, listed, counted] =
        posture::questions(tenant(), Environment::Production, moment(20_000 * 60 * 60_000));
    for bed in &beds().await {
        let plan = |(sql, values): &(&str, Vec<Value>)| bed.plan(sql, values, FOR_THESE);
        let (seen, listed, counted) = (plan(&seen), plan(&listed), plan(&counted));
        for (what, index, plan) in [
            ("the sources heard last", "source_activity_seen", &seen),
            ("their keys", "api_keys_of_source", &seen),
            ("the keys of sources", "api_keys_of_source", &listed),
        ] {
            assert!(plan.contains(index), "{what} without {index}:\n{plan}");
        }
        let by_name = ["event_sources_space_source_id_key", "sqlite_autoindex_event_sources"];
        assert!(by_name.iter().any(|index| listed.contains(index)), "{listed}");
        let by_minute = ["event_counts_pkey", "SEARCH event_counts USING PRIMARY KEY"];
        assert!(by_minute.iter().any(|index| counted.contains(index)), "{counted}");
        assert!(!seen.contains("Seq Scan on source_activity"), "{seen}");
        let sources = ["SCAN source_activity", "Seq Scan on event_sources", "Seq Scan on api_keys"];
        for costly in sources.into_iter().chain(["SCAN event_counts", "Seq Scan on event_counts"]) {
            for plan in [&seen, &listed, &counted] {
                assert!(!plan.contains(costly), "{costly}:\n{plan}");
            }
        }
    }
}

/// By one of these, and not from the beginning to the end.
fn assert_requests_led_by(indexes: &[&str], plan: &str, of: &str) {
    for index in indexes {
        assert!(plan.contains(index), "{of} without {index}:\n{plan}");
    }
    for costly in ["SCAN requests\n", "SCAN requests USING", "Seq Scan on requests"] {
        assert!(!plan.contains(costly), "{of} with {costly}:\n{plan}");
    }
}

fn by_place(bed: &Bed) -> &'static str {
    match bed {
        Bed::Sqlite { .. } => "SEARCH requests USING PRIMARY KEY",
        Bed::Postgres(_) => "requests_pkey",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_request_log_is_a_span_of_its_tenant_or_two_of_a_key() {
    let any = LogFilter::default;
    let of_key = LogFilter { key_id: Some(bearer()), ..any() };
    let refused = Some("key_revoked".to_owned());
    for bed in &beds().await {
        let (of_tenant, of_keys) = (vec![by_place(bed)], vec!["requests_of_key", "requests_asked_by"]);
        for (filter, indexes) in [
            (any(), &of_tenant),
            (LogFilter { code: refused.clone(), ..any() }, &of_tenant),
            (of_key.clone(), &of_keys),
            (LogFilter { code: refused.clone(), ..of_key.clone() }, &of_keys),
        ] {
            for order in [Order::LatestFirst, Order::OldestFirst] {
                let asked = find::Asked {
                    tenant_id: tenant(),
                    filter: filter.clone(),
                    order,
                    after: None,
                    limit: 50,
                };
                let [(page, values), (end, of_end)] = asked.statements();
                for mode in [FOR_THESE, FOR_ANY] {
                    assert_requests_led_by(indexes, &bed.plan(&page, &values, mode), "a page");
                    assert_requests_led_by(indexes, &bed.plan(&end, &of_end, mode), "its end");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_requests_are_removed_as_a_span_of_their_tenant() {
    let before = Value::Blob(b"0000000000000500".to_vec());
    let values = [Value::Blob(tenant().as_u128().to_be_bytes().to_vec()), before];
    for bed in &beds().await {
        for sql in [sweep::END, sweep::REQUESTS] {
            assert_requests_led_by(&[by_place(bed)], &bed.plan(sql, &values, FOR_THESE), sql);
        }
    }
}
