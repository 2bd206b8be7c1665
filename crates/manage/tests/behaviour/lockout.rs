//! Attempts to sign in, in vain.

use keystile_core::Role;
use keystile_manage::{Refused, Tokens};

use crate::bench::{Bench, OWNER, PASSWORD};

const WRONG: &str = "wrong-otter-41-lamp";

fn is_refused(attempt: &Result<Tokens, Refused>) -> bool {
    matches!(attempt, Err(Refused::WrongCredentials))
}

async fn fail(bench: &Bench, times: usize) {
    for _ in 0..times {
        assert!(is_refused(&bench.sign_in(OWNER, WRONG, None).await));
    }
}

#[tokio::test]
async fn from_the_tenth_failure_on_a_pause_follows_that_grows() {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    fail(&bench, 9).await;
    bench.sign_in(OWNER, PASSWORD, None).await.unwrap();
    fail(&bench, 10).await;
    assert!(is_refused(&bench.sign_in(OWNER, PASSWORD, None).await), "the pause has begun");
    bench.turn(9);
    assert!(is_refused(&bench.sign_in(OWNER, PASSWORD, None).await));
    bench.turn(1);
    fail(&bench, 1).await;
    bench.turn(19);
    assert!(is_refused(&bench.sign_in(OWNER, PASSWORD, None).await), "the next pause is longer");
    bench.turn(1);
    bench.sign_in(OWNER, PASSWORD, None).await.unwrap();
    fail(&bench, 9).await;
    bench.sign_in(OWNER, PASSWORD, None).await.unwrap();
}

#[tokio::test]
async fn what_is_tried_in_a_pause_costs_the_same_and_does_not_count() {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    fail(&bench, 10).await;
    let before = bench.control.passwords_compared();
    fail(&bench, 5).await;
    assert_eq!(bench.control.passwords_compared() - before, 5);
    bench.turn(10);
    bench.sign_in(OWNER, PASSWORD, None).await.unwrap();
}

#[tokio::test]
async fn many_attempts_at_once_gain_nothing() {
    let bench = std::sync::Arc::new(Bench::new().await);
    bench.signed_in(Role::Owner).await;
    let attempts: Vec<_> = (0..30)
        .map(|_| {
            let bench = std::sync::Arc::clone(&bench);
            tokio::spawn(async move { bench.sign_in(OWNER, WRONG, None).await })
        })
        .collect();
    for attempt in attempts {
        assert!(is_refused(&attempt.await.unwrap()));
    }
    let counted = bench.number("SELECT failed_sign_ins FROM persons");
    assert_eq!(counted, 10, "those after the tenth fell into its pause");
    assert!(is_refused(&bench.sign_in(OWNER, PASSWORD, None).await));
}

#[tokio::test]
async fn the_hundredth_failure_locks_until_the_password_is_set_anew() {
    let bench = Bench::new().await;
    bench.signed_in(Role::Owner).await;
    bench.run_sql("UPDATE persons SET failed_sign_ins = 99");
    fail(&bench, 1).await;
    bench.turn(10 * 24 * 60 * 60);
    assert!(is_refused(&bench.sign_in(OWNER, PASSWORD, None).await));
    let offer = bench.control.offer_reset_as_operator(&OWNER.parse().unwrap()).await.unwrap();
    let (new, origin) = (keystile_core::Secret::new("amber-walrus-77-kite"), crate::bench::origin());
    bench.control.reset_password(&offer.token, new, &origin).await.unwrap();
    bench.sign_in(OWNER, "amber-walrus-77-kite", None).await.unwrap();
}
