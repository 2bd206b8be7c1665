//! A second factor, from enrolling to removing it.

use keystile_core::{Clock, Digest, Role, Secret};
use keystile_manage::{Asked, Bearer, Conflict, Origin, Present, Refused, Repeated, ShownFactor};
use keystile_testkit::authenticator;

use crate::bench::{Bench, OWNER, PASSWORD};

/// A person who has confirmed a second factor.
struct Enrolled {
    bench: Bench,
    present: Present,
    secret: String,
    recovery_codes: Vec<Secret>,
}

fn code(bench: &Bench, secret: &str) -> Secret {
    Secret::new(authenticator::code(secret, bench.clock.now().as_seconds()))
}

impl Enrolled {
    async fn new() -> Self {
        let bench = Bench::new().await;
        bench.signed_in(Role::Owner).await;
        let present = bench.arrive(&bench.owner().await).await.unwrap();
        let secret = bench
            .control
            .enrol_totp(&present, Secret::new(PASSWORD))
            .await
            .unwrap()
            .secret
            .expose()
            .to_owned();
        let recovery_codes = bench.control.confirm_totp(&present, &code(&bench, &secret)).await.unwrap();
        bench.turn(30);
        Self { bench, present, secret, recovery_codes }
    }

    fn code(&self) -> Option<ShownFactor> {
        Some(ShownFactor::Code(code(&self.bench, &self.secret)))
    }

    fn recovery(&self, number: usize) -> Option<ShownFactor> {
        Some(ShownFactor::RecoveryCode(Secret::new(self.recovery_codes[number].expose())))
    }

    async fn sign_in(&self, factor: Option<ShownFactor>) -> Result<bool, Refused> {
        let tokens = self.bench.sign_in(OWNER, PASSWORD, factor).await?;
        Ok(self.bench.arrive(&tokens).await?.session().second_factor)
    }
}

fn is_wrong<T: std::fmt::Debug>(result: &Result<T, Refused>) {
    assert!(matches!(result, Err(Refused::WrongCredentials)), "{result:?}");
}

#[tokio::test]
async fn signing_in_takes_a_code_which_works_once() {
    let person = Enrolled::new().await;
    let missing = person.sign_in(None).await;
    assert!(matches!(missing, Err(Refused::SecondFactorMissing)), "{missing:?}");
    is_wrong(&person.bench.sign_in(OWNER, "wrong-otter-41-lamp", person.code()).await);
    is_wrong(&person.sign_in(Some(ShownFactor::Code(Secret::new("000000")))).await);
    assert!(person.sign_in(person.code()).await.unwrap());
    is_wrong(&person.sign_in(person.code()).await);
    person.bench.turn(30);
    assert!(person.sign_in(person.code()).await.unwrap());
}

#[tokio::test]
async fn of_many_at_once_one_signs_in_with_a_code() {
    let person = std::sync::Arc::new(Enrolled::new().await);
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let person = std::sync::Arc::clone(&person);
            tokio::spawn(async move { person.sign_in(person.code()).await.is_ok() })
        })
        .collect();
    let mut succeeded = 0;
    for attempt in attempts {
        succeeded += usize::from(attempt.await.unwrap());
    }
    assert_eq!(succeeded, 1);
}

#[tokio::test]
async fn each_recovery_code_works_once() {
    let person = Enrolled::new().await;
    assert_eq!(person.recovery_codes.len(), 10);
    assert!(person.sign_in(person.recovery(0)).await.unwrap());
    is_wrong(&person.sign_in(person.recovery(0)).await);
    let shouted = person.recovery_codes[9].expose().to_uppercase().replace('-', " ");
    assert!(person.sign_in(Some(ShownFactor::RecoveryCode(Secret::new(shouted)))).await.unwrap());
}

#[tokio::test]
async fn a_secret_is_not_asked_for_before_it_is_confirmed() {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    let present = bench.arrive(&bench.owner().await).await.unwrap();
    let early = bench.control.confirm_totp(&present, &Secret::new("000000")).await;
    assert!(matches!(early, Err(Refused::NotFound(_))), "{early:?}");
    let first =
        bench.control.enrol_totp(&present, Secret::new(PASSWORD)).await.unwrap().secret.expose().to_owned();
    let second = bench.control.enrol_totp(&present, Secret::new(PASSWORD)).await.unwrap();
    assert!(second.uri.expose().contains(second.secret.expose()));
    bench.owner().await;
    let replaced = bench.control.confirm_totp(&present, &code(&bench, &first)).await;
    assert!(matches!(replaced, Err(Refused::Invalid(broken)) if broken[0].field == "code"));
    let right = code(&bench, second.secret.expose());
    bench.control.confirm_totp(&present, &right).await.unwrap();
    let again = bench.control.enrol_totp(&present, Secret::new(PASSWORD)).await;
    assert!(matches!(again, Err(Refused::Conflict(Conflict::SecondFactor))), "{again:?}");
}

