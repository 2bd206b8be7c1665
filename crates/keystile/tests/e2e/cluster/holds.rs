//! What a caller has estimated at one node is settled at any: once, whatever befalls the node that has it, and with the same answer for whoever
//! says the same again.

use keystile_testkit::faults::{Direction, Flow};
use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::world::{Client, LEASE, NODES, World};
use crate::world::text;

/// Holds of each pair of nodes.
const HOLDS: usize = 5;
/// What those say who settle one hold otherwise.
const AMOUNTS: [f64; 2 * NODES] = [0.001, 0.002, 0.003, 0.004, 0.005, 0.006];

impl World {
    /// A key with a dollar to spend.
    pub(super) async fn dollar(&self) -> Value {
        self.spender(&json!({ "name": "dollar", "max_budget_usd": 1.0 })).await
    }

    /// A key with so much to spend that it does not matter who has leased it.
    async fn rich(&self) -> Value {
        self.spender(&json!({ "name": "rich", "max_budget_usd": 1000.0 })).await
    }

    pub(super) async fn spender(&self, body: &Value) -> Value {
        let path = format!("{}/api-keys", self.tenant);
        self.nodes.node(0).http().json("POST", &path, &self.owner, body).await.expect(201)
    }

    /// What the owner is told by a node.
    async fn read(&self, node: usize, path: &str) -> Value {
        let path = format!("{}/{path}", self.tenant);
        self.nodes.node(node).http().json("GET", &path, &self.owner, &NOTHING).await.expect(200)
    }

    /// The holds of a key that are open, as a node tells.
    async fn open_holds(&self, node: usize, key: &Value) -> Vec<String> {
        let listed = self.read(node, &format!("holds?limit=200&key_id={}", text(key, "id"))).await;
        listed["data"].as_array().unwrap().iter().map(|hold| text(hold, "id").to_owned()).collect()
    }

    /// What the ledger has of a hold, in the words of the settling of it.
    async fn charged(&self, key: &Value, hold: &str) -> Vec<Value> {
        let listed = self.read(0, &format!("ledger?limit=200&key_id={}", text(key, "id"))).await;
        let of_hold = listed["data"].as_array().unwrap().iter().filter(|row| row["hold_id"] == hold);
        of_hold.map(|row| row["cost_usd"].clone()).collect()
    }

    /// Does what the leading node does a minute after the end of a node that has not left.
    pub(super) fn bury(&self, node: &str) {
        assert_eq!(self.nodes.query(&format!("DELETE FROM nodes WHERE name = '{node}' RETURNING 1")), "1");
    }
}

impl Client {
    /// Has so many dollars held.
    pub(super) async fn hold(&self, key: &Value, dollars: f64) -> String {
        let question = json!({ "key": key["secret"], "estimate": { "cost_usd": dollars, "tokens": 10 } });
        let answer = self.http.json("POST", "/api/v1/keys/verify", &self.caller, &question).await.expect(200);
        assert_eq!(answer["code"], "allowed", "{answer}");
        text(&answer, "hold_id").to_owned()
    }

    /// Settles a hold to so many dollars.
    pub(super) async fn settle(&self, hold: &str, dollars: f64) -> Result<Answer, String> {
        let path = format!("/api/v1/holds/{hold}/settle");
        let body = json!({ "actual": { "cost_usd": dollars, "tokens": 7 } });
        self.http.try_json("POST", &path, &self.caller, &body).await
    }

    /// Settles it, which has to succeed at once.
    async fn settles(&self, hold: &str, dollars: f64) -> Value {
        self.settle(hold, dollars).await.unwrap().expect(200)
    }

