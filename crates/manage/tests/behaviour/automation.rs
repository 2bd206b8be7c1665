//! Keys that manage keys: they never give more than they have, and see their application only.

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{Actor, ApiKey, Code, Environment, Grants, Role, TrustLevel};
use keystile_manage::{Bearer, Caller, KeyQuery, Lacking, Origin, Refused, VersionGuard};
use keystile_store::Page;

use crate::bench::{Bench, draft};

const ANY: VersionGuard = VersionGuard(None);

fn with_scopes(name: &str, scopes: &[&str]) -> KeyDraft {
    let settings = KeyPatch { scopes: Some(Grants::parse(scopes).unwrap()), ..KeyPatch::default() };
    KeyDraft { settings, ..draft(name) }
}

/// A key that may issue, with the permission to read customers, and a caller that holds it.
async fn issuer(bench: &Bench, owner: &Caller) -> (ApiKey, Caller) {
    let scopes = ["keystile.keys:issue", "customers:read"];
    let made = bench.control.create_key(owner, with_scopes("Issuer", &scopes)).await.unwrap();
    let key = made.value.key;
    let own = (key.tenant_id, key.id);
    let caller = bench.control.enter_with_key(own, key.tenant_id, Origin::default()).await.unwrap();
    (key, caller)
}

#[track_caller]
fn lacks_own<T: std::fmt::Debug>(outcome: Result<T, Refused>, what: &str) {
    match outcome {
        Err(Refused::Forbidden(Lacking::Own(lacking))) => assert!(lacking.contains(what), "{lacking}"),
        other => panic!("not refused for lack of {what}: {other:?}"),
    }
}

#[tokio::test]
async fn a_key_made_by_a_key_is_stamped_with_its_application() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (issuing, caller) = issuer(&bench, &owner).await;
    let made = bench.control.create_key(&caller, with_scopes("Made", &["customers:read"])).await.unwrap();
    let made = made.value.key;
    assert_eq!((made.app_id, made.application_id), (Some(issuing.application_id), issuing.application_id));
    assert_eq!((made.created_by, issuing.app_id), (Actor::Key(issuing.id), None));
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (_, caller) = issuer(&bench, &owner).await;
    let create = async |draft: KeyDraft| bench.control.create_key(&caller, draft).await;
    for beyond in ["customers:write", "customers:*", "*", "keystile.keys:verify"] {
        lacks_own(create(with_scopes("More", &[beyond])).await, beyond);
    }
    let elsewhere = KeyDraft { environment: Environment::Production, ..draft("Live") };
    lacks_own(create(elsewhere).await, "`production`");
    let trusting = KeyPatch { trust_level: Some(TrustLevel::Trusted), ..KeyPatch::default() };
    lacks_own(create(KeyDraft { settings: trusting.clone(), ..draft("Trusted") }).await, "`trusted`");
    let made = create(draft("Plain")).await.unwrap().value.key.id;
    lacks_own(bench.control.patch_key(&caller, made, trusting, ANY).await, "`trusted`");
    let application = bench.control.create_application(&owner, "Other".parse().unwrap()).await.unwrap();
    let foreign = KeyDraft { application_id: Some(application.id), ..draft("Foreign") };
    lacks_own(create(foreign).await, "the application");
}

/// Else a weak key could get a strong secret by regenerating it.
#[tokio::test]
async fn a_key_that_has_more_can_be_ended_but_not_taken_over() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (_, caller) = issuer(&bench, &owner).await;
    let strong = bench.control.create_key(&owner, with_scopes("Strong", &["*"])).await.unwrap().value.key.id;
    let disabled = bench.control.disable_key(&owner, strong, ANY).await.unwrap();
    assert!(!disabled.value.enabled);
    lacks_own(bench.control.regenerate_key(&caller, strong, None, ANY).await, "`*`");
    lacks_own(bench.control.enable_key(&caller, strong, ANY).await, "`*`");
    let weaker = KeyPatch { scopes: Some(Grants::default()), ..KeyPatch::default() };
    lacks_own(bench.control.patch_key(&caller, strong, weaker, ANY).await, "`*`");
    let ended = bench.control.revoke_key(&caller, strong, None, ANY).await.unwrap();
    assert!(ended.value.revoked.is_some());
}

#[tokio::test]
async fn a_key_sees_the_keys_of_its_application_and_customer() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (issuing, caller) = issuer(&bench, &owner).await;
    let application = bench.control.create_application(&owner, "Other".parse().unwrap()).await.unwrap();
    let foreign = KeyDraft { application_id: Some(application.id), ..draft("Foreign") };
    let foreign = bench.control.create_key(&owner, foreign).await.unwrap().value.key.id;
    let hidden = bench.control.key(&caller, foreign).await.unwrap_err();
    assert!(matches!(hidden, Refused::NotFound("API key")), "{hidden:?}");
    let hidden = bench.control.revoke_key(&caller, foreign, None, ANY).await.unwrap_err();
    assert!(matches!(hidden, Refused::NotFound("API key")), "{hidden:?}");
    let list = async |query: KeyQuery| {
        let page = Page { after: None, limit: 10 };
        bench.control.keys(&caller, &query, page).await.unwrap()
    };
    let everything = KeyQuery::all(bench.control.present());
    let seen: Vec<_> = list(everything.clone()).await.into_iter().map(|key| key.id).collect();
    assert_eq!(seen, [issuing.id]);
    assert!(list(KeyQuery { application_id: Some(application.id), ..everything }).await.is_empty());
}

#[tokio::test]
async fn without_the_permission_a_key_manages_nothing() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let key = bench.control.create_key(&owner, with_scopes("Plain", &["*"])).await.unwrap().value.key;
    let own = (key.tenant_id, key.id);
    let caller = bench.control.enter_with_key(own, key.tenant_id, Origin::default()).await.unwrap();
    let lacking = |refused: Refused| match refused {
        Refused::Forbidden(lacking) => lacking,
        other => panic!("{other:?}"),
    };
    let made = bench.control.create_key(&caller, draft("Made")).await.unwrap_err();
    assert_eq!(lacking(made), Lacking::Permission("keystile.keys:issue"));
    let seen = bench.control.key(&caller, key.id).await.unwrap_err();
    assert_eq!(lacking(seen), Lacking::Permission("keystile.keys:read"));
    let founded = bench.control.create_application(&caller, "App".parse().unwrap()).await.unwrap_err();
    assert_eq!(lacking(founded), Lacking::Person);
}

#[tokio::test]
async fn a_token_made_from_a_key_dies_with_it() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (key, _) = issuer(&bench, &owner).await;
    let token = bench.control.exchange_key(key.tenant_id, key.id, &Origin::default()).await.unwrap();
    let bearer = bench.control.check_token(token.0.expose()).unwrap();
    assert!(matches!(bearer, Bearer::Automation(_)));
    let enter = async || bench.control.enter(&bearer, key.tenant_id, Origin::default()).await;
    assert_eq!(enter().await.unwrap().role(), None);
    let other = bench.caller(Role::Owner).await.tenant_id();
    let foreign = bench.control.enter(&bearer, other, Origin::default()).await.unwrap_err();
    assert!(matches!(foreign, Refused::NotFound("tenant")), "{foreign:?}");
    let revoked = bench.control.revoke_key(&owner, key.id, None, ANY).await.unwrap();
    assert!(revoked.value.revoked.is_some());
    match enter().await {
        Err(Refused::Key(refusal)) => assert_eq!(refusal.code(), Code::KeyRevoked),
        other => panic!("{other:?}"),
    }
}
