//! The example for nginx, in the real nginx.

use keystile_core::permission::{MAX_COUNT, MAX_LENGTH};
use keystile_testkit::gateway::Program;
use keystile_testkit::http::NOTHING;
use serde_json::json;

use crate::guarded::{self, Example, Guarded, Way};
use crate::world::{as_key, text};

const EXAMPLE: Example = Example {
    program: Program::Nginx,
    config: include_str!("../../../../examples/nginx/nginx.conf"),
    before_port: ":",
    way: Way::Http,
    two_keys: 400,
    away: 500,
    files: &[],
};

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_reaches_the_api_as_who_it_is_and_nobody_else() {
    guarded::passes_a_good_key_as_who_it_is(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_as_many_scopes_as_can_be_passes() {
    let guarded = Guarded::start(EXAMPLE).await;
    let scope = |index: usize| format!("orders:{index:0>121}");
    let scopes: Vec<_> = (0..MAX_COUNT).map(scope).collect();
    assert_eq!(scopes[0].len(), MAX_LENGTH);
    let key = guarded.world.create(&json!({ "name": "much", "scopes": scopes })).await;
    let answer = guarded.ask(&[("authorization", &as_key(text(&key, "secret")))]).await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.text, guarded.gateway.log());
    assert_eq!(answer.json["headers"]["x-keystile-scopes"], scopes.join(" "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_reaches_the_api_and_not_keystile() {
    guarded::passes_a_body_on(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_does_not_reach_the_api() {
    guarded::refuses_bad_keys(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_too_many_lines_is_refused_as_such() {
    let guarded = Guarded::start(EXAMPLE).await;
    let names: Vec<_> = (0..120).map(|index| format!("x-filler-{index}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    guarded.is_refused("a head of many lines", &many, 431).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_and_is_told() {
    guarded::tells_of_limits(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_reaches_the_api_while_keystile_is_away() {
    guarded::lets_nothing_pass_while_keystile_is_away(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_keystile_is_for_nginx_alone() {
    let guarded = Guarded::start(EXAMPLE).await;
    let good = as_key(guarded.world.credentials.secret("production"));
    assert_eq!(guarded.http.json("GET", "/keystile", &good, &NOTHING).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_nothing_but_the_url() {
    guarded::needs_nothing_but_the_url(EXAMPLE).await;
}
