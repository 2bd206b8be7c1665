//! Versions are exchanged node by node while the others serve: the database is migrated beside them, each is stopped and started, and no
//! request is refused.

use std::time::Duration;

use keystile_testkit::wait::eventually;
use serde_json::json;

use super::world::{LEASE, NODES, World};
use crate::world::text;

/// For how long a node that stops says that it is not ready.
const UNREADY_SECONDS: &str = "2";

/// What a later version does to the database, each in a transaction of its own; servers of this one survive it.
const SURVIVED: [&str; 5] = [
    "ALTER TABLE api_keys ADD COLUMN of_the_future TEXT",
    "ALTER TABLE ledger ADD COLUMN of_the_future BIGINT",
    "ALTER TABLE holds ADD COLUMN of_the_future TEXT",
    "ALTER TABLE nodes ADD COLUMN of_the_future TEXT",
    "INSERT INTO schema_migrations (version, name, survived_by)
        SELECT 9998, '9998_from_the_future', MAX(version) FROM schema_migrations",
];
/// What they do not survive.
const NOT_SURVIVED: &str =
    "INSERT INTO schema_migrations (version, name, survived_by) VALUES (9999, '9999_from_the_future', 9999)";

#[tokio::test(flavor = "multi_thread")]
async fn nodes_go_on_with_a_database_of_a_later_version_and_are_exchanged_one_by_one() {
    let mut world = World::start_with(|plan| plan.flag("--unready-seconds", UNREADY_SECONDS)).await;
    let keys = world.known_keys(1 + 2 * NODES).await;
    let (kept, ended) = keys.split_first().unwrap();
    let spender = world.spender(&json!({ "name": "spender", "max_budget_usd": 1000.0 })).await;
    let balanced = world.balanced(kept, text(&spender, "secret"));

    for step in SURVIVED {
        world.nodes.query(step);
    }
    for (node, ended) in ended.chunks(2).enumerate() {
        let beside = (node + 1) % NODES;
        world.revoke(beside, &ended[..1]).await;
        world.nodes.node(node).ask_to_stop();
        let gone = async || (!balanced.balancer.has(node)).then_some(());
        eventually("the balancer to send nothing to the node", gone).await;
        world.nodes.node_mut(node).await_end();
        // Nobody waits for a node that has left.
        let took = world.client(beside).revoke(&ended[1]).await;
        assert!(took < LEASE, "{took:?}");
        world.nodes.node_mut(node).start_again();
        balanced.balancer.add(world.client(node).waiting(Duration::from_secs(10)));
        for other in 0..NODES {
            world.refuses(other, ended).await;
        }
    }
    let rounds = balanced.stop().await;
    assert!(rounds > 50, "{rounds} rounds");
    world.checked();
    let spent =
        format!("SELECT count(*) FROM ledger WHERE key_id = '{}' AND kind <> 'charge'", text(&spender, "id"));
    assert_eq!(world.nodes.query(&spent), "0", "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_start_on_a_database_that_it_does_not_survive_and_says_what_to_do() {
    let mut world = World::start().await;
    let kept = world.known_keys(1).await.remove(0);
    world.nodes.node_mut(2).stop();
    world.nodes.query(NOT_SURVIVED);
    let mut refused = world.nodes.node(2).server().plan().run("refused");
    assert!(!refused.wait().success());
    let said = refused.stderr();
    assert!(said.contains("install the version that migrated it") && said.contains("9999"), "{said}");
    // Whoever runs is not disturbed by who tries.
    for node in 0..2 {
        world.accepts(node, &kept).await;
    }
    assert_eq!(world.nodes.query("SELECT count(*) FROM nodes"), "2");
}
