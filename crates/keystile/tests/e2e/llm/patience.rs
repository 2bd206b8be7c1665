//! Times and sizes: what takes too long ends and is charged, what is too large is told, and nobody waits for anybody else.

use std::time::{Duration, Instant};

use keystile_testkit::http::{Answer, Http, Streamed, told};
use keystile_testkit::virtual_key::{VirtualKey, chat, message};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use super::world::{Llm, assert_anthropic, assert_error, charged, cost, held};
use crate::world::text;

/// The last event of a stream, of which nothing else is kept, and whether it came to an end by itself.
async fn last_of(mut stream: Streamed) -> (String, bool) {
    let mut last = String::new();
    loop {
        match stream.try_event().await {
            Ok(Some(event)) => last = event,
            Ok(None) => return (last, true),
            Err(_) => return (last, false),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_stream_that_never_pauses_ends_when_its_time_is_over() {
    let llm = Llm::with(&[("--gateway-total-seconds", "2")]).await;
    llm.model("mock", "mock+endless").await;
    llm.anthropic_model("mock-claude", "mock+endless").await;
    for (path, model) in [("/v1/chat/completions", "mock"), ("/v1/messages", "mock-claude")] {
        llm.mock.reset();
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let started = Instant::now();
        let body = chat(model, &json!({ "stream": true, "max_tokens": 16 }));
        let (last, is_ended) = last_of(key.open(path, &body).await).await;
        assert!(is_ended && started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
        let error = &told(&last)["error"];
        assert!(error["message"].as_str().is_some_and(|told| told.contains("in time")), "{last}");
        let ledger = llm.settled(&key, 1).await;
        assert_eq!((text(&ledger[0], "basis"), charged(&ledger[0]) > 0), ("hold", true), "{ledger:?}");
        // The upstream is not left to go on for nobody.
        let billed = async || llm.mock.billed().pop();
        assert!(!eventually("the upstream to see that nobody listens", billed).await.complete);
    }
}

/// Two upstreams for one model, the first of which never answers.
async fn hanging_first(flags: &[(&str, &str)]) -> (Llm, String) {
    let llm = Llm::with(flags).await;
    let second = llm.provider("Second mock", "openai", &format!("{}/v1", llm.mock.url())).await;
    llm.model_of(&llm.open_ai, "mock", "mock+hang", &json!({ "rank": 0 })).await;
    llm.model_of(&second, "mock", "mock-second", &json!({ "rank": 1 })).await;
    (llm, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_did_not_begin_in_time_is_begun_elsewhere_and_each_attempt_is_a_row() {
    let (llm, second) = hanging_first(&[("--gateway-first-byte-seconds", "1")]).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let events = key.stream("mock", &json!({ "max_tokens": 8 })).await.events().await;
    assert_eq!(events.last().map(String::as_str), Some("data: [DONE]"));
    let ledger = llm.settled(&key, 2).await;
    let of = |provider: &str| {
        ledger.iter().find(|row| row["provider_id"] == provider).unwrap_or_else(|| panic!("{ledger:?}"))
    };
    let (late, good) = (of(&llm.open_ai), of(&second));
    // What was sent and not answered may have cost the most that it can have cost.
    assert_eq!((text(late, "basis"), text(good, "basis")), ("hold", "upstream"));
    assert!(charged(late) > charged(good) && charged(late) <= held(late), "{ledger:?}");
    assert_eq!(charged(good), cost(&llm.mock.billed()[0].usage));
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_client_that_has_left_no_other_upstream_is_asked() {
    for limits in [json!({ "max_budget_usd": 1.0 }), json!({})] {
        let (llm, _) = hanging_first(&[("--gateway-first-byte-seconds", "2")]).await;
        let key = llm.key(&limits).await;
        let asking = {
            let key = key.clone();
            tokio::spawn(async move { key.stream("mock", &json!({ "max_tokens": 8 })).await })
        };
        let asked = async || (llm.mock.asked().len() == 1).then_some(());
        eventually("the first upstream to be asked", asked).await;
        asking.abort();
        let ledger = llm.settled(&key, 1).await;
        assert_eq!((&ledger[0]["basis"], &ledger[0]["provider_id"]), (&json!("hold"), &json!(llm.open_ai)));
        assert_eq!(llm.mock.asked().len(), 1, "{limits}: {:?}", llm.mock.asked());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_streams_when_their_grace_is_over_and_charges_what_was_held() {
    let mut llm = Llm::with(&[("--drain-seconds", "1")]).await;
    llm.model("mock", "mock+endless+slow=20").await;
    llm.model("mock-silent", "mock+stall=2").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let mut streams = Vec::new();
    for model in ["mock", "mock-silent"] {
        let mut stream = key.stream(model, &json!({ "max_tokens": 20 })).await;
        stream.event().await;
        streams.push(tokio::spawn(last_of(stream)));
    }
    let stopped = Instant::now();
    llm.world.server.process().terminate();
    for stream in streams {
        let (last, _) = stream.await.unwrap();
        assert!(stopped.elapsed() >= Duration::from_secs(1), "it had no grace: {:?}", stopped.elapsed());
        assert!(!last.contains("[DONE]"), "{last}");
    }
    llm.world.server.await_end();
    llm.world.start_again();
    let ledger = llm.settled(&key, 2).await;
    assert!(ledger.iter().all(|row| row["basis"] == "hold" && charged(row) > 0), "{ledger:?}");
    // The key goes on.
    key.at(&llm.world.http).chat("mock-silent", &json!({ "max_tokens": 1 })).await.expect(200);
}

/// A body of a chat, or a message, with so many bytes of text.
fn long(model: &str, bytes: usize) -> Value {
    let content = "x".repeat(bytes);
    message(model, &json!({ "messages": [{ "role": "user", "content": content }] }))
}

async fn both(key: &VirtualKey, bytes: usize) -> (Answer, Answer) {
    let of_open_ai = key.post("/v1/chat/completions", &long("mock", bytes)).await;
    (of_open_ai, key.anthropic("/v1/messages", &long("mock-claude", bytes)).await)
}

async fn with_models(flags: &[(&str, &str)]) -> (Llm, VirtualKey) {
    let llm = Llm::with(flags).await;
    llm.model("mock", "mock").await;
    llm.anthropic_model("mock-claude", "mock").await;
    let key = llm.key(&json!({})).await;
    (llm, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_told_in_the_shape_of_the_route() {
    let (llm, key) = with_models(&[("--gateway-body-mib", "1")]).await;
    let (of_open_ai, of_anthropic) = both(&key, 2 * 1024 * 1024).await;
    assert_error(&of_open_ai, 413, "invalid_request_error", "request_too_large");
    assert_anthropic(&of_anthropic, 413, "request_too_large");
    for answer in [of_open_ai, of_anthropic] {
        assert!(answer.text.contains("at most 1048576 bytes"), "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.header("x-request-id").is_empty(), "{:?}", answer.headers);
        // It would be too large again.
        assert!(!answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
    }
    assert!(llm.mock.asked().is_empty());
    let (of_open_ai, of_anthropic) = both(&key, 8).await;
    assert_eq!((of_open_ai.status, of_anthropic.status), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_for_which_there_is_no_memory_is_told_in_the_shape_of_the_route() {
    let (llm, key) = with_models(&[("--gateway-body-memory-mib", "1")]).await;
    let (of_open_ai, of_anthropic) = both(&key, 2 * 1024 * 1024).await;
    assert_error(&of_open_ai, 503, "server_error", "busy");
    assert_anthropic(&of_anthropic, 503, "api_error");
    for answer in [of_open_ai, of_anthropic] {
        assert_eq!((answer.header("retry-after"), answer.header("retry-after-ms")), ("1", "1000"));
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(!answer.header("x-request-id").is_empty(), "{:?}", answer.headers);
        assert!(!answer.headers.contains_key("x-should-retry"), "{:?}", answer.headers);
    }
    assert!(llm.mock.asked().is_empty());
    // The memory is there again.
    let (of_open_ai, of_anthropic) = both(&key, 8).await;
    assert_eq!((of_open_ai.status, of_anthropic.status), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_streams_on_one_connection_one_that_nobody_reads_holds_up_no_other_and_fills_no_memory() {
    const STREAMS: usize = 64;
    let llm = Llm::start().await;
    llm.model("mock-endless", "mock+endless").await;
    llm.model("mock", "mock+tokens=200").await;
    let key = llm.key(&json!({})).await.at(&Http::http2(llm.world.server.address()));
    // Its head is read, and nothing else.
    let unread = key.stream("mock-endless", &json!({})).await;
    // The upstream makes no more when nobody takes it: what is on its way has a bound.
    let (mut before, mut still) = (0, 0);
    let stalled = async || {
        let made = llm.mock.made();
        still = if made == before && made > 0 { still + 1 } else { 0 };
        before = made;
        (still == 100).then_some(made)
    };
    let made = eventually("the upstream to stop, as nobody reads", stalled).await;
    let others: Vec<_> = (1..STREAMS)
        .map(|_| {
            let key = key.clone();
            tokio::spawn(async move { last_of(key.stream("mock", &json!({})).await).await })
        })
        .collect();
    for other in others {
        assert_eq!(other.await.unwrap(), ("data: [DONE]".to_owned(), true));
    }
    let of_others = 200 * (STREAMS as u64 - 1);
    // A buffer of some system may have been made larger meanwhile.
    let of_unread = llm.mock.made() - of_others;
    assert!((made..=made + made / 10).contains(&of_unread), "it has gone on: {made}, then {of_unread}");
    drop(unread);
    let ended = async || llm.mock.billed().into_iter().find(|billed| !billed.complete);
    let billed = eventually("the upstream to see that nobody listens", ended).await;
    assert!(billed.usage.output >= made, "{billed:?}");
}
