//! The schema: brought up to date once, never taken back.

use std::error::Error as _;

use keystile_core::key::KeyAddress;
use keystile_core::quota::{Day, SpendBy};
use keystile_core::usage::{Span, Step};
use keystile_core::{Code, Environment, Timestamp};
use keystile_store::{CustomerFilter, KeyFilter, Location, OpenError, SpendFilter, Store};

use crate::bed::Bed;
use crate::sample::{at, page};

pub(crate) async fn migrations_run_once(bed: &Bed) {
    let store = bed.open().await;
    let applied = store.migrate().await.unwrap();
    assert_eq!(applied[0].version, 1);
    assert_eq!(store.migrate().await.unwrap(), []);
    store.check_schema().await.unwrap();
    store.close().await;
    let store = bed.open().await;
    assert_eq!(store.migrate().await.unwrap(), []);
}

pub(crate) async fn an_empty_database_is_not_served(bed: &Bed) {
    let store = bed.open().await;
    let refused = store.check_schema().await.unwrap_err();
    assert!(matches!(refused, OpenError::SchemaBehind { found: 0, .. }), "{refused}");
    assert!(refused.source().is_none());
}

pub(crate) async fn a_schema_from_the_future_is_refused(bed: &Bed) {
    let store = bed.store().await;
    store.close().await;
    bed.run_sql("INSERT INTO schema_migrations (version, name) VALUES (9999, '9999_from_the_future')");
    let store = bed.open().await;
    for refused in [store.check_schema().await.unwrap_err(), store.migrate().await.unwrap_err()] {
        assert!(matches!(refused, OpenError::SchemaTooNew { found: 9999, .. }), "{refused}");
    }
}

/// A later program has done a step that servers survive which know the schema that this `oldest`, of all steps together, stands for.
fn later_step(version: i64, oldest: &str) -> String {
    format!(
        "INSERT INTO schema_migrations (version, name, survived_by)
            SELECT {version}, '{version}_from_the_future', {oldest} FROM schema_migrations"
    )
}

pub(crate) async fn a_schema_from_the_future_is_served_by_who_survives_it(bed: &Bed) {
    let store = bed.store().await;
    store.close().await;
    bed.run_sql(&later_step(9998, "MAX(version)"));
    bed.run_sql(&later_step(9999, "1 + MIN(version)"));
    let store = bed.open().await;
    store.check_schema().await.unwrap();
    assert_eq!(store.migrate().await.unwrap(), [], "it is left as it is");
    store.close().await;
    bed.run_sql(&later_step(10_000, "MAX(9998)"));
    let store = bed.open().await;
    let refused = store.check_schema().await.unwrap_err();
    assert!(matches!(refused, OpenError::SchemaTooNew { found: 10_000, .. }), "{refused}");
    assert!(refused.to_string().contains("restore a backup from before"), "{refused}");
}

pub(crate) async fn concurrent_migrations_run_once(bed: &Bed) {
    let first = bed.open().await;
    let second = match bed.location() {
        Location::Sqlite(_) => first.clone(),
        server @ Location::Postgres { .. } => Store::open(server).await.unwrap(),
    };
    let (one, other) = tokio::join!(first.migrate(), second.migrate());
    let applied = [one.unwrap(), other.unwrap()].concat();
    assert!(applied.iter().map(|migration| migration.version).eq(1..=i64::try_from(applied.len()).unwrap()));
}

/// The first of the migrations, in order.
const FIRST: [&str; 26] = [
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_app_stamp.sql"),
    include_str!("../../migrations/0003_tenant_settings.sql"),
    include_str!("../../migrations/0004_keys.sql"),
    include_str!("../../migrations/0005_audit_chain.sql"),
    include_str!("../../migrations/0006_sessions.sql"),
    include_str!("../../migrations/0007_tenancy.sql"),
    include_str!("../../migrations/0008_shared_limits.sql"),
    include_str!("../../migrations/0009_limit_use.sql"),
    include_str!("../../migrations/0010_routing.sql"),
    include_str!("../../migrations/0011_key_usage.sql"),
    include_str!("../../migrations/0012_sign_ins_told.sql"),
    include_str!("../../migrations/0013_tenant_usage.sql"),
    include_str!("../../migrations/0014_overview.sql"),
    include_str!("../../migrations/0015_key_lists.sql"),
    include_str!("../../migrations/0016_console_pages.sql"),
    include_str!("../../migrations/0017_key_addresses.sql"),
    include_str!("../../migrations/0018_events.sql"),
    include_str!("../../migrations/0019_leaks.sql"),
    include_str!("../../migrations/0020_posture.sql"),
    include_str!("../../migrations/0021_requests.sql"),
    include_str!("../../migrations/0022_jobs.sql"),
    include_str!("../../migrations/0023_webhooks.sql"),
    include_str!("../../migrations/0024_log_breaks.sql"),
    include_str!("../../migrations/0025_llm.sql"),
    include_str!("../../migrations/0026_budgets.sql"),
];

