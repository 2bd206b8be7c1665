//! The routes of an application: written once, obeyed from the next request on.

use keystile_testkit::http::{Answer, NOTHING};
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

impl World {
    pub(crate) fn routing(&self) -> String {
        format!("{}/applications/{}/routing", self.tenant(), self.credentials.application_id)
    }

    pub(crate) async fn route(&self, routing: &Value) -> Value {
        self.ask("PUT", &self.routing(), routing).await.expect(200)
    }

    pub(crate) async fn key_with(&self, scopes: &[&str]) -> String {
        as_key(text(&self.create(&json!({ "name": "one", "scopes": scopes })).await, "secret"))
    }

    /// Asks as a gateway does that names nothing but the application, with these headers besides.
    async fn gateway(&self, query: &str, key: &str, headers: &[(&str, &str)]) -> Answer {
        let path = format!("/api/v1/authz/{}{query}", self.credentials.application_id);
        let request = self.http.request("GET", &path).header("authorization", key);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.http.send(request, "").await
    }
}

fn original<'a>(method: &'a str, uri: &'a str) -> [(&'a str, &'a str); 2] {
    [("x-forwarded-method", method), ("x-forwarded-uri", uri)]
}

fn says(answer: &Answer) -> (u16, String, String) {
    let said: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let part = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    (answer.status, part("code"), part("detail"))
}

