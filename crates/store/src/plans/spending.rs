//! Of the ledger and its sums.

use keystile_core::Environment;
use keystile_core::quota::{Day, SpendBy};

use super::bed::{Bed, FOR_ANY, FOR_THESE, bearer, tenant};
use crate::{LedgerFilter, Page, SpendFilter};

/// A twentieth of all charges are those of one key, for five of fifty models. Of the sums of each day one of a hundred is its.
pub(super) const FILL: &str = "
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO ledger (tenant_id, id, kind, key_id, lineage_id, application_id, environment, opened_at, hold_id, model, input,
    cached_input, cache_write, output, images, characters, audio_millis, held_nano, cost_nano, request_id)
SELECT 'TENANT', 'led_' || (100000 + i), 'charge', CASE WHEN i % 20 = 0 THEN 'SPENDER' ELSE 'key_' || (i % 20) END, 'key_1', 'app_2',
    'production', i, 'hld_' || (100000 + i), 'model-' || (i % 50), 1, 0, 0, 1, 0, 0, 0, 5, 5, 'req' FROM numbers;
WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 20000)
INSERT INTO spend (tenant_id, day, key_id, model, provider_id, customer_id, application_id, lineage_id, environment, requests,
    input, cached_input, cache_write, output, cost_nano)
SELECT 'TENANT', i / 100, CASE WHEN i % 100 = 0 THEN 'SPENDER' ELSE 'key_' || (i % 100) END, 'model-1', '', '', 'app_2', 'key_1',
    'production', 1, 1, 0, 0, 1, 5 FROM numbers;";

/// By this index, and not from the beginning to the end.
fn assert_led_by(index: &str, plan: &str, table: &str) {
    assert!(plan.contains(index), "without {index}:\n{plan}");
    for costly in [format!("Seq Scan on {table}"), format!("SCAN {table}")] {
        assert!(!plan.contains(&costly), "{index}, and {costly}:\n{plan}");
    }
}

pub(super) fn what_a_key_was_charged_for_a_model_is_led_by_an_index_of_both(bed: &Bed) {
    let both = LedgerFilter {
        key_id: Some(bearer()),
        model: Some("model-10".to_owned()),
        ..LedgerFilter::default()
    };
    let (sql, values) = both.statement(tenant(), Page { after: None, limit: 51 });
    bed.look_at("ledger");
    for mode in [FOR_THESE, FOR_ANY] {
        let plan = bed.plan(&sql, &values, mode);
        assert_led_by("ledger_of_key_and_model", &plan, "ledger");
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "{plan}");
    }
}

pub(super) fn what_one_key_has_spent_is_not_looked_for_among_all(bed: &Bed) {
    bed.look_at("spend");
    let days = (Day::from_number(1), Day::from_number(300));
    let one = SpendFilter { key_id: Some(bearer()), ..SpendFilter::default() };
    let narrower = SpendFilter {
        model: Some("model-1".to_owned()),
        environment: Some(Environment::Production),
        ..one.clone()
    };
    for filter in [one, narrower] {
        for by in [SpendBy::Model, SpendBy::Day] {
            let asked = filter.ask(tenant(), by, days);
            assert_led_by("spend_of_key", &bed.plan(&asked.sums, &asked.values, FOR_THESE), "spend");
        }
    }
}
