//! Sessions: from signing in to the end, whatever ends them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystile_testkit::http::{Answer, Http, NOTHING};
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

const ME: &str = "/api/v1/auth/me";
const REFRESH: &str = "/api/v1/auth/token/refresh";

/// The pair of tokens that signing in gives.
async fn signed_in(http: &Http, email: &str, password: &str) -> Value {
    let body = json!({ "email": email, "password": password });
    http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200)
}

async fn owner(world: &World) -> Value {
    signed_in(&world.http, &world.credentials.email, &world.credentials.password).await
}

fn bearer(tokens: &Value) -> String {
    format!("Bearer {}", text(tokens, "access_token"))
}

async fn refresh(http: &Http, tokens: &Value) -> Answer {
    http.json("POST", REFRESH, "", &json!({ "refresh_token": tokens["refresh_token"] })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_makes_a_key_uses_it_and_deletes_it() {
    let world = World::start().await;
    let tokens = owner(&world).await;
    assert_eq!((text(&tokens, "token_type"), &tokens["expires_in"]), ("Bearer", &json!(3600)));
    assert_eq!(text(&tokens, "tenant_id"), world.credentials.tenant_id);
    let token = bearer(&tokens);
    let key = world.http.json("POST", &world.keys(), &token, &json!({ "name": "Reports" })).await.expect(201);
    let secret = text(&key, "secret");
    assert!(secret.starts_with("sk_"), "it begins as all keys do");
    let credential = format!("ApiKey {secret}");
    let authz = world.authz("production");
    assert_eq!(world.http.json("GET", &authz, &credential, &NOTHING).await.status, 200);
    let path = format!("{}/{}", world.keys(), text(&key, "id"));
    world.http.json("DELETE", &path, &token, &NOTHING).await.expect(204);
    world.http.json("GET", &authz, &credential, &NOTHING).await.expect_problem(401, "key_revoked");
}

/// What a token says, unchecked: whether it is signed well is for other tests.
fn claims(tokens: &Value) -> Value {
    let payload = text(tokens, "access_token").split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_whose_it_is_for_which_tenant_and_for_an_hour() {
    let world = World::start().await;
    let lifetime = |claims: &Value| claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    let me = world.read(ME).await;
    let person = claims(&owner(&world).await);
    assert_eq!((text(&person, "sub"), lifetime(&person)), (text(&me, "id"), 3600));
    assert_eq!(text(&person, "tenant_id"), world.credentials.tenant_id);
    assert_eq!((text(&person, "sid").starts_with("ses_"), person.get("app_id")), (true, None));

    let key = world.create(&json!({ "name": "automation", "scopes": ["keystile.keys:issue"] })).await;
    let key_itself = as_key(text(&key, "secret"));
    let tokens = world.http.json("POST", "/api/v1/auth/token", &key_itself, &NOTHING).await.expect(200);
    let automation = claims(&tokens);
    assert_eq!((text(&automation, "sub"), lifetime(&automation)), (text(&key, "id"), 3600));
    assert_eq!(text(&automation, "tenant_id"), world.credentials.tenant_id);
    assert_eq!(text(&automation, "app_id"), world.credentials.application_id);
    assert_eq!(automation.get("sid"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_replayed_ends_the_session() {
    let world = World::start().await;
    let first = owner(&world).await;
    let second = refresh(&world.http, &first).await.expect(200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    world.http.json("GET", ME, &bearer(&second), &NOTHING).await.expect(200);
    refresh(&world.http, &first).await.expect_problem(401, "session_ended");
    refresh(&world.http, &second).await.expect_problem(401, "session_ended");
    for path in [ME.to_owned(), world.keys(), "/api/v1/tenants".to_owned()] {
        for tokens in [&first, &second] {
            let answer = world.http.json("GET", &path, &bearer(tokens), &NOTHING).await;
            answer.expect_problem(401, "session_ended");
        }
    }
    world.read(ME).await;
    let nonsense = json!({ "refresh_token": "rt_nonsense" });
    world.http.json("POST", REFRESH, "", &nonsense).await.expect_problem(401, "refresh_token_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_exchanges_of_one_token_one_succeeds() {
    let world = World::start().await;
    let tokens = owner(&world).await;
    let exchanges: Vec<_> = (0..1000)
        .map(|_| {
            let (http, tokens) = (world.http.clone(), tokens.clone());
            tokio::spawn(async move { refresh(&http, &tokens).await })
        })
        .collect();
    let mut succeeded = Vec::new();
    for exchange in exchanges {
        let answer = exchange.await.unwrap();
        if answer.status == 200 {
            succeeded.push(answer.json);
        } else {
            answer.expect_problem(401, "session_ended");
        }
    }
    assert_eq!(succeeded.len(), 1);
    refresh(&world.http, &succeeded[0]).await.expect_problem(401, "session_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_this_session_or_all() {
    let world = World::start().await;
    let (first, second) = (owner(&world).await, owner(&world).await);
    let logout = async |tokens: &Value, body: &Value| {
        world.http.json("POST", "/api/v1/auth/logout", &bearer(tokens), body).await
    };
    logout(&first, &NOTHING).await.expect(204);
    logout(&first, &NOTHING).await.expect_problem(401, "session_ended");
    refresh(&world.http, &first).await.expect_problem(401, "session_ended");
    world.http.json("GET", ME, &bearer(&second), &NOTHING).await.expect(200);
    logout(&second, &json!({ "everywhere": true })).await.expect(204);
    world.ask("GET", ME, &NOTHING).await.expect_problem(401, "session_ended");
    logout(&second, &json!({ "everywhere": 1 })).await.expect_problem(401, "session_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_and_ends_their_own_sessions_only() {
    let world = World::start().await;
    let other = owner(&world).await;
    let me = world.read(ME).await;
    assert_eq!((text(&me, "email"), &me["second_factor"]), ("owner@localhost", &json!(false)));
    assert_eq!((&me["tenants"][0]["role"], &me["session"]["current"]), (&json!("owner"), &json!(true)));
    let listed = world.read("/api/v1/auth/sessions").await;
    let ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| text(one, "id")).collect();
    assert_eq!(ids.len(), 3, "this one, the other, and that of `keystile dev`: {listed}");
    let other_id =
        text(&world.http.json("GET", ME, &bearer(&other), &NOTHING).await.expect(200)["session"], "id")
            .to_owned();
    assert_eq!(ids[0], other_id, "newest first");
    let path = format!("/api/v1/auth/sessions/{other_id}");
    world.ask("DELETE", &path, &NOTHING).await.expect(204);
    world.http.json("GET", ME, &bearer(&other), &NOTHING).await.expect_problem(401, "session_ended");
    for gone in
        [path.as_str(), "/api/v1/auth/sessions/ses_01J00000000000000000000001", "/api/v1/auth/sessions/x"]
    {
        world.ask("DELETE", gone, &NOTHING).await.expect_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_all_other_sessions() {
    let world = World::start().await;
    let (kept, other) = (owner(&world).await, owner(&world).await);
    let change = async |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        world.http.json("POST", "/api/v1/auth/password", &bearer(&kept), &body).await
    };
    let (old, new) = (world.credentials.password.as_str(), "rusty-otter-41-lamp");
    change("wrong-otter-41-lamp", new).await.expect_problem(401, "wrong_credentials");
    for weak in ["short", "password123456", &"x".repeat(2000), old] {
        let refused = change(old, weak).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), ["new_password"]);
    }
    world.http.json("GET", ME, &bearer(&other), &NOTHING).await.expect(200);
    change(old, new).await.expect(204);
    world.http.json("GET", ME, &bearer(&other), &NOTHING).await.expect_problem(401, "session_ended");
    refresh(&world.http, &other).await.expect_problem(401, "session_ended");
    world.http.json("GET", ME, &bearer(&kept), &NOTHING).await.expect(200);
    let body = json!({ "email": world.credentials.email, "password": old });
    let refused = world.http.json("POST", "/api/v1/auth/token", "", &body).await;
    refused.expect_problem(401, "wrong_credentials");
    signed_in(&world.http, &world.credentials.email, new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_key_is_there_to_check_tokens_with() {
    let world = World::start().await;
    let keys = world.http.json("GET", "/.well-known/jwks.json", "", &NOTHING).await.expect(200);
    let key = &keys["keys"][0];
    assert_eq!((text(key, "kty"), text(key, "crv"), text(key, "alg")), ("OKP", "Ed25519", "EdDSA"));
    assert!(key.get("d").is_none(), "{key}");
}
