//! Rotation: nobody is refused while both keys live, and the old one stops at its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

async fn code(world: &World, secret: &Value) -> String {
    text(&world.verify(&json!({ "key": secret })).await, "code").to_owned()
}

/// Rotates a key; the record of its successor.
async fn rotated(world: &World, key: &Value, body: &Value) -> Value {
    world.change("POST", text(key, "id"), "/rotate", body).await.expect(200)
}

/// One request of a load: when it was sent, when its answer was there, and the status.
struct Asked {
    from: jiff::Timestamp,
    to: jiff::Timestamp,
    status: u16,
}

/// Asks 50 times a second with a secret until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<Asked>>,
}

impl Load {
    fn start(world: &World, secret: &str) -> Self {
        let (http, path, key) = (world.server.http(), world.authz("production"), as_key(secret));
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            let mut all = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                ticks.tick().await;
                let from = now();
                let status = http.json("GET", &path, &key, &NOTHING).await.status;
                all.push(Asked { from, to: now(), status });
                count.fetch_add(1, Ordering::Relaxed);
            }
            all
        });
        Self { stop, asked, task }
    }

    /// Waits until so many more were asked.
    async fn more(&self, count: usize) {
        let target = self.asked.load(Ordering::Relaxed) + count;
        eventually("the load", async || (self.asked.load(Ordering::Relaxed) >= target).then_some(())).await;
    }

    /// All that was asked.
    async fn stop(self) -> Vec<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// The statuses of all that were refused.
fn refusals(asked: &[Asked]) -> Vec<u16> {
    asked.iter().map(|asked| asked.status).filter(|status| *status != 200).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_refuses_nobody() {
    let world = World::start().await;
    let body = json!({ "name": "busy", "rpm_limit": 100_000, "max_budget_usd": 5.0, "scopes": ["a:b"] });
    let old = world.create(&body).await;
    let load = Load::start(&world, text(&old, "secret"));
    load.more(25).await;
    let new = rotated(&world, &old, &json!({ "overlap_seconds": 60 })).await;
    for field in
        ["lineage_id", "rpm_limit", "max_budget_usd", "budget_period", "scopes", "name", "environment"]
    {
        assert_eq!(new[field], old[field], "{field}");
    }
    assert_eq!((&new["rotated_from_key_id"], &new["version"]), (&old["id"], &json!(1)));
    let with_new = Load::start(&world, text(&new, "secret"));
    load.more(50).await;
    with_new.more(50).await;
    assert_eq!((refusals(&load.stop().await), refusals(&with_new.stop().await)), (vec![], vec![]));
}

fn now() -> jiff::Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the server under test reads the same clock")]
    jiff::Timestamp::now()
}

/// The end of a key.
async fn end_of(world: &World, key: &Value) -> jiff::Timestamp {
    let shown = world.change("GET", text(key, "id"), "", &NOTHING).await.expect(200);
    text(&shown, "expires_at").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_keys_use_up_one_limit_under_load_and_the_old_one_stops_at_its_time() {
    const LIMIT: usize = 5_000;
    let world = World::start().await;
    // Nothing comes back while the test runs: one request in nine minutes.
    let monthly = json!({ "name": "monthly", "limit": LIMIT, "window_seconds": 31 * 24 * 60 * 60 });
    let old = world.create(&json!({ "name": "brief", "rate_limits": [monthly] })).await;
    let load = Load::start(&world, text(&old, "secret"));
    load.more(25).await;
    let new = rotated(&world, &old, &json!({ "overlap_seconds": 3 })).await;
    let with_new = Load::start(&world, text(&new, "secret"));
    let end = end_of(&world, &old).await;
    eventually("the end of the overlap", async || (now() >= end).then_some(())).await;
    load.more(10).await;
    let (by_old, by_new) = (load.stop().await, with_new.stop().await);
    assert_eq!(refusals(&by_new), [0; 0]);
    for Asked { from, to, status } in &by_old {
        assert!(*to >= end || *status == 200, "refused with {status} at {to}, before {end}");
        assert!(*from < end || *status == 401, "answered with {status} at {from}, after {end}");
    }
    let during = by_old.iter().filter(|asked| asked.to < end).count();
    assert!(during >= 75 && during < by_old.len(), "{during} of {}", by_old.len());

    let used = by_old.len() - refusals(&by_old).len() + by_new.len();
    let ask = |cost: usize| json!({ "key": new["secret"], "cost": cost });
    let left = world.verify(&ask(0)).await["limits"][0]["remaining"].clone();
    assert_eq!(left, LIMIT - used, "{used} requests were let through");
    assert_eq!(world.verify(&ask(LIMIT - used)).await["code"], "allowed");
    assert_eq!(world.verify(&ask(1)).await["code"], "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_stops_at_its_time_and_the_new_one_goes_on() {
    let world = World::start().await;
    let old = world.create(&json!({ "name": "brief" })).await;
    assert_eq!(code(&world, &old["secret"]).await, "allowed");
    let new = rotated(&world, &old, &json!({ "overlap_seconds": 2 })).await;
    let end = end_of(&world, &old).await;
    let began = new["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(end.duration_since(began).as_secs(), 2);
    let told = eventually("the old key to stop", async || {
        let asked = now();
        let told = code(&world, &old["secret"]).await;
        assert!(asked >= end || told == "allowed" || now() >= end, "refused before its time: {told}");
        (asked >= end).then_some(told)
    })
    .await;
    assert_eq!(told, "key_expired");
    assert_eq!(code(&world, &new["secret"]).await, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_overlap_the_old_key_is_dead_when_the_rotation_answers() {
    let world = World::start().await;
    for _ in 0..20 {
        let old = world.create(&json!({ "name": "at once" })).await;
        assert_eq!(code(&world, &old["secret"]).await, "allowed");
        let new = rotated(&world, &old, &json!({ "overlap_seconds": 0 })).await;
        assert_eq!(code(&world, &old["secret"]).await, "key_revoked");
        assert_eq!(code(&world, &new["secret"]).await, "allowed");
        let shown = world.read(&format!("{}/{}", world.keys(), text(&old, "id"))).await;
        assert_eq!((text(&shown, "status"), text(&shown, "revoked_reason")), ("revoked", "rotated"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_repeated_leaves_no_stray_key() {
    let world = World::start().await;
    let old = world.create(&json!({ "name": "once" })).await;
    let new = rotated(&world, &old, &json!({ "overlap_seconds": 0 })).await;
    let again = world.change("POST", text(&old, "id"), "/rotate", &json!({ "overlap_seconds": 0 })).await;
    again.expect_problem(409, "already_rotated");
    assert!(text(&again.json, "detail").contains(text(&new, "id")), "{}", again.text);
    let named = world.read(&format!("{}?q=once", world.keys())).await;
    assert_eq!(named["data"].as_array().unwrap().len(), 2);
    let brought = "d93be6525af0917dc41f8a07-brought";
    let body = json!({ "overlap_seconds": 3600, "secret": brought });
    let third = rotated(&world, &new, &body).await;
    assert_eq!((text(&third, "secret"), &third["lineage_id"]), (brought, &old["id"]));
    world.change("POST", text(&third, "id"), "/revoke", &NOTHING).await.expect(200);
    let ended = world.change("POST", text(&third, "id"), "/rotate", &json!({ "overlap_seconds": 0 })).await;
    ended.expect_problem(409, "key_revoked");
}
