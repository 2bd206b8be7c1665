//! When nobody can tell whether a key is good, nothing passes.

use std::time::Duration;

use http_body_util::BodyExt;
use keystile_bearer::{Refused, RequestIds, render};
use keystile_client::{Client, Credential};
use keystile_core::{ApplicationId, Code, Environment, Secret, Timestamp};
use keystile_guard::{Guard, Remote};
use keystile_testkit::http::Answer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::world::{World, noticed, through};

const FOREIGN: &str = "a-foreign-secret-of-another-system";

/// What forward authentication says when it cannot tell.
async fn unavailable() -> Answer {
    let request_id = RequestIds::new(1).of(&http::HeaderMap::new(), &[]);
    let response = render(&Refused::from(Code::EnforcementUnavailable).problem(&request_id));
    let (parts, body) = response.map(http_body_util::Full::<bytes::Bytes>::from).into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text, json }
}

#[tokio::test]
async fn after_the_end_of_the_authority_nothing_passes() {
    let world = World::start(None).await;
    let (_, secret) = world.key(&json!({})).await;
    let headers = [("x-api-key", secret.as_str())];
    let (remote, in_process) = (world.guard(world.remote.clone()), world.guard(world.in_process.clone()));
    assert_eq!(through(&remote, &headers).await.status, 200);
    assert_eq!(through(&in_process, &headers).await.status, 200);
    world.stop().await;
    for answer in [through(&remote, &headers).await, through(&in_process, &headers).await] {
        answer.expect_problem(503, "enforcement_unavailable");
        assert_eq!(noticed(&answer), noticed(&unavailable().await));
        assert_eq!(answer.header("retry-after"), "1");
    }
}

/// A guard that asks somebody who answers each connection with this text, or, without one, never.
async fn asking_somebody_who_says(text: Option<&'static str>) -> Guard<Remote> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some(text) = text else {
                silent.push(stream);
                continue;
            };
            let mut request = [0; 4_096];
            let _read = stream.read(&mut request).await.unwrap();
            let length = text.len();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
        }
    });
    let client = Client::new(&format!("http://{address}"), &Credential::Key(Secret::new("sk_a"))).unwrap();
    let application_id = ApplicationId::from_parts(Timestamp::from_millis(0), 1);
    Guard::new(
        Remote::new(client).within(Duration::from_millis(200)).at_once(1),
        application_id,
        Environment::Production,
    )
}

#[tokio::test]
async fn what_is_not_answered_or_makes_no_sense_does_not_pass() {
    for said in [
        None,
        Some(""),
        Some("yes"),
        Some("{}"),
        Some(r#"{"valid":true}"#),
        Some(r#"{"valid":true,"code":"allowed"}"#),
        Some(r#"{"valid":false,"code":"allowed"}"#),
    ] {
        let guard = asking_somebody_who_says(said).await;
        let answer = through(&guard, &[("x-api-key", FOREIGN)]).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (503, &json!("enforcement_unavailable")),
            "{said:?}"
        );
    }
    let contradiction = asking_somebody_who_says(Some(r#"{"valid":true,"code":"key_revoked"}"#)).await;
    through(&contradiction, &[("x-api-key", FOREIGN)]).await.expect_problem(401, "key_revoked");
}

#[tokio::test]
async fn more_questions_than_may_be_on_their_way_wait_only_so_long() {
    let client = |guard: Guard<Remote>| async move { through(&guard, &[("x-api-key", FOREIGN)]).await };
    let guard = asking_somebody_who_says(None).await;
    let (first, second) = tokio::join!(client(guard.clone()), client(guard));
    first.expect_problem(503, "enforcement_unavailable");
    second.expect_problem(503, "enforcement_unavailable");
}
