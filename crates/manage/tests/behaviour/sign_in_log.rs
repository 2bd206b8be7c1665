//! What the audit logs are told of signing in: a person's sign-ins and what was tried in their name, in every tenant that
//! they are in.

use keystile_core::{Action, Actor, Email, Role, Secret, TenantId};
use keystile_manage::{Bearer, Origin, Refused, ShownFactor, SignIn};
use keystile_testkit::authenticator;
use serde_json::{Value, json};

use crate::bench::{Bench, OWNER, PASSWORD, draft, held, origin};

const WRONG: &str = "wrong-otter-41-lamp";

/// A person who owns the first tenant and views the second.
struct InTwo {
    bench: Bench,
    tenants: [TenantId; 2],
}

impl InTwo {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let (bearer, first) = bench.signed_in(Role::Owner).await;
        let (_, second) = bench.signed_in(Role::Owner).await;
        let Bearer::Person(signed_in) = bearer else { panic!("no person") };
        bench.join(signed_in.person_id(), second, Role::Viewer);
        Self { bench, tenants: [first, second] }
    }

    /// What both logs were told with this action, oldest first.
    async fn told(&self, action: Action) -> Vec<Value> {
        let [first, second] = self.tenants;
        let told = async |tenant_id| -> Vec<Value> {
            let log = self.bench.whole_log(tenant_id).await.into_iter().rev();
            log.filter(|entry| entry.action == action && entry.ip == origin().ip)
                .map(|entry| entry.changes)
                .collect()
        };
        let (own, other) = (told(first).await, told(second).await);
        assert_eq!(own.len(), other.len(), "{action}");
        own
    }

    async fn fails(&self, password: &str, factor: Option<ShownFactor>) {
        let refused = self.bench.sign_in(OWNER, password, factor).await;
        assert!(matches!(refused, Err(Refused::WrongCredentials)), "{refused:?}");
    }

    /// Tries to sign in to a tenant of others, with the right password.
    async fn asks_for(&self, foreign: TenantId, factor: Option<ShownFactor>) {
        let attempt = SignIn {
            email: Some(OWNER.parse::<Email>().unwrap()),
            password: Secret::new(PASSWORD),
            tenant_id: Some(foreign),
            factor,
            user_agent: None,
        };
        let outcome = self.bench.control.sign_in(attempt, &origin()).await;
        assert!(matches!(outcome, Err(Refused::WrongCredentials)), "{outcome:?}");
    }

    /// Gives the person a second factor, and the secret of it.
    async fn enrol(&self) -> Secret {
        let present = self.bench.arrive(&self.bench.owner().await).await.unwrap();
        let secret = self.bench.control.enrol_totp(&present, Secret::new(PASSWORD)).await.unwrap().secret;
        self.bench.control.confirm_totp(&present, &self.code(&secret)).await.unwrap();
        self.bench.turn(60);
        secret
    }

    fn code(&self, secret: &Secret) -> Secret {
        let now = self.bench.control.present().as_seconds();
        Secret::new(authenticator::code(secret.expose(), now))
    }
}

fn refused(reasons: &[&str]) -> Vec<Value> {
    reasons.iter().map(|reason| json!({ "reason": reason })).collect()
}

#[tokio::test]
async fn every_tenant_of_a_person_learns_of_failures_and_why() {
    let person = InTwo::new().await;
    person.fails(WRONG, None).await;
    let secret = person.enrol().await;
    person.fails(PASSWORD, Some(ShownFactor::Code(Secret::new("000000")))).await;
    let spent = person.code(&secret);
    let shown = || Some(ShownFactor::Code(Secret::new(spent.expose())));
    person.bench.sign_in(OWNER, PASSWORD, shown()).await.unwrap();
    person.fails(PASSWORD, shown()).await;
    person.bench.control.disable_person(&OWNER.parse().unwrap()).await.unwrap();
    person.fails(PASSWORD, None).await;
    let expected = refused(&["wrong_password", "wrong_code", "overtaken", "disabled"]);
    assert_eq!(person.told(Action::SessionRefuse).await, expected);
}

/// Else it would look as if nobody had tried on, or whoever knows an address could fill the log.
#[tokio::test]
async fn a_pause_in_which_somebody_tries_is_told_of_once() {
    let person = InTwo::new().await;
    for _ in 0..15 {
        person.fails(WRONG, None).await;
    }
    let mut expected = refused(&["wrong_password"; 10]);
    expected.extend(refused(&["paused"]));
    assert_eq!(person.told(Action::SessionRefuse).await, expected);
    person.bench.turn(10);
    for _ in 0..3 {
        person.fails(WRONG, None).await;
    }
    person.fails(PASSWORD, None).await;
    expected.extend(refused(&["wrong_password", "paused"]));
    assert_eq!(person.told(Action::SessionRefuse).await, expected);
}

