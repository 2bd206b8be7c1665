//! The first person: made by the operator, or by whoever holds the token that is made for it.

use keystile_core::{Action, Actor, Role, Secret};
use keystile_manage::{FirstOwner, Founded, Origin, Refused};

use crate::bench::{Bench, PASSWORD, origin};

const FIRST: &str = "first@example.com";

fn owner(address: &str) -> FirstOwner {
    FirstOwner {
        email: address.parse().unwrap(),
        password: Secret::new(PASSWORD),
        tenant_name: "Main".parse().unwrap(),
    }
}

async fn token(bench: &Bench) -> Secret {
    bench.control.offer_set_up().await.unwrap().unwrap()
}

async fn set_up(bench: &Bench, token: &Secret, address: &str) -> Result<Founded, Refused> {
    bench.control.set_up(token, owner(address), &origin()).await
}

/// Signs in as the one person there is, who has to own the tenant.
async fn is_owned_by(bench: &Bench, founded: &Founded, address: &str) {
    let tokens = bench.sign_in(address, PASSWORD, None).await.unwrap();
    assert_eq!(tokens.tenant_id, Some(founded.tenant.id));
    let signed_in = bench.control.check_token(tokens.access.0.expose()).unwrap();
    let caller = bench.control.enter(&signed_in, founded.tenant.id, Origin::default()).await.unwrap();
    assert_eq!(caller.role(), Some(Role::Owner));
    assert_eq!(bench.number("SELECT count(*) FROM persons"), 1);
    assert_eq!(bench.number("SELECT count(*) FROM tenants"), 1);
}

#[tokio::test]
async fn the_operator_sets_an_installation_up_once() {
    let bench = Bench::new().await;
    let set_up = async |address| bench.control.set_up_as_operator(owner(address)).await.unwrap();
    let founded = set_up(FIRST).await.unwrap();
    assert!(set_up("second@example.com").await.is_none());
    is_owned_by(&bench, &founded, "First@Example.com").await;
    let log = bench.whole_log(founded.tenant.id).await;
    assert!(log.iter().any(|entry| entry.action == Action::TenantCreate && entry.actor == Actor::System));
}

#[tokio::test]
async fn whoever_holds_the_token_makes_the_installation_theirs_once() {
    let bench = Bench::new().await;
    assert!(!bench.control.awaits_set_up());
    let token = token(&bench).await;
    assert!(bench.control.awaits_set_up());
    let founded = set_up(&bench, &token, FIRST).await.unwrap();
    assert!(!bench.control.awaits_set_up());
    let again = set_up(&bench, &token, "second@example.com").await;
    assert!(matches!(again, Err(Refused::SetUpAlready)), "{again:?}");
    assert!(bench.control.offer_set_up().await.unwrap().is_none(), "there is somebody");
    is_owned_by(&bench, &founded, FIRST).await;
    let log = bench.whole_log(founded.tenant.id).await;
    let made = log.iter().find(|entry| entry.action == Action::TenantCreate).unwrap();
    assert_eq!((made.actor, made.ip), (Actor::Person(founded.owner), origin().ip));
}

#[tokio::test]
async fn only_the_token_that_was_made_last_sets_up() {
    let bench = Bench::new().await;
    let nobodys = Secret::new("kssetup_0000");
    let refused = set_up(&bench, &nobodys, FIRST).await;
    assert!(matches!(refused, Err(Refused::SetUpAlready)), "none was offered: {refused:?}");
    let (earlier, token) = (token(&bench).await, token(&bench).await);
    assert_ne!(earlier.expose(), token.expose());
    for wrong in [&nobodys, &earlier] {
        let refused = set_up(&bench, wrong, FIRST).await;
        assert!(matches!(refused, Err(Refused::SetupToken)), "{refused:?}");
    }
    assert_eq!(bench.number("SELECT count(*) FROM persons"), 0);
    set_up(&bench, &token, FIRST).await.unwrap();
}

