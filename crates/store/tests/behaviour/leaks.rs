//! Keys that leaked.

use std::collections::BTreeSet;

use keystile_core::key::{Revocation, SecretFacts};
use keystile_core::leak::respond;
use keystile_core::{
    Action, ApiKey, AuditEntry, Digest, KeyId, LeakDeed, LeakId, LeakReport, LeakSource, LeakState, OnLeak,
    Secret, Timestamp,
};
use keystile_store::{KeyFilter, KnownReports, KnownSecrets, LeakTaken, LeakedKey, Page, SecretOwner, Store};

use crate::bed::Bed;
use crate::sample::{World, at, number, page};

fn report(key: &ApiKey, source: LeakSource, place: Option<&str>) -> LeakReport {
    let n = number();
    LeakReport {
        id: LeakId::from_parts(at(n.into()), n.into()),
        tenant_id: key.tenant_id,
        key_id: key.id,
        reported_at: at(n.into()),
        source,
        place: place.map(str::to_owned),
        done: LeakDeed::Notified,
    }
}

fn owner(key: &ApiKey) -> SecretOwner {
    SecretOwner { tenant_id: key.tenant_id, key_id: key.id }
}

/// Takes a report of a secret that changes nothing, and gives what was known before.
async fn take(world: &World, store: &Store, (secret, report): (&str, &LeakReport)) -> KnownReports {
    let (tell, told) = std::sync::mpsc::channel();
    let of = SecretOwner { tenant_id: report.tenant_id, key_id: report.key_id };
    let entry = world.entry(Action::KeyLeak, report.key_id);
    let taken = LeakTaken { report: report.clone(), told: entry, changed: None };
    let decide = move |_: &mut ApiKey, known| {
        tell.send(known).unwrap();
        Ok(Some(taken))
    };
    let seen = (Digest::of(secret.as_bytes()), report.source, report.place.clone());
    store.take_leak::<()>(of, seen, decide).await.unwrap().unwrap().unwrap();
    told.recv().unwrap()
}

async fn leaks(world: &World, store: &Store, key_id: Option<KeyId>) -> Vec<LeakReport> {
    store.leaks(world.tenant.id, key_id, page(10)).await.unwrap()
}

pub(crate) async fn a_leak_changes_the_key_together_with_its_report_and_entries(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let before = world.created(&store).await;
    let report = LeakReport {
        done: LeakDeed::Revoked,
        ..report(&before, LeakSource::Github, Some("https://example.com/ü"))
    };
    let end = Revocation { at: at(5), reason: Some("leaked".to_owned()) };
    let taken = LeakTaken {
        report: report.clone(),
        told: world.entry(Action::KeyLeak, before.id),
        changed: Some(world.entry(Action::KeyRevoke, before.id)),
    };
    let revoked = end.clone();
    let decide = move |key: &mut ApiKey, known: KnownReports| {
        assert_eq!(known, KnownReports { wanted: OnLeak::Notify, count: 0, is_alike: false });
        key.revoked = Some(revoked);
        Ok(Some(taken))
    };
    let seen = (before.secret.digest, report.source, report.place.clone());
    let changed = store.take_leak::<()>(owner(&before), seen, decide).await;
    let changed = changed.unwrap().unwrap().unwrap();
    let after = ApiKey { revoked: Some(end), ..before.clone() };
    assert_eq!((changed.before, &changed.after), (before.clone(), &after));
    assert_eq!(world.read(&store, before.id).await, after);
    assert_eq!(leaks(&world, &store, None).await, [report]);
    let log: BTreeSet<_> = world.log(&store).await.into_iter().map(|entry| entry.action.as_str()).collect();
    assert!(log.is_superset(&BTreeSet::from(["key.leak", "key.revoke"])), "{log:?}");
}

