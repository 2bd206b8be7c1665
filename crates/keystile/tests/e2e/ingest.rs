//! How events come in is counted and told.

use serde_json::{Value, json};

use crate::world::{World, as_key, text};

/// `ApiKey …` of a new key of `source`.
async fn sender(world: &World, source: &str, environment: &str) -> String {
    let body = json!({ "name": source, "source_id": source, "environment": environment });
    as_key(text(&world.create(&body).await, "secret"))
}

async fn send(world: &World, key: &str, body: &Value, status: u16) {
    world.http.json("POST", "/api/v1/events", key, body).await.expect(status);
}

fn good() -> Value {
    json!({ "type": "order.paid", "entity": { "type": "order", "id": "7" }, "data": { "total": 42 } })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_tells_who_sends_events_and_what_is_refused_of_one_environment() {
    let world = World::start().await;
    let overview = format!("{}/overview", world.tenant());
    let before = world.read(&overview).await;
    assert_eq!(before["ingest"]["sources"], json!([]));
    assert_eq!(before["ingest"]["last_day"]["accepted"], 0);
    let (shop, lab) = (sender(&world, "shop", "production").await, sender(&world, "lab", "staging").await);
    let named = |total: u64| {
        let mut event = good();
        event["id"] = json!("a");
        event["data"]["total"] = json!(total);
        event
    };
    send(&world, &shop, &json!([good(), named(1), named(1), named(2), { "type": "order.paid" }]), 202).await;
    send(&world, &shop, &json!({ "type": "order.paid" }), 400).await;
    send(&world, &shop, &json!({}), 400).await;
    send(&world, &lab, &json!([good(), good()]), 202).await;
    let deaf = world.create(&json!({ "name": "deaf", "source_id": "shop", "scopes": ["orders:read"] })).await;
    send(&world, &as_key(text(&deaf, "secret")), &good(), 403).await;

    let after = world.read(&overview).await;
    let ingest = &after["ingest"];
    assert_eq!((&ingest["environment"], &ingest["has_more_sources"]), (&json!("production"), &json!(false)));
    let reasons = json!({ "event_id_reused": 1, "invalid": 3 });
    let expected = json!({ "accepted": 2, "repeated": 1, "refused": 4, "refused_by_reason": reasons });
    assert_eq!((&ingest["last_hour"], &ingest["last_day"]), (&expected, &expected));
    assert_eq!(ingest["refused_attempts_by_code"]["permission_denied"], 1, "{ingest}");
    let sources = ingest["sources"].as_array().unwrap();
    let [source] = &sources[..] else { panic!("what staging sends turns up in production: {sources:?}") };
    for (field, value) in [
        ("source_id", json!("shop")),
        ("environment", json!("production")),
        ("last_hour", json!(2)),
        ("last_day", json!(2)),
        ("refused_last_day", json!(4)),
        ("per_minute", json!(0.4)),
        ("active_keys", json!(2)),
    ] {
        assert_eq!(source[field], value, "{field}");
    }
    let staging = world.read(&format!("{overview}?environment=staging")).await;
    assert_eq!(staging["keys"], after["keys"], "keys are those of all environments");
    assert_eq!(staging["ingest"]["sources"][0]["source_id"], "lab");
    assert_eq!(staging["ingest"]["last_hour"]["accepted"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_listed_page_by_page() {
    let world = World::start().await;
    let uri = "https://shop.example/checkout";
    for source in ["c", uri, "a", "b"] {
        send(&world, &sender(&world, source, "production").await, &good(), 202).await;
    }
    send(&world, &sender(&world, "lab", "development").await, &good(), 202).await;
    let page = async |query: &str| world.read(&format!("{}/sources?{query}", world.tenant())).await;
    let ids = |page: &Value| {
        let sources = page["data"].as_array().unwrap().iter();
        sources.map(|source| text(source, "source_id").to_owned()).collect::<Vec<_>>()
    };
    let first = page("limit=3").await;
    assert_eq!(ids(&first), ["a", "b", "c"]);
    let last = page(&format!("limit=3&cursor={}", text(&first, "next_cursor"))).await;
    assert_eq!((ids(&last).join(" "), last["next_cursor"].is_null()), (uri.to_owned(), true));
    assert_eq!(ids(&page("environment=development").await), ["lab"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_events_outlive_the_server() {
    let mut world = World::start().await;
    let shop = sender(&world, "shop", "production").await;
    send(&world, &shop, &json!([good(), good(), 7]), 202).await;
    world.server.stop();
    world.start_again();
    let series = world.read(&format!("{}/ingest?step=hour", world.tenant())).await;
    assert_eq!(series["data"].as_array().unwrap().len(), 24);
    let total = &series["total"];
    assert_eq!((&total["accepted"], &total["refused_by_reason"]), (&json!(2), &json!({ "invalid": 1 })));
    let staging = world.read(&format!("{}/ingest?environment=staging", world.tenant())).await;
    assert_eq!(staging["total"]["accepted"], 0);
}
