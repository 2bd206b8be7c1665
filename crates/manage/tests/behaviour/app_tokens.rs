//! Tokens that an application's key was exchanged for: they are good as long as the key is, with the secret it had.

use std::time::Duration;

use keystile_core::key::KeyPatch;
use keystile_core::{ApiKey, Code, Role};
use keystile_manage::{Bearer, Caller, Origin, Refused, VersionGuard};

use crate::bench::{Bench, draft, held};

const ANY: VersionGuard = VersionGuard(None);

struct Exchanged {
    bench: Bench,
    owner: Caller,
    key: ApiKey,
    bearer: Bearer,
}

impl Exchanged {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let owner = bench.caller(Role::Owner).await;
        let key = bench.control.create_key(&owner, draft("Application")).await.unwrap().value.key;
        let token = bench.control.exchange_key(held(&key), &Origin::default()).await.unwrap();
        let bearer = bench.control.check_token(token.0.expose()).unwrap();
        Self { bench, owner, key, bearer }
    }

    async fn enter(&self) -> Result<Caller, Refused> {
        self.bench.control.enter(&self.bearer, self.key.tenant_id, Origin::default()).await
    }

    async fn is_good(&self) {
        assert_eq!(self.enter().await.unwrap().role(), None);
    }

    /// Neither the token nor the secret that it was made with opens anything.
    async fn is_refused(&self, code: Code) {
        let exchanged = self.bench.control.exchange_key(held(&self.key), &Origin::default()).await;
        for refused in [self.enter().await.map(drop), exchanged.map(drop)] {
            match refused {
                Err(Refused::Key(refusal)) => assert_eq!(refusal.code(), code),
                other => panic!("not refused as {code}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_token_is_of_its_key_and_tenant() {
    let application = Exchanged::new().await;
    assert!(matches!(application.bearer, Bearer::Automation(_)));
    application.is_good().await;
    let other = application.bench.caller(Role::Owner).await.tenant_id();
    let foreign = application.bench.control.enter(&application.bearer, other, Origin::default()).await;
    assert!(matches!(foreign, Err(Refused::NotFound("tenant"))), "{foreign:?}");
}

#[tokio::test]
async fn a_token_dies_with_the_secret_it_was_made_with() {
    let application = Exchanged::new().await;
    let (control, owner, key) = (&application.bench.control, &application.owner, &application.key);
    let renewed = control.regenerate_key(owner, key.id, None, ANY).await.unwrap().value.key;
    application.is_refused(Code::KeyNotFound).await;
    let token = control.exchange_key(held(&renewed), &Origin::default()).await.unwrap();
    let bearer = control.check_token(token.0.expose()).unwrap();
    assert!(control.enter(&bearer, key.tenant_id, Origin::default()).await.is_ok());
}

#[tokio::test]
async fn a_token_lives_through_the_overlap_of_a_rotation_and_no_longer() {
    let application = Exchanged::new().await;
    let overlap = Duration::from_secs(60);
    let rotated =
        application.bench.control.rotate_key(&application.owner, application.key.id, overlap, None, ANY);
    assert!(rotated.await.is_ok());
    application.is_good().await;
    application.bench.turn(60);
    application.is_refused(Code::KeyExpired).await;
}

#[tokio::test]
async fn a_token_pauses_with_its_key_and_dies_with_it() {
    let application = Exchanged::new().await;
    let (control, owner, id) = (&application.bench.control, &application.owner, application.key.id);
    control.disable_key(owner, id, ANY).await.map(drop).unwrap();
    application.is_refused(Code::KeyInactive).await;
    control.enable_key(owner, id, ANY).await.map(drop).unwrap();
    application.is_good().await;
    control.block_key(owner, id, "leaked".to_owned(), ANY).await.map(drop).unwrap();
    application.is_refused(Code::KeyBlocked).await;
    control.unblock_key(owner, id, ANY).await.map(drop).unwrap();
    application.is_good().await;
    control.revoke_key(owner, id, None, ANY).await.map(drop).unwrap();
    application.is_refused(Code::KeyRevoked).await;
}

#[tokio::test]
async fn a_token_ends_with_the_time_of_its_key() {
    let application = Exchanged::new().await;
    let end = application.bench.control.present().plus(Duration::from_secs(60));
    let patch = KeyPatch { expires_at: Some(Some(end)), ..KeyPatch::default() };
    let patched = application.bench.control.patch_key(&application.owner, application.key.id, patch, ANY);
    assert!(patched.await.is_ok());
    application.is_good().await;
    application.bench.turn(60);
    application.is_refused(Code::KeyExpired).await;
}

#[tokio::test]
async fn a_token_of_a_deleted_key_is_refused() {
    let application = Exchanged::new().await;
    let deleted = application.bench.control.delete_key(&application.owner, application.key.id, ANY).await;
    assert!(deleted.is_ok());
    application.is_refused(Code::KeyRevoked).await;
}
