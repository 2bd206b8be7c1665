//! The surface of integrations: every field of seed 003 under its own name, in the tenant of the credential.

use keystile_testkit::http::{Answer, NOTHING};
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

const KEYS: &str = "/api/v1/integration/api-keys";

/// The fields of the seed, in its order, but for `app_id` and `key_hash`, which are not in every answer.
const FIELDS: [&str; 36] = [
    "id",
    "tenant_id",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "source",
    "source_type",
    "is_deleted",
    "deleted_at",
    "deleted_by",
    "schema_version",
    "name",
    "prefix",
    "kind",
    "issued_to_user_id",
    "issued_to_service",
    "scopes",
    "allowed_models",
    "tpm_limit",
    "rpm_limit",
    "max_budget_usd",
    "spend_usd",
    "blocked",
    "blocked_reason",
    "last_used_at",
    "expires_at",
    "rotated_from_key_id",
    "created_by_user_id",
    "tags",
    "version",
    "application_id",
    "key_fingerprint",
    "key_prefix",
    "status",
    "secret",
];

fn fields_of(record: &Value) -> Vec<&str> {
    let mut names: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[track_caller]
fn has_fields(record: &Value, more: &[&str]) {
    let mut expected: Vec<_> = FIELDS[..35].iter().chain(more).copied().collect();
    expected.sort_unstable();
    assert_eq!(fields_of(record), expected);
}

async fn made(world: &World, credential: &str, body: &Value) -> Value {
    let answer = world.http.json("POST", KEYS, credential, body).await;
    assert_eq!((answer.header("cache-control"), answer.header("etag")), ("no-store", "\"1\""));
    let location = answer.header("location").to_owned();
    let made = answer.expect(201);
    assert_eq!(location, format!("{KEYS}/{}", text(&made, "id")));
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_the_seed_is_there_and_true() {
    let world = World::start().await;
    let given = json!({ "name": "Reports", "kind": "user", "issued_to_user_id": "ada", "scopes": ["a:b"],
        "tpm_limit": 5, "rpm_limit": 7, "max_budget_usd": 1.5, "expires_at": "2099-01-01T00:00:00.000Z",
        "tags": { "team": "web" } });
    let created = made(&world, &world.owner, &given).await;
    has_fields(&created, &["secret", "key_hash"]);
    for (field, value) in given.as_object().unwrap() {
        assert_eq!(&created[field], value, "{field}");
    }
    let secret = text(&created, "secret");
    let expected = json!({ "tenant_id": world.credentials.tenant_id, "source": "edm", "source_type": "api",
        "status": "active", "is_deleted": false, "deleted_at": null, "deleted_by": null, "blocked": false,
        "version": 1, "schema_version": 1, "application_id": world.credentials.application_id,
        "prefix": &secret[..8], "spend_usd": 0.0, "last_used_at": null, "allowed_models": [],
        "issued_to_service": null, "rotated_from_key_id": null, "updated_by": created["created_by"],
        "created_by_user_id": created["created_by"], "key_hash": created["key_fingerprint"] });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&created[field], value, "{field}");
    }
    let path = format!("{KEYS}/{}", text(&created, "id"));
    let shown = world.read(&path).await;
    has_fields(&shown, &[]);
    assert_eq!(world.read(&format!("{KEYS}?limit=1")).await["data"][0], shown);
    let elsewhere = world.change("GET", text(&created, "id"), "", &NOTHING).await.expect(200);
    assert_eq!((&elsewhere["id"], &elsewhere["environment"]), (&created["id"], &json!("production")));
    assert_eq!(text(&world.verify(&json!({ "key": secret })).await, "code"), "allowed");

    let patch = json!({ "version": 1, "blocked": true, "blocked_reason": "leaked", "rpm_limit": null,
        "tags": { "tier": 1 } });
    let blocked = world.ask("PATCH", &path, &patch).await.expect(200);
    assert_eq!((&blocked["blocked_reason"], &blocked["version"]), (&json!("leaked"), &json!(2)));
    assert_eq!(
        (&blocked["rpm_limit"], &blocked["tags"]),
        (&Value::Null, &json!({ "team": "web", "tier": 1 }))
    );
    assert_eq!(text(&world.verify(&json!({ "key": secret })).await, "code"), "key_blocked");
    world.ask("PATCH", &path, &patch).await.expect_problem(409, "version_conflict");
    world.ask("PATCH", &path, &json!({ "blocked": false })).await.expect(200);
    let revoked =
        world.ask("POST", &format!("{path}/revoke"), &json!({ "reason": "over" })).await.expect(200);
    assert_eq!((text(&revoked, "status"), &revoked["blocked"]), ("revoked", &json!(false)));
    assert_eq!(text(&world.verify(&json!({ "key": secret })).await, "code"), "key_revoked");
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|key| text(key, "id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_keys_are_in_no_list_unless_asked_for_and_a_disabled_key_counts_as_revoked() {
    let world = World::start().await;
    let create =
        async |name: &str| text(&made(&world, &world.owner, &json!({ "name": name })).await, "id").to_owned();
    let (gone, off) = (create("gone").await, create("off").await);
    world.change("DELETE", &gone, "", &NOTHING).await.expect(204);
    world.change("POST", &off, "/disable", &NOTHING).await.expect(200);
    world.ask("GET", &format!("{KEYS}/{gone}"), &NOTHING).await.expect_problem(404, "not_found");
    assert!(!ids(&world.read(KEYS).await).contains(&gone.as_str()));
    let all = world.read(&format!("{KEYS}?include_deleted=true&q=gone")).await;
    assert_eq!((ids(&all), &all["data"][0]["is_deleted"]), (vec![gone.as_str()], &json!(true)));
    assert_eq!(ids(&world.read(&format!("{KEYS}?status=revoked")).await), [off.as_str()]);
    assert_eq!(text(&world.read(&format!("{KEYS}/{off}")).await, "status"), "revoked");
    assert!(!ids(&world.read(&format!("{KEYS}?status=active")).await).contains(&off.as_str()));
}

/// What `issuer`, a credential of automation in staging, makes belongs to its application; of `foreign`, a key of
/// another one, it sees nothing.
async fn is_stamped_and_sees_no_other(world: &World, issuer: &str, foreign: &str) {
    let by_key = made(world, issuer, &json!({ "name": "by automation", "scopes": ["a:b"] })).await;
    has_fields(&by_key, &["secret", "key_hash", "app_id"]);
    assert_eq!(by_key["app_id"], world.credentials.application_id.as_str());
    assert_eq!(by_key["created_by_user_id"], Value::Null);
    let seen = world.change("GET", text(&by_key, "id"), "", &NOTHING).await.expect(200);
    assert_eq!((&seen["app_id"], &seen["environment"]), (&by_key["app_id"], &json!("staging")));
    let listed = world.http.json("GET", KEYS, issuer, &NOTHING).await.expect(200);
    assert!(ids(&listed).contains(&text(&by_key, "id")) && !ids(&listed).contains(&foreign));
    let ask = async |method: &str, path: &str, body: &Value| {
        world.http.json(method, &format!("{KEYS}{path}"), issuer, body).await
    };
    for (method, path, body) in [
        ("GET", format!("/{foreign}"), NOTHING),
        ("PATCH", format!("/{foreign}"), json!({ "name": "mine" })),
        ("POST", format!("/{foreign}/revoke"), NOTHING),
    ] {
        ask(method, &path, &body).await.expect_problem(404, "not_found");
    }
    let more = ask("POST", "", &json!({ "name": "more", "scopes": ["a:c"] })).await;
    more.expect_problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn automation_is_stamped_with_its_application_and_sees_no_other() {
    let world = World::start().await;
    let scopes = json!(["keystile.keys:issue", "a:b"]);
    let issuer = json!({ "name": "Issuer", "scopes": scopes, "environment": "staging" });
    let issuer = as_key(text(&world.create(&issuer).await, "secret"));
    let exchanged = world.http.json("POST", "/api/v1/auth/token", &issuer, &NOTHING).await.expect(200);
    let token = format!("Bearer {}", text(&exchanged, "access_token"));
    let other =
        world.ask("POST", &format!("{}/applications", world.tenant()), &json!({ "name": "other" })).await;
    let foreign = json!({ "name": "foreign", "application_id": other.expect(201)["id"] });
    let foreign = text(&made(&world, &world.owner, &foreign).await, "id").to_owned();
    for credential in [&issuer, &token] {
        is_stamped_and_sees_no_other(&world, credential, &foreign).await;
    }
    let plain = as_key(text(&world.create(&json!({ "name": "plain", "scopes": ["*"] })).await, "secret"));
    for (method, path, body) in [
        ("GET", KEYS.to_owned(), NOTHING),
        ("POST", KEYS.to_owned(), json!({ "name": "a" })),
        ("PATCH", format!("{KEYS}/{foreign}"), json!({ "name": "a" })),
        ("POST", format!("{KEYS}/{foreign}/revoke"), NOTHING),
    ] {
        world.http.json(method, &path, &plain, &body).await.expect_problem(403, "forbidden");
    }
}

#[track_caller]
fn refused(answer: &Answer, field: &str) {
    answer.expect_problem(400, "invalid_request");
    assert_eq!(answer.fields(), [field]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_its_field() {
    let world = World::start().await;
    let key = made(&world, &world.owner, &json!({ "name": "subject" })).await;
    let path = format!("{KEYS}/{}", text(&key, "id"));
    for (field, value) in [
        ("tenant_id", json!(world.credentials.tenant_id)),
        ("app_id", json!(world.credentials.application_id)),
        ("created_by", json!("per_01J00000000000000000000001")),
        ("key_hash", json!("00")),
        ("environment", json!("staging")),
        ("name", json!("")),
        ("kind", json!("robot")),
        ("rpm_limit", json!(0)),
        ("source_type", json!("cron")),
        ("application_id", json!("app_1")),
        ("tags", json!(["a"])),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut body = json!({ "name": "bad" });
        body[field] = value;
        refused(&world.ask("POST", KEYS, &body).await, field);
    }
    for (field, body) in [
        ("blocked_reason", json!({ "blocked": true })),
        ("blocked_reason", json!({ "blocked": false, "blocked_reason": "x" })),
        ("blocked_reason", json!({ "blocked_reason": "x" })),
        ("blocked_reason", json!({ "blocked": true, "blocked_reason": "" })),
        ("blocked", json!({ "blocked": "yes" })),
        ("name", json!({ "name": null })),
        ("status", json!({ "status": "active" })),
        ("is_deleted", json!({ "is_deleted": true })),
        ("tenant_id", json!({ "tenant_id": "ten_01J00000000000000000000001" })),
    ] {
        refused(&world.ask("PATCH", &path, &body).await, field);
    }
    for (field, query) in [
        ("status", "status=inactive"),
        ("limit", "limit=0"),
        ("tag", "tag="),
        ("tenant_id", "tenant_id=ten_1"),
    ] {
        refused(&world.ask("GET", &format!("{KEYS}?{query}"), &NOTHING).await, field);
    }
    world.http.json("GET", KEYS, "", &NOTHING).await.expect_problem(401, "key_missing");
    assert_eq!(world.read(&path).await["version"], 1);
}
