//! A node reads a key just before it is revoked, and learns what it has read long after: that must not come into its memory.

use keystile_testkit::faults::{Direction, Flow};
use keystile_testkit::wait::eventually;
use tokio::task::JoinSet;

use super::world::{LEASE, PLACES, Place, World, checked, revoked};

/// The node that reads.
const SLOW: usize = 2;
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_revocation_and_arrives_after_its_answer_is_not_remembered() {
    let world = World::start().await;
    // So that all but the key is in memory.
    let kept = world.known_keys(1).await.remove(0);
    let way = world.nodes.node(SLOW).way();
    let reader = world.client(SLOW);
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let key = world.client(0).create().await;
        world.is_back(SLOW, &kept).await;
        way.set(Direction::ToClient, Flow::Held);
        way.set_marked(Direction::ToClient, Flow::Passes);
        let (early, asked) = (reader.clone(), key.clone());
        let early = tokio::spawn(async move { early.ask(&asked, Place::Gateway).await });
        let has_read = async || way.holds(Direction::ToClient, &key.id).then_some(());
        eventually("the database to have told of the key", has_read).await;

        let took = world.client(round % 2).revoke(&key).await;
        acknowledged += usize::from(took < LEASE / 2);
        let mut later = JoinSet::new();
        for place in PLACES {
            let (reader, key) = (reader.clone(), key.clone());
            later.spawn(async move { reader.ask(&key, place).await });
        }
        way.set(Direction::ToClient, Flow::Passes);
        // It was sent before, so it may be answered by what was true then.
        early.await.unwrap();
        for verdict in later.join_all().await {
            assert_eq!(verdict, revoked());
        }
        for place in PLACES {
            assert_eq!(reader.ask(&key, place).await, revoked(), "round {round}");
        }
        checked(&world.record);
    }
    // Else its lease was waited for each time, and without one a node remembers nothing anyway.
    assert!(acknowledged > 0, "no revocation was acknowledged while a key was being read");
}
