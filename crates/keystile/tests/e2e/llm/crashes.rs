//! A server that ends in the middle: nothing is lost, and nothing stays held.

use keystile_testkit::virtual_key::VirtualKey;
use keystile_testkit::wait::eventually;
use serde_json::json;

use super::world::{DOLLAR, Llm, charged, cost, sum};

#[tokio::test(flavor = "multi_thread")]
async fn kill_in_mid_stream_makes_a_hold_a_charge_and_leaves_no_phantom() {
    let mut llm = Llm::start().await;
    llm.model("mock", "mock+stall=4").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = key.stream("mock", &json!({ "max_tokens": 32 })).await;
        stream.event().await;
        streams.push(stream);
    }
    llm.world.server.kill();
    drop(streams);
    llm.world.start_again();
    let billed: u64 = llm.bills().await.iter().map(|billed| cost(&billed.usage)).sum();
    let gone = async || llm.open_holds(&key).await.is_empty().then_some(());
    eventually("the holds of the server that was killed to be charged", gone).await;
    let ledger = llm.ledger(&key).await;
    assert!((billed..=DOLLAR).contains(&sum(&ledger)), "{billed} nano-dollars were billed: {ledger:?}");
    // The key goes on.
    key.at(&llm.world.http).chat("mock", &json!({ "max_tokens": 1 })).await.expect(200);
}

/// Requests that wait to be written when the server is told to stop.
const QUEUED: usize = 10_000;
const CLIENTS: usize = 100;

async fn ask_often(key: VirtualKey) {
    for _ in 0..QUEUED / CLIENTS {
        key.chat("mock", &json!({ "max_tokens": 1 })).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_with_10000_queued_rows_loses_none() {
    let mut llm = Llm::start().await;
    llm.model("mock", "mock").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    key.chat("mock", &json!({ "max_tokens": 1 })).await.expect(200);
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(ask_often(key.clone()))).collect();
    for client in clients {
        client.await.unwrap();
    }
    llm.world.server.stop();
    llm.world.start_again();
    let ledger = llm.settled(&key, QUEUED + 1).await;
    let bills = llm.mock.billed();
    // All requests are the same. A row that charges what was held was found open at the start, one that is `lost` stands for a lease.
    let (usual, said) = (cost(&bills[0].usage), said_before_the_stop(&llm));
    let others: Vec<_> = ledger.iter().filter(|row| charged(row) != usual).collect();
    assert!(others.is_empty(), "{others:#?} do not cost {usual}; the server had said:\n{said}");
    let others: Vec<_> = bills.iter().filter(|billed| cost(&billed.usage) != usual).collect();
    assert!(others.is_empty(), "{others:#?} do not cost {usual}");
    assert_eq!(bills.len(), ledger.len(), "each is sent and billed once; the server had said:\n{said}");
}

/// What the server of before the stop has logged.
fn said_before_the_stop(llm: &Llm) -> String {
    let log = llm.world.server.plan().folder().join("start-1.stderr");
    std::fs::read_to_string(log).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_streams_end_and_charges_them() {
    let mut llm = Llm::start().await;
    llm.model("mock", "mock+slow=20").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let mut stream = key.stream("mock", &json!({ "max_tokens": 20 })).await;
    stream.event().await;
    llm.world.server.process().terminate();
    let events = stream.events().await;
    assert_eq!(events.last().map(String::as_str), Some("data: [DONE]"));
    llm.world.server.await_end();
    llm.world.start_again();
    let ledger = llm.settled(&key, 1).await;
    assert_eq!(sum(&ledger), cost(&llm.mock.billed()[0].usage));
}
