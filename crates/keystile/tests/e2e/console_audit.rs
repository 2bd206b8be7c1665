//! The audit log and the playground in the console.

use keystile_core::audit::check::Checker;
use keystile_testkit::http::NOTHING;
use serde_json::json;

use crate::console::Browser;
use crate::world::{World, text};

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_told_in_sentences_with_the_names_of_things() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "Checkout <service>", "rpm_limit": 5 })).await;
    world.change("PATCH", text(&key, "id"), "", &json!({ "rpm_limit": 6 })).await.expect(200);
    world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await.expect(200);
    let viewer = Browser::of_member(&world, "viewer").await;
    let of_key = viewer.page(&format!("audit?target={}", text(&key, "id"))).await;
    let email = &world.credentials.email;
    for done in ["revoked the key", "changed the key", "created the key"] {
        assert!(
            of_key.contains(&format!(
                "<strong>{email}</strong> {done} <strong>Checkout &#60;service&#62;</strong>"
            )),
            "{done}"
        );
    }
    assert!(of_key.contains("rpm_limit") && of_key.contains("On Checkout &#60;service&#62;"));
    let revoked =
        viewer.page(&format!("audit?target={}&action=key.revoke&from=&to=", text(&key, "id"))).await;
    assert!(revoked.contains("revoked the key") && !revoked.contains("changed the key"));
    assert!(viewer.page("audit?to=2020-01-01").await.contains("Nothing like that was done"));
    assert!(viewer.page("audit?from=2020-01-01").await.contains("signed in"));
    let first = viewer.page("audit?limit=2").await;
    assert!(first.contains("Older entries"));
    for wrong in [
        "audit?from=yesterday",
        "audit?action=key.invent",
        "audit?from=2026-01-02&to=2026-01-01",
        "audit?limit=201",
    ] {
        assert_eq!(viewer.open(wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_verified_and_a_noted_head_with_it() {
    let world = World::start().await;
    let browser = Browser::of_member(&world, "viewer").await;
    let proof = world.read(&format!("{}/audit/proof", world.tenant())).await;
    let head = format!("{}:{}", proof["seq"], text(&proof, "hash"));
    assert!(browser.page("audit/check").await.contains(&head));
    let good = browser.submit("audit/check", &[("head", &head)]).await;
    assert!(
        good.status == 200
            && good.text.contains("as they were written")
            && good.text.contains("that you noted")
    );
    assert!(browser.submit("audit/check", &[]).await.text.contains("None was changed"));
    let false_head = format!("{}:{}", proof["seq"], "0".repeat(64));
    let bad = browser.submit("audit/check", &[("head", &false_head)]).await;
    assert!(
        bad.status == 200 && bad.text.contains("has another hash than the head that was noted"),
        "{}",
        bad.text
    );
    let unread = browser.submit("audit/check", &[("head", "nonsense")]).await;
    assert!(unread.status == 422 && unread.text.contains("head-wrong"));
    assert_eq!(browser.submit_without_token("audit/check", &[]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_exported_by_the_session() {
    let world = World::start().await;
    let browser = Browser::of_member(&world, "viewer").await;
    let export = browser.open("audit/export").await;
    assert_eq!((export.status, export.header("content-type")), (200, "application/x-ndjson"));
    assert!(export.header("content-disposition").starts_with("attachment; filename=\"keystile-audit-"));
    let mut checker = Checker::new(None);
    checker.feed(export.text.as_bytes()).unwrap();
    assert!(checker.finish().unwrap().count > 0);
    assert_eq!(browser.open("audit/export?from_seq=100000").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playground_shows_every_call_and_lends_a_token_that_ends_with_the_session() {
    let world = World::start().await;
    let browser = Browser::of_member(&world, "viewer").await;
    let overview = browser.page("playground").await;
    assert!(overview.contains("/playground/create_key") && overview.contains("/playground/integration"));
    let resource = browser.page("playground/integration").await;
    for shown in
        ["IntegrationApiKey", "/api/v1/integration/api-keys", "rotated_from_key_id", "frontend | backend"]
    {
        assert!(resource.contains(shown), "{shown}");
    }
    let call = browser.page("playground/revoke_key").await;
    assert!(
        call.contains("data-dangerous")
            && call.contains(&format!("value=\"{}\"", world.credentials.tenant_id))
    );
    assert_eq!(browser.open("playground/invented").await.status, 404);
    assert_eq!(
        browser.open("/playground").await.header("location"),
        format!("/console/{}/playground", world.credentials.tenant_id)
    );

    assert_eq!(browser.submit_without_token("playground/token", &[]).await.status, 403);
    assert_eq!(browser.submit_from_elsewhere("playground/token", &[]).await.status, 403);
    let lent = browser.submit_for_secret("playground/token", &[]).await;
    assert_eq!(lent.header("cache-control"), "no-store");
    assert!(lent.json.get("refresh_token").is_none_or(serde_json::Value::is_null));
    let token = format!("Bearer {}", text(&lent.json, "access_token"));
    let read = async |path: &str| world.http.json("GET", path, &token, &NOTHING).await;
    assert_eq!(text(&read("/api/v1/auth/me").await.expect(200), "email"), "viewer@example.com");
    // It gives no more than the person has.
    let made = world.http.json("POST", &world.keys(), &token, &json!({ "name": "X" })).await;
    made.expect_problem(403, "forbidden");
    browser.submit("/console/sign-out", &[]).await;
    read("/api/v1/auth/me").await.expect_problem(401, "session_ended");
}
