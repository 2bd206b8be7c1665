//! A limit is one limit, however many nodes count it, and whatever becomes of the Redis between them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keystile_testkit::faults::Ending;
use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::world::{Client, NODES, World};
use crate::world::text;

/// Clients of each node.
const CLIENTS: usize = 3;
/// Requests a minute.
const LIMIT: u64 = 1_000;

/// What became of requests.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    asked: u64,
    admitted: u64,
    limited: u64,
    unavailable: u64,
}

impl Tally {
    fn note(&mut self, answer: &Answer) {
        self.asked += 1;
        match answer.json["code"].as_str() {
            Some("allowed") => self.admitted += 1,
            Some("rate_limited") => self.limited += 1,
            Some("enforcement_unavailable") => self.unavailable += 1,
            _ => panic!("{} {}", answer.status, answer.text),
        }
    }

    const fn with(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            admitted: self.admitted + other.admitted,
            limited: self.limited + other.limited,
            unavailable: self.unavailable + other.unavailable,
        }
    }
}

/// A key with these limits, by the owner.
async fn key(world: &World, limits: Value) -> Arc<str> {
    let mut body = json!({ "name": "limited" });
    body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    let path = format!("{}/api-keys", world.tenant);
    let key = world.nodes.node(0).http().json("POST", &path, &world.owner, &body).await.expect(201);
    text(&key, "secret").into()
}

fn limited(burst: u64) -> Value {
    json!({ "rate_limits": [{ "name": "all", "limit": LIMIT, "window_seconds": 60, "burst": burst }] })
}

async fn ask(client: &Client, secret: &str) -> Answer {
    let question = json!({ "key": secret });
    client.http.json("POST", "/api/v1/keys/verify", &client.caller, &question).await
}

/// Asks these nodes on and on, for so long.
async fn hit(world: &World, nodes: &[usize], secret: &Arc<str>, time: Duration) -> Tally {
    let mut clients = JoinSet::new();
    let end = Instant::now() + time;
    for number in 0..nodes.len() * CLIENTS {
        let (client, secret) = (world.client(nodes[number % nodes.len()]), Arc::clone(secret));
        clients.spawn(async move {
            let mut tally = Tally::default();
            while Instant::now() < end {
                tally.note(&ask(&client, &secret).await);
            }
            tally
        });
    }
    clients.join_all().await.into_iter().fold(Tally::default(), Tally::with)
}

/// The most that may be admitted in this time.
fn most(burst: u64, time: Duration) -> u64 {
    burst + u64::try_from(time.as_millis()).unwrap() * LIMIT / 60_000
}

/// The most round trips in which so many are admitted in this time, however few a slow machine asks: each brings some, or a node makes no more
/// than two within the twenty milliseconds for which it believes that a limit is full.
fn most_trips(admitted: u64, time: Duration) -> u64 {
    admitted + NODES as u64 * u64::try_from(time.as_millis()).unwrap() / 10
}

/// A figure of a node's metrics.
async fn figure(world: &World, node: usize, name: &str) -> u64 {
    let page = world.nodes.node(node).operations().json("GET", "/metrics", "", &NOTHING).await.text;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {page}")).parse().unwrap()
}

/// Round trips of all nodes until now, and how many of them were not answered in time.
async fn round_trips(world: &World) -> (u64, u64) {
    let (mut trips, mut failed) = (0, 0);
    for node in 0..NODES {
        trips += figure(world, node, "keystile_rates_round_trips_total").await;
        failed += figure(world, node, "keystile_rates_failed_total").await;
    }
    (trips, failed)
}

/// Waits until all nodes count together, or none does.
async fn share(world: &World, shared: u64) {
    for node in 0..NODES {
        let settled = async || (figure(world, node, "keystile_rates_shared").await == shared).then_some(());
        eventually("the nodes to share limits, or not to", settled).await;
    }
}

