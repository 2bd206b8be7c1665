//! The audit log and its chain.

use std::collections::HashSet;
use std::time::Duration;

use keystile_core::audit::check::{Checker, Fault, Verified, Wrong};
use keystile_core::audit::export::{footer, header};
use keystile_core::{Action, Actor, AuditEntry, AuditId, ChainHead, Seq, TenantId};
use keystile_store::{AuditFilter, Location, Page, Sealing, Store};
use serde_json::json;

use crate::bed::Bed;
use crate::sample::{World, application, at, entry, page};

/// Tells the log of an application, which is the least that a change can be.
async fn tell(store: &Store, told: AuditEntry) {
    let application = application(told.tenant_id, &format!("App {}", told.id));
    store.create_application(application, told).await.unwrap();
}

fn told(tenant: TenantId) -> AuditEntry {
    entry(tenant, Action::ApplicationCreate, "app_x")
}

/// Checks the whole log as an export would show it.
async fn checked(store: &Store, tenant: TenantId) -> Result<Verified, Fault> {
    let head = store.chain_head(tenant).await.unwrap();
    let entries = store.audit_at(tenant, Seq::FIRST..=head.seq, u32::MAX).await.unwrap();
    let mut lines = vec![header(tenant, ChainHead::empty(tenant))];
    lines.extend(entries.iter().map(keystile_core::SealedEntry::line));
    lines.push(footer(tenant, entries.len() as u64, head));
    let mut checker = Checker::new(Some(head));
    checker.feed((lines.join("\n") + "\n").as_bytes())?;
    checker.finish()
}

async fn seal_all(store: &Store, tenant: TenantId) {
    while store.seal(tenant).await.unwrap() == Sealing::Partial {}
}

fn seqs(entries: &[keystile_core::SealedEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq.as_u64()).collect()
}

pub(crate) async fn the_log_is_paged_newest_first(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for _ in 0..5 {
        world.created(&store).await;
    }
    let all = world.sealed(&store).await;
    assert_eq!(seqs(&all), [6, 5, 4, 3, 2, 1]);
    let nothing = AuditFilter::default();
    let first = store.audit(world.tenant.id, &nothing, page(4)).await.unwrap();
    world.created(&store).await;
    seal_all(&store, world.tenant.id).await;
    let rest = Page { after: first.last().map(|entry| entry.seq), limit: 4 };
    let rest = store.audit(world.tenant.id, &nothing, rest).await.unwrap();
    assert_eq!((seqs(&first), seqs(&rest)), (vec![6, 5, 4, 3], vec![2, 1]));
    let one = store.audit_entry(world.tenant.id, all[2].entry.id).await.unwrap().unwrap();
    assert_eq!(one.line(), all[2].line());
    let elsewhere = World::founded(&store).await;
    assert!(store.audit_entry(elsewhere.tenant.id, all[2].entry.id).await.unwrap().is_none());
}

pub(crate) async fn each_filter_of_the_log_finds_its_entries_only(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let tenant = world.tenant.id;
    let by = Actor::Person(world.person.id);
    let marked = AuditEntry { actor: by, target: "app_marked".into(), at: at(90_000), ..told(tenant) };
    tell(&store, marked.clone()).await;
    tell(&store, AuditEntry { action: Action::KeyBlock, at: at(80_000), ..told(tenant) }).await;
    seal_all(&store, tenant).await;
    let none = AuditFilter::default();
    let with_both = AuditFilter { from: Some(at(90_000)), to: Some(at(90_001)), ..none.clone() };
    for filter in [
        AuditFilter { actor: Some(by), ..none.clone() },
        AuditFilter { action: Some(Action::ApplicationCreate), ..none.clone() },
        AuditFilter { target: Some("app_marked".into()), ..none.clone() },
        AuditFilter { from: Some(at(80_001)), ..none.clone() },
        with_both,
    ] {
        let found = store.audit(tenant, &filter, page(9)).await.unwrap();
        let ids: Vec<_> = found.iter().map(|entry| entry.entry.id).collect();
        assert_eq!(ids, [marked.id], "{filter:?}");
        let nobody = AuditFilter { target: Some("nobody".into()), ..filter };
        assert!(store.audit(tenant, &nobody, page(9)).await.unwrap().is_empty());
    }
    let before = AuditFilter { to: Some(at(90_000)), ..none };
    assert_eq!(seqs(&store.audit(tenant, &before, page(9)).await.unwrap()), [3, 1]);
}

