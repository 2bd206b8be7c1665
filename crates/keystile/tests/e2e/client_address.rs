//! Whom a request comes from, behind proxies that tell it well or badly.

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::server::Plan;
use serde_json::{Value, json};

use crate::world::{KEYSTILE, World, as_key, text};

async fn behind(proxies: &str) -> World {
    let plan = Plan::dev(KEYSTILE).flag("--log", "info").flag("--trusted-proxies", proxies);
    World::of(plan.start()).await
}

/// Asks as a gateway, and as an integration that reads with the key itself.
async fn ask(world: &World, key: &str, name: &str, line: &str) -> [Answer; 2] {
    let send = async |path: &str| {
        let request = world.http.request("GET", path).header("authorization", key).header(name, line);
        world.http.send(request, "").await
    };
    [send(&world.authz("production")).await, send(&world.keys()).await]
}

async fn key_for(world: &World, allowed: &[&str]) -> String {
    let body = json!({ "name": "bound", "allowed_ips": allowed, "scopes": ["keystile.keys:read"] });
    as_key(text(&world.create(&body).await, "secret"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_the_proxy_alone_is_of_no_use_to_whoever_hides_behind_it() {
    let world = behind("127.0.0.0/8").await;
    let key = key_for(&world, &["127.0.0.1"]).await;
    world.http.json("GET", &world.keys(), &key, &NOTHING).await.expect(200);
    for line in
        ["unknown", "_hidden", "nonsense", "", "127.0.0.1, unknown", "unknown, 127.0.0.1", "203.0.113.7"]
    {
        for name in ["x-forwarded-for", "x-real-ip"] {
            for answer in ask(&world, &key, name, line).await {
                answer.expect_problem(403, "ip_not_allowed");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_understood_in_every_form_that_proxies_write() {
    let world = behind("127.0.0.1, ::ffff:10.0.0.0/104").await;
    let key = key_for(&world, &["203.0.113.7", "::ffff:198.51.100.0/120", "2001:db8::/32"]).await;
    for line in [
        "203.0.113.7",
        "203.0.113.7:4711",
        "198.51.100.9, 10.1.2.3",
        "::ffff:203.0.113.7, ::ffff:10.1.2.3",
        "[2001:db8::7]:4711",
        "127.0.0.2, 203.0.113.7",
    ] {
        for answer in ask(&world, &key, "x-forwarded-for", line).await {
            assert_eq!(answer.status, 200, "{line}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_client_is_logged_as_unknown() {
    let world = behind("127.0.0.1").await;
    let request = world.http.request("POST", &world.keys()).header("authorization", &world.owner);
    let request = request.header("content-type", "application/json").header("x-forwarded-for", "unknown");
    let made = world.http.send(request, r#"{"name": "made"}"#).await.expect(201);
    let log = world.read(&format!("{}/audit?limit=1", world.tenant())).await;
    assert_eq!((&log["data"][0]["ip"], &log["data"][0]["target"]), (&Value::Null, &made["id"]), "{log}");
    let lines = world.server.process().stderr();
    let line = lines.lines().find(|line| line.contains("method=POST") && line.contains("status=201"));
    assert!(line.unwrap().contains(" client=unknown "), "{lines}");
}
