//! What the store does, the same on both engines.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a case that fails has to panic")]

mod addresses;
mod archiving;
mod audit;
mod backup;
mod bed;
mod budget_looks;
mod catalogue;
mod changes;
mod conflicts;
mod customers;
mod events;
mod facts;
mod holds;
mod import;
mod invitations;
mod jobs;
mod keys;
mod leaks;
mod limit_use;
mod lists;
mod llm;
mod members;
mod names;
mod once;
mod overview;
mod posture;
mod quota;
mod request_log;
mod rotation;
mod routings;
mod sample;
mod schema;
mod searches;
mod sessions;
mod spending;
mod tenancy;
mod usage;
mod webhooks;

/// Makes two tests of every case: `sqlite::case` and `postgres::case`.
macro_rules! on_both_engines {
    ($($file:ident: $($case:ident),+ $(,)?;)+) => {
        mod sqlite {
            $($(#[test] fn $case() { super::bed::Bed::sqlite().run(|bed| Box::pin(super::$file::$case(bed))); })+)+
        }
        mod postgres {
            $($(#[test] fn $case() { super::bed::Bed::postgres().run(|bed| Box::pin(super::$file::$case(bed))); })+)+
        }
    };
}

on_both_engines! {
    keys:
        every_field_of_a_key_comes_back,
        every_kind_of_key_comes_back,
        texts_are_stored_as_they_are,
        a_text_with_a_zero_character_is_refused,
        a_restart_keeps_everything,
        a_closed_store_is_unavailable;
    tenancy:
        a_tenant_is_founded_with_all_its_parts,
        a_founding_that_fails_leaves_nothing,
        another_tenants_rows_do_not_exist,
        a_key_needs_an_application_of_its_own_tenant,
        applications_are_listed_newest_first,
        a_tenant_is_changed_with_its_audit_entry_or_not_at_all,
        an_application_is_changed_and_archived,
        an_installation_is_new_until_somebody_is_there,
        of_many_who_found_an_installation_one_does;
    names:
        what_a_tenant_has_is_named_and_nothing_of_another;
    members:
        members_are_listed_with_their_addresses,
        a_place_is_changed_with_its_audit_entry,
        two_owners_who_demote_each_other_leave_one,
        an_owner_who_cannot_sign_in_does_not_count;
    invitations:
        an_invitation_is_kept_until_it_is_revoked_or_expires,
        an_address_is_invited_once_in_a_tenant,
        an_invitation_makes_a_member_once,
        an_invitation_of_somebody_who_lost_their_say_meanwhile_is_gone,
        of_many_who_accept_one_joins;
    customers:
        every_field_of_a_customer_comes_back,
        each_filter_finds_its_customers_only,
        an_external_id_is_taken_once_in_a_tenant,
        a_key_needs_a_customer_of_its_own_tenant;
    llm:
        every_field_of_a_provider_and_a_model_comes_back,
        each_filter_finds_its_models_only,
        every_price_stays_readable_and_no_number_means_two,
        models_are_written_all_or_none,
        a_provider_is_changed_and_goes_after_its_models,
        a_tenant_has_a_bounded_number_of_providers;
    archiving:
        a_key_that_is_made_while_its_place_is_archived_is_refused,
        what_is_archived_gets_no_keys_and_keeps_its_own;
    routings:
        a_routing_is_kept_with_a_version_of_its_own;
    catalogue:
        permissions_are_listed_by_name,
        a_catalogue_has_a_bound;
    conflicts:
        an_email_address_is_taken_once,
        an_application_name_is_taken_once_in_a_tenant,
        a_secret_is_taken_once_in_the_installation,
        a_replaced_secret_stays_taken,
        of_many_creations_with_one_secret_one_succeeds,
        a_failing_transaction_leaves_the_others_alone;
    changes:
        a_change_is_written_with_its_audit_entry,
        a_change_that_fails_writes_nothing,
        a_change_of_nothing_writes_nothing,
        a_change_whose_audit_entry_fails_does_not_happen,
        a_change_of_what_never_changes_is_refused,
        a_change_that_panics_harms_nobody_else,
        concurrent_changes_lose_no_update,
        last_use_moves_forward_only,
        last_uses_of_many_keys_are_written_at_once,
        a_change_does_not_undo_a_last_use;
    lists:
        pages_have_no_gaps_and_no_repeats_under_inserts,
        each_filter_finds_its_keys_only,
        the_status_filter_agrees_with_the_status_of_the_key,
        deleted_keys_are_listed_only_when_asked_for,
        pages_of_filtered_keys_have_no_gaps_and_no_repeats,
        rotation_is_due_for_keys_that_live_only,
        sorted_pages_have_no_gaps_and_no_repeats_while_keys_are_made_and_used,
        what_has_ended_does_not_expire_soon,
        looks_go_through_a_list_part_by_part_without_gaps_and_repeats,
        keys_with_a_tag_are_looked_for_within_the_bound_of_a_look,
        keys_of_one_thing_are_found_without_looking_at_others;
    searches:
        wildcards_in_a_name_search_are_plain_characters,
        a_name_is_found_in_any_case,
        keys_are_found_by_the_names_that_they_have_now,
        a_search_for_more_than_names_ends_where_it_has_looked_up_enough_keys;
    import:
        many_keys_are_imported_with_their_entries_and_tags,
        an_import_is_told_what_is_there,
        an_import_that_fails_writes_nothing;
    once:
        a_request_is_begun_once_and_its_answer_kept,
        an_attempt_that_is_taken_over_writes_nothing,
        a_change_and_its_receipt_commit_together,
        requests_are_forgotten_when_they_expire;
    rotation:
        a_rotation_writes_both_keys_and_both_entries,
        a_rotation_is_told_of_a_successor_that_lives,
        a_rotation_that_fails_writes_nothing,
        of_many_rotations_at_once_one_succeeds;
    audit:
        the_log_is_paged_newest_first,
        each_filter_of_the_log_finds_its_entries_only,
        the_story_of_one_thing_is_paged_newest_first,
        a_log_is_looked_through_part_by_part,
        what_is_not_sealed_is_not_shown,
        an_entry_is_sealed_with_the_very_text_that_was_recorded,
        a_log_longer_than_a_sealing_is_sealed_in_the_order_of_its_ids,
        concurrent_changes_and_sealers_make_one_chain,
        sealing_goes_on_where_another_process_stopped,
        a_log_of_an_older_version_is_sealed_in_order,
        a_change_of_the_database_is_found_in_the_export,
        tenants_that_wait_for_sealing_are_found_in_turn,
        what_can_be_done_in_a_loop_is_told_once_a_minute,
        a_write_wakes_who_waits_for_changes;
    facts:
        facts_are_those_of_the_record,
        any_number_of_digests_is_asked_at_once,
        facts_are_those_of_the_last_commit,
        limits_that_were_kept_before_they_had_a_policy_still_read,
        limits_of_all_who_share_them_are_read_with_the_key,
        a_replaced_secret_finds_nothing;
    leaks:
        a_leak_changes_the_key_together_with_its_report_and_entries,
        a_leak_of_a_blocked_key_is_kept_and_told_beside_the_reason,
        a_leak_that_is_refused_or_no_news_writes_nothing,
        reports_are_listed_newest_first_for_their_tenant,
        a_report_is_read_with_its_key_as_it_is_now,
        reports_alike_are_known,
        a_secret_is_known_to_its_tenant_also_when_it_was_replaced,
        any_number_of_secrets_is_looked_up_at_once;
    limit_use:
        the_last_use_of_each_owner_is_kept_until_it_is_spent;
    sessions:
        every_field_of_a_session_comes_back,
        a_session_opens_the_tenants_of_its_person_only,
        a_refresh_token_is_used_once_and_shown_again_ends_its_session,
        of_many_exchanges_of_one_token_one_succeeds,
        a_session_that_is_over_is_not_refreshed,
        attempts_in_vain_are_counted_exactly,
        a_right_password_alone_is_told_of_once_a_minute,
        a_password_that_was_changed_meanwhile_starts_nothing,
        sessions_of_a_person_end_together_or_all_but_one,
        a_second_factor_is_spent_once,
        a_token_for_a_password_works_once,
        a_session_whose_audit_entry_fails_does_not_start;
    usage:
        counts_are_added_up,
        waits_are_counted_apart,
        a_batch_is_added_once,
        batches_of_any_size_are_added,
        old_counts_and_batches_are_swept_a_few_at_a_time,
        the_keys_of_a_tenant_are_counted_together,
        a_day_of_a_tenant_is_swept_when_all_of_it_is_old;
    addresses:
        each_address_is_kept_with_when_it_was_seen,
        of_too_many_addresses_the_oldest_give_way,
        addresses_of_many_keys_are_written_at_once,
        addresses_that_were_not_seen_for_long_are_swept_a_few_at_a_time;
    events:
        an_event_comes_back_with_all_that_was_put_on_it,
        an_event_is_kept_once_however_often_it_is_sent,
        events_are_paged_by_when_they_happened_without_gaps_and_repeats,
        each_filter_finds_its_events_only,
        a_filter_that_few_events_pass_leads_through_many,
        entities_are_the_same_in_whatever_order_events_come,
        events_that_come_at_the_same_time_are_all_heard,
        batches_of_events_of_any_size_are_kept,
        entities_are_listed_by_type_and_id,
        old_events_and_silent_entities_are_swept_a_few_at_a_time;
    request_log:
        every_fact_of_a_request_comes_back_in_its_own_tenant_only,
        each_filter_of_requests_shows_what_it_says,
        a_filter_that_few_requests_pass_leads_through_many,
        wishes_and_owners_are_read_of_those_who_exist,
        missing_requests_are_added_up_by_tenant_and_minute,
        a_server_that_did_not_end_its_log_leaves_a_break_in_it,
        old_requests_are_swept_a_few_at_a_time;
    jobs:
        a_job_goes_through_the_keys_that_were_there_a_few_at_a_time,
        whoever_takes_a_job_up_anew_takes_it_from_whoever_had_it,
        of_many_who_take_jobs_up_at_once_each_tenant_is_served_by_one,
        jobs_of_a_tenant_wait_for_the_first_of_them,
        a_job_that_is_cancelled_is_that_whatever_befalls_its_step,
        other_than_the_expected_or_too_many_keys_make_no_job,
        of_the_exports_of_a_tenant_the_last_are_kept,
        what_a_job_has_sealed_is_taken_once_and_needs_its_key;
    quota:
        leases_at_once_never_exceed_the_budget,
        what_was_charged_is_spent_once_and_leased_no_more,
        what_a_server_really_has_leased_is_corrected,
        a_budget_set_later_counts_what_was_spent_in_its_period,
        what_is_leased_under_another_period_counts_while_it_shares_a_day,
        a_server_that_was_killed_leaves_charges_holds_and_what_is_lost,
        what_is_lost_is_lost_to_its_period_though_a_clock_was_set_back,
        a_correction_is_a_row_and_budget_and_sums_follow,
        a_charge_that_cannot_be_stored_is_refused_and_the_others_without_it_are_not,
        no_charge_is_too_large_to_be_summed_up,
        spending_is_summed_up_by_whatever_is_asked,
        the_ledger_is_paged_latest_first_and_each_filter_finds_its_rows,
        periods_that_are_over_are_forgotten_and_can_be_summed_up_again;
    holds:
        a_hold_is_found_where_it_is_open_or_in_the_ledger,
        one_hold_of_a_server_that_has_ended_is_taken_up_with_its_lease;
    spending:
        spending_is_told_of_one_key_customer_application_model_or_environment,
        a_report_is_bounded_and_its_total_is_of_all;
    webhooks:
        every_field_of_a_webhook_comes_back,
        a_tenant_has_a_bounded_number_of_webhooks,
        what_was_sealed_since_is_told_once,
        of_each_key_one_delivery_after_the_other_is_due,
        an_attempt_is_noted_with_what_was_answered,
        what_waits_for_a_silent_receiver_is_due_when_it_answers,
        a_webhook_that_is_off_has_nothing_due_and_misses_nothing,
        deliveries_are_sent_anew_in_the_order_of_their_key,
        a_delivery_that_waits_again_for_an_earlier_one_is_not_due,
        what_waits_for_a_webhook_that_stays_off_is_given_up_when_it_is_old,
        a_filter_that_few_deliveries_pass_leads_through_many,
        keys_that_end_grow_old_or_lie_idle_are_watched,
        old_deliveries_are_swept_but_for_those_that_are_due,
        a_message_is_kept_once_for_all_webhooks_and_goes_with_its_last_delivery;
    budget_looks:
        a_budget_is_looked_at_after_a_charge_and_told_of_once,
        what_is_charged_during_a_look_is_looked_at_again,
        of_a_lineage_the_last_key_that_can_be_used_is_told_of,
        many_budgets_are_looked_at_a_part_at_a_time;
    overview:
        figures_are_those_of_the_keys,
        an_empty_tenant_has_figures,
        budgets_are_near_their_end_from_four_fifths_on_in_their_present_period,
        of_many_budgets_near_their_end_five_are_named_by_keys_that_can_be_used;
    posture:
        what_becomes_of_events_is_counted_where_their_key_works,
        sources_that_were_heard_last_come_first_and_all_are_listed,
        active_keys_of_a_source_are_counted,
        refused_attempts_are_told_by_code,
        old_counts_of_events_are_swept;
    backup:
        everything_that_was_backed_up_comes_back,
        an_empty_database_takes_a_backup_of_either_engine,
        keys_that_ended_since_end_in_the_transaction_that_restores,
        a_backup_under_load_sees_one_moment,
        a_backup_that_is_not_as_it_was_made_is_refused,
        a_backup_of_a_later_schema_is_refused,
        a_database_names_its_journal_and_forgets_it_when_it_is_restored_without,
        a_backup_of_an_older_schema_is_brought_up_to_date,
        a_change_after_which_a_key_stands_otherwise_is_noted_for_the_journal,
        what_postgres_knows_of_its_tables_is_there_after_a_restore,
        many_keys_are_ended_again_whatever_their_tenant;
    schema:
        migrations_run_once,
        customers_that_keys_named_exist_after_the_migration,
        what_keys_were_used_before_is_counted_for_their_tenant,
        from_where_keys_were_used_before_is_known,
        messages_that_were_made_before_are_sent_and_swept,
        what_was_spent_before_is_of_the_environment_of_its_key,
        an_empty_database_is_not_served,
        a_schema_from_the_future_is_refused,
        a_schema_from_the_future_is_served_by_who_survives_it,
        concurrent_migrations_run_once;
}
