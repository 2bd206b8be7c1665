//! One dollar is one dollar, however many nodes lend it out and whichever of them dies.

use std::sync::{Arc, Mutex};

use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::world::{Client, NODES, World};
use crate::world::text;

const DOLLAR: i64 = 1_000_000_000;
/// What each request holds and costs, in nano-dollars: a hundred of them are a dollar.
const COST: i64 = 10_000_000;
/// Clients of each node.
const CLIENTS: usize = 6;
/// Requests of each client: more than there is money for, at any two nodes.
const REQUESTS: usize = 12;
/// The node that is killed.
const DOOMED: usize = 2;

/// Holds that were granted, each with its node.
#[derive(Clone, Default)]
struct Granted(Arc<Mutex<Vec<(usize, String)>>>);

impl Granted {
    fn all(&self) -> Vec<(usize, String)> {
        self.0.lock().unwrap().clone()
    }

    fn by(&self, node: usize) -> usize {
        self.all().iter().filter(|(granter, _)| *granter == node).count()
    }
}

/// Asks a node for money again and again, whether it lives or not.
async fn spend(client: Client, secret: String, granted: Granted) {
    let question = json!({ "key": secret, "estimate": { "cost_usd": 0.01 } });
    for _ in 0..REQUESTS {
        let answer = client.http.try_json("POST", "/api/v1/keys/verify", &client.caller, &question).await;
        let Ok(answer) = answer else { continue };
        if answer.json["valid"] == true {
            granted.0.lock().unwrap().push((client.node, text(&answer.json, "hold_id").to_owned()));
        }
    }
}

fn spend_by(world: &World, nodes: &[usize], secret: &str, granted: &Granted, spending: &mut JoinSet<()>) {
    for number in 0..nodes.len() * CLIENTS {
        let client = world.client(nodes[number % nodes.len()]);
        spending.spawn(spend(client, secret.to_owned(), granted.clone()));
    }
}

/// Settles a hold by the node that has granted it.
async fn settle(clients: &[Client], granter: usize, hold: &str) {
    let (path, body) = (format!("/api/v1/holds/{hold}/settle"), json!({ "actual": { "cost_usd": 0.01 } }));
    let settled = async || {
        let client = &clients[granter];
        let answer = client.http.try_json("POST", &path, &client.caller, &body).await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    };
    eventually("a hold to be settled", settled).await;
}

/// What the ledger has of a key, in nano-dollars.
async fn charged(world: &World, key: &Value) -> i64 {
    let path = format!("{}/ledger?key_id={}&limit=200", world.tenant, text(key, "id"));
    let http = world.nodes.node(0).http();
    let ledger = http.json("GET", &path, &world.owner, &NOTHING).await.expect(200);
    ledger["data"].as_array().unwrap().iter().map(|row| nanos(&row["cost_usd"])).sum()
}

fn nanos(dollars: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a dollar")]
    let nanos = (dollars.as_f64().unwrap() * 1e9).round() as i64;
    nanos
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_spend_no_more_than_the_budget_though_one_is_killed_and_comes_back() {
    let mut world = World::start().await;
    let body = json!({ "name": "dollar", "max_budget_usd": 1.0 });
    let path = format!("{}/api-keys", world.tenant);
    let key = world.nodes.node(0).http().json("POST", &path, &world.owner, &body).await.expect(201);
    let (secret, granted) = (text(&key, "secret").to_owned(), Granted::default());

    let mut spending = JoinSet::new();
    spend_by(&world, &[DOOMED], &secret, &granted, &mut spending);
    eventually("the node to lend out", async || (granted.by(DOOMED) >= 3).then_some(())).await;
    spend_by(&world, &[0, 1], &secret, &granted, &mut spending);
    world.nodes.node_mut(DOOMED).kill();
    spending.join_all().await;
    let before = granted.all();
    assert!(before.len() <= 100, "{} cents of a dollar", before.len());
    assert!((0..NODES).all(|node| granted.by(node) > 0), "{:?}", granted.all());

    // It takes up what it left itself, and nothing of those that live.
    world.nodes.node_mut(DOOMED).start_again();
    let mut spending = JoinSet::new();
    spend_by(&world, &[0, 1, DOOMED], &secret, &granted, &mut spending);
    spending.join_all().await;
    let holds = granted.all();
    assert!(holds.len() <= 100, "{} cents of a dollar", holds.len());

    // What the node had granted before it was killed nobody may settle any more who has not heard of it; its lease pays for that.
    let clients = world.clients();
    let lost =
        |granter: usize, hold: &str| granter == DOOMED && before.iter().any(|(_, known)| known == hold);
    let kept: Vec<_> = holds.iter().filter(|(granter, hold)| !lost(*granter, hold)).collect();
    for (granter, hold) in &kept {
        settle(&clients, *granter, hold).await;
    }
    let known = i64::try_from(kept.len()).unwrap() * COST;
    let written = async || Some(charged(&world, &key).await).filter(|charged| *charged >= known);
    let charged = eventually("all to be charged", written).await;
    assert!(charged <= DOLLAR, "{charged} nano-dollars were charged");
}
