//! Keys that leaked: what is done about them, and who may see it.

use keystile_core::key::KeyPatch;
use keystile_core::leak::{MOST_REPORTS, REASON};
use keystile_core::{
    Action, Actor, ApiKey, Digest, Grants, LeakDeed, LeakReport, LeakSource, LeakState, OnLeak, Role, Secret,
    TenantPatch,
};
use keystile_manage::{Caller, KnownSecret, Lacking, Origin, Refused, Sighting, VersionGuard};
use keystile_store::Page;

use crate::bench::{Bench, draft, held, origin};

const ANY: VersionGuard = VersionGuard(None);

fn seen(secret: &Secret, place: &str) -> Sighting {
    Sighting { digest: secret.digest(), source: LeakSource::Report, place: Some(place.to_owned()) }
}

async fn wants(bench: &Bench, owner: &Caller, wanted: OnLeak) {
    let patch = TenantPatch { on_leak: Some(wanted), ..TenantPatch::default() };
    let _limits = bench.control.patch_tenant(owner, patch, ANY).await.unwrap();
}

/// The tenant's reports, newest first.
async fn reports(bench: &Bench, caller: &Caller) -> Vec<LeakReport> {
    bench.control.leaks(caller, None, Page { after: None, limit: 1_000 }).await.unwrap()
}

#[tokio::test]
async fn a_leaked_key_is_treated_as_its_tenant_wants_and_the_log_tells_why() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    for (wanted, done, action) in [
        (OnLeak::Notify, LeakDeed::Notified, None),
        (OnLeak::Block, LeakDeed::Blocked, Some(Action::KeyBlock)),
        (OnLeak::Revoke, LeakDeed::Revoked, Some(Action::KeyRevoke)),
    ] {
        // Ids are in the order of their milliseconds.
        bench.turn(1);
        wants(&bench, &owner, wanted).await;
        let issued = bench.key(&owner).await;
        let taken = bench.control.take_leak(seen(&issued.secret, "a gist"), &origin()).await.unwrap();
        assert!(taken.value && taken.change.digests().contains(&issued.secret.digest()));
        let key = bench.control.key(&owner, issued.key.id).await.unwrap();
        assert_eq!(key.blocked.as_deref() == Some(REASON), wanted == OnLeak::Block);
        let reason = key.revoked.and_then(|end| end.reason);
        assert_eq!(reason.as_deref() == Some(REASON), wanted == OnLeak::Revoke);
        let report = reports(&bench, &owner).await.swap_remove(0);
        assert_eq!((report.key_id, report.source, report.done), (key.id, LeakSource::Report, done));
        assert_eq!(report.place.as_deref(), Some("a gist"));
        let log = bench.log(&owner).await;
        let of_key: Vec<_> = log.iter().filter(|entry| entry.target == key.id.to_string()).collect();
        let told = of_key.iter().find(|entry| entry.action == Action::KeyLeak).unwrap();
        assert_eq!((told.actor, told.ip), (Actor::System, origin().ip));
        assert_eq!(
            (&told.changes["place"], &told.changes["done"]),
            (&"a gist".into(), &done.as_str().into())
        );
        let actions: Vec<_> = of_key.iter().map(|entry| entry.action).collect();
        let expected: Vec<_> = action.into_iter().chain([Action::KeyLeak, Action::KeyCreate]).collect();
        assert_eq!(actions, expected);
    }
}

#[tokio::test]
async fn a_secret_of_nobody_changes_nothing() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    wants(&bench, &owner, OnLeak::Revoke).await;
    let before = bench.log(&owner).await.len();
    let nobody = Secret::new("9f8e7d6c5b4a39281706f5e4");
    let taken = bench.control.take_leak(seen(&nobody, "a gist"), &origin()).await.unwrap();
    assert!(!taken.value && taken.change.digests().is_empty());
    assert_eq!((reports(&bench, &owner).await, bench.log(&owner).await.len()), (Vec::new(), before));
}

