//! `keystile backup` and `keystile restore`: what was backed up comes back, and no key that has ended since.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use keystile_testkit::http::NOTHING;
use keystile_testkit::postgres::Postgres;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::world::{KEYSTILE, World, sign_in, text};

pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the tool printed as JSON.
#[track_caller]
pub(crate) fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{}", told(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
pub(crate) fn refused(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(2), "{}", told(output));
    assert!(told(output).contains(why), "{}", told(output));
}

/// The tool, with the data of the server.
pub(crate) fn tool(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(KEYSTILE);
    command.args(arguments).args(world.server.plan().places()).env_clear();
    command
}

pub(crate) fn run(world: &World, arguments: &[&str]) -> Output {
    tool(world, arguments).output().unwrap()
}

pub(crate) fn file(world: &World) -> String {
    world.server.plan().folder().join("backup").display().to_string()
}

pub(crate) fn journal(world: &World) -> PathBuf {
    world.server.plan().data_dir().join("revocations.journal")
}

/// Starts the server after its database was put back, and signs the owner in again.
async fn start_restored(world: &mut World) {
    world.start_again();
    let old = world.ask("GET", &world.keys(), &NOTHING).await;
    old.expect_problem(401, "session_ended");
    world.owner = sign_in(&world.http, &world.credentials.email, &world.credentials.password).await;
}

pub(crate) async fn code(world: &World, secret: &Value) -> String {
    let verified = world.verify(&json!({ "key": secret, "environment": "production" })).await;
    text(&verified, "code").to_owned()
}

pub(crate) async fn named(world: &World, name: &str) -> Value {
    world.create(&json!({ "name": name })).await
}

