//! Webhooks: what arrives, signed by whom, and what is done about receivers that do not take it.

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::receiver::{Mood, Received, Receiver};
use keystile_testkit::server::Plan;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::world::{KEYSTILE, World, sign_in, text};

impl World {
    /// The path of the tenant's webhooks.
    pub(crate) fn webhooks(&self) -> String {
        format!("{}/webhooks", self.tenant())
    }

    /// Makes a webhook to a receiver: its id and its secret.
    pub(crate) async fn webhook(&self, receiver: &Receiver, settings: &Value) -> (String, String) {
        let mut body = json!({ "url": receiver.url() });
        body.as_object_mut().unwrap().extend(settings.as_object().cloned().unwrap_or_default());
        let made = self.ask("POST", &self.webhooks(), &body).await;
        assert_eq!(made.header("cache-control"), "no-store");
        let made = made.expect(201);
        (text(&made, "id").to_owned(), text(&made, "secret").to_owned())
    }

    /// What is done to a webhook, such as `/test`.
    async fn of_webhook(&self, method: &str, id: &str, what: &str, body: &Value) -> Answer {
        self.ask(method, &format!("{}/{id}{what}", self.webhooks()), body).await
    }

    /// The deliveries to a webhook, the last first.
    pub(crate) async fn deliveries(&self, id: &str, query: &str) -> Vec<Value> {
        let path = format!("{}/deliveries?webhook_id={id}&{query}", self.tenant());
        self.read(&path).await["data"].as_array().unwrap().clone()
    }

    /// Makes a key, and gives its id.
    pub(crate) async fn key_called(&self, name: &str) -> String {
        text(&self.create(&json!({ "name": name })).await, "id").to_owned()
    }
}

/// Waits until so many messages were taken.
pub(crate) async fn taken(receiver: &Receiver, count: usize) -> Vec<Received> {
    let enough = async || Some(receiver.taken()).filter(|taken| taken.len() >= count);
    eventually("messages to arrive", enough).await
}

