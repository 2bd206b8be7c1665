//! Every field of a key goes in and comes out, on both mounts.

use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::eventually;
use serde_json::{Map, Value, json};

use crate::world::{World, as_key, text};

/// Settings that any kind of key can have, each unlike its default.
fn settings(customer: &str) -> Value {
    json!({
        "name": "Checkout – Kasse ✓",
        "customer_id": customer,
        "source_id": "checkout-service",
        "trust_level": "trusted",
        "scopes": ["customers:read", "orders:*"],
        "allowed_ips": ["203.0.113.7/32", "2001:db8::/32"],
        "rpm_limit": 600,
        "tpm_limit": 1_000_000_000,
        "rate_limits": [
            { "name": "hourly", "limit": 1000, "window_seconds": 3600 },
            { "name": "daily", "limit": 5000, "window_seconds": 86_400, "burst": 100, "when_away": "refuse" },
        ],
        "max_budget_usd": 12.345_678_901,
        "budget_period": "month",
        "expires_at": "2099-12-31T23:59:59.999Z",
        "source": "terraform",
        "source_type": "backend",
        "tags": { "team": "payments", "ünï": ["a", 1, null, { "b": true }] },
        "metadata": { "plan": "gold", "limit": 12_345_678_901_234_567_u64, "quote": "\"\\'; DROP TABLE api_keys; --" },
    })
}

/// Other values for the same settings.
fn other_settings(customer: &str) -> Value {
    json!({
        "name": "Refunds",
        "customer_id": customer,
        "source_id": "refunds",
        "trust_level": "internal",
        "scopes": ["*"],
        "allowed_ips": ["10.0.0.0/8"],
        "rpm_limit": 1,
        "tpm_limit": 2,
        "rate_limits": [{ "name": "secondly", "limit": 1, "window_seconds": 1, "when_away": "local_share" }],
        "max_budget_usd": 0.0,
        "budget_period": "day",
        "expires_at": "2098-01-01T00:00:00.000Z",
        "source": "console",
        "source_type": "frontend",
        "tags": { "ünï": null, "owner": { "team": "ops", "pager": null } },
        "metadata": { "plan": "silver", "limit": null },
    })
}

/// What those make of [`settings`]: objects are merged member by member.
fn after_other_settings(customer: &str) -> Value {
    let objects = json!({
        "tags": { "team": "payments", "owner": { "team": "ops" } },
        "metadata": { "plan": "silver", "quote": "\"\\'; DROP TABLE api_keys; --" },
    });
    merged(&other_settings(customer), &objects)
}

/// What null brings back.
fn cleared() -> Value {
    json!({
        "customer_id": null,
        "source_id": null,
        "trust_level": "external",
        "scopes": [],
        "allowed_ips": [],
        "rpm_limit": null,
        "tpm_limit": null,
        "rate_limits": [],
        "max_budget_usd": null,
        "budget_period": "lifetime",
        "expires_at": null,
        "source": null,
        "source_type": "api",
        "tags": {},
        "metadata": {},
    })
}

fn merged(one: &Value, more: &Value) -> Value {
    let mut all: Map<String, Value> = one.as_object().unwrap().clone();
    all.extend(more.as_object().unwrap().clone());
    Value::Object(all)
}

#[track_caller]
fn has(record: &Value, expected: &Value) {
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&record[field], value, "{field}");
    }
}

