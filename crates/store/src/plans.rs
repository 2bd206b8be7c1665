//! Whether statements that go through what a tenant has many of are answered by the index that is there for them. An engine that
//! does without gives the same answer, only later and later, so its plan has to tell.
//!
//! Filling a database takes far longer than asking for plans, so each is filled once and asked for all of them.

mod bed;
mod events;
mod lists;
mod looks;
mod posture;
mod queues;
mod requests;
mod spending;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::bed::Bed;

/// What has to be true of the plans of a filled database, by its name.
type Case = (&'static str, fn(&Bed));

macro_rules! cases {
    ($($case:path,)+) => { &[$((stringify!($case), $case),)+] };
}

const CASES: &[Case] = cases![
    lists::what_was_done_to_one_thing_is_found_by_its_index,
    lists::a_look_at_what_was_done_to_one_thing_is_led_by_its_index,
    lists::names_are_found_one_by_one_however_many_keys_there_are,
    lists::a_page_of_keys_in_any_order_is_led_by_the_index_of_that_order,
    lists::keys_with_a_tag_of_many_are_asked_one_by_one_within_a_look,
    lists::successors_are_found_by_their_index_and_not_among_all_keys,
    lists::keys_of_one_thing_are_led_by_its_index_and_so_is_the_end_of_a_look,
    looks::a_look_goes_through_keys_in_the_order_of_the_list,
    looks::a_search_reads_names_and_then_the_keys_that_have_them,
    events::a_list_of_events_is_read_in_its_order_however_many_the_server_believes_in,
    posture::how_events_come_in_is_told_without_going_through_all_sources_and_counts,
    requests::a_page_of_the_request_log_is_a_span_of_its_tenant_or_two_of_a_key,
    requests::old_requests_are_removed_as_a_span_of_their_tenant,
    queues::jobs_that_are_over_are_not_looked_at_for_the_next_one,
    queues::deliveries_that_are_done_are_not_looked_at_for_what_is_due,
    queues::a_page_of_deliveries_looks_at_few_whatever_its_filter,
    queues::a_look_for_notices_goes_through_a_part_of_the_keys,
    queues::budgets_without_a_charge_are_not_looked_at,
    queues::notes_for_the_journal_are_read_in_their_order_and_their_keys_by_id,
    queues::budgets_near_their_end_are_found_among_those_of_the_present,
    spending::what_a_key_was_charged_for_a_model_is_led_by_an_index_of_both,
    spending::what_one_key_has_spent_is_not_looked_for_among_all,
];

/// All cases are asked, also after one that fails, and those that fail are named.
fn assert_all(bed: &Bed) {
    let failure = |(name, case): &Case| {
        let panicked = catch_unwind(AssertUnwindSafe(|| case(bed))).err()?;
        let said = panicked.downcast_ref::<String>().map_or("see above", String::as_str);
        Some(format!("{name}: {said}"))
    };
    let failures: Vec<_> = CASES.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_led_by_the_indexes() {
    assert_all(&Bed::sqlite().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_led_by_the_indexes() {
    assert_all(&Bed::postgres().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_led_by_the_indexes_when_it_has_never_looked_at_the_rows() {
    assert_all(&Bed::postgres_that_has_not_looked().await);
}
