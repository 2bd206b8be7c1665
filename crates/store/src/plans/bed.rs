//! Databases that are filled as those of large tenants are, and what they say of how they would answer.

use keystile_core::{ApplicationId, CustomerId, KeyId, TenantId, Timestamp};
use keystile_testkit::postgres::{Database, Postgres};
use rusqlite::Connection;

use super::{queues, spending};
use crate::engine::{postgres, sqlite};
use crate::value::Value;
use crate::{Location, Store, tags};

/// PostgreSQL may plan for the values that it is given.
pub(super) const FOR_THESE: &str = "auto";
/// PostgreSQL plans for any values.
pub(super) const FOR_ANY: &str = "force_generic_plan";

/// A tag that many keys have.
pub(super) const TAG: &str = "team:web";

/// A tenant with many keys, which are of a few applications and have a tag; every hundredth is of a customer, of a source and blocked. Their
/// rows lie in no order, as each that is used is moved.
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
    'api', '{}', '{}', 1, 1, i, 100000 + i FROM numbers ORDER BY i * 7919 % 20000;
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
    'allowed' FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO events (space, id, source, stream, entity, received_at, event_type, entity_type, entity_id, data)
SELECT 1, PLACE, 1, 1, i % 100, i, 'order.paid', 'order', 'o', '{}' FROM numbers;";

pub(super) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn tenant() -> TenantId {
    TenantId::from_parts(moment(1), 1)
}

pub(super) fn application() -> ApplicationId {
    ApplicationId::from_parts(moment(1), 2)
}

pub(super) fn customer() -> CustomerId {
    CustomerId::from_parts(moment(1), 3)
}

/// The key of a hundredth of all requests, which has asked about others as often.
pub(super) fn bearer() -> KeyId {
    KeyId::from_parts(moment(1), 9)
}

/// How a dialect writes a digest of its own, given bytes, and the number of a row as 16 bytes.
fn fill([digest, bytes, place]: [&str; 3]) -> String {
    let bits = |bits: u128| bytes.replace("HEX", &format!("{bits:032x}"));
    let tagged = bytes.replace("HEX", &tags::digest(TAG).to_hex());
    [FILL, queues::FILL, spending::FILL]
        .concat()
        .replace("TENANT", &tenant().to_string())
        .replace("OWNER", &bits(tenant().as_u128()))
        .replace("SPENDER", &bearer().to_string())
        .replace("BEARER", &bits(bearer().as_u128()))
        .replace("PLACE", place)
        .replace("APPLICATION", &application().to_string())
        .replace("CUSTOMER", &customer().to_string())
        .replace("HOOK", &queues::hook().to_string())
        .replace("SEALED", &bytes.replace("HEX", "00"))
        .replace("DIGEST", digest)
        .replace("TAGGED", &tagged)
}

/// A filled database.
pub(super) enum Bed {
    Sqlite { connection: Connection, _folder: tempfile::TempDir },
    Postgres(Database<'static>),
}

impl Bed {
    pub(super) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keystile.db");
        migrate(Location::Sqlite(path.clone())).await;
        let connection = Connection::open(path).unwrap();
        let written = ["randomblob(32)", "x'HEX'", "CAST(printf('%016d', i) AS BLOB)"];
        connection.execute_batch(&fill(written)).unwrap();
        Self::Sqlite { connection, _folder: folder }
    }

    pub(super) async fn postgres() -> Self {
        let database = filled_postgres().await;
        database.run("VACUUM ANALYZE").unwrap();
        Self::Postgres(database)
    }

    /// What the server guesses differs when it has never looked at the rows.
    pub(super) async fn postgres_that_has_not_looked() -> Self {
        Self::Postgres(filled_postgres().await)
    }

    /// Has the server look at the rows of a table, for a case in which guesses about what it has not seen would be as good for two indexes.
    pub(super) fn look_at(&self, table: &str) {
        match self {
            Self::Sqlite { .. } => {}
            Self::Postgres(database) => database.run(&format!("ANALYZE {table}")).unwrap(),
        }
    }

    /// Has the server believe that a table whose rows it has not looked at has millions of them.
    pub(super) fn believe_in_millions_of(&self, table: &str) {
        match self {
            Self::Sqlite { .. } => {}
            Self::Postgres(database) => database
                .run(&format!(
                    "UPDATE pg_class SET relpages = 1000, reltuples = 1000 * (2000000 * 8192.0 / pg_relation_size(oid))
                    WHERE relname = '{table}' AND reltuples < 0"
                ))
                .unwrap(),
        }
    }

    /// How a statement would be answered; on PostgreSQL for these values, or for any.
    pub(super) fn plan(&self, sql: &str, values: &[Value], mode: &str) -> String {
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
                    "{}; SET plan_cache_mode = {mode}; PREPARE asked AS {sql};
                    EXPLAIN (COSTS OFF) EXECUTE asked {values}",
                    postgres::SETTINGS
                );
                database.query(&explained).unwrap()
            }
        }
    }
}

async fn filled_postgres() -> Database<'static> {
    let database = Postgres::shared().database();
    migrate(Location::Postgres { url: database.url(), max_connections: 1 }).await;
    let place = "convert_to(lpad(CAST(i AS TEXT), 16, '0'), 'UTF8')";
    let written = ["decode(md5(CAST(i AS TEXT)), 'hex')", "decode('HEX', 'hex')", place];
    database.run(&fill(written)).unwrap();
    database
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
        Value::Word(word) => format!("'{word}'"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'")
        }
    }
}