/// The settings of each kind that others do not have.
fn kinds() -> [(&'static str, Value); 4] {
    [
        ("service", json!({ "issued_to_service": "billing" })),
        ("user", json!({ "issued_to_user_id": "ada" })),
        ("ingest", json!({})),
        ("virtual_llm", json!({ "allowed_models": ["claude-*", "gpt-5"] })),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_key_comes_back_changed_and_cleared() {
    let world = World::start().await;
    let tenant = &world.credentials.tenant_id;
    let (first, second) = (world.customer("First").await, world.customer("Second").await);
    let (settings, other_settings) = (settings(&first), other_settings(&second));
    for mount in [format!("/api/v1/tenants/{tenant}/api-keys"), format!("/tenants/{tenant}/api-keys")] {
        for (kind, own) in kinds() {
            let fixed = json!({ "environment": "staging", "kind": kind });
            let given = merged(&merged(&settings, &own), &fixed);
            let answer = world.ask("POST", &mount, &given).await;
            assert_eq!(answer.header("cache-control"), "no-store");
            let created = answer.expect(201);
            has(&created, &given);
            let path = format!("{mount}/{}", text(&created, "id"));
            let mut shown = created.clone();
            let secret = shown.as_object_mut().unwrap().remove("secret").unwrap();
            let hash = shown.as_object_mut().unwrap().remove("key_hash").unwrap();
            assert_eq!(hash, shown["key_fingerprint"]);
            derived_fields_are_right(&world, &shown, secret.as_str().unwrap());
            assert_eq!(world.read(&path).await, shown, "shown as it was made, without the secret");
            let listed = world.read(&format!("{mount}?limit=1")).await;
            assert_eq!(listed["data"][0], shown);

            let changed = world.ask("PATCH", &path, &other_settings).await.expect(200);
            has(&changed, &merged(&merged(&own, &fixed), &after_other_settings(&second)));
            assert_eq!((&changed["version"], &shown["version"]), (&json!(2), &json!(1)));
            assert_eq!(world.read(&path).await, changed);

            let to_clear = merged(&cleared(), &own);
            let nulls =
                to_clear.as_object().unwrap().keys().map(|field| (field.clone(), Value::Null)).collect();
            let bare = world.ask("PATCH", &path, &Value::Object(nulls)).await.expect(200);
            has(&bare, &merged(&cleared(), &json!({ "name": "Refunds", "kind": kind, "version": 3 })));
            for field in ["issued_to_service", "issued_to_user_id"] {
                assert_eq!(bare[field], Value::Null);
            }
            assert_eq!(bare["allowed_models"], json!([]));
        }
    }
}

fn derived_fields_are_right(world: &World, record: &Value, secret: &str) {
    assert_eq!(record["api_key_id"], record["id"]);
    assert_eq!(record["lineage_id"], record["id"]);
    assert_eq!(text(record, "tenant_id"), world.credentials.tenant_id);
    assert_eq!(text(record, "application_id"), world.credentials.application_id);
    let shape = ["sk_ks_stage_".len() + 43 + 6, secret.len()];
    assert_eq!(shape[0], shape[1], "{secret}");
    assert_eq!(text(record, "prefix"), &secret[..8]);
    assert_eq!(text(record, "key_prefix"), &secret[.."sk_ks_stage_".len() + 4]);
    assert_eq!(text(record, "last4"), &secret[secret.len() - 4..]);
    assert_eq!(text(record, "created_by"), text(record, "created_by_user_id"));
    assert!(text(record, "created_by").starts_with("per_") && record["updated_by"] == record["created_by"]);
    assert_eq!(record["created_at"], record["updated_at"]);
    let untouched = json!({ "status": "active", "blocked": false, "blocked_reason": null, "revoked_at": null,
        "revoked_reason": null, "last_used_at": null, "last_used_ip": null, "rotated_from_key_id": null,
        "app_id": null, "rotation_due": false, "spend_usd": 0.0, "is_deleted": false, "deleted_at": null, "deleted_by": null, "version": 1,
        "schema_version": 1 });
    has(record, &untouched);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_all_that_a_key_needs() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "  plain " })).await;
    has(&key, &cleared());
    has(&key, &json!({ "name": "plain", "environment": "production", "kind": "service" }));
    let longest = "ü".repeat(200);
    assert_eq!(text(&world.create(&json!({ "name": longest })).await, "name"), longest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_of_seed_000_brings_its_own_secret() {
    let world = World::start().await;
    let keys = format!("/tenants/{}/api-keys", world.credentials.tenant_id);
    let secret = "k7Qp-zT3vW9xYb2LmNc5RfGh8JdS";
    let body = json!({ "name": "Main website", "source_id": "checkout-service", "trust_level": "internal", "secret": secret });
    let key = world.ask("POST", &keys, &body).await.expect(201);
    has(&key, &body);
    has(
        &key,
        &json!({ "kind": "ingest", "environment": "production", "prefix": "k7Qp-zT3", "last4": "8JdS" }),
    );
    let verified = world.verify(&json!({ "key": secret, "environment": "production" })).await;
    let told = json!({ "valid": true, "code": "allowed", "source_id": "checkout-service", "trust_level": "internal",
        "key_id": key["id"], "kind": "ingest" });
    has(&verified, &told);
    let path = format!("{keys}/{}", text(&key, "id"));
    let renamed = world.ask("PATCH", &path, &json!({ "name": "Shop", "trust_level": "external" })).await;
    has(&renamed.expect(200), &json!({ "name": "Shop", "trust_level": "external" }));
    let deleted = world.ask("DELETE", &path, &NOTHING).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_tells_what_the_key_is() {
    let world = World::start().await;
    let customer = world.customer("Globex").await;
    let mut body = settings(&customer);
    body["environment"] = json!("development");
    body["source_id"] = json!("crm\\\"west");
    let key = world.create(&body).await;
    let question = json!({ "key": key["secret"], "environment": "development", "ip": "2001:db8::1",
        "application_id": world.credentials.application_id, "permissions": { "any": ["no:no", "orders:write"] },
        "customer_id": customer });
    let verified = world.verify(&question).await;
    assert_eq!(text(&verified, "code"), "allowed");
    let told = [
        "tenant_id",
        "application_id",
        "customer_id",
        "environment",
        "kind",
        "source_id",
        "trust_level",
        "scopes",
        "metadata",
        "expires_at",
    ];
    for field in told {
        assert_eq!(verified[field], key[field], "{field}");
    }
    for (field, wrong, code) in [
        ("environment", json!("production"), "wrong_environment"),
        ("application_id", json!("app_01J00000000000000000000009"), "wrong_application"),
        ("ip", json!("203.0.113.8"), "ip_not_allowed"),
        ("ip", Value::Null, "ip_not_allowed"),
        ("customer_id", json!("cus_01J00000000000000000000002"), "wrong_customer"),
        ("permissions", json!(["orders:write", "customers:write"]), "permission_denied"),
        ("model", json!("gpt-5"), "model_not_allowed"),
    ] {
        let mut asked = question.clone();
        asked[field] = wrong;
        let refused = world.verify(&asked).await;
        assert_eq!((&refused["valid"], text(&refused, "code")), (&json!(false), code), "{field}");
        let missing = if code == "permission_denied" { json!("customers:write") } else { Value::Null };
        assert_eq!(refused["missing_permission"], missing);
    }
}

async fn last_use(world: &World, id: &str) -> Value {
    let path = format!("{}/{id}", world.keys());
    eventually("the last use of a key", async || {
        let key = world.read(&path).await;
        (!key["last_used_at"].is_null()).then_some(key)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_told_and_survives_a_stop() {
    let mut world = World::start().await;
    let used = world.create(&json!({ "name": "used" })).await;
    let key = as_key(text(&used, "secret"));
    let request = world.http.request("GET", &world.authz("production")).header("authorization", &key);
    let passed = world.http.send(request.header("x-forwarded-for", "203.0.113.9"), "").await;
    passed.expect(200);
    let shown = last_use(&world, text(&used, "id")).await;
    assert_eq!(shown["last_used_ip"], "203.0.113.9");
    assert!(text(&shown, "last_used_at") >= text(&shown, "created_at"));
    assert_eq!(shown["version"], 1, "a use is no change");

    let last = world.create(&json!({ "name": "used last" })).await;
    world.verify(&json!({ "key": last["secret"], "ip": "2001:db8::7" })).await;
    world.server.stop();
    world.start_again();
    let kept = world.change("GET", text(&last, "id"), "", &NOTHING).await.expect(200);
    assert_eq!(kept["last_used_ip"], "2001:db8::7");
}
