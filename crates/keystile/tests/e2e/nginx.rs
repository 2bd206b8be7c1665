//! The example for nginx, in the real nginx.

use keystile_core::permission::{MAX_COUNT, MAX_LENGTH};
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::nginx::Nginx;
use keystile_testkit::upstream::Upstream;
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

const EXAMPLE: &str = include_str!("../../../../examples/nginx/nginx.conf");
/// Every header that tells who somebody is.
const IDENTITY: [&str; 8] = [
    "x-keystile-key-id",
    "x-keystile-tenant-id",
    "x-keystile-application-id",
    "x-keystile-customer-id",
    "x-keystile-environment",
    "x-keystile-source-id",
    "x-keystile-trust-level",
    "x-keystile-scopes",
];

/// Keystile, nginx in front of an API, and the API.
struct Guarded {
    world: World,
    nginx: Nginx,
    http: Http,
    upstream: Upstream,
}

impl Guarded {
    async fn start() -> Self {
        let (world, upstream) = (World::start().await, Upstream::start());
        let replaced = [
            ("APPLICATION_ID", world.credentials.application_id.clone()),
            ("127.0.0.1:7878", world.server.address().to_owned()),
            ("127.0.0.1:9000", format!("127.0.0.1:{}", upstream.port())),
        ];
        let nginx = Nginx::start(|port| {
            let listen = ("127.0.0.1:8080", format!("127.0.0.1:{port}"));
            replaced.iter().chain([&listen]).fold(EXAMPLE.to_owned(), |config, (example, ours)| {
                assert!(config.contains(example), "the example has no {example} any more");
                config.replace(example, ours)
            })
        });
        let http = Http::new(nginx.address());
        Self { world, nginx, http, upstream }
    }

