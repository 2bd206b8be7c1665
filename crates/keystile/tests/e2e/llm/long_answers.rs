//! Answers that are not streamed and find no memory: they are paid for, so they are passed on all the same, and charged exactly.

use keystile_testkit::http::NOTHING;
use keystile_testkit::virtual_key::{chat, message};
use keystile_testkit::wait::eventually;
use serde_json::json;

use super::world::{Llm, charged, cost};
use crate::exposition::Page;

const FLOOD: usize = 4 * 1024 * 1024;

async fn little_memory() -> Llm {
    let flags =
        [("--gateway-body-memory-mib", "1"), ("--operations-listen", "127.0.0.1:0"), ("--log", "info")];
    let llm = Llm::with(&flags).await;
    llm.model("mock", "mock+flood=4096").await;
    llm.anthropic_model("mock-claude", "mock+flood=4096").await;
    llm
}

async fn metrics(llm: &Llm) -> Page {
    let answer = llm.world.server.operations().json("GET", "/metrics", "", &NOTHING).await;
    Page::parse(&answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_without_memory_is_passed_on_and_charged_what_the_upstream_bills() {
    let llm = little_memory().await;
    let short = json!({ "max_tokens": 8 });
    for (path, body) in [
        ("/v1/chat/completions", chat("mock", &short)),
        ("/v1/responses", json!({ "model": "mock", "input": "How is the sea?", "max_output_tokens": 16 })),
        ("/v1/messages", message("mock-claude", &short)),
    ] {
        llm.mock.reset();
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let answer = key.post(path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", &answer.text[..answer.text.len().min(500)]);
        assert!(answer.json["usage"].is_object() && answer.text.len() > FLOOD, "{path}");
        let (billed, row) = llm.only_charge(&key).await;
        assert_eq!((charged(&row), row["basis"].as_str()), (cost(&billed.usage), Some("upstream")), "{path}");
    }
    let page = metrics(&llm).await;
    assert!(page.value("keystile_gateway_bodies_refused_total{kind=\"answer\"}") >= 3.0);
    let free = async || {
        let held = metrics(&llm).await.value("keystile_gateway_body_memory_bytes{kind=\"answer\"}");
        (held == 0.0).then_some(())
    };
    eventually("the memory to be given back", free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_without_memory_that_breaks_off_does_not_look_whole_and_is_charged_what_was_held() {
    let llm = little_memory().await;
    llm.model("mock-cut", "mock+flood=4096+cut").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let broken = key.try_post("/v1/chat/completions", &chat("mock-cut", &json!({ "max_tokens": 8 }))).await;
    assert!(broken.is_err(), "a half of an answer passed for one");
    let (_, row) = llm.only_charge(&key).await;
    assert_eq!(row["basis"], "hold");
}
