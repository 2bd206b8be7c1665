//! Figures of a tenant.

use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::eventually;
use serde_json::json;

use crate::console::Browser;
use crate::world::{World, text};

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_tells_what_there_is_and_what_needs_attention() {
    let world = World::start().await;
    let path = world.keys().replace("/api-keys", "/overview");
    let before = world.read(&path).await;
    world.create(&json!({ "name": "live", "trust_level": "trusted" })).await;
    let barred = world.create(&json!({ "name": "barred", "environment": "staging" })).await;
    world.change("POST", text(&barred, "id"), "/block", &json!({ "reason": "unpaid" })).await.expect(200);
    let ended = world.create(&json!({ "name": "ended", "kind": "ingest" })).await;
    world.change("POST", text(&ended, "id"), "/revoke", &NOTHING).await.expect(200);
    let after = world.read(&path).await;
    for (figure, more) in [
        ("/keys/total", 3),
        ("/keys/by_status/active", 2),
        ("/keys/by_status/revoked", 1),
        ("/keys/by_environment/production/active", 1),
        ("/keys/by_environment/staging/active", 1),
        ("/keys/by_environment/development/active", 0),
        ("/keys/by_trust_level/trusted/active", 1),
        ("/keys/by_kind/ingest/revoked", 1),
        ("/attention/blocked", 1),
        ("/attention/rotation_due", 0),
        ("/applications", 0),
    ] {
        let figures = [&after, &before].map(|overview| overview.pointer(figure).unwrap().as_i64().unwrap());
        assert_eq!(figures[0] - figures[1], more, "{figure}");
    }
    assert_eq!((&after["applications"], &after["members"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_near_their_end_are_told_with_their_keys() {
    let world = World::start().await;
    let path = world.keys().replace("/api-keys", "/overview");
    let key = world.create(&json!({ "name": "llm <b>", "max_budget_usd": 2.0 })).await;
    assert_eq!(world.read(&path).await["budgets"], json!({ "near_end": 0, "first": [] }));
    let held = world.estimate(&key, &json!({ "cost_usd": 1.7 })).await;
    world.settle(text(&held, "hold_id"), &json!({})).await.expect(200);
    // Charges are written about once a second.
    let written = async || {
        let near = world.read(&path).await["budgets"].clone();
        (near["near_end"] == 1).then_some(near)
    };
    let near = eventually("the charge to be written", written).await;
    let first = json!({ "key_id": key["id"], "name": "llm <b>", "spent_usd": 1.7, "max_budget_usd": 2.0,
        "budget_period": "lifetime" });
    assert_eq!(near["first"], json!([first]));
    let overview = format!("/console/{}", world.credentials.tenant_id);
    let page = Browser::of_owner(&world).await.page(&overview).await;
    let named = ">llm &#60;b&#62;</a>";
    for shown in ["Near the end of their budget", "/llm-keys\"", named, "85 %", "$1.70", "of $2.00"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}
