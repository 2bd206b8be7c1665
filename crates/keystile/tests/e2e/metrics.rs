//! What operators read on a listener of its own.

use keystile_testkit::http::{Http, NOTHING};
use keystile_testkit::server::Plan;
use serde_json::json;

use crate::exposition::Page;
use crate::world::{KEYSTILE, World, as_key, text};

async fn watched() -> (World, Http) {
    let plan = Plan::dev(KEYSTILE).flag("--operations-listen", "127.0.0.1:0").flag("--log", "info");
    let world = World::of(plan.start()).await;
    let operations = world.server.operations();
    (world, operations)
}

async fn page(operations: &Http) -> Page {
    let answer = operations.json("GET", "/metrics", "", &NOTHING).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    Page::parse(&answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_counted_as_they_were_made() {
    let (world, operations) = watched().await;
    let good = world.credentials.secret("production").to_owned();
    let revoked = world.create(&json!({ "name": "revoked" })).await;
    world.change("POST", text(&revoked, "id"), "/revoke", &NOTHING).await.expect(200);
    let before = page(&operations).await;
    for _ in 0..7 {
        assert_eq!(world.verify(&json!({ "key": good })).await["code"], "allowed");
    }
    for _ in 0..3 {
        assert_eq!(world.verify(&json!({ "key": text(&revoked, "secret") })).await["code"], "key_revoked");
    }
    assert_eq!(world.verify(&json!({ "key": "sk_ks_live_mistyped" })).await["code"], "key_malformed");
    for (credential, status) in
        [(as_key(&good), 200), (as_key(text(&revoked, "secret")), 401), (String::new(), 401)]
    {
        let answer = world.http.json("GET", &world.authz("production"), &credential, &NOTHING).await;
        assert_eq!(answer.status, status);
    }
    let refused = world
        .http
        .json("POST", "/api/v1/keys/verify", "ApiKey sk_ks_live_mistyped", &json!({ "key": "x" }))
        .await;
    assert_eq!(refused.status, 401);
    let after = page(&operations).await;
    let more = |sample: &str| (after.value(sample) - before.value(sample)).to_string();
    for (face, code, count) in [
        ("verify", "allowed", "7"),
        ("verify", "key_revoked", "3"),
        ("verify", "key_malformed", "1"),
        ("verify", "key_not_found", "0"),
        ("authz", "allowed", "1"),
        ("authz", "key_revoked", "1"),
        ("authz", "key_missing", "1"),
        ("caller", "allowed", "11"),
        ("caller", "key_malformed", "1"),
    ] {
        let sample = format!("keystile_decisions_total{{face=\"{face}\",code=\"{code}\"}}");
        assert_eq!(more(&sample), count, "{sample}");
    }
    for (route, method, status, count) in [
        ("/api/v1/keys/verify", "POST", "2xx", "11"),
        ("/api/v1/keys/verify", "POST", "4xx", "1"),
        ("/api/v1/authz/{application_id}", "GET", "2xx", "1"),
        ("/api/v1/authz/{application_id}", "GET", "4xx", "2"),
    ] {
        let labels = format!("{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}");
        assert_eq!(more(&format!("keystile_http_requests_total{labels}")), count, "{labels}");
    }
    assert!(after.sum("keystile_decision_duration_seconds_count") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_counted_alike_wherever_they_call() {
    let (world, operations) = watched().await;
    let (good, revoked) = (world.asker(), world.create(&json!({ "name": "revoked" })).await);
    world.change("POST", text(&revoked, "id"), "/revoke", &NOTHING).await.expect(200);
    let revoked = as_key(text(&revoked, "secret"));
    for path in ["/api/v1/whoami", "/api/v1/keys/verify-batch", "/oauth2/introspect", "/api/v1/keys/verify"] {
        let before = page(&operations).await;
        for (first, second, expected) in
            [("", "", 401), (&*good, "sk_ks_live_other", 400), (&*revoked, "", 401), (&*good, "", 200)]
        {
            let method = if path.ends_with("whoami") { "GET" } else { "POST" };
            let (content_type, body) = match path {
                "/api/v1/keys/verify-batch" => ("application/json", r#"{"requests":[]}"#),
                "/oauth2/introspect" => ("application/x-www-form-urlencoded", "token=x"),
                _ => ("application/json", r#"{"key":"x"}"#),
            };
            let mut request = world.http.request(method, path).header("content-type", content_type);
            for (name, value) in [("authorization", first), ("x-api-key", second)] {
                if !value.is_empty() {
                    request = request.header(name, value);
                }
            }
            assert_eq!(world.http.send(request, body).await.status, expected, "{path}");
        }
        let after = page(&operations).await;
        for code in ["key_missing", "ambiguous_credentials", "key_revoked", "allowed"] {
            let sample = format!("keystile_decisions_total{{face=\"caller\",code=\"{code}\"}}");
            assert_eq!((after.value(&sample) - before.value(&sample)).to_string(), "1", "{path} {sample}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_never_by_path() {
    let (world, operations) = watched().await;
    let made = world.create(&json!({ "name": "shown" })).await;
    let id = text(&made, "id");
    for _ in 0..3 {
        world.read(&format!("{}/{id}", world.keys())).await;
    }
    for path in ["/nowhere/c41f8a07d93be6525af0917d", "/metrics"] {
        world.http.json("GET", path, "", &NOTHING).await.expect_problem(404, "not_found");
    }
    world.http.json("DELETE", "/healthz", "", &NOTHING).await.expect_problem(405, "method_not_allowed");
    let brewed = world.http.request("BREW", "/coffee");
    assert_eq!(world.http.send(brewed, "").await.status, 404);
    let log = world.server.process().stderr();
    assert!(log.contains("method=_OTHER ") && !log.contains("BREW"), "{log}");
    let page = page(&operations).await;
    for (route, method, status, count) in [
        ("/api/v1/tenants/{tenant_id}/api-keys/{api_key_id}", "GET", "2xx", 3),
        ("/api/v1/tenants/{tenant_id}/api-keys", "POST", "2xx", 1),
        ("unmatched", "GET", "4xx", 2),
        ("unmatched", "_OTHER", "4xx", 1),
    ] {
        let sample = format!(
            "keystile_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}"
        );
        assert_eq!(page.value(&sample), f64::from(count), "{sample}");
    }
    let shown = "keystile_http_request_duration_seconds_count{route=\"/api/v1/tenants/{tenant_id}/api-keys/{api_key_id}\"";
    assert_eq!(page.sum(shown), 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_by_what_became_of_them() {
    let (world, operations) = watched().await;
    let made = world.create(&json!({ "name": "shop", "source_id": "shop" })).await;
    let key = as_key(text(&made, "secret"));
    let event =
        json!({ "type": "a", "entity": { "type": "order", "id": "7" }, "id": "1", "data": { "n": 1 } });
    let mut other = event.clone();
    other["data"]["n"] = json!(2);
    let mut old = event.clone();
    (old["id"], old["occurred_at"]) = (json!("2"), json!("2001-01-01T00:00:00Z"));
    let sent = json!([event, event, other, old, 7]);
    world.http.json("POST", "/api/v1/events", &key, &sent).await.expect(202);
    let page = page(&operations).await;
    for (sample, count) in [
        ("keystile_events_accepted_total", 1.0),
        ("keystile_events_repeated_total", 1.0),
        ("keystile_events_refused_total{reason=\"invalid\"}", 1.0),
        ("keystile_events_refused_total{reason=\"event_id_reused\"}", 1.0),
        ("keystile_events_refused_total{reason=\"too_old\"}", 1.0),
        ("keystile_event_requests_total", 1.0),
        ("keystile_event_bytes_total", 28.0),
        ("keystile_event_commit_duration_seconds_count", 1.0),
        ("keystile_event_requests_waiting", 0.0),
    ] {
        assert_eq!(page.value(sample).to_string(), count.to_string(), "{sample}");
    }
    assert_eq!(page.sum("keystile_events_not_kept_total"), 0.0);
    assert!(page.value("keystile_event_requests_waiting_limit") > 100.0);
    assert!(page.value("keystile_event_memory_limit_bytes") > 1e6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_of_everything_that_is_bounded() {
    let (world, operations) = watched().await;
    world.create(&json!({ "name": "written" })).await;
    let page = page(&operations).await;
    for (sample, at_least) in [
        ("keystile_build_info", 1.0),
        ("keystile_connections_open{listener=\"api\"}", 1.0),
        ("keystile_connections_limit{listener=\"api\"}", 100.0),
        ("keystile_connections_accepted_total{listener=\"operations\"}", 1.0),
        ("keystile_body_memory_limit_bytes", 1024.0),
        ("keystile_password_hashes_limit", 1.0),
        ("keystile_revocation_journal_writable", 1.0),
        ("keystile_store_transaction_duration_seconds_count{kind=\"write\"}", 1.0),
        ("keystile_store_transaction_duration_seconds_count{kind=\"read\"}", 1.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_open_fds", 5.0),
        ("process_start_time_seconds", 1.7e9),
    ] {
        assert!(page.sum(sample) >= at_least, "{sample}: {}", page.sum(sample));
    }
    assert!(page.value("keystile_audit_unsealed_seconds") < 60.0);
    for well in ["keystile_store_adrift", "keystile_changes_in_doubt", "keystile_usage_flush_failures_total"]
    {
        assert_eq!(page.value(well), 0.0, "{well}");
    }
    let documented = include_str!("../../../../docs/operations.md");
    for name in page.names() {
        assert!(documented.contains(&format!("`{name}`")), "docs/operations.md lacks {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_serves_its_own_only() {
    let (world, operations) = watched().await;
    for path in ["/healthz", "/readyz"] {
        for http in [&operations, &world.http] {
            assert_eq!(http.json("GET", path, "", &NOTHING).await.status, 200, "{path}");
        }
    }
    world.ask("GET", "/metrics", &NOTHING).await.expect_problem(404, "not_found");
    let question = json!({ "key": world.credentials.secret("production") });
    for (method, path, body) in [
        ("POST", "/api/v1/keys/verify", &question),
        ("GET", world.authz("production").as_str(), &NOTHING),
        ("GET", world.keys().as_str(), &NOTHING),
        ("POST", "/api/v1/auth/token", &question),
        ("GET", "/openapi.json", &NOTHING),
    ] {
        operations.json(method, path, &world.asker(), body).await.expect_problem(404, "not_found");
    }
    operations.json("POST", "/metrics", "", &NOTHING).await.expect_problem(405, "method_not_allowed");
}
