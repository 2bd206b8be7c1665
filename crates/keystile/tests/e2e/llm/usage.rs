//! What is charged, by what the upstream tells of its usage.

use keystile_testkit::virtual_key::{VirtualKey, chat, message};
use serde_json::{Value, json};

use super::world::{Llm, charged, cost, held};

/// The ways to ask for a text: path, and whether it belongs to Anthropic's protocol.
const WAYS: &[(&str, bool)] = &[
    ("/v1/chat/completions", false),
    ("/v1/completions", false),
    ("/v1/responses", false),
    ("/v1/messages", true),
];

/// The body of a request of some eight tokens.
fn body(path: &str, model: &str, streams: bool) -> Value {
    let stream = json!({ "stream": streams });
    let with = |members: Value| {
        let mut body = json!({ "model": model, "stream": streams });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    match path {
        "/v1/completions" => with(json!({ "prompt": "How is the sea?", "max_tokens": 8 })),
        "/v1/responses" => with(json!({ "input": "How is the sea?", "max_output_tokens": 16 })),
        "/v1/messages" => message(model, &stream),
        _ => chat(model, &json!({ "max_tokens": 8, "stream": streams })),
    }
}

/// Asks with a key of its own in every way, whole and streamed, and gives the bill and the row of the ledger to `judge`.
async fn in_every_way(behaviour: &str, judge: impl Fn(&str, u64, &Value)) {
    let llm = Llm::start().await;
    llm.model("mock", &format!("mock+{behaviour}")).await;
    llm.anthropic_model("mock-claude", &format!("mock+{behaviour}")).await;
    for (path, is_anthropic) in WAYS {
        for streams in [false, true] {
            llm.mock.reset();
            let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
            let model = if *is_anthropic { "mock-claude" } else { "mock" };
            read(&key, path, &body(path, model, streams)).await;
            let (billed, row) = llm.only_charge(&key).await;
            let case = format!("{path} {} {behaviour}", if streams { "streamed" } else { "whole" });
            assert!(billed.complete, "{case}: {billed:?}");
            judge(&case, cost(&billed.usage), &row);
        }
    }
}

async fn read(key: &VirtualKey, path: &str, body: &Value) {
    let stream = key.open(path, body).await;
    assert_eq!(stream.status, 200, "{path}");
    stream.events().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_without_usage_is_charged_what_was_counted_and_no_less_than_it_bills() {
    let judge = |case: &str, billed: u64, row: &Value| {
        assert_ne!(row["basis"], "upstream", "{case}: {row}");
        assert!((billed..=held(row)).contains(&charged(row)), "{case}: {billed} billed, {row}");
    };
    in_every_way("usage-missing", judge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_with_zero_usage_is_not_believed() {
    let judge = |case: &str, billed: u64, row: &Value| {
        assert!((billed..=held(row)).contains(&charged(row)), "{case}: {billed} billed, {row}");
    };
    in_every_way("usage-zero", judge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_with_usage_twice_is_charged_the_last_once() {
    in_every_way("usage-twice", exactly).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_reads_and_writes_are_priced_as_each_provider_tells_them() {
    in_every_way("input=12+cached=5+cache-write=3", exactly).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reasoning_is_charged_as_output_though_nobody_sees_it() {
    in_every_way("reasoning=6", exactly).await;
}

fn exactly(case: &str, billed: u64, row: &Value) {
    assert_eq!((charged(row), row["basis"].as_str()), (billed, Some("upstream")), "{case}: {row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn n_above_one_tools_and_images_fit_their_holds() {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    let tool = json!({ "name": "weather", "parameters": { "type": "object", "properties": {} } });
    let image = json!([
        { "type": "text", "text": "What is this?" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } },
    ]);
    for more in [
        json!({ "n": 3, "max_tokens": 8 }),
        json!({ "tools": [{ "type": "function", "function": tool }], "max_tokens": 16 }),
        json!({ "messages": [{ "role": "user", "content": image }], "max_tokens": 8 }),
        json!({ "max_completion_tokens": 8, "n": 2 }),
    ] {
        for streams in [false, true] {
            llm.mock.reset();
            let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
            let mut body = chat("mock", &more);
            body["stream"] = streams.into();
            read(&key, "/v1/chat/completions", &body).await;
            let (billed, row) = llm.only_charge(&key).await;
            assert_eq!(charged(&row), cost(&billed.usage), "{more}: {row}");
            assert!(held(&row) >= charged(&row), "{more}: {row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_with_best_of_and_many_prompts_fit_their_holds() {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    let (best, many) = (json!({ "best_of": 4, "n": 2 }), json!({ "prompt": ["a", "b", "c"], "echo": true }));
    for more in [best, many] {
        llm.mock.reset();
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let mut body = json!({ "model": "mock", "prompt": "How is the sea?", "max_tokens": 8 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(&key, "/v1/completions", &body).await;
        let (billed, row) = llm.only_charge(&key).await;
        assert_eq!(charged(&row), cost(&billed.usage), "{more}: {row}");
        assert!(held(&row) >= charged(&row), "{more}: {row}");
    }
}
