//! The revocation journal: what is told to it, and what a start makes of it.

use std::fs;
use std::process::Stdio;

use keystile_testkit::http::NOTHING;
use keystile_testkit::postgres::Postgres;
use keystile_testkit::server::Plan;
use serde_json::{Value, json};

use crate::backup::{code, done, file, journal, named, refused, run, tool};
use crate::exposition::Page;
use crate::world::{KEYSTILE, World, text};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_has_not_told_the_journal_is_told_at_the_next_start() {
    let mut world = World::start().await;
    let key = named(&world, "revoked").await;
    let id = text(&key, "id");
    world.server.stop();
    assert!(
        !fs::read_to_string(journal(&world)).unwrap().contains(id),
        "a key that stands as it began is no news"
    );
    // As a kill between the commit and the journal leaves it.
    world.server.sql(&format!(
        "UPDATE api_keys SET revoked_at = 1700000000000, version = 2 WHERE id = '{id}';
         INSERT INTO key_ends (key_id, version) VALUES ('{id}', 2);"
    ));
    world.start_again();
    world.server.stop();
    let told = fs::read_to_string(journal(&world)).unwrap();
    assert_eq!(told.lines().filter(|line| line.contains(id)).count(), 1, "{told}");
    assert!(told.contains("\"revoked_at\":\"2023-11-14T22:13:20.000Z\""), "{told}");
    world.start_again();
    world.server.stop();
    assert_eq!(fs::read_to_string(journal(&world)).unwrap(), told, "it is told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_is_put_back_by_hand_has_no_ended_key_either() {
    let mut world = World::on_sqlite().await;
    let (first, second) = (named(&world, "first").await, named(&world, "second").await);
    world.server.stop();
    let database = world.server.plan().data_dir().join("keystile.db");
    let yesterday = fs::read(&database).unwrap();
    world.start_again();
    world.change("POST", text(&first, "id"), "/revoke", &NOTHING).await.expect(200);
    world.server.stop();
    fs::write(&database, yesterday).unwrap();
    world.start_again();
    assert_eq!(code(&world, &first["secret"]).await, "key_revoked");
    assert_eq!(code(&world, &second["secret"]).await, "allowed");
    let log = world.read(&format!("{}/audit?target={}", world.tenant(), text(&first, "id"))).await;
    assert_eq!(log["data"][0]["action"], "key.revoke");
}

/// A server that runs, its key, which was revoked, and its data file as it was before that.
async fn revoked_since_yesterday() -> (World, Value, Vec<u8>) {
    let mut world = World::on_sqlite().await;
    let key = named(&world, "first").await;
    world.server.stop();
    let yesterday = fs::read(world.server.plan().data_dir().join("keystile.db")).unwrap();
    world.start_again();
    world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await.expect(200);
    (world, key, yesterday)
}

fn put_back_by_hand(world: &World, state: &[u8]) {
    fs::write(world.server.plan().data_dir().join("keystile.db"), state).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_refused_hides_no_file_that_is_put_back_by_hand() {
    let (mut world, key, yesterday) = revoked_since_yesterday().await;
    let file = file(&world);
    done(&run(&world, &["backup", "--json", &file]));
    world.server.stop();
    let before = fs::read(journal(&world)).unwrap();
    refused(&run(&world, &["restore", &file]), "--replace");
    assert_eq!(fs::read(journal(&world)).unwrap(), before, "nothing was restored");
    // Nor does one that was carried out and had no key to end.
    assert_eq!(done(&run(&world, &["restore", "--json", "--replace", &file]))["keys_ended"], 0);
    put_back_by_hand(&world, &yesterday);
    world.start_again();
    assert_eq!(code(&world, &key["secret"]).await, "key_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_to_end_keys_again_is_made_up_for_by_the_next() {
    let (mut world, key, yesterday) = revoked_since_yesterday().await;
    world.server.stop();
    put_back_by_hand(&world, &yesterday);
    world.server.sql(
        "CREATE TRIGGER no_room BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'there is no room'); END;",
    );
    let mut fails = world.server.plan().run("fails");
    assert_eq!(fails.wait().code(), Some(2));
    assert!(fails.stderr().contains("cannot be ended again"), "{}", fails.stderr());
    world.server.sql("DROP TRIGGER no_room;");
    world.start_again();
    assert_eq!(code(&world, &key["secret"]).await, "key_revoked");
}

/// The names of damaged journals that were set aside.
fn set_aside(world: &World) -> Vec<String> {
    let files = fs::read_dir(world.server.plan().data_dir()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("revocations.journal.damaged-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_damaged_journal_ends_what_its_whole_lines_say_and_makes_another() {
    let mut world = World::on_sqlite().await;
    let mut keys = Vec::new();
    for name in ["first", "second", "third"] {
        keys.push(named(&world, name).await);
    }
    let [first, second, third] = &keys[..] else { panic!("{keys:?}") };
    world.server.stop();
    let yesterday = fs::read(world.server.plan().data_dir().join("keystile.db")).unwrap();
    world.start_again();
    for key in [first, second] {
        world.change("POST", text(key, "id"), "/revoke", &NOTHING).await.expect(200);
    }
    // A line that says nothing of today any more.
    for what in ["/disable", "/enable"] {
        world.change("POST", text(third, "id"), what, &NOTHING).await.expect(200);
    }
    world.server.stop();
    let whole = fs::read_to_string(journal(&world)).unwrap();
    let line_of = |key: &Value, nth: usize| {
        whole.lines().filter(|line| line.contains(text(key, "id"))).nth(nth).unwrap()
    };
    // The line of the first key is beyond repair, and far from the end; so is the one by which the third was enabled.
    let far = format!("{}\n", line_of(second, 0)).repeat(3 * 1024 * 1024 / line_of(second, 0).len());
    let text_of = whole.replace(line_of(first, 0), "x").replace(line_of(third, 1), "y");
    for (state, far) in [(None, ""), (Some(&yesterday), far.as_str())] {
        fs::write(journal(&world), format!("{text_of}{far}")).unwrap();
        if let Some(state) = state {
            put_back_by_hand(&world, state);
        }
        let before = set_aside(&world).len();
        world.start_again();
        assert_eq!(set_aside(&world).len(), before + 1);
        assert_eq!(code(&world, &second["secret"]).await, "key_revoked");
        let expected = if state.is_some() { "key_inactive" } else { "allowed" };
        assert_eq!(
            code(&world, &third["secret"]).await,
            expected,
            "a line is missing that only an older database lacks"
        );
        world.server.stop();
        let made = fs::read_to_string(journal(&world)).unwrap();
        assert!(made.contains(text(second, "id")) && !made.contains("\nx\n"), "{made}");
    }
    let file = file(&world);
    done(&run(&world, &["backup", "--json", &file]));
    done(&run(&world, &["restore", "--json", "--replace", &file]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_away_learns_what_has_become_of_its_keys() {
    let mut world = World::start().await;
    let (unblocked, revoked) = (named(&world, "unblocked").await, named(&world, "revoked").await);
    let (renewed, unpaid) = (named(&world, "renewed").await, json!({ "reason": "unpaid" }));
    world.change("POST", text(&unblocked, "id"), "/block", &unpaid).await.expect(200);
    world.change("POST", text(&renewed, "id"), "/regenerate", &NOTHING).await.expect(200);
    world.server.stop();
    // Another server, with a journal of its own, serves meanwhile.
    let away = world.server.plan().folder().join("away");
    fs::rename(journal(&world), &away).unwrap();
    world.server.sql("DELETE FROM revocation_journals;");
    world.start_again();
    let made = fs::read_to_string(journal(&world)).unwrap();
    let has = |key: &Value, what: &str| {
        made.lines().any(|line| line.contains(text(key, "id")) && line.contains(what))
    };
    assert!(has(&unblocked, "\"blocked\":true") && has(&renewed, "\"is\":\"replaced\""), "{made}");
    assert!(!made.contains(text(&revoked, "id")), "it stands as a new one does: {made}");
    world.change("POST", text(&unblocked, "id"), "/unblock", &NOTHING).await.expect(200);
    world.change("POST", text(&revoked, "id"), "/revoke", &NOTHING).await.expect(200);
    world.server.stop();
    fs::rename(&away, journal(&world)).unwrap();
    for _ in 0..2 {
        world.start_again();
        assert_eq!(code(&world, &unblocked["secret"]).await, "allowed");
        assert_eq!(code(&world, &revoked["secret"]).await, "key_revoked");
        world.server.stop();
    }
    let told = fs::read_to_string(journal(&world)).unwrap();
    assert!(told.contains(text(&revoked, "id")), "{told}");
    assert_eq!(told.lines().filter(|line| line.contains(text(&unblocked, "id"))).count(), 2, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_notes_are_told_at_once_and_removed() {
    let mut world = World::start().await;
    let key = named(&world, "revoked").await;
    let id = text(&key, "id");
    world.server.stop();
    world.server.sql(&format!(
        "UPDATE api_keys SET revoked_at = 1700000000000, version = 2501 WHERE id = '{id}';
         WITH RECURSIVE numbers(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM numbers WHERE i < 2501)
         INSERT INTO key_ends (key_id, version) SELECT '{id}', i FROM numbers;
         INSERT INTO key_ends (key_id, version) VALUES ('key_01HF7YAT000000000000000007', 7);"
    ));
    world.start_again();
    let file = journal(&world);
    let told = || fs::read_to_string(&file).unwrap().lines().filter(|line| line.contains(id)).count();
    // Whoever waits for one note waits until all are told.
    let other = named(&world, "other").await;
    world.change("POST", text(&other, "id"), "/revoke", &NOTHING).await.expect(200);
    assert_eq!(told(), 2500);
    world.server.stop();
    // Were a note left, this would fail.
    world.server.sql("CREATE TABLE none_is_left (one INTEGER CHECK (one = 0)); INSERT INTO none_is_left SELECT COUNT(*) FROM key_ends; DROP TABLE none_is_left;");
    world.start_again();
    world.server.stop();
    assert_eq!(told(), 2500);
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_that_cannot_be_removed_keep_nobody_waiting_and_are_told_once() {
    let mut world = World::on_sqlite().await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(named(&world, "revoked").await);
    }
    world.server.stop();
    world
        .server
        .sql("CREATE TRIGGER kept BEFORE DELETE ON key_ends BEGIN SELECT RAISE(ABORT, 'it stays'); END;");
    world.start_again();
    let revoke = |key: &Value| {
        let (http, owner) = (world.server.http(), world.owner.clone());
        let path = format!("{}/{}/revoke", world.keys(), text(key, "id"));
        tokio::spawn(async move { http.json("POST", &path, &owner, &NOTHING).await.status })
    };
    let (some, others) = keys.split_at(10);
    for keys in [some, others] {
        let revoked: Vec<_> = keys.iter().map(revoke).collect();
        for revoked in revoked {
            assert_eq!(revoked.await.unwrap(), 200);
        }
    }
    // A round that looks for what nobody waits for, and one that ends.
    world.server.stop();
    let told = fs::read_to_string(journal(&world)).unwrap();
    for key in &keys {
        assert_eq!(told.lines().filter(|line| line.contains(text(key, "id"))).count(), 1, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_written_is_told_and_loses_no_revocation() {
    let database = Postgres::shared().database();
    let plan = Plan::dev(KEYSTILE).own_database().flag("--database-url", &database.url());
    let plan = plan.flag("--operations-listen", "127.0.0.1:0").flag("--log", "info");
    let world = World::of(plan.start()).await;
    let (first, second) = (named(&world, "first").await, named(&world, "second").await);
    let operations = world.server.operations();
    let writable = async || {
        let page = operations.json("GET", "/metrics", "", &NOTHING).await;
        Page::parse(&page.text).value("keystile_revocation_journal_writable")
    };
    assert_eq!(writable().await, 1.0);
    // No file of the server grows, as if its disk were full; the database is elsewhere.
    world.server.process().limit_files(Some(journal(&world).metadata().unwrap().len()));
    let untold = world.change("POST", text(&first, "id"), "/revoke", &NOTHING).await;
    untold.expect_problem(503, "outcome_unknown");
    assert_eq!(code(&world, &first["secret"]).await, "key_revoked", "it holds all the same");
    assert_eq!(writable().await, 0.0);
    for (what, body) in [("/regenerate", NOTHING), ("/rotate", json!({ "overlap_seconds": 0 }))] {
        let refused = world.change("POST", text(&second, "id"), what, &body).await;
        refused.expect_problem(503, "unavailable");
        assert_eq!(code(&world, &second["secret"]).await, "allowed", "nothing was changed");
    }
    world.server.process().limit_files(None);
    world.change("POST", text(&second, "id"), "/revoke", &NOTHING).await.expect(200);
    let told = fs::read_to_string(journal(&world)).unwrap();
    for key in [&first, &second] {
        assert_eq!(told.lines().filter(|line| line.contains(text(key, "id"))).count(), 1, "{told}");
    }
    assert_eq!(writable().await, 1.0);
    let third = named(&world, "third").await;
    world.change("POST", text(&third, "id"), "/regenerate", &NOTHING).await.expect(200);
}

#[test]
fn a_server_without_a_journal_that_it_can_use_does_not_start() {
    let plan = Plan::serve(KEYSTILE);
    fs::create_dir_all(plan.data_dir().join("revocations.journal")).unwrap();
    let mut process = plan.run("no-journal");
    assert_eq!(process.wait().code(), Some(2));
    let told = process.stderr();
    assert!(told.contains("the revocation journal") && told.contains("it is no file"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_waits_for_a_server_to_end_knows_the_last_keys_that_it_revoked() {
    let database = Postgres::shared().database();
    let (mut world, url) = (World::on_postgres(&database).await, database.url());
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(named(&world, "revoked").await);
    }
    let file = file(&world);
    let on_database = |arguments: &[&str]| {
        let mut command = tool(&world, arguments);
        command.args(["--database-url", &url]);
        command
    };
    done(&on_database(&["backup", "--json", &file]).output().unwrap());
    let mut restore = on_database(&["restore", "--json", "--replace", &file]);
    let restore = restore.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for key in &keys {
        world.change("POST", text(key, "id"), "/revoke", &NOTHING).await.expect(200);
    }
    world.server.stop();
    assert_eq!(done(&restore.wait_with_output().unwrap())["keys_ended"], 20);
}
