//! Answers that are not streamed and find no memory, or are longer than any that is read as a whole: they are paid for, so they are passed
//! on all the same, and charged by the usage in them, or by what came.

use std::io::{Read, Write};
use std::net::TcpListener;

use keystile_testkit::http::{NOTHING, told};
use keystile_testkit::virtual_key::{chat, message};
use keystile_testkit::wait::eventually;
use serde_json::json;

use super::world::{Llm, charged, cost};
use crate::exposition::Page;

const MIB: usize = 1024 * 1024;
const FLOOD: usize = 4 * MIB;

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
    memory_is_free(&llm).await;
}

/// What answers take of the memory now.
async fn memory(llm: &Llm) -> f64 {
    metrics(llm).await.value("keystile_gateway_body_memory_bytes{kind=\"answer\"}")
}

async fn memory_is_free(llm: &Llm) {
    let free = async || (memory(llm).await == 0.0).then_some(());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_without_memory_that_tells_no_usage_is_charged_what_came_of_it() {
    let llm = little_memory().await;
    for behaviour in ["usage-missing", "usage-zero"] {
        let name = format!("mock-{behaviour}");
        llm.model(&name, &format!("mock+flood=4096+{behaviour}")).await;
        for (limits, most) in [(json!({ "max_budget_usd": 1.0 }), 8), (json!({}), u64::MAX)] {
            llm.mock.reset();
            let key = llm.key(&limits).await;
            key.chat(&name, &json!({ "max_tokens": 8 })).await.expect(200);
            let (billed, row) = llm.only_charge(&key).await;
            assert_eq!(row["basis"], "counted", "{name} {limits}: {row}");
            assert!(charged(&row) >= cost(&billed.usage), "{name} {limits}: {row}");
            let output = row["used"]["output_tokens"].as_u64().unwrap();
            assert!(output > 0 && output <= most, "{name} {limits}: {row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_whose_client_leaves_is_charged_by_the_usage_at_its_end_however_far_that_is() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+flood=40960").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let unread = key.open("/v1/chat/completions", &chat("mock", &json!({ "max_tokens": 8 }))).await;
    assert_eq!(unread.status, 200);
    drop(unread);
    let (billed, row) = llm.only_charge(&key).await;
    assert_eq!((charged(&row), row["basis"].as_str()), (cost(&billed.usage), Some("upstream")), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_very_many_values_takes_no_more_memory_than_its_text() {
    let flags =
        [("--gateway-body-memory-mib", "1"), ("--operations-listen", "127.0.0.1:0"), ("--log", "info")];
    let llm = Llm::with(&flags).await;
    for zeros in [1_000, 400_000] {
        let name = format!("mock-{zeros}");
        llm.model(&name, &format!("mock+zeros={zeros}")).await;
        llm.mock.reset();
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let told = key.chat(&name, &json!({ "max_tokens": 8 })).await.expect(200);
        assert_eq!(told["zeros"].as_array().map(Vec::len), Some(zeros));
        let (billed, row) = llm.only_charge(&key).await;
        assert_eq!((charged(&row), row["basis"].as_str()), (cost(&billed.usage), Some("upstream")), "{row}");
    }
    let sample = "keystile_gateway_bodies_refused_total{kind=\"answer\"}";
    assert_eq!(metrics(&llm).await.value(sample), 0.0);
    memory_is_free(&llm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_which_there_is_no_memory_ends_its_stream() {
    let flags =
        [("--gateway-body-memory-mib", "2"), ("--operations-listen", "127.0.0.1:0"), ("--log", "info")];
    let llm = Llm::with(&flags).await;
    // An event of each zero and a comma; the last is as long as all of the memory.
    for (zeros, basis) in [(1_000, "upstream"), (900_000, "upstream"), (1_100_000, "hold")] {
        let name = format!("mock-{zeros}");
        llm.model(&name, &format!("mock+zeros={zeros}")).await;
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let mut body = json!({ "model": name, "input": "How is the sea?", "max_output_tokens": 16 });
        body["stream"] = true.into();
        let events = key.open("/v1/responses", &body).await.events().await;
        let ended = told(events.last().unwrap());
        assert_eq!(ended["error"].is_object(), basis == "hold", "{zeros}: {:?}", ended["type"]);
        let ledger = llm.settled(&key, 1).await;
        assert_eq!(ledger[0]["basis"], basis, "{zeros}: {ledger:?}");
    }
    memory_is_free(&llm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_takes_memory_until_its_client_has_it() {
    let llm = Llm::with(&[("--operations-listen", "127.0.0.1:0"), ("--log", "info")]).await;
    llm.model("mock", "mock+flood=24576").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let unread = key.open("/v1/chat/completions", &chat("mock", &json!({ "max_tokens": 8 }))).await;
    // All of it is there, as it has been charged.
    let (billed, row) = llm.only_charge(&key).await;
    assert_eq!((charged(&row), row["basis"].as_str()), (cost(&billed.usage), Some("upstream")), "{row}");
    assert!(memory(&llm).await > (24 * MIB) as f64);
    drop(unread);
    memory_is_free(&llm).await;
    // Who takes it has all of it.
    let answer = key.chat("mock", &json!({ "max_tokens": 8 })).await;
    assert_eq!(answer.header("content-length"), answer.text.len().to_string());
    assert!(answer.json["usage"].is_object() && answer.text.len() > 24 * MIB);
    memory_is_free(&llm).await;
}

/// An upstream that answers one request with so many bytes, and owes the rest of the answer for ever.
fn falls_silent_after(said: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 16 * 1024]).unwrap() > 0);
        let length = said + MIB;
        let fields = format!("content-type: application/json\r\ncontent-length: {length}");
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes()).unwrap();
        stream.write_all(&vec![b' '; said]).unwrap();
        while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_takes_no_memory_while_it_is_read_on_for_a_client_that_has_left() {
    let flags = [
        ("--gateway-body-memory-mib", "20"),
        ("--gateway-drain-seconds", "600"),
        ("--operations-listen", "127.0.0.1:0"),
        ("--log", "info"),
    ];
    let llm = Llm::with(&flags).await;
    let silent = llm.provider("Silent", "openai", &falls_silent_after(28 * MIB)).await;
    llm.model_of(&silent, "mock", "mock", &json!({})).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let unread = key.open("/v1/chat/completions", &chat("mock", &json!({ "max_tokens": 8 }))).await;
    assert!(memory(&llm).await >= (20 * MIB) as f64, "it is on its way to the client");
    drop(unread);
    memory_is_free(&llm).await;
    let ledger = llm.ledger(&key).await;
    assert!(ledger.is_empty(), "it is not over: {ledger:?}");
}
