//! Background jobs over HTTP: what was done is there, once, however the server ends.

use keystile_core::Secret;
use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::full_disk::fill_disk;
use crate::world::{World, as_key, text};

/// Keys of one kill: many steps, so that it comes between two of them.
const MANY: usize = 3_000;

fn jobs(world: &World) -> String {
    format!("{}/jobs", world.tenant())
}

async fn make(world: &World, body: &Value) -> Value {
    world.ask("POST", &jobs(world), body).await.expect(202)
}

async fn job(world: &World, id: &str) -> Value {
    world.read(&format!("{}/{id}", jobs(world))).await
}

async fn act(world: &World, id: &str, what: &str) -> Answer {
    world.ask("POST", &format!("{}/{id}/{what}", jobs(world)), &NOTHING).await
}

/// The job when it is over.
async fn over(world: &World, id: &str) -> Value {
    let is_over = async || {
        let job = job(world, id).await;
        ["done", "failed", "cancelled"].contains(&text(&job, "state")).then_some(job)
    };
    eventually("the job", is_over).await
}

/// The body of an import of this many keys.
fn batch(count: usize) -> Value {
    let hash = |number: usize| Secret::new(format!("old-secret-number-{number:06}")).digest().to_hex();
    let key = |number| json!({ "hash": hash(number), "name": format!("old {number}") });
    let keys: Vec<_> = (0..count).map(key).collect();
    json!({ "algorithm": "sha256", "encoding": "hex", "keys": keys })
}

