//! Keys that are revoked by one node and asked for at all: before, meanwhile, and after the answer, when none may be accepted.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use super::nodes::{NODES, Nodes};
use super::receipts::Receipts;
use super::traffic::Traffic;
use super::{KEPT, say};
use crate::client::{Answer, Client};
use crate::keys::{self, write_file};
use crate::table::Row;
use crate::world::{STORED, World, with_keys};
use crate::wrk::Order;

/// Revocations at the same time.
const AT_ONCE: usize = 8;
/// The most that the answer to 99 of 100 may take, in milliseconds.
const GOAL: u32 = 50;

/// Revokes the keys behind those that are kept, by each node in turn.
pub(super) async fn rows(nodes: &Nodes<'_>, count: usize) -> Result<Vec<Row>> {
    say(&format!("{count} revocations by {NODES} nodes"));
    nodes.settled().await?;
    let world = nodes.world;
    let kept = world.file("kept.keys");
    write_file(&kept, STORED, KEPT, str::to_owned)?;
    let traffic = Traffic::start(with_keys(&world.authz()?, kept, Order::Random), nodes.addresses());
    let before = nodes.beside().await?;
    let begun = Instant::now();
    let seen = revoke(nodes, KEPT..KEPT + count).await?;
    let elapsed = begun.elapsed().as_secs_f64();
    let beside = nodes.beside().await? - before;
    let traffic = traffic.stop()?;
    ensure!(
        seen.accepted == 0,
        "{} of {} requests were accepted that were sent after the answer",
        seen.accepted,
        seen.asked
    );
    let note = format!(
        "none of {} requests accepted that were sent after the answer; {} (goal {GOAL} ms at p99); beside {traffic:.0} other requests/s; \
         PostgreSQL {:.0} µs per revocation",
        seen.asked,
        seen.receipts,
        beside.postgres.total() / count as f64 * 1e6,
    );
    let name = format!("revoke, {count} by {NODES} nodes, {AT_ONCE} at a time");
    let row = Row::of_latencies(name, seen.latencies);
    Ok(vec![Row { per_second: Some(count as f64 / elapsed), peak: Some(nodes.peak()?), note, ..row }])
}

/// What was seen of some revocations.
#[derive(Default)]
struct Seen {
    /// Of the answers, in microseconds.
    latencies: Vec<f64>,
    receipts: Receipts,
    /// Requests that were sent after an answer.
    asked: usize,
    /// Of these, those that were accepted.
    accepted: usize,
}

impl Seen {
    fn and(mut self, other: Self) -> Self {
        self.latencies.extend(other.latencies);
        Self {
            latencies: self.latencies,
            receipts: self.receipts.and(other.receipts),
            asked: self.asked + other.asked,
            accepted: self.accepted + other.accepted,
        }
    }
}

/// Some at a time.
async fn revoke(nodes: &Nodes<'_>, numbers: Range<usize>) -> Result<Seen> {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (mut worker, next) = (Worker::connect(nodes).await?, Arc::clone(&next));
        workers.spawn(async move {
            let mut seen = Seen::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return anyhow::Ok(seen);
                }
                seen = seen.and(worker.round(number).await?);
            }
        });
    }
    let mut sum = Seen::default();
    while let Some(seen) = workers.join_next().await {
        sum = sum.and(seen??);
    }
    Ok(sum)
}

/// Somebody who revokes one key after the other, with connections to each node.
struct Worker {
    bearer: String,
    keys_path: String,
    authz_path: String,
    owners: Vec<Client>,
    gateways: Vec<Client>,
    /// For what is asked after the answer, which waits for nothing that was asked before.
    later: Vec<Client>,
}

impl Worker {
    async fn connect(nodes: &Nodes<'_>) -> Result<Self> {
        let addresses = nodes.addresses();
        let connect = || try_join_all(addresses.iter().map(|address| Client::connect(*address)));
        let world: &World = nodes.world;
        Ok(Self {
            bearer: world.bearer(),
            keys_path: world.keys_path(),
            authz_path: world.authz_path(),
            owners: connect().await?,
            gateways: connect().await?,
            later: connect().await?,
        })
    }

    /// Has every node remember the key, and revokes it by one of them while all are asked for it.
    async fn round(&mut self, number: usize) -> Result<Seen> {
        let Self { bearer, keys_path, authz_path, owners, gateways, later } = self;
        let key = format!("ApiKey {}", keys::text(STORED, number).expose());
        let before = ask(gateways, authz_path, &key).await?;
        ensure!(
            before.iter().all(|answer| answer.status == StatusCode::OK),
            "a key was refused that was not revoked"
        );
        let path = format!("{keys_path}/{}/revoke", keys::id(number));
        let owner = &mut owners[number % NODES];
        let revoked = async {
            let begun = Instant::now();
            let answer = owner.post(&path, bearer, &json!({})).await?;
            let took = begun.elapsed();
            let after = ask(later, authz_path, &key).await?;
            answer.json()?;
            anyhow::Ok((took, Receipts::read(&answer)?, after))
        };
        let (revoked, _) = tokio::try_join!(revoked, ask(gateways, authz_path, &key))?;
        let (took, receipts, after) = revoked;
        let accepted = after.iter().filter(|answer| answer.status.is_success()).count();
        let refused = after.iter().filter(|answer| answer.status == StatusCode::UNAUTHORIZED).count();
        ensure!(accepted + refused == NODES, "a node did not answer whether a key is good that was revoked");
        Ok(Seen { latencies: vec![took.as_secs_f64() * 1e6], receipts, asked: NODES, accepted })
    }
}

/// Asks all of them at the same time.
async fn ask(gateways: &mut [Client], path: &str, key: &str) -> Result<Vec<Answer>> {
    try_join_all(gateways.iter_mut().map(|gateway| gateway.get(path, key))).await
}