const ALL: [usize; NODES] = [0, 1, 2];

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_exact_over_three_nodes_and_nearly_all_of_it_is_used() {
    let world = World::start_with_redis("refuse").await;
    share(&world, 1).await;
    let secret = key(&world, limited(100)).await;
    let (trips, failed) = round_trips(&world).await;
    let began = Instant::now();
    let burst = hit(&world, &ALL, &secret, Duration::from_secs(1)).await;
    // From here on something is used all the time, so that what leaks is lost by nodes only, and not before a slow machine has begun.
    let time = Duration::from_secs(5);
    let leaked = hit(&world, &ALL, &secret, time).await;
    let (tally, bound) = (burst.with(leaked), most(100, began.elapsed()));
    let (trips_by_now, failed_by_now) = round_trips(&world).await;
    let (took, trips, failed) = (began.elapsed(), trips_by_now - trips, failed_by_now - failed);
    assert!(tally.admitted <= bound, "{tally:?}, and {bound} may be");
    assert!(leaked.admitted * 100 >= most(0, time) * 90, "{leaked:?} after {burst:?}");
    assert!(tally.unavailable == 0 || failed > 0, "{tally:?}, and Redis has always answered");
    assert!(trips <= most_trips(tally.admitted, took), "{trips} round trips in {took:?} for {tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_has_forgotten_everything_gives_nothing_away() {
    let mut world = World::start_with_redis("refuse").await;
    share(&world, 1).await;
    let secret = key(&world, limited(90)).await;
    let began = Instant::now();
    let mut tally = hit(&world, &ALL, &secret, Duration::from_secs(1)).await;
    world.nodes.redis().kill();
    share(&world, 0).await;
    let refused = hit(&world, &ALL, &secret, Duration::from_secs(1)).await;
    assert!(refused.admitted == 0 && refused.unavailable > 0, "{refused:?}");
    world.nodes.redis().start_again();
    tally = tally.with(hit(&world, &ALL, &secret, Duration::from_millis(500)).await);
    share(&world, 1).await;
    tally = tally.with(hit(&world, &ALL, &secret, Duration::from_secs(1)).await);
    let bound = most(90, began.elapsed());
    assert!(tally.admitted <= bound && tally.admitted > 90, "{tally:?}, and {bound} may be");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_node_allows_its_part_of_a_limit() {
    let mut world = World::start_with_redis("local_share").await;
    share(&world, 1).await;
    let secret = key(&world, limited(90)).await;
    world.nodes.redis().kill();
    share(&world, 0).await;
    let began = Instant::now();
    let one = hit(&world, &[0], &secret, Duration::from_secs(1)).await;
    let part = most(90, began.elapsed()).div_ceil(3);
    assert!((28..=part).contains(&one.admitted), "{one:?}, and its part is {part}");
    let all = hit(&world, &ALL, &secret, Duration::from_secs(1)).await;
    let (sum, bound) = (one.admitted + all.admitted, most(90, began.elapsed()));
    assert!(sum <= bound && sum > 80, "{sum} of {bound}");
    assert!(all.limited > 0 && all.unavailable == 0, "{all:?}");
    world.nodes.redis().start_again();
    share(&world, 1).await;
    let back = hit(&world, &ALL, &secret, Duration::from_secs(1)).await;
    let (sum, bound) = (sum + back.admitted, most(90, began.elapsed()));
    assert!(sum <= bound && back.admitted > 0, "{sum} of {bound}: {back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_from_redis_refuses_and_the_others_go_on_exactly() {
    let world = World::start_with_redis("refuse").await;
    share(&world, 1).await;
    let secret = key(&world, limited(60)).await;
    let began = Instant::now();
    let first = hit(&world, &[0], &secret, Duration::from_millis(200)).await;
    world.nodes.node(0).redis_way().swallow();
    world.nodes.node(0).redis_way().cut(Ending::Reset);
    let away = async || (figure(&world, 0, "keystile_rates_shared").await == 0).then_some(());
    eventually("the node to notice", away).await;
    let cut = hit(&world, &[0], &secret, Duration::from_millis(500)).await;
    assert!(cut.unavailable > 0 && cut.limited == 0, "{cut:?}");
    let others = hit(&world, &[1, 2], &secret, Duration::from_secs(1)).await;
    let admitted = first.with(cut).with(others).admitted;
    assert!(admitted <= most(60, began.elapsed()) && others.admitted > 0, "{first:?} {cut:?} {others:?}");
    world.nodes.node(0).redis_way().heal();
    share(&world, 1).await;
    let served = async || (ask(&world.client(0), &secret).await.json["code"] == "allowed").then_some(());
    eventually("the node to serve again", served).await;
}

/// What becomes of a request for so many tokens.
async fn estimate(world: &World, node: usize, secret: &str, tokens: u64) -> Answer {
    let (client, question) = (world.client(node), json!({ "key": secret, "estimate": { "tokens": tokens } }));
    client.http.json("POST", "/api/v1/keys/verify", &client.caller, &question).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_one_limit_over_all_nodes() {
    let world = World::start_with_redis("refuse").await;
    share(&world, 1).await;
    let secret = key(&world, json!({ "tpm_limit": 1_000 })).await;
    let estimate = async |node, tokens| estimate(&world, node, &secret, tokens).await;
    let first = estimate(0, 600).await;
    assert_eq!(first.json["valid"], true, "{}", first.text);
    let second = estimate(1, 600).await;
    assert_eq!(second.json["valid"], false, "{}", second.text);
    assert_eq!(second.json["code"], "tokens_limited", "{}", second.text);
    assert_eq!(estimate(2, 300).await.json["valid"], true);
    // What was not used is given back to all.
    let hold = text(&first.json, "hold_id").to_owned();
    let (client, body) = (world.client(0), json!({ "actual": { "tokens": 10 } }));
    client
        .http
        .json("POST", &format!("/api/v1/holds/{hold}/settle"), &client.caller, &body)
        .await
        .expect(200);
    let fits = async || (estimate(1, 600).await.json["valid"] == true).then_some(());
    let began = Instant::now();
    eventually("the rest to be given back", fits).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "a minute's limit needs half a minute to leak so much"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_key_that_nobody_uses_now_are_told_to_a_redis_that_has_forgotten_them() {
    let mut world = World::start_with_redis("refuse").await;
    share(&world, 1).await;
    let secret = key(&world, json!({ "tpm_limit": 1_000 })).await;
    let held = estimate(&world, 0, &secret, 900).await;
    assert_eq!(held.json["valid"], true, "{}", held.text);
    let (client, body) = (world.client(0), json!({ "actual": { "tokens": 900 } }));
    let settle = format!("/api/v1/holds/{}/settle", text(&held.json, "hold_id"));
    client.http.json("POST", &settle, &client.caller, &body).await.expect(200);
    // Long enough that nothing of it is left to be told.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.nodes.redis().kill();
    share(&world, 0).await;
    world.nodes.redis().start_again();
    share(&world, 1).await;
    // This node has never asked for it.
    let refused = estimate(&world, 1, &secret, 900).await;
    assert_eq!(refused.json["code"], "tokens_limited", "{}", refused.text);
}