/// The schema that a version of long ago left behind.
fn schema(location: &Location, version: usize) -> String {
    let words = match location {
        Location::Sqlite(_) => ["TEXT", "INTEGER", "BLOB", "STRICT", "STRICT, WITHOUT ROWID", "VIRTUAL", ""],
        Location::Postgres { .. } => {
            ["TEXT COLLATE \"C\"", "BIGINT", "BYTEA", "", "", "STORED", "COLLATE \"C\""]
        }
    };
    let migrations = format!(
        "{}
        CREATE TABLE schema_migrations (version {{int}} NOT NULL PRIMARY KEY, name TEXT NOT NULL) {{strict}};
        INSERT INTO schema_migrations (version, name) VALUES ({version}, 'the last of them');",
        FIRST[..version].concat()
    );
    ["{id}", "{int}", "{blob}", "{strict}", "{clustered}", "{derived}", "{by_bytes}"]
        .into_iter()
        .zip(words)
        .fold(migrations, |sql, (word, own)| sql.replace(word, own))
}

/// A key, its tenant and its application, and a customer that it names.
pub(crate) fn with_a_key(location: &Location, version: usize) -> String {
    let digest = match location {
        Location::Sqlite(_) => "zeroblob(32)",
        Location::Postgres { .. } => "decode(repeat('00', 32), 'hex')",
    };
    let customer = if version < 7 { format!("'{CUSTOMER}'") } else { "NULL".to_owned() };
    format!(
        "{}
        INSERT INTO tenants (id, name, key_label, created_at) VALUES ('{TENANT}', 'Acme', 'ks', 1);
        INSERT INTO applications (id, tenant_id, name, created_at) VALUES ('{APPLICATION}', '{TENANT}', 'Main', 1);
        INSERT INTO api_keys (id, tenant_id, application_id, customer_id, name, name_search, environment, kind,
            trust_level, scopes, allowed_ips, rate_limits, budget_period, spend_nano_usd, enabled, digest, prefix,
            key_prefix, last4, secret_created_at, lineage_id, created_by, updated_by, created_at, updated_at,
            source_type, tags, metadata, version, schema_version)
        VALUES ('{KEY}', '{TENANT}', '{APPLICATION}', {customer}, 'Web', 'web', 'staging', 'ingest', 'trusted', '[]',
            '[]', '[]', 'month', 7, 1, {digest}, 'sk_ks_st', 'sk_ks_stage_aB3d', '9xYz', 5, '{KEY}', 'system',
            'system', 5, 6, 'api', '{{\"a\":1}}', '{{}}', 3, 1);",
        schema(location, version)
    )
}

pub(crate) const TENANT: &str = "ten_01J00000000000000000000001";
const APPLICATION: &str = "app_01J00000000000000000000001";
const CUSTOMER: &str = "cus_01J00000000000000000000001";
pub(crate) const KEY: &str = "key_01J00000000000000000000001";

/// The store after the migrations since `version`, when there was a key and what `more` inserts.
async fn migrated(bed: &Bed, version: u8, more: &str) -> Store {
    let store = bed.open().await;
    store.close().await;
    bed.run_sql(&format!("{}{more}", with_a_key(&bed.location(), version.into())));
    let store = bed.open().await;
    assert_eq!(store.migrate().await.unwrap()[0].version, i64::from(version) + 1);
    store
}

pub(crate) async fn customers_that_keys_named_exist_after_the_migration(bed: &Bed) {
    let store = migrated(bed, 3, "").await;
    let tenant = TENANT.parse().unwrap();
    let customers = store.customers(tenant, &CustomerFilter::default(), page(10)).await.unwrap();
    let [customer] = &customers[..] else { panic!("{customers:?}") };
    assert_eq!((customer.id.to_string().as_str(), customer.name.as_str()), (CUSTOMER, CUSTOMER));
    let keys = store.keys(tenant, &KeyFilter::all(at(0)), page(10)).await.unwrap();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!((key.id.to_string().as_str(), key.customer_id), (KEY, Some(customer.id)));
    assert_eq!((key.version, key.tags["a"].as_i64(), key.secret.last4.as_str()), (3, Some(1), "9xYz"));
}

