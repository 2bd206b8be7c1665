//! Of events.

use keystile_core::event::EntityName;
use keystile_core::{Environment, EventId};

use super::bed::{Bed, FOR_ANY, FOR_THESE, moment, tenant};
use crate::EventFilter;
use crate::events::find::Asked;

/// Events are read in the order of the index, and none but those that are looked at.
fn assert_read_in_order(indexes: &[&str], plan: &str) {
    let is_led = indexes.iter().any(|index| plan.contains(index));
    let costly = ["SCAN events", "Seq Scan on events", "Bitmap Heap Scan on events"];
    assert!(is_led && !costly.iter().any(|costly| plan.contains(costly)), "{indexes:?}:\n{plan}");
}

pub(super) fn a_list_of_events_is_read_in_its_order_however_many_the_server_believes_in(bed: &Bed) {
    bed.believe_in_millions_of("events");
    let any = EventFilter {
        environment: Environment::Production,
        source_id: None,
        event_type: None,
        entity: None,
        from: None,
        to: None,
    };
    let name = EntityName { entity_type: "order".to_owned(), entity_id: "o".to_owned() };
    let of_entity = EventFilter { entity: Some(name), ..any.clone() };
    let of_source = EventFilter { source_id: Some("source-7".to_owned()), ..any.clone() };
    let of_type = EventFilter { event_type: Some("order.paid".to_owned()), ..of_entity.clone() };
    let of_space = ["events_pkey", "SEARCH events USING PRIMARY KEY (space=? AND id>? AND id<?)"];
    let by_entity =
        ["events_of_entity", "SEARCH events USING INDEX events_of_entity (entity=? AND id>? AND id<?)"];
    for (filter, indexes) in
        [(any, of_space), (of_source, of_space), (of_entity, by_entity), (of_type, by_entity)]
    {
        let asked = Asked { tenant_id: tenant(), filter, after: None, limit: 50 };
        let last = Some(EventId::from_parts(moment(7), 7).as_u128());
        let ((end, of_end), (page, values)) = (asked.end(1), asked.page(1, last));
        for mode in [FOR_THESE, FOR_ANY] {
            let plan = bed.plan(end, &of_end, mode);
            assert!(!plan.contains("Sort") && !plan.contains("TEMP B-TREE"), "{plan}");
            assert_read_in_order(&indexes, &plan);
            assert_read_in_order(&indexes, &bed.plan(page, &values, mode));
        }
    }
}
