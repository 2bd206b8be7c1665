//! When each other node was last seen to renew its lease, by a clock that nobody sets.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use keystile_core::NodeId;
use keystile_store::Node;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::MARGIN;

/// What was seen of the other nodes.
#[derive(Default)]
pub(super) struct Sight(Mutex<HashMap<NodeId, Seen>>);

struct Seen {
    beat: i64,
    /// From when on it is known that this beat was there. The lease that came with it began before.
    since: Instant,
    lease: Duration,
}

impl Sight {
    /// These are all the others, as they were read just now.
    pub(super) fn note<'n>(&self, others: impl Iterator<Item = &'n Node>, now: Instant) {
        let mut seen = self.0.lock();
        let known = std::mem::take(&mut *seen);
        for node in others {
            let since =
                known.get(&node.id).filter(|seen| seen.beat == node.beat).map_or(now, |seen| seen.since);
            seen.insert(node.id, Seen { beat: node.beat, since, lease: node.lease });
        }
    }

    /// Whether the lease is over that came with the last renewal of a node, as far as that is known here: of one that was just heard of
    /// it is known when a lease has passed.
    pub(super) fn is_over(&self, node: &Node, now: Instant) -> bool {
        let seen = self.0.lock();
        let seen = seen.get(&node.id).filter(|seen| seen.beat == node.beat);
        seen.is_some_and(|seen| now.duration_since(seen.since) >= node.lease + MARGIN)
    }

    /// Nodes whose lease has been over for so long, each with its last beat.
    pub(super) fn gone_for(&self, time: Duration, now: Instant) -> Vec<(NodeId, i64)> {
        let seen = self.0.lock();
        let gone =
            seen.iter().filter(|(_, seen)| now.duration_since(seen.since) >= seen.lease + MARGIN + time);
        gone.map(|(id, seen)| (*id, seen.beat)).collect()
    }

    /// Whether the lease of a node is over, as far as that is known here.
    pub(super) fn is_gone(&self, id: NodeId, now: Instant) -> bool {
        self.0.lock().get(&id).is_some_and(|seen| now.duration_since(seen.since) >= seen.lease + MARGIN)
    }

    /// All others, whether they run or not.
    pub(super) fn all(&self) -> HashSet<NodeId> {
        self.0.lock().keys().copied().collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// The longest lease of any.
    pub(super) fn longest_lease(&self) -> Duration {
        self.0.lock().values().map(|seen| seen.lease).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Timestamp;

    use super::*;

    fn node(beat: i64) -> Node {
        let at = Timestamp::from_millis(1);
        Node {
            id: NodeId::from_parts(at, 1),
            name: "a".to_owned(),
            address: "a:1".to_owned(),
            version: "0".to_owned(),
            started_at: at,
            lease: Duration::from_secs(3),
            // The clock of the database may say anything.
            left_millis: -1,
            beat,
            revision: 0,
        }
    }

    #[test]
    fn a_lease_is_over_when_it_has_passed_here_without_a_renewal() {
        let (sight, start) = (Sight::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        let length = 3_000 + u64::try_from(MARGIN.as_millis()).unwrap();
        sight.note([&node(1)].into_iter(), start);
        sight.note([&node(1)].into_iter(), after(2_000));
        assert!(!sight.is_over(&node(1), after(length - 1)) && sight.is_over(&node(1), after(length)));
        assert!(!sight.is_over(&node(2), after(length)), "it was renewed, and nobody knows when");
        sight.note([&node(2)].into_iter(), after(2_500));
        assert!(!sight.is_over(&node(2), after(2_499 + length)));
        assert!(sight.is_over(&node(2), after(2_500 + length)));
    }

    #[test]
    fn nodes_that_are_gone_for_long_are_told_with_their_last_beat() {
        let (sight, start) = (Sight::default(), Instant::now());
        sight.note([&node(4)].into_iter(), start);
        let minute = Duration::from_secs(60);
        let gone_at = start + node(4).lease + MARGIN + minute;
        assert_eq!(sight.gone_for(minute, gone_at - Duration::from_millis(1)), []);
        assert_eq!(sight.gone_for(minute, gone_at), [(node(4).id, 4)]);
        assert_eq!((sight.count(), sight.longest_lease()), (1, node(4).lease));
        assert!(sight.is_gone(node(4).id, start + node(4).lease + MARGIN));
        assert!(!sight.is_gone(node(4).id, start + node(4).lease));
        sight.note([].into_iter(), gone_at);
        assert_eq!((sight.count(), sight.longest_lease()), (0, Duration::ZERO));
    }
}
