//! Receivers that are away, servers that are killed, and time that passes: what was to be told is told, in order, once.

use std::collections::HashMap;

use keystile_testkit::receiver::{Mood, Received, Receiver};
use keystile_testkit::standard_webhooks::check_signatures;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::full_disk::fill_disk;
use crate::webhooks::taken;
use crate::world::{World, text};

/// What is done to each key, and what is told of it.
const LIFE: [(&str, &str); 3] =
    [("/disable", "key.disabled"), ("/enable", "key.enabled"), ("/revoke", "key.revoked")];
const KEYS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_away_gets_everything_in_the_order_of_each_key() {
    let (mut world, receiver) = (World::start().await, Receiver::start());
    let (_, secret) = world.webhook(&receiver, &json!({})).await;
    receiver.become_so(Mood::Away);
    let mut keys = Vec::new();
    for number in 0..KEYS {
        keys.push(world.key_called(&format!("key {number}")).await);
    }
    for (deed, _) in LIFE {
        for key in &keys {
            world.change("POST", key, deed, &Value::Null).await.expect(200);
        }
    }
    let tried = async || (receiver.received().len() >= 2).then_some(());
    eventually("attempts in vain", tried).await;
    world.server.kill();
    world.start_again();
    receiver.become_so(Mood::Takes);
    let all = taken(&receiver, KEYS * (1 + LIFE.len())).await;

    let mut by_key: HashMap<&str, Vec<&str>> = HashMap::new();
    for message in &all {
        by_key.entry(message.key_id()).or_default().push(message.event());
    }
    let life: Vec<_> = ["key.created"].into_iter().chain(LIFE.map(|(_, event)| event)).collect();
    assert_eq!(by_key.len(), KEYS);
    assert!(by_key.values().all(|told| *told == life), "{by_key:?}");
    // A repeat has the id that the message had before.
    let attempts = receiver.received();
    // What the kill has cut off says nothing.
    for attempt in attempts.iter().filter(|attempt| !attempt.id.is_empty()) {
        let same: Vec<_> = attempts.iter().filter(|other| other.id == attempt.id).collect();
        assert!(same.iter().all(|other| other.body == attempt.body), "{same:?}");
        assert_eq!(same.iter().filter(|other| other.answered == Mood::Takes).count(), 1, "{same:?}");
    }
    check_signatures(&secret, &all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_once_while_there_is_no_room_to_note_that() {
    let (world, receiver) = (World::on_sqlite().await, Receiver::start());
    let (id, _) = world.webhook(&receiver, &json!({})).await;
    receiver.become_so(Mood::Answers(500));
    world.key_called("a key").await;
    let tried = async || world.deliveries(&id, "").await.pop().filter(|one| one["last_status"] == 500);
    eventually("an attempt in vain", tried).await;
    fill_disk(&world);
    receiver.become_so(Mood::Takes);
    taken(&receiver, 1).await;
    for _ in 0..3 {
        let refused = world.ask("POST", &world.keys(), &json!({ "name": "no room" })).await;
        refused.expect_problem(503, "unavailable");
    }
    world.server.process().limit_files(None);
    let noted = async || world.deliveries(&id, "state=delivered").await.pop();
    eventually("the attempt to be noted", noted).await;
    assert_eq!(receiver.taken().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_time_alone_brings_is_told_once_over_restarts() {
    let (mut world, receiver) = (World::start().await, Receiver::start());
    world.webhook(&receiver, &json!({})).await;
    let key = world.key_called("ends in five days").await;
    taken(&receiver, 1).await;
    world.server.stop();
    world.server.sql(&format!(
        "UPDATE webhooks SET created_at = 0;
         UPDATE api_keys SET expires_at = created_at + 432000000, created_at = created_at - 8640000000
         WHERE id = '{key}';"
    ));
    world.start_again();
    let told = taken(&receiver, 3).await;
    let (ends, unused) = (find(&told, "key.expiring"), find(&told, "key.unused"));
    assert_eq!((ends["key"]["id"].as_str(), &ends["days_left"]), (Some(key.as_str()), &json!(7)));
    assert_eq!((unused["key"]["id"].as_str(), &unused["unused_days"]), (Some(key.as_str()), &json!(90)));
    // The next start looks again, and tells nothing twice.
    world.server.restart();
    world.http = world.server.http();
    let last = world.create(&json!({ "name": "told behind them" })).await;
    let told = taken(&receiver, 4).await;
    assert_eq!((told.len(), told[3].key_id()), (4, text(&last, "id")));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_a_budget_that_is_spent_is_told_once_over_restarts() {
    let (mut world, receiver) = (World::start().await, Receiver::start());
    world.webhook(&receiver, &json!({ "events": ["key.budget_threshold"] })).await;
    let budget = |name: &str| json!({ "name": name, "max_budget_usd": 1.0 });
    let (key, other) = (world.create(&budget("llm")).await, world.create(&budget("other")).await);
    let id = text(&key, "id").to_owned();
    let mut expected = vec![(id.clone(), json!(50)), (id.clone(), json!(80))];
    assert_eq!(told_after(&mut world, &receiver, (&key, 0.85), 2).await, expected);
    expected.push((id, json!(100)));
    assert_eq!(told_after(&mut world, &receiver, (&key, 0.15), 3).await, expected);
    expected.push((text(&other, "id").to_owned(), json!(50)));
    let all = told_after(&mut world, &receiver, (&other, 0.5), 4).await;
    assert_eq!(all, expected, "nothing is told twice");
    let taken = receiver.taken();
    let last = &taken[2].json["data"];
    assert_eq!((&last["spent_usd"], &last["max_budget_usd"]), (&json!(1.0), &json!(1.0)));
    assert_eq!((&last["budget_period"], &last["period_ends_at"]), (&json!("lifetime"), &Value::Null));
    assert_eq!((&last["key"]["id"], &last["key"]["spend_usd"]), (&key["id"], &json!(1.0)));
}

/// Which parts of whose budget were told when so much more was spent. Each start looks at what was charged.
async fn told_after(
    world: &mut World,
    receiver: &Receiver,
    (key, spent): (&Value, f64),
    count: usize,
) -> Vec<(String, Value)> {
    let held = world.estimate(key, &json!({ "cost_usd": spent })).await;
    world.settle(text(&held, "hold_id"), &json!({})).await.expect(200);
    world.server.restart();
    world.http = world.server.http();
    let part = |one: Received| (one.key_id().to_owned(), one.json["data"]["percent"].clone());
    taken(receiver, count).await.into_iter().map(part).collect()
}

fn find<'r>(told: &'r [Received], event: &str) -> &'r Value {
    let found = told.iter().find(|message| message.event() == event);
    &found.unwrap_or_else(|| panic!("no {event} in {told:?}")).json["data"]
}
