//! How often a key was allowed and refused: exactly, and however the server ends.

use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, as_key, text};

const CLIENTS: u64 = 16;
/// Requests of each client, of which every third is refused.
const REQUESTS: u64 = 300;

impl World {
    fn usage_path(&self, key: &Value, query: &str) -> String {
        format!("{}/{}/usage{query}", self.keys(), text(key, "id"))
    }

    async fn usage(&self, key: &Value) -> Value {
        self.read(&self.usage_path(key, "")).await
    }

    /// How often the key was allowed and refused, over all steps.
    async fn total(&self, key: &Value) -> (u64, u64) {
        let usage = self.usage(key).await;
        let count = |name: &str| usage["total"][name].as_u64().unwrap();
        (count("allowed"), count("refused"))
    }

    async fn ask_about(&self, key: &Value, more: &Value) -> String {
        let mut question = more.clone();
        question["key"] = key["secret"].clone();
        text(&self.verify(&question).await, "code").to_owned()
    }

    /// Waits until the use of a key that was not used before is written, as happens regularly.
    async fn until_written(&self, key: &Value) {
        let path = format!("{}/{}", self.keys(), text(key, "id"));
        let written = async || self.read(&path).await["last_used_at"].is_string().then_some(());
        eventually("the last use to be written", written).await;
    }
}

