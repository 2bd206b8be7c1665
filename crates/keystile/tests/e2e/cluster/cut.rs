//! The way between one node and the database is gone.

use keystile_testkit::faults::{Arrival, Ending, FaultProxy};
use keystile_testkit::history::Verdict;

use super::world::{NODES, World};

/// The node whose way it is.
const CUT: usize = 2;

async fn nothing_that_is_revoked_meanwhile_is_accepted(take_away: impl Fn(&FaultProxy)) {
    let world = World::start().await;
    let keys = world.known_keys(6).await;
    let (kept, ended) = keys.split_first().unwrap();
    let load = world.load(&keys);
    let way = world.nodes.node(CUT).way();
    take_away(way);
    world.revoke(0, &ended[..2]).await;
    world.revoke(1, &ended[2..4]).await;
    world.asked_after(6).await;
    world.is_out(CUT, kept).await;

    way.heal();
    // Whoever has forgotten a connection resets it.
    way.cut(Ending::Reset);
    world.refuses(CUT, &ended[..4]).await;
    world.accepts(CUT, kept).await;
    world.is_back(CUT, kept).await;
    world.revoke(CUT, &ended[4..]).await;
    for node in 0..NODES {
        world.refuses(node, ended).await;
    }
    load.stop().await;
    let is_unknown = |verdict: &Verdict| matches!(verdict, Verdict::Unavailable | Verdict::Unanswered);
    assert!(world.checked().count_after(CUT, is_unknown) > 0, "it was never cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_from_the_database_accepts_nothing_that_was_revoked_meanwhile() {
    nothing_that_is_revoked_meanwhile_is_accepted(|way| {
        way.welcome(Arrival::Refused);
        way.cut(Ending::Reset);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_way_to_the_database_is_a_black_hole_accepts_nothing_that_was_revoked_meanwhile() {
    nothing_that_is_revoked_meanwhile_is_accepted(FaultProxy::swallow).await;
}
