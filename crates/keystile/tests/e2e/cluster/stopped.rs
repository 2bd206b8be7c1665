//! One node stands still, and goes on with what it knew before.

use keystile_testkit::history::Verdict;

use super::world::{Key, LEASE, NODES, PLACES, Wire, World, revoked};

/// The node that stands still.
const STOPPED: usize = 2;
/// Questions about each key that wait for it.
const QUESTIONS: usize = 4;

/// Connections on which a question about a key has been answered, and another one can be sent while the node stands still.
fn wires(world: &World, keys: &[Key]) -> Vec<Wire> {
    let address = world.nodes.node(STOPPED).address();
    let open = |key: &Key| Wire::open(address, world.client(STOPPED), key.clone());
    keys.iter().flat_map(|key| (0..QUESTIONS).map(move |_| key)).map(open).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_answers_nothing_from_what_it_knew_before() {
    let world = World::start().await;
    let keys = world.known_keys(5).await;
    let (kept, ended) = keys.split_first().unwrap();
    let mut wires = wires(&world, ended);
    let load = world.load(&keys);
    let node = world.nodes.node(STOPPED);
    node.freeze();
    // The first answer waits until its lease is over.
    world.revoke(0, &ended[..2]).await;
    world.revoke(1, &ended[2..]).await;
    // These wait in its sockets when it goes on.
    wires.iter_mut().for_each(Wire::send);
    node.thaw();
    let verdicts: Vec<_> = wires.iter_mut().map(Wire::receive).collect();
    world.checked();
    assert!(
        verdicts.iter().all(|verdict| [Verdict::Unavailable, revoked()].contains(verdict)),
        "{verdicts:?}"
    );
    for node in 0..NODES {
        world.refuses(node, ended).await;
        world.accepts(node, kept).await;
    }
    world.is_back(STOPPED, kept).await;
    load.stop().await;
    assert!(world.checked().count_after(STOPPED, |_| true) >= verdicts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_for_a_node_that_stands_still_for_less_than_its_lease() {
    let world = World::start().await;
    let keys = world.known_keys(4).await;
    let load = world.load(&keys);
    for key in &keys {
        let mut wires = wires(&world, std::slice::from_ref(key));
        let (client, revoked_key) = (world.client(0), key.clone());
        let node = world.nodes.node(STOPPED);
        node.freeze();
        let revoking = tokio::spawn(async move { client.revoke(&revoked_key).await });
        // It has not been answered, so these may be accepted.
        wires.iter_mut().for_each(Wire::send);
        tokio::time::sleep(LEASE / 4).await;
        node.thaw();
        let took = revoking.await.unwrap();
        assert!(
            took >= LEASE / 4,
            "it was answered after {took:?} without the node that could believe the key"
        );
        wires.iter_mut().for_each(|wire| drop(wire.receive()));
        for place in PLACES {
            assert_eq!(world.client(STOPPED).ask(key, place).await, revoked());
        }
        world.checked();
    }
    load.stop().await;
    world.checked();
}
