//! Spans of requests, sent to a collector.

use keystile_testkit::collector::{Collector, Span};
use keystile_testkit::http::NOTHING;
use keystile_testkit::server::Plan;
use keystile_testkit::wait::until;
use serde_json::json;

use crate::world::{KEYSTILE, World, verify};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00f067aa0ba902b7";

async fn traced(endpoint: &str, ratio: &str) -> World {
    let plan = Plan::dev(KEYSTILE).flag("--otlp-endpoint", endpoint).flag("--trace-ratio", ratio);
    World::of(plan.start()).await
}

async fn call(world: &World, (method, path): (&str, &str), credential: &str, lines: &[(&str, &str)]) -> u16 {
    let mut request = world.http.request(method, path).header("authorization", credential);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    world.http.send(request, "").await.status
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_caller_traces_it_is_sent_with_its_ids() {
    let collector = Collector::start();
    let world = traced(&collector.endpoint(), "0").await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let unsampled = format!("00-{OTHER}-{PARENT}-00");
    let (keys, authz) = (world.keys(), world.authz("production"));
    let ids = [
        ("traceparent", parent.as_str()),
        ("tracestate", "vendor=whatever-a-client-sends"),
        ("x-request-id", "followed-7"),
    ];
    assert_eq!(call(&world, ("GET", &keys), &world.owner, &ids).await, 200);
    assert_eq!(call(&world, ("GET", &authz), &world.asker(), &ids).await, 200);
    for line in [unsampled.as_str(), "00-x-y-01", ""] {
        assert_eq!(call(&world, ("GET", &keys), &world.owner, &[("traceparent", line)]).await, 200);
    }
    world.read(&keys).await;
    let spans = until("the spans", || {
        let spans = collector.spans();
        let of_requests = spans.iter().filter(|span| span.name.starts_with("GET "));
        (of_requests.count() >= 2).then_some(spans)
    });
    for (route, tenant) in [
        ("/api/v1/tenants/{tenant_id}/api-keys", Some(&world.credentials.tenant_id)),
        ("/api/v1/authz/{application_id}", None),
    ] {
        let found = named(&spans, &format!("GET {route}"));
        let [span] = found[..] else { panic!("{route}: {spans:#?}") };
        assert_eq!((span.trace_id.as_str(), span.parent_id.as_str()), (TRACE, PARENT));
        for (name, value) in [
            ("keystile.request_id", "followed-7"),
            ("http.request.method", "GET"),
            ("http.route", route),
            ("http.response.status_code", "200"),
            ("service.name", "keystile"),
        ] {
            assert_eq!(span.attributes.get(name).map(String::as_str), Some(value), "{span:#?}");
        }
        assert_eq!(span.attributes.get("keystile.tenant_id"), tenant, "{span:#?}");
    }
    let request = named(&spans, "GET /api/v1/tenants/{tenant_id}/api-keys")[0];
    let reads = named(&spans, "store read");
    assert!(!reads.is_empty() && reads.iter().all(|read| read.trace_id == TRACE), "{spans:#?}");
    let [listed] = named(&spans, "keys")[..] else { panic!("{spans:#?}") };
    assert_eq!(listed.parent_id, request.span_id);
    assert!(reads.iter().any(|read| read.parent_id == listed.span_id), "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace_id == TRACE), "nobody traces the others: {spans:#?}");
    assert!(spans.iter().all(|span| span.state.is_empty()), "a client's words were sent: {spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_sends_what_waits_and_changes_are_within_their_request() {
    let collector = Collector::start();
    let mut world = traced(&collector.endpoint(), "1").await;
    world.create(&json!({ "name": "made" })).await;
    world.verify(&json!({ "key": world.credentials.secret("production") })).await;
    world.server.stop();
    let spans = collector.spans();
    let made = named(&spans, "POST /api/v1/tenants/{tenant_id}/api-keys");
    let [made] = made[..] else { panic!("{spans:#?}") };
    assert!(made.attributes["keystile.request_id"].starts_with("req_"), "{made:#?}");
    assert_eq!(made.parent_id, "");
    let [used] = named(&spans, "create_key")[..] else { panic!("{spans:#?}") };
    assert_eq!((&used.trace_id, &used.parent_id), (&made.trace_id, &made.span_id));
    let writes = named(&spans, "store write");
    assert!(writes.iter().any(|write| write.parent_id == used.span_id), "{spans:#?}");
    assert_eq!(named(&spans, "POST /api/v1/keys/verify").len(), 1, "{spans:#?}");
    for secret in [world.credentials.secret("production"), &world.credentials.password] {
        assert!(!format!("{spans:?}").contains(secret), "a secret was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_nobodys_trouble() {
    // Nothing listens on a port that was free a moment ago.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = traced(&format!("http://{gone}"), "1").await;
    let question = json!({ "key": world.credentials.secret("production") });
    for _ in 0..2_000 {
        assert_eq!(verify(&world.http, &world.asker(), &question).await["code"], "allowed");
    }
    world.http.json("GET", "/readyz", "", &NOTHING).await.expect(200);
    world.server.stop();
}

#[test]
fn settings_of_traces_are_checked_at_the_start() {
    for (flag, value, rule) in [
        ("--otlp-endpoint", "collector:4318", "must be an address such as http://127.0.0.1:4318"),
        ("--otlp-endpoint", "http://me:Zq7kTr0w@collector:4318", "must hold no user and password"),
        ("--trace-ratio", "2", "must be a number from 0 to 1"),
    ] {
        let plan = Plan::dev(KEYSTILE).own_database().flag(flag, value);
        let mut process = plan.run("refused");
        assert!(!process.wait().success());
        let said = process.stderr();
        assert!(said.contains(rule) && !said.contains("Zq7kTr0w"), "{said}");
    }
}