    /// Says the same until it is answered with success.
    async fn settles_in_the_end(&self, hold: &str, dollars: f64) -> Value {
        let settled = async || match self.settle(hold, dollars).await {
            Ok(answer) if answer.status == 200 => Some(answer.json),
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.text);
                None
            }
            Err(_) => None,
        };
        eventually("a hold to be settled", settled).await
    }

    /// It is over, as it was settled otherwise.
    async fn is_told_that_it_is_over(&self, hold: &str, dollars: f64) {
        self.settle(hold, dollars).await.unwrap().expect_problem(409, "hold_over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_settled_once_by_any_node_and_all_tell_the_same_of_it() {
    let world = World::start().await;
    let clients = world.clients();
    let dollar = world.rich().await;
    let free = world.spender(&json!({ "name": "free" })).await;
    let mut sum = 0.0;
    for key in [&dollar, &free] {
        for number in 0..NODES * NODES * HOLDS {
            let (opener, settler) = (&clients[number % NODES], &clients[number / NODES % NODES]);
            let hold = opener.hold(key, 0.02).await;
            let told = settler.settles(&hold, 0.01).await;
            sum += 0.01;
            for client in &clients {
                assert_eq!(client.settles(&hold, 0.01).await, told, "{} {}", opener.node, client.node);
                client.is_told_that_it_is_over(&hold, 0.011).await;
            }
            assert_eq!((&told["charged_usd"], &told["held_usd"]), (&json!(0.01), &json!(0.02)));
            assert_eq!((&told["tokens_used"], &told["tokens_held"]), (&json!(7), &json!(10)));
        }
    }
    let spend = world.read(1, "spend?by=key").await;
    let cost = spend["total"]["cost_usd"].as_f64().unwrap();
    assert!((cost - sum).abs() < 1e-9, "{cost} {sum}");
    let known = clients[0].hold(&dollar, 0.02).await;
    let (rest, last) = known.split_at(known.len() - 1);
    let unknown = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    for client in &clients {
        client.settle(&unknown, 0.01).await.unwrap().expect_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_settle_a_hold_otherwise_at_all_nodes_one_does() {
    let world = World::start().await;
    let (clients, key) = (world.clients(), world.rich().await);
    for round in 0..12 {
        let hold = clients[round % NODES].hold(&key, 0.05).await;
        let mut settling = JoinSet::new();
        for (number, client) in clients.iter().cycle().take(AMOUNTS.len()).enumerate() {
            let (client, hold) = (client.clone(), hold.clone());
            let dollars = AMOUNTS[number];
            settling.spawn(async move { client.settle(&hold, dollars).await.unwrap() });
        }
        let answers = settling.join_all().await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)), "{answers:?}");
        assert_eq!(world.charged(&key, &hold).await, [won[0].json["charged_usd"].clone()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_holds_of_all_nodes_are_listed_and_settled_by_hand_at_any() {
    let world = World::start().await;
    let (clients, key) = (world.clients(), world.rich().await);
    let mut held = Vec::new();
    for client in &clients {
        held.push(client.hold(&key, 0.1).await);
    }
    held.sort();
    for node in 0..NODES {
        let mut listed = world.open_holds(node, &key).await;
        listed.sort();
        assert_eq!(listed, held, "node {node}");
    }
    for (number, hold) in held.iter().enumerate() {
        let path = format!("{}/holds/{hold}/settle", world.tenant);
        let body = json!({ "actual": { "cost_usd": 0.03 }, "reason": "the worker's \"gone\" \\ it ended" });
        let by = (number + 1) % NODES;
        let settle = async |node: usize, body: &Value| {
            world.nodes.node(node).http().json("POST", &path, &world.owner, body).await
        };
        let settled = settle(by, &body).await.expect(200);
        assert_eq!(settle((by + 1) % NODES, &body).await.expect(200), settled);
        settle(by, &json!({ "actual": {} })).await.expect_problem(409, "hold_over");
    }
    for node in 0..NODES {
        assert_eq!(world.open_holds(node, &key).await, [""; 0], "node {node}");
    }
    let ledger = world.read(0, &format!("ledger?key_id={}", text(&key, "id"))).await;
    let reasons: Vec<_> = ledger["data"].as_array().unwrap().iter().map(|row| text(row, "reason")).collect();
    assert_eq!(reasons, ["the worker's \"gone\" \\ it ended"; 3]);
    let audit = world.read(0, "audit?action=hold.settle").await;
    assert_eq!(audit["data"].as_array().unwrap().len(), NODES, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_leaves_its_holds_to_the_others_at_once() {
    let mut world = World::start().await;
    let (clients, key) = (world.clients(), world.dollar().await);
    let (before, after) = (clients[2].hold(&key, 0.3).await, clients[2].hold(&key, 0.3).await);
    let told = clients[2].settles(&before, 0.1).await;
    world.nodes.node_mut(2).stop();
    for client in &clients[..2] {
        assert_eq!(client.settles(&before, 0.1).await, told);
        assert_eq!(client.settles(&after, 0.2).await["charged_usd"], json!(0.2));
        client.is_told_that_it_is_over(&after, 0.1).await;
    }
    // What it did not use is there for others: 0.7 of the dollar.
    clients[0].hold(&key, 0.7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_of_a_node_that_was_killed_are_settled_when_it_is_given_up() {
    let mut world = World::start().await;
    let (clients, key) = (world.clients(), world.dollar().await);
    let (settled, open) = (clients[2].hold(&key, 0.3).await, clients[2].hold(&key, 0.3).await);
    let told = clients[0].settles(&settled, 0.1).await;
    assert_eq!(world.open_holds(1, &key).await, [open.as_str()], "it is written");
    world.nodes.node_mut(2).kill();
    let answer = clients[0].settle(&open, 0.2).await.unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(clients[1].settles(&settled, 0.1).await, told, "what was answered is in the ledger");
    world.bury("c");
    let told = clients[0].settles_in_the_end(&open, 0.2).await;
    assert_eq!(told["charged_usd"], json!(0.2));
    assert_eq!(clients[1].settles(&open, 0.2).await, told);
    clients[1].is_told_that_it_is_over(&open, 0.1).await;
    assert_eq!(world.charged(&key, &open).await, [json!(0.2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_and_was_given_up_settles_nothing_that_others_have_settled() {
    let world = World::start().await;
    let (clients, key) = (world.clients(), world.dollar().await);
    let (one, two) = (clients[2].hold(&key, 0.3).await, clients[2].hold(&key, 0.3).await);
    assert_eq!(world.open_holds(0, &key).await.len(), 2, "they are written");
    world.nodes.node(2).freeze();
    // Nobody is given up whose lease is not over.
    tokio::time::sleep(2 * LEASE).await;
    world.bury("c");
    let told = clients[0].settles_in_the_end(&one, 0.2).await;
    let told_late = clients[1].settles_in_the_end(&two, 0.05).await;
    world.nodes.node(2).thaw();
    for (hold, told, dollars) in [(&one, &told, 0.2), (&two, &told_late, 0.05)] {
        let otherwise = async || {
            let answer = clients[2].settle(hold, 0.25).await.ok()?;
            (answer.status != 503).then_some(answer)
        };
        eventually("the node to know", otherwise).await.expect_problem(409, "hold_over");
        assert_eq!(&clients[2].settles_in_the_end(hold, dollars).await, told);
    }
    assert_eq!(world.charged(&key, &one).await, [json!(0.2)]);
    assert_eq!(world.charged(&key, &two).await, [json!(0.05)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settling_that_is_not_heard_or_whose_answer_is_lost_is_told_when_it_is_said_again() {
    let world = World::start().await;
    let (clients, key) = (world.clients(), world.rich().await);
    let (answered, asked) = (clients[2].hold(&key, 0.3).await, clients[2].hold(&key, 0.3).await);
    let way = world.nodes.node(2).way();
    // It hears what it is asked, and its answer stays on the way: the ledger tells.
    way.set_marked(Direction::ToServer, Flow::Held);
    let told = clients[0].settles(&answered, 0.2).await;
    way.set_marked(Direction::ToServer, Flow::Passes);
    world.accepts(2, &world.known_keys(1).await[0]).await;
    assert_eq!(clients[2].settles_in_the_end(&answered, 0.2).await, told);

    way.set_marked(Direction::Both, Flow::Held);
    let answer = clients[0].settle(&asked, 0.2).await.unwrap();
    assert_eq!((answer.status, &answer.json["code"]), (503, &json!("outcome_unknown")), "{}", answer.text);
    // What was asked is heard late, and what is said again comes to the same.
    way.set_marked(Direction::Both, Flow::Passes);
    let told = clients[1].settles_in_the_end(&asked, 0.2).await;
    assert_eq!(clients[2].settles_in_the_end(&asked, 0.2).await, told);
    for hold in [&answered, &asked] {
        clients[0].is_told_that_it_is_over(hold, 0.1).await;
        assert_eq!(world.charged(&key, hold).await, [json!(0.2)]);
    }
}
