//! The first start without an owner writes a link, and whoever has it makes the installation theirs.

use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::server::{Plan, Server};
use serde_json::{Value, json};

use crate::seat::Seat;
use crate::world::{KEYSTILE, World, sign_in, text};

const SETUP: &str = "/api/v1/setup";
const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct-otter-lamp-41-river";

/// What stands behind the `#` of the link that this start wrote.
pub(crate) fn token(server: &Server) -> String {
    let written = server.process().stdout();
    let link = written.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let (page, token) = link.split_once('#').unwrap();
    assert_eq!(page, format!("http://{}/console/setup", server.address()));
    token.to_owned()
}

async fn set_up(http: &Http, token: &str, email: &str) -> Answer {
    http.json("POST", SETUP, "", &json!({ "token": token, "email": email, "password": PASSWORD })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_link_of_the_first_start_makes_the_owner_once() {
    let mut server = Plan::serve(KEYSTILE).start();
    let (http, token) = (server.http(), token(&server));
    let body = json!({ "token": token, "email": EMAIL, "password": PASSWORD, "tenant_name": "Acme" });
    let made = http.json("POST", SETUP, "", &body).await.expect(201);
    let owner = sign_in(&http, EMAIL, PASSWORD).await;
    let tenants = http.json("GET", "/api/v1/tenants", &owner, &NOTHING).await.expect(200);
    let tenant = &tenants["data"][0];
    assert_eq!((text(tenant, "id"), text(tenant, "name")), (text(&made, "tenant_id"), "Acme"));
    let me = http.json("GET", "/api/v1/auth/me", &owner, &NOTHING).await.expect(200);
    assert_eq!(me["id"], made["person_id"]);
    let keys = format!("/api/v1/tenants/{}/api-keys", text(tenant, "id"));
    let key = http.json("POST", &keys, &owner, &json!({ "name": "first" })).await.expect(201);
    assert_eq!(key["application_id"], made["application_id"]);

    set_up(&http, &token, "bob@example.com").await.expect_problem(410, "set_up_already");
    let log = server.process().stderr();
    assert!(log.contains("nobody can sign in yet") && !log.contains(&token), "{log}");
    server.restart();
    assert!(!server.process().stdout().contains("/console/setup"), "nobody is waited for any more");
    set_up(&server.http(), &token, "bob@example.com").await.expect_problem(410, "set_up_already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_until_the_server_stops() {
    let mut server = Plan::serve(KEYSTILE).start();
    let earlier = token(&server);
    server.restart();
    let later = token(&server);
    assert_ne!(earlier, later);
    for wrong in [earlier.as_str(), "", "kssetup_"] {
        set_up(&server.http(), wrong, EMAIL).await.expect_problem(401, "setup_token_invalid");
    }
    set_up(&server.http(), &later, EMAIL).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_links_are_followed_by_a_pause_that_the_right_one_does_not_wait_for() {
    let server = Plan::serve(KEYSTILE).start();
    let (http, right, wrong) = (server.http(), token(&server), "kssetup_0");
    for _ in 0..10 {
        set_up(&http, wrong, EMAIL).await.expect_problem(401, "setup_token_invalid");
    }
    let paused = set_up(&http, wrong, EMAIL).await;
    paused.expect_problem(429, "setup_paused");
    let seconds: u64 = paused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert!(!paused.text.contains(wrong), "{}", paused.text);
    let fields = [("token", wrong), ("email", EMAIL), ("password", PASSWORD), ("tenant_name", "Acme")];
    let page = Seat::empty(&http, server.address()).send("/console/setup", &fields).await;
    assert!(page.status == 422 && page.text.contains("Too many wrong links were tried"), "{}", page.text);
    assert!(page.text.contains(&format!("value=\"{EMAIL}\"")) && !page.text.contains(wrong), "{}", page.text);
    set_up(&http, &right, EMAIL).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_have_the_link_one_is_the_first() {
    let server = Plan::serve(KEYSTILE).start();
    let token = token(&server);
    let attempts = (0..8).map(|number| {
        let (http, token) = (server.http(), token.clone());
        tokio::spawn(async move { set_up(&http, &token, &format!("person-{number}@example.com")).await })
    });
    let (mut made, mut late) = (0, 0);
    for attempt in attempts.collect::<Vec<_>>() {
        let answer = attempt.await.unwrap();
        if answer.status == 201 {
            made += 1;
        } else {
            answer.expect_problem(410, "set_up_already");
            late += 1;
        }
    }
    assert_eq!((made, late), (1, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_sets_nothing_up_and_leaves_the_link() {
    let server = Plan::serve(KEYSTILE).start();
    let (http, token) = (server.http(), token(&server));
    let with = |member: &str, value: Value| {
        let mut body = json!({ "token": token, "email": EMAIL, "password": PASSWORD });
        body[member] = value;
        body
    };
    for (member, value) in [
        ("email", json!("nowhere")),
        ("email", json!(7)),
        ("password", json!("password1234")),
        ("password", json!("short")),
        ("tenant_name", json!("")),
        ("token", NOTHING),
        ("role", json!("owner")),
    ] {
        let refused = http.json("POST", SETUP, "", &with(member, value)).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), [member]);
        assert!(!refused.text.contains(&token) && !refused.text.contains(PASSWORD), "{}", refused.text);
    }
    http.json("GET", SETUP, "", &NOTHING).await.expect_problem(405, "method_not_allowed");
    http.json("POST", SETUP, "", &with("tenant_name", NOTHING)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_an_owner_is_not_set_up() {
    let world = World::start().await;
    set_up(&world.http, "kssetup_", EMAIL).await.expect_problem(410, "set_up_already");
}
