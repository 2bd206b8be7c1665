//! Nothing is broken: a revocation is acknowledged by every node before it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystile_testkit::history::Record;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::world::{Client, Key, LEASE, NODES, PLACES, World, checked, revoked, rounds};

/// Rounds, over all clients.
const ROUNDS: usize = 300;
/// Rounds at the same time.
const AT_ONCE: usize = 6;

/// Makes a key, has all nodes know it, and revokes it while all are asked about it: each pair of nodes in turn.
async fn round(clients: &[Client], number: usize) -> Duration {
    let record = Record::new();
    let clients: Vec<_> = clients.iter().map(|client| client.noting(&record)).collect();
    let key = clients[number % NODES].create().await;
    for client in &clients {
        client.accepts(std::slice::from_ref(&key)).await;
    }
    let (stop, stopped) = watch::channel(false);
    let mut askers = JoinSet::new();
    for client in &clients {
        askers.spawn(ask_until(client.clone(), key.clone(), stopped.clone()));
    }
    let took = clients[number / NODES % NODES].revoke(&key).await;
    stop.send_replace(true);
    askers.join_all().await;

    let history = checked(&record);
    for node in 0..NODES {
        let after = history.count_after(node, |_| true);
        assert!(after >= PLACES.len(), "node {node} was asked {after} times");
        assert_eq!(history.count_after(node, |verdict| *verdict == revoked()), after, "{history:?}");
    }
    took
}

/// Asks in both places until it is told that the revocation has been answered, and once more.
async fn ask_until(client: Client, key: Key, stopped: watch::Receiver<bool>) {
    loop {
        let is_last = *stopped.borrow();
        for place in PLACES {
            client.ask(&key, place).await;
        }
        if is_last {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_by_one_node_is_accepted_by_none_once_that_is_answered() {
    let world = World::start().await;
    let kept = world.known_keys(1).await.remove(0);
    let rounds = rounds().unwrap_or(ROUNDS);
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (next, clients) = (Arc::clone(&next), world.clients());
        workers.spawn(async move {
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= rounds {
                    return took;
                }
                took.push(round(&clients, number).await);
            }
        });
    }
    let mut took: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(took.len(), rounds);
    took.sort();
    // Acknowledgements are waited for, not leases; which there are still.
    let median = took[rounds / 2];
    assert!(median < LEASE / 2, "the median of the answers took {median:?}");
    for node in 0..NODES {
        world.is_back(node, &kept).await;
    }
}
