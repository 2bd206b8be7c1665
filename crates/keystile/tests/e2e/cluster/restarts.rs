//! PostgreSQL is killed while keys are revoked, and started again.

use keystile_testkit::wait::eventually;
use tokio::task::JoinSet;

use super::world::{NODES, World, assert_in_time};

/// Keys of one restart. Half of them are being revoked when it begins.
const KEYS: usize = 4;
const RESTARTS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_and_comes_back_brings_no_revoked_key_back() {
    let mut world = World::start().await;
    let keys = world.known_keys(1 + RESTARTS * KEYS).await;
    let (kept, ended) = keys.split_first().unwrap();
    let load = world.load(&keys);
    for part in ended.chunks(KEYS) {
        let mut revoking = JoinSet::new();
        for (number, key) in part.iter().take(KEYS / 2).enumerate() {
            let (client, key) = (world.client(number % NODES), key.clone());
            // Whatever is answered: only success promises something, and that is noted.
            revoking.spawn(async move { drop(client.try_revoke(&key).await) });
        }
        world.nodes.postgres().kill();
        revoking.join_all().await;
        for node in 0..NODES {
            world.is_out(node, kept).await;
        }
        world.nodes.postgres().start_again();
        for (number, key) in part.iter().enumerate() {
            let client = world.client(number % NODES);
            let revoke = async || client.try_revoke(key).await.ok();
            assert_in_time(eventually("a key to be revoked", revoke).await);
        }
        for node in 0..NODES {
            world.refuses(node, part).await;
            world.accepts(node, kept).await;
        }
        world.checked();
    }
    world.asked_after(10).await;
    load.stop().await;
    world.checked();
}
