//! Events are taken in, and shown with what they say of entities.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, as_key, text};

const EVENTS: &str = "/api/v1/events";

/// `ApiKey …` of a new key of `source`.
async fn sender(world: &World, source: &str, settings: &Value) -> String {
    let mut body = json!({ "name": source, "source_id": source });
    body.as_object_mut().unwrap().extend(settings.as_object().cloned().unwrap_or_default());
    as_key(text(&world.create(&body).await, "secret"))
}

async fn send(world: &World, key: &str, event: &Value) -> Answer {
    world.http.json("POST", EVENTS, key, event).await
}

/// Sends a body as it is.
async fn send_as(world: &World, key: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let request = world.http.request("POST", EVENTS).header("authorization", key);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    world.http.send(request, body.into()).await
}

fn event(entity: &str, data: &Value) -> Value {
    let (kind, id) = entity.split_once('/').unwrap();
    json!({ "type": "thing.changed", "entity": { "type": kind, "id": id }, "data": data })
}

async fn list(world: &World, query: &str) -> Vec<Value> {
    let page = world.read(&format!("{}/events?{query}", world.tenant())).await;
    page["data"].as_array().unwrap().clone()
}

async fn entity(world: &World, name: &str, environment: &str) -> Answer {
    let path = format!("{}/entities/{name}?environment={environment}", world.tenant());
    world.ask("GET", &path, &NOTHING).await
}

