//! Being told what is left, while the authority does not answer.

use std::time::Duration;

use keystile_core::quota::Origin;
use keystile_verify::{LEASE_TIMEOUT, ROOM_TIMEOUT};

use crate::quotas::{money, terms, with_a_dollar};
use crate::source::Mood;

#[tokio::test(start_paused = true)]
async fn who_is_only_told_what_is_left_waits_little_and_not_again_for_a_second() {
    let world = with_a_dollar();
    let key = world.key(0).await;
    world.budgets.become_so(Mood::Hanging);
    for (turned, waits) in [(0, ROOM_TIMEOUT), (0, Duration::ZERO), (999, Duration::ZERO), (1, ROOM_TIMEOUT)]
    {
        world.clock.turn(Duration::from_millis(turned));
        let began = tokio::time::Instant::now();
        world.verifier.room(&key).await.unwrap_err();
        let waited = began.elapsed();
        assert!((waits..waits + Duration::from_millis(10)).contains(&waited), "{turned}: {waited:?}");
    }
    let began = tokio::time::Instant::now();
    world.verifier.reserve(&key, &money(1), terms(Origin::Gateway)).await.unwrap_err();
    assert!(began.elapsed() >= LEASE_TIMEOUT, "whoever needs it waits all the same");
    let began = tokio::time::Instant::now();
    world.verifier.room(&key).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::ZERO, "a refusal that was waited for is not waited for twice");
    assert!(world.verify(0).await.is_allowed(), "the decision does not hang on it");
}
