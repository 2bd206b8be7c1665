//! What the audit log says.

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{Action, Role, Secret};
use keystile_manage::VersionGuard;
use serde_json::json;

use crate::bench::{Bench, draft};

const ANY: VersionGuard = VersionGuard(None);

#[tokio::test]
async fn each_change_leaves_one_entry_that_says_who_where_and_what() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let id = bench.key(&caller).await.key.id;
    bench.turn(5);
    let patch = KeyPatch { rpm_limit: Some(Some(60)), ..KeyPatch::default() };
    drop(bench.control.patch_key(&caller, id, patch, ANY).await.unwrap());
    let log = bench.log(&caller).await;
    let actions: Vec<_> = log.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::KeyUpdate, Action::KeyCreate]);
    let update = &log[0];
    assert_eq!(update.changes, json!({ "rpm_limit": { "before": null, "after": 60 } }));
    assert_eq!((update.target.clone(), update.at), (id.to_string(), bench.control.present()));
    assert_eq!((update.ip, update.request_id.as_deref()), (Some([192, 0, 2, 7].into()), Some("req_7")));
    assert!(update.actor.person().is_some());
}

#[tokio::test]
async fn what_was_done_in_one_moment_is_told_in_its_order() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let mut made = Vec::new();
    for turned in [0, 0, 0, 0, -1, 0, 0, 1, 0, 0] {
        bench.turn(turned);
        made.insert(0, bench.key(&caller).await.key.id.to_string());
    }
    let told: Vec<_> = bench.log(&caller).await.into_iter().map(|entry| entry.target).collect();
    assert_eq!(told, made);
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_entry() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let key = bench.key(&caller).await.key;
    let same = KeyPatch { name: Some(key.name.clone()), ..KeyPatch::default() };
    let after = bench.control.patch_key(&caller, key.id, same, ANY).await.unwrap().value;
    drop(bench.control.enable_key(&caller, key.id, ANY).await.unwrap());
    assert_eq!(after.version, 1);
    assert_eq!(bench.log(&caller).await.len(), 1);
}

#[tokio::test]
async fn a_refused_change_leaves_no_entry() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let id = bench.key(&caller).await.key.id;
    let bad = KeyPatch { rpm_limit: Some(Some(0)), ..KeyPatch::default() };
    assert!(bench.control.patch_key(&caller, id, bad, ANY).await.is_err());
    assert!(bench.control.disable_key(&caller, id, VersionGuard(Some(9))).await.is_err());
    assert_eq!(bench.log(&caller).await.len(), 1);
}

#[tokio::test]
async fn no_entry_holds_a_secret() {
    let bench = Bench::new().await;
    let caller = bench.caller(Role::Developer).await;
    let brought = "c41f8a07d93be6525af0917d";
    let draft = KeyDraft { secret: Some(Secret::new(brought)), ..draft("a") };
    let id = bench.control.create_key(&caller, draft).await.unwrap().value.key.id;
    let renewed = bench.control.regenerate_key(&caller, id, None, ANY).await.unwrap().value;
    let log = bench.log(&caller).await;
    assert_eq!(log.len(), 2);
    let text = format!("{log:?}");
    assert!(!text.contains(brought) && !text.contains(renewed.secret.expose()));
    assert!(text.contains(&renewed.secret.digest().to_hex()), "but which secret it was can be told");
}
