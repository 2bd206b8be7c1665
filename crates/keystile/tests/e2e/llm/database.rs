//! The database goes away in mid-traffic: served within leases, then refused, and all of it settled when it is back.

use std::time::{Duration, Instant};

use keystile_testkit::postgres::{Durability, Postgres};
use keystile_testkit::proxy::Fault;
use keystile_testkit::virtual_key::VirtualKey;
use keystile_testkit::wait::eventually;
use serde_json::json;

use super::world::{DOLLAR, Llm, assert_error, dear, dear_cost, sum};
use crate::doubt::Bed;
use crate::world::World;

/// Longest that a refusal takes while the store is away or slow.
const BOUNDED: Duration = Duration::from_secs(15);

async fn with_model(world: World) -> (Llm, VirtualKey) {
    let llm = Llm::of(world).await;
    llm.model_of(&llm.open_ai, "mock", "mock", &json!({ "price": dear() })).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    key.chat("mock", &json!({ "max_tokens": 2 })).await.expect(200);
    (llm, key)
}

/// Asks until it is refused, each answer in time: how many were served.
async fn served_until_503(key: &VirtualKey) -> usize {
    for served in 0..1_000 {
        let started = Instant::now();
        let answer = key.chat("mock", &json!({ "max_tokens": 2 })).await;
        assert!(started.elapsed() < BOUNDED, "{:?}", started.elapsed());
        if answer.status != 200 {
            assert_error(&answer, 503, "server_error", "enforcement_unavailable");
            assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
            return served;
        }
    }
    panic!("a thousand requests were served without a database: two dollars, of a budget of one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_told_with_503_never_401_and_all_is_settled_when_it_is_back() {
    let mut postgres = Postgres::start(Durability::Off).unwrap();
    let (llm, key) = with_model(World::at(postgres.url()).await).await;
    // Nobody has asked with it yet, so nothing is known of it.
    let unknown = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    postgres.kill();
    let served = served_until_503(&key).await;
    let refused = unknown.chat("mock", &json!({ "max_tokens": 2 })).await;
    assert_error(&refused, 503, "server_error", "enforcement_unavailable");
    postgres.start_again();
    let again = async || (key.chat("mock", &json!({ "max_tokens": 2 })).await.status == 200).then_some(());
    eventually("requests to be served again", again).await;
    unknown.chat("mock", &json!({ "max_tokens": 2 })).await.expect(200);
    // The first, those meanwhile, and the one since.
    let ledger = llm.settled(&key, served + 2).await;
    assert!(sum(&ledger) <= DOLLAR);
    let others = llm.settled(&unknown, 1).await;
    let billed: u64 = llm.bills().await.iter().map(|billed| dear_cost(&billed.usage)).sum();
    assert_eq!(sum(&ledger) + sum(&others), billed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_has_begun_goes_on_without_a_database_and_is_charged_later() {
    let mut postgres = Postgres::start(Durability::Off).unwrap();
    let llm = Llm::of(World::at(postgres.url()).await).await;
    llm.model_of(&llm.open_ai, "mock", "mock+stall=3", &json!({ "price": dear() })).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let mut stream = key.stream("mock", &json!({ "max_tokens": 20 })).await;
    stream.event().await;
    postgres.kill();
    llm.mock.resume();
    let events = stream.events().await;
    assert_eq!(events.last().map(String::as_str), Some("data: [DONE]"));
    postgres.start_again();
    let ready = async || (key.read("/v1/models").await.status == 200).then_some(());
    eventually("the database to be back", ready).await;
    let read = async || {
        let path = format!("{}/ledger?key_id={}", llm.world.tenant(), key.id);
        let answer = llm.world.ask("GET", &path, &keystile_testkit::http::NOTHING).await;
        (answer.status == 200 && answer.json["data"].as_array().is_some_and(|rows| !rows.is_empty()))
            .then_some(())
    };
    eventually("the charge to be written", read).await;
    let ledger = llm.settled(&key, 1).await;
    assert_eq!(sum(&ledger), dear_cost(&llm.bills().await[0].usage));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_is_answered_in_bounded_time_and_never_401() {
    let bed = Bed::new().await;
    let (llm, key) = with_model(bed.world).await;
    bed.proxy.set(Fault::Delay(Duration::from_secs(2)));
    for _ in 0..10 {
        let started = Instant::now();
        let answer = key.chat("mock", &json!({ "max_tokens": 2 })).await;
        assert!([200, 503].contains(&answer.status), "{}", answer.text);
        assert!(started.elapsed() < BOUNDED, "{:?}", started.elapsed());
    }
    bed.proxy.set(Fault::None);
    let again = async || (key.chat("mock", &json!({ "max_tokens": 2 })).await.status == 200).then_some(());
    eventually("requests to be served again", again).await;
    let billed: u64 = llm.bills().await.iter().map(|billed| dear_cost(&billed.usage)).sum();
    let charged = async || (sum(&llm.ledger(&key).await) == billed).then_some(());
    eventually("all to be charged", charged).await;
}
