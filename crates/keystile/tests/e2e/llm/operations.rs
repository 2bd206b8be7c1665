//! Every route honours the model list and the budget: one table over all operations.

use keystile_testkit::http::Answer;
use keystile_testkit::virtual_key::{VirtualKey, chat, message};
use serde_json::{Value, json};

use super::world::{Llm, assert_exhausted, charged, cost, held};

/// How an operation is asked for.
enum Ask {
    /// With JSON, as clients of OpenAI do.
    Json(Value),
    /// With JSON, as clients of Anthropic do.
    Anthropic(Value),
    /// With a form that has a file under this name.
    Form(&'static str, Vec<(&'static str, &'static str)>),
}

/// Whether a budget bears on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Price {
    Costs,
    IsFree,
}

struct Row {
    path: &'static str,
    price: Price,
    ask: Ask,
}

const fn row(path: &'static str, price: Price, ask: Ask) -> Row {
    Row { path, price, ask }
}

/// All operations but the list of models, which names none.
fn operations() -> Vec<Row> {
    use Price::{Costs, IsFree};
    let short = json!({ "max_tokens": 8 });
    let drawn = json!({ "model": "mock", "prompt": "A calm sea", "n": 2, "size": "1024x1024" });
    let spoken = json!({ "model": "mock", "input": "The sea was calm.", "voice": "alloy" });
    let (model, prompt) = (("model", "mock"), ("prompt", "A calm sea"));
    vec![
        row("/v1/chat/completions", Costs, Ask::Json(chat("mock", &short))),
        row(
            "/v1/responses",
            Costs,
            Ask::Json(json!({ "model": "mock", "input": "Hello", "max_output_tokens": 16 })),
        ),
        row(
            "/v1/completions",
            Costs,
            Ask::Json(json!({ "model": "mock", "prompt": "Hello", "max_tokens": 8 })),
        ),
        row("/v1/embeddings", Costs, Ask::Json(json!({ "model": "mock", "input": ["Hello", "you"] }))),
        row("/v1/moderations", IsFree, Ask::Json(json!({ "model": "mock", "input": "Hello" }))),
        row("/v1/images/generations", Costs, Ask::Json(drawn)),
        row("/v1/images/edits", Costs, Ask::Form("image", vec![model, prompt, ("n", "2")])),
        row("/v1/images/variations", Costs, Ask::Form("image", vec![model])),
        row("/v1/audio/speech", Costs, Ask::Json(spoken)),
        row("/v1/audio/transcriptions", Costs, Ask::Form("file", vec![model])),
        row("/v1/audio/translations", Costs, Ask::Form("file", vec![model])),
        row("/v1/messages", Costs, Ask::Anthropic(message("mock-claude", &json!({})))),
        row("/v1/messages/count_tokens", IsFree, Ask::Anthropic(message("mock-claude", &json!({})))),
    ]
}

async fn send(key: &VirtualKey, row: &Row) -> Answer {
    match &row.ask {
        Ask::Json(body) => key.post(row.path, body).await,
        Ask::Anthropic(body) => key.anthropic(row.path, body).await,
        // Half a second of sound, or what passes for a picture; text, so that whoever logs it by mistake is seen.
        Ask::Form(file, fields) => key.upload(row.path, fields, file, &[b'x'; 8_000]).await,
    }
}

async fn with_models() -> Llm {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    llm.anthropic_model("mock-claude", "mock").await;
    llm
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_charged_what_the_upstream_bills() {
    let llm = with_models().await;
    for row in operations() {
        llm.mock.reset();
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let answer = send(&key, &row).await;
        assert_eq!(answer.status, 200, "{}: {}", row.path, answer.text);
        if row.price == Price::IsFree {
            assert!(llm.mock.billed().is_empty(), "{}", row.path);
            continue;
        }
        let (billed, entry) = llm.only_charge(&key).await;
        assert_eq!(charged(&entry), cost(&billed.usage), "{}: {billed:?} {entry}", row.path);
        assert!(held(&entry) >= charged(&entry), "{}: {entry}", row.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_honours_the_model_list() {
    let llm = with_models().await;
    let key = llm.key(&json!({ "allowed_models": ["others-*"] })).await;
    for row in operations() {
        let refused = send(&key, &row).await;
        assert_eq!(refused.status, 403, "{}: {}", row.path, refused.text);
        match row.ask {
            Ask::Json(_) | Ask::Form(..) => {
                assert_eq!(refused.json["error"]["code"], "model_not_found", "{}", row.path);
            }
            Ask::Anthropic(_) => assert_eq!(refused.json["type"], "error", "{}", row.path),
        }
    }
    assert!(llm.mock.asked().is_empty(), "{:?}", llm.mock.asked());
    assert_eq!(key.read("/v1/models").await.expect(200)["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_honours_the_budget() {
    let llm = with_models().await;
    // A token costs a thousand of these, and everything else more.
    let key = llm.key(&json!({ "max_budget_usd": 0.000_000_001 })).await;
    for row in operations() {
        let answer = send(&key, &row).await;
        match (row.price, &row.ask) {
            (Price::IsFree, _) => assert_eq!(answer.status, 200, "{}: {}", row.path, answer.text),
            (Price::Costs, Ask::Json(_) | Ask::Form(..)) => assert_exhausted(&answer),
            (Price::Costs, Ask::Anthropic(_)) => {
                assert_eq!(
                    (answer.status, answer.header("x-should-retry")),
                    (429, "false"),
                    "{}",
                    answer.text
                );
                assert_eq!(answer.json["error"]["type"], "billing_error");
            }
        }
    }
    assert!(llm.mock.billed().is_empty(), "{:?}", llm.mock.billed());
    assert!(llm.ledger(&key).await.iter().all(|row| charged(row) == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_nobody_meters_are_not_served() {
    let llm = with_models().await;
    let key = llm.key(&json!({ "allowed_models": ["*"] })).await;
    for path in ["/v1/files", "/v1/batches", "/v1/vector_stores", "/v1/realtime", "/v1/fine_tuning/jobs"] {
        let refused = key.post(path, &json!({ "model": "mock" })).await;
        assert!([403, 404].contains(&refused.status), "{path}: {}", refused.text);
        assert!(refused.json["error"]["message"].is_string(), "{path}: {}", refused.text);
    }
    for path in ["/v1/chat/../files", "/v1//chat/completions", "/v1/chat/completions/../../files"] {
        assert_eq!(key.post(path, &chat("mock", &json!({}))).await.status, 404, "{path}");
    }
    assert!(llm.mock.asked().is_empty());
}
