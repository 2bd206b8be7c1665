//! What was answered is there, however the server ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystile_testkit::http::Http;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, text};

/// Creations under way at the same time.
const CREATIONS: usize = 5_000;
/// Connections that carry them, each at most 128, which is what the server lets a connection have open.
const CONNECTIONS: usize = 40;
/// Answers after which the server is killed, so that many are answered and many are not.
const KILLED_AFTER: usize = 1_000;

/// Sends all creations at once and kills the server among the answers; returns the keys that were answered.
async fn create_and_kill(world: &mut World) -> Vec<(String, String)> {
    let answered = Arc::new(AtomicUsize::new(0));
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| Http::http2(world.server.address())).collect();
    let mut creations = JoinSet::new();
    for number in 0..CREATIONS {
        let http = connections[number % CONNECTIONS].clone();
        let (keys, owner, answered) = (world.keys(), world.owner.clone(), Arc::clone(&answered));
        creations.spawn(async move {
            let body = json!({ "name": format!("key {number}") });
            let answer = http.try_json("POST", &keys, &owner, &body).await.ok()?;
            // PostgreSQL has fewer connections than this has creations: one that waits too long is turned away.
            if answer.status == 503 {
                return None;
            }
            answered.fetch_add(1, Ordering::Relaxed);
            Some(answer.expect(201))
        });
    }
    let enough = async || (answered.load(Ordering::Relaxed) >= KILLED_AFTER).then_some(());
    eventually("the first answers", enough).await;
    world.server.kill();
    let made = creations.join_all().await.into_iter().flatten();
    made.map(|key| (text(&key, "id").to_owned(), text(&key, "secret").to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_creation_survives_a_kill() {
    let mut world = World::start().await;
    let made = create_and_kill(&mut world).await;
    assert!((KILLED_AFTER..CREATIONS).contains(&made.len()), "{} were answered before the kill", made.len());
    world.start_again();
    for (id, secret) in &made {
        let verified = world.verify(&json!({ "key": secret, "environment": "production" })).await;
        assert_eq!((&verified["code"], text(&verified, "key_id")), (&json!("allowed"), id.as_str()));
    }
    let listed = list_all(&world).await;
    let lost: Vec<_> = made.iter().filter(|(id, _)| !listed.contains(id)).collect();
    assert!(lost.is_empty(), "not in the list: {lost:?}");
    assert!(listed.len() <= CREATIONS + world.credentials.keys.len(), "{} keys of {CREATIONS}", listed.len());
}

/// The ids of all keys, page by page.
async fn list_all(world: &World) -> std::collections::HashSet<String> {
    let (mut ids, mut cursor) = (std::collections::HashSet::new(), String::new());
    loop {
        let page = world.read(&format!("{}?limit=200{cursor}", world.keys())).await;
        ids.extend(page["data"].as_array().unwrap().iter().map(|key| text(key, "id").to_owned()));
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return ids,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_was_answered_survives_a_kill() {
    let mut world = World::start().await;
    let made = world.create(&json!({ "name": "short-lived" })).await;
    world.change("POST", text(&made, "id"), "/revoke", &Value::Null).await.expect(200);
    world.server.kill();
    world.start_again();
    let verified = world.verify(&json!({ "key": made["secret"] })).await;
    assert_eq!(verified["code"], "key_revoked", "{verified}");
}
