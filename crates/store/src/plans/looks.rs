//! Of looks at a part of a list of keys, which may find nothing in it.

use keystile_core::key::{KeyCursor, KeyPlace, KeySort, SortOrder};
use keystile_core::{Environment, KeyId};

use super::bed::{Bed, FOR_ANY, FOR_THESE, TAG, moment, tenant};
use crate::filter::Tagged;
use crate::listing::{Listing, Look, Which};
use crate::{KeyFilter, KeyPage};

const COSTLY: &[&str] =
    &["TEMP B-TREE", "Sort", "SCAN api_keys", "Seq Scan", "Bitmap", "Hash", "Merge", "Materialize"];

fn assert_led_by(indexes: &[&str], plan: &str) {
    let is_led = indexes.iter().any(|index| plan.contains(index));
    let costly: Vec<_> = COSTLY.iter().filter(|costly| plan.contains(**costly)).collect();
    assert!(is_led && costly.is_empty(), "{costly:?} instead of {indexes:?}:\n{plan}");
}

fn which(filter: KeyFilter, sort: KeySort, order: SortOrder) -> Which {
    let page = KeyPage { sort, order, after: None, limit: 51 };
    Which { tenant_id: tenant(), filter, page }
}

/// A key within the list, up to which a look goes.
fn within(sort: KeySort) -> KeyCursor {
    let place = match sort {
        KeySort::Created => KeyPlace::Id,
        KeySort::Name => KeyPlace::Name("Key 500".parse().unwrap()),
        KeySort::LastUsed | KeySort::Expires => KeyPlace::Moment(Some(moment(15_000))),
    };
    KeyCursor { id: KeyId::from_parts(moment(1), 5), place }
}

pub(super) fn a_look_goes_through_keys_in_the_order_of_the_list(bed: &Bed) {
    let all = KeyFilter::all(moment(7));
    let filters = [
        KeyFilter { kind: Some("ingest".to_owned()), ..all.clone() },
        KeyFilter {
            environment: Some(Environment::Staging),
            rotation_due: Some((true, moment(9))),
            ..all.clone()
        },
        KeyFilter { unused_since: Some(moment(9)), kind: Some("ingest".to_owned()), ..all },
    ];
    for (sort, indexes) in [
        (KeySort::Created, &["api_keys_searched", "api_keys_all"][..]),
        (KeySort::Name, &["api_keys_named"]),
        (KeySort::LastUsed, &["api_keys_used"]),
        (KeySort::Expires, &["api_keys_ending"]),
    ] {
        for (filter, order) in
            filters.iter().flat_map(|filter| SortOrder::ALL.iter().map(move |order| (filter, *order)))
        {
            let which = which(filter.clone(), sort, order);
            for last in [None, Some(within(sort))] {
                let look = Look { most: 2_500, last };
                let Listing { sql, values } = Listing::of_look(&which, Tagged::Together, &look);
                assert_led_by(indexes, &bed.plan(&sql, &values, FOR_THESE));
                assert_led_by(indexes, &bed.plan(&sql, &values, FOR_ANY));
            }
            let Listing { sql, values } = Listing::of_last(&which, 2_500);
            let indexes = if filter.goes_through_names(sort) { by_names(sort) } else { indexes };
            assert_led_by(indexes, &bed.plan(&sql, &values, FOR_THESE));
        }
    }
}

/// What has the names of keys in this order.
fn by_names(sort: KeySort) -> &'static [&'static str] {
    match sort {
        KeySort::Name => &["key_names_sorted", "api_keys_named"],
        KeySort::Created | KeySort::LastUsed | KeySort::Expires => &["key_names_pkey", "api_keys_searched"],
    }
}

pub(super) fn a_search_reads_names_and_then_the_keys_that_have_them(bed: &Bed) {
    bed.believe_in_millions_of("key_names");
    for part in ["nobody", "key", "99"] {
        let named = KeyFilter { name_contains: Some(part.to_owned()), ..KeyFilter::all(moment(7)) };
        for filter in [
            named.clone(),
            KeyFilter { kind: Some("ingest".to_owned()), ..named.clone() },
            KeyFilter { tag: Some(TAG.to_owned()), ..named },
        ] {
            for (sort, order) in [KeySort::Created, KeySort::Name]
                .into_iter()
                .flat_map(|sort| SortOrder::ALL.iter().map(move |order| (sort, *order)))
            {
                assert!(filter.passes_over_names(sort));
                let which = which(filter.clone(), sort, order);
                let look = Look { most: 10_000, last: Some(within(sort)) };
                for listing in [
                    Listing::of_named(&which, Tagged::OneByOne, &Look::ALL),
                    Listing::of_named(&which, Tagged::OneByOne, &look),
                    Listing::of_last(&which, 10_000),
                    Listing::of_last_named(&which, 1_250, &look),
                ] {
                    for mode in [FOR_THESE, FOR_ANY] {
                        assert_led_by(by_names(sort), &bed.plan(&listing.sql, &listing.values, mode));
                    }
                }
            }
        }
    }
}