fn shop() -> Value {
    json!({
        "hosts": [
            { "host": "api.example.com", "environment": "production" },
            { "host": "*.test.example.com", "environment": "staging" },
        ],
        "routes": [
            { "methods": ["GET"], "path": "/v1/customers/{id}", "permissions": ["customers:read"] },
            { "methods": ["PUT"], "path": "/v1/customers/{id}", "permissions": { "all": ["customers:read", "customers:write"] } },
            { "path": "/v1/orders/{*rest}", "permissions": { "any": ["orders:read", "orders:write"] } },
            { "path": "/health" },
            { "path": "/sandbox/{*rest}", "environment": "staging" },
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_asks_for_its_permissions_and_the_host_for_its_environment() {
    let world = World::start().await;
    world.route(&shop()).await;
    let reader = world.key_with(&["customers:read"]).await;
    let orders = world.key_with(&["orders:write"]).await;
    let staging = as_key(world.credentials.secret("staging"));
    let (live, test) = ("api.example.com", "a.test.example.com:8443");
    for (key, method, uri, host, status, part) in [
        (&reader, "GET", "/v1/customers/7?x=/health", live, 200, ""),
        (&reader, "GET", "/v1/customers/7/", live, 200, ""),
        (&reader, "GET", "/health", live, 200, ""),
        (&orders, "GET", "/v1/customers/7", live, 403, "`customers:read`"),
        (&reader, "PUT", "/v1/customers/7", live, 403, "`customers:write`"),
        (&reader, "DELETE", "/v1/customers/7", live, 403, "does not take this method"),
        (&reader, "get", "/v1/customers/7", live, 403, "does not take this method"),
        (&orders, "DELETE", "/v1/orders", live, 200, ""),
        (&orders, "GET", "/v1/orders/7/lines", live, 200, ""),
        (&reader, "GET", "/v1/orders/7", live, 403, "`orders:read`"),
        (&reader, "GET", "/v2", live, 403, "no route of this application"),
        (&reader, "GET", "/V1/customers/7", live, 403, "upper and lower case"),
        (&reader, "GET", "/health/../v1/customers/7", live, 403, "a dot"),
        (&reader, "GET", "/v1%2fcustomers/7", live, 403, "read differently"),
        (&reader, "GET", "/health;/", live, 403, "read differently"),
        (&reader, "GET", "health", live, 403, "does not begin with a slash"),
        (&reader, "GET", "/health", "other.example.com", 403, "no environment is known for this host"),
        (&reader, "GET", "/health", test, 401, "another environment"),
        (&reader, "GET", "/sandbox/a", live, 403, "another environment than the gateway guards"),
        (&staging, "GET", "/sandbox/a", test, 200, ""),
        (&staging, "GET", "/health", test, 200, ""),
    ] {
        let [method, uri] = original(method, uri);
        let answer = world.gateway("", key, &[method, uri, ("x-forwarded-host", host)]).await;
        let (told, _, detail) = says(&answer);
        assert_eq!(told, status, "{method:?} {uri:?} at {host}: {}", answer.text);
        assert!(detail.contains(part), "{method:?} {uri:?} at {host}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_asks_for_is_added_and_must_agree() {
    let world = World::start().await;
    world.route(&shop()).await;
    let one = world.key_with(&["orders:read"]).await;
    let both = world.key_with(&["orders:read", "extra:use"]).await;
    let staging = as_key(world.credentials.secret("staging"));
    let live = ("x-forwarded-host", "api.example.com");
    for (query, key, uri, more, status) in [
        ("?environment=production", &one, "/v1/orders", None, 200),
        ("?environment=production", &one, "/v1/orders", Some(live), 200),
        ("?permission=extra:use", &one, "/v1/orders", Some(live), 403),
        ("?permission=extra:use", &both, "/v1/orders", Some(live), 200),
        ("?permission=extra:use", &one, "/health", Some(live), 403),
        ("?environment=staging", &staging, "/v1/orders", Some(live), 403),
        ("?environment=staging", &staging, "/sandbox", None, 200),
        ("?environment=production", &one, "/sandbox", None, 403),
    ] {
        let [method, uri] = original("GET", uri);
        let headers: Vec<_> = [method, uri].into_iter().chain(more).collect();
        let answer = world.gateway(query, key, &headers).await;
        assert_eq!(answer.status, status, "{query} {headers:?}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_tell_another_request_than_its_gateway() {
    let world = World::start().await;
    world
        .route(&json!({ "routes": [{ "path": "/admin", "permissions": ["a:b"] }, { "path": "/open" }] }))
        .await;
    let key = world.key_with(&[]).await;
    let ask =
        async |headers: &[(&str, &str)]| says(&world.gateway("?environment=production", &key, headers).await);
    let [method, uri] = original("GET", "/open");
    assert_eq!(ask(&[method, uri]).await.0, 200);
    assert_eq!(ask(&[method, uri, ("x-original-uri", "/open"), ("x-original-method", "GET")]).await.0, 200);
    for forged in [("x-original-uri", "/admin"), ("x-forwarded-uri", "/admin"), ("x-original-method", "PUT")]
    {
        let (status, code, detail) = ask(&[method, uri, forged]).await;
        assert_eq!((status, code.as_str()), (403, "permission_denied"), "{forged:?}: {detail}");
        assert!(detail.contains("more than one"), "{forged:?}: {detail}");
    }
    for (headers, field) in
        [(&[method][..], "x-forwarded-uri"), (&[uri], "x-forwarded-method"), (&[], "x-forwarded-method")]
    {
        let answer = world.gateway("?environment=production", &key, headers).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(answer.text.contains(field), "{}", answer.text);
    }
    // Whoever has no good key learns nothing of the routes.
    let stranger = "ApiKey 9f8e7d6c5b4a39281706f5e4d3c2b1a0";
    let answer = world.gateway("?environment=production", stranger, &original("GET", "/nowhere")).await;
    assert_eq!(says(&answer).1, "key_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_request_obeys_a_new_routing() {
    let world = World::start().await;
    let key = world.key_with(&["orders:read"]).await;
    let request = original("GET", "/orders/7");
    let ask = async || world.gateway("?environment=production", &key, &request).await.status;
    assert_eq!(ask().await, 200, "without a routing any good key may pass");
    let route =
        |permission: &str| json!({ "routes": [{ "path": "/orders/{id}", "permissions": [permission] }] });
    for _ in 0..20 {
        world.route(&route("orders:write")).await;
        assert_eq!(ask().await, 403);
        world.route(&route("orders:read")).await;
        assert_eq!(ask().await, 200);
    }
    world.route(&json!({ "unmatched": "refuse" })).await;
    assert_eq!(ask().await, 403);
    world.route(&json!({})).await;
    assert_eq!(ask().await, 200);
    for routing in [json!({}), json!({ "routes": [{ "path": "/orders/7" }] })] {
        world.route(&routing).await;
        let untold = world.gateway("", &key, &request).await;
        assert_eq!((untold.status, untold.fields()), (400, vec!["environment"]), "{}", untold.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_a_route_counts_against_no_limit() {
    let world = World::start().await;
    world.route(&json!({ "routes": [{ "path": "/open" }] })).await;
    let key =
        json!({ "name": "two", "rate_limits": [{ "name": "day", "limit": 2, "window_seconds": 86_400 }] });
    let key = as_key(text(&world.create(&key).await, "secret"));
    let ask = async |uri| world.gateway("?environment=production", &key, &original("GET", uri)).await.status;
    for _ in 0..5 {
        assert_eq!(ask("/closed").await, 403);
    }
    assert_eq!((ask("/open").await, ask("/open").await, ask("/open").await), (200, 200, 429));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_routing_is_written_as_a_whole_and_told_in_the_log() {
    let world = World::start().await;
    let read = async || world.read(&world.routing()).await;
    let none = json!({ "hosts": [], "routes": [], "unmatched": "authenticate", "version": 1 });
    assert_eq!(read().await, none);
    let written = world.route(&shop()).await;
    assert_eq!((text(&written, "unmatched"), &written["version"]), ("refuse", &json!(2)));
    assert_eq!(written["routes"][0]["permissions"], json!({ "all": ["customers:read"] }));
    assert_eq!(read().await, written);
    let entry = world.read(&format!("{}/audit", world.tenant())).await["data"][0].clone();
    assert_eq!(
        (text(&entry, "action"), text(&entry, "target")),
        ("routing.update", &*world.credentials.application_id)
    );
    assert_eq!(entry["changes"]["unmatched"], json!({ "before": "authenticate", "after": "refuse" }));
    assert_eq!(entry["changes"]["routes"]["before"], json!([]));
    assert_eq!(entry["changes"]["routes"]["after"][0]["path"], "/v1/customers/{id}");

    assert_eq!(world.route(&written).await, written, "what was read can be written, and changes nothing");
    let stale = world.ask("PUT", &world.routing(), &json!({ "version": 1 })).await;
    assert_eq!(says(&stale).1, "version_conflict");
    let route = |path: &str| json!({ "path": path });
    for (body, field, part) in [
        (json!({ "routes": [route("/a/{x}"), route("/a/{y}")] }), "routes[1].path", "routes[0], `/a/{x}`"),
        (json!({ "routes": [route("/a"), route("a//b")] }), "routes[1].path", "must be a path"),
        (
            json!({ "routes": [{ "path": "/a", "methods": ["get"] }] }),
            "routes[0].methods[0]",
            "in upper case",
        ),
        (json!({ "routes": [{ "path": "/a", "methods": ["GET", "GET"] }] }), "routes[0].methods[1]", "twice"),
        (
            json!({ "routes": [{ "path": "/a", "permissions": ["a:*"] }] }),
            "routes[0].permissions[0]",
            "must be a permission",
        ),
        (
            json!({ "routes": [{ "path": "/a", "permissions": ["keystile.keys:issue"] }] }),
            "routes[0].permissions[0]",
            "Keystile's own",
        ),
        (
            json!({ "routes": [{ "path": "/a", "permissions": { "any": [] } }] }),
            "routes[0].permissions.any",
            "must not be empty",
        ),
        (
            json!({ "routes": [{ "path": "/a", "environment": "live" }] }),
            "routes[0].environment",
            "must be one of",
        ),
        (json!({ "routes": [{ "path": "/a", "colour": 1 }] }), "routes[0].colour", ""),
        (json!({ "routes": [{}] }), "routes[0]", "path"),
        (json!({ "routes": vec![route("/a"); 1001] }), "routes", "at most 1000"),
        (
            json!({ "hosts": [{ "host": "API:80", "environment": "staging" }] }),
            "hosts[0].host",
            "must be a host",
        ),
        (json!({ "unmatched": "allow" }), "unmatched", "must be one of"),
    ] {
        let answer = world.ask("PUT", &world.routing(), &body).await;
        let told: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(answer.status, 400, "{body}: {told}");
        let first = &told["errors"][0];
        assert!(text(first, "field").starts_with(field), "{field}: {told}");
        assert!(first.to_string().contains(part), "{part}: {told}");
    }
    assert_eq!(read().await, written, "nothing was half done");
    let nowhere =
        world.routing().replace(&world.credentials.application_id, "app_01J00000000000000000000001");
    assert_eq!(world.ask("PUT", &nowhere, &shop()).await.status, 404);
    assert_eq!(world.ask("GET", &nowhere, &NOTHING).await.status, 404);
}
