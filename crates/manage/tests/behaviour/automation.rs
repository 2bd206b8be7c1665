//! Keys that manage keys: they never give more than they have, and see their application only.

use std::time::Duration;

use keystile_core::key::{KeyDraft, KeyImport, KeyPatch, ModelPattern, SecretFacts};
use keystile_core::{
    Actor, AllowedIps, ApiKey, ApplicationPatch, Environment, Grants, KeyKind, Role, Secret, TrustLevel,
};
use keystile_manage::{Caller, KeyQuery, Lacking, Origin, Refused, VersionGuard};
use keystile_store::Page;

use crate::bench::{Bench, draft, held};

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
    let caller = bench.control.enter_with_key(held(&key), key.tenant_id, Origin::default()).await.unwrap();
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
    let application = bench
        .control
        .create_application(&owner, "Other".parse().unwrap(), ApplicationPatch::default())
        .await
        .unwrap();
    let foreign = KeyDraft { application_id: Some(application.id), ..draft("Foreign") };
    lacks_own(create(foreign).await, "the application");
}

/// A key of this kind that may issue, as caller.
async fn issuer_of(bench: &Bench, owner: &Caller, kind: KeyKind, settings: KeyPatch) -> Caller {
    let scopes = Some(Grants::parse(&["keystile.keys:issue"]).unwrap());
    let drafted = KeyDraft { kind, settings: KeyPatch { scopes, ..settings }, ..draft("Issuer") };
    let key = bench.control.create_key(owner, drafted).await.unwrap().value.key;
    bench.control.enter_with_key(held(&key), key.tenant_id, Origin::default()).await.unwrap()
}

fn models(list: &[&str]) -> Vec<ModelPattern> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn llm(list: &[&str]) -> KeyDraft {
    let settings = KeyPatch { allowed_models: Some(models(list)), ..KeyPatch::default() };
    KeyDraft { kind: KeyKind::VirtualLlm { allowed_models: Vec::new() }, settings, ..draft("Models") }
}

/// Whichever way a key comes to its models: made, changed, rotated, renewed or imported.
#[tokio::test]
async fn nobody_gives_models_that_they_may_not_use() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let control = &bench.control;
    let service = KeyKind::Service { issued_to_service: None };
    let service = issuer_of(&bench, &owner, service, KeyPatch::default()).await;
    lacks_own(control.create_key(&service, llm(&["*"])).await, "the model `*`");
    assert!(control.create_key(&service, llm(&[])).await.is_ok(), "no model is more than none");
    let own = KeyPatch { allowed_models: Some(models(&["gpt-5*"])), ..KeyPatch::default() };
    let kind = KeyKind::VirtualLlm { allowed_models: Vec::new() };
    let limited = issuer_of(&bench, &owner, kind, own).await;
    for beyond in ["*", "gpt-*", "gpt-4"] {
        lacks_own(
            control.create_key(&limited, llm(&["gpt-5", beyond])).await,
            &format!("the model `{beyond}`"),
        );
        let imported = KeyImport { draft: llm(&[beyond]), secret: SecretFacts::of(&Secret::new(beyond)) };
        lacks_own(control.import_keys(&limited, vec![imported]).await, &format!("the model `{beyond}`"));
    }
    let made = control.create_key(&limited, llm(&["gpt-5-mini*"])).await.unwrap().value.key;
    let more = KeyPatch { allowed_models: Some(models(&["*"])), ..KeyPatch::default() };
    lacks_own(control.patch_key(&limited, made.id, more, ANY).await, "the model `*`");
    let strong = control.create_key(&owner, llm(&["*"])).await.unwrap().value.key.id;
    lacks_own(control.regenerate_key(&limited, strong, None, ANY).await, "the model `*`");
    lacks_own(control.rotate_key(&limited, strong, Duration::ZERO, None, ANY).await, "the model `*`");
    assert!(control.rotate_key(&limited, made.id, Duration::ZERO, None, ANY).await.is_ok());
}