pub(crate) async fn the_story_of_one_thing_is_paged_newest_first(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (tenant, elsewhere) = (world.tenant.id, World::founded(&store).await.tenant.id);
    for (number, of) in [tenant, tenant, elsewhere].iter().cycle().take(15).enumerate() {
        let target = ["app_one", "app_two", "app_One"][number / 3 % 3];
        tell(&store, AuditEntry { target: target.into(), ..told(*of) }).await;
    }
    for of in [tenant, elsewhere] {
        seal_all(&store, of).await;
    }
    let of_one = AuditFilter { target: Some("app_one".into()), ..AuditFilter::default() };
    let first = store.audit(tenant, &of_one, page(3)).await.unwrap();
    let rest = Page { after: first.last().map(|entry| entry.seq), limit: 3 };
    let rest = store.audit(tenant, &of_one, rest).await.unwrap();
    assert_eq!((seqs(&first), seqs(&rest)), (vec![9, 8, 3], vec![2]));
    assert!(first.iter().chain(&rest).all(|entry| entry.entry.target == "app_one"));
    let found = store.look_in_audit(tenant, &of_one, page(9), 2).await.unwrap();
    assert_eq!((seqs(&found.entries), found.looked_to), (vec![9, 8, 3, 2], None), "others are not looked at");
    // Of those about it that are passed over no more are looked at than of any.
    let in_vain = AuditFilter { action: Some(Action::KeyBlock), ..of_one };
    let look = async |after: Option<u64>| {
        let page = Page { after: after.map(Seq::new), limit: 9 };
        let found = store.look_in_audit(tenant, &in_vain, page, 2).await.unwrap();
        (seqs(&found.entries), found.looked_to.map(Seq::as_u64))
    };
    assert_eq!(look(None).await, (vec![], Some(8)));
    assert_eq!(look(Some(8)).await, (vec![], Some(2)));
    assert_eq!(look(Some(2)).await, (vec![], None), "there is nothing before");
}

pub(crate) async fn a_log_is_looked_through_part_by_part(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let tenant = world.tenant.id;
    for number in 0..12 {
        let action = if number % 6 == 0 { Action::KeyBlock } else { Action::ApplicationCreate };
        tell(&store, AuditEntry { action, at: at(number), ..told(tenant) }).await;
    }
    seal_all(&store, tenant).await;
    // The first entry tells of the tenant.
    let blocked = AuditFilter { action: Some(Action::KeyBlock), ..AuditFilter::default() };
    let look = async |after: Option<u64>, limit| {
        let page = Page { after: after.map(Seq::new), limit };
        let found = store.look_in_audit(tenant, &blocked, page, 5).await.unwrap();
        (seqs(&found.entries), found.looked_to.map(Seq::as_u64))
    };
    assert_eq!(look(None, 3).await, (vec![], Some(9)));
    assert_eq!(look(Some(9), 3).await, (vec![8], Some(4)));
    assert_eq!(look(Some(9), 1).await, (vec![8], None), "a full page goes on behind its last entry");
    assert_eq!(look(Some(4), 3).await, (vec![2], None), "the log begins here");
    assert_eq!(look(Some(u64::MAX), 3).await, (vec![], Some(9)), "no look is lost behind the end");
    let all = AuditFilter::default();
    let found = store.look_in_audit(tenant, &all, page(100), 5).await.unwrap();
    assert_eq!((found.entries.len(), found.looked_to), (13, None), "nothing is passed over");
    let empty = World::founded(&store).await.tenant.id;
    let found = store.look_in_audit(empty, &blocked, page(3), 5).await.unwrap();
    assert_eq!((found.entries.len(), found.looked_to), (0, None), "nothing is sealed yet");
}

