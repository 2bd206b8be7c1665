//! Clients behind a balancer, which sends them to the nodes that say that they are ready.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystile_testkit::history::Verdict;
use keystile_testkit::http::NOTHING;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::world::{Client, Key, NODES, PLACES, World};
use crate::world::text;

/// Pause between two looks at whether a node is ready.
const LOOK: Duration = Duration::from_millis(50);
/// Pause of a client between two questions.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a client waits for an answer: longer than anything takes that is not refused.
const PATIENCE: Duration = Duration::from_secs(10);
const CLIENTS: usize = 4;

/// Which nodes are sent to.
#[derive(Clone, Default)]
pub(super) struct Balancer(Arc<Mutex<Vec<Option<Client>>>>);

/// Clients that ask until they are stopped, each of whose requests has to succeed.
pub(super) struct Balanced {
    pub(super) balancer: Balancer,
    stop: watch::Sender<()>,
    tasks: JoinSet<usize>,
}

impl Balancer {
    /// The next node that is ready.
    fn pick(&self, number: usize) -> Client {
        let clients = self.0.lock().unwrap();
        let ready: Vec<_> = clients.iter().flatten().collect();
        ready[number % ready.len()].clone()
    }

    /// A node is ready, perhaps where it was not before.
    pub(super) fn add(&self, client: Client) {
        let node = client.node;
        self.0.lock().unwrap()[node] = Some(client);
    }

    /// Whether a node is sent to.
    pub(super) fn has(&self, node: usize) -> bool {
        self.0.lock().unwrap()[node].is_some()
    }

    async fn look(&self, node: usize) {
        let client = self.0.lock().unwrap()[node].clone();
        let Some(client) = client else { return };
        let ready = client.http.try_json("GET", "/readyz", "", &NOTHING).await;
        if !ready.is_ok_and(|answer| answer.status == 200) {
            self.0.lock().unwrap()[node] = None;
        }
    }
}

impl World {
    /// Asks about a key that is good, and spends a key's money, at whatever node is ready.
    pub(super) fn balanced(&self, kept: &Key, spender: &str) -> Balanced {
        let clients = self.clients().into_iter().map(|client| Some(client.waiting(PATIENCE)));
        let balancer = Balancer(Arc::new(Mutex::new(clients.collect())));
        let (stop, stopped) = watch::channel(());
        let mut tasks = JoinSet::new();
        for node in 0..NODES {
            tasks.spawn(look_until_stopped(balancer.clone(), node, stopped.clone()));
        }
        for client in 0..CLIENTS {
            let keys = (kept.clone(), spender.to_owned());
            tasks.spawn(ask_until_stopped(balancer.clone(), client, keys, stopped.clone()));
        }
        Balanced { balancer, stop, tasks }
    }
}

/// One question about the key, in each place, and a cent that is held by one node and settled by another.
async fn ask(balancer: &Balancer, number: usize, kept: &Key, spender: &str) {
    for place in PLACES {
        let client = balancer.pick(number);
        assert_eq!(client.ask(kept, place).await, Verdict::Accepted, "node {}, {place:?}", client.node);
    }
    let client = balancer.pick(number);
    let question = json!({ "key": spender, "estimate": { "cost_usd": 0.01 } });
    let held = client.http.json("POST", "/api/v1/keys/verify", &client.caller, &question).await.expect(200);
    assert_eq!(held["code"], "allowed", "node {}: {held}", client.node);
    let settler = balancer.pick(number + 1);
    let settled = settler.settle(text(&held, "hold_id"), 0.01).await.unwrap();
    assert_eq!(settled.status, 200, "held by {}, settled by {}: {}", client.node, settler.node, settled.text);
}

async fn look_until_stopped(balancer: Balancer, node: usize, stopped: watch::Receiver<()>) -> usize {
    while !stopped.has_changed().unwrap_or(true) {
        balancer.look(node).await;
        tokio::time::sleep(LOOK).await;
    }
    0
}

/// Tells how often it has asked.
async fn ask_until_stopped(
    balancer: Balancer,
    client: usize,
    (kept, spender): (Key, String),
    stopped: watch::Receiver<()>,
) -> usize {
    let mut rounds = 0;
    while !stopped.has_changed().unwrap_or(true) {
        ask(&balancer, rounds * CLIENTS + client, &kept, &spender).await;
        rounds += 1;
        tokio::time::sleep(PAUSE).await;
    }
    rounds
}

impl Balanced {
    /// Stops it; gives how many rounds there were. Fails if any request has.
    pub(super) async fn stop(self) -> usize {
        self.stop.send_replace(());
        self.tasks.join_all().await.into_iter().sum()
    }
}
