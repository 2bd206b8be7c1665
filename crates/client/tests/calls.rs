//! What goes over the wire, and what becomes of the answers, against a server of canned answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use keystile_client::{Client, ClientError, Credential, MAX_ANSWER};
use keystile_core::{Environment, KeyId, Secret, TenantId};
use keystile_wire::{
    BatchAnswer, IntrospectRequest, KeyListQuery, Patch, PatchKey, RevokeKey, VerifyBatch, VerifyRequest,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const TENANT: &str = "ten_01HF7YAT000000000000000001";
const KEY: &str = "key_01HF7YAT000000000000000002";

/// A server that gives one answer and then tells the request it got.
struct Canned {
    url: String,
    request: JoinHandle<String>,
}

impl Canned {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = answer.into();
        let request = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            // A client that has seen enough hangs up.
            let _ = stream.write_all(&answer).await;
            request
        });
        Self { url, request }
    }

    fn client(&self) -> Client {
        Client::new(&self.url, &Credential::of(Secret::new("open-sesame"))).unwrap()
    }

    async fn request(self) -> String {
        self.request.await.unwrap()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")
                    .map(|n| n.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the request broke off: {text}");
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

fn key() -> KeyId {
    KEY.parse().unwrap()
}

#[tokio::test]
async fn signing_in_sends_the_password_once_and_the_token_afterwards() {
    let body = format!(
        r#"{{"access_token":"eyJh.eyJz.c2ln","token_type":"Bearer","expires_in":3600,"tenant_id":"{TENANT}"}}"#
    );
    let server = Canned::answering(http("200 OK", &body)).await;
    let (client, answer) =
        Client::sign_in(&server.url, "ada@example.com", Secret::new("sesame"), Some(tenant())).await.unwrap();
    assert_eq!(answer.tenant_id, Some(tenant()));
    assert!(!format!("{client:?} {answer:?}").contains("eyJ"));
    let request = server.request().await;
    assert!(request.starts_with("POST /api/v1/auth/token HTTP/1.1\r\n"), "{request}");
    assert!(!request.contains("authorization"), "{request}");
    assert!(
        request.ends_with(&format!(
            r#"{{"email":"ada@example.com","password":"sesame","tenant_id":"{TENANT}"}}"#
        )),
        "{request}"
    );
}

#[tokio::test]
async fn filters_stand_in_the_query_and_the_credential_in_its_header() {
    let server = Canned::answering(http("200 OK", r#"{"data":[],"next_cursor":null}"#)).await;
    let query = KeyListQuery {
        limit: Some(7),
        environment: Some(Environment::Staging),
        q: Some("a & b".into()),
        ..KeyListQuery::default()
    };
    let page = server.client().keys(tenant(), &query).await.unwrap();
    assert!(page.data.is_empty());
    let request = server.request().await;
    let line =
        format!("GET /api/v1/tenants/{TENANT}/api-keys?limit=7&environment=staging&q=a+%26+b HTTP/1.1");
    assert_eq!(request.lines().next(), Some(line.as_str()));
    assert!(request.contains("authorization: ApiKey open-sesame\r\n"), "{request}");
}

#[tokio::test]
async fn a_refused_key_is_an_answer() {
    let server = Canned::answering(http("200 OK", r#"{"valid":false,"code":"key_revoked"}"#)).await;
    let request = VerifyRequest {
        key: Secret::new("sk_x"),
        environment: None,
        application_id: None,
        permissions: None,
        customer_id: None,
        ip: None,
        model: None,
        cost: None,
        estimate: None,
        explain: false,
    };
    let answer = server.client().verify(&request).await.unwrap();
    assert!(!answer.valid);
    assert_eq!(answer.code.as_str(), "key_revoked");
    assert!(server.request().await.ends_with(r#"{"key":"sk_x"}"#));
}

#[tokio::test]
async fn a_batch_tells_answers_from_questions_that_break_rules() {
    let body = r#"{"answers":[{"valid":true,"code":"allowed"},{"valid":false,"code":"key_revoked"},
        {"valid":false,"code":"invalid_request","detail":"cost: must be less","errors":[{"field":"requests[2].cost","message":"must be less"}]}]}"#;
    let server = Canned::answering(http("200 OK", body)).await;
    let answers = server.client().verify_batch(&VerifyBatch { requests: Vec::new() }).await.unwrap();
    let [allowed, revoked, BatchAnswer::Broken(broken)] = answers.as_slice() else { panic!("{answers:?}") };
    assert!(allowed.is_allowed() && !revoked.is_allowed());
    assert_eq!(broken.errors[0].field, "requests[2].cost");
    assert!(server.request().await.ends_with(r#"{"requests":[]}"#));
}

#[tokio::test]
async fn a_token_travels_in_a_form_and_never_in_the_address() {
    let server = Canned::answering(http("200 OK", r#"{"active":false}"#)).await;
    let token = || Secret::new("s& t");
    let request = IntrospectRequest {
        token: token(),
        token_type_hint: None,
        environment: None,
        application_id: None,
        customer_id: None,
        ip: None,
        scope: Some("a:read b:read".to_owned()),
    };
    assert!(!server.client().introspect(&request).await.unwrap().active);
    let sent = server.request().await;
    assert!(sent.starts_with("POST /oauth2/introspect HTTP/1.1"), "{sent}");
    assert!(sent.contains("content-type: application/x-www-form-urlencoded\r\n"), "{sent}");
    assert!(sent.ends_with("token=s%26+t&scope=a%3Aread+b%3Aread"), "{sent}");
    assert!(!format!("{request:?}").contains("s& t"));
}

#[tokio::test]
async fn a_problem_keeps_its_code() {
    let body = r#"{"type":"urn:keystile:problem:not_found","title":"Not found","status":404,"code":"not_found","detail":"there is no such API key","request_id":"r1"}"#;
    let server = Canned::answering(http("404 Not Found", body)).await;
    let refused = server.client().revoke_key(tenant(), key(), &RevokeKey::default()).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Problem(problem) if problem.code == "not_found"), "{refused}");
    let request = server.request().await;
    assert!(
        request.starts_with(&format!("POST /api/v1/tenants/{TENANT}/api-keys/{KEY}/revoke ")),
        "{request}"
    );
}

#[tokio::test]
async fn a_patch_says_null_for_what_it_clears_and_nothing_of_the_rest() {
    let server = Canned::answering(http("404 Not Found", "{}")).await;
    let patch = PatchKey {
        expires_at: Patch::Clear,
        rpm_limit: Patch::Write(5),
        version: Some(3),
        ..PatchKey::default()
    };
    server.client().patch_key(tenant(), key(), &patch).await.unwrap_err();
    let request = server.request().await;
    assert!(request.starts_with(&format!("PATCH /api/v1/tenants/{TENANT}/api-keys/{KEY} ")), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, serde_json::json!({ "expires_at": null, "rpm_limit": 5, "version": 3 }));
}

#[tokio::test]
async fn deleting_expects_no_body() {
    let server = Canned::answering("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
    server.client().delete_key(tenant(), key()).await.unwrap();
    assert!(server.request().await.starts_with("DELETE "));
}

#[tokio::test]
async fn a_redirect_carries_the_credential_nowhere() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = elsewhere.local_addr().unwrap();
    let redirect =
        format!("HTTP/1.1 307 Elsewhere\r\nlocation: http://{location}/\r\ncontent-length: 0\r\n\r\n");
    let server = Canned::answering(redirect).await;
    let refused = server.client().tenants().await.unwrap_err();
    assert!(refused.to_string().contains("redirects are not followed"), "{refused}");
    // Nobody has connected: the next connection is this test's own.
    let own = TcpStream::connect(location).await.unwrap();
    let (_, first) = elsewhere.accept().await.unwrap();
    assert_eq!(first, own.local_addr().unwrap());
}

#[tokio::test]
async fn an_answer_of_something_else_is_told_as_such_and_not_quoted() {
    for (status, body) in [
        ("502 Bad Gateway", "<html>open-sesame"),
        ("200 OK", r#"{"data":"open-sesame"}"#),
        ("200 OK", "open-sesame"),
    ] {
        let server = Canned::answering(http(status, body)).await;
        let refused = server.client().tenants().await.unwrap_err();
        assert!(matches!(refused, ClientError::Unexpected { .. }), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("sesame"), "{refused:?}");
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_bound() {
    let length = MAX_ANSWER + 1;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + length, b' ');
    let server = Canned::answering(answer).await;
    let refused = server.client().tenants().await.unwrap_err();
    assert!(refused.to_string().contains("longer than any answer"), "{refused}");
}

#[tokio::test]
async fn nobody_there_and_no_answer_are_different_things() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let nobody = Client::new(&url, &Credential::of(Secret::new("open-sesame"))).unwrap();
    assert!(matches!(nobody.tenants().await, Err(ClientError::Unreachable { url: at, .. }) if at == url));
    let silent = Canned::answering("").await;
    assert!(matches!(silent.client().tenants().await, Err(ClientError::Interrupted { .. })));
}
