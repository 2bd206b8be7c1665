//! The first person, and signing in.

use keystile_core::{Email, Role, Secret};
use keystile_manage::{Refused, TOKEN_LIFETIME, TokenRefused};

use crate::bench::{Bench, PASSWORD};

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

#[tokio::test]
async fn an_installation_is_set_up_once() {
    let bench = Bench::new().await;
    let set_up = async |address: &str| {
        bench.control.set_up(email(address), Secret::new(PASSWORD), "Main".parse().unwrap()).await.unwrap()
    };
    let founded = set_up("first@example.com").await.unwrap();
    assert!(set_up("second@example.com").await.is_none());
    let (token, tenant_id) =
        bench.control.sign_in(Some(email("First@Example.com")), Secret::new(PASSWORD), None).await.unwrap();
    assert_eq!(tenant_id, Some(founded.tenant.id));
    let signed_in = bench.control.check_token(token.0.expose()).unwrap();
    let caller =
        bench.control.enter(&signed_in, founded.tenant.id, keystile_manage::Origin::default()).await.unwrap();
    assert_eq!(caller.role(), Some(Role::Owner));
}

#[tokio::test]
async fn a_weak_password_sets_nothing_up() {
    let bench = Bench::new().await;
    let weak = bench
        .control
        .set_up(email("a@example.com"), Secret::new("password1234"), "Main".parse().unwrap())
        .await;
    assert!(matches!(weak, Err(Refused::Invalid(broken)) if broken[0].field == "password"));
    assert!(!bench.control.has_persons().await.unwrap());
}

#[tokio::test]
async fn wrong_credentials_are_not_told_apart() {
    let bench = Bench::new().await;
    let (_, own) = bench.signed_in(Role::Owner).await;
    let (_, other) = bench.signed_in(Role::Owner).await;
    let known = email("owner-1@example.com");
    let attempts = [
        (Some(known.clone()), "wrong-password-77", None),
        (Some(email("nobody@example.com")), PASSWORD, None),
        (None, PASSWORD, None),
        (Some(known.clone()), PASSWORD, Some(other)),
    ];
    for (address, password, tenant) in attempts {
        let refused = bench.control.sign_in(address, Secret::new(password), tenant).await.unwrap_err();
        assert!(matches!(refused, Refused::WrongCredentials), "{refused:?}");
    }
    assert!(bench.control.sign_in(Some(known), Secret::new(PASSWORD), Some(own)).await.is_ok());
}

#[tokio::test]
async fn a_token_ends_after_its_hour() {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    let (token, _) =
        bench.control.sign_in(Some(email("owner-1@example.com")), Secret::new(PASSWORD), None).await.unwrap();
    assert!(bench.control.check_token(token.0.expose()).is_ok());
    bench.turn(i64::try_from(TOKEN_LIFETIME.as_secs()).unwrap() + 60);
    assert_eq!(bench.control.check_token(token.0.expose()), Err(TokenRefused::Expired));
}
