//! The example for Traefik, asked as Traefik asks: with a GET, the client's headers, and its own `X-Forwarded-…`.

use keystile_testkit::http::Answer;
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

const EXAMPLE: &str = include_str!("../../../../examples/traefik/dynamic.yml");
const CLIENT: &str = "203.0.113.7";

/// The path and query that the example has Traefik ask for.
fn address(world: &World) -> String {
    let line = EXAMPLE.lines().find_map(|line| line.trim().strip_prefix("address: \"http://127.0.0.1:7878"));
    let path = line.and_then(|line| line.strip_suffix('"')).unwrap();
    assert!(path.contains("APPLICATION_ID"), "{path}");
    path.replace("APPLICATION_ID", &world.credentials.application_id)
}

/// Asks about `POST /orders?page=2` of the client.
async fn ask(world: &World, key: Option<&str>) -> Answer {
    let request = world.http.request("GET", &address(world));
    let request = request.header("x-forwarded-method", "POST").header("x-forwarded-proto", "http");
    let request = request.header("x-forwarded-host", "api.example.com").header("x-forwarded-for", CLIENT);
    let request = request.header("x-forwarded-uri", "/orders?page=2").header("x-keystile-key-id", "forged");
    let request = key.into_iter().fold(request, |request, key| request.header("authorization", key));
    world.http.send(request, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_is_told_by_its_headers() {
    let world = World::start().await;
    let here = json!({ "name": "here", "scopes": ["orders:*"], "allowed_ips": [CLIENT] });
    let key = world.create(&here).await;
    let answer = ask(&world, Some(&as_key(text(&key, "secret")))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("x-keystile-key-id"), text(&key, "id"));
    assert_eq!(answer.header("x-keystile-scopes"), "orders:*");
    assert!(answer.headers.contains_key("x-keystile-customer-id"), "without it a forged one would stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_is_refused_with_its_reason() {
    let world = World::start().await;
    let elsewhere = json!({ "name": "elsewhere", "allowed_ips": ["127.0.0.1"] });
    let elsewhere = as_key(text(&world.create(&elsewhere).await, "secret"));
    let staging = as_key(world.credentials.secret("staging"));
    for (key, status, code) in [
        (None, 401, "key_missing"),
        (Some(staging.as_str()), 401, "wrong_environment"),
        (Some(elsewhere.as_str()), 403, "ip_not_allowed"),
    ] {
        let answer = ask(&world, key).await;
        let said: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!((answer.status, text(&said, "code")), (status, code));
        assert_eq!(status == 401, answer.headers.contains_key("www-authenticate"), "{:?}", answer.headers);
    }
}
