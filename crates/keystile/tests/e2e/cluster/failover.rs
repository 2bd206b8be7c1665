//! The primary is killed while keys are revoked, and the server that has followed it takes its place.

use keystile_testkit::wait::eventually;
use tokio::task::JoinSet;

use super::world::{NODES, World, assert_in_time};

/// Keys that are revoked before, meanwhile, and after.
const KEYS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_brings_no_revoked_key_back_and_needs_no_restart() {
    let mut world = World::start_with_standby().await;
    let keys = world.known_keys(1 + 3 * KEYS).await;
    let (kept, ended) = keys.split_first().unwrap();
    let (before, rest) = ended.split_at(KEYS);
    let (meanwhile, after) = rest.split_at(KEYS);
    let load = world.load(&keys);
    world.revoke(0, before).await;

    let mut revoking = JoinSet::new();
    for (number, key) in meanwhile.iter().enumerate() {
        let (client, key) = (world.client(number % NODES), key.clone());
        // Whatever is answered: only success promises something, and that is noted.
        revoking.spawn(async move { drop(client.try_revoke(&key).await) });
    }
    world.nodes.fail_over();
    revoking.join_all().await;

    for (number, key) in meanwhile.iter().enumerate() {
        let client = world.client(number % NODES);
        let revoke = async || client.try_revoke(key).await.ok();
        assert_in_time(eventually("a key to be revoked on the new primary", revoke).await);
    }
    for node in 0..NODES {
        world.revoke(node, &after[node..=node]).await;
    }
    for node in 0..NODES {
        world.refuses(node, before).await;
        world.refuses(node, meanwhile).await;
        world.refuses(node, &after[..NODES]).await;
        world.accepts(node, kept).await;
    }
    world.asked_after(10).await;
    load.stop().await;
    world.checked();
    assert_eq!(world.nodes.query("SELECT pg_is_in_recovery()"), "f");
}