pub(crate) async fn what_keys_were_used_before_is_counted_for_their_tenant(bed: &Bed) {
    let usage = format!(
        "INSERT INTO key_usage (tenant_id, key_id, minute, code, latency, counted) VALUES
            ('{TENANT}', '{KEY}', 1500, 'allowed', 'memory', 5), ('{TENANT}', '{KEY}', 1501, 'allowed', 'memory', 2),
            ('{TENANT}', '{KEY}', 1501, 'rate_limited', 'memory', 1), ('{TENANT}', '{KEY}', 3000, 'allowed', 'memory', 9);"
    );
    let store = migrated(bed, 12, &usage).await;
    let minute = |minute: i64| Timestamp::from_millis(minute * 60_000);
    let sums = async |step, from, to| {
        let span = Span::new(minute(from), minute(to), step).unwrap();
        let sums =
            store.tenant_usage(TENANT.parse().unwrap(), Some(Environment::Staging), span).await.unwrap();
        let mut sums: Vec<_> = sums.into_iter().map(|sum| (sum.minute, sum.code, sum.count)).collect();
        sums.sort_unstable();
        sums
    };
    let minutes = [(1500, Code::Allowed, 5), (1501, Code::RateLimited, 1), (1501, Code::Allowed, 2)];
    assert_eq!(sums(Step::Minute, 1440, 1502).await, minutes);
    let hours = [(1500, Code::RateLimited, 1), (1500, Code::Allowed, 7), (3000, Code::Allowed, 9)];
    assert_eq!(sums(Step::Hour, 1440, 3001).await, hours);
    let days = [(1440, Code::RateLimited, 1), (1440, Code::Allowed, 7), (2880, Code::Allowed, 9)];
    assert_eq!(sums(Step::Day, 0, 4320).await, days);
}

pub(crate) async fn from_where_keys_were_used_before_is_known(bed: &Bed) {
    let used =
        format!("UPDATE api_keys SET last_used_at = 1500, last_used_ip = '192.0.2.1' WHERE id = '{KEY}';");
    let store = migrated(bed, 12, &used).await;
    let known = store
        .key_addresses(TENANT.parse().unwrap(), KEY.parse().unwrap(), Timestamp::from_millis(0))
        .await
        .unwrap();
    let at = Timestamp::from_millis(1500);
    assert_eq!(known, [KeyAddress { ip: [192, 0, 2, 1].into(), first_seen_at: at, last_seen_at: at }]);
}

const WEBHOOK: &str = "hook_01J00000000000000000000001";

pub(crate) async fn messages_that_were_made_before_are_sent_and_swept(bed: &Bed) {
    let digest = match bed.location() {
        Location::Sqlite(_) => "zeroblob(32)",
        Location::Postgres { .. } => "decode(repeat('00', 32), 'hex')",
    };
    let sent = format!(
        "INSERT INTO webhooks (tenant_id, id, url, events, environments, created_at, version, sealed_by, sealed)
            VALUES ('{TENANT}', '{WEBHOOK}', 'https://example.com/', '[]', '[]', 1, 1, {digest}, {digest});
        INSERT INTO webhook_tenants (tenant_id, told, deliveries) VALUES ('{TENANT}', 0, 2);
        INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, place, key_id, event, happened_at, made_at, body,
            state, attempts, due_at)
        VALUES ('{TENANT}', 'msg_01J00000000000000000000001', '{WEBHOOK}', 1, '{KEY}', 'key.created', 5, 5, 'first',
                'delivered', 1, NULL),
            ('{TENANT}', 'msg_01J00000000000000000000002', '{WEBHOOK}', 2, '{KEY}', 'key.updated', 6, 6, 'second',
                'pending', 0, 6);"
    );
    let store = migrated(bed, 24, &sent).await;
    let which = (TENANT.parse().unwrap(), WEBHOOK.parse().unwrap());
    let due = async || store.due_deliveries(which, at(10), 9).await.unwrap().unwrap().1;
    for swept in [1, 0] {
        let said: Vec<_> = due().await.into_iter().map(|one| one.body).collect();
        assert_eq!(said, ["second"]);
        assert_eq!(store.sweep_deliveries(at(10)).await.unwrap(), swept);
    }
}

pub(crate) async fn what_was_spent_before_is_of_the_environment_of_its_key(bed: &Bed) {
    let spent = format!(
        "INSERT INTO spend (tenant_id, day, key_id, model, provider_id, customer_id, application_id, lineage_id, requests, input,
            cached_input, cache_write, output, cost_nano)
        VALUES ('{TENANT}', 5, '{KEY}', 'o3', '', '', '{APPLICATION}', '{KEY}', 1, 1, 0, 0, 1, 70);"
    );
    let store = migrated(bed, 26, &spent).await;
    for (environment, cost) in
        [(None, 70), (Some(Environment::Staging), 70), (Some(Environment::Production), 0)]
    {
        let filter = SpendFilter { environment, ..SpendFilter::default() };
        let days = (Day::from_number(0), Day::from_number(9));
        let told = store.spend(TENANT.parse().unwrap(), SpendBy::Key, days, &filter).await.unwrap();
        assert_eq!(told.total.cost.as_nanos(), cost, "{environment:?}");
    }
}