pub(crate) async fn what_is_not_sealed_is_not_shown(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let tenant = world.tenant.id;
    let told = told(tenant);
    tell(&store, told.clone()).await;
    assert!(store.audit(tenant, &AuditFilter::default(), page(9)).await.unwrap().is_empty());
    assert!(store.audit_entry(tenant, told.id).await.unwrap().is_none());
    assert_eq!(store.chain_head(tenant).await.unwrap(), ChainHead::empty(tenant));
    assert_eq!(store.seal(tenant).await.unwrap(), Sealing::Complete);
    assert_eq!(store.seal(tenant).await.unwrap(), Sealing::Complete);
    assert!(store.audit_entry(tenant, told.id).await.unwrap().is_some());
    assert_eq!(store.chain_head(tenant).await.unwrap().seq, Seq::new(2));
}

pub(crate) async fn an_entry_is_sealed_with_the_very_text_that_was_recorded(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let changes = json!({
        "numbers": [0.1, 1e300, -0.0, 5e-324, 18_446_744_073_709_551_615_u64, 12.340_000_000_000_002],
        "text": "Größe \"\\\" \u{7f} \u{2028} \n \t 😀",
        "empty": {}, "nothing": null
    });
    let told = AuditEntry { ip: None, request_id: None, changes: changes.clone(), ..told(world.tenant.id) };
    tell(&store, told.clone()).await;
    let sealed = world.sealed(&store).await.remove(0);
    assert_eq!(sealed.entry.changes.get(), changes.to_string());
    assert_eq!(sealed.entry.into_value().unwrap(), told);
    assert_eq!(checked(&store, world.tenant.id).await.unwrap().count, 2);
}

pub(crate) async fn a_log_longer_than_a_sealing_is_sealed_in_the_order_of_its_ids(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for _ in 0..300 {
        tell(&store, told(world.tenant.id)).await;
    }
    assert_eq!(store.seal(world.tenant.id).await.unwrap(), Sealing::Partial);
    let all = world.sealed(&store).await;
    assert_eq!(seqs(&all), (1..=301).rev().collect::<Vec<_>>());
    assert!(all.is_sorted_by(|newer, older| newer.entry.id > older.entry.id));
    let good = checked(&store, world.tenant.id).await.unwrap();
    assert_eq!((good.count, good.head), (301, store.chain_head(world.tenant.id).await.unwrap()));
}

/// Another process with the same database, where the engine allows one.
async fn beside(bed: &Bed, store: &Store) -> Store {
    match bed.location() {
        Location::Sqlite(_) => store.clone(),
        server @ Location::Postgres { .. } => Store::open(server).await.unwrap(),
    }
}

