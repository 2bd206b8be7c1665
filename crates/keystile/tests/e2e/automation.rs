//! Automation that manages keys, with an API key or with a token made from one.

use keystile_testkit::http::NOTHING;
use serde_json::json;

use crate::world::{World, as_key, text};

/// Exchanges a key for a token: `Bearer …`.
async fn exchanged(world: &World, secret: &str) -> String {
    let answer = world.http.json("POST", "/api/v1/auth/token", &as_key(secret), &NOTHING).await.expect(200);
    assert_eq!((text(&answer, "token_type"), &answer["expires_in"]), ("Bearer", &json!(3600)));
    assert_eq!(text(&answer, "tenant_id"), world.credentials.tenant_id);
    format!("Bearer {}", text(&answer, "access_token"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_or_a_token_made_from_it_issues_keys_until_it_is_revoked() {
    let world = World::start().await;
    let scopes = json!(["keystile.keys:issue", "customers:read"]);
    let issuer = world.create(&json!({ "name": "Issuer", "scopes": scopes })).await;
    let token = exchanged(&world, text(&issuer, "secret")).await;
    for credential in [as_key(text(&issuer, "secret")), token.clone()] {
        let more = json!({ "name": "More", "scopes": ["customers:write"] });
        let refused = world.http.json("POST", &world.keys(), &credential, &more).await;
        refused.expect_problem(403, "forbidden");
        assert!(text(&refused.json, "detail").contains("`customers:write`"), "{}", refused.text);
        let body = json!({ "name": "Made", "scopes": ["customers:read"] });
        let made = world.http.json("POST", &world.keys(), &credential, &body).await.expect(201);
        assert_eq!(made["created_by"], issuer["id"]);
        let question = json!({ "key": made["secret"], "permissions": ["customers:read"] });
        assert_eq!(text(&world.verify(&question).await, "code"), "allowed");
        let path = format!("{}/{}", world.keys(), text(&made, "id"));
        world.http.json("DELETE", &path, &credential, &NOTHING).await.expect(204);
        for path in [world.tenant(), format!("{}/applications", world.tenant()), "/api/v1/tenants".to_owned()]
        {
            world.http.json("GET", &path, &credential, &NOTHING).await.expect_problem(403, "forbidden");
        }
    }
    world.change("POST", text(&issuer, "id"), "/revoke", &NOTHING).await.expect(200);
    for credential in [as_key(text(&issuer, "secret")), token] {
        let refused = world.http.json("GET", &world.keys(), &credential, &NOTHING).await;
        refused.expect_problem(401, "key_revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_good_key_alone_is_exchanged_for_a_token() {
    let world = World::start().await;
    let secret = world.credentials.secret("production");
    let ask =
        async |credential: &str, body| world.http.json("POST", "/api/v1/auth/token", credential, body).await;
    ask(&as_key("sk_ks_live_nonsense"), &NOTHING).await.expect_problem(401, "key_malformed");
    let both = json!({ "email": world.credentials.email, "password": world.credentials.password });
    ask(&as_key(secret), &both).await.expect_problem(400, "invalid_request");
    let restricted = world.create(&json!({ "name": "Elsewhere", "allowed_ips": ["203.0.113.0/24"] })).await;
    ask(&as_key(text(&restricted, "secret")), &NOTHING).await.expect_problem(403, "ip_not_allowed");
    ask("", &NOTHING).await.expect_problem(415, "unsupported_media_type");
}

/// A token is refused with the very code that its key is refused with.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_as_long_as_the_secret_it_was_made_with() {
    let world = World::start().await;
    let block = json!({ "reason": "leaked" });
    let past_its_end = json!({ "overlap_seconds": 0 });
    for (method, what, body, code) in [
        ("POST", "/regenerate", &NOTHING, "key_not_found"),
        ("POST", "/rotate", &past_its_end, "key_revoked"),
        ("POST", "/block", &block, "key_blocked"),
        ("POST", "/disable", &NOTHING, "key_inactive"),
        ("POST", "/revoke", &NOTHING, "key_revoked"),
        ("DELETE", "", &NOTHING, "key_revoked"),
    ] {
        let scopes = json!(["keystile.keys:read", "keystile.keys:verify"]);
        let made = world.create(&json!({ "name": "Application", "scopes": scopes })).await;
        let token = exchanged(&world, text(&made, "secret")).await;
        world.http.json("GET", &world.keys(), &token, &NOTHING).await.expect(200);
        let changed = world.change(method, text(&made, "id"), what, body).await;
        assert!(changed.status < 300, "{what}: {}", changed.text);
        let status = if code == "key_blocked" { 403 } else { 401 };
        for credential in [as_key(text(&made, "secret")), token] {
            let question = json!({ "key": "sk_x" });
            let listed = world.http.json("GET", &world.keys(), &credential, &NOTHING).await;
            let verified = world.http.json("POST", "/api/v1/keys/verify", &credential, &question).await;
            let founded = world.http.json("GET", "/api/v1/tenants", &credential, &NOTHING).await;
            for refused in [listed, verified, founded] {
                refused.expect_problem(status, code);
            }
        }
    }
}

/// Else whoever exchanges a key would slip through its limits.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_with_a_token_counts_as_use_of_its_key() {
    let world = World::start().await;
    let body = json!({ "name": "Slow", "scopes": ["keystile.keys:read"], "rpm_limit": 3 });
    let made = world.create(&body).await;
    let token = exchanged(&world, text(&made, "secret")).await;
    for _ in 0..2 {
        world.http.json("GET", &world.keys(), &token, &NOTHING).await.expect(200);
    }
    for credential in [token, as_key(text(&made, "secret"))] {
        let refused = world.http.json("GET", &world.keys(), &credential, &NOTHING).await;
        assert_eq!((refused.status, text(&refused.json, "code")), (429, "rate_limited"), "{}", refused.text);
    }
}
