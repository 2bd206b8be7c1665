//! What ends a session, and what is left in the log.

use keystile_core::{Action, Role, Secret};
use keystile_manage::{Bearer, Origin, Refused, SignIn, Tokens};

use crate::bench::{Bench, OWNER, PASSWORD, origin};

const DAY: i64 = 24 * 60 * 60;

fn has_ended<T>(result: &Result<T, Refused>) -> bool {
    matches!(result, Err(Refused::SessionEnded))
}

async fn refresh(bench: &Bench, tokens: &Tokens) -> Result<Tokens, Refused> {
    bench.control.refresh(&tokens.refresh, &origin()).await
}

async fn in_browser(bench: &Bench) -> Secret {
    let attempt = SignIn {
        email: OWNER.parse().ok(),
        password: Secret::new(PASSWORD),
        tenant_id: None,
        factor: None,
        user_agent: None,
    };
    bench.control.sign_in_browser(attempt, &origin()).await.unwrap()
}

async fn with_owner() -> (Bench, Tokens) {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    let tokens = bench.owner().await;
    (bench, tokens)
}

#[tokio::test]
async fn a_session_that_is_left_alone_ends_after_two_weeks() {
    let (bench, tokens) = with_owner().await;
    bench.turn(14 * DAY - 1);
    let next = refresh(&bench, &tokens).await.unwrap();
    bench.turn(14 * DAY);
    assert!(has_ended(&refresh(&bench, &next).await));
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_however_often_it_is_refreshed() {
    let (bench, mut tokens) = with_owner().await;
    for _ in 0..3 {
        bench.turn(9 * DAY);
        tokens = refresh(&bench, &tokens).await.unwrap();
    }
    bench.turn(3 * DAY);
    assert!(has_ended(&refresh(&bench, &tokens).await));
}

#[tokio::test]
async fn signing_in_sweeps_what_is_over() {
    let (bench, _) = with_owner().await;
    bench.turn(30 * DAY);
    let tokens = bench.owner().await;
    refresh(&bench, &tokens).await.unwrap();
    let count = |table: &str| bench.number(&format!("SELECT count(*) FROM {table}"));
    assert_eq!((count("sessions"), count("refresh_tokens")), (1, 2));
}

#[tokio::test]
async fn the_hundred_and_first_session_ends_the_one_refreshed_longest_ago() {
    let (bench, first) = with_owner().await;
    bench.turn(1);
    let first = refresh(&bench, &first).await.unwrap();
    for _ in 0..99 {
        bench.owner().await;
    }
    let present = bench.arrive(&first).await.unwrap();
    assert_eq!(bench.control.sessions(&present).await.unwrap().len(), 100);
    bench.turn(1);
    bench.owner().await;
    assert_eq!(
        bench.control.sessions(&bench.arrive(&bench.owner().await).await.unwrap()).await.unwrap().len(),
        100
    );
}

#[tokio::test]
async fn a_disabled_person_can_do_nothing_from_the_next_request_on() {
    let bench = Bench::new().await;
    let (bearer, tenant_id) = bench.signed_in(Role::Owner).await;
    let tokens = bench.owner().await;
    let email = OWNER.parse().unwrap();
    assert!(bench.control.disable_person(&email).await.unwrap());
    assert!(!bench.control.disable_person(&email).await.unwrap(), "once is enough");
    assert!(has_ended(&bench.control.enter(&bearer, tenant_id, Origin::default()).await));
    assert!(has_ended(&bench.arrive(&tokens).await));
    assert!(has_ended(&refresh(&bench, &tokens).await));
    let refused = bench.sign_in(OWNER, PASSWORD, None).await;
    assert!(matches!(refused, Err(Refused::WrongCredentials)));
    assert!(bench.control.enable_person(&email).await.unwrap());
    assert!(has_ended(&bench.arrive(&tokens).await), "what has ended stays so");
    bench.owner().await;
    let nobody = bench.control.disable_person(&"nobody@example.com".parse().unwrap()).await;
    assert!(matches!(nobody, Err(Refused::NotFound("person"))));
}

#[tokio::test]
async fn a_token_of_another_persons_session_is_no_session() {
    let bench = Bench::new().await;
    let (Bearer::Person(one), _) = bench.signed_in(Role::Owner).await else { return };
    let (Bearer::Person(other), _) = bench.signed_in(Role::Owner).await else { return };
    let present = bench.control.arrive(&one, origin()).await.unwrap();
    let theirs = bench.control.arrive(&other, origin()).await.unwrap().session().id;
    let refused = bench.control.end_session(&present, theirs).await;
    assert!(matches!(refused, Err(Refused::NotFound("session"))));
    assert!(bench.control.arrive(&other, origin()).await.is_ok());
}

#[tokio::test]
async fn all_sessions_but_the_one_that_asks_are_ended_at_once() {
    let bench = Bench::new().await;
    let (_, tenant_id) = bench.signed_in(Role::Owner).await;
    let (first, second, third) = (bench.owner().await, bench.owner().await, bench.owner().await);
    let present = bench.arrive(&second).await.unwrap();
    bench.control.end_other_sessions(&present).await.unwrap();
    for ended in [&first, &third] {
        assert!(has_ended(&bench.arrive(ended).await) && has_ended(&refresh(&bench, ended).await));
    }
    let left = bench.control.sessions(&bench.arrive(&second).await.unwrap()).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [present.session().id]);
    let log = bench.whole_log(tenant_id).await;
    let told = log.iter().find(|entry| entry.action == Action::SessionEnd).unwrap();
    assert_eq!(told.changes["all_but"], present.session().id.to_string());
}

