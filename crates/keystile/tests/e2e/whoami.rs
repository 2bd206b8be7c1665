//! `whoami`: what a key is told of itself.

use keystile_testkit::http::NOTHING;
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

const PATH: &str = "/api/v1/whoami";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_its_token_see_what_the_key_is_and_has_left_and_no_more() {
    let world = World::start().await;
    let customer = world.customer("Globex").await;
    let body = json!({ "name": "internal name", "scopes": ["orders:*"], "source_id": "shop", "customer_id": customer,
        "metadata": { "note": "watch them" }, "tags": { "team": "blue" }, "rpm_limit": 2, "expires_at": "2999-01-01T00:00:00Z" });
    let key = world.create(&body).await;
    let secret = as_key(text(&key, "secret"));
    let token = world.http.json("POST", "/api/v1/auth/token", &secret, &NOTHING).await.expect(200);
    for credential in [secret.clone(), format!("Bearer {}", text(&token, "access_token"))] {
        let told = world.http.json("GET", PATH, &credential, &NOTHING).await.expect(200);
        let expected = json!({
            "key_id": key["id"], "tenant_id": key["tenant_id"], "application_id": key["application_id"],
            "customer_id": customer, "environment": "production", "kind": "ingest", "source_id": "shop",
            "trust_level": "external", "scopes": ["orders:*"], "allowed_ips": [], "expires_at": "2999-01-01T00:00:00.000Z",
            "limits": told["limits"],
        });
        assert_eq!(told, expected);
        assert_eq!((&told["limits"][0]["name"], &told["limits"][0]["limit"]), (&json!("rpm"), &json!(2)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_used_a_limit_up_still_sees_so_and_asking_costs_nothing() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "limited", "rpm_limit": 2 })).await;
    let secret = as_key(text(&key, "secret"));
    let left = async || {
        let told = world.http.json("GET", PATH, &secret, &NOTHING).await.expect(200);
        told["limits"][0]["remaining"].clone()
    };
    assert_eq!([left().await, left().await], [json!(2), json!(2)]);
    for _ in 0..2 {
        assert_eq!(world.verify(&json!({ "key": key["secret"] })).await["code"], "allowed");
    }
    assert_eq!(left().await, json!(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_keys_that_are_no_good_are_told_nothing() {
    let world = World::start().await;
    let person = world.ask("GET", PATH, &NOTHING).await;
    person.expect_problem(403, "forbidden");
    assert!(text(&person.json, "detail").contains("/api/v1/auth/me"), "{}", person.text);
    world.http.json("GET", PATH, "", &NOTHING).await.expect_problem(401, "key_missing");
    let key = world.create(&json!({ "name": "ends" })).await;
    let secret = as_key(text(&key, "secret"));
    let token = world.http.json("POST", "/api/v1/auth/token", &secret, &NOTHING).await.expect(200);
    let elsewhere = world.create(&json!({ "name": "elsewhere", "allowed_ips": ["203.0.113.7"] })).await;
    world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await.expect(200);
    let refused = async |credential: &str| -> (u16, Value) {
        let answer = world.http.json("GET", PATH, credential, &NOTHING).await;
        (answer.status, answer.json["code"].clone())
    };
    assert_eq!(refused(&secret).await, (401, json!("key_revoked")));
    let token = format!("Bearer {}", text(&token, "access_token"));
    assert_eq!(refused(&token).await, (401, json!("key_revoked")));
    assert_eq!(refused(&as_key(text(&elsewhere, "secret"))).await, (403, json!("ip_not_allowed")));
}
