//! The life of a key.

use std::time::Duration;

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{KeyStatus, Role, Secret};
use keystile_manage::{Conflict, Refused, VersionGuard};

use crate::bench::{Bench, draft};

const ANY: VersionGuard = VersionGuard(None);
const BROUGHT: &str = "c41f8a07d93be6525af0917d";

fn renamed(name: &str) -> KeyPatch {
    KeyPatch { name: Some(name.parse().unwrap()), ..KeyPatch::default() }
}

#[tokio::test]
async fn a_key_is_switched_off_and_on_and_ended_once() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let id = bench.key(&caller).await.key.id;
    let status = async || bench.control.key(&caller, id).await.unwrap().status(bench.control.present());
    drop(bench.control.disable_key(&caller, id, ANY).await.unwrap());
    assert_eq!(status().await, KeyStatus::Inactive);
    drop(bench.control.enable_key(&caller, id, ANY).await.unwrap());
    assert_eq!(status().await, KeyStatus::Active);
    let first = bench.control.revoke_key(&caller, id, Some("leaked".to_owned()), ANY).await.unwrap().value;
    let again = bench.control.revoke_key(&caller, id, Some("other".to_owned()), ANY).await.unwrap().value;
    assert_eq!(first, again, "the second time changes nothing");
    assert_eq!(status().await, KeyStatus::Revoked);
}

#[tokio::test]
async fn a_revoked_key_stays_as_it_is() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let id = bench.key(&caller).await.key.id;
    drop(bench.control.revoke_key(&caller, id, None, ANY).await.unwrap());
    let before = bench.control.key(&caller, id).await.unwrap();
    let control = &bench.control;
    let ended = |refused| assert!(matches!(refused, Refused::Conflict(Conflict::KeyRevoked)), "{refused:?}");
    ended(control.patch_key(&caller, id, renamed("b"), ANY).await.unwrap_err());
    ended(control.enable_key(&caller, id, ANY).await.unwrap_err());
    ended(control.disable_key(&caller, id, ANY).await.unwrap_err());
    ended(control.block_key(&caller, id, "x".to_owned(), ANY).await.unwrap_err());
    ended(control.unblock_key(&caller, id, ANY).await.unwrap_err());
    ended(control.regenerate_key(&caller, id, None, ANY).await.unwrap_err());
    assert_eq!(control.key(&caller, id).await.unwrap(), before);
}

#[tokio::test]
async fn a_deleted_key_is_revoked_and_gone() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let id = bench.key(&caller).await.key.id;
    let deleted = bench.control.delete_key(&caller, id, ANY).await.unwrap().value;
    assert!(deleted.revoked.is_some() && deleted.deleted.is_some());
    for refused in
        [bench.control.key(&caller, id).await.err(), bench.control.delete_key(&caller, id, ANY).await.err()]
    {
        assert!(matches!(refused, Some(Refused::NotFound(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_change_for_an_older_version_is_refused() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let id = bench.key(&caller).await.key.id;
    let second =
        bench.control.patch_key(&caller, id, renamed("b"), VersionGuard(Some(1))).await.unwrap().value;
    assert_eq!(second.version, 2);
    let refused =
        bench.control.patch_key(&caller, id, renamed("c"), VersionGuard(Some(1))).await.unwrap_err();
    assert!(matches!(refused, Refused::VersionConflict { current: 2 }), "{refused:?}");
    assert_eq!(bench.control.key(&caller, id).await.unwrap().name.as_str(), "b");
}

#[tokio::test]
async fn every_change_names_the_digests_that_must_be_forgotten() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let created = bench.control.create_key(&caller, draft("a")).await.unwrap();
    let old = created.value.secret.digest();
    assert_eq!(created.change.digests(), [old]);
    let id = created.value.key.id;
    let renewed = bench.control.regenerate_key(&caller, id, None, ANY).await.unwrap();
    assert_eq!(renewed.change.digests(), [old, renewed.value.secret.digest()]);
    let disabled = bench.control.disable_key(&caller, id, ANY).await.unwrap();
    assert!(disabled.change.digests().contains(&renewed.value.secret.digest()));
}

#[tokio::test]
async fn a_secret_is_used_once() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let brought = || Some(Secret::new(BROUGHT));
    let with_secret = |name: &str| KeyDraft { secret: brought(), ..draft(name) };
    let id = bench.control.create_key(&caller, with_secret("a")).await.unwrap().value.key.id;
    let taken =
        |refused| assert!(matches!(refused, Refused::Conflict(Conflict::SecretExists)), "{refused:?}");
    taken(bench.control.create_key(&caller, with_secret("b")).await.unwrap_err());
    taken(bench.control.regenerate_key(&caller, id, brought(), ANY).await.unwrap_err());
    drop(bench.control.regenerate_key(&caller, id, None, ANY).await.unwrap());
    taken(bench.control.create_key(&caller, with_secret("b")).await.unwrap_err());
}

#[tokio::test]
async fn a_key_cannot_be_over_before_it_begins_but_lives_until_its_end() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let now = bench.control.present();
    let until = |end| KeyPatch { expires_at: Some(Some(end)), ..KeyPatch::default() };
    let past = KeyDraft { settings: until(now), ..draft("a") };
    let refused = bench.control.create_key(&caller, past).await.unwrap_err();
    assert!(matches!(&refused, Refused::Invalid(broken) if broken[0].field == "expires_at"), "{refused:?}");
    let hour = KeyDraft { settings: until(now.plus(Duration::from_secs(3600))), ..draft("a") };
    let key = bench.control.create_key(&caller, hour).await.unwrap().value.key;
    bench.turn(3599);
    assert_eq!(key.status(bench.control.present()), KeyStatus::Active);
    bench.turn(1);
    assert_eq!(key.status(bench.control.present()), KeyStatus::Expired);
    assert!(bench.control.patch_key(&caller, key.id, renamed("still editable"), ANY).await.is_ok());
}
