//! Of lists: of keys in any order, and of what was done to one thing.

use keystile_core::key::{KeyCursor, KeyPlace, KeySort, SortOrder};
use keystile_core::{Action, KeyId, Seq};

use super::bed::{Bed, FOR_ANY, FOR_THESE, TAG, application, customer, moment, tenant};
use crate::filter::Tagged;
use crate::listing::{Listing, Look};
use crate::{AuditFilter, KeyFilter, KeyPage, Page, audit, listing, names, rotation, tags};

/// Neither sorts nor reads a table from its beginning to its end.
fn assert_led_by(index: &str, plan: &str, of: &str) {
    assert!(plan.contains(index), "{of} without {index}:\n{plan}");
    for costly in ["TEMP B-TREE", "Sort", "SCAN api_keys\n", "Seq Scan on api_keys", "Seq Scan on audit"] {
        assert!(!plan.contains(costly), "{of} with {costly}:\n{plan}");
    }
}

pub(super) fn what_was_done_to_one_thing_is_found_by_its_index(bed: &Bed) {
    let target = Some("key_100007".to_owned());
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

pub(super) fn a_look_at_what_was_done_to_one_thing_is_led_by_its_index(bed: &Bed) {
    let target = "key_100007";
    let (action, of) = (Some(Action::KeyCreate), Some(target.to_owned()));
    let filter = AuditFilter { target: of, action, ..AuditFilter::default() };
    let page = Page { after: Some(Seq::new(20_001)), limit: 11 };
    let which = audit::Which { tenant_id: tenant(), filter, page };
    let [(look, values), (end, of_end)] = which.look_at(target, 5_000);
    for mode in [FOR_THESE, FOR_ANY] {
        let plan = bed.plan(look, &values, mode);
        // What is found among so many may be sorted.
        assert!(plan.contains("audit_of_target") && !plan.contains("Seq Scan on audit"), "{plan}");
        assert_led_by("audit_of_target", &bed.plan(end, &of_end, mode), "the end of a look");
    }
}

pub(super) fn names_are_found_one_by_one_however_many_keys_there_are(bed: &Bed) {
    let ids: Vec<String> = (0..51).map(|number| KeyId::from_parts(moment(1), number).to_string()).collect();
    for (sql, values) in names::questions(tenant(), &ids) {
        for mode in [FOR_THESE, FOR_ANY] {
            let plan = bed.plan(&sql, &values, mode);
            let by_id = ["(id=?", "AND id=?", "(id = "].iter().any(|by| plan.contains(by));
            assert!(by_id, "{plan}");
            assert_led_by("api_keys", &plan, "names");
        }
    }
}

pub(super) fn successors_are_found_by_their_index_and_not_among_all_keys(bed: &Bed) {
    let id = KeyId::from_parts(moment(1), 7);
    for (sql, values) in rotation::questions(tenant(), id, moment(9)) {
        for mode in [FOR_THESE, FOR_ANY] {
            assert_led_by("api_keys_successor", &bed.plan(sql, &values, mode), "successors");
        }
    }
}

pub(super) fn a_page_of_keys_in_any_order_is_led_by_the_index_of_that_order(bed: &Bed) {
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

pub(super) fn keys_with_a_tag_of_many_are_asked_one_by_one_within_a_look(bed: &Bed) {
    let filter = KeyFilter { tag: Some(TAG.to_owned()), ..KeyFilter::all(moment(7)) };
    for (sort, index) in [
        (KeySort::Created, "api_keys_"),
        (KeySort::Name, "api_keys_named"),
        (KeySort::LastUsed, "api_keys_used"),
        (KeySort::Expires, "api_keys_ending"),
    ] {
        let page = KeyPage { sort, order: sort.usual_order(), after: None, limit: 51 };
        let which = listing::Which { tenant_id: tenant(), filter: filter.clone(), page };
        let look = Look { most: 2_500, last: Some(behind(sort)) };
        let Listing { sql, values } = Listing::of_look(&which, Tagged::OneByOne, &look);
        let plan = bed.plan(&sql, &values, FOR_THESE);
        assert_led_by(index, &plan, sort.as_str());
        let is_asked = plan.contains("SCALAR SUBQUERY") || plan.contains("SubPlan");
        assert!(is_asked && !plan.contains("hashed"), "{plan}");
        let values = which.tagged(2_500).unwrap();
        assert_led_by("key_tags_tag", &bed.plan(tags::MORE, &values, FOR_THESE), "a tag");
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

pub(super) fn keys_of_one_thing_are_led_by_its_index_and_so_is_the_end_of_a_look(bed: &Bed) {
    let all = KeyFilter::all(moment(100_007));
    let created = KeySort::Created;
    for (filter, sort, index) in [
        (KeyFilter { customer_id: Some(customer()), ..all.clone() }, created, "api_keys_of_customer"),
        (KeyFilter { source_id: Some("checkout".into()), ..all.clone() }, created, "api_keys_of_source"),
        (KeyFilter { blocked: Some(true), ..all.clone() }, created, "api_keys_blocked"),
        (KeyFilter { application_id: Some(application()), ..all.clone() }, created, "api_keys_of_appl"),
        (KeyFilter { unused_since: Some(moment(9)), ..all.clone() }, KeySort::LastUsed, "api_keys_used"),
        (KeyFilter { expires_by: Some(moment(100_009)), ..all.clone() }, KeySort::Expires, "api_keys_end"),
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
