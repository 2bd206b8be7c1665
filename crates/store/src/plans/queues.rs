//! Of the queues of jobs, of messages to webhooks and of budgets with charges: what is asked again and again is answered without going through what is done.

use keystile_core::{DeliveryId, DeliveryState, KeyId, WebhookId};

use super::bed::{Bed, FOR_ANY, FOR_THESE, moment, tenant};
use crate::quota::near::NEAR;
use crate::value::Value;
use crate::{DeliveryFilter, Page, ends, jobs, webhooks};

/// Jobs, deliveries and budgets of a tenant that are over or have no charge, but for each hundredth.
pub(super) const FILL: &str = "
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO jobs (tenant_id, id, kind, state, actor, parameters, last_key, total, done, failed, place, attempts, due_at,
    problems, created_at, started_at, ended_at, result_bytes, kept_until, claims, served_at)
SELECT 'TENANT', 'job_' || (100000 + i), 'export', CASE WHEN i % 100 = 0 THEN 'waiting' ELSE 'done' END, 'system',
    '{\"kind\": \"export\"}', 'key_100001', 100, 100, 0, 'key_100001', 0, i, '[]', i, i,
    CASE WHEN i % 100 <> 0 THEN i END, CASE WHEN i % 100 = 1 THEN 100 ELSE 0 END,
    CASE WHEN i % 100 = 1 THEN i + 100 END, 1, i FROM numbers;
INSERT INTO webhooks (tenant_id, id, url, events, environments, created_at, version, sealed_by, sealed)
VALUES ('TENANT', 'HOOK', 'https://example.com', '[]', '[]', 1, 1, SEALED, SEALED),
    ('TENANT', 'hook_2', 'https://example.com', '[]', '[]', 1, 1, SEALED, SEALED);
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO webhook_messages (tenant_id, id, deliveries, body)
SELECT 'TENANT', 'msg_' || (100000 + i), 1, '{\"type\": \"key.updated\"}' FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, place, key_id, event, happened_at, made_at, message_id,
    state, attempts, due_at)
SELECT 'TENANT', 'msg_' || (100000 + i), CASE WHEN i % 40 = 0 THEN 'HOOK' ELSE 'hook_2' END, i,
    'key_' || (100000 + i), 'key.updated', i, i, 'msg_' || (100000 + i),
    CASE WHEN i % 100 = 0 THEN 'pending' WHEN i % 150 = 0 THEN 'failed' ELSE 'delivered' END, 1,
    CASE WHEN i % 100 = 0 THEN i END FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO budgets (lineage_id, period, first_day, end_day, tenant_id, spent_nano, leased_nano, is_changed)
SELECT 'key_' || i, 'month', 20, CASE WHEN i % 100 = 0 THEN 50 ELSE 40 END, 'TENANT', 5, 0,
    CASE WHEN i % 100 = 0 THEN 1 ELSE 0 END FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO key_ends (key_id, version, replaced) SELECT 'key_' || (100000 + i), 2, DIGEST FROM numbers;";

pub(super) fn hook() -> WebhookId {
    WebhookId::from_parts(moment(1), 4)
}

/// Does not read the table from its beginning to its end.
fn assert_found_by(index: &str, plan: &str, table: &str) {
    assert!(plan.contains(index), "without {index}:\n{plan}");
    for costly in [format!("Seq Scan on {table}"), format!("SCAN {table}\n")] {
        assert!(!plan.contains(&costly), "{index}, and {costly}:\n{plan}");
    }
}

pub(super) fn jobs_that_are_over_are_not_looked_at_for_the_next_one(bed: &Bed) {
    let (tenant, now) = (Value::text(tenant()), Value::from(moment(100_000)));
    for mode in [FOR_THESE, FOR_ANY] {
        let next = bed.plan(jobs::NEXT, std::slice::from_ref(&now), mode);
        assert_found_by("jobs_queue", &next, "jobs");
        assert_found_by("jobs_served", &next, "jobs");
    }
    assert_found_by("jobs_queue", &bed.plan(jobs::NEXT_AT, &[], FOR_THESE), "jobs");
    let let_go = [tenant.clone(), now.clone(), Value::Int(9)];
    assert!(bed.plan(jobs::LET_GO, &let_go, FOR_THESE).contains("jobs_results"));
}

