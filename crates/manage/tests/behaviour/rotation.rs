//! Rotation.

use std::time::Duration;

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{Action, ApiKey, Grants, KeyStatus, Role, Secret};
use keystile_manage::{Caller, Committed, Conflict, Issued, Lacking, Origin, Refused, VersionGuard};

use crate::bench::{Bench, draft, held};

const ANY: VersionGuard = VersionGuard(None);
const HOUR: Duration = Duration::from_secs(3600);

async fn rotate(
    bench: &Bench,
    caller: &Caller,
    key: &ApiKey,
    overlap: Duration,
) -> Result<Committed<Issued>, Refused> {
    bench.control.rotate_key(caller, key.id, overlap, None, ANY).await
}

#[track_caller]
fn conflicts(outcome: &Result<Committed<Issued>, Refused>, conflict: Conflict) {
    let met = matches!(outcome, Err(Refused::Conflict(met)) if *met == conflict);
    assert!(met, "{outcome:?}");
}

#[tokio::test]
async fn a_successor_has_the_settings_and_the_lineage_and_the_old_key_an_end() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let scopes = Some(Grants::parse(&["a:b"]).unwrap());
    let settings = KeyPatch { scopes, rpm_limit: Some(Some(60)), ..KeyPatch::default() };
    let old = bench.control.create_key(&caller, KeyDraft { settings, ..draft("a") }).await.unwrap().value;
    let now = bench.control.present();
    let done = rotate(&bench, &caller, &old.key, HOUR).await.unwrap();
    let new = done.value.key;
    assert_eq!(done.change.digests(), [old.secret.digest(), done.value.secret.digest()]);
    assert_eq!((new.lineage_id, new.rotated_from_key_id), (old.key.id, Some(old.key.id)));
    assert_eq!((&new.scopes, &new.limits, &new.name), (&old.key.scopes, &old.key.limits, &old.key.name));
    assert_eq!((new.version, new.expires_at, new.environment), (1, None, old.key.environment));
    let ended = bench.control.key(&caller, old.key.id).await.unwrap();
    assert_eq!((ended.expires_at, ended.version), (Some(now.plus(HOUR)), 2));
    let told: Vec<_> =
        bench.log(&caller).await.into_iter().map(|entry| (entry.action, entry.target)).collect();
    for expected in [(Action::KeyRotate, old.key.id), (Action::KeyCreate, new.id)] {
        assert!(told.contains(&(expected.0, expected.1.to_string())), "{expected:?} in {told:?}");
    }
    bench.turn(3600);
    assert_eq!(ended.status(bench.control.present()), KeyStatus::Expired);
}

#[tokio::test]
async fn a_rotated_key_has_one_successor_at_a_time() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let old = bench.key(&caller).await.key;
    let new = rotate(&bench, &caller, &old, HOUR).await.unwrap().value.key;
    conflicts(&rotate(&bench, &caller, &old, HOUR).await, Conflict::AlreadyRotated(new.id));
    bench.turn(3601);
    conflicts(&rotate(&bench, &caller, &old, HOUR).await, Conflict::AlreadyRotated(new.id));
    drop(bench.control.revoke_key(&caller, new.id, None, ANY).await.unwrap());
    conflicts(&rotate(&bench, &caller, &old, HOUR).await, Conflict::KeyExpired);
    conflicts(&rotate(&bench, &caller, &new, HOUR).await, Conflict::KeyRevoked);
    let third = bench.key(&caller).await.key;
    let fourth = rotate(&bench, &caller, &third, HOUR).await.unwrap().value.key;
    drop(bench.control.revoke_key(&caller, fourth.id, None, ANY).await.unwrap());
    assert!(rotate(&bench, &caller, &third, HOUR).await.is_ok(), "the successor has ended, the key has not");
}

#[tokio::test]
async fn rotation_takes_a_secret_that_is_brought_and_checks_it() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let old = bench.key(&caller).await;
    let bring = async |text: &str| {
        bench.control.rotate_key(&caller, old.key.id, HOUR, Some(Secret::new(text)), ANY).await
    };
    assert!(matches!(bring("short").await, Err(Refused::Invalid(broken)) if broken[0].field == "secret"));
    let same = KeyDraft { secret: Some(Secret::new("c41f8a07d93be6525af0917d")), ..draft("taken") };
    drop(bench.control.create_key(&caller, same).await.unwrap());
    conflicts(&bring("c41f8a07d93be6525af0917d").await, Conflict::SecretExists);
    assert_eq!(bench.control.key(&caller, old.key.id).await.unwrap(), old.key, "nothing was half done");
    let stale = bench.control.rotate_key(&caller, old.key.id, HOUR, None, VersionGuard(Some(7))).await;
    assert!(matches!(stale, Err(Refused::VersionConflict { current: 1 })));
    let done = bring("d93be6525af0917dc41f8a07").await.unwrap().value;
    assert_eq!(done.key.secret.prefix, "d93be652");
}

/// Else a weak key could get a strong secret by rotating.
#[tokio::test]
async fn a_key_rotates_only_what_it_could_give_and_stamps_it() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let made = async |scopes: &[&str]| {
        let settings = KeyPatch { scopes: Some(Grants::parse(scopes).unwrap()), ..KeyPatch::default() };
        bench.control.create_key(&owner, KeyDraft { settings, ..draft("k") }).await.unwrap().value.key
    };
    let (issuing, strong, weak) =
        (made(&["keystile.keys:issue", "a:b"]).await, made(&["*"]).await, made(&["a:b"]).await);
    let caller =
        bench.control.enter_with_key(held(&issuing), issuing.tenant_id, Origin::default()).await.unwrap();
    match rotate(&bench, &caller, &strong, HOUR).await {
        Err(Refused::Forbidden(Lacking::Own(lacking))) => assert!(lacking.contains("`*`"), "{lacking}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.control.key(&owner, strong.id).await.unwrap(), strong);
    let done = rotate(&bench, &caller, &weak, HOUR).await.unwrap().value.key;
    assert_eq!(done.app_id, Some(issuing.application_id));
}