fn kept(count: u64) -> Value {
    json!({ "accepted": count, "rejected": [] })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_kept_with_what_its_key_says_of_the_sender() {
    let world = World::start().await;
    let made = world.create(&json!({ "name": "shop", "source_id": "shop", "trust_level": "internal" })).await;
    assert_eq!(made["scopes"], json!(["keystile.events:write"]), "a key of a source may send events");
    let mut sent = event("order/eu:7", &json!({ "total": 42 }));
    sent["id"] = json!("a-1");
    sent["occurred_at"] = json!("2026-01-31T09:30:00.250+01:00");
    let days = world.ask("PATCH", &world.tenant(), &json!({ "event_days": 3650 })).await.expect(200);
    assert_eq!(days["event_days"], 3650);
    let key = as_key(text(&made, "secret"));
    assert_eq!(send(&world, &key, &sent).await.expect(202), kept(1));
    let [found] = &list(&world, "").await[..] else { panic!("not one event") };
    for (field, value) in [
        ("tenant_id", json!(world.credentials.tenant_id)),
        ("environment", json!("production")),
        ("application_id", made["application_id"].clone()),
        ("key_id", made["id"].clone()),
        ("source_id", json!("shop")),
        ("trust_level", json!("internal")),
        ("source_event_id", json!("a-1")),
        ("type", json!("thing.changed")),
        ("entity", json!({ "type": "order", "id": "eu:7" })),
        ("data", json!({ "total": 42 })),
        ("occurred_at", json!("2026-01-31T08:30:00.250Z")),
    ] {
        assert_eq!(found[field], value, "{field}");
    }
    let path = format!("{}/events/{}", world.tenant(), text(found, "id"));
    assert_eq!(&world.read(&path).await, found);
    let known = entity(&world, "order/eu%3A7", "production").await.expect(200);
    assert_eq!((&known["state"], &known["event_count"]), (&json!({ "total": 42 }), &json!(1)));
    assert_eq!((text(&known, "source_id"), text(&known, "trust_level")), ("shop", "internal"));
    let said =
        json!({ "occurred_at": "2026-01-31T08:30:00.250Z", "source_id": "shop", "trust_level": "internal" });
    assert_eq!(known["fields"]["total"], said);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_many_forms() {
    let world = World::start().await;
    let key = sender(&world, "https://shop.example/checkout", &json!({})).await;
    let one = event("order/1", &json!({ "n": 1 })).to_string();
    let cloud = json!({ "specversion": "1.0", "id": "c", "source": "https://shop.example/checkout",
        "type": "order.paid", "subject": "order/2", "data": { "n": 2 }, "partitionkey": "x" });
    let cloud = |id: &str| {
        let mut cloud = cloud.clone();
        cloud["id"] = json!(id);
        cloud.to_string()
    };
    let typed = |kind: &'static str| [("content-type", kind)];
    let lines = format!("{one}\n\n{one}\r\n");
    for (kind, body, count) in [
        ("application/json; charset=utf-8", one.clone(), 1),
        ("application/json", format!("[{one}, {one}]"), 2),
        ("application/json", "[]".to_owned(), 0),
        ("application/x-ndjson", lines.clone(), 2),
        ("application/cloudevents+json", cloud("1"), 1),
        ("application/cloudevents-batch+json", format!("[{},{}]", cloud("2"), cloud("3")), 2),
    ] {
        let answer = send_as(&world, &key, &typed(kind), body).await;
        assert_eq!(answer.expect(202), kept(count), "{kind}");
    }
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "4"),
        ("ce-source", "https://shop.example/checkout"),
        ("ce-type", "order.paid"),
        ("ce-subject", "order/2"),
    ];
    assert_eq!(send_as(&world, &key, &binary, r#"{"n":4}"#).await.expect(202), kept(1));
    let gzip = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
    assert_eq!(send_as(&world, &key, &gzip, zipped(lines.as_bytes())).await.expect(202), kept(2));
    assert_eq!(list(&world, "limit=200").await.len(), 11);
    assert_eq!(list(&world, "type=order.paid&entity=order/2").await.len(), 4);
    for (headers, status, code) in [
        (vec![("content-type", "text/plain")], 415, "unsupported_media_type"),
        (vec![], 415, "unsupported_media_type"),
        (
            vec![("content-type", "application/json"), ("content-encoding", "br")],
            415,
            "unsupported_content_encoding",
        ),
        (vec![("content-type", "application/json"), ("content-encoding", "gzip")], 400, "body_unreadable"),
        (vec![("content-type", "application/json"), ("content-encoding", "zstd")], 400, "body_unreadable"),
        (vec![("content-type", "application/cloudevents-batch+json")], 400, "invalid_request"),
    ] {
        send_as(&world, &key, &headers, one.clone()).await.expect_problem(status, code);
    }
    send_as(&world, &key, &typed("application/json"), "[{").await.expect_problem(400, "malformed_json");
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_unpacks_to_too_much_is_refused_and_nothing_of_it_kept() {
    let world = World::start().await;
    let key = sender(&world, "shop", &json!({})).await;
    let one = event("order/1", &json!({})).to_string();
    let mut bomb = format!("{one}\n").into_bytes();
    bomb.resize(64 * 1024 * 1024, b' ');
    let packed = zipped(&bomb);
    assert!(packed.len() < 128 * 1024);
    let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
    send_as(&world, &key, &headers, packed).await.expect_problem(413, "body_too_large");
    let plain = vec![b' '; 1024 * 1024 + 1];
    send_as(&world, &key, &headers[..1], plain).await.expect_problem(413, "body_too_large");
    let many = format!("{one}\n").repeat(1_001);
    send_as(&world, &key, &headers[..1], many).await.expect_problem(400, "invalid_request");
    assert!(list(&world, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_breaks_a_rule_is_refused_with_its_fields() {
    let world = World::start().await;
    let key = sender(&world, "shop", &json!({})).await;
    let with = |field: &str, value: Value| {
        let mut event = event("order/1", &json!({}));
        event[field] = value;
        event
    };
    let long = json!({ "text": "x".repeat(16 * 1024) });
    for (field, broken) in [
        ("type", with("type", json!("a b"))),
        ("type", with("type", json!(7))),
        ("entity", with("entity", json!(["order", "1"]))),
        ("entity.type", with("entity", json!({ "type": "a/b", "id": "1" }))),
        ("entity.id", with("entity", json!({ "type": "order", "id": "" }))),
        ("entity.id", with("entity", json!({ "type": "order" }))),
        ("data", with("data", json!([1]))),
        ("data", with("data", long)),
        ("data", with("data", json!({ "text": "x".repeat(1_100) }))),
        ("id", with("id", json!("\u{fc}"))),
        ("occurred_at", with("occurred_at", json!("yesterday"))),
        ("occurred_at", with("occurred_at", json!("9999-01-01T00:00:00Z"))),
        ("occurred_at", with("occurred_at", json!("2001-01-01T00:00:00Z"))),
        ("extra", with("extra", json!(1))),
        ("tenant_id", with("tenant_id", json!("ten_01J00000000000000000000009"))),
        ("source_id", with("source_id", json!("other"))),
        ("trust_level", with("trust_level", json!("trusted"))),
        ("environment", with("environment", json!("staging"))),
        ("application_id", with("application_id", json!("app_01J00000000000000000000009"))),
        ("key_id", with("key_id", json!("key_01J00000000000000000000009"))),
    ] {
        let answer = send(&world, &key, &broken).await;
        answer.expect_problem(400, "invalid_request");
        assert_eq!(answer.fields(), [field], "{broken}");
        let good = event("order/2", &json!({}));
        let several = send(&world, &key, &json!([good, broken, good])).await.expect(202);
        assert_eq!((&several["accepted"], &several["rejected"][0]["index"]), (&json!(2), &json!(1)));
        assert_eq!(several["rejected"][0]["errors"][0]["field"], field);
        assert!(text(&several["rejected"][0], "reason").contains(field), "{several}");
    }
    let own =
        json!({ "source_id": "shop", "environment": "production", "tenant_id": world.credentials.tenant_id });
    let mut honest = event("order/1", &json!({}));
    honest.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    assert_eq!(send(&world, &key, &honest).await.expect(202), kept(1), "what is true may be said");
    let cloud =
        json!({ "specversion": "1.0", "id": "1", "source": "other", "type": "a", "subject": "order/1" });
    let answer =
        send_as(&world, &key, &[("content-type", "application/cloudevents+json")], cloud.to_string()).await;
    answer.expect_problem(400, "invalid_request");
    assert_eq!(answer.fields(), ["source"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_of_a_source_that_may_sends_events() {
    let world = World::start().await;
    let good = event("order/1", &json!({}));
    send(&world, "", &good).await.expect_problem(401, "key_missing");
    send(&world, &world.owner, &good).await.expect_problem(403, "forbidden");
    send(&world, &as_key("sk_ks_live_no"), &good).await.expect_problem(401, "key_malformed");
    let sourceless = world.create(&json!({ "name": "n", "scopes": ["keystile.events:write"] })).await;
    send(&world, &as_key(text(&sourceless, "secret")), &good).await.expect_problem(403, "forbidden");
    let other = sender(&world, "shop", &json!({ "scopes": ["orders:read", "*"] })).await;
    send(&world, &other, &good).await.expect_problem(403, "permission_denied");
    let elsewhere = sender(&world, "shop", &json!({ "allowed_ips": ["192.0.2.1"] })).await;
    send(&world, &elsewhere, &good).await.expect_problem(403, "ip_not_allowed");
    let limited = sender(&world, "shop", &json!({ "rpm_limit": 1 })).await;
    send(&world, &limited, &good).await.expect(202);
    assert_eq!(send(&world, &limited, &good).await.expect(429)["code"], "rate_limited");
    let made = world.create(&json!({ "name": "gone", "source_id": "shop" })).await;
    let secret = as_key(text(&made, "secret"));
    let token = world.http.json("POST", "/api/v1/auth/token", &secret, &NOTHING).await.expect(200);
    let token = format!("Bearer {}", text(&token, "access_token"));
    send(&world, &token, &good).await.expect(202);
    world.change("POST", text(&made, "id"), "/revoke", &NOTHING).await.expect(200);
    for credential in [&secret, &token] {
        send(&world, credential, &good).await.expect_problem(401, "key_revoked");
    }
    assert_eq!(list(&world, "").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_an_id_is_kept_once() {
    let world = World::start().await;
    let key = sender(&world, "shop", &json!({})).await;
    let named = |id: &str, n: u64| {
        let mut event = event("order/1", &json!({ "n": n }));
        event["id"] = json!(id);
        event
    };
    for _ in 0..3 {
        assert_eq!(send(&world, &key, &named("a", 1)).await.expect(202), kept(1));
    }
    let answer = send(&world, &key, &named("a", 2)).await;
    answer.expect_problem(409, "event_id_reused");
    assert_eq!(answer.fields(), ["id"]);
    let several = json!([named("b", 1), named("b", 1), named("b", 2), named("a", 1), named("a", 3)]);
    let several = send(&world, &key, &several).await.expect(202);
    let rejected = several["rejected"].as_array().unwrap();
    let places: Vec<_> = rejected.iter().map(|one| one["index"].as_u64().unwrap()).collect();
    assert_eq!((&several["accepted"], places), (&json!(3), vec![2, 4]));
    assert!(rejected.iter().all(|one| text(one, "reason").starts_with("id: ")), "{several}");
    let other = sender(&world, "desk", &json!({})).await;
    assert_eq!(send(&world, &other, &named("a", 2)).await.expect(202), kept(1), "another source's own");
    assert_eq!(list(&world, "").await.len(), 3);
    assert_eq!(entity(&world, "order/1", "production").await.expect(200)["event_count"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_do_not_see_each_others_events() {
    let world = World::start().await;
    for environment in ["production", "staging", "development"] {
        let key = sender(&world, "shop", &json!({ "environment": environment })).await;
        let sent = event("order/1", &json!({ "from": environment }));
        assert_eq!(send(&world, &key, &sent).await.expect(202), kept(1));
    }
    for (query, environment) in [
        ("", "production"),
        ("environment=production", "production"),
        ("environment=staging", "staging"),
        ("environment=development&entity=order/1", "development"),
    ] {
        let [found] = &list(&world, query).await[..] else { panic!("{query}: not one event") };
        assert_eq!((text(found, "environment"), text(&found["data"], "from")), (environment, environment));
        let known = entity(&world, "order/1", environment).await.expect(200);
        assert_eq!((text(&known["state"], "from"), &known["event_count"]), (environment, &json!(1)));
    }
    let entities = world.read(&format!("{}/entities", world.tenant())).await;
    assert_eq!(entities["data"][0]["environment"], "production");
    world
        .ask("GET", &format!("{}/entities/order/2", world.tenant()), &NOTHING)
        .await
        .expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_less_trusted_source_overwrites_only_where_the_tenant_allows_it() {
    let world = World::start().await;
    let ledger = sender(&world, "ledger", &json!({ "trust_level": "trusted" })).await;
    let web = sender(&world, "web", &json!({ "trust_level": "external" })).await;
    send(&world, &ledger, &event("account/1", &json!({ "balance": 10 }))).await.expect(202);
    let claim = event("account/1", &json!({ "balance": 99, "colour": "red" }));
    send(&world, &web, &claim).await.expect(202);
    let known = entity(&world, "account/1", "production").await.expect(200);
    assert_eq!(known["state"], json!({ "balance": 10, "colour": "red" }));
    assert_eq!(
        (text(&known["fields"]["balance"], "source_id"), text(&known, "source_id")),
        ("ledger", "web")
    );
    world.ask("PATCH", &world.tenant(), &json!({ "less_trusted_overwrites": true })).await.expect(200);
    send(&world, &web, &claim).await.expect(202);
    let known = entity(&world, "account/1", "production").await.expect(200);
    assert_eq!(
        (&known["state"]["balance"], text(&known["fields"]["balance"], "trust_level")),
        (&json!(99), "external")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let world = World::start().await;
    let key = sender(&world, "shop", &json!({})).await;
    let now = world.read(&world.tenant()).await["created_at"].clone();
    let sent: Vec<_> = (0..25).map(|n| event(&format!("order/{}", n % 5), &json!({ "n": n }))).collect();
    assert_eq!(send(&world, &key, &json!(sent)).await.expect(202), kept(25));
    for (path, size, count) in
        [("events", 10, 25), ("events?entity=order/3", 2, 5), ("entities?type=order", 2, 5)]
    {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        let separator = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = world.read(&format!("{}/{path}{separator}limit={size}{cursor}", world.tenant())).await;
            ids.extend(page["data"].as_array().unwrap().iter().map(|one| text(one, "id").to_owned()));
            match &page["next_cursor"] {
                Value::String(next) => cursor = format!("&cursor={}", next.replace('/', "%2F")),
                _ => break,
            }
        }
        let found = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((found, ids.len()), (count, count), "{path}");
    }
    let now = now.as_str().unwrap();
    assert!(list(&world, &format!("to={now}")).await.is_empty());
    assert_eq!(list(&world, &format!("from={now}&source_id=shop&limit=200")).await.len(), 25);
    assert!(list(&world, "source_id=desk").await.is_empty());
    for (query, field) in [
        ("events?entity=order", "entity"),
        ("events?cursor=x", "cursor"),
        ("events?limit=0", "limit"),
        ("events?limit=201", "limit"),
        ("events?type=a%20b", "type"),
        ("events?environment=test", "environment"),
        ("events?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("events?source=shop", "source"),
        ("entities?cursor=x", "cursor"),
        ("entities?type=a/b", "type"),
        ("entities/order/1?environment=test", "environment"),
    ] {
        let answer = world.ask("GET", &format!("{}/{query}", world.tenant()), &NOTHING).await;
        answer.expect_problem(400, "invalid_request");
        assert_eq!(answer.fields(), [field], "{query}");
    }
}

/// Requests under way at the same time, and events in each.
const REQUESTS: usize = 2_000;
const TOGETHER: usize = 10;
const CONNECTIONS: usize = 16;
/// Answers after which the server is killed.
const KILLED_AFTER: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_event_is_there_once_after_a_kill() {
    let mut world = World::start().await;
    let key = sender(&world, "shop", &json!({})).await;
    let batch = |number: usize| {
        let one = |n: usize| {
            let mut event = event(&format!("order/{}", number % 50), &json!({ "n": n }));
            event["id"] = json!(format!("{number}-{n}"));
            event
        };
        json!((0..TOGETHER).map(one).collect::<Vec<_>>())
    };
    let answered = Arc::new(AtomicUsize::new(0));
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| Http::http2(world.server.address())).collect();
    let mut requests = JoinSet::new();
    for number in 0..REQUESTS {
        let http = connections[number % CONNECTIONS].clone();
        let (key, body, answered) = (key.clone(), batch(number), Arc::clone(&answered));
        requests.spawn(async move {
            let answer = http.try_json("POST", EVENTS, &key, &body).await.ok()?;
            assert_eq!(answer.expect(202), kept(TOGETHER as u64));
            answered.fetch_add(1, Ordering::Relaxed);
            Some(number)
        });
    }
    let enough = async || (answered.load(Ordering::Relaxed) >= KILLED_AFTER).then_some(());
    eventually("the first answers", enough).await;
    world.server.kill();
    let kept_then: Vec<_> = requests.join_all().await.into_iter().flatten().collect();
    assert!((KILLED_AFTER..REQUESTS).contains(&kept_then.len()), "{} were answered", kept_then.len());
    world.start_again();
    let times = count(&world).await;
    assert!(times.values().all(|times| *times == 1), "some are there twice");
    for number in &kept_then {
        assert!((0..TOGETHER).all(|n| times.contains_key(&format!("{number}-{n}"))), "{number} is lost");
    }
    // Who was not answered cannot know, and sends again; so does everybody here.
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| Http::http2(world.server.address())).collect();
    let mut requests = JoinSet::new();
    for number in 0..REQUESTS {
        let (http, key, body) = (connections[number % CONNECTIONS].clone(), key.clone(), batch(number));
        requests.spawn(async move { http.json("POST", EVENTS, &key, &body).await.expect(202) });
    }
    assert!(requests.join_all().await.iter().all(|answer| *answer == kept(TOGETHER as u64)));
    let times = count(&world).await;
    assert_eq!(times.len(), REQUESTS * TOGETHER);
    assert!(times.values().all(|times| *times == 1), "some are there twice");
    let entities = world.read(&format!("{}/entities?limit=200", world.tenant())).await;
    let counts = entities["data"].as_array().unwrap().iter().map(|one| one["event_count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), (REQUESTS * TOGETHER) as u64, "each was heard once");
}

/// How often each event is there, by the id of its source.
async fn count(world: &World) -> HashMap<String, u32> {
    let (mut times, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = world.read(&format!("{}/events?limit=200{cursor}", world.tenant())).await;
        for event in page["data"].as_array().unwrap() {
            *times.entry(text(event, "source_event_id").to_owned()).or_default() += 1;
        }
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return times,
        }
    }
}
