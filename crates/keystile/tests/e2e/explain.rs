//! `explain`: everything that is wrong with a key at once, and nothing used up.

use keystile_testkit::http::NOTHING;
use serde_json::{Value, json};

use crate::world::{World, text};

/// The checks with this result, in order.
fn checks<'v>(answer: &'v Value, result: &str) -> Vec<&'v str> {
    let made = answer["checks"].as_array().unwrap_or_else(|| panic!("no checks in {answer}"));
    made.iter().filter(|check| check["result"] == result).map(|check| text(check, "check")).collect()
}

fn detail<'v>(answer: &'v Value, check: &str) -> &'v str {
    let made = answer["checks"].as_array().unwrap();
    text(made.iter().find(|made| made["check"] == check).unwrap(), "detail")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_with_a_key_is_told_at_once() {
    let world = World::start().await;
    let customer = world.customer("Globex").await;
    let body = json!({ "name": "wrong", "environment": "staging", "scopes": ["orders:read"], "allowed_ips": ["192.0.2.0/24"],
        "customer_id": customer, "rpm_limit": 5 });
    let key = world.create(&body).await;
    let id = text(&key, "id");
    world.change("POST", id, "/block", &json!({ "reason": "leaked" })).await.expect(200);
    world.change("POST", id, "/disable", &NOTHING).await.expect(200);
    let question = json!({ "key": key["secret"], "environment": "production", "ip": "203.0.113.9", "cost": 6,
        "application_id": "app_01J00000000000000000000009", "customer_id": "cus_01J00000000000000000000009",
        "permissions": ["orders:read", "orders:write", "crm:read"], "model": "gpt-4o", "explain": true });
    let answer = world.verify(&question).await;
    assert_eq!((&answer["valid"], text(&answer, "code")), (&Value::Bool(false), "key_inactive"));
    assert_eq!(checks(&answer, "passed"), ["form", "known"]);
    let wrong = [
        "status",
        "environment",
        "block",
        "application",
        "address",
        "customer",
        "permissions",
        "model",
        "limits",
    ];
    assert_eq!(checks(&answer, "failed"), wrong);
    let codes: Vec<_> =
        answer["checks"].as_array().unwrap().iter().filter_map(|check| check["code"].as_str()).collect();
    let expected = [
        "key_inactive",
        "wrong_environment",
        "key_blocked",
        "wrong_application",
        "ip_not_allowed",
        "wrong_customer",
        "permission_denied",
        "model_not_allowed",
        "rate_limited",
    ];
    assert_eq!(codes, expected);
    assert_eq!(detail(&answer, "permissions"), "it lacks `orders:write`, `crm:read`");
    assert_eq!(detail(&answer, "environment"), "it belongs to `staging`");
    assert!(detail(&answer, "limits").contains("costs more than may ever come at once"), "{answer}");
    assert_eq!(answer["limits"][0]["remaining"], 5, "what is left is told with a refusal, too");
    assert_eq!(answer["key_id"], key["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_uses_nothing_up_and_is_no_use() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "explained", "rpm_limit": 1 })).await;
    let question = json!({ "key": key["secret"], "explain": true });
    for _ in 0..3 {
        let answer = world.verify(&question).await;
        assert_eq!((text(&answer, "code"), &answer["limits"][0]["remaining"]), ("allowed", &json!(1)));
        assert_eq!(checks(&answer, "passed"), ["form", "known", "status", "block", "limits"]);
        let not_asked =
            ["environment", "application", "address", "customer", "permissions", "model", "tokens", "budget"];
        assert_eq!(checks(&answer, "not_asked"), not_asked);
    }
    let used = world.verify(&json!({ "key": key["secret"] })).await;
    assert_eq!(text(&used, "code"), "allowed");
    assert!(used.get("checks").is_none(), "{used}");
    assert_eq!(text(&world.verify(&question).await, "code"), "rate_limited");
    assert_eq!(text(&world.verify(&json!({ "key": key["secret"] })).await, "code"), "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_and_a_malformed_text_are_explained_as_far_as_there_is_something_to_say() {
    let world = World::start().await;
    let ask = async |key: &str| world.verify(&json!({ "key": key, "explain": true })).await;
    let unknown = ask("9f8e7d6c5b4a39281706f5e4d3c2b1a0").await;
    assert_eq!((checks(&unknown, "passed"), checks(&unknown, "failed")), (vec!["form"], vec!["known"]));
    let malformed = ask("sk_ks_live_nonsense").await;
    assert_eq!((checks(&malformed, "passed"), checks(&malformed, "failed")), (vec![], vec!["form"]));
    assert_eq!(text(&malformed, "code"), "key_malformed");
}
