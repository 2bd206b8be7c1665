//! Budgets: what fits, what is charged beyond, and what changes and rotations leave as it is.

use keystile_testkit::virtual_key::{VirtualKey, message};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use super::world::{
    DOLLAR, Llm, assert_error, assert_exhausted, charged, cost, dear, dear_cost, held, nanos, sum,
    until_refused,
};
use crate::world::text;

/// What spends a budget of a dollar by a request or a few, at the prices of [`dear`].
fn much() -> Value {
    json!({ "max_tokens": 900 })
}

/// A key whose budget of a dollar is spent, and how many requests did that.
async fn spent_key(llm: &Llm) -> (VirtualKey, usize) {
    llm.model_of(&llm.open_ai, "mock-dear", "mock+tokens=900", &json!({ "price": dear() })).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let (served, refused) = until_refused(&key, "mock-dear", &much()).await;
    assert!(served > 0);
    assert_exhausted(&refused);
    llm.settled(&key, served).await;
    (key, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_charged_is_what_the_upstream_bills_and_shows_in_the_keys_record() {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    key.chat("mock", &json!({ "max_tokens": 8 })).await.expect(200);
    let (billed, row) = llm.only_charge(&key).await;
    assert_eq!(charged(&row), cost(&billed.usage));
    assert!(held(&row) >= charged(&row), "{row}");
    let told = (text(&row, "model"), text(&row, "basis"), text(&row, "key_id"));
    assert_eq!(told, ("mock", "upstream", key.id.as_str()));
    let shown = async || (nanos(&llm.record(&key).await["spend_usd"]) == cost(&billed.usage)).then_some(());
    eventually("the record to show what was spent", shown).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn max_tokens_absent_is_clamped_to_what_the_budget_allows() {
    let llm = Llm::start().await;
    llm.model_of(&llm.open_ai, "mock", "mock+tokens=4000", &json!({ "price": dear() })).await;
    let key = llm.key(&json!({ "max_budget_usd": 0.1 })).await;
    let answer = key.chat("mock", &json!({})).await;
    let cap: u64 = answer.header("x-keystile-output-clamped").parse().unwrap();
    let told = answer.expect(200);
    assert!((10..100).contains(&cap), "a token is a thousandth of a dollar: {cap}");
    assert_eq!(told["usage"]["completion_tokens"], cap);
    let (billed, row) = llm.only_charge(&key).await;
    assert_eq!(charged(&row), dear_cost(&billed.usage));
    assert!(charged(&row) <= 100_000_000, "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upstream_makes_beyond_its_cap_is_charged_in_full_and_the_next_is_refused() {
    let llm = Llm::start().await;
    llm.model_of(&llm.open_ai, "mock", "mock+overrun+tokens=300", &json!({ "price": dear() })).await;
    let key = llm.key(&json!({ "max_budget_usd": 0.1 })).await;
    key.chat("mock", &json!({ "max_tokens": 10 })).await.expect(200);
    let (billed, row) = llm.only_charge(&key).await;
    assert_eq!(charged(&row), dear_cost(&billed.usage));
    assert!(charged(&row) > held(&row), "{row}");
    assert_exhausted(&key.chat("mock", &json!({ "max_tokens": 1 })).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_an_exhausted_budget_still_lists_its_models() {
    let llm = Llm::start().await;
    let (key, _) = spent_key(&llm).await;
    llm.model("other", "mock").await;
    let models = key.read("/v1/models").await.expect(200);
    let names: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| text(model, "id")).collect();
    assert_eq!(names, ["mock-dear"], "those that it may use, and no others");
    assert_eq!(key.read("/v1/models/mock-dear").await.expect(200)["object"], "model");
    assert!([403, 404].contains(&key.read("/v1/models/other").await.status));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_keeps_its_counters() {
    let llm = Llm::start().await;
    let (key, _) = spent_key(&llm).await;
    let body = json!({ "overlap_seconds": 3_600 });
    let new = llm.world.change("POST", &key.id, "/rotate", &body).await.expect(200);
    let successor = VirtualKey::new(&llm.world.http, text(&new, "id"), text(&new, "secret"));
    for key in [&key, &successor] {
        assert_exhausted(&key.chat("mock-dear", &much()).await);
    }
    let spent = nanos(&llm.record(&successor).await["spend_usd"]);
    assert_eq!(spent, sum(&llm.ledger(&key).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_changed_in_mid_period_keeps_what_was_spent() {
    let llm = Llm::start().await;
    let (key, served) = spent_key(&llm).await;
    llm.change(&key, &json!({ "max_budget_usd": 0.5 })).await;
    assert_exhausted(&key.chat("mock-dear", &json!({ "max_tokens": 1 })).await);
    llm.change(&key, &json!({ "max_budget_usd": 2.0 })).await;
    let (more, refused) = until_refused(&key, "mock-dear", &much()).await;
    assert_exhausted(&refused);
    let spent = sum(&llm.settled(&key, served + more).await);
    assert!((DOLLAR..=2 * DOLLAR).contains(&spent), "{spent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_a_price_is_refused_to_a_key_with_a_budget_alone() {
    let llm = Llm::start().await;
    llm.model_of(&llm.open_ai, "mock", "mock", &json!({ "price": null })).await;
    let budgeted = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let refused = budgeted.chat("mock", &json!({})).await;
    assert_error(&refused, 400, "invalid_request_error", "model_price_unknown");
    assert!(llm.mock.asked().is_empty());
    let free = llm.key(&json!({})).await;
    free.chat("mock", &json!({})).await.expect(200);
    let (billed, row) = llm.only_charge(&free).await;
    assert_eq!((charged(&row), row["used"]["output_tokens"].as_u64()), (0, Some(billed.usage.output)));
}

#[tokio::test(flavor = "multi_thread")]
async fn spend_is_told_by_key_model_and_day() {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    llm.anthropic_model("mock-claude", "mock").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    key.chat("mock", &json!({ "max_tokens": 8 })).await.expect(200);
    key.anthropic("/v1/messages", &message("mock-claude", &json!({}))).await.expect(200);
    let total = sum(&llm.settled(&key, 2).await);
    for by in ["key", "application", "day"] {
        let rows = llm.spend(by).await;
        assert_eq!(
            (rows.len(), nanos(&rows[0]["cost_usd"]), &rows[0]["requests"]),
            (1, total, &json!(2)),
            "{by}"
        );
    }
    let mut models: Vec<_> =
        llm.spend("model").await.iter().map(|row| text(row, "name").to_owned()).collect();
    models.sort();
    assert_eq!(models, ["mock", "mock-claude"]);
}
