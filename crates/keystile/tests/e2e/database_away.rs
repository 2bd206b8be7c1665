//! PostgreSQL goes away under a running server, and comes back.

use std::time::{Duration, Instant};

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::postgres::{Durability, Postgres};
use keystile_testkit::server::Plan;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::console::Browser;
use crate::world::{KEYSTILE, World, as_key, text};

/// Longest until everything works again.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// A key that was never asked for, and one that was.
struct Keys {
    known: Value,
    unknown: Value,
}

impl Keys {
    async fn make(world: &World) -> Self {
        let known = world.create(&json!({ "name": "known" })).await;
        let unknown = world.create(&json!({ "name": "unknown" })).await;
        assert_eq!(code(world, &known).await, "allowed");
        // The routes of its application come into memory with the first request of a gateway.
        pass(world, &known).await.expect(200);
        Self { known, unknown }
    }
}

async fn code(world: &World, key: &Value) -> String {
    let verified = world.verify(&json!({ "key": key["secret"], "environment": "production" })).await;
    text(&verified, "code").to_owned()
}

async fn probe(world: &World, path: &str) -> Answer {
    world.http.json("GET", path, "", &NOTHING).await
}

async fn pass(world: &World, key: &Value) -> Answer {
    let credential = as_key(text(key, "secret"));
    world.http.json("GET", &world.authz("production"), &credential, &NOTHING).await
}

/// What is in memory is answered; nothing else is let through, changed, or taken for done.
async fn assert_away(world: &World, owner: &Browser, keys: &Keys) {
    assert_eq!(code(world, &keys.known).await, "allowed");
    pass(world, &keys.known).await.expect(200);
    assert_eq!(code(world, &keys.unknown).await, "enforcement_unavailable");
    pass(world, &keys.unknown).await.expect_problem(503, "enforcement_unavailable");

    let created = world.ask("POST", &world.keys(), &json!({ "name": "too late" })).await;
    created.expect_problem(503, "unavailable");
    assert_eq!(created.header("retry-after"), "1");
    let revoked = world.change("POST", text(&keys.known, "id"), "/revoke", &NOTHING).await;
    revoked.expect_problem(503, "unavailable");
    world.ask("GET", &world.keys(), &NOTHING).await.expect_problem(503, "unavailable");
    let page = owner.open("keys").await;
    let kind = page.header("content-type");
    assert_eq!((page.status, kind, page.header("retry-after")), (503, "text/html; charset=utf-8", "1"));
    // Whatever the text is, once it is known that it cannot be looked for.
    for key in [text(&keys.known, "secret"), "9f8e7d6c5b4a39281706f5e4d3c2b1a0"] {
        let body = json!({ "key": key });
        let refused = async || {
            let answer = world.http.json("POST", "/api/v1/leaks/report", "", &body).await;
            (answer.status != 202).then_some(answer)
        };
        eventually("a report not to be taken", refused).await.expect_problem(503, "unavailable");
    }
    // What was not done is not forgotten for, either: the key stays in memory.
    assert_eq!(code(world, &keys.known).await, "allowed");

    probe(world, "/healthz").await.expect(200);
    // An answer is passed on for a second.
    let away = async || Some(probe(world, "/readyz").await).filter(|answer| answer.status != 200);
    eventually("the server not to be ready", away).await.expect_problem(503, "unavailable");
}

async fn assert_back(world: &World, keys: &Keys) {
    let started = Instant::now();
    let ready = async || (probe(world, "/readyz").await.status == 200).then_some(());
    eventually("the database to be back", ready).await;
    assert_eq!(code(world, &keys.unknown).await, "allowed");
    world.change("POST", text(&keys.known, "id"), "/revoke", &NOTHING).await.expect(200);
    assert_eq!(code(world, &keys.known).await, "key_revoked");
    let made = world.create(&json!({ "name": "after" })).await;
    assert_eq!(code(world, &made).await, "allowed");
    let took = started.elapsed();
    assert!(took < BACK_WITHIN, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgres_stops_changes_only_and_comes_back_without_a_restart() {
    let mut postgres = Postgres::start(Durability::Off).unwrap();
    let mut world = World::at(postgres.url()).await;
    let owner = Browser::of_owner(&world).await;
    for _ in 0..2 {
        let keys = Keys::make(&world).await;
        postgres.kill();
        assert_away(&world, &owner, &keys).await;
        postgres.start_again();
        assert_back(&world, &keys).await;
    }
    let names = world.read(&world.keys()).await;
    assert!(!names.to_string().contains("too late"), "{names}");
    // Also writes down the last uses that could not be written while it was away.
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_questions_to_a_postgres_that_is_away_write_few_lines() {
    let mut postgres = Postgres::start(Durability::Off).unwrap();
    let world = World::at(postgres.url()).await;
    let keys = Keys::make(&world).await;
    postgres.kill();
    let started = Instant::now();
    for _ in 0..300 {
        assert_eq!(code(&world, &keys.unknown).await, "enforcement_unavailable");
    }
    let most = 10 * (started.elapsed().as_secs() + 2);
    let lines = world.server.process().stderr().matches("verification cannot reach the store").count();
    assert!((1..=most).contains(&(lines as u64)), "{lines} lines, {most} at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_reach_postgres_does_not_start_and_says_so() {
    let mut postgres = Postgres::start(Durability::Off).unwrap();
    postgres.kill();
    let plan = Plan::serve(KEYSTILE).flag("--database-url", postgres.url());
    let mut process = plan.run("away");
    assert!(!process.wait().success());
    let said = process.stderr();
    assert!(said.contains("cannot connect to PostgreSQL") && !said.contains("panicked"), "{said}");
}
