//! The nodes of one installation.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use keystile_testkit::postgres::Postgres;

use super::beside::Beside;
use crate::client::Client;
use crate::cpu::Cpu;
use crate::redis::Redis;
use crate::server::{Server, free_address};
use crate::world::World;
use crate::wrk::{Load, Run};

/// How many nodes there are.
pub(super) const NODES: usize = 3;
/// Connections of a load to each node.
pub(super) const CONNECTIONS: usize = 21;
/// Counts on a node the round trips to Redis.
const ROUND_TRIPS: &str = "keystile_rates_round_trips_total";
/// Of these, those that were not answered in time: limits are counted by the node alone then.
const FAILED: &str = "keystile_rates_failed_total";

/// Nodes that serve from one world.
pub(super) struct Nodes<'w> {
    pub(super) world: &'w World,
    servers: Vec<Server>,
    operations: Vec<SocketAddr>,
    postgres: &'w Postgres,
    redis: &'w Redis,
}

impl<'w> Nodes<'w> {
    /// Starts them one after the other.
    pub(super) async fn start(world: &'w World, postgres: &'w Postgres, redis: &'w Redis) -> Result<Self> {
        let mut nodes = Self { world, servers: Vec::new(), operations: Vec::new(), postgres, redis };
        for number in 0..NODES {
            let (operations, url) = (free_address()?, redis.url());
            let flags = ["--redis-url", &url, "--operations-listen", &operations.to_string()];
            nodes.servers.push(world.serve_as_node(&format!("node-{number}"), &flags).await?);
            nodes.operations.push(operations);
        }
        Ok(nodes)
    }

    /// The first of them, by which the owner makes what is asked for.
    pub(super) fn first(&self) -> Result<&Server> {
        self.servers.first().context("there are no nodes")
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::address).collect()
    }

    /// Waits until they do nothing but renew their leases.
    pub(super) async fn settled(&self) -> Result<()> {
        for server in &self.servers {
            server.settled().await?;
        }
        Ok(())
    }

    /// The most memory that any of them had, in MiB.
    pub(super) fn peak(&self) -> Result<f64> {
        self.servers.iter().try_fold(0.0, |most, server| Ok(server.memory()?.1.max(most)))
    }

    /// Sends to all of them at the same time, and tells what was taken of others meanwhile.
    pub(super) async fn run(&self, load: &Load, seconds: u64) -> Result<(Run, Beside)> {
        let before = self.beside().await?;
        let run = load.run_on(&self.servers.iter().collect::<Vec<_>>(), seconds)?;
        Ok((run, self.beside().await? - before))
    }

    /// What was taken of others so far.
    pub(super) async fn beside(&self) -> Result<Beside> {
        let postgres = self.postgres.process().map_err(|failure| anyhow!(failure))?;
        let (mut round_trips, mut failed) = (0.0, 0.0);
        for address in &self.operations {
            let page = Client::connect(*address).await?.get("/metrics", "").await?;
            let page = String::from_utf8(page.body.to_vec())?;
            round_trips += counter(&page, ROUND_TRIPS)?;
            failed += counter(&page, FAILED)?;
        }
        Ok(Beside { postgres: Cpu::of_family(postgres)?, redis: self.redis.cpu()?, round_trips, failed })
    }
}

/// A counter without labels on a page of metrics.
fn counter(page: &str, name: &str) -> Result<f64> {
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.with_context(|| format!("/metrics has no {name}"))?.parse()?)
}
