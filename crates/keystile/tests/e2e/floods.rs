//! Many clients at once do not take more than there is.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use keystile_testkit::http::raw;
use keystile_testkit::server::Plan;
use keystile_testkit::wait::until;
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{KEYSTILE, World, sign_in};

const LARGE: usize = 700_000;

/// A good request that is `LARGE` bytes long, for the most part spaces.
fn large(world: &World) -> String {
    let body = format!("{{\"name\": \"large\"{}}}", " ".repeat(LARGE));
    format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        world.keys(),
        world.owner,
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_take_no_more_memory_than_there_is_for_them() {
    let world = World::of(Plan::dev(KEYSTILE).flag("--body-memory-mib", "1").start()).await;
    let request = large(&world);
    let send = || raw(world.server.address(), request.as_bytes()).unwrap();
    assert!(send().starts_with("HTTP/1.1 201 "), "one alone fits");
    let mut unfinished = TcpStream::connect(world.server.address()).unwrap();
    unfinished.write_all(&request.as_bytes()[..LARGE]).unwrap();
    let refused = until("no room", || Some(send()).filter(|answer| !answer.starts_with("HTTP/1.1 201 ")));
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains(r#""code":"busy""#), "{refused}");
    assert!(refused.contains("retry-after: 1"), "{refused}");
    world.create(&json!({ "name": "small" })).await;
    drop(unfinished);
    until("room again", || send().starts_with("HTTP/1.1 201 ").then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_the_api_is_sent_to_those_who_do_not_have_it() {
    let world = World::start().await;
    let ask = async |known: &str| {
        let request = world.http.request("GET", "/openapi.json").header("if-none-match", known);
        world.http.send(request, "").await
    };
    let sent = ask("\"other\"").await;
    assert_eq!((sent.status, sent.header("content-type")), (200, "application/json"));
    assert_eq!(sent.json["info"]["title"], "Keystile");
    let again = ask(sent.header("etag")).await;
    assert_eq!((again.status, again.text.len(), again.header("etag")), (304, 0, sent.header("etag")));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_known_yet_cannot_send_much() {
    let world = World::start().await;
    for path in ["auth/token", "auth/token/refresh", "auth/password/reset", "auth/invitations/accept"] {
        let path = format!("/api/v1/{path}");
        let send = async |length: usize| {
            let body = json!({ "no_such_field": "x".repeat(length) });
            world.http.json("POST", &path, "", &body).await
        };
        let long = send(64 * 1024).await;
        long.expect_problem(413, "body_too_large");
        assert!(long.text.contains("65536"), "{}", long.text);
        send(60 * 1024).await.expect_problem(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_secrets_are_brought_others_are_served() {
    let world = World::start().await;
    let mut creations = JoinSet::new();
    for number in 0..8 {
        let (http, path, owner) = (world.http.clone(), world.keys(), world.owner.clone());
        // Every sign here may stand for letters, and there is no end of ways to read them.
        let secret = "4@8({[<369&1!|70$5+%2".repeat(23) + &format!("{number}-c41f8a07d93be6525af0917d");
        let body = json!({ "name": "brought", "secret": secret });
        creations.spawn(async move { http.json("POST", &path, &owner, &body).await.status });
    }
    let question = json!({ "key": world.credentials.secret("production") });
    let asked = async || tokio::time::timeout(Duration::from_secs(2), world.verify(&question)).await;
    while !creations.is_empty() {
        assert_eq!(asked().await.expect("an answer while secrets are judged")["code"], "allowed");
        while let Some(created) = creations.try_join_next() {
            assert_eq!(created.unwrap(), 201);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_sent_away_and_others_are_served() {
    let world = World::start().await;
    let mut attempts = JoinSet::new();
    for _ in 0..300 {
        let http = world.http.clone();
        let body = json!({ "email": "nobody@example.com", "password": "wrong-otter-41-lamp" });
        attempts.spawn(async move { http.json("POST", "/api/v1/auth/token", "", &body).await });
    }
    let staging = json!({ "key": world.credentials.secret("staging"), "environment": "staging" });
    let verified = world.verify(&staging).await;
    let answers = attempts.join_all().await;
    assert_eq!(verified["code"], "allowed");
    let (busy, wrong): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 503);
    for answer in &busy {
        answer.expect_problem(503, "busy");
        assert_eq!(answer.header("retry-after"), "1");
    }
    for answer in &wrong {
        answer.expect_problem(401, "wrong_credentials");
    }
    assert!(!busy.is_empty() && wrong.len() >= 64, "{} sent away, {} tried", busy.len(), wrong.len());
    sign_in(&world.http, &world.credentials.email, &world.credentials.password).await;
}
