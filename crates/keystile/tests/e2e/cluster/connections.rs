//! However many clients there are, nodes open no more connections to the database than they are told, and it may be restarted beneath them.

use std::time::{Duration, Instant};

use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::world::{Client, NODES, World};

/// What each node is told.
const CONNECTIONS: usize = 3;
/// Clients of each node, all of which ask at the same time for what has to be read.
const CLIENTS: usize = 20;
/// How long they ask.
const ASKING: Duration = Duration::from_secs(2);
/// Longest until a node serves again whose database is back.
const BACK_WITHIN: Duration = Duration::from_secs(15);
/// What no node has leased ahead. Less of it could be held while a node has lost its place among the others: from what it has leased, and under what is
/// left of its lease of a second. What has to be leased then is refused until it has joined again.
const NOT_LEASED: f64 = 100.0;

const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keystile'";

/// Lists keys, which is read each time, and has a hold made of a key, which is written.
async fn read_on_and_on(client: Client, (owner, list): (String, String), key: Value) {
    let began = Instant::now();
    while began.elapsed() < ASKING {
        client.http.json("GET", &list, &owner, &NOTHING).await.expect(200);
        let hold = client.hold(&key, 0.000_1).await;
        client.settle(&hold, 0.000_1).await.unwrap().expect(200);
    }
}

impl World {
    /// Lets many clients ask; gives the most connections that were open at once.
    fn most_open(&self, key: &Value) -> usize {
        let mut asking = JoinSet::new();
        for number in 0..NODES * CLIENTS {
            let list = (self.owner.clone(), format!("{}/api-keys?limit=1", self.tenant));
            asking.spawn(read_on_and_on(self.client(number % NODES), list, key.clone()));
        }
        let mut most = 0;
        while !asking.is_empty() {
            most = most.max(self.nodes.query(OPEN).parse().unwrap());
            while let Some(ended) = asking.try_join_next() {
                ended.unwrap();
            }
        }
        most
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_open_no_more_connections_than_they_are_told_and_make_them_anew() {
    let connections = CONNECTIONS.to_string();
    let mut world = World::start_with(|plan| plan.flag("--database-connections", &connections)).await;
    let key = world.spender(&json!({ "name": "spender", "max_budget_usd": 1000.0 })).await;
    // One more for each, on which it hears of the others.
    let bound = NODES * (CONNECTIONS + 1);
    let most = world.most_open(&key);
    assert!((NODES * 2..=bound).contains(&most), "{most} of {bound} connections");

    world.nodes.postgres().kill();
    world.nodes.postgres().start_again();
    let back = Instant::now();
    for client in world.clients() {
        let holds = async || {
            let question = json!({ "key": key["secret"], "estimate": { "cost_usd": NOT_LEASED } });
            let answer = client.http.json("POST", "/api/v1/keys/verify", &client.caller, &question).await;
            (answer.json["valid"] == true).then_some(())
        };
        eventually("a node to serve again", holds).await;
    }
    assert!(back.elapsed() < BACK_WITHIN, "it took {:?}", back.elapsed());
    let most = world.most_open(&key);
    assert!((NODES * 2..=bound).contains(&most), "{most} of {bound} connections");
}