/// How many entries of the log tell of this action, and of how many things.
async fn told(world: &World, action: &str) -> (usize, usize) {
    let (mut targets, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{}/audit?limit=200&action={action}{cursor}", world.tenant());
        let page = world.read(&path).await;
        targets.extend(page["data"].as_array().unwrap().iter().map(|entry| text(entry, "target").to_owned()));
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    let entries = targets.len();
    targets.sort();
    targets.dedup();
    (entries, targets.len())
}

async fn revoke_all(world: &World, filter: &Value) -> String {
    let dry = json!({ "kind": "revoke", "filter": filter, "dry_run": true });
    let total = world.ask("POST", &jobs(world), &dry).await.expect(200)["total"].clone();
    let body = json!({ "kind": "revoke", "filter": filter, "expected": total, "reason": "left" });
    text(&make(world, &body).await, "id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_after_a_kill_and_handle_each_key_once() {
    let mut world = World::start().await;
    let import = make(&world, &json!({ "kind": "import", "import": batch(MANY) })).await;
    let import = text(&import, "id").to_owned();
    let begun = |job: &Value| job["done"].as_u64().unwrap() > 0;
    eventually("the import", async || begun(&job(&world, &import).await).then_some(())).await;
    world.server.kill();
    world.start_again();
    let imported = over(&world, &import).await;
    assert_eq!((&imported["state"], &imported["done"]), (&json!("done"), &json!(MANY)), "{imported}");
    assert_eq!(told(&world, "key.import").await, (MANY, MANY));

    let revocation = revoke_all(&world, &json!({ "q": "old " })).await;
    eventually("the revocation", async || begun(&job(&world, &revocation).await).then_some(())).await;
    world.server.kill();
    world.start_again();
    let revoked = over(&world, &revocation).await;
    assert_eq!((&revoked["state"], &revoked["done"]), (&json!("done"), &json!(MANY)), "{revoked}");
    assert_eq!(told(&world, "key.revoke").await, (MANY, MANY));
    for number in [0, MANY / 2, MANY - 1] {
        let question = json!({ "key": format!("old-secret-number-{number:06}") });
        assert_eq!(world.verify(&question).await["code"], "key_revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_room_on_the_disk_and_goes_on() {
    let world = World::on_sqlite().await;
    let import = make(&world, &json!({ "kind": "import", "import": batch(MANY) })).await;
    let import = text(&import, "id").to_owned();
    let begun = async || (job(&world, &import).await["done"].as_u64().unwrap() > 0).then_some(());
    eventually("the import", begun).await;
    fill_disk(&world);
    let full = async || {
        let refused = world.ask("POST", &world.keys(), &json!({ "name": "no room" })).await;
        (refused.status == 503).then_some(())
    };
    eventually("the disk to be full", full).await;
    let before = job(&world, &import).await;
    assert_eq!(before["state"], "running", "{before}");
    world.server.process().limit_files(None);
    let imported = over(&world, &import).await;
    assert_eq!((&imported["state"], &imported["done"]), (&json!("done"), &json!(MANY)), "{imported}");
    assert_eq!(told(&world, "key.import").await, (MANY, MANY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_needs_what_the_job_needs() {
    let world = World::start().await;
    let reader = world.create(&json!({ "name": "reader", "scopes": ["keystile.keys:read"] })).await;
    let credential = as_key(text(&reader, "secret"));
    let ask = async |body: Value| world.http.json("POST", &jobs(&world), &credential, &body).await;
    ask(json!({ "kind": "export", "dry_run": true })).await.expect(200);
    ask(json!({ "kind": "revoke", "dry_run": true })).await.expect_problem(403, "forbidden");
    let dry = json!({ "kind": "revoke", "dry_run": true, "expected": 7_777 });
    world.ask("POST", &jobs(&world), &dry).await.expect_problem(409, "job_keys_differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_has_done_verification_knows() {
    let world = World::start().await;
    let made = world.create(&json!({ "name": "shop", "tags": { "team": "left" } })).await;
    let other = world.create(&json!({ "name": "other" })).await;
    let code =
        async |key: &Value| text(&world.verify(&json!({ "key": key["secret"] })).await, "code").to_owned();
    assert_eq!((code(&made).await, code(&other).await), ("allowed".to_owned(), "allowed".to_owned()));
    let body = json!({ "kind": "disable", "filter": { "tag": "team:left" }, "expected": 1 });
    let disabled = over(&world, text(&make(&world, &body).await, "id")).await;
    assert_eq!((&disabled["done"], &disabled["actor"]), (&json!(1), &made["created_by"]));
    assert_eq!((code(&made).await, code(&other).await), ("key_inactive".to_owned(), "allowed".to_owned()));
    let body = json!({ "kind": "enable", "filter": { "tag": "team:left" }, "expected": 1 });
    over(&world, text(&make(&world, &body).await, "id")).await;
    assert_eq!(code(&made).await, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_prefers_to_be_answered_at_once_becomes_a_job() {
    let world = World::start().await;
    let request = world.http.request("POST", &format!("{}/import", world.keys()));
    let request = request.header("authorization", &world.owner).header("prefer", "respond-async, wait=5");
    let request = request.header("content-type", "application/json");
    let made = world.http.send(request, batch(3).to_string()).await.expect(202);
    let imported = over(&world, text(&made, "id")).await;
    assert_eq!((&imported["state"], &imported["done"]), (&json!("done"), &json!(3)));
    assert_eq!(world.verify(&json!({ "key": "old-secret-number-000002" })).await["code"], "allowed");
    let path = format!("{}/{}/result", jobs(&world), text(&made, "id"));
    let result = world.ask("GET", &path, &NOTHING).await;
    assert_eq!(result.status, 200);
    let lines: Vec<Value> = result.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[2]["created"]), (3, &json!(true)));
    world.ask("GET", &format!("{path}?format=csv"), &NOTHING).await.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_what_the_list_shows_but_for_fingerprints() {
    let world = World::start().await;
    world.create(&json!({ "name": "=cmd, \"quoted\"", "tags": { "a": "b" }, "rpm_limit": 5 })).await;
    let id = text(&make(&world, &json!({ "kind": "export" })).await, "id").to_owned();
    let done = over(&world, &id).await;
    assert_eq!(done["has_result"], true);
    let path = format!("{}/{id}/result", jobs(&world));
    let result = world.ask("GET", &path, &NOTHING).await;
    let mut exported: Vec<Value> =
        result.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    exported.reverse();
    let mut listed =
        world.read(&format!("{}?limit=200", world.keys())).await["data"].as_array().unwrap().clone();
    for key in &mut listed {
        key.as_object_mut().unwrap().remove("key_fingerprint").unwrap();
    }
    assert_eq!(exported, listed);
    let csv = world.ask("GET", &format!("{path}?format=csv"), &NOTHING).await.text;
    assert!(csv.starts_with("id,name,environment,status,"), "{csv}");
    assert_eq!(csv.matches("\r\n").count(), listed.len() + 1);
    assert!(csv.contains(r#","'=cmd, ""quoted""","#), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_rotation_are_given_once_and_work() {
    let world = World::start().await;
    let old = world.create(&json!({ "name": "rotated", "tags": { "due": "yes" } })).await;
    let filter = json!({ "tag": "due" });
    let body = json!({ "kind": "rotate", "filter": filter, "expected": 1, "overlap_seconds": 0 });
    let id = text(&make(&world, &body).await, "id").to_owned();
    over(&world, &id).await;
    let path = format!("{}/{id}/result", jobs(&world));
    world.ask("GET", &path, &NOTHING).await.expect_problem(409, "job_secrets");
    let taken = act(&world, &id, "result").await.expect(200);
    assert_eq!(taken["secrets"][0]["key_id"], old["id"]);
    let new = world.verify(&json!({ "key": taken["secrets"][0]["secret"] })).await;
    assert_eq!((&new["code"], &new["key_id"]), (&json!("allowed"), &taken["secrets"][0]["successor_id"]));
    assert_eq!(world.verify(&json!({ "key": old["secret"] })).await["code"], "key_revoked");
    act(&world, &id, "result").await.expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_says_how_many_keys_it_is_about() {
    let world = World::start().await;
    world.create(&json!({ "name": "one" })).await;
    let unsaid = world.ask("POST", &jobs(&world), &json!({ "kind": "revoke" })).await;
    unsaid.expect_problem(400, "invalid_request");
    let body = json!({ "kind": "revoke", "filter": { "q": "one" }, "expected": 2 });
    world.ask("POST", &jobs(&world), &body).await.expect_problem(409, "job_keys_differ");
    let page = world.read(&jobs(&world)).await;
    assert_eq!(page["data"], json!([]), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_state_and_kind_and_a_key_sees_its_own() {
    let world = World::start().await;
    let export = text(&make(&world, &json!({ "kind": "export" })).await, "id").to_owned();
    over(&world, &export).await;
    let none = world.read(&format!("{}?state=failed", jobs(&world))).await;
    assert_eq!(none["data"], json!([]));
    let found = world.read(&format!("{}?state=done&kind=export", jobs(&world))).await;
    assert_eq!(text(&found["data"][0], "id"), export);
    act(&world, &export, "cancel").await.expect_problem(409, "job_over");
    act(&world, &export, "retry").await.expect_problem(409, "job_not_failed");
    let robot = world.create(&json!({ "name": "robot", "scopes": ["keystile.keys:read"] })).await;
    let robot = as_key(text(&robot, "secret"));
    let own = world.http.json("GET", &jobs(&world), &robot, &NOTHING).await.expect(200);
    assert_eq!(own["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_makes_one_job() {
    let world = World::start().await;
    let send = async || {
        let request = world.http.request("POST", &jobs(&world)).header("authorization", &world.owner);
        let request =
            request.header("content-type", "application/json").header("idempotency-key", "export-1");
        world.http.send(request, json!({ "kind": "export" }).to_string()).await.expect(202)
    };
    let (first, second) = (send().await, send().await);
    assert_eq!(first["id"], second["id"]);
    assert_eq!(world.read(&jobs(&world)).await["data"].as_array().unwrap().len(), 1);
}
