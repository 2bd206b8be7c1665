//! What other nodes have said that they have applied.

use std::collections::BTreeMap;

use keystile_core::NodeId;
use keystile_store::Written;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Transactions of which acknowledgements are remembered. They come within milliseconds of a commit; whoever misses one that was
/// forgotten learns the same from the node's next renewal.
const KEPT: usize = 4_096;

/// Acknowledgements of the last transactions.
#[derive(Default)]
pub(super) struct Acks {
    /// Of each transaction, who has applied it up to which revision. They may come before whoever waits for them.
    heard: Mutex<BTreeMap<u64, Vec<(NodeId, i64)>>>,
    pub(super) arrived: Notify,
}

impl Acks {
    /// A node has applied these.
    pub(super) fn note(&self, node: NodeId, written: &[Written]) {
        let mut heard = self.heard.lock();
        for Written { transaction, revision } in written {
            heard.entry(*transaction).or_default().push((node, *revision));
        }
        while heard.len() > KEPT {
            heard.pop_first();
        }
        drop(heard);
        self.arrived.notify_waiters();
    }

    /// Whether a node has applied all of these.
    pub(super) fn are_from(&self, node: NodeId, written: &[Written]) -> bool {
        let heard = self.heard.lock();
        let is_applied = |written: &Written| {
            let mut said = heard.get(&written.transaction).into_iter().flatten();
            said.any(|(own, revision)| *own == node && *revision >= written.revision)
        };
        written.iter().all(is_applied)
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Timestamp;

    use super::*;

    const fn written(transaction: u64, revision: i64) -> Written {
        Written { transaction, revision }
    }

    fn node(number: u128) -> NodeId {
        NodeId::from_parts(Timestamp::from_millis(1), number)
    }

    #[test]
    fn a_node_has_applied_what_it_said_of_the_transaction_and_no_more() {
        let acks = Acks::default();
        acks.note(node(1), &[written(7, 20), written(8, 21)]);
        assert!(acks.are_from(node(1), &[written(7, 19), written(8, 21)]));
        for not in [[written(7, 21)], [written(9, 1)]] {
            assert!(!acks.are_from(node(1), &not), "{not:?}");
        }
        assert!(!acks.are_from(node(2), &[written(7, 20)]));
    }

    #[test]
    fn old_acknowledgements_make_room() {
        let acks = Acks::default();
        (0..=KEPT as u64).for_each(|transaction| acks.note(node(1), &[written(transaction, 1)]));
        assert!(!acks.are_from(node(1), &[written(0, 1)]) && acks.are_from(node(1), &[written(1, 1)]));
    }
}