    /// Sends a request that claims to be somebody else, with a credential.
    async fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        let forged = IDENTITY.iter().map(|name| (*name, "forged"));
        let tricks = [("X-KEYSTILE-CUSTOMER-ID", "forged"), ("X_Keystile_Customer_Id", "forged")];
        let all = forged.chain(tricks).chain(headers.iter().copied());
        let request = self.http.request("GET", "/orders?page=2");
        let request = all.fold(request, |request, (name, value)| request.header(name, value));
        self.http.send(request, "").await
    }

    async fn is_refused(&self, what: &str, headers: &[(&str, &str)], status: u16) {
        let before = self.upstream.requests();
        let answer = self.ask(headers).await;
        assert_eq!(answer.status, status, "{what}: {}\n{}", answer.text, self.nginx.log());
        assert_eq!(self.upstream.requests(), before, "{what} reached the API");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_reaches_the_api_as_who_it_is_and_nobody_else() {
    let guarded = Guarded::start().await;
    let customer = guarded.world.customer("Globex").await;
    let full = json!({ "name": "full", "customer_id": customer, "source_id": "checkout-service",
        "trust_level": "trusted", "scopes": ["orders:*", "customers:read"] });
    let bare = json!({ "name": "bare" });
    for (body, customer, source, trust, scopes) in [
        (full, json!(customer), json!("checkout-service"), "trusted", json!("customers:read orders:*")),
        (bare, Value::Null, Value::Null, "external", Value::Null),
    ] {
        let key = guarded.world.create(&body).await;
        let secret = text(&key, "secret");
        for credential in [
            ("authorization", as_key(secret)),
            ("authorization", format!("Bearer {secret}")),
            ("x-api-key", secret.to_owned()),
        ] {
            let seen = guarded.ask(&[(credential.0, &credential.1)]).await.expect(200);
            let headers = &seen["headers"];
            assert_eq!(text(&seen, "request"), "GET /orders?page=2 HTTP/1.1");
            let identity = IDENTITY.map(|name| headers[name].clone());
            let expected = [
                key["id"].clone(),
                key["tenant_id"].clone(),
                key["application_id"].clone(),
                customer.clone(),
                json!("production"),
                source.clone(),
                json!(trust),
                scopes.clone(),
            ];
            assert_eq!(identity, expected);
            assert!(!seen.to_string().contains("forged"), "{seen}");
            assert!(!seen.to_string().contains(secret), "the API does not need the key: {seen}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_as_many_scopes_as_can_be_passes() {
    let guarded = Guarded::start().await;
    let scope = |index: usize| format!("orders:{index:0>121}");
    let scopes: Vec<_> = (0..MAX_COUNT).map(scope).collect();
    assert_eq!(scopes[0].len(), MAX_LENGTH);
    let key = guarded.world.create(&json!({ "name": "much", "scopes": scopes })).await;
    let answer = guarded.ask(&[("authorization", &as_key(text(&key, "secret")))]).await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.text, guarded.nginx.log());
    assert_eq!(answer.json["headers"]["x-keystile-scopes"], scopes.join(" "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_reaches_the_api_and_not_keystile() {
    let guarded = Guarded::start().await;
    let key = as_key(guarded.world.credentials.secret("production"));
    let seen = guarded.http.json("POST", "/orders", &key, &json!({ "order": 1 })).await.expect(200);
    assert_eq!(
        (text(&seen, "request"), text(&seen["headers"], "content-length")),
        ("POST /orders HTTP/1.1", "11")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_does_not_reach_the_api() {
    let guarded = Guarded::start().await;
    let world = &guarded.world;
    let made = async |more: Value| {
        let mut body = json!({ "name": "bad" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let key = world.create(&body).await;
        (text(&key, "id").to_owned(), as_key(text(&key, "secret")))
    };
    let changed = async |what: &str, body: Value| {
        let (id, key) = made(json!({})).await;
        world.change("POST", &id, what, &body).await.expect(200);
        key
    };
    let (gone, deleted) = made(json!({})).await;
    world.change("DELETE", &gone, "", &NOTHING).await.expect(204);
    let other =
        world.ask("POST", &format!("{}/applications", world.tenant()), &json!({ "name": "other" })).await;
    let other = other.expect(201)["id"].clone();
    let staging = as_key(world.credentials.secret("staging"));
    for (what, key, status) in [
        ("a malformed key", "ApiKey sk_ks_live_nonsense".to_owned(), 401),
        ("an unknown key", "ApiKey 9f8e7d6c5b4a39281706f5e4d3c2b1a0".to_owned(), 401),
        ("a staging key", staging.clone(), 401),
        ("a revoked key", changed("/revoke", NOTHING).await, 401),
        ("a disabled key", changed("/disable", NOTHING).await, 401),
        ("a deleted key", deleted, 401),
        ("a token of a person", world.owner.clone(), 401),
        ("a blocked key", changed("/block", json!({ "reason": "leak" })).await, 403),
        ("a key of another application", made(json!({ "application_id": other })).await.1, 403),
        ("a key for another address", made(json!({ "allowed_ips": ["203.0.113.7"] })).await.1, 403),
    ] {
        // Claiming to come from the right address does not help.
        let address = [("x-forwarded-for", "203.0.113.7"), ("x-real-ip", "203.0.113.7")];
        guarded.is_refused(what, &[("authorization", &key), address[0], address[1]], status).await;
    }
    guarded.is_refused("no key", &[], 401).await;
    let good = as_key(world.credentials.secret("production"));
    let two = [("authorization", good.as_str()), ("x-api-key", staging.trim_start_matches("ApiKey "))];
    guarded.is_refused("two keys", &two, 400).await;
    let names: Vec<_> = (0..120).map(|index| format!("x-filler-{index}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    guarded.is_refused("a head of many lines", &many, 431).await;
    let challenge = guarded.ask(&[]).await;
    assert!(challenge.header("www-authenticate").starts_with("ApiKey realm="), "{:?}", challenge.headers);
    let inside = guarded.http.json("GET", "/keystile", &good, &NOTHING).await;
    assert_eq!(inside.status, 404, "the way to Keystile is for nginx alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_reaches_the_api_while_keystile_is_away() {
    let mut guarded = Guarded::start().await;
    let key = as_key(guarded.world.credentials.secret("production"));
    assert_eq!(guarded.ask(&[("authorization", &key)]).await.status, 200);
    guarded.world.server.stop();
    guarded.is_refused("a good key", &[("authorization", &key)], 500).await;
    guarded.is_refused("no key", &[], 500).await;
}
