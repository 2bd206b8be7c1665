//! The listener for Envoy, asked without Envoy: what Envoy does not send, or not by itself.

use std::io::{Read, Write};
use std::net::TcpStream;

use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::postgres::{Durability, Postgres};
use keystile_testkit::server::{Plan, Server};
use keystile_testkit::wait::{DEADLINE, eventually};
use serde_json::json;

use crate::exposition::Page;
use crate::world::{KEYSTILE, World, as_key, text};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

fn plan() -> Plan {
    Plan::dev(KEYSTILE).flag("--grpc-listen", "127.0.0.1:0")
}

/// A field of a message of protocol buffers that has a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut length = content.len();
    let mut written = vec![number << 3 | 2];
    while length > 0x7f {
        written.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    written.push(u8::try_from(length).unwrap());
    [&written, content].concat()
}

fn entry(number: u8, (name, value): (&str, &str)) -> Vec<u8> {
    field(number, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
}

/// What Envoy sends for `GET /` of a client at `source`.
struct Check<'a> {
    settings: &'a [(&'a str, &'a str)],
    headers: &'a [(&'a str, &'a str)],
    source: &'a str,
    /// With `encode_raw_headers`.
    raw: bool,
}

impl Check<'_> {
    fn message(&self) -> Vec<u8> {
        let headers: Vec<u8> = if self.raw {
            let line = |(name, value): &(&str, &str)| {
                field(1, &[field(1, name.as_bytes()), field(3, value.as_bytes())].concat())
            };
            field(13, &self.headers.iter().flat_map(line).collect::<Vec<_>>())
        } else {
            self.headers.iter().flat_map(|header| entry(3, *header)).collect()
        };
        let http = [field(2, b"GET"), headers, field(4, b"/"), field(5, b"api.example.com")].concat();
        let source = field(1, &field(1, &field(1, &field(2, self.source.as_bytes()))));
        let settings = self.settings.iter().flat_map(|setting| entry(10, *setting)).collect();
        field(1, &[source, field(4, &field(2, &http)), settings].concat())
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    [&[0], &u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

async fn call(server: &Server, path: &str, kind: &str, body: Vec<u8>) -> Answer {
    let http = Http::http2(&server.envoy_address());
    http.send(http.request("POST", path).header("content-type", kind), body).await
}

/// The answer to a check, which is text as long as all of its parts are short.
async fn check(server: &Server, check: &Check<'_>) -> String {
    ask(server, frame(&check.message())).await
}

async fn ask(server: &Server, body: Vec<u8>) -> String {
    let http = Http::http2(&server.envoy_address());
    let request = http.request("POST", CHECK).header("content-type", "application/grpc");
    String::from_utf8_lossy(&http.bytes(request, body).await).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_understood_in_both_forms() {
    let world = World::of(plan().start()).await;
    let application = ("application_id", world.credentials.application_id.as_str());
    let good = as_key(world.credentials.secret("production"));
    for raw in [false, true] {
        let settings = [application, ("environment", "production")];
        let headers = [(":path", "/"), ("authorization", good.as_str()), ("x-keystile-foo", "forged")];
        let source = "203.0.113.9";
        let answer =
            check(&world.server, &Check { settings: &settings, headers: &headers, source, raw }).await;
        assert!(answer.contains(&world.credentials.keys["production"].id), "{answer}");
        assert!(
            answer.contains("x-keystile-foo") && !answer.contains("forged"),
            "it is to be removed: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_lets_nothing_pass_and_is_named() {
    let world = World::of(plan().start()).await;
    let application = ("application_id", world.credentials.application_id.as_str());
    let good = world.key_with(&["orders:read"]).await;
    let headers = [("authorization", good.as_str())];
    let production = ("environment", "production");
    for (settings, told) in [
        (&[production][..], "application_id: is required"),
        (&[("application_id", "nonsense"), production], "there is no such application"),
        (&[application], "environment: is required"),
        (&[application, ("environment", "nowhere")], "environment: "),
        (&[application, production, ("permission", "no:such:thing!")], "permission: "),
        (&[application, production, ("permision", "orders:read")], "permision: is not a parameter here"),
        (&[application, production, ("permission", "orders:read orders:write")], "permission `orders:write`"),
    ] {
        let asked = Check { settings, headers: &headers, source: "203.0.113.9", raw: false };
        let answer = check(&world.server, &asked).await;
        assert!(answer.contains("urn:keystile:problem:") && answer.contains(told), "{settings:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_whom_a_trusted_envoy_names() {
    for (proxies, allowed, source, passes) in [
        ("127.0.0.0/8", "203.0.113.9", "203.0.113.9", true),
        ("127.0.0.0/8", "203.0.113.9", "192.0.2.1", false),
        ("127.0.0.0/8", "127.0.0.1", "", false),
        ("198.51.100.1", "203.0.113.9", "203.0.113.9", false),
    ] {
        let world = World::of(plan().flag("--trusted-proxies", proxies).start()).await;
        let key = world.create(&json!({ "name": "bound", "allowed_ips": [allowed] })).await;
        let credential = as_key(text(&key, "secret"));
        let application = ("application_id", world.credentials.application_id.as_str());
        // The header is the client's own: nobody trusted stands before it.
        let headers = [("authorization", credential.as_str()), ("x-forwarded-for", "203.0.113.9")];
        let settings = [application, ("environment", "production")];
        let asked = Check { settings: &settings, headers: &headers, source, raw: false };
        let answer = check(&world.server, &asked).await;
        assert_eq!(answer.contains(text(&key, "id")), passes, "{proxies} {allowed} {source}: {answer}");
        assert_eq!(answer.contains("ip_not_allowed"), !passes, "{proxies} {allowed} {source}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_unknown_passes_while_the_database_is_away() {
    let mut postgres = Postgres::start(Durability::Off).unwrap();
    let plan = plan().own_database().flag("--database-url", postgres.url());
    let plan = plan.flag("--operations-listen", "127.0.0.1:0").flag("--log", "info");
    let world = World::of(plan.start()).await;
    let application = ("application_id", world.credentials.application_id.as_str());
    let good = as_key(world.credentials.secret("production"));
    let headers = [("authorization", good.as_str())];
    let settings = [application, ("environment", "production")];
    let asked = Check { settings: &settings, headers: &headers, source: "203.0.113.9", raw: false };
    postgres.kill();
    let answer = check(&world.server, &asked).await;
    assert!(answer.contains(r#""status":503,"code":"enforcement_unavailable""#), "{answer}");
    let log = world.server.process().stderr();
    let line = log.lines().find(|line| line.contains(CHECK) && line.contains("status=503"));
    assert!(line.is_some_and(|line| line.contains("request_id=")), "{log}");
    let page = world.server.operations().json("GET", "/metrics", "", &NOTHING).await;
    let counted = format!("{{route=\"{CHECK}\",method=\"POST\",status=\"5xx\"}}");
    assert_eq!(Page::parse(&page.text).value(&format!("keystile_http_requests_total{counted}")), 1.0);
    postgres.start_again();
    let passes = async || check(&world.server, &asked).await.contains("x-keystile-key-id").then_some(());
    eventually("the database to be back", passes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_and_no_error_of_grpc() {
    let server = plan().start();
    let compressed = b"\x01\0\0\0\0".to_vec();
    let huge = frame(&vec![0; 512 * 1024]);
    for (body, code) in [
        (Vec::new(), "invalid_request"),
        (compressed, "invalid_request"),
        (frame(b"\x0a\x7f"), "invalid_request"),
        (frame(b""), "invalid_request"),
        (huge, "body_too_large"),
    ] {
        let answer = ask(&server, body).await;
        assert!(answer.contains(&format!("urn:keystile:problem:{code}")), "{code}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_served_there() {
    let server = plan().start();
    let health = call(&server, "/grpc.health.v1.Health/Check", "application/grpc", frame(b"")).await;
    assert_eq!((health.status, health.header("grpc-status")), (200, "12"), "{health:?}");
    assert_eq!(call(&server, "/healthz", "application/json", Vec::new()).await.status, 415);
    let mut old = TcpStream::connect(server.envoy_address()).unwrap();
    old.set_read_timeout(Some(DEADLINE)).unwrap();
    old.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _reset = old.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"), "{answer:?}");
    let api = Http::new(server.address());
    assert_eq!(api.send(api.request("POST", CHECK), Vec::new()).await.status, 404, "nor this elsewhere");
}

#[test]
fn whoever_sends_nothing_is_cut_off() {
    let server = plan().flag("--head-timeout-seconds", "1").start();
    let mut silent = TcpStream::connect(server.envoy_address()).unwrap();
    silent.set_read_timeout(Some(DEADLINE)).unwrap();
    // What comes before is the greeting of HTTP/2 and its farewell.
    silent.read_to_end(&mut Vec::new()).unwrap();
}