#[tokio::test]
async fn a_secret_that_was_replaced_is_told_of_and_its_key_stays() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    wants(&bench, &owner, OnLeak::Revoke).await;
    let issued = bench.key(&owner).await;
    let renewed = bench.control.regenerate_key(&owner, issued.key.id, None, ANY).await.unwrap().value;
    assert!(bench.control.take_leak(seen(&issued.secret, "a gist"), &origin()).await.unwrap().value);
    assert_eq!(reports(&bench, &owner).await[0].done, LeakDeed::Nothing);
    assert_eq!(bench.control.key(&owner, issued.key.id).await.unwrap(), renewed.key);
}

#[tokio::test]
async fn the_same_report_again_is_no_news_until_the_key_is_free_again() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    wants(&bench, &owner, OnLeak::Block).await;
    let issued = bench.key(&owner).await;
    let tell = async |place: &str| {
        let _change = bench.control.take_leak(seen(&issued.secret, place), &origin()).await.unwrap();
        (reports(&bench, &owner).await.len(), bench.log(&owner).await.len())
    };
    let first = tell("a gist").await;
    assert_eq!((first.0, tell("a gist").await), (1, first));
    assert_eq!(tell("another").await, (2, first.1 + 1));
    let _change = bench.control.unblock_key(&owner, issued.key.id, ANY).await.unwrap();
    assert_eq!(tell("a gist").await.0, 3);
    assert!(bench.control.key(&owner, issued.key.id).await.unwrap().blocked.is_some());
}

#[tokio::test]
async fn a_key_that_is_blocked_for_another_reason_is_marked_as_leaked_too() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    wants(&bench, &owner, OnLeak::Block).await;
    let issued = bench.key(&owner).await;
    let block = bench.control.block_key(&owner, issued.key.id, "unpaid".to_owned(), ANY).await;
    let _change = block.unwrap();
    // Ids are in the order of their milliseconds.
    bench.turn(1);
    let tell = async || {
        let taken = bench.control.take_leak(seen(&issued.secret, "a gist"), &origin()).await.unwrap();
        assert!(taken.value);
        reports(&bench, &owner).await
    };
    let told = tell().await;
    assert_eq!((told.len(), told[0].done), (1, LeakDeed::Blocked));
    let key = bench.control.key(&owner, issued.key.id).await.unwrap();
    assert_eq!(key.blocked.as_deref(), Some("leaked; blocked before: unpaid"));
    let log = bench.log(&owner).await;
    let actions: Vec<_> = log.iter().take(2).map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::KeyBlock, Action::KeyLeak]);
    let reason = &log[0].changes["blocked_reason"];
    assert_eq!(
        (&reason["before"], &reason["after"]),
        (&"unpaid".into(), &"leaked; blocked before: unpaid".into())
    );
    assert_eq!((tell().await.len(), bench.log(&owner).await.len()), (1, log.len()), "it is told once");
}

#[tokio::test]
async fn reports_about_one_key_are_bounded() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let issued = bench.key(&owner).await;
    for n in 0..MOST_REPORTS + 2 {
        let _change = bench.control.take_leak(seen(&issued.secret, &n.to_string()), &origin()).await.unwrap();
    }
    assert_eq!(reports(&bench, &owner).await.len() as u64, MOST_REPORTS);
    wants(&bench, &owner, OnLeak::Revoke).await;
    let _change = bench.control.take_leak(seen(&issued.secret, "0"), &origin()).await.unwrap();
    assert!(
        bench.control.key(&owner, issued.key.id).await.unwrap().revoked.is_some(),
        "it is ended all the same"
    );
}

async fn keys_caller(bench: &Bench, owner: &Caller, scope: &str) -> Caller {
    let settings = KeyPatch { scopes: Some(Grants::parse(&[scope]).unwrap()), ..KeyPatch::default() };
    let drafted = keystile_core::key::KeyDraft { settings, ..draft("Automation") };
    let key: ApiKey = bench.control.create_key(owner, drafted).await.unwrap().value.key;
    bench.control.enter_with_key(held(&key), key.tenant_id, Origin::default()).await.unwrap()
}

