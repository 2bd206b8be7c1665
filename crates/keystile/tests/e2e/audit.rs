//! The audit log over HTTP: listed, filtered, exported and checked; complete however the server ends.

use keystile_core::ChainHead;
use keystile_core::audit::check::{Checker, Fault, Verified, Wrong};
use keystile_testkit::http::NOTHING;
use keystile_testkit::postgres::Postgres;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, as_key, text};

fn audit(world: &World) -> String {
    format!("{}/audit", world.tenant())
}

async fn exported(world: &World, query: &str) -> String {
    let answer = world.ask("GET", &format!("{}/export{query}", audit(world)), &NOTHING).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
    answer.text
}

fn check(export: &str, noted: Option<ChainHead>) -> Result<Verified, Fault> {
    let mut checker = Checker::new(noted);
    checker.feed(export.as_bytes())?;
    checker.finish()
}

async fn proven(world: &World) -> ChainHead {
    let proof = world.read(&format!("{}/proof", audit(world))).await;
    assert_eq!(text(&proof, "tenant_id"), world.credentials.tenant_id);
    format!("{}:{}", proof["seq"], text(&proof, "hash")).parse().unwrap()
}

fn actions(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|entry| text(entry, "action")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_listed_at_once_and_found_by_what_it_was() {
    let world = World::start().await;
    let made = world.create(&json!({ "name": "audited", "rpm_limit": 5 })).await;
    let id = text(&made, "id");
    world.change("PATCH", id, "", &json!({ "rpm_limit": 6 })).await.expect(200);
    world.change("POST", id, "/revoke", &NOTHING).await.expect(200);
    let of_key = world.read(&format!("{}?target={id}", audit(&world))).await;
    assert_eq!(actions(&of_key), ["key.revoke", "key.update", "key.create"]);
    let update = &of_key["data"][1];
    assert_eq!(update["changes"], json!({ "rpm_limit": { "before": 5, "after": 6 } }));
    assert_eq!(text(update, "ip"), "127.0.0.1");
    assert!(text(update, "actor").starts_with("per_") && text(update, "request_id").starts_with("req_"));

    let path = format!("{}/{}", audit(&world), text(update, "id"));
    let answer = world.ask("GET", &path, &NOTHING).await;
    assert_eq!(&answer.json, update);
    assert!(exported(&world, "").await.lines().any(|line| line == answer.text), "it is a line of the export");

    let first = world.read(&format!("{}?limit=2", audit(&world))).await;
    let rest = world.read(&format!("{}?cursor={}", audit(&world), text(&first, "next_cursor"))).await;
    assert_eq!(first["data"][1]["seq"].as_u64().unwrap(), rest["data"][0]["seq"].as_u64().unwrap() + 1);
    let (at, actor) = (text(update, "at"), text(update, "actor"));
    for (query, count) in [
        ("action=key.revoke".to_owned(), 1),
        (format!("target={id}&actor={actor}"), 3),
        (format!("target={id}&actor=system"), 0),
        (format!("target={id}&action=key.update&from={at}"), 1),
        (format!("target={id}&action=key.update&to={at}"), 0),
    ] {
        assert_eq!(actions(&world.read(&format!("{}?{query}", audit(&world))).await).len(), count, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_breaks_a_rule_is_told_by_its_name() {
    let world = World::start().await;
    let nowhere = format!("{}/aud_01J00000000000000000000001", audit(&world));
    world.ask("GET", &nowhere, &NOTHING).await.expect_problem(404, "not_found");
    for (query, field) in [
        ("?actor=ada", "actor"),
        ("?action=key.invent", "action"),
        ("?target=", "target"),
        ("?target=%00", "target"),
        ("?from=yesterday", "from"),
        ("?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("?limit=0", "limit"),
        ("?cursor=aud_1", "cursor"),
        ("?cursor=99999999999999999999", "cursor"),
        ("?order=asc", "order"),
        ("/export?from_seq=0", "from_seq"),
        ("/export?from_seq=999", "from_seq"),
        ("/export?from_seq=-1", "from_seq"),
        ("/export?from_seq=18446744073709551615", "from_seq"),
        ("/export?to=1", "to"),
    ] {
        let refused = world.ask("GET", &format!("{}{query}", audit(&world)), &NOTHING).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), [field], "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reads_the_log_only_when_it_may() {
    let world = World::start().await;
    let may = world.create(&json!({ "name": "auditor", "scopes": ["keystile.audit:read"] })).await;
    let may_not = world.create(&json!({ "name": "other", "scopes": ["*", "keystile.keys:read"] })).await;
    for path in ["", "/proof", "/export"] {
        let path = format!("{}{path}", audit(&world));
        let ask = async |key| world.http.json("GET", &path, &as_key(text(key, "secret")), &NOTHING).await;
        assert_eq!(ask(&may).await.status, 200);
        ask(&may_not).await.expect_problem(403, "forbidden");
    }
}

/// Makes changes at once, asks for exports meanwhile, and checks what there is in the end.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_changes_at_once_make_one_chain() {
    let world = World::start().await;
    let before = proven(&world).await;
    let mut changes = JoinSet::new();
    for number in 0..64 {
        let (http, path, owner) = (world.http.clone(), world.keys(), world.owner.clone());
        let body = json!({ "name": format!("key {number}") });
        changes.spawn(async move { http.json("POST", &path, &owner, &body).await.expect(201) });
    }
    for _ in 0..5 {
        check(&exported(&world, "").await, Some(before)).unwrap();
    }
    assert_eq!(changes.join_all().await.len(), 64);
    let whole = exported(&world, "").await;
    let good = check(&whole, Some(proven(&world).await)).unwrap();
    assert_eq!(good.count, before.seq.as_u64() + 64);
    let late = exported(&world, &format!("?from_seq={}", before.seq.next())).await;
    assert_eq!(check(&late, Some(before)).unwrap().count, 64);
    assert_eq!(check(&late, None).unwrap().head, good.head);
    let nothing = exported(&world, &format!("?from_seq={}", good.head.seq.next())).await;
    assert_eq!(check(&nothing, Some(good.head)).unwrap().count, 0);
}

/// Kills the server among changes; every key that was answered is in the log afterwards, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_entry_of_the_log() {
    let mut world = World::start().await;
    let noted = proven(&world).await;
    let mut changes = JoinSet::new();
    for number in 0..200 {
        let (http, path, owner) = (world.http.clone(), world.keys(), world.owner.clone());
        let body = json!({ "name": format!("key {number}") });
        changes.spawn(async move { http.try_json("POST", &path, &owner, &body).await.ok() });
    }
    let mut made = Vec::new();
    while made.len() < 20 {
        made.extend(changes.join_next().await.unwrap().unwrap());
    }
    world.server.kill();
    made.extend(changes.join_all().await.into_iter().flatten());
    world.start_again();
    let export = exported(&world, "").await;
    check(&export, Some(noted)).unwrap();
    for answer in made.iter().filter(|answer| answer.status == 201) {
        let told = format!(r#""action":"key.create","target":"{}""#, text(&answer.json, "id"));
        assert_eq!(export.matches(&told).count(), 1, "{told}");
    }
    assert!(check(&export, None).unwrap().count >= noted.seq.as_u64() + 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_sealed_though_nobody_reads_them() {
    let database = Postgres::shared().database();
    let world = World::on_postgres(&database).await;
    world.create(&json!({ "name": "unread" })).await;
    let nothing_waits = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM audit_entries WHERE seq IS NULL) THEN
        RAISE EXCEPTION 'an entry is not sealed'; END IF; END $$";
    eventually("the sealer", async || database.run(nothing_waits).ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_the_database_is_found() {
    let mut world = World::start().await;
    for name in ["one", "two", "three"] {
        world.create(&json!({ "name": name })).await;
    }
    let head = proven(&world).await;
    let last = head.seq.as_u64();
    for (sql, wrong) in [
        (format!("UPDATE audit_entries SET actor = 'system' WHERE seq = {last}"), "changed"),
        (format!("DELETE FROM audit_entries WHERE seq = {}", last - 2), "missing"),
    ] {
        world.server.stop();
        world.server.sql(&sql);
        world.start_again();
        let found = check(&exported(&world, "").await, Some(head)).unwrap_err();
        assert_eq!(found.what.code(), wrong, "{found}");
    }
    // The end cut off, as whoever can write everything would do it: only the head that was noted tells.
    let mut world = World::start().await;
    world.create(&json!({ "name": "one" })).await;
    let head = proven(&world).await;
    world.server.stop();
    world.server.sql(&format!(
        "UPDATE audit_chains SET seq = {0} - 1, hash = (SELECT previous FROM audit_entries WHERE seq = {0});
         DELETE FROM audit_entries WHERE seq = {0};",
        head.seq
    ));
    world.start_again();
    let export = exported(&world, "").await;
    assert!(check(&export, None).is_ok(), "a chain alone cannot tell");
    assert_eq!(check(&export, Some(head)).unwrap_err().what, Wrong::BeforeHead(head.seq));
}
