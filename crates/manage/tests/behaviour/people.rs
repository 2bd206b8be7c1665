//! Signing in, and owning tenants.

use keystile_core::{Email, KeyLabel, Role, Secret, Tenant};
use keystile_manage::{Bearer, Conflict, Origin, Refused, SignIn, TOKEN_LIFETIME, TokenRefused};

use crate::bench::{Bench, PASSWORD};

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

#[tokio::test]
async fn wrong_credentials_are_not_told_apart() {
    let bench = Bench::new().await;
    let (_, own) = bench.signed_in(Role::Owner).await;
    let (_, other) = bench.signed_in(Role::Owner).await;
    let known = Some(email("owner-1@example.com"));
    let attempt = async |email: Option<Email>, password: &str, tenant_id| {
        let (password, factor, user_agent) = (Secret::new(password), None, None);
        bench
            .control
            .sign_in(SignIn { email, password, tenant_id, factor, user_agent }, &Origin::default())
            .await
    };
    let attempts = [
        (known.clone(), "wrong-password-77", None),
        (Some(email("nobody@example.com")), PASSWORD, None),
        (None, PASSWORD, None),
        (known.clone(), PASSWORD, Some(other)),
    ];
    for (address, password, tenant) in attempts {
        let before = bench.control.passwords_compared();
        let refused = attempt(address, password, tenant).await.unwrap_err();
        assert!(matches!(refused, Refused::WrongCredentials), "{refused:?}");
        assert_eq!(bench.control.passwords_compared() - before, 1, "the same work");
    }
    assert!(attempt(known, PASSWORD, Some(own)).await.is_ok());
}

/// What concerns them is told to all of these tenants' logs.
#[tokio::test]
async fn whoever_owns_a_hundred_tenants_makes_no_more() {
    let bench = Bench::new().await;
    let (Bearer::Person(signed_in), _) = bench.signed_in(Role::Owner).await else { unreachable!() };
    let found = async || {
        let (name, label) = ("Next".parse().unwrap(), KeyLabel::default());
        bench.control.create_tenant(&signed_in, name, label, &Origin::default()).await
    };
    for _ in 1..Tenant::MOST_OWNED {
        found().await.unwrap();
    }
    let refused = found().await;
    assert!(matches!(refused, Err(Refused::Conflict(Conflict::TooManyTenants))), "{refused:?}");
    assert_eq!(bench.number("SELECT count(*) FROM tenants"), 100);
    bench.run_sql("UPDATE memberships SET role = 'admin' WHERE tenant_id = (SELECT min(id) FROM tenants)");
    found().await.unwrap();
}

#[tokio::test]
async fn a_token_ends_after_its_hour() {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    let token = bench.sign_in("owner-1@example.com", PASSWORD, None).await.unwrap().access;
    assert!(bench.control.check_token(token.0.expose()).is_ok());
    bench.turn(i64::try_from(TOKEN_LIFETIME.as_secs()).unwrap() + 60);
    assert_eq!(bench.control.check_token(token.0.expose()), Err(TokenRefused::Expired));
}