#[tokio::test]
async fn secrets_are_looked_up_by_those_who_may_verify() {
    let bench = Bench::new().await;
    let (owner, stranger) = (bench.caller(Role::Owner).await, bench.caller(Role::Owner).await);
    let (live, gone) = (bench.key(&owner).await, bench.key(&owner).await);
    let _change = bench.control.revoke_key(&owner, gone.key.id, None, ANY).await.unwrap();
    let replaced = bench.key(&owner).await;
    let _change = bench.control.regenerate_key(&owner, replaced.key.id, None, ANY).await.unwrap();
    let theirs = bench.key(&stranger).await;
    let digests: Vec<_> = [&theirs, &gone, &live, &replaced, &live].map(|key| key.secret.digest()).into();
    let states = |known: Vec<KnownSecret>| -> Vec<_> { known.iter().map(|known| known.state).collect() };
    let expected =
        [LeakState::Unknown, LeakState::Revoked, LeakState::Live, LeakState::Replaced, LeakState::Live];
    let verifier = keys_caller(&bench, &owner, "keystile.keys:verify").await;
    for caller in [&owner, &verifier] {
        let known = bench.control.look_up_secrets(caller, digests.clone()).await.unwrap();
        assert_eq!(known.iter().map(|known| known.digest).collect::<Vec<_>>(), digests);
        let ids = [None, Some(gone.key.id), Some(live.key.id), Some(replaced.key.id), Some(live.key.id)];
        assert_eq!(known.iter().map(|known| known.key_id).collect::<Vec<_>>(), ids);
        assert_eq!(states(known), expected);
    }
    let all_unknown = bench.control.look_up_secrets(&stranger, digests[1..].to_vec()).await.unwrap();
    assert_eq!(states(all_unknown), [LeakState::Unknown; 4]);
}

#[tokio::test]
async fn whoever_may_not_see_it_sees_nothing() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let viewer = bench.caller(Role::Viewer).await;
    let (none, page) = (vec![Digest::of(b"a")], || Page { after: None, limit: 1 });
    let refused = bench.control.look_up_secrets(&viewer, none.clone()).await.unwrap_err();
    assert!(matches!(refused, Refused::Forbidden(Lacking::Role(Role::Developer))), "{refused:?}");
    assert!(bench.control.leaks(&viewer, None, page()).await.unwrap().is_empty());
    let reader = keys_caller(&bench, &owner, "keystile.keys:read").await;
    let refused = bench.control.leaks(&reader, None, page()).await.unwrap_err();
    assert!(matches!(refused, Refused::Forbidden(Lacking::Permission("keystile.audit:read"))), "{refused:?}");
    let refused = bench.control.look_up_secrets(&reader, none).await.unwrap_err();
    assert!(
        matches!(refused, Refused::Forbidden(Lacking::Permission("keystile.keys:verify"))),
        "{refused:?}"
    );
    let auditor = keys_caller(&bench, &owner, "keystile.audit:read").await;
    assert!(bench.control.leaks(&auditor, None, page()).await.unwrap().is_empty());
    assert!(bench.control.leaked_keys(&viewer, None, page()).await.unwrap().is_empty());
    let refused = bench.control.leaked_keys(&auditor, None, page()).await.unwrap_err();
    assert!(matches!(refused, Refused::Forbidden(_)), "a key sees the keys that it reaches: {refused:?}");
}

#[tokio::test]
async fn reports_stay_in_their_tenant() {
    let bench = Bench::new().await;
    let (owner, stranger) = (bench.caller(Role::Owner).await, bench.caller(Role::Owner).await);
    let issued = bench.key(&owner).await;
    wants(&bench, &stranger, OnLeak::Revoke).await;
    let _change = bench.control.take_leak(seen(&issued.secret, "a gist"), &origin()).await.unwrap();
    assert!(reports(&bench, &stranger).await.is_empty());
    let id = reports(&bench, &owner).await[0].id;
    let refused = bench.control.leaked_key(&stranger, id).await.unwrap_err();
    assert!(matches!(refused, Refused::NotFound(_)), "{refused:?}");
    let of_key = Page { after: None, limit: 1 };
    assert!(bench.control.leaks(&stranger, Some(issued.key.id), of_key).await.unwrap().is_empty());
    let report = &reports(&bench, &owner).await[0];
    assert_eq!((report.tenant_id, report.done), (owner.tenant_id(), LeakDeed::Notified));
}
