//! The example for Caddy, in the real Caddy.

use keystile_testkit::gateway::Program;

use crate::guarded::{self, Example, Way};

const EXAMPLE: Example = Example {
    program: Program::Caddy,
    config: include_str!("../../../../examples/caddy/Caddyfile"),
    before_port: ":",
    way: Way::Http,
    two_keys: 400,
    away: 502,
    files: &[],
};

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_reaches_the_api_as_who_it_is_and_nobody_else() {
    guarded::passes_a_good_key_as_who_it_is(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_reaches_the_api_and_not_keystile() {
    guarded::passes_a_body_on(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_and_is_told() {
    guarded::tells_of_limits(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_does_not_reach_the_api() {
    guarded::refuses_bad_keys(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_reaches_the_api_while_keystile_is_away() {
    guarded::lets_nothing_pass_while_keystile_is_away(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_demands_its_permission() {
    guarded::demands_the_permission_of_a_path(EXAMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_nothing_but_the_url() {
    guarded::needs_nothing_but_the_url(EXAMPLE).await;
}