pub(super) fn deliveries_that_are_done_are_not_looked_at_for_what_is_due(bed: &Bed) {
    const TABLE: &str = "webhook_deliveries";
    let (of_tenant, hook) = (Value::text(tenant()), Value::text(hook()));
    let (now, key) = (Value::from(moment(15_000)), Value::text("key_110000"));
    let none = Value::Text(String::new());
    for (sql, values, index) in [
        (webhooks::NEXT, vec![none], "webhook_deliveries_due"),
        (webhooks::OF_ONE, vec![hook.clone()], "webhook_deliveries_due"),
        (webhooks::DUE, vec![hook.clone(), now.clone(), Value::Int(16)], "webhook_deliveries_due"),
        (webhooks::LATER, vec![hook.clone(), now.clone()], "webhook_deliveries_due"),
        (webhooks::PROMOTE, vec![hook.clone(), key.clone(), now.clone()], "webhook_deliveries_waiting"),
        (webhooks::NONE_OF_KEY, vec![hook.clone(), key.clone()], "webhook_deliveries_waiting"),
        (webhooks::BRING_FORWARD, vec![hook.clone(), now.clone()], "webhook_deliveries_due"),
        (webhooks::ANEW, vec![hook.clone()], "webhook_deliveries_due"),
        (webhooks::EXPIRED, vec![hook.clone(), now.clone()], "webhook_deliveries_due"),
        (webhooks::BACKLOG, Vec::new(), "webhook_deliveries_waiting"),
    ] {
        for mode in [FOR_THESE, FOR_ANY] {
            assert_found_by(index, &bed.plan(sql, &values, mode), TABLE);
        }
    }
    let due = bed.plan(webhooks::DUE, &[hook.clone(), now, Value::Int(16)], FOR_THESE);
    let by_id = ["webhook_messages_pkey", "sqlite_autoindex_webhook_messages_1"];
    assert!(by_id.iter().any(|index| due.contains(index)), "{due}");
    for (sql, values, index) in [
        (webhooks::GIVE_UP, vec![of_tenant.clone(), hook.clone()], "webhook_deliveries_waiting"),
        (
            webhooks::FAILED_ANEW,
            vec![of_tenant.clone(), hook.clone(), Value::Int(0)],
            "webhook_deliveries_failed",
        ),
        (webhooks::SWEEP, vec![Value::Int(100)], "webhook_deliveries_made"),
    ] {
        let plan = bed.plan(sql, &values, FOR_THESE);
        assert!(plan.contains(index), "without {index}:\n{plan}");
    }
}

pub(super) fn a_page_of_deliveries_looks_at_few_whatever_its_filter(bed: &Bed) {
    let page = Page { after: Some(DeliveryId::from_parts(moment(1), 5)), limit: 51 };
    let of_key = DeliveryFilter { key_id: Some(KeyId::from_u128(1)), ..DeliveryFilter::default() };
    let failed = DeliveryFilter { state: Some(DeliveryState::Failed), ..DeliveryFilter::default() };
    let of_webhook = DeliveryFilter { webhook_id: Some(hook()), ..failed.clone() };
    for (filter, indexes) in [
        (&of_key, ["webhook_deliveries_pkey", "sqlite_autoindex_webhook_deliveries_1"]),
        (&failed, ["webhook_deliveries_pkey", "sqlite_autoindex_webhook_deliveries_1"]),
        (&of_webhook, ["webhook_deliveries_of_webhook"; 2]),
    ] {
        for (sql, values) in webhooks::looks(tenant(), filter, &page) {
            let plan = bed.plan(sql, &values, FOR_THESE);
            assert!(indexes.iter().any(|index| plan.contains(index)), "{plan}");
            assert!(!plan.contains("Seq Scan on webhook_deliveries"), "{plan}");
        }
    }
}

pub(super) fn a_look_for_notices_goes_through_a_part_of_the_keys(bed: &Bed) {
    let range = [Value::text(tenant()), Value::text("key_105000"), Value::text("key_105500")];
    let last = bed.plan(webhooks::LAST, &range[..2], FOR_THESE);
    assert_found_by("api_keys_", &last, "api_keys");
    assert!(!last.contains("TEMP B-TREE") && !last.contains("Sort"), "{last}");
    let moments = [16_000, 17_000, 18_000, 19_000].map(|at| Value::from(moment(at)));
    let values: Vec<_> = range.iter().cloned().chain(moments).collect();
    assert_found_by("api_keys_", &bed.plan(&webhooks::KEYS, &values, FOR_THESE), "api_keys");
}

pub(super) fn budgets_without_a_charge_are_not_looked_at(bed: &Bed) {
    let range = [Value::text(tenant()), Value::text("key_105")];
    for mode in [FOR_THESE, FOR_ANY] {
        assert_found_by("budgets_changed", &bed.plan(webhooks::CHANGED, &range, mode), "budgets");
    }
    let lineage = [Value::text(tenant()), Value::text("key_105"), Value::text("month"), Value::Int(5)];
    assert_found_by("api_keys_budgeted", &bed.plan(&webhooks::KEY, &lineage, FOR_THESE), "api_keys");
}

pub(super) fn budgets_near_their_end_are_found_among_those_of_the_present(bed: &Bed) {
    let near = bed.plan(NEAR, &[Value::text(tenant()), Value::Int(5), Value::Int(45)], FOR_THESE);
    assert_found_by("budgets_", &near, "budgets");
    assert_found_by("api_keys_budgeted", &near, "api_keys");
}

pub(super) fn notes_for_the_journal_are_read_in_their_order_and_their_keys_by_id(bed: &Bed) {
    let behind = [Value::text("key_105000"), Value::Int(2), Value::Int(1000)];
    let found = |plan: &str, indexes: [&str; 2], table: &str| {
        assert!(indexes.iter().any(|index| plan.contains(index)), "{plan}");
        let scans = [format!("Seq Scan on {table}"), format!("SCAN {table}\n")];
        for costly in scans.iter().map(String::as_str).chain(["Sort", "TEMP B-TREE"]) {
            assert!(!plan.contains(costly), "{costly}:\n{plan}");
        }
    };
    for mode in [FOR_THESE, FOR_ANY] {
        let notes = bed.plan(ends::NOTES, &behind, mode);
        // The table itself is in the order of its key on SQLite.
        found(&notes, ["key_ends_pkey", "USING PRIMARY KEY"], "key_ends");
        for keys in [1, 128] {
            let ids: Vec<_> = (0..keys).map(|key| Value::text(format!("key_{}", 100_001 + key))).collect();
            let keys = bed.plan(&ends::standing_of(keys), &ids, mode);
            found(&keys, ["api_keys_pkey", "sqlite_autoindex_api_keys_1"], "api_keys");
        }
    }
}
