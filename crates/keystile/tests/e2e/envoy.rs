//! The examples for Envoy, in the real Envoy: each fact once for HTTP and once for gRPC.

use keystile_testkit::gateway::Program;
use keystile_testkit::http::NOTHING;
use serde_json::json;

use crate::guarded::{self, Example, Guarded, Way};
use crate::world::{as_key, text};

const HTTP: Example = Example {
    program: Program::Envoy,
    config: include_str!("../../../../examples/envoy/envoy-http.yaml"),
    before_port: "port_value: ",
    way: Way::Http,
    two_keys: 400,
    away: 503,
    files: &[],
};

const GRPC: Example =
    Example { config: include_str!("../../../../examples/envoy/envoy-grpc.yaml"), way: Way::Grpc, ..HTTP };

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_reaches_the_api_as_who_it_is_and_nobody_else() {
    guarded::passes_a_good_key_as_who_it_is(HTTP).await;
    guarded::passes_a_good_key_as_who_it_is(GRPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_reaches_the_api_and_not_keystile() {
    guarded::passes_a_body_on(HTTP).await;
    guarded::passes_a_body_on(GRPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_does_not_reach_the_api() {
    guarded::refuses_bad_keys(HTTP).await;
    guarded::refuses_bad_keys(GRPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_and_is_told() {
    guarded::tells_of_limits(HTTP).await;
    guarded::tells_of_limits(GRPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_demands_its_permission() {
    guarded::demands_the_permission_of_a_path(HTTP).await;
    guarded::demands_the_permission_of_a_path(GRPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_reaches_the_api_while_keystile_is_away() {
    guarded::lets_nothing_pass_while_keystile_is_away(HTTP).await;
    guarded::lets_nothing_pass_while_keystile_is_away(GRPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_nothing_but_the_url() {
    guarded::needs_nothing_but_the_url(HTTP).await;
    guarded::needs_nothing_but_the_url(GRPC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_that_a_client_invents_about_itself_reaches_the_api() {
    for example in [HTTP, GRPC] {
        let guarded = Guarded::start(example).await;
        let key = as_key(guarded.world.credentials.secret("production"));
        for name in ["x-keystile-admin", "keystile", "X_KEYSTILE_KEY_ID", "x-my-keystile-key-id"] {
            let seen = guarded.ask(&[("authorization", &key), (name, "forged")]).await.expect(200);
            assert!(!seen.to_string().contains("forged"), "{name}: {seen}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_as_keystile_tells_it() {
    for example in [HTTP, GRPC] {
        let guarded = Guarded::start(example).await;
        let key = as_key(guarded.world.credentials.secret("staging"));
        let refused = guarded
            .is_refused("a staging key", &[("authorization", &key), ("x-request-id", "trace-7")], 401)
            .await;
        refused.expect_problem(401, "wrong_environment");
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert_eq!(refused.header("cache-control"), "no-store");
        assert!(refused.header("www-authenticate").contains("invalid_token"));
        let id = refused.header("x-request-id");
        assert_eq!(refused.json["request_id"], id, "the one that is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_in_the_request_after_revoke_answered() {
    for example in [HTTP, GRPC] {
        let guarded = Guarded::start(example).await;
        for _ in 0..20 {
            let key = guarded.world.create(&json!({ "name": "leaked" })).await;
            let credential = as_key(text(&key, "secret"));
            guarded.ask(&[("authorization", &credential)]).await.expect(200);
            guarded.world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await.expect(200);
            let refused = guarded.is_refused("a revoked key", &[("authorization", &credential)], 401).await;
            refused.expect_problem(401, "key_revoked");
        }
    }
}
