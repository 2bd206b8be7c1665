//! What tells a node of changes is lost, late, or broken off, while all else reaches it.

use std::time::Duration;

use keystile_testkit::faults::{Direction, Ending, Flow};
use keystile_testkit::wait::eventually;

use super::world::{NODES, PLACES, Place, World, revoked};

/// The node that is not told.
const DEAF: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_to_which_notifications_are_lost_accepts_nothing_that_was_revoked() {
    let world = World::start().await;
    let keys = world.known_keys(5).await;
    let (kept, ended) = keys.split_first().unwrap();
    let load = world.load(&keys);
    let way = world.nodes.node(DEAF).way();
    assert!(way.marked() > 0, "no connection of the node listens");
    // What the node says still arrives: the database goes on to take it for one that listens.
    way.set_marked(Direction::ToClient, Flow::Dropped);
    world.revoke(0, &ended[..2]).await;
    world.revoke(1, &ended[2..]).await;
    world.asked_after(10).await;
    for node in 0..NODES {
        world.refuses(node, ended).await;
        world.accepts(node, kept).await;
    }
    // It has noticed, and listens on another connection.
    world.is_back(DEAF, kept).await;
    load.stop().await;
    world.checked();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_notifications_are_late_is_waited_for() {
    let world = World::start().await;
    let keys = world.known_keys(6).await;
    let load = world.load(&keys);
    let delay = Duration::from_millis(200);
    world.nodes.node(DEAF).way().set(Direction::ToClient, Flow::Delayed(delay));
    let client = world.client(0);
    let mut waited_for = 0;
    for key in &keys {
        // On a machine that is slow as well the lease may run out between two renewals: then nobody waits, and the node asks the database.
        waited_for += usize::from(client.revoke(key).await >= delay);
        for place in PLACES {
            assert_eq!(world.client(DEAF).ask(key, place).await, revoked());
        }
    }
    assert!(waited_for > 0, "each was answered before the node can have known");
    load.stop().await;
    world.checked();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_listening_breaks_off_again_and_again_misses_nothing() {
    let world = World::start().await;
    let keys = world.known_keys(9).await;
    let (kept, ended) = keys.split_first().unwrap();
    let load = world.load(&keys);
    let way = world.nodes.node(DEAF).way();
    let client = world.client(0);
    let mut broken = 0;
    for key in ended {
        let (_, cut) = tokio::join!(client.revoke(key), async { way.cut_marked(Ending::Reset) });
        broken += cut;
        world.refuses(DEAF, std::slice::from_ref(key)).await;
    }
    assert!(broken > 0, "no connection of the node listened");
    world.accepts(DEAF, kept).await;
    world.is_back(DEAF, kept).await;
    load.stop().await;
    world.checked();
}

/// The second one changes nothing, so that nobody is told of it; and yet its answer promises as much as that of the first.
#[tokio::test(flavor = "multi_thread")]
async fn who_revokes_a_key_once_more_is_answered_no_sooner_than_that_holds_everywhere() {
    let world = World::start().await;
    let keys = world.known_keys(3).await;
    let (kept, ended) = keys.split_first().unwrap();
    let way = world.nodes.node(DEAF).way();
    for key in ended {
        world.is_back(DEAF, kept).await;
        way.set_marked(Direction::ToClient, Flow::Held);
        let (client, own) = (world.client(0), key.clone());
        let first = tokio::spawn(async move { client.revoke(&own).await });
        let second = world.client(1);
        let is_committed = async || (second.ask(key, Place::Verify).await == revoked()).then_some(());
        eventually("the first revocation to be committed", is_committed).await;
        second.revoke(key).await;
        for place in PLACES {
            world.client(DEAF).ask(key, place).await;
        }
        world.checked();
        first.await.unwrap();
        way.heal();
    }
    assert_eq!(world.checked().revoked.iter().filter(|revoked| revoked.node == 1).count(), 2);
}
