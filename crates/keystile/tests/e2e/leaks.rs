//! Keys that leaked, as their tenant sees them: rules for scanners, look-ups, and what is done.

use keystile_core::Digest;
use keystile_testkit::http::NOTHING;
use serde_json::{Value, json};

use crate::isolation::Two;
use crate::world::{World, as_key, text};

fn digest(secret: &str) -> String {
    Digest::of(secret.as_bytes()).to_hex()
}

impl World {
    /// What secrets open, by what the owner is told.
    async fn look_up(&self, secrets: &[&str]) -> Vec<Value> {
        let digests: Vec<_> = secrets.iter().map(|secret| digest(secret)).collect();
        let path = format!("{}/leaks/lookup", self.tenant());
        let answer = self.ask("POST", &path, &json!({ "digests": digests })).await.expect(200);
        let told = answer["secrets"].as_array().unwrap().clone();
        assert!(told.iter().map(|one| text(one, "digest")).eq(digests.iter().map(String::as_str)));
        told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_secret_opens_is_told_by_its_digest() {
    let world = World::start().await;
    let mut made = Vec::new();
    for (what, body, state) in [
        ("", NOTHING, "live"),
        ("/revoke", NOTHING, "revoked"),
        ("/block", json!({ "reason": "abuse" }), "blocked"),
        ("/disable", NOTHING, "disabled"),
        ("/regenerate", NOTHING, "replaced"),
    ] {
        let key = world.create(&json!({ "name": state, "environment": "staging" })).await;
        if !what.is_empty() {
            world.change("POST", text(&key, "id"), what, &body).await.expect(200);
        }
        made.push((key, state));
    }
    let deleted = world.create(&json!({ "name": "deleted" })).await;
    world.change("DELETE", text(&deleted, "id"), "", &NOTHING).await.expect(204);
    let mut secrets: Vec<_> = made.iter().map(|(key, _)| text(key, "secret")).collect();
    secrets.extend([text(&deleted, "secret"), "sk_ks_live_nobody's"]);
    let told = world.look_up(&secrets).await;
    for ((key, state), told) in made.iter().zip(&told) {
        assert_eq!((&told["key_id"], text(told, "state")), (&key["id"], *state));
        if *state == "replaced" {
            assert_eq!((&told["environment"], &told["application_id"]), (&NOTHING, &NOTHING));
        } else {
            assert_eq!(
                (&told["environment"], &told["application_id"]),
                (&json!("staging"), &key["application_id"])
            );
        }
    }
    assert_eq!((text(&told[5], "state"), &told[5]["key_id"]), ("revoked", &deleted["id"]));
    assert_eq!((text(&told[6], "state"), &told[6]["key_id"]), ("unknown", &NOTHING));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_another_tenant_are_unknown() {
    let two = Two::start().await;
    let told = two.a.look_up(&[text(&two.key, "secret")]).await;
    assert_eq!(
        told[0],
        json!({ "digest": digest(text(&two.key, "secret")), "state": "unknown",
        "key_id": null, "application_id": null, "environment": null })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_breaks_a_rule_is_refused_by_the_name_of_the_field() {
    let world = World::start().await;
    let path = format!("{}/leaks/lookup", world.tenant());
    let many = vec![digest("a"); 1_001];
    for (body, field) in [
        (json!({}), "digests"),
        (json!({ "digests": many }), "digests"),
        (json!({ "digests": [digest("a"), "sk_ks_live_secret"] }), "digests[1]"),
        (json!({ "digests": [], "keys": [] }), "keys"),
    ] {
        let refused = world.ask("POST", &path, &body).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), [field], "{}", refused.text);
        assert!(!refused.text.contains("sk_ks_live_secret"));
    }
    for (query, field) in [("limit=0", "limit"), ("key_id=key_1", "key_id"), ("cursor=1", "cursor")] {
        let refused = world.ask("GET", &format!("{}/leaks?{query}", world.tenant()), &NOTHING).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_for_scanners_are_those_of_the_tenants_label() {
    let world = World::start().await;
    world.ask("PATCH", &world.tenant(), &json!({ "key_label": "acme" })).await.expect(200);
    let path = format!("{}/scan-rules", world.tenant());
    let regex = r"sk_acme_(?:live|stage|dev)_[0-9A-Za-z]{49}\b";
    for (query, part) in [
        ("", "[[rules]]"),
        ("?format=gitleaks", "[[rules]]"),
        ("?format=detect-secrets", "class KeystileDetector"),
        ("?format=regex", "sk_acme_"),
    ] {
        let rules = world.ask("GET", &format!("{path}{query}"), &NOTHING).await;
        assert_eq!((rules.status, rules.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert!(rules.text.contains(part) && rules.text.contains(regex), "{}", rules.text);
    }
    let refused = world.ask("GET", &format!("{path}?format=trufflehog"), &NOTHING).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["format"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_says_what_becomes_of_leaked_keys() {
    let world = World::start().await;
    assert_eq!(world.read(&world.tenant()).await["on_leak"], "notify");
    let set = async |wanted: Value| world.ask("PATCH", &world.tenant(), &json!({ "on_leak": wanted })).await;
    assert_eq!(set(json!("revoke")).await.expect(200)["on_leak"], "revoke");
    assert_eq!(set(NOTHING).await.expect(200)["on_leak"], "notify", "null brings the default back");
    let refused = set(json!("delete")).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["on_leak"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_verify_looks_secrets_up_and_one_that_reads_the_log_sees_reports() {
    let world = World::start().await;
    let with = async |scope: &str| {
        let key = world.create(&json!({ "name": scope, "scopes": [scope] })).await;
        as_key(text(&key, "secret"))
    };
    let (verifier, auditor) = (with("keystile.keys:verify").await, with("keystile.audit:read").await);
    let (look_up, list) = (format!("{}/leaks/lookup", world.tenant()), format!("{}/leaks", world.tenant()));
    let body = json!({ "digests": [digest("a")] });
    for (credential, looks_up) in [(&verifier, true), (&auditor, false)] {
        let looked = world.http.json("POST", &look_up, credential, &body).await;
        let listed = world.http.json("GET", &list, credential, &NOTHING).await;
        let (admitted, refused) = if looks_up { (looked, listed) } else { (listed, looked) };
        admitted.expect(200);
        refused.expect_problem(403, "forbidden");
    }
}
