//! Tokens a minute: a hundred, and many who want them.

use std::time::{Duration, Instant};

use keystile_mock::Billed;
use serde_json::json;

use super::world::{Llm, assert_error, until_refused};

/// What a limit of so many tokens a minute lets through in a time, at most: all of it at once, and what came back since.
fn bound(limit: u64, took: Duration) -> u64 {
    limit + u64::try_from(took.as_millis()).unwrap() * limit / 60_000 + 1
}

fn tokens(bills: &[Billed]) -> u64 {
    let of = |billed: &Billed| {
        billed.usage.input + billed.usage.cached_input + billed.usage.cache_write + billed.usage.output
    };
    bills.iter().map(of).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_100_tpm_key_with_50_concurrent_calls_never_gets_more_than_its_limit_gives() {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    let key = llm.key(&json!({ "tpm_limit": 100 })).await;
    let started = Instant::now();
    for _ in 0..3 {
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let key = key.clone();
                tokio::spawn(async move { key.chat("mock", &json!({ "max_tokens": 8 })).await })
            })
            .collect();
        for call in calls {
            let answer = call.await.unwrap();
            if answer.status != 200 {
                assert_error(&answer, 429, "tokens", "rate_limit_exceeded");
            }
        }
    }
    let used = tokens(&llm.bills().await);
    let most = bound(100, started.elapsed());
    assert!((12..=most).contains(&used), "{used} tokens were used, {most} at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_tpm_keys_first_reasonable_request_passes_and_is_told_that_it_is_clamped() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+tokens=500").await;
    let key = llm.key(&json!({ "tpm_limit": 100 })).await;
    let answer = key.chat("mock", &json!({})).await;
    let cap: u64 = answer.header("x-keystile-output-clamped").parse().unwrap();
    let told = answer.expect(200);
    assert!((1..100).contains(&cap), "{cap}");
    assert_eq!(told["usage"]["completion_tokens"], cap);
    assert_eq!(told["choices"][0]["finish_reason"], "length");
    // What the upstream was asked for is what the client was told.
    let asked = llm.mock.asked()[0].json();
    let most = asked["max_tokens"].as_u64().or_else(|| asked["max_completion_tokens"].as_u64());
    assert_eq!(most, Some(cap));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_larger_than_the_whole_limit_is_told_that_it_never_fits() {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    let key = llm.key(&json!({ "tpm_limit": 100 })).await;
    let long = json!([{ "role": "user", "content": "Why? ".repeat(400) }]);
    let refused = key.chat("mock", &json!({ "messages": long })).await;
    assert_error(&refused, 400, "invalid_request_error", "request_too_large_for_limit");
    assert!(llm.mock.asked().is_empty());
    // Nothing was used up by that.
    key.chat("mock", &json!({ "max_tokens": 8 })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_tokens_tells_limit_used_and_requested_and_when_to_come_back() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+tokens=60").await;
    let key = llm.key(&json!({ "tpm_limit": 100 })).await;
    let (served, refused) = until_refused(&key, "mock", &json!({ "max_tokens": 60 })).await;
    assert!(served > 0);
    assert_error(&refused, 429, "tokens", "rate_limit_exceeded");
    let message = refused.json["error"]["message"].as_str().unwrap();
    assert!(["100", "used", "requested"].iter().all(|word| message.contains(word)), "{message}");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    let millis: u64 = refused.header("retry-after-ms").parse().unwrap();
    assert!((1..=60).contains(&wait) && millis.div_ceil(1_000) == wait, "{wait} {millis}");
    assert_eq!(refused.header("x-ratelimit-limit-tokens"), "100");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reserved_and_not_used_comes_back() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+tokens=2").await;
    let key = llm.key(&json!({ "tpm_limit": 100 })).await;
    // Each reserves four fifths of the limit and uses some seven tokens.
    for _ in 0..3 {
        key.chat("mock", &json!({ "max_tokens": 40 })).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_tokens_changed_in_mid_window_keeps_what_was_used() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+tokens=120").await;
    let key = llm.key(&json!({ "tpm_limit": 200 })).await;
    let started = Instant::now();
    key.chat("mock", &json!({ "max_tokens": 120 })).await.expect(200);
    llm.change(&key, &json!({ "tpm_limit": 150 })).await;
    key.chat("mock", &json!({ "max_tokens": 120 })).await;
    let (used, most) = (tokens(&llm.bills().await), bound(200, started.elapsed()) - 50);
    assert!(used <= most, "{used} tokens were used, {most} at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_of_tokens_outlives_a_restart() {
    let mut llm = Llm::start().await;
    llm.model("mock", "mock+tokens=80").await;
    let (key, ask) = (llm.key(&json!({ "tpm_limit": 100 })).await, json!({ "max_tokens": 80 }));
    let started = Instant::now();
    until_refused(&key, "mock", &ask).await;
    llm.world.server.stop();
    llm.world.start_again();
    until_refused(&key.at(&llm.world.http), "mock", &ask).await;
    let (used, most) = (tokens(&llm.bills().await), bound(100, started.elapsed()));
    assert!(used <= most, "{used} tokens were used, {most} at most");
}