pub(crate) async fn a_leak_of_a_blocked_key_is_kept_and_told_beside_the_reason(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let entry = world.entry(Action::KeyBlock, key.id);
    let blocked = store.change_key::<()>(world.tenant.id, key.id, |key| {
        key.blocked = Some("invoice 2117 is unpaid".to_owned());
        Ok(Some(entry))
    });
    blocked.await.unwrap().unwrap().unwrap();
    let report = LeakReport { done: LeakDeed::Blocked, ..report(&key, LeakSource::Report, Some("a")) };
    let taken = LeakTaken {
        report: report.clone(),
        told: world.entry(Action::KeyLeak, key.id),
        changed: Some(world.entry(Action::KeyBlock, key.id)),
    };
    let decide = move |key: &mut ApiKey, _: KnownReports| {
        assert_eq!(respond(key, OnLeak::Block, at(5)), LeakDeed::Blocked);
        Ok(Some(taken))
    };
    let seen = (key.secret.digest, report.source, report.place.clone());
    store.take_leak::<()>(owner(&key), seen, decide).await.unwrap().unwrap().unwrap();
    let after = world.read(&store, key.id).await;
    assert_eq!(after.blocked.as_deref(), Some("leaked; blocked before: invoice 2117 is unpaid"));
    assert_eq!(leaks(&world, &store, Some(key.id)).await, [report]);
    let of_key = |entry: &AuditEntry| entry.target == key.id.to_string();
    let log: Vec<_> = world.log(&store).await.into_iter().filter(of_key).map(|entry| entry.action).collect();
    assert_eq!(log.iter().filter(|action| **action == Action::KeyBlock).count(), 2);
    assert_eq!(log.iter().filter(|action| **action == Action::KeyLeak).count(), 1);
}

pub(crate) async fn a_leak_that_is_refused_or_no_news_writes_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let entries = world.log(&store).await.len();
    let place = || (Digest::of(b"secret"), LeakSource::Report, None);
    let refused = store.take_leak(owner(&key), place(), |key, _| {
        key.enabled = false;
        Err("refused")
    });
    assert_eq!(refused.await.unwrap(), Some(Err("refused")));
    let nothing = store.take_leak::<()>(owner(&key), place(), |key, _| {
        key.enabled = false;
        Ok(None)
    });
    assert_eq!(nothing.await.unwrap().unwrap().unwrap().after, key);
    let other = World::founded(&store).await;
    let foreign = SecretOwner { tenant_id: other.tenant.id, key_id: key.id };
    let missing = store.take_leak::<()>(foreign, place(), |_, _| unreachable!("not theirs"));
    assert_eq!(missing.await.unwrap(), None);
    assert_eq!(world.read(&store, key.id).await, key);
    assert_eq!((leaks(&world, &store, None).await, world.log(&store).await.len()), (Vec::new(), entries));
}

pub(crate) async fn reports_are_listed_newest_first_for_their_tenant(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (key, second) = (world.created(&store).await, world.created(&store).await);
    let theirs = other.created(&store).await;
    let reports = [
        report(&key, LeakSource::Report, None),
        report(&second, LeakSource::Report, Some("a")),
        report(&key, LeakSource::Github, Some("a")),
    ];
    for report in &reports {
        take(&world, &store, ("A", report)).await;
    }
    take(&other, &store, ("A", &report(&theirs, LeakSource::Report, None))).await;
    let [first, of_second, last] = reports;
    assert_eq!(leaks(&world, &store, None).await, [last.clone(), of_second.clone(), first.clone()]);
    assert_eq!(leaks(&world, &store, Some(key.id)).await, [last.clone(), first.clone()]);
    assert_eq!(leaks(&world, &store, Some(theirs.id)).await, []);
    let behind = Page { after: Some(last.id), limit: 1 };
    assert_eq!(store.leaks(world.tenant.id, None, behind).await.unwrap(), [of_second]);
}

pub(crate) async fn a_report_is_read_with_its_key_as_it_is_now(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (key, second) = (world.created(&store).await, world.created(&store).await);
    let reports =
        [report(&key, LeakSource::Report, Some("a")), report(&second, LeakSource::Github, Some("b"))];
    for (report, key) in reports.iter().zip([&key, &second]) {
        let told =
            LeakTaken { report: report.clone(), told: world.entry(Action::KeyLeak, key.id), changed: None };
        let seen = (key.secret.digest, report.source, report.place.clone());
        let taken = store.take_leak::<()>(owner(key), seen, move |_, _| Ok(Some(told))).await;
        taken.unwrap().unwrap().unwrap();
    }
    let (renewed, entry) = (world.key().secret, world.entry(Action::KeyRegenerate, key.id));
    let changed = store.change_key::<()>(world.tenant.id, key.id, move |key| {
        key.secret = renewed;
        Ok(Some(entry))
    });
    let key = changed.await.unwrap().unwrap().unwrap().after;
    let [first, last] = reports;
    let first = LeakedKey { report: first, key: key.clone(), is_present: false };
    let last = LeakedKey { report: last, key: second, is_present: true };
    let tenant = world.tenant.id;
    let listed = store.leaked_keys(tenant, None, page(10)).await.unwrap();
    assert_eq!(listed, [last.clone(), first.clone()]);
    let states: Vec<_> = listed.iter().map(|leaked| leaked.state(at(0))).collect();
    assert_eq!(states, [LeakState::Live, LeakState::Replaced]);
    assert_eq!(store.live_leaks(tenant, at(0)).await.unwrap(), 1, "the other has a new secret");
    assert_eq!(store.live_leaks(other.tenant.id, at(0)).await.unwrap(), 0);
    assert_eq!(
        store.leaked_keys(tenant, Some(key.id), page(10)).await.unwrap(),
        std::slice::from_ref(&first)
    );
    let behind = Page { after: Some(last.report.id), limit: 1 };
    assert_eq!(store.leaked_keys(tenant, None, behind).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.leaked_key(tenant, first.report.id).await.unwrap(), Some(first.clone()));
    assert_eq!(store.leaked_key(other.tenant.id, first.report.id).await.unwrap(), None);
    assert_eq!(store.leaked_keys(other.tenant.id, Some(key.id), page(10)).await.unwrap(), []);
}