fn sum<'v>(counts: impl Iterator<Item = &'v Value>) -> u64 {
    counts.map(|count| count.as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_decision_about_a_key_is_counted_by_its_code() {
    let world = World::start().await;
    let key = json!({
        "name": "counted", "scopes": ["orders:read"], "rpm_limit": 1_000, "allowed_ips": ["192.0.2.0/24"],
    });
    let key = world.create(&key).await;
    let here = "192.0.2.7";
    let cases = [
        ("allowed", 5, json!({ "ip": here })),
        ("wrong_environment", 2, json!({ "ip": here, "environment": "staging" })),
        ("wrong_application", 1, json!({ "ip": here, "application_id": "app_01J00000000000000000000009" })),
        ("ip_not_allowed", 3, json!({ "ip": "198.51.100.1" })),
        ("permission_denied", 4, json!({ "ip": here, "permissions": ["orders:write"] })),
        ("rate_limited", 6, json!({ "ip": here, "cost": 1_001 })),
    ];
    for (code, times, question) in &cases {
        for _ in 0..*times {
            assert_eq!(world.ask_about(&key, question).await, *code);
        }
    }
    for (what, body, code) in [
        ("/disable", NOTHING, "key_inactive"),
        ("/enable", NOTHING, "allowed"),
        ("/block", json!({ "reason": "unpaid" }), "key_blocked"),
        ("/revoke", NOTHING, "key_revoked"),
    ] {
        world.change("POST", text(&key, "id"), what, &body).await.expect(200);
        assert_eq!(world.ask_about(&key, &json!({ "ip": here })).await, code);
    }
    let usage = world.usage(&key).await;
    let total = &usage["total"];
    let by_code = json!({
        "wrong_environment": 2, "wrong_application": 1, "ip_not_allowed": 3, "permission_denied": 4,
        "rate_limited": 6, "key_inactive": 1, "key_blocked": 1, "key_revoked": 1,
    });
    assert_eq!(
        (&total["allowed"], &total["refused"], &total["refused_by_code"]),
        (&json!(6), &json!(19), &by_code)
    );
    assert_eq!(sum(total["latency"].as_object().unwrap().values()), 25);
    // After each of the four changes, and at first, the key had to be read.
    assert_eq!(total["latency"]["memory"], 20, "{total}");
    let points = usage["data"].as_array().unwrap();
    assert_eq!((points.len(), &usage["step"]), (24, &json!("hour")));
    assert_eq!(
        (
            sum(points.iter().map(|point| &point["allowed"])),
            sum(points.iter().map(|point| &point["refused"]))
        ),
        (6, 19)
    );
    assert_eq!((&points[0]["starts_at"], &points[0]["allowed"]), (&usage["from"], &json!(0)));

    world.change("DELETE", text(&key, "id"), "", &NOTHING).await;
    world.change("GET", text(&key, "id"), "", &NOTHING).await.expect_problem(404, "not_found");
    assert_eq!(world.usage(&key).await["total"], *total, "its history stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_tenant_are_counted_together() {
    let world = World::start().await;
    let live = world.create(&json!({ "name": "live" })).await;
    let staged = world.create(&json!({ "name": "staged", "environment": "staging" })).await;
    let path = world.keys().replace("/api-keys", "/usage");
    let total = async |query: &str| world.read(&format!("{path}{query}")).await["total"].clone();
    assert_eq!(world.ask_about(&live, &json!({})).await, "allowed");
    assert_eq!(total("").await["allowed"], 1, "what was decided before is there");
    assert_eq!(world.ask_about(&live, &json!({ "environment": "staging" })).await, "wrong_environment");
    for _ in 0..3 {
        assert_eq!(world.ask_about(&staged, &json!({})).await, "allowed");
    }
    world.change("DELETE", text(&staged, "id"), "", &NOTHING).await;
    for (query, allowed, refused) in
        [("", 4, 1), ("?environment=production&step=day", 1, 1), ("?environment=staging&step=minute", 3, 0)]
    {
        let total = total(query).await;
        assert_eq!((&total["allowed"], &total["refused"]), (&json!(allowed), &json!(refused)), "{query}");
    }
    assert_eq!(total("").await["refused_by_code"], json!({ "wrong_environment": 1 }));
    let series = world.read(&path).await;
    let points = series["data"].as_array().unwrap();
    assert_eq!((points.len(), sum(points.iter().map(|point| &point["allowed"]))), (24, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_has_the_steps_that_are_asked_for() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "k" })).await;
    assert_eq!(world.ask_about(&key, &json!({})).await, "allowed");
    for (query, points, allowed) in [
        ("?step=minute", 60, 1),
        ("?step=day", 30, 1),
        ("?from=2026-01-01T10:30:00%2B01:00&to=2026-01-01T12:00:00Z&step=hour", 3, 0),
        ("?from=2026-01-01T00:00:00Z&to=2026-01-02T01:00:00Z&step=minute", 1_500, 0),
    ] {
        let usage = world.read(&world.usage_path(&key, query)).await;
        assert_eq!(usage["data"].as_array().unwrap().len(), points, "{query}");
        assert_eq!(usage["total"]["allowed"], allowed, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_reads_routes_first_is_counted_once() {
    let world = World::start().await;
    world.route(&json!({ "routes": [{ "path": "/orders", "permissions": ["orders:read"] }] })).await;
    let key = world.create(&json!({ "name": "k", "scopes": ["orders:read"] })).await;
    let ask = async |path: &str| {
        let request = world.http.request("GET", &world.authz("production"));
        let request = request.header("authorization", as_key(text(&key, "secret")));
        let request = request.header("x-forwarded-method", "GET").header("x-forwarded-uri", path);
        world.http.send(request, "").await.status
    };
    assert_eq!((ask("/orders").await, world.total(&key).await), (200, (1, 0)));
    assert_eq!((ask("/").await, world.total(&key).await), (403, (1, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_the_usage_of_the_keys_that_it_sees() {
    let world = World::start().await;
    let reader = world.key_with(&["keystile.keys:read"]).await;
    let ours = world.create(&json!({ "name": "ours" })).await;
    let theirs = world.create(&json!({ "name": "theirs", "environment": "staging" })).await;
    let ask = async |key: &Value| world.http.json("GET", &world.usage_path(key, ""), &reader, &NOTHING).await;
    ask(&ours).await.expect(200);
    ask(&theirs).await.expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_many_clients_are_counted_to_the_unit() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "busy" })).await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (http, secret) = (world.server.http(), as_key(text(&key, "secret")));
        let (good, bad) = (world.authz("production"), world.authz("staging"));
        clients.spawn(async move {
            for number in 0..REQUESTS {
                let (path, status) = if number % 3 == 0 { (&bad, 401) } else { (&good, 200) };
                assert_eq!(http.json("GET", path, &secret, &NOTHING).await.status, status);
            }
        });
    }
    let mut before = (0, 0);
    while !clients.is_empty() {
        // Reading meanwhile, which writes what is counted, loses nothing and counts nothing twice.
        let now = world.total(&key).await;
        assert!(now.0 >= before.0 && now.1 >= before.1, "{now:?} after {before:?}");
        before = now;
        while clients.try_join_next().transpose().unwrap().is_some() {}
    }
    let (all, refused) = (CLIENTS * REQUESTS, CLIENTS * REQUESTS.div_ceil(3));
    assert_eq!(world.total(&key).await, (all - refused, refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_normal_stop_loses_no_count() {
    let mut world = World::start().await;
    let key = world.create(&json!({ "name": "k" })).await;
    for _ in 0..7 {
        assert_eq!(world.ask_about(&key, &json!({})).await, "allowed");
        assert_eq!(world.ask_about(&key, &json!({ "environment": "staging" })).await, "wrong_environment");
    }
    world.server.stop();
    world.start_again();
    assert_eq!(world.total(&key).await, (7, 7));
    assert_eq!(world.ask_about(&key, &json!({})).await, "allowed");
    assert_eq!(world.total(&key).await, (8, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_what_was_counted_in_the_last_seconds_and_no_more() {
    const WRITTEN: u64 = 20;
    const MORE: u64 = 10;
    let mut world = World::start().await;
    let (key, marker) =
        (world.create(&json!({ "name": "k" })).await, world.create(&json!({ "name": "m" })).await);
    for _ in 0..WRITTEN {
        assert_eq!(world.ask_about(&key, &json!({})).await, "allowed");
    }
    // What is seen of the first round of writing may be seen before its end; the second begins behind it.
    world.until_written(&key).await;
    assert_eq!(world.ask_about(&marker, &json!({})).await, "allowed");
    world.until_written(&marker).await;
    for _ in 0..MORE {
        assert_eq!(world.ask_about(&key, &json!({})).await, "allowed");
    }
    world.server.kill();
    world.start_again();
    let (allowed, refused) = world.total(&key).await;
    assert!((WRITTEN..=WRITTEN + MORE).contains(&allowed) && refused == 0, "{allowed} and {refused}");
}