fn events(received: &[Received]) -> Vec<&str> {
    received.iter().map(Received::event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_a_key_arrives_signed_with_its_record() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let before = world.key_called("before").await;
    let (id, secret) = world.webhook(&receiver, &json!({ "description": "Inventory" })).await;
    assert!(secret.starts_with("whsec_"), "{secret}");
    let made = world.create(&json!({ "name": "told", "tags": { "team": "a" } })).await;
    let key = text(&made, "id");
    world.change("PATCH", key, "", &json!({ "name": "told of" })).await.expect(200);
    world.change("POST", key, "/revoke", &json!({ "reason": "over" })).await.expect(200);
    let received = taken(&receiver, 3).await;
    assert_eq!(events(&received), ["key.created", "key.updated", "key.revoked"]);
    assert!(received.iter().all(|one| one.key_id() == key && one.is_signed_by(&secret)), "{received:?}");
    assert!(!received.iter().any(|one| one.body.contains(text(&made, "secret"))), "no secret is sent");
    let revoked = &received[2].json["data"]["key"];
    let shown = world.read(&format!("{}/{key}", world.keys())).await;
    assert_eq!((&revoked["status"], &revoked["revoked_reason"]), (&json!("revoked"), &json!("over")));
    assert_eq!(revoked["tags"], shown["tags"]);
    let changes = &received[1].json["data"]["changes"]["name"];
    assert_eq!(changes, &json!({ "before": "told", "after": "told of" }));
    let noted = async || Some(world.deliveries(&id, "state=delivered").await).filter(|log| log.len() == 3);
    let log = eventually("the attempts to be noted", noted).await;
    let ids: Vec<_> = log.iter().rev().map(|one| text(one, "id")).collect();
    assert_eq!(ids, received.iter().map(|one| one.id.as_str()).collect::<Vec<_>>());
    assert!(log.iter().all(|one| one["last_status"] == 204 && one["attempts"] == 1), "{log:?}");
    assert!(received.iter().all(|one| one.key_id() != before), "of what was before it is not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_of_what_it_wants_alone() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let wants = json!({ "events": ["key.revoked", "leak.reported"], "environments": ["staging"] });
    world.webhook(&receiver, &wants).await;
    let mut last = String::new();
    for environment in ["production", "staging"] {
        let key = world.create(&json!({ "name": "a key", "environment": environment })).await;
        let report = json!({ "key": key["secret"], "place": "a gist" });
        world.http.json("POST", "/api/v1/leaks/report", "", &report).await.expect(202);
        text(&key, "id").clone_into(&mut last);
        world.change("POST", &last, "/revoke", &NOTHING).await.expect(200);
    }
    let received = taken(&receiver, 2).await;
    assert_eq!(events(&received), ["leak.reported", "key.revoked"]);
    assert!(received.iter().all(|one| one.key_id() == last));
    assert_eq!(received[0].json["data"]["leak"]["place"], "a gist");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_tells_how_it_went_and_is_noted_nowhere() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let (id, secret) = world.webhook(&receiver, &json!({})).await;
    for (mood, delivered, status) in [
        (Mood::Takes, true, json!(204)),
        (Mood::Answers(500), false, json!(500)),
        (Mood::Redirects("http://127.0.0.1:9/".to_owned()), false, json!(302)),
        (Mood::Away, false, Value::Null),
    ] {
        receiver.become_so(mood.clone());
        let test = world.of_webhook("POST", &id, "/test", &NOTHING).await.expect(200);
        assert_eq!((&test["delivered"], &test["status"]), (&json!(delivered), &status), "{mood:?}: {test}");
        assert_eq!(test["error"].is_null(), delivered, "{test}");
        assert_eq!(test["excerpt"] == "so it is", mood == Mood::Answers(500), "{test}");
    }
    let received = receiver.received();
    assert_eq!(received[0].event(), "webhook.test");
    assert!(received[0].is_signed_by(&secret));
    assert!(world.deliveries(&id, "").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_what_is_refused_is_sent_again_on_demand() {
    let (world, receiver, other) = (World::start().await, Receiver::start(), Receiver::start());
    let (id, _) = world.webhook(&receiver, &json!({})).await;
    receiver.become_so(Mood::Redirects(other.url()));
    world.key_called("led astray").await;
    let tried = async || world.deliveries(&id, "").await.pop().filter(|one| one["last_status"] == 302);
    let tried = eventually("an attempt", tried).await;
    assert_eq!((text(&tried, "state"), other.received().len()), ("pending", 0));
    receiver.become_so(Mood::Takes);
    let wanted = json!({ "delivery_id": tried["id"] });
    let again = world.of_webhook("POST", &id, "/redeliver", &wanted).await.expect(200);
    assert_eq!(again, json!({ "redelivered": 1 }));
    let received = taken(&receiver, 1).await;
    assert_eq!(received[0].id, text(&tried, "id"));
    let unknown = json!({ "delivery_id": "msg_01J00000000000000000000009" });
    world.of_webhook("POST", &id, "/redeliver", &unknown).await.expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_sent_nothing_until_it_is_enabled() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let (id, _) = world.webhook(&receiver, &json!({})).await;
    receiver.become_so(Mood::Answers(410));
    world.key_called("first").await;
    let off = async || {
        let shown = world.read(&format!("{}/{id}", world.webhooks())).await;
        (shown["enabled"] == false).then_some(shown)
    };
    let shown = eventually("the webhook to be off", off).await;
    assert_eq!(text(&shown, "disabled_reason"), "gone");
    let log = world.read(&format!("{}/audit?action=webhook.disable", world.tenant())).await;
    assert_eq!((text(&log["data"][0], "actor"), text(&log["data"][0], "target")), ("system", id.as_str()));
    world.key_called("second").await;
    let waiting = async || Some(world.deliveries(&id, "state=pending").await).filter(|all| all.len() == 2);
    let waiting = eventually("what happens to wait", waiting).await;
    assert!(waiting.iter().all(|one| one["next_attempt_at"].is_null()), "{waiting:?}");
    assert_eq!(receiver.received().len(), 1);
    receiver.become_so(Mood::Takes);
    world.of_webhook("PATCH", &id, "", &json!({ "enabled": true })).await.expect(200);
    let received = taken(&receiver, 2).await;
    assert_eq!(events(&received), ["key.created", "key.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_signed_with_both_secrets_for_a_while() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let (id, first) = world.webhook(&receiver, &json!({})).await;
    let rotate = async |overlap: &Value| {
        let made = world.of_webhook("POST", &id, "/rotate-secret", overlap).await.expect(200);
        (text(&made, "secret").to_owned(), made["old_secret_until"].is_null())
    };
    let (second, is_alone) = rotate(&NOTHING).await;
    assert!(!is_alone);
    let test = async || {
        world.of_webhook("POST", &id, "/test", &NOTHING).await.expect(200);
        let last = receiver.received().pop().unwrap();
        [&first, &second].map(|secret| last.is_signed_by(secret))
    };
    assert_eq!(test().await, [true, true]);
    let (third, is_alone) = rotate(&json!({ "overlap_seconds": 0 })).await;
    assert!(is_alone);
    assert_eq!(test().await, [false, false]);
    assert!(receiver.received().pop().unwrap().is_signed_by(&third));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_receiver_does_not_hold_up_others() {
    let (world, silent, receiver) = (World::start().await, Receiver::start(), Receiver::start());
    silent.become_so(Mood::Silent);
    world.webhook(&silent, &json!({})).await;
    world.webhook(&receiver, &json!({})).await;
    for number in 0..20 {
        world.key_called(&format!("key {number}")).await;
    }
    taken(&receiver, 20).await;
    assert!(silent.taken().is_empty() && silent.received().len() < 20, "few attempts at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_unless_the_operator_lists_it() {
    let server = Plan::serve(KEYSTILE)
        .variable("KEYSTILE_OWNER_EMAIL", "ada@example.com")
        .variable("KEYSTILE_OWNER_PASSWORD", "correct-otter-lamp-41-river")
        .start();
    let http = server.http();
    let owner = sign_in(&http, "ada@example.com", "correct-otter-lamp-41-river").await;
    let tenants = http.json("GET", "/api/v1/tenants", &owner, &NOTHING).await.expect(200);
    let webhooks = format!("/api/v1/tenants/{}/webhooks", text(&tenants["data"][0], "id"));
    for url in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::ffff:192.168.0.1]/",
        "http://example.com/",
        "http://1.1.1.1/",
        "https://2130706433/",
    ] {
        let refused = http.json("POST", &webhooks, &owner, &json!({ "url": url })).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), ["url"], "{url}");
    }
    // A name is looked up when it is connected to.
    let local = json!({ "url": "https://localhost/" });
    let made = http.json("POST", &webhooks, &owner, &local).await.expect(201);
    let path = format!("{webhooks}/{}", text(&made, "id"));
    let test = http.json("POST", &format!("{path}/test"), &owner, &NOTHING).await.expect(200);
    assert!(text(&test, "error").contains("KEYSTILE_WEBHOOK_ALLOW"), "{test}");
    let patch = json!({ "url": "https://192.168.0.1/" });
    http.json("PATCH", &path, &owner, &patch).await.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_a_bounded_number_of_webhooks() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(world.webhook(&receiver, &json!({ "events": ["key.unused"] })).await.0);
    }
    let one_more = world.ask("POST", &world.webhooks(), &json!({ "url": receiver.url() })).await;
    one_more.expect_problem(409, "too_many_webhooks");
    world.of_webhook("DELETE", &ids[0], "", &NOTHING).await.expect(204);
    world.of_webhook("GET", &ids[0], "", &NOTHING).await.expect_problem(404, "not_found");
    world.webhook(&receiver, &json!({})).await;
    let listed = world.read(&world.webhooks()).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_change_of_a_webhook_is_refused() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let (id, _) = world.webhook(&receiver, &json!({})).await;
    let patch = async |body: &Value| world.of_webhook("PATCH", &id, "", body).await;
    let changed = patch(&json!({ "description": "a", "version": 1 })).await.expect(200);
    assert_eq!((text(&changed, "description"), &changed["version"]), ("a", &json!(2)));
    patch(&json!({ "description": "b", "version": 1 })).await.expect_problem(409, "version_conflict");
    let refused = patch(&json!({ "events": ["key.made"], "url": "ftp://example.com" })).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["url", "events[0]"]);
}
