//! There is no room for the SQLite file to grow, and then there is again.

use keystile_testkit::http::NOTHING;
use serde_json::{Value, json};

use crate::world::{World, text};

/// Attempts of each change without room.
const ATTEMPTS: usize = 3;

async fn code(world: &World, key: &Value) -> String {
    let verified = world.verify(&json!({ "key": key["secret"], "environment": "production" })).await;
    text(&verified, "code").to_owned()
}

/// No file grows beyond what the write-ahead log has now, as if the disk were full. Whoever runs the tests may be
/// anybody, who cannot fill a disk.
pub(crate) fn fill_disk(world: &World) {
    let log = world.server.plan().data_dir().join("keystile.db-wal");
    world.server.process().limit_files(Some(log.metadata().unwrap().len()));
}

/// Every change is refused, again and again, and does nothing.
async fn assert_full(world: &World, known: &Value, unknown: &Value) {
    let id = text(known, "id");
    let path = format!("{}/{id}", world.keys());
    let before = world.read(&path).await;
    for _ in 0..ATTEMPTS {
        let created = world.ask("POST", &world.keys(), &json!({ "name": "no room" })).await;
        created.expect_problem(503, "unavailable");
        for what in ["/disable", "/regenerate", "/revoke"] {
            world.change("POST", id, what, &NOTHING).await.expect_problem(503, "unavailable");
        }
        let renamed = world.change("PATCH", id, "", &json!({ "name": "no room" })).await;
        renamed.expect_problem(503, "unavailable");
        assert_eq!(code(world, known).await, "allowed");
        assert_eq!(world.read(&path).await, before);
    }
    assert_eq!(code(world, unknown).await, "allowed");
    for path in ["/healthz", "/readyz"] {
        world.http.json("GET", path, "", &NOTHING).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_changes_only_and_all_goes_on_when_there_is_room() {
    let mut world = World::on_sqlite().await;
    let known = world.create(&json!({ "name": "known" })).await;
    let unknown = world.create(&json!({ "name": "unknown" })).await;
    assert_eq!(code(&world, &known).await, "allowed");
    fill_disk(&world);
    assert_full(&world, &known, &unknown).await;

    world.server.process().limit_files(None);
    let after = world.create(&json!({ "name": "after" })).await;
    assert_eq!(code(&world, &after).await, "allowed");
    let revoked = world.change("POST", text(&known, "id"), "/revoke", &NOTHING).await.expect(200);
    assert_eq!(revoked["version"], 2, "{revoked}");
    assert_eq!(code(&world, &known).await, "key_revoked");

    world.server.stop();
    let made = world.credentials.keys.len() + 3;
    // Refuses to be carried out unless there is one row for each change that was answered with success.
    world.server.sql(&format!(
        "CREATE TEMP TABLE found (keys CHECK (keys = {made}), created CHECK (created = {made}), others CHECK (others = 1));
         INSERT INTO found SELECT (SELECT count(*) FROM api_keys),
            (SELECT count(*) FROM audit_entries WHERE action = 'key.create'),
            (SELECT count(*) FROM audit_entries WHERE action LIKE 'key.%' AND action <> 'key.create');"
    ));
    world.start_again();
    assert_eq!(code(&world, &after).await, "allowed");
    assert_eq!(code(&world, &known).await, "key_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_without_room_keeps_what_it_answered() {
    let mut world = World::on_sqlite().await;
    let known = world.create(&json!({ "name": "known" })).await;
    fill_disk(&world);
    let id = text(&known, "id");
    world.change("POST", id, "/revoke", &NOTHING).await.expect_problem(503, "unavailable");
    assert_eq!(code(&world, &known).await, "allowed");
    world.server.restart();
    world.http = world.server.http();
    assert_eq!(code(&world, &known).await, "allowed");
    world.change("POST", id, "/revoke", &NOTHING).await.expect(200);
    assert_eq!(code(&world, &known).await, "key_revoked");
}