#[tokio::test]
async fn the_key_of_a_source_makes_keys_of_that_source() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let of_source =
        |source: Option<&str>| KeyPatch { source_id: Some(source.map(str::to_owned)), ..KeyPatch::default() };
    let caller = issuer_of(&bench, &owner, KeyKind::Ingest, of_source(Some("shop"))).await;
    let create =
        async |settings| bench.control.create_key(&caller, KeyDraft { settings, ..draft("Made") }).await;
    let plain = create(KeyPatch::default()).await.unwrap().value.key;
    assert_eq!(plain.source_id.as_deref(), Some("shop"));
    for other in [Some("till"), None] {
        lacks_own(create(of_source(other)).await, "any source but its own");
        lacks_own(bench.control.patch_key(&caller, plain.id, of_source(other), ANY).await, "any source");
    }
}

/// What bounds the issuer bounds what it makes, unless that is bounded more tightly still.
#[tokio::test]
async fn a_bounded_key_makes_keys_that_are_bounded_as_it_is() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let end = |days: u64| bench.control.present().plus(Duration::from_secs(days * 24 * 60 * 60));
    let ips = |list: &[&str]| Some(AllowedIps::parse(list).unwrap());
    let settings = KeyPatch {
        scopes: Some(Grants::parse(&["keystile.keys:issue"]).unwrap()),
        expires_at: Some(Some(end(30))),
        allowed_ips: ips(&["10.0.0.0/8"]),
        rpm_limit: Some(Some(60)),
        ..KeyPatch::default()
    };
    let made = bench.control.create_key(&owner, KeyDraft { settings, ..draft("Issuer") }).await.unwrap();
    let (issuing, origin) = (made.value.key, Origin { ip: Some([10, 1, 2, 3].into()), ..Origin::default() });
    let caller = bench.control.enter_with_key(held(&issuing), issuing.tenant_id, origin).await.unwrap();
    let create = async |settings: KeyPatch| {
        bench.control.create_key(&caller, KeyDraft { settings, ..draft("Made") }).await
    };
    let plain = create(KeyPatch::default()).await.unwrap().value.key;
    assert_eq!(
        (plain.expires_at, &plain.allowed_ips, plain.limits.rpm),
        (issuing.expires_at, &issuing.allowed_ips, Some(60))
    );
    let tighter = KeyPatch {
        expires_at: Some(Some(end(29))),
        allowed_ips: ips(&["10.9.0.0/16"]),
        rpm_limit: Some(Some(59)),
        ..KeyPatch::default()
    };
    assert_eq!(create(tighter).await.unwrap().value.key.limits.rpm, Some(59));
    let (for_ever, later) = (Some(None), Some(Some(end(31))));
    for expires_at in [for_ever, later] {
        lacks_own(create(KeyPatch { expires_at, ..KeyPatch::default() }).await, "beyond its own end");
    }
    for allowed_ips in [ips(&[]), ips(&["10.0.0.0/8", "192.0.2.1"])] {
        lacks_own(create(KeyPatch { allowed_ips, ..KeyPatch::default() }).await, "beyond its own");
    }
    for rpm_limit in [Some(None), Some(Some(61))] {
        lacks_own(create(KeyPatch { rpm_limit, ..KeyPatch::default() }).await, "`rpm_limit`");
    }
}

/// Else whoever finds its secret could keep it alive when its owner lets it run out.
#[tokio::test]
async fn a_key_cannot_change_or_renew_itself_but_can_end_itself() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (own, caller) = issuer(&bench, &owner).await;
    let over_itself = |refused: Refused| {
        assert!(matches!(refused, Refused::Forbidden(Lacking::OverItself)), "{refused:?}");
    };
    let renamed = KeyPatch { name: Some("Mine".parse().unwrap()), ..KeyPatch::default() };
    over_itself(bench.control.patch_key(&caller, own.id, renamed, ANY).await.unwrap_err());
    over_itself(bench.control.regenerate_key(&caller, own.id, None, ANY).await.unwrap_err());
    let overlap = Duration::from_secs(60);
    over_itself(bench.control.rotate_key(&caller, own.id, overlap, None, ANY).await.unwrap_err());
    let ended = bench.control.revoke_key(&caller, own.id, None, ANY).await.unwrap();
    assert!(ended.value.revoked.is_some());
}