pub(crate) async fn reports_alike_are_known(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.created(&store).await;
    let change = world.entry(Action::TenantUpdate, key.id);
    let tenant = store.change_tenant::<()>(world.tenant.id, |tenant| {
        tenant.settings.on_leak = OnLeak::Revoke;
        Ok(Some(change))
    });
    let tenant = tenant.await.unwrap().unwrap().unwrap();
    assert_eq!(store.tenant(tenant.id).await.unwrap(), Some(tenant));
    // Others, and what is told of another secret of the key, hide nothing.
    for (secret, source, place, count, is_alike) in [
        ("A", LeakSource::Report, None, 0, false),
        ("A", LeakSource::Report, Some("a"), 1, false),
        ("A", LeakSource::Github, Some("a"), 0, false),
        ("A", LeakSource::Report, Some("a"), 2, true),
        ("A", LeakSource::Report, None, 3, true),
        ("A", LeakSource::Github, None, 1, false),
        ("B", LeakSource::Report, Some("a"), 0, false),
    ] {
        let known = take(&world, &store, (secret, &report(&key, source, place))).await;
        assert_eq!(known, KnownReports { wanted: OnLeak::Revoke, count, is_alike });
    }
}

pub(crate) async fn a_secret_is_known_to_its_tenant_also_when_it_was_replaced(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let key = world.created(&store).await;
    let (secret, told) = (world.key().secret, world.entry(Action::KeyRegenerate, key.id));
    let renewed = secret.clone();
    let changed = store.change_key::<()>(world.tenant.id, key.id, move |key| {
        key.secret = renewed;
        Ok(Some(told))
    });
    let after = changed.await.unwrap().unwrap().unwrap().after;
    for digest in [key.secret.digest, secret.digest] {
        assert_eq!(store.secret_owner(digest).await.unwrap(), Some(owner(&key)));
    }
    assert_eq!(store.secret_owner(Digest::of(b"nobody's")).await.unwrap(), None);
    let digests = || vec![key.secret.digest, Digest::of(b"nobody's"), secret.digest];
    let known = store.known_secrets(world.tenant.id, digests()).await.unwrap();
    assert_eq!(known, KnownSecrets { present: vec![after], replaced: vec![(key.secret.digest, key.id)] });
    let theirs = store.known_secrets(other.tenant.id, digests()).await.unwrap();
    assert_eq!(theirs, KnownSecrets::default());
}

pub(crate) async fn any_number_of_secrets_is_looked_up_at_once(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    assert_eq!(store.known_secrets(world.tenant.id, Vec::new()).await.unwrap(), KnownSecrets::default());
    let mut made = BTreeSet::new();
    for _ in 0..70 {
        made.insert(world.created(&store).await.id);
    }
    let all = KeyFilter::all(Timestamp::from_millis(0));
    let keys = store.keys(world.tenant.id, &all, page(100)).await.unwrap();
    let unknown = (0..300).map(|n| SecretFacts::of(&Secret::new(format!("{n:024}"))).digest);
    let digests = keys.iter().map(|key| key.secret.digest).chain(unknown).collect();
    let known = store.known_secrets(world.tenant.id, digests).await.unwrap();
    assert_eq!(known.present.iter().map(|key| key.id).collect::<BTreeSet<_>>(), made);
    assert_eq!((known.present.len(), known.replaced), (70, Vec::new()));
}