#[tokio::test]
async fn a_session_without_the_password_enrols_nothing_and_its_attempts_are_counted() {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    let present = bench.arrive(&bench.owner().await).await.unwrap();
    for _ in 0..10 {
        is_wrong(&bench.control.enrol_totp(&present, Secret::new("wrong-otter-41-lamp")).await);
    }
    is_wrong(&bench.control.enrol_totp(&present, Secret::new(PASSWORD)).await);
    assert_eq!(bench.number("SELECT count(*) FROM second_factors"), 0);
}

/// An attempt in vain is counted, which is not what was asked for.
#[tokio::test]
async fn a_wrong_password_does_not_pass_for_a_request_that_was_carried_out() {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    let present = bench.arrive(&bench.owner().await).await.unwrap();
    let asked =
        Asked { key: Secret::new("once"), path: "/auth/totp".to_owned(), body: Digest::of(b"password") };
    let Repeated::Not(attempt) = bench.control.begin(present.asker(), &asked).await.unwrap() else { return };
    let control = bench.control.within(&attempt);
    is_wrong(&control.enrol_totp(&present, Secret::new("wrong-otter-41-lamp")).await);
    assert_eq!(bench.number("SELECT failed_sign_ins FROM persons"), 1);
    // The attempt is lost on its way, and taken over.
    bench.turn(61);
    let again = bench.control.begin(present.asker(), &asked).await;
    assert!(matches!(again, Ok(Repeated::Not(_))), "{again:?}");
}

#[tokio::test]
async fn removing_it_takes_the_password_and_the_factor() {
    let person = Enrolled::new().await;
    let remove = async |password: &str, shown| {
        person.bench.control.remove_totp(&person.present, Secret::new(password), shown).await
    };
    is_wrong(&remove("wrong-otter-41-lamp", person.code()).await);
    let missing = remove(PASSWORD, None).await;
    assert!(matches!(missing, Err(Refused::SecondFactorMissing)), "{missing:?}");
    is_wrong(&remove(PASSWORD, Some(ShownFactor::Code(Secret::new("000000")))).await);
    remove(PASSWORD, person.code()).await.unwrap();
    assert!(!person.sign_in(None).await.unwrap());
    let gone = remove(PASSWORD, None).await;
    assert!(matches!(gone, Err(Refused::NotFound(_))), "{gone:?}");
}

#[tokio::test]
async fn the_operator_removes_a_factor_that_was_lost() {
    let person = Enrolled::new().await;
    let email = OWNER.parse().unwrap();
    assert!(person.bench.control.remove_factor_as_operator(&email).await.unwrap());
    assert!(!person.bench.control.remove_factor_as_operator(&email).await.unwrap());
    assert!(!person.sign_in(None).await.unwrap());
}

#[tokio::test]
async fn a_tenant_that_wants_a_second_factor_is_entered_with_one_only() {
    let bench = Bench::new().await;
    let (bearer, tenant_id) = bench.signed_in(Role::Owner).await;
    bench.run_sql("UPDATE tenants SET mfa_required = 1");
    let enter = async |bearer: &Bearer| bench.control.enter(bearer, tenant_id, Origin::default()).await;
    let refused = enter(&bearer).await;
    assert!(matches!(refused, Err(Refused::SecondFactorRequired)), "{refused:?}");
    let Bearer::Person(signed_in) = bearer else { return };
    let arrive = async || bench.control.arrive(&signed_in, Origin::default()).await.unwrap();
    let present = arrive().await;
    assert!(bench.control.tenants(&present).await.unwrap().is_empty(), "its settings are not shown either");
    let secret = bench.control.enrol_totp(&present, Secret::new(PASSWORD)).await.unwrap().secret;
    bench.control.confirm_totp(&present, &code(&bench, secret.expose())).await.unwrap();
    enter(&bearer).await.unwrap();
    assert_eq!(bench.control.tenants(&arrive().await).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_database_holds_neither_secret_nor_codes() {
    let person = Enrolled::new().await;
    let length = person.bench.number("SELECT length(sealed) FROM second_factors");
    assert_eq!(length, 12 + 20 + 16, "nonce, ciphertext and tag");
    let other = keystile_manage::Vault::from_key(&[8; 32]).unwrap();
    let used = person.bench.store.sealing_keys().await.unwrap();
    assert!(used.len() == 1 && used[0] != other.fingerprint());
}