#[tokio::test]
async fn a_right_password_without_the_second_factor_is_told_of() {
    let person = InTwo::new().await;
    person.enrol().await;
    for _ in 0..3 {
        let missing = person.bench.sign_in(OWNER, PASSWORD, None).await;
        assert!(matches!(missing, Err(Refused::SecondFactorMissing)), "{missing:?}");
    }
    assert_eq!(person.told(Action::SessionChallenge).await.len(), 1, "once a minute");
    person.bench.turn(60);
    assert!(person.bench.sign_in(OWNER, PASSWORD, None).await.is_err());
    assert_eq!(person.told(Action::SessionChallenge).await.len(), 2);
    assert_eq!(person.told(Action::SessionRefuse).await, refused(&[]));
}

#[tokio::test]
async fn the_right_password_for_a_tenant_of_others_is_told_to_ones_own() {
    let person = InTwo::new().await;
    let (_, foreign) = person.bench.signed_in(Role::Owner).await;
    for _ in 0..3 {
        person.asks_for(foreign, None).await;
    }
    assert_eq!(person.told(Action::SessionRefuse).await, refused(&["no_member"]), "once a minute");
    person.bench.turn(60);
    person.asks_for(foreign, None).await;
    assert_eq!(person.told(Action::SessionRefuse).await, refused(&["no_member"; 2]));
    let theirs = person.bench.whole_log(foreign).await;
    assert!(theirs.iter().all(|entry| entry.action != Action::SessionRefuse));
}

/// Else whoever has the password alone could fill the log, and it would look as if they had all that is needed.
#[tokio::test]
async fn a_wrong_recovery_code_counts_whichever_tenant_is_asked_for() {
    let person = InTwo::new().await;
    let (_, foreign) = person.bench.signed_in(Role::Owner).await;
    person.enrol().await;
    for _ in 0..12 {
        person.asks_for(foreign, Some(ShownFactor::RecoveryCode(Secret::new("x")))).await;
    }
    let mut expected = refused(&["wrong_code"; 10]);
    expected.extend(refused(&["paused"]));
    assert_eq!(person.told(Action::SessionRefuse).await, expected);
}

/// Whoever uses a session may use it in all of its person's tenants.
#[tokio::test]
async fn every_tenant_of_a_person_learns_of_sessions_passwords_and_factors() {
    let person = InTwo::new().await;
    let before = person.bench.whole_log(person.tenants[1]).await.len();
    let secret = person.enrol().await;
    let present = {
        let shown = Some(ShownFactor::Code(person.code(&secret)));
        person.bench.arrive(&person.bench.sign_in(OWNER, PASSWORD, shown).await.unwrap()).await.unwrap()
    };
    person.bench.turn(30);
    let control = &person.bench.control;
    let shown = Some(ShownFactor::Code(person.code(&secret)));
    control.remove_totp(&present, Secret::new(PASSWORD), shown).await.unwrap();
    let new = Secret::new("amber-walrus-77-kite");
    control.change_password(&present, Secret::new(PASSWORD), new).await.unwrap();
    control.end_session(&present, present.session().id).await.unwrap();
    let log = person.bench.whole_log(person.tenants[1]).await;
    let mut actions: Vec<_> = log.iter().map(|entry| entry.action).collect();
    actions.truncate(actions.len() - before);
    use Action::{PasswordChange, SessionEnd, SessionStart, TotpConfirm, TotpRemove};
    assert_eq!(actions, [SessionEnd, PasswordChange, TotpRemove, SessionStart, TotpConfirm, SessionStart]);
}

#[tokio::test]
async fn the_exchange_of_a_key_is_told_of_with_its_address() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let key = bench.control.create_key(&owner, draft("Application")).await.unwrap().value.key;
    bench.control.exchange_key(held(&key), &origin()).await.unwrap();
    let last = bench.log(&owner).await.remove(0);
    assert_eq!((last.action, last.actor), (Action::KeyExchange, Actor::Key(key.id)));
    assert_eq!((last.target, last.ip), (key.id.to_string(), origin().ip));
    let exchanges =
        async || bench.log(&owner).await.iter().filter(|e| e.action == Action::KeyExchange).count();
    for _ in 0..3 {
        bench.control.exchange_key(held(&key), &origin()).await.unwrap();
    }
    assert_eq!(exchanges().await, 1, "once a minute");
    bench.turn(60);
    bench.control.exchange_key(held(&key), &origin()).await.unwrap();
    assert_eq!(exchanges().await, 2);
    bench
        .control
        .regenerate_key(&owner, key.id, None, keystile_manage::VersionGuard(None))
        .await
        .map(drop)
        .unwrap();
    assert!(bench.control.exchange_key(held(&key), &Origin::default()).await.is_err());
    assert_eq!(bench.log(&owner).await[0].action, Action::KeyRegenerate, "nothing of what was refused");
}
