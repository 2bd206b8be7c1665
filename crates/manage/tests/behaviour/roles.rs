//! What each role may do.

use keystile_core::key::KeyPatch;
use keystile_core::{ApplicationPatch, Role, TenantId};
use keystile_manage::{Lacking, Origin, Refused, VersionGuard};
use keystile_store::{KeyFilter, Page};

use crate::bench::{Bench, draft};

const ANY: VersionGuard = VersionGuard(None);

#[tokio::test]
async fn a_viewer_reads_and_changes_nothing() {
    let bench = Bench::new().await;
    let viewer = bench.caller(Role::Viewer).await;
    let control = &bench.control;
    let all = KeyFilter::all(control.present());
    assert!(control.keys(&viewer, &all, Page { after: None, limit: 10 }).await.unwrap().is_empty());
    assert!(control.tenant(&viewer).await.is_ok());
    let id = keystile_core::KeyId::from_parts(control.present(), 1);
    let forbidden = |refused| {
        assert!(matches!(refused, Refused::Forbidden(Lacking::Role(Role::Developer))), "{refused:?}");
    };
    forbidden(control.create_key(&viewer, draft("a")).await.unwrap_err());
    forbidden(control.patch_key(&viewer, id, KeyPatch::default(), ANY).await.unwrap_err());
    forbidden(control.disable_key(&viewer, id, ANY).await.unwrap_err());
    forbidden(control.enable_key(&viewer, id, ANY).await.unwrap_err());
    forbidden(control.block_key(&viewer, id, "leak".to_owned(), ANY).await.unwrap_err());
    forbidden(control.unblock_key(&viewer, id, ANY).await.unwrap_err());
    forbidden(control.regenerate_key(&viewer, id, None, ANY).await.unwrap_err());
    forbidden(control.revoke_key(&viewer, id, None, ANY).await.unwrap_err());
    forbidden(control.delete_key(&viewer, id, ANY).await.unwrap_err());
    assert!(bench.log(&viewer).await.is_empty());
}

#[tokio::test]
async fn a_developer_manages_keys_but_not_applications() {
    let bench = Bench::new().await;
    let developer = bench.caller(Role::Developer).await;
    let issued = bench.key(&developer).await;
    assert!(bench.control.revoke_key(&developer, issued.key.id, None, ANY).await.is_ok());
    let refused = bench
        .control
        .create_application(&developer, "B".parse().unwrap(), ApplicationPatch::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, Refused::Forbidden(Lacking::Role(Role::Admin))), "{refused:?}");
    let admin = bench.caller(Role::Admin).await;
    assert!(
        bench
            .control
            .create_application(&admin, "B".parse().unwrap(), ApplicationPatch::default())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn another_tenants_things_do_not_exist() {
    let bench = Bench::new().await;
    let (ours, theirs) = (bench.caller(Role::Owner).await, bench.caller(Role::Owner).await);
    let id = bench.key(&theirs).await.key.id;
    let application =
        bench.control.applications(&theirs, false, Page { after: None, limit: 1 }).await.unwrap()[0].id;
    let missing = |refused| assert!(matches!(refused, Refused::NotFound(_)), "{refused:?}");
    missing(bench.control.key(&ours, id).await.unwrap_err());
    missing(bench.control.revoke_key(&ours, id, None, ANY).await.unwrap_err());
    missing(bench.control.regenerate_key(&ours, id, None, ANY).await.unwrap_err());
    missing(bench.control.application(&ours, application).await.unwrap_err());
    let foreign = keystile_core::key::KeyDraft { application_id: Some(application), ..draft("a") };
    missing(bench.control.create_key(&ours, foreign).await.unwrap_err());
    assert_eq!(bench.control.key(&theirs, id).await.unwrap().version, 1);
}

#[tokio::test]
async fn only_members_enter_a_tenant() {
    let bench = Bench::new().await;
    let (signed_in, own) = bench.signed_in(Role::Owner).await;
    let (_, other) = bench.signed_in(Role::Owner).await;
    let nowhere = TenantId::from_parts(bench.control.present(), 999);
    assert!(bench.control.enter(&signed_in, own, Origin::default()).await.is_ok());
    for foreign in [other, nowhere] {
        let refused = bench.control.enter(&signed_in, foreign, Origin::default()).await.unwrap_err();
        assert!(matches!(refused, Refused::NotFound("tenant")), "{refused:?}");
    }
}
