//! The nodes that there are, and the end of those that are no more.

use std::time::Duration;

use keystile_core::{NodeId, Timestamp};

use super::now;
use crate::engine::Engine;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, request_log};

pub(super) const NODES: &str = concat!(
    "SELECT id, name, address, version, started_at, lease_millis, lease_until - ",
    now!(),
    " AS left_millis, beat, revision FROM nodes ORDER BY id"
);
const BURY: &str = "DELETE FROM nodes WHERE id = $1 AND beat = $2";
const FORGET: &str = "DELETE FROM nodes";
/// As many as go in a moment.
const SWEEP: &str = "DELETE FROM changes WHERE revision IN (SELECT revision FROM changes WHERE at < $1 ORDER BY at LIMIT 1000)";

/// A node, as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Names this run of it.
    pub id: NodeId,
    /// What operators call it.
    pub name: String,
    /// Where it serves.
    pub address: String,
    /// Which version of the program it is.
    pub version: String,
    /// When it joined, by the clock of the database.
    pub started_at: Timestamp,
    /// How long it answers from memory behind a renewal.
    pub lease: Duration,
    /// Milliseconds until its lease is over, by the clock of the database; below nothing if it is.
    pub left_millis: i64,
    /// How often it has renewed its lease.
    pub beat: i64,
    /// The last change that it had applied when it renewed its lease.
    pub revision: i64,
}

impl Node {
    /// Whether it may answer from memory, by the clock of the database.
    pub const fn has_lease(&self) -> bool {
        self.left_millis > 0
    }
}

impl Store {
    /// All nodes that serve from the database together; none on SQLite, or where a server serves alone.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        match self.engine() {
            Engine::Sqlite(_) => Ok(Vec::new()),
            Engine::Postgres(_) => self.read((), |(), tx| Box::pin(read_all(tx))).await,
        }
    }

    /// Forgets a node that has renewed nothing since this beat, and gives its request log an end; tells whether it was that. Others take up
    /// what it has leased of budgets from then on. Only for who has seen for long enough, by a clock that nobody sets, that its lease is
    /// over.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn bury_node(&self, id: NodeId, beat: i64, now: Timestamp) -> Result<bool, StoreError> {
        let args = ([Value::text(id), beat.into()], now);
        self.write_quietly(args, |(which, now), tx| Box::pin(bury(which, *now, tx))).await
    }

    /// Forgets all nodes, for a server that has just got the right to serve alone: none is left then.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn forget_nodes(&self) -> Result<(), StoreError> {
        self.write_quietly((), |(), tx| Box::pin(async move { tx.execute(FORGET, &[]).await.map(drop) }))
            .await
    }

    /// Forgets some changes that were noted before `before`, by the clock of the database; tells how many. Nodes look at those of seconds.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_changes(&self, before: Timestamp) -> Result<u64, StoreError> {
        match self.engine() {
            Engine::Sqlite(_) => Ok(0),
            Engine::Postgres(_) => {
                self.write_quietly([Value::from(before)], |args, tx| Box::pin(sweep(args, tx))).await
            }
        }
    }
}

async fn read_all(tx: &mut Tx<'_>) -> Result<Vec<Node>, StoreError> {
    tx.query(NODES, &[]).await?.into_iter().map(read).collect()
}

async fn bury(which: &[Value; 2], now: Timestamp, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let is_gone = tx.execute(BURY, which).await? > 0;
    if is_gone {
        request_log::end_lost(now, tx).await?;
    }
    Ok(is_gone)
}

async fn sweep(args: &[Value; 1], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute(SWEEP, args).await
}

pub(super) fn read(mut row: Row) -> Read<Node> {
    let row = &mut row;
    Ok(Node {
        id: row.parsed("id")?,
        name: row.text("name")?,
        address: row.text("address")?,
        version: row.text("version")?,
        started_at: row.time("started_at")?,
        lease: Duration::from_millis(row.opt_count("lease_millis")?.unwrap_or(0)),
        left_millis: row.int("left_millis")?,
        beat: row.int("beat")?,
        revision: row.int("revision")?,
    })
}