/// Makes and revokes keys until it is told to stop; tells how many changes were answered.
fn load(world: &World, stop: &Arc<AtomicBool>, answered: &Arc<AtomicUsize>) -> tokio::task::JoinHandle<()> {
    let (http, owner, keys) = (world.server.http(), world.owner.clone(), world.keys());
    let (stop, answered) = (Arc::clone(stop), Arc::clone(answered));
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            let made = http.json("POST", &keys, &owner, &json!({ "name": "load" })).await.expect(201);
            let path = format!("{keys}/{}/revoke", text(&made, "id"));
            http.json("POST", &path, &owner, &NOTHING).await.expect(200);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// What becomes of a key after the backup was made, and what verification says of its secret after the restore.
const FATES: [(&str, &str); 8] = [
    ("kept", "allowed"),
    ("revoked", "key_revoked"),
    ("deleted", "key_revoked"),
    ("blocked", "key_blocked"),
    ("unblocked", "allowed"),
    ("disabled", "key_inactive"),
    ("regenerated", "key_revoked"),
    ("rotated", "key_revoked"),
];

/// Does to a key what it is called after; gives what else was made.
async fn meet_fate(world: &World, key: &Value) -> Option<Value> {
    let change =
        async |what: &str, body: Value| world.change("POST", text(key, "id"), what, &body).await.expect(200);
    let unpaid = json!({ "reason": "unpaid" });
    match text(key, "name") {
        "kept" => return None,
        "revoked" => change("/revoke", NOTHING).await,
        "deleted" => world.change("DELETE", text(key, "id"), "", &NOTHING).await.expect(204),
        "blocked" => change("/block", unpaid).await,
        "unblocked" => {
            change("/block", unpaid).await;
            change("/unblock", NOTHING).await
        }
        "disabled" => change("/disable", NOTHING).await,
        "regenerated" => return Some(change("/regenerate", NOTHING).await),
        "rotated" => return Some(change("/rotate", json!({ "overlap_seconds": 0 })).await),
        other => panic!("{other}"),
    };
    None
}

/// A backup that is made while keys are made and revoked, which goes on for a while after it.
async fn back_up_under_load(world: &World, file: &str) -> Value {
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4).map(|_| load(world, &stop, &answered)).collect();
    eventually("changes", async || (answered.load(Ordering::Relaxed) > 20).then_some(())).await;
    let before = answered.load(Ordering::Relaxed);
    let backed = done(&run(world, &["backup", "--json", file]));
    eventually("more changes", async || (answered.load(Ordering::Relaxed) > before + 20).then_some(())).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    backed
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_restore_of_yesterdays_backup_todays_revoked_keys_stay_dead() {
    let mut world = World::start().await;
    let mut keys = Vec::new();
    for (name, _) in FATES {
        keys.push(named(&world, name).await);
    }
    let file = file(&world);
    let backed = back_up_under_load(&world, &file).await;
    let mut later = vec![named(&world, "later").await];
    for key in &keys {
        later.extend(meet_fate(&world, key).await);
    }

    let arguments = ["restore", "--json", "--replace", &file];
    refused(&run(&world, &arguments), "another Keystile");
    world.server.stop();
    refused(&run(&world, &["restore", &file]), "--replace");
    let checked = done(&run(&world, &["restore", "--check", "--json", &file]));
    assert_eq!((&checked["sha256"], &checked["bytes"]), (&backed["sha256"], &backed["bytes"]));
    let restored = done(&run(&world, &arguments));
    assert_eq!(restored["rows"], backed["rows"]);
    assert!(restored["keys_ended"].as_u64() >= Some(6), "{restored}");
    start_restored(&mut world).await;

    for (key, (name, expected)) in keys.iter().zip(FATES) {
        assert_eq!(code(&world, &key["secret"]).await, expected, "{name}");
    }
    assert_eq!(later.len(), 3);
    for key in &later {
        assert_eq!(code(&world, &key["secret"]).await, "key_not_found", "{}", key["name"]);
    }
    let log = world.read(&format!("{}/audit?target={}", world.tenant(), text(&keys[1], "id"))).await;
    let last = (text(&log["data"][0], "action"), text(&log["data"][0], "actor"));
    assert_eq!(last, ("key.revoke", "system"));
    // Each key of the load was revoked in the end, whatever the backup has of it.
    let listed = world.read(&format!("{}?status=active&limit=200", world.keys())).await;
    let names: Vec<_> = listed["data"].as_array().unwrap().iter().map(|key| text(key, "name")).collect();
    assert!(names.contains(&"kept") && !names.contains(&"load"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_torn_is_used_and_one_that_is_damaged_or_missing_is_not() {
    let mut world = World::start().await;
    let (first, second) = (named(&world, "first").await, named(&world, "second").await);
    let file = file(&world);
    done(&run(&world, &["backup", "--json", &file]));
    for key in [&first, &second] {
        world.change("POST", text(key, "id"), "/revoke", &NOTHING).await.expect(200);
    }
    world.server.stop();
    let whole = fs::read_to_string(journal(&world)).unwrap();
    assert!(whole.contains(text(&first, "id")) && whole.contains(text(&second, "id")), "{whole}");
    assert!(!whole.contains(text(&first, "key_fingerprint")), "the journal knows no digest of a secret");
    let arguments = ["restore", "--json", "--replace", &file];

    fs::remove_file(journal(&world)).unwrap();
    refused(&run(&world, &arguments), "KEYSTILE_REVOCATION_JOURNAL");
    let mut without = world.server.plan().run("without");
    assert_eq!(without.wait().code(), Some(2));
    assert!(without.stderr().contains("KEYSTILE_NEW_REVOCATION_JOURNAL"), "{}", without.stderr());
    let line = whole.lines().find(|line| line.contains(text(&first, "id"))).unwrap();
    fs::write(journal(&world), whole.replace(line, &line.replace("revoked_at", "revoked_on"))).unwrap();
    refused(&run(&world, &arguments), "is damaged");
    fs::write(journal(&world), format!("{whole}{}", &line[..line.len() / 2])).unwrap();
    assert_eq!(done(&run(&world, &arguments))["keys_ended"], 2);
    start_restored(&mut world).await;
    for key in [&first, &second] {
        assert_eq!(code(&world, &key["secret"]).await, "key_revoked");
    }

    // Whoever accepts it has the keys back.
    world.server.stop();
    let accepted = [&arguments[..], &["--without-journal"]].concat();
    assert_eq!(done(&run(&world, &accepted))["keys_ended"], 0);
    start_restored(&mut world).await;
    assert_eq!(code(&world, &first["secret"]).await, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_damaged_or_of_another_engine_is_refused_and_changes_nothing() {
    let mut world = World::start().await;
    let key = named(&world, "kept").await;
    let file = file(&world);
    let backed = done(&run(&world, &["backup", "--json", &file]));
    let encrypts = fs::read(world.server.plan().data_dir().join("encryption-key")).unwrap();
    let whole = fs::read(&file).unwrap();
    assert!(!whole.windows(encrypts.len()).any(|window| window == encrypts), "the encryption key is in it");
    world.server.stop();
    let arguments = ["restore", "--json", "--replace", &file];
    fs::write(&file, &whole[..whole.len() - 1000]).unwrap();
    refused(&run(&world, &arguments), "the backup is damaged");
    fs::write(&file, "a letter").unwrap();
    refused(&run(&world, &arguments), "no backup of Keystile");
    fs::write(&file, &whole).unwrap();

    let folder = world.server.plan().folder().join("elsewhere").display().to_string();
    let database = Postgres::shared().database();
    let url = database.url();
    let places = ["--data-dir", &folder, "--database-url", &url];
    let other = if Postgres::is_chosen() { &places[..2] } else { &places[..] };
    let elsewhere = |more: &[&str]| {
        let mut command = Command::new(KEYSTILE);
        command.args(arguments).args(other).args(more).env_clear().output().unwrap()
    };
    refused(&elsewhere(&["--without-journal"]), "--change-engine");
    let moved = done(&elsewhere(&["--without-journal", "--change-engine"]));
    assert_eq!(moved["rows"], backed["rows"]);

    world.start_again();
    assert_eq!(code(&world, &key["secret"]).await, "allowed");
    world.ask("GET", &world.keys(), &NOTHING).await.expect(200);
}

/// Rows of the database in the test of memory, and bytes of each.
const ROWS: usize = 100_000;
const ROW: usize = 2_000;
/// Rows of two megabytes each.
const LARGE_ROWS: usize = 64;
/// What the tool may have of memory: far less than the rows have.
const MEMORY: usize = 128 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_backed_up_and_restored_with_far_less_memory_than_it_has_rows() {
    let mut world = World::start().await;
    world.server.stop();
    let tenant = &world.credentials.tenant_id;
    world.server.sql(&format!(
        "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {ROWS})
         INSERT INTO limit_use (owner, used, at, spent_at)
         SELECT '{tenant}' || i, '{long}', 1, 9000000000000 FROM numbers;
         WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {LARGE_ROWS})
         INSERT INTO job_inputs (tenant_id, job_id, number, keys)
         SELECT '{tenant}', 'job', i, replace('{long}', 'x', '{thousand}') FROM numbers;",
        long = "x".repeat(ROW),
        thousand = "y".repeat(1000),
    ));
    let file = file(&world);
    let within = |arguments: &[&str]| {
        let mut command = Command::new("prlimit");
        command.arg(format!("--data={MEMORY}")).arg(KEYSTILE).args(arguments);
        command.args(world.server.plan().places()).env_clear();
        // Threads have memory of their own, and the machine many of them.
        command.env("TOKIO_WORKER_THREADS", "2").output().unwrap()
    };
    let backed = done(&within(&["backup", "--json", &file]));
    assert!(backed["bytes"].as_u64().unwrap() > (ROWS * ROW + LARGE_ROWS * 1000 * ROW) as u64, "{backed}");
    let restored = done(&within(&["restore", "--json", "--replace", &file]));
    assert_eq!(restored["rows"], backed["rows"]);
    // What fills the tables is no real use of limits.
    world.server.sql("DELETE FROM limit_use; DELETE FROM job_inputs;");
    start_restored(&mut world).await;
}
