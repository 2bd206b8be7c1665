//! The mock, asked over HTTP as a gateway asks it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot build its surroundings has failed, and must say why"
)]

use keystile_mock::{MockLlm, MockSettings, Usage};
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

fn mock() -> (MockLlm, Http) {
    let mock = MockLlm::start(MockSettings::default()).unwrap();
    let http = Http::new(&mock.address().to_string());
    (mock, http)
}

fn hello(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hello, you" }], "max_tokens": 5 })
}

fn streamed(model: &str) -> Value {
    let mut body = hello(model);
    body["stream"] = true.into();
    body["stream_options"] = json!({ "include_usage": true });
    body
}

async fn chat(http: &Http, body: &Value) -> Answer {
    http.json("POST", "/v1/chat/completions", "", body).await
}

async fn messages(http: &Http, body: &Value) -> Answer {
    let request = http.request("POST", "/v1/messages").header("content-type", "application/json");
    http.send(request.header("anthropic-version", "2023-06-01"), body.to_string()).await
}

/// What stands behind `data:` in each event.
fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn an_answer_tells_the_usage_that_is_billed() {
    let (mock, http) = mock();
    let answer = chat(&http, &hello("mock+cached=1")).await.expect(200);
    let usage = &answer["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(4), &json!(5)));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 1);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    let billed = mock.billed();
    assert_eq!(billed[0].usage, Usage { input: 3, cached_input: 1, output: 5, ..Usage::default() });
    assert_eq!(billed[0].id, answer["id"].as_str().unwrap());
    assert!(billed[0].complete && !billed[0].streamed);
}

#[tokio::test]
async fn a_stream_says_the_same_as_a_whole_answer() {
    let (mock, http) = mock();
    let whole = chat(&http, &hello("mock")).await.expect(200);
    let stream = chat(&http, &streamed("mock")).await;
    assert!(stream.text.ends_with("data: [DONE]\n\n"), "{}", stream.text);
    let chunks = events(&stream.text);
    let words = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    let said: String = words.collect();
    assert_eq!(whole["choices"][0]["message"]["content"], said);
    assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
    let billed = async || Some(mock.billed()).filter(|billed| billed.len() == 2);
    let billed = eventually("both bills", billed).await;
    assert_eq!(billed[0].usage, billed[1].usage);
}

#[tokio::test]
async fn messages_tell_what_was_cached_apart_and_count_up() {
    let (mock, http) = mock();
    let mut body = streamed("mock+input=10+cached=3+cache-write=2+usage-twice");
    body["max_tokens"] = 6.into();
    let told = events(&messages(&http, &body).await.text);
    let of = |kind: &str| told.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let start = &of("message_start")[0]["message"]["usage"];
    assert_eq!((&start["input_tokens"], &start["output_tokens"]), (&json!(5), &json!(1)));
    let count = |event: &&Value| event["usage"]["output_tokens"].as_u64().unwrap();
    assert_eq!(of("message_delta").iter().map(count).collect::<Vec<_>>(), [3, 6]);
    let billed = async || mock.billed().pop();
    let usage = eventually("the bill", billed).await.usage;
    assert_eq!(usage, Usage { input: 5, cached_input: 3, cache_write: 2, output: 6, ..Usage::default() });
}

#[tokio::test]
async fn a_cut_stream_is_billed_as_far_as_it_came() {
    let (mock, http) = mock();
    let body = streamed("mock+cut=3").to_string();
    let request = http.request("POST", "/v1/chat/completions").header("content-type", "application/json");
    assert!(http.try_send(request, body.into()).await.is_err(), "the connection is closed");
    let billed = async || mock.billed().pop();
    let billed = eventually("the bill", billed).await;
    assert!(!billed.complete && billed.usage.output < 5, "{billed:?}");
}

#[tokio::test]
async fn errors_end_when_they_were_asked_for_some_times() {
    let (_mock, http) = mock();
    let body = hello("mock+error-429+retry-after=7+times=2");
    for _ in 0..2 {
        let refused = chat(&http, &body).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, "7"));
        assert_eq!(refused.json["error"]["code"], "rate_limit_exceeded");
    }
    chat(&http, &body).await.expect(200);
    chat(&http, &hello("mock+swift")).await.expect(400);
}

