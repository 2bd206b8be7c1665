//! Three nodes on one PostgreSQL and one Redis, all on this machine: what several cost more than one, and what they promise together.

mod beside;
mod limited;
mod nodes;
mod receipts;
mod revocations;
mod throughput;
mod traffic;

use anyhow::{Result, anyhow};
use keystile_core::Limits;
use keystile_testkit::postgres::{Durability, Postgres};

use super::say;
use crate::plan::Plan;
use crate::redis::Redis;
use crate::table::Row;
use crate::world::World;
use nodes::{NODES, Nodes};
use throughput::Alone;

/// Keys that stay good, which are asked for beside those that are revoked.
const KEPT: usize = 10_000;

/// The cost of a request, then a limit that all nodes count together, then revocations.
pub(super) async fn rows(plan: Plan) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let postgres = Postgres::start(Durability::On).map_err(|failure| anyhow!(failure))?;
    let redis = Redis::start().await?;
    let (of_nodes, of_one) = (postgres.database(), postgres.database());
    let make = async |name: &str, url: &str, count| {
        World::make(folder.path().join(name), Some(url), count, Limits::default()).await
    };
    let count = KEPT + plan.revocations_by_nodes;
    say(&format!("filling PostgreSQL with {count} keys for {NODES} nodes"));
    let world = make("nodes", &of_nodes.url(), count).await?;
    // What a server does by itself in the minutes after so many rows have come.
    of_nodes.run("VACUUM ANALYZE").map_err(|failure| anyhow!(failure))?;
    let nodes = Nodes::start(&world, &postgres, &redis).await?;
    let lonely = make("alone", &of_one.url(), 1).await?;
    let alone = Alone::start(&lonely).await?;
    let mut rows = throughput::rows(&nodes, &alone, plan).await?;
    drop(alone);
    rows.extend(limited::rows(&nodes, plan).await?);
    rows.extend(revocations::rows(&nodes, plan.revocations_by_nodes).await?);
    Ok(rows)
}
