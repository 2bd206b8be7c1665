//! Errors in the shapes that the SDKs understand, in both protocols.

use keystile_testkit::virtual_key::{VirtualKey, chat, message};
use serde_json::{Value, json};

use super::world::{CREDENTIAL, Llm, assert_anthropic, assert_error};
use crate::world::text;

/// A refusal: status, then type and code in OpenAI's shape, then the type in Anthropic's.
type Told = (u16, &'static str, &'static str, &'static str);

const INVALID: Told = (401, "invalid_request_error", "invalid_api_key", "authentication_error");
const BLOCKED: Told = (403, "permission_error", "key_blocked", "permission_error");
const NOT_ALLOWED: Told = (403, "invalid_request_error", "model_not_found", "permission_error");
const WRONG_KIND: Told = (403, "permission_error", "wrong_key_kind", "permission_error");
const UNKNOWN: Told = (404, "invalid_request_error", "model_not_found", "not_found_error");

async fn assert_told(key: &VirtualKey, models: [&str; 2], (status, kind, code, anthropic): Told) {
    let answer = key.chat(models[0], &json!({})).await;
    assert_error(&answer, status, kind, code);
    assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401, "{:?}", answer.headers);
    let answer = key.anthropic("/v1/messages", &message(models[1], &json!({}))).await;
    assert_anthropic(&answer, status, anthropic);
}

async fn with_models() -> Llm {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    llm.anthropic_model("mock-claude", "mock").await;
    llm
}

const MODELS: [&str; 2] = ["mock", "mock-claude"];

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_keys_and_models_are_told_in_the_shape_of_the_route() {
    let llm = with_models().await;
    let stranger = VirtualKey::new(&llm.world.http, "none", "sk_none_prod_0000000000000000000000000000");
    assert_told(&stranger, MODELS, INVALID).await;
    let key = llm.key(&json!({})).await;
    assert_told(&key, ["mock-nobody", "mock-nobody"], UNKNOWN).await;
    let narrow = llm.key(&json!({ "allowed_models": ["others-*"] })).await;
    assert_told(&narrow, MODELS, NOT_ALLOWED).await;
    llm.world.change("POST", &key.id, "/block", &json!({ "reason": "abuse" })).await.expect(200);
    assert_told(&key, MODELS, BLOCKED).await;
    assert_eq!(key.chat("mock", &json!({})).await.header("x-should-retry"), "false");
    llm.world.change("POST", &narrow.id, "/revoke", &Value::Null).await.expect(200);
    assert_told(&narrow, MODELS, INVALID).await;
    assert!(llm.mock.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_other_kinds_tenants_and_environments_reach_no_upstream() {
    let llm = with_models().await;
    let world = &llm.world;
    let made = world.create(&json!({ "name": "service" })).await;
    let service = VirtualKey::new(&world.http, text(&made, "id"), text(&made, "secret"));
    assert_told(&service, MODELS, WRONG_KIND).await;
    let refused = service.read("/v1/models").await;
    assert_error(&refused, 403, "permission_error", "wrong_key_kind");

    let tenant = world.ask("POST", "/api/v1/tenants", &json!({ "name": "Others" })).await.expect(201);
    let keys = format!("/api/v1/tenants/{}/api-keys", text(&tenant, "id"));
    let body = json!({ "name": "llm", "kind": "virtual_llm", "allowed_models": ["*"] });
    let made = world.ask("POST", &keys, &body).await.expect(201);
    let other = VirtualKey::new(&world.http, text(&made, "id"), text(&made, "secret"));
    assert_told(&other, MODELS, UNKNOWN).await;
    assert_eq!(other.read("/v1/models").await.expect(200)["data"], json!([]));

    let body = json!({
        "name": "Staging mock", "protocol": "openai", "environment": "staging", "credential": CREDENTIAL,
        "base_url": format!("{}/v1", llm.mock.url()),
    });
    let staging = world.ask("POST", &format!("{}/providers", world.tenant()), &body).await.expect(201);
    llm.model_of(text(&staging, "id"), "mock-staging", "mock", &json!({})).await;
    let key = llm.key(&json!({})).await;
    assert_error(
        &key.chat("mock-staging", &json!({})).await,
        404,
        "invalid_request_error",
        "model_not_found",
    );
    assert!(!key.read("/v1/models").await.text.contains("mock-staging"));
    assert!(llm.mock.asked().is_empty());
    let key = llm.key(&json!({ "environment": "staging" })).await;
    key.chat("mock-staging", &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_different_keys_in_one_request_are_refused() {
    let llm = with_models().await;
    let (one, two) = (llm.key(&json!({})).await, llm.key(&json!({})).await);
    for (second, status) in [(&two, 400), (&one, 200)] {
        let request = llm.world.http.request("POST", "/v1/chat/completions");
        let request = request.header("authorization", format!("Bearer {}", one.secret()));
        let request = request.header("x-api-key", second.secret()).header("content-type", "application/json");
        let answer = llm.world.http.send(request, chat("mock", &json!({})).to_string()).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let code = (status == 400).then_some("ambiguous_credentials");
        assert_eq!(answer.json["error"]["code"].as_str(), code, "{}", answer.text);
    }
    assert_eq!(llm.mock.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_requests_tells_when_to_come_back_and_what_is_left() {
    let llm = with_models().await;
    let key = llm.key(&json!({ "rpm_limit": 2 })).await;
    let first = key.chat("mock", &json!({ "max_tokens": 1 })).await;
    assert_eq!(first.header("x-ratelimit-limit-requests"), "2");
    assert_eq!(first.header("x-ratelimit-remaining-requests"), "1");
    assert!(first.header("x-ratelimit-reset-requests").ends_with('s'), "{:?}", first.headers);
    key.chat("mock", &json!({ "max_tokens": 1 })).await.expect(200);
    let refused = key.chat("mock", &json!({ "max_tokens": 1 })).await;
    assert_error(&refused, 429, "requests", "rate_limit_exceeded");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
    assert_eq!(llm.mock.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_read_is_told_what_is_wrong_with_it() {
    let llm = with_models().await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for body in [
        json!({}),
        json!({ "model": 7, "messages": [] }),
        json!({ "model": "mock", "messages": "Hello" }),
        json!({ "model": "mock", "messages": [], "max_tokens": -1 }),
        json!({ "model": "mock", "messages": [], "n": 1_000_000 }),
        json!([]),
    ] {
        let refused = key.post("/v1/chat/completions", &body).await;
        assert_eq!(
            (refused.status, &refused.json["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{body}"
        );
    }
    assert!(llm.mock.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_upstream_pass_as_they_are_and_cost_nothing() {
    let llm = with_models().await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for (status, fields) in
        [(400, ""), (404, ""), (429, "+retry-after=7"), (500, ""), (503, "+retry-after=3")]
    {
        let name = format!("mock-{status}");
        llm.model(&name, &format!("mock+error-{status}{fields}")).await;
        let answer = key.chat(&name, &json!({ "max_tokens": 4 })).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.json["error"]["message"].is_string(), "{}", answer.text);
        let wait = fields.trim_start_matches("+retry-after=");
        assert_eq!(answer.header("retry-after"), wait, "{status}: {:?}", answer.headers);
    }
    let open = llm.open_holds(&key).await;
    assert!(open.is_empty(), "{open:?}");
    assert!(llm.ledger(&key).await.is_empty(), "nothing was made");
}
