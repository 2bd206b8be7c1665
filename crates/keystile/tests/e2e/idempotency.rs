//! `Idempotency-Key`: a request that makes something is carried out once, however often it is sent.

use keystile_testkit::http::{Answer, Http};
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

const INTEGRATION: &str = "/api/v1/integration/api-keys";

async fn send(http: &Http, credential: &str, path: &str, key: &str, body: &Value) -> Answer {
    let request = http.request("POST", path).header("authorization", credential);
    let request = request.header("content-type", "application/json").header("idempotency-key", key);
    http.send(request, body.to_string()).await
}

/// Sends as the owner.
async fn post(world: &World, path: &str, key: &str, body: &Value) -> Answer {
    send(&world.http, &world.owner, path, key, body).await
}

/// Everything of an answer but what belongs to its request.
fn told(answer: &Answer) -> (u16, &str, [&str; 4]) {
    let headers = ["content-type", "cache-control", "etag", "location"].map(|name| answer.header(name));
    (answer.status, &answer.text, headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_answered_the_same_even_after_a_restart() {
    let mut world = World::start().await;
    let key = world.create(&json!({ "name": "subject" })).await;
    let one = format!("{}/{}", world.keys(), text(&key, "id"));
    let (applications, tenants) = (format!("{}/applications", world.tenant()), "/api/v1/tenants".to_owned());
    let member = world.member("member@example.com", "viewer").await.id;
    let [customers, invitations] =
        ["customers", "invitations"].map(|made| format!("{}/{made}", world.tenant()));
    let calls = [
        (world.keys(), json!({ "name": "made" })),
        (INTEGRATION.to_owned(), json!({ "name": "made" })),
        (format!("{one}/regenerate"), json!({})),
        (format!("{one}/rotate"), json!({ "overlap_seconds": 60 })),
        (applications.clone(), json!({ "name": "made" })),
        (tenants.clone(), json!({ "name": "made" })),
        (customers.clone(), json!({ "name": "made" })),
        (invitations.clone(), json!({ "email": "made@example.com", "role": "viewer" })),
        (format!("{}/memberships/{member}/password-reset", world.tenant()), json!({})),
        ("/api/v1/auth/totp".to_owned(), json!({ "password": world.credentials.password })),
    ];
    let mut first = Vec::new();
    for (path, body) in &calls {
        let answer = post(&world, path, "the-same-key", body).await;
        assert!([200, 201].contains(&answer.status), "{path}: {}", answer.text);
        assert_eq!(answer.header("idempotency-replayed"), "");
        first.push(answer);
    }
    let everything = async |world: &World| {
        let keys = world.read(&format!("{}?limit=200", world.keys())).await;
        let mut everything = vec![keys];
        for path in [&applications, &tenants, &customers, &invitations] {
            everything.push(world.read(path).await);
        }
        json!(everything)
    };
    let before = everything(&world).await;
    world.server.restart();
    world.http = world.server.http();
    for ((path, body), first) in calls.iter().zip(&first) {
        let again = post(&world, path, "the-same-key", body).await;
        assert_eq!(told(&again), told(first), "{path}");
        assert_eq!(again.header("idempotency-replayed"), "true");
        let other =
            post(&world, path, "the-same-key", &json!({ "name": "other", "overlap_seconds": 1 })).await;
        assert!([400, 422].contains(&other.status), "{path}: {}", other.text);
    }
    let keys = world.keys();
    let others = [&keys, &applications, &tenants, &customers].map(|path| (path, json!({ "name": "other" })));
    let invite = json!({ "email": "other@example.com", "role": "viewer" });
    for (path, body) in others.into_iter().chain([(&invitations, invite)]) {
        post(&world, path, "the-same-key", &body).await.expect_problem(422, "idempotency_key_reused");
    }
    assert_eq!(everything(&world).await, before, "nothing was made twice");
    let secret = text(&first[0].json, "secret");
    assert_eq!(text(&world.verify(&json!({ "key": secret })).await, "code"), "allowed");
    let alias = world.keys().replace("/api/v1", "");
    let aliased = post(&world, &alias, "the-same-key", &json!({ "name": "made" })).await;
    assert_eq!(told(&aliased), told(&first[0]), "both mounts are one");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_makes_a_key_and_the_others_see_it_or_wait() {
    let world = World::start().await;
    let (keys, body) = (world.keys(), json!({ "name": "raced" }));
    let clients = (0..30).map(|_| {
        let (http, owner, keys, body) = (world.http.clone(), world.owner.clone(), keys.clone(), body.clone());
        tokio::spawn(async move { send(&http, &owner, &keys, "raced", &body).await })
    });
    let mut made = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        let answer = client.await.unwrap();
        if answer.status == 201 {
            made.push(answer.text);
        } else {
            answer.expect_problem(409, "idempotency_in_progress");
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    made.dedup();
    assert_eq!(made.len(), 1, "{made:?}");
    let found = world.read(&format!("{keys}?q=raced")).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_can_be_tried_again_and_each_caller_has_keys_of_its_own() {
    let world = World::start().await;
    let (keys, own) = (world.keys(), "c41f8a07d93be6525af0917d-brought");
    let taken = world.create(&json!({ "name": "taken", "secret": own })).await;
    let body = json!({ "name": "again", "secret": own });
    for _ in 0..2 {
        post(&world, &keys, "refused", &body).await.expect_problem(409, "secret_exists");
    }
    let application = json!({ "name": "later", "application_id": "app_01J00000000000000000000009" });
    post(&world, &keys, "refused", &application).await.expect_problem(404, "not_found");
    post(&world, &keys, "refused", &json!({ "name": "at last" })).await.expect(201);

    let issuer = json!({ "name": "issuer", "scopes": ["keystile.keys:issue"] });
    let issuer = world.create(&issuer).await;
    let credential = as_key(text(&issuer, "secret"));
    let mine = post(&world, &keys, "shared", &json!({ "name": "one" })).await.expect(201);
    let theirs = send(&world.http, &credential, &keys, "shared", &json!({ "name": "one" })).await.expect(201);
    assert_ne!(mine["id"], theirs["id"]);
    let elsewhere = post(&world, INTEGRATION, "shared", &json!({ "name": "one" })).await.expect(201);
    assert_ne!(mine["id"], elsewhere["id"]);
    world.change("PATCH", text(&issuer, "id"), "", &json!({ "scopes": [] })).await.expect(200);
    let lost = send(&world.http, &credential, &keys, "shared", &json!({ "name": "one" })).await;
    lost.expect_problem(403, "forbidden");
    assert!(!lost.text.contains(text(&theirs, "secret")));
    assert_eq!(taken["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_kept_cannot_be_read_in_the_database() {
    let mut world = World::on_sqlite().await;
    let (name, own) = ("unreadable-idempotency-key", "c41f8a07d93be6525af0917d-brought");
    let body = json!({ "name": "sealed", "secret": own });
    let made = post(&world, &world.keys(), name, &body).await.expect(201);
    let minted = post(&world, &world.keys(), "another", &json!({ "name": "sealed" })).await.expect(201);
    world.server.stop();
    let files = std::fs::read_dir(world.server.plan().data_dir()).unwrap();
    let mut read = 0;
    for file in files {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [own, text(&minted, "secret"), name] {
            let is_there = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!is_there, "{secret} is readable");
        }
        read += bytes.len();
    }
    assert!(read > 10_000, "the database was not looked at");
    world.start_again();
    assert_eq!(post(&world, &world.keys(), name, &body).await.expect(201), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_a_word() {
    let world = World::start().await;
    let long = "x".repeat(256);
    for bad in ["", "two words", &long] {
        let refused = post(&world, &world.keys(), bad, &json!({ "name": "bad" })).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), ["Idempotency-Key"], "{bad}");
    }
    let request = world.http.request("POST", &world.keys()).header("authorization", &world.owner);
    let request = request.header("content-type", "application/json");
    let twice = request.header("idempotency-key", "a").header("idempotency-key", "b");
    let refused = world.http.send(twice, r#"{"name": "bad"}"#).await;
    assert_eq!((refused.status, refused.fields()), (400, vec!["Idempotency-Key"]));
    post(&world, &world.keys(), &long[1..], &json!({ "name": "longest" })).await.expect(201);
}
