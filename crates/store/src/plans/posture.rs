//! Of how events come in.

use keystile_core::Environment;

use super::bed::{Bed, FOR_THESE, moment, tenant};
use crate::events::posture;
use crate::value::Value;

pub(super) fn how_events_come_in_is_told_without_going_through_all_sources_and_counts(bed: &Bed) {
    let [seen, listed, counted] =
        posture::questions(tenant(), Environment::Production, moment(20_000 * 60 * 60_000));
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