#[tokio::test]
async fn what_happens_to_a_session_stands_in_the_log_of_its_tenant() {
    let bench = Bench::new().await;
    let (_, tenant_id) = bench.signed_in(Role::Owner).await;
    let first = bench.owner().await;
    bench.turn(1);
    let second = refresh(&bench, &first).await.unwrap();
    assert!(has_ended(&refresh(&bench, &first).await));
    assert!(has_ended(&refresh(&bench, &first).await));
    assert!(has_ended(&refresh(&bench, &second).await));
    bench.turn(1);
    let present = bench.arrive(&bench.owner().await).await.unwrap();
    bench.turn(1);
    bench.control.end_session(&present, present.session().id).await.unwrap();
    let actions: Vec<_> = bench.whole_log(tenant_id).await.iter().map(|entry| entry.action).collect();
    use Action::{SessionEnd, SessionReuse, SessionStart};
    assert_eq!(actions, [SessionEnd, SessionStart, SessionReuse, SessionStart, SessionStart]);
}

/// What is stolen of a program must be exchanged, which its owner notices; in a cookie it would be used in silence.
#[tokio::test]
async fn a_program_s_token_carries_on_no_browser_and_a_browser_s_is_never_exchanged() {
    let (bench, of_program) = with_owner().await;
    assert!(has_ended(&bench.control.carry_on(&of_program.refresh, origin()).await));
    let of_browser = in_browser(&bench).await;
    let present = bench.control.carry_on(&of_browser, origin()).await.unwrap();
    let exchanged = bench.control.refresh(&of_browser, &origin()).await;
    assert!(matches!(exchanged, Err(Refused::RefreshToken)), "{exchanged:?}");
    let again = bench.control.carry_on(&of_browser, origin()).await.unwrap();
    assert_eq!(again.signed_in(), present.signed_in(), "it is shown each time");
}

#[tokio::test]
async fn a_browser_s_session_lasts_as_long_as_it_is_used() {
    let (bench, _) = with_owner().await;
    let token = in_browser(&bench).await;
    for _ in 0..2 {
        bench.turn(13 * DAY);
        bench.control.carry_on(&token, origin()).await.unwrap();
    }
    bench.turn(4 * DAY);
    assert!(has_ended(&bench.control.carry_on(&token, origin()).await), "thirty days are the most");
}

/// A page reads once whose session it is, and what that opens.
#[tokio::test]
async fn a_browser_enters_its_person_s_tenants_only_and_with_what_they_demand() {
    let (bench, _) = with_owner().await;
    let token = in_browser(&bench).await;
    let present = bench.control.carry_on(&token, origin()).await.unwrap();
    let (own, _) = bench.control.all_tenants(&present).await.unwrap().remove(0);
    let (_, foreign) = bench.signed_in(Role::Owner).await;
    let enters = async |tenant_id| {
        let (entered, caller) = bench.control.carry_on_in(&token, tenant_id, origin()).await?;
        assert_eq!(entered.signed_in(), present.signed_in());
        caller
    };
    let caller = enters(own.id).await.unwrap();
    assert_eq!((caller.tenant_id(), caller.role()), (own.id, Some(Role::Owner)));
    assert!(matches!(enters(foreign).await, Err(Refused::NotFound("tenant"))));
    bench.run_sql("UPDATE tenants SET mfa_required = 1");
    assert!(matches!(enters(own.id).await, Err(Refused::SecondFactorRequired)));
    bench.run_sql(&format!("UPDATE persons SET disabled_at = 1 WHERE id = '{}'", present.person().id));
    assert!(has_ended(&enters(own.id).await) && has_ended(&bench.control.carry_on(&token, origin()).await));
}