#[tokio::test]
async fn errors_tell_of_an_account_without_money_and_what_was_sent_if_they_are_asked_to() {
    let (_mock, http) = mock();
    let body = hello("mock+error-400+no-money+echo");
    let refused = http.json("POST", "/v1/chat/completions", "Bearer confided", &body).await;
    assert_eq!((refused.status, &refused.json["error"]["code"]), (400, &json!("insufficient_quota")));
    assert!(refused.text.contains("authorization: Bearer confided"), "{}", refused.text);
    assert_eq!(messages(&http, &body).await.json["error"]["type"], "billing_error");
}

#[tokio::test]
async fn answers_and_errors_say_that_they_are_packed_if_they_are_asked_to() {
    let (_mock, http) = mock();
    for (model, status) in [("mock+packed", 200), ("mock+packed+error-400", 400), ("mock", 200)] {
        let answer = chat(&http, &hello(model)).await;
        let packed = if model == "mock" { "" } else { "gzip" };
        assert_eq!((answer.status, answer.header("content-encoding")), (status, packed), "{model}");
    }
}

#[tokio::test]
async fn a_stream_without_an_end_goes_on_beyond_what_is_asked_for_until_its_client_leaves() {
    let (mock, http) = mock();
    let request = http.request("POST", "/v1/chat/completions").header("content-type", "application/json");
    let body = streamed("mock+endless").to_string();
    let mut stream = http.try_open(request, body.into()).await.unwrap();
    for _ in 0..100 {
        stream.event().await;
    }
    assert!(mock.made() > 50 && mock.billed().is_empty());
    drop(stream);
    let billed = async || mock.billed().pop();
    let billed = eventually("the bill", billed).await;
    assert!(!billed.complete && billed.usage.output == mock.made(), "{billed:?}");
    chat(&http, &hello("mock+endless")).await.expect(200);
}

#[tokio::test]
async fn only_the_credential_that_it_was_given_is_taken() {
    let settings = MockSettings { credential: Some("real".to_owned()), ..MockSettings::default() };
    let mock = MockLlm::start(settings).unwrap();
    let http = Http::new(&mock.address().to_string());
    for (credential, status) in [("", 401), ("Bearer other", 401), ("Bearer real", 200)] {
        let answer = http.json("POST", "/v1/chat/completions", credential, &hello("mock")).await;
        assert_eq!(answer.status, status, "{credential}");
    }
    assert_eq!(mock.asked()[2].header("authorization"), "Bearer real");
    assert_eq!(messages(&http, &hello("mock")).await.json["error"]["type"], "authentication_error");
}

#[tokio::test]
async fn others_can_ask_what_was_billed_and_have_it_forgotten() {
    let (mock, http) = mock();
    chat(&http, &hello("mock")).await.expect(200);
    let billed = http.json("GET", "/mock/billed", "", &NOTHING).await.expect(200);
    assert_eq!((&billed["data"][0]["usage"]["output"], &billed["gone"]), (&json!(5), &json!(0)));
    let asked = http.json("GET", "/mock/asked", "", &NOTHING).await.expect(200);
    assert_eq!(asked["data"][0]["path"], "/v1/chat/completions");
    http.json("POST", "/mock/reset", "", &NOTHING).await.expect(204);
    assert!(mock.billed().is_empty() && mock.asked().is_empty());
}

#[tokio::test]
async fn a_response_can_be_read_again_until_it_is_deleted() {
    let (_mock, http) = mock();
    let body = json!({ "model": "mock", "input": "Hello" });
    let made = http.json("POST", "/v1/responses", "", &body).await.expect(200);
    let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
    assert_eq!(http.json("GET", &path, "", &NOTHING).await.expect(200), made);
    http.json("DELETE", &path, "", &NOTHING).await.expect(200);
    http.json("GET", &path, "", &NOTHING).await.expect(404);
}

#[tokio::test]
async fn the_address_is_free_when_it_has_stopped() {
    let (mock, http) = mock();
    chat(&http, &hello("mock")).await.expect(200);
    let listen = mock.address();
    assert_eq!(mock.stop().len(), 1);
    MockLlm::start(MockSettings { listen, ..MockSettings::default() }).unwrap();
}
