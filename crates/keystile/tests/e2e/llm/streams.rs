//! Streams: passed on frame by frame, cut when the key is blocked, read to the end when the client leaves.

use keystile_testkit::http::told;
use keystile_testkit::virtual_key::chat;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use super::world::{Llm, charged, cost, sum};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_frame_arrives_before_the_upstream_sends_the_second() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+stall=1").await;
    llm.anthropic_model("mock-claude", "mock+stall=1").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for (path, model) in [("/v1/chat/completions", "mock"), ("/v1/messages", "mock-claude")] {
        let body = chat(model, &json!({ "stream": true, "max_tokens": 4 }));
        let mut stream = key.open(path, &body).await;
        assert!(stream.header("content-type").starts_with("text/event-stream"), "{:?}", stream.headers);
        // The mock sends nothing more until it is told to.
        assert!(told(&stream.event().await).is_object());
        llm.mock.resume();
        assert!(stream.events().await.len() > 4, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_what_the_upstream_says_and_its_usage_to_whoever_asks() {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for asks in [true, false] {
        let more = json!({ "max_tokens": 5, "stream_options": { "include_usage": asks } });
        let events = key.stream("mock", &more).await.events().await;
        assert_eq!(events.last().map(String::as_str), Some("data: [DONE]"));
        let chunks: Vec<Value> = events.iter().map(|event| told(event)).filter(Value::is_object).collect();
        let words = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        assert_eq!(words.collect::<String>(), "The sea was calm and");
        let has_usage = chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
        let is_empty = chunks.iter().filter(|chunk| chunk["choices"] == json!([])).count();
        assert_eq!((has_usage, is_empty), (usize::from(asks), usize::from(asks)), "{events:?}");
    }
    // The upstream is asked for it always.
    for asked in llm.mock.asked() {
        assert_eq!(asked.json()["stream_options"]["include_usage"], true);
    }
    let billed: u64 = llm.bills().await.iter().map(|billed| cost(&billed.usage)).sum();
    assert_eq!(sum(&llm.settled(&key, 2).await), billed);
}

#[tokio::test(flavor = "multi_thread")]
async fn block_while_a_stream_runs_cuts_it_with_an_error_frame() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+slow=20+tokens=4000").await;
    llm.anthropic_model("mock-claude", "mock+slow=20+tokens=4000").await;
    for (path, model) in [("/v1/chat/completions", "mock"), ("/v1/messages", "mock-claude")] {
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let body = chat(model, &json!({ "stream": true, "max_tokens": 4_000 }));
        let mut stream = key.open(path, &body).await;
        stream.event().await;
        llm.world.change("POST", &key.id, "/block", &json!({ "reason": "abuse" })).await.expect(200);
        let events = stream.events().await;
        let last = events.last().map(|event| told(event)).unwrap_or_default();
        assert!(last["error"]["message"].is_string(), "{events:?}");
        assert!(events.len() < 1_000, "the stream went on for {} frames", events.len());
        assert!(!events.iter().any(|event| event.contains("[DONE]")), "it did not end as if all were well");
        let ledger = llm.settled(&key, 1).await;
        assert!(charged(&ledger[0]) > 0, "what was made until then is charged: {ledger:?}");
    }
    // The upstream is not left to go on for nobody.
    let ended = async || (llm.mock.billed().len() == 2).then(|| llm.mock.billed());
    for billed in eventually("the upstream to see that nobody listens", ended).await {
        assert!(billed.usage.output < 4_000, "{billed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_reaches_a_stream_that_says_nothing() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+stall=2").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let mut stream = key.stream("mock", &json!({ "max_tokens": 8 })).await;
    stream.event().await;
    stream.event().await;
    llm.world.change("POST", &key.id, "/block", &json!({ "reason": "abuse" })).await.expect(200);
    let events = stream.events().await;
    assert!(told(events.last().unwrap())["error"].is_object(), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_gone_at_each_sse_frame_is_charged_what_the_upstream_bills() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+slow=1").await;
    llm.anthropic_model("mock-claude", "mock+slow=1").await;
    for (path, model) in [("/v1/chat/completions", "mock"), ("/v1/messages", "mock-claude")] {
        llm.mock.reset();
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let body = chat(model, &json!({ "stream": true, "max_tokens": 8 }));
        let frames = key.open(path, &body).await.events().await.len();
        assert!(frames > 8, "{frames}");
        for at in 0..frames {
            let mut stream = key.open(path, &body).await;
            for _ in 0..at {
                stream.event().await;
            }
        }
        let ledger = llm.settled(&key, frames + 1).await;
        let bills = llm.bills().await;
        assert!(
            bills.iter().all(|billed| billed.complete),
            "a key with a budget has its streams read to the end: {bills:?}"
        );
        let billed: u64 = bills.iter().map(|billed| cost(&billed.usage)).sum();
        assert_eq!(sum(&ledger), billed, "{path}");
        assert!(ledger.iter().all(|row| row["basis"] == "upstream"), "{ledger:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_off_is_told_and_charged_as_far_as_it_came() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+cut=4").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let events = key.stream("mock", &json!({ "max_tokens": 32 })).await.events().await;
    assert!(!events.iter().any(|event| event.contains("[DONE]")), "{events:?}");
    let (billed, row) = llm.only_charge(&key).await;
    assert!(!billed.complete, "{billed:?}");
    assert_ne!(row["basis"], "upstream");
    assert!(charged(&row) > 0, "{row}");
}
