//! What whoever has changed something has to wait for.

use keystile_core::{Change, NodeId};

use super::{Heard, Node, Written, peers};
use crate::noting::Transactions;
use crate::row::Row;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// What the transactions changed of what verification remembers: of each the last revision.
const WRITTEN: &str = "SELECT CAST(xid AS TEXT) AS xid, MAX(revision) AS revision FROM changes
    WHERE xid = ANY (CAST(CAST($1 AS TEXT) AS xid8[])) GROUP BY xid";
/// Nodes whose last renewal tells that they have applied all of them.
const APPLIED: &str = "SELECT id FROM nodes WHERE NOT EXISTS (
        SELECT FROM unnest(CAST(CAST($1 AS TEXT) AS xid8[])) AS one (xid)
        WHERE NOT pg_visible_in_snapshot(one.xid, CAST(nodes.applied AS pg_snapshot)))";

/// Notes a change as the triggers do.
const NOTE: &str = "SELECT CAST(keystile_note($1) AS TEXT) AS noted";

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Which.
    pub node: Node,
    /// Whether its last renewal tells that it has applied what was asked about.
    pub has_applied: bool,
}

/// Which nodes there are, and what they have applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// What the transactions changed, if it is of any concern to others.
    pub written: Vec<Written>,
    /// All nodes but the one that asks.
    pub others: Vec<Peer>,
}

impl Store {
    /// Notes once more what a change makes untrue, for one that found everything as it was to be: whoever made it so may still wait for
    /// nodes that have not heard of it. Only for a node.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn note_again(&self, change: &Change) -> Result<(), StoreError> {
        let texts: Vec<_> = Heard::texts(change).into_iter().map(|text| [Value::Text(text)]).collect();
        self.write_quietly(texts, |texts, tx| Box::pin(note(texts, tx))).await
    }

    /// Which other nodes there are, and what they have applied of these transactions, which are committed. Only for a node.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn outlook(&self, transactions: &Transactions) -> Result<Outlook, StoreError> {
        let numbers: Vec<_> = transactions.0.iter().map(u64::to_string).collect();
        let args = ([Value::Text(format!("{{{}}}", numbers.join(",")))], self.node());
        self.read(args, |(numbers, own), tx| Box::pin(look(numbers, *own, tx))).await
    }
}

async fn note(texts: &[[Value; 1]], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for text in texts {
        tx.query(NOTE, text).await?;
    }
    Ok(())
}

async fn look(numbers: &[Value; 1], own: Option<NodeId>, tx: &mut Tx<'_>) -> Result<Outlook, StoreError> {
    let (numbers, none): (&[Value], &[Value]) = (numbers, &[]);
    let batch = [(WRITTEN, numbers), (peers::NODES, none), (APPLIED, numbers)];
    let mut answers = tx.pipeline(&batch).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let written = next().into_iter().map(read_written).collect::<Result<_, _>>()?;
    let nodes = next().into_iter().map(peers::read).collect::<Result<Vec<_>, _>>()?;
    let applied = next().into_iter().map(|mut row| row.parsed("id")).collect::<Result<Vec<NodeId>, _>>()?;
    let others = nodes.into_iter().filter(|node| Some(node.id) != own);
    let peer = |node: Node| Peer { has_applied: applied.contains(&node.id), node };
    Ok(Outlook { written, others: others.map(peer).collect() })
}

fn read_written(mut row: Row) -> Result<Written, StoreError> {
    Ok(Written { transaction: row.parsed("xid")?, revision: row.int("revision")? })
}
