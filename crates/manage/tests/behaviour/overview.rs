//! Figures of a tenant, for those who may see all of it.

use keystile_core::usage::{Span, Step};
use keystile_core::{Environment, Role};
use keystile_manage::{Lacking, Refused, VersionGuard};

use crate::bench::{Bench, draft, held, origin};

#[tokio::test]
async fn whoever_changes_a_key_finds_it_in_the_figures_at_once() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let counts = async || bench.control.overview(&owner).await.unwrap().keys.by_status;
    assert_eq!(counts().await.total(), 0);
    let key = bench.key(&owner).await.key;
    assert_eq!((counts().await.active, counts().await.total()), (1, 1));
    let _committed = bench.control.revoke_key(&owner, key.id, None, VersionGuard(None)).await.unwrap();
    assert_eq!((counts().await.revoked, counts().await.total()), (1, 1));
}

#[tokio::test]
async fn figures_of_all_keys_are_for_persons() {
    let bench = Bench::new().await;
    let (viewer, owner) = (bench.caller(Role::Viewer).await, bench.caller(Role::Owner).await);
    assert_eq!(bench.control.overview(&viewer).await.unwrap().members, 1);
    let mut reader = draft("Reader");
    reader.settings.scopes = Some(keystile_core::Grants::parse(&["keystile.keys:read"]).unwrap());
    let key = bench.control.create_key(&owner, reader).await.unwrap().value.key;
    let caller = bench.control.enter_with_key(held(&key), key.tenant_id, origin()).await.unwrap();
    let span = Span::within(None, None, Step::Hour, bench.control.present()).unwrap();
    for refused in [
        bench.control.overview(&caller).await.unwrap_err(),
        bench.control.tenant_usage(&caller, None, span).await.unwrap_err(),
        bench.control.ingest_posture(&caller, Environment::Production).await.unwrap_err(),
        bench.control.sources(&caller, Environment::Production, None, 1).await.unwrap_err(),
        bench.control.event_counts(&caller, Environment::Production, span).await.unwrap_err(),
    ] {
        assert!(matches!(refused, Refused::Forbidden(Lacking::Person)), "{refused:?}");
    }
}
