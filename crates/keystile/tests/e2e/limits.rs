//! Limits over HTTP: how much is admitted, what a refusal says, and who shares what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keystile_testkit::http::{Answer, NOTHING};
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

const CLIENTS: usize = 64;
/// How long the clients ask, in seconds; `KEYSTILE_LIMIT_SECONDS` makes it longer.
const SECONDS: u64 = 12;

impl World {
    async fn guarded(&self, key: &Value) -> Answer {
        self.http.json("GET", &self.authz("production"), &as_key(text(key, "secret")), &NOTHING).await
    }

    async fn code_of(&self, key: &Value) -> String {
        text(&self.verify(&json!({ "key": key["secret"] })).await, "code").to_owned()
    }

    /// How often a key is admitted until it is refused.
    async fn drain(&self, key: &Value) -> u64 {
        let mut admitted = 0;
        while self.code_of(key).await == "allowed" {
            admitted += 1;
        }
        admitted
    }
}

/// What is admitted of many clients that ask as fast as they can, and for how long they asked.
async fn storm(world: &World, key: &Value, seconds: u64) -> (u64, Duration) {
    let admitted = Arc::new(AtomicU64::new(0));
    let (start, lasts) = (Instant::now(), Duration::from_secs(seconds));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (http, path) = (world.server.http(), world.authz("production"));
            let (secret, admitted) = (as_key(text(key, "secret")), Arc::clone(&admitted));
            tokio::spawn(async move {
                while start.elapsed() < lasts {
                    match http.json("GET", &path, &secret, &NOTHING).await.status {
                        200 => drop(admitted.fetch_add(1, Ordering::Relaxed)),
                        429 => {}
                        other => panic!("{other} instead of yes or 429"),
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    (admitted.load(Ordering::Relaxed), start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_get_what_a_limit_gives_and_not_one_request_more() {
    let seconds = std::env::var_os("KEYSTILE_LIMIT_SECONDS").and_then(|text| text.to_str()?.parse().ok());
    let world = World::start().await;
    let key = world.create(&json!({ "name": "busy", "rpm_limit": 1_000 })).await;
    let (admitted, took) = storm(&world, &key, seconds.unwrap_or(SECONDS)).await;
    let due = |took: Duration| 1_000 + u64::try_from(took.as_millis()).unwrap() * 1_000 / 60_000;
    let most = due(took);
    let least = due(Duration::from_secs(seconds.unwrap_or(SECONDS))) * 99 / 100;
    assert!((least..=most).contains(&admitted), "{admitted} admitted in {took:?}, not {least} to {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_which_limit_it_was_and_when_to_come_back() {
    let world = World::start().await;
    let hourly = json!({ "name": "hourly", "limit": 3, "window_seconds": 3600 });
    let key = world.create(&json!({ "name": "k", "rpm_limit": 60, "rate_limits": [hourly] })).await;
    let yes = world.guarded(&key).await;
    assert_eq!(yes.status, 200);
    assert_eq!(yes.header("ratelimit-policy"), r#""rpm";q=60;w=60, "hourly";q=3;w=3600"#);
    assert_eq!(yes.header("ratelimit"), r#""rpm";r=59;t=1, "hourly";r=2;t=1200"#);
    let answer = world.verify(&json!({ "key": key["secret"] })).await;
    let expected =
        json!({ "owner": "key", "name": "hourly", "limit": 3, "window_seconds": 3600, "remaining": 1 });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&answer["limits"][1][member], value, "{answer}");
    }
    assert_eq!(world.drain(&key).await, 1);
    let refused = world.guarded(&key).await;
    assert_eq!(refused.status, 429);
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1_100..=1_200).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("ratelimit-policy"), r#""hourly";q=3;w=3600"#);
    assert_eq!(refused.header("ratelimit"), format!(r#""hourly";r=0;t={seconds}"#));
    let problem = refused.json;
    assert_eq!(
        (&problem["code"], &problem["limited_by"]["name"]),
        (&json!("rate_limited"), &json!("hourly"))
    );
    assert!(text(&problem, "detail").contains("3 requests in 3600 s"), "{problem}");
    let answer = world.verify(&json!({ "key": key["secret"] })).await;
    assert_eq!((&answer["valid"], &answer["limited_by"]["owner"]), (&json!(false), &json!("key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_is_counted_whole_or_not_at_all() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "k", "rpm_limit": 10 })).await;
    let ask = async |cost: Value| world.verify(&json!({ "key": key["secret"], "cost": cost })).await;
    assert_eq!(ask(json!(8)).await["limits"][0]["remaining"], 2);
    let refused = ask(json!(3)).await;
    assert_eq!((&refused["code"], &refused["limited_by"]["remaining"]), (&json!("rate_limited"), &json!(2)));
    assert_eq!(ask(json!(0)).await["limits"][0]["remaining"], 2, "asking costs nothing");
    let never = ask(json!(11)).await;
    assert_eq!(never["limited_by"].get("retry_after_seconds"), None, "{never}");
    for cost in [json!(1_000_000_001), json!(-1), json!(1.5), json!("1")] {
        let body = json!({ "key": key["secret"], "cost": cost });
        let refused = world.http.json("POST", "/api/v1/keys/verify", &world.asker(), &body).await;
        assert_eq!((refused.status, &refused.json["errors"][0]["field"]), (400, &json!("cost")), "{cost}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_and_its_successor_have_one_limit_between_them() {
    let world = World::start().await;
    let old = world.create(&json!({ "name": "k", "rpm_limit": 10 })).await;
    assert_eq!(world.code_of(&old).await, "allowed");
    let new = world
        .change("POST", text(&old, "id"), "/rotate", &json!({ "overlap_seconds": 60 }))
        .await
        .expect(200);
    for _ in 0..4 {
        assert_eq!(
            (world.code_of(&old).await, world.code_of(&new).await),
            ("allowed".into(), "allowed".into())
        );
    }
    assert_eq!(world.drain(&new).await, 1);
    assert_eq!(world.code_of(&old).await, "rate_limited");
    let raised = world.change("PATCH", text(&new, "id"), "", &json!({ "rpm_limit": 12 })).await;
    assert_eq!(raised.status, 200);
    assert_eq!(world.drain(&new).await, 2, "a raised limit keeps what was used");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_customers_applications_and_tenants_hold_for_all_their_keys_at_once() {
    let world = World::start().await;
    let customer = world.customer("Globex").await;
    let keys = [
        world.create(&json!({ "name": "first", "customer_id": customer })).await,
        world.create(&json!({ "name": "second", "customer_id": customer, "rpm_limit": 1_000 })).await,
    ];
    for key in &keys {
        assert_eq!(world.code_of(key).await, "allowed");
    }
    let application = format!("{}/applications/{}", world.tenant(), world.credentials.application_id);
    let customer = format!("{}/customers/{customer}", world.tenant());
    for (owner, path, limit) in
        [("customer", customer, 4), ("application", application, 6), ("tenant", world.tenant(), 8)]
    {
        let limited = world.ask("PATCH", &path, &json!({ "rpm_limit": limit })).await.expect(200);
        assert_eq!((&limited["rpm_limit"], &limited["rate_limits"]), (&json!(limit), &json!([])));
        let mut admitted = 0;
        let refusal = loop {
            let answer = world.guarded(&keys[admitted % 2]).await;
            if answer.status != 200 {
                break answer;
            }
            admitted += 1;
        };
        assert_eq!(admitted, limit, "of the {owner}");
        assert_eq!(refusal.json["limited_by"]["owner"], owner);
        let policy = format!(r#""{owner}:rpm";q={limit};w=60"#);
        assert_eq!(refusal.header("ratelimit-policy"), policy);
        let free = world.ask("PATCH", &path, &json!({ "rpm_limit": null })).await.expect(200);
        assert_eq!(free["rpm_limit"], Value::Null);
        assert_eq!(world.guarded(&keys[0]).await.status, 200);
    }
    for (limits, field) in [
        (json!({ "rpm_limit": 0 }), "rpm_limit"),
        (
            json!({ "rate_limits": [{ "name": "rpm", "limit": 1, "window_seconds": 1 }] }),
            "rate_limits[0].name",
        ),
    ] {
        let refused = world.ask("PATCH", &world.tenant(), &limits).await;
        assert_eq!((refused.status, &refused.json["errors"][0]["field"]), (400, &json!(field)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_is_not_counted_and_always_told() {
    let world = World::start().await;
    let daily = json!({ "rate_limits": [{ "name": "daily", "limit": 7, "window_seconds": 86_400 }] });
    world.ask("PATCH", &world.tenant(), &daily).await.expect(200);
    let key = world.create(&json!({ "name": "k" })).await;
    // The key that asks is of the same tenant.
    assert_eq!(world.drain(&key).await, 7);
    for _ in 0..3 {
        assert_eq!(world.code_of(&key).await, "rate_limited", "with status 200");
    }
    assert_eq!(world.guarded(&json!({ "secret": world.credentials.secret("production") })).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_for_a_shared_count_that_is_away_is_told_and_counts_nothing_anew() {
    let world = World::start().await;
    let customer = world.customer("Globex").await;
    let declared = |policy: Option<&str>| {
        let daily = json!({ "name": "daily", "limit": 20, "window_seconds": 86_400 });
        let policy = policy.map(|policy| ("when_away".to_owned(), policy.into()));
        json!([daily.as_object().unwrap().clone().into_iter().chain(policy).collect::<Value>()])
    };
    let limits = declared(Some("refuse"));
    let key = world.create(&json!({ "name": "k", "customer_id": customer, "rate_limits": limits })).await;
    assert_eq!(key["rate_limits"], limits);
    for path in [
        format!("{}/{}", world.keys(), text(&key, "id")),
        format!("{}/customers/{customer}", world.tenant()),
        format!("{}/applications/{}", world.tenant(), world.credentials.application_id),
        world.tenant(),
    ] {
        for policy in [None, Some("refuse"), Some("local_share")] {
            let limits = json!({ "rate_limits": declared(policy) });
            let changed = world.ask("PATCH", &path, &limits).await.expect(200);
            assert_eq!(changed["rate_limits"], declared(policy), "{path}");
            assert_eq!(world.read(&path).await["rate_limits"], declared(policy), "{path}");
            assert_eq!(world.code_of(&key).await, "allowed", "{path} {policy:?}");
        }
        let log = world.read(&format!("{}/audit?limit=1", world.tenant())).await;
        let change = &log["data"][0]["changes"]["rate_limits"];
        assert_eq!(
            change,
            &json!({ "before": declared(Some("refuse")), "after": declared(Some("local_share")) })
        );
    }
    let answer = world.verify(&json!({ "key": key["secret"], "cost": 0 })).await;
    let left: Vec<_> = answer["limits"].as_array().unwrap().iter().map(|limit| &limit["remaining"]).collect();
    assert_eq!(left, [8, 11, 14, 17], "of the key, its customer, its application and its tenant: {answer}");
}

fn long() -> Value {
    json!({ "name": "k", "rate_limits": [{ "name": "daily", "limit": 50, "window_seconds": 86_400 }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_gives_no_limit_back() {
    let mut world = World::start().await;
    let (minutely, daily) =
        (world.create(&json!({ "name": "m", "rpm_limit": 30 })).await, world.create(&long()).await);
    for _ in 0..20 {
        assert_eq!(
            (world.code_of(&minutely).await, world.code_of(&daily).await),
            ("allowed".into(), "allowed".into())
        );
    }
    world.server.stop();
    world.start_again();
    assert_eq!(world.drain(&daily).await, 30);
    let admitted = world.drain(&minutely).await;
    assert!((10..=20).contains(&admitted), "{admitted}: 10 were left, and one comes back every 2 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_gives_back_what_was_used_in_the_last_seconds_and_no_more() {
    let mut world = World::start().await;
    let daily = world.create(&long()).await;
    for _ in 0..20 {
        assert_eq!(world.code_of(&daily).await, "allowed");
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    world.server.kill();
    world.start_again();
    assert_eq!(world.drain(&daily).await, 30);
}
