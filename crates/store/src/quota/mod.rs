//! Budgets, what was leased of them, holds, and the ledger of what was charged.
//!
//! The rule is `spent + leased ≤ max`. Leases grow by one conditional statement ([`lease`]); a charge moves money from leased to spent and
//! changes nothing in their sum ([`settle`]), but for debt. What is spent in a period is, at every commit, the sum of what the ledger has of
//! the days in it: periods are made with that sum, and from then on every row that is added to the ledger is added to them.
//!
//! Whoever writes to the ledger or makes a period locks the row of `budget_guard` first, so that no row falls between the two.

mod correct;
mod holds;
mod lease;
pub(crate) mod ledger;
pub(crate) mod near;
pub(crate) mod rows;
mod settle;
pub(crate) mod spend;
mod take_up;

pub use correct::Corrected;
pub use holds::FoundHold;
pub use ledger::LedgerFilter;
pub use spend::{MOST_SUMS, SpendFilter, SpentOf};
pub use take_up::TakenUp;

use std::fmt;

use keystile_core::NodeId;
use keystile_core::quota::Mark;

use crate::StoreError;
use crate::tx::Tx;
use crate::value::Value;

const GUARD: &str = "SELECT one FROM budget_guard WHERE one = 1 {for_update}";

/// One run of a server, which leases parts of budgets. Another run is another server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ServerId(u128);

impl ServerId {
    /// The run with these bits, which have to be random.
    pub const fn new(random: u128) -> Self {
        Self(random)
    }

    /// The run that is a node.
    pub const fn of_node(node: NodeId) -> Self {
        Self(node.as_u128())
    }

    /// The node that it is, if it is one.
    pub const fn node(self) -> NodeId {
        NodeId::from_u128(self.0)
    }

    /// Stands in the ids of its holds.
    pub const fn mark(self) -> Mark {
        Mark::of_run(self.0)
    }

    pub(crate) fn value(self) -> Value {
        Value::bits(self.0)
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerId({:032x})", self.0)
    }
}

/// Waits for others who write to the ledger or make a period, and keeps them waiting until the transaction ends.
pub(crate) async fn guard(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.query(GUARD, &[]).await.map(drop)
}