#[tokio::test]
async fn wrong_tokens_are_followed_by_pauses_that_keep_nobody_with_the_right_one_out() {
    let bench = Bench::new().await;
    let (token, wrong) = (token(&bench).await, Secret::new("kssetup_0000"));
    let is_wrong = async || matches!(set_up(&bench, &wrong, FIRST).await, Err(Refused::SetupToken));
    let pause = async || match set_up(&bench, &wrong, FIRST).await {
        Err(Refused::SetupPaused { seconds }) => seconds,
        other => panic!("it is looked at: {other:?}"),
    };
    for _ in 0..10 {
        assert!(is_wrong().await);
    }
    // What is refused makes no pause longer.
    assert_eq!([pause().await, pause().await], [10, 10]);
    bench.turn(9);
    assert_eq!(pause().await, 1);
    for longer in (20..=900).step_by(10).chain([900, 900]) {
        bench.turn(longer);
        assert!(is_wrong().await);
        assert_eq!(pause().await, longer.unsigned_abs());
    }
    assert_eq!(bench.number("SELECT count(*) FROM persons"), 0);
    set_up(&bench, &token, FIRST).await.unwrap();
}

#[tokio::test]
async fn a_new_token_is_not_paused_for_what_was_tried_before() {
    let bench = Bench::new().await;
    let (_earlier, wrong) = (token(&bench).await, Secret::new("kssetup_0000"));
    for _ in 0..20 {
        assert!(set_up(&bench, &wrong, FIRST).await.is_err());
    }
    let token = token(&bench).await;
    set_up(&bench, &token, FIRST).await.unwrap();
}

#[tokio::test]
async fn a_weak_password_sets_nothing_up_and_leaves_the_token() {
    let bench = Bench::new().await;
    let token = token(&bench).await;
    let weak = || FirstOwner { password: Secret::new("password1234"), ..owner(FIRST) };
    let by_token = bench.control.set_up(&token, weak(), &origin()).await;
    assert!(matches!(by_token, Err(Refused::Invalid(broken)) if broken[0].field == "password"));
    let by_operator = bench.control.set_up_as_operator(weak()).await;
    assert!(matches!(by_operator, Err(Refused::Invalid(broken)) if broken[0].field == "password"));
    assert_eq!(bench.number("SELECT count(*) FROM persons"), 0);
    set_up(&bench, &token, FIRST).await.unwrap();
}

#[tokio::test]
async fn of_many_who_hold_the_token_one_sets_up() {
    let bench = Bench::new().await;
    let token = token(&bench).await;
    let addresses: Vec<_> = (0..6).map(|number| format!("person-{number}@example.com")).collect();
    let attempts = addresses.iter().map(|address| {
        let (control, token, owner) = (bench.control.clone(), Secret::new(token.expose()), owner(address));
        tokio::spawn(async move { control.set_up(&token, owner, &origin()).await })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut founded = Vec::new();
    for (address, attempt) in addresses.iter().zip(attempts) {
        match attempt.await.unwrap() {
            Ok(done) => founded.push((address, done)),
            Err(refused) => assert!(matches!(refused, Refused::SetUpAlready), "{refused:?}"),
        }
    }
    let [(address, founded)] = &founded[..] else { panic!("{} were the first", founded.len()) };
    is_owned_by(&bench, founded, address).await;
}

/// The control plane of another process, or of this one after a restart.
#[tokio::test]
async fn a_token_ends_with_the_process_and_when_somebody_else_was_first() {
    let bench = Bench::new().await;
    let (token, other) = (token(&bench).await, bench.another_process());
    let refused = other.set_up(&token, owner(FIRST), &origin()).await;
    assert!(matches!(refused, Err(Refused::SetUpAlready)), "{refused:?}");
    let theirs = other.offer_set_up().await.unwrap().unwrap();
    let founded = other.set_up(&theirs, owner(FIRST), &origin()).await.unwrap();
    let late = set_up(&bench, &token, "second@example.com").await;
    assert!(matches!(late, Err(Refused::SetUpAlready)), "{late:?}");
    assert!(!bench.control.awaits_set_up());
    is_owned_by(&bench, &founded, FIRST).await;
}
