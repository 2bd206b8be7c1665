//! Of the request log.

use keystile_core::LogFilter;

use super::bed::{Bed, FOR_ANY, FOR_THESE, bearer, tenant};
use crate::Order;
use crate::request_log::{find, sweep};
use crate::value::Value;

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

pub(super) fn a_page_of_the_request_log_is_a_span_of_its_tenant_or_two_of_a_key(bed: &Bed) {
    bed.believe_in_millions_of("requests");
    let any = LogFilter::default;
    let of_key = LogFilter { key_id: Some(bearer()), ..any() };
    let refused = Some("key_revoked".to_owned());
    let (of_tenant, of_keys) = (vec![by_place(bed)], vec!["requests_of_key", "requests_asked_by"]);
    for (filter, indexes) in [
        (any(), &of_tenant),
        (LogFilter { code: refused.clone(), ..any() }, &of_tenant),
        (of_key.clone(), &of_keys),
        (LogFilter { code: refused.clone(), ..of_key.clone() }, &of_keys),
    ] {
        for order in [Order::LatestFirst, Order::OldestFirst] {
            let asked =
                find::Asked { tenant_id: tenant(), filter: filter.clone(), order, after: None, limit: 50 };
            let [(page, values), (end, of_end)] = asked.statements();
            for mode in [FOR_THESE, FOR_ANY] {
                assert_requests_led_by(indexes, &bed.plan(&page, &values, mode), "a page");
                let plan = bed.plan(&end, &of_end, mode);
                assert_requests_led_by(indexes, &plan, "its end");
                assert!(filter.key_id.is_some() || !plan.contains("Sort"), "an end by sorting:\n{plan}");
            }
        }
    }
}

pub(super) fn old_requests_are_removed_as_a_span_of_their_tenant(bed: &Bed) {
    let before = Value::blob(b"0000000000000500".to_vec());
    let values = [Value::bits(tenant().as_u128()), before];
    for sql in [sweep::END, sweep::REQUESTS] {
        assert_requests_led_by(&[by_place(bed)], &bed.plan(sql, &values, FOR_THESE), sql);
    }
}
