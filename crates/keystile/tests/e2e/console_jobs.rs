//! Background jobs in the console: asked for with the number of keys typed, and watched.

use keystile_testkit::wait::eventually;
use serde_json::json;

use crate::seat::Seat;
use crate::world::{World, text};

async fn seated(world: &World) -> Seat {
    let seat = Seat::empty(&world.http, world.server.address());
    seat.signed_in(&world.credentials.email, &world.credentials.password).await
}

fn page(world: &World, below: &str) -> String {
    format!("/console/{}/{below}", world.credentials.tenant_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_match_are_revoked_when_their_number_is_typed() {
    let world = World::start().await;
    let gone = world.create(&json!({ "name": "leaving one" })).await;
    let stays = world.create(&json!({ "name": "stays" })).await;
    let seat = seated(&world).await;
    let list = seat.open(&page(&world, "keys?q=leaving")).await.text;
    assert!(list.contains("act=revoke"), "{list}");
    let none = seat.open(&page(&world, "jobs/new?act=revoke&q=there-is-none")).await.text;
    assert!(none.contains("No key is like that") && !none.contains("name=\"typed\""), "{none}");
    let asked = seat.open(&page(&world, "jobs/new?act=revoke&q=leaving")).await;
    assert!(
        asked.text.contains("Revoke 1 key?") && asked.text.contains("Name has: leaving"),
        "{}",
        asked.text
    );
    let fields = [("act", "revoke"), ("filter", "q=leaving"), ("expected", "1"), ("typed", "2")];
    let wrong = seat.send(&page(&world, "jobs/new"), &fields).await;
    assert_eq!(wrong.status, 422);
    let fields = [("act", "revoke"), ("filter", "q=leaving"), ("expected", "1"), ("typed", "1")];
    let made = seat.send(&page(&world, "jobs/new"), &fields).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let place = made.header("location").to_owned();
    let is_done = async || seat.open(&place).await.text.contains(">Done<").then_some(());
    eventually("the job", is_done).await;
    assert_eq!(world.verify(&json!({ "key": gone["secret"] })).await["code"], "key_revoked");
    assert_eq!(world.verify(&json!({ "key": stays["secret"] })).await["code"], "allowed");
    let jobs = seat.open(&page(&world, "jobs")).await.text;
    let id = place.rsplit('/').next().unwrap();
    assert!(jobs.contains(id) && jobs.contains(&world.credentials.email), "{jobs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_can_be_downloaded() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "exported" })).await;
    let seat = seated(&world).await;
    let fields = [("act", "export"), ("filter", ""), ("expected", "0")];
    let made = seat.send(&page(&world, "jobs/new"), &fields).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let place = made.header("location").to_owned();
    let is_there = async || seat.open(&place).await.text.contains("format=csv").then_some(());
    eventually("the file", is_there).await;
    let file = seat.open(&format!("{place}/result?format=csv")).await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(file.text.contains(text(&key, "id")), "{}", file.text);
}