pub(crate) async fn concurrent_changes_and_sealers_make_one_chain(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let tenant = world.tenant.id;
    let mut tasks = tokio::task::JoinSet::new();
    for sealer in [store.clone(), beside(bed, &store).await, beside(bed, &store).await] {
        tasks.spawn(async move {
            for _ in 0..40 {
                sealer.seal(tenant).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    for _ in 0..64 {
        let (store, world) = (store.clone(), world.clone());
        tasks.spawn(async move {
            for _ in 0..4 {
                world.created(&store).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let all = world.sealed(&store).await;
    assert_eq!(seqs(&all), (1..=257).rev().collect::<Vec<_>>());
    assert_eq!(all.iter().map(|entry| entry.entry.id).collect::<HashSet<_>>().len(), 257);
    assert_eq!(checked(&store, tenant).await.unwrap().count, 257);
}

pub(crate) async fn sealing_goes_on_where_another_process_stopped(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    seal_all(&store, world.tenant.id).await;
    tell(&store, told(world.tenant.id)).await;
    store.close().await;
    let store = bed.store().await;
    assert_eq!(store.unsealed_tenant(None).await.unwrap(), Some(world.tenant.id));
    seal_all(&store, world.tenant.id).await;
    assert_eq!(store.unsealed_tenant(None).await.unwrap(), None);
    assert_eq!(checked(&store, world.tenant.id).await.unwrap().count, 2);
}

pub(crate) async fn a_log_of_an_older_version_is_sealed_in_order(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for _ in 0..5 {
        tell(&store, told(world.tenant.id)).await;
    }
    seal_all(&store, world.tenant.id).await;
    store.close().await;
    // As a database that was migrated a moment ago.
    bed.run_sql(
        "UPDATE audit_entries SET seq = NULL, previous = NULL, hash = NULL; DELETE FROM audit_chains",
    );
    let store = bed.store().await;
    let all = world.sealed(&store).await;
    assert!(all.is_sorted_by(|newer, older| newer.entry.id > older.entry.id));
    assert_eq!(checked(&store, world.tenant.id).await.unwrap().count, 6);
}

pub(crate) async fn a_change_of_the_database_is_found_in_the_export(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for _ in 0..5 {
        tell(&store, told(world.tenant.id)).await;
    }
    seal_all(&store, world.tenant.id).await;
    store.close().await;
    let seq = Seq::new;
    for (sql, undo, wrong) in [
        (
            "UPDATE audit_entries SET target = 'app_y' WHERE seq = 3",
            "UPDATE audit_entries SET target = 'app_x' WHERE seq = 3",
            Wrong::Changed(seq(3)),
        ),
        (
            "UPDATE audit_entries SET at = at + 1 WHERE seq = 6",
            "UPDATE audit_entries SET at = at - 1 WHERE seq = 6",
            Wrong::Changed(seq(6)),
        ),
        (
            "UPDATE audit_entries SET seq = 100 WHERE seq = 4; UPDATE audit_entries SET seq = 4 WHERE seq = 5;
             UPDATE audit_entries SET seq = 5 WHERE seq = 100",
            "UPDATE audit_entries SET seq = 100 WHERE seq = 4; UPDATE audit_entries SET seq = 4 WHERE seq = 5;
             UPDATE audit_entries SET seq = 5 WHERE seq = 100",
            Wrong::Changed(seq(4)),
        ),
        ("DELETE FROM audit_entries WHERE seq = 2", "SELECT 1", Wrong::Missing(seq(2), seq(2))),
    ] {
        bed.run_sql(sql);
        let store = bed.store().await;
        assert_eq!(checked(&store, world.tenant.id).await.unwrap_err().what, wrong, "{sql}");
        store.close().await;
        bed.run_sql(undo);
    }
}

pub(crate) async fn tenants_that_wait_for_sealing_are_found_in_turn(bed: &Bed) {
    let store = bed.store().await;
    let mut waiting = vec![];
    for _ in 0..3 {
        waiting.push(World::founded(&store).await.tenant.id);
    }
    waiting.sort_unstable();
    let mut found = vec![];
    while let Some(next) = store.unsealed_tenant(found.last().copied()).await.unwrap() {
        found.push(next);
    }
    assert_eq!(found, waiting);
    seal_all(&store, waiting[1]).await;
    assert_eq!(store.unsealed_tenant(Some(waiting[0])).await.unwrap(), Some(waiting[2]));
}

pub(crate) async fn a_write_wakes_who_waits_for_changes(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let woken = async || tokio::time::timeout(Duration::from_millis(1), store.changed()).await.is_ok();
    assert!(woken().await);
    seal_all(&store, world.tenant.id).await;
    assert!(!woken().await, "sealing is nothing to seal");
    world.created(&store).await;
    assert!(woken().await);
}

pub(crate) async fn what_can_be_done_in_a_loop_is_told_once_a_minute(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let before = world.log(&store).await.len();
    let moment = |seconds| at(1_000_000).plus(Duration::from_secs(seconds));
    let made = |seconds, reason: &str| {
        let entry = world.entry(Action::KeyExchange, key.id);
        let id = AuditId::from_parts(moment(seconds), entry.id.as_u128());
        AuditEntry { id, at: moment(seconds), changes: json!({ "reason": reason }), ..entry }
    };
    let note = async |seconds| {
        let told = store.note_of_key((world.tenant.id, key.id), moment(seconds), made(seconds, "a")).await;
        told.unwrap();
    };
    for (seconds, times) in [(0, 1), (59, 1), (60, 2), (61, 2)] {
        note(seconds).await;
        assert_eq!(world.log(&store).await.len() - before, times, "{seconds}");
    }
    futures_util::future::join_all((0..8).map(|_| note(200))).await;
    assert_eq!(world.log(&store).await.len() - before, 3, "of many at once one is told");
    for (reason, times) in [("a", 3), ("b", 4), ("b", 4)] {
        store.note_of_person(world.person.id, moment(201), vec![made(201, reason)]).await.unwrap();
        assert_eq!(world.log(&store).await.len() - before, times, "{reason}");
    }
}