#[tokio::test]
async fn a_key_of_one_environment_neither_sees_nor_ends_keys_of_another() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (_, caller) = issuer(&bench, &owner).await;
    let live = KeyDraft { environment: Environment::Production, ..draft("Live") };
    let live = bench.control.create_key(&owner, live).await.unwrap().value.key.id;
    let hidden = bench.control.revoke_key(&caller, live, None, ANY).await.unwrap_err();
    assert!(matches!(hidden, Refused::NotFound("API key")), "{hidden:?}");
    let page = Page { after: None, limit: 10 };
    let production =
        KeyQuery { environment: Some(Environment::Production), ..KeyQuery::all(bench.control.present()) };
    assert!(bench.control.keys(&caller, &production, page).await.unwrap().is_empty());
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
    let application = bench
        .control
        .create_application(&owner, "Other".parse().unwrap(), ApplicationPatch::default())
        .await
        .unwrap();
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
    let caller = bench.control.enter_with_key(held(&key), key.tenant_id, Origin::default()).await.unwrap();
    let lacking = |refused: Refused| match refused {
        Refused::Forbidden(lacking) => lacking,
        other => panic!("{other:?}"),
    };
    let made = bench.control.create_key(&caller, draft("Made")).await.unwrap_err();
    assert_eq!(lacking(made), Lacking::Permission("keystile.keys:issue"));
    let seen = bench.control.key(&caller, key.id).await.unwrap_err();
    assert_eq!(lacking(seen), Lacking::Permission("keystile.keys:read"));
    let founded = bench
        .control
        .create_application(&caller, "App".parse().unwrap(), ApplicationPatch::default())
        .await
        .unwrap_err();
    assert_eq!(lacking(founded), Lacking::Person);
}

/// Without an application of its own the key is made for that of the key that makes it, not for the tenant's first.
#[tokio::test]
async fn a_brought_secret_is_judged_with_the_name_of_the_application_that_it_is_for() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let name = "c41f8a07d93be6525af0917d".parse().unwrap();
    let application =
        bench.control.create_application(&owner, name, ApplicationPatch::default()).await.unwrap();
    let issuing =
        KeyDraft { application_id: Some(application.id), ..with_scopes("Issuer", &["keystile.keys:issue"]) };
    let key = bench.control.create_key(&owner, issuing).await.unwrap().value.key;
    let caller = bench.control.enter_with_key(held(&key), key.tenant_id, Origin::default()).await.unwrap();
    let brought = |text: &str| KeyDraft { secret: Some(Secret::new(text)), ..draft("Made") };
    let refused = bench.control.create_key(&caller, brought("c41f8a07d93be6525af0917d-1")).await;
    assert!(matches!(&refused, Err(Refused::Invalid(broken)) if broken[0].field == "secret"), "{refused:?}");
    bench.control.create_key(&caller, brought("7be09c35d1f84a62b0c7e91f")).await.map(drop).unwrap();
}

/// Else a key that may issue could keep people out.
#[tokio::test]
async fn brought_secrets_wait_in_a_bounded_queue_of_their_own() {
    let bench = std::sync::Arc::new(Bench::new().await);
    let owner = bench.caller(Role::Owner).await;
    let attempts: Vec<_> = (0..150)
        .map(|n| {
            let (bench, owner) = (std::sync::Arc::clone(&bench), owner.clone());
            let weak = Secret::new(format!("customer-service-production-password-{n}"));
            let drafted = KeyDraft { secret: Some(weak), ..draft("Made") };
            tokio::spawn(async move { bench.control.create_key(&owner, drafted).await.map(drop) })
        })
        .collect();
    let mut sent_away = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Err(Refused::Busy) => sent_away += 1,
            other => assert!(matches!(other, Err(Refused::Invalid(_))), "{other:?}"),
        }
    }
    assert!(sent_away > 0, "the queue has a bound");
    assert_eq!(bench.control.password_load().refused, 0, "and it is not that of passwords");
}
