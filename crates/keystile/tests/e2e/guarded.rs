//! What every gateway has to do, whichever it is: its example is started in the real program.

use keystile_testkit::gateway::{Gateway, Program};
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::server::Plan;
use keystile_testkit::upstream::Upstream;
use serde_json::{Value, json};

use crate::world::{KEYSTILE, World, as_key, text};

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

/// A gateway, its example, and the statuses that are its own.
#[derive(Clone, Copy)]
pub(crate) struct Example {
    pub(crate) program: Program,
    pub(crate) config: &'static str,
    /// What stands before a port in it.
    pub(crate) before_port: &'static str,
    pub(crate) way: Way,
    /// What a client gets that shows two keys.
    pub(crate) two_keys: u16,
    /// What a client gets while Keystile is away.
    pub(crate) away: u16,
    /// Files that the configuration names, and where they are.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

/// How a gateway asks, which tells the port of Keystile in its example.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Http = 7878,
    Grpc = 7879,
}

/// Keystile, a gateway in front of an API, and the API.
pub(crate) struct Guarded {
    pub(crate) world: World,
    pub(crate) http: Http,
    pub(crate) gateway: Gateway,
    upstream: Upstream,
}

impl Guarded {
    pub(crate) async fn start(example: Example) -> Self {
        let (plan, upstream) = (Plan::dev(KEYSTILE), Upstream::start());
        let (world, keystile) = match example.way {
            Way::Http => {
                let world = World::of(plan.start()).await;
                let address = world.server.address().to_owned();
                (world, address)
            }
            Way::Grpc => {
                let world = World::of(plan.flag("--grpc-listen", "127.0.0.1:0").start()).await;
                let address = world.server.envoy_address();
                (world, address)
            }
        };
        let port = |port: &str| format!("{}{port}", example.before_port);
        let replaced = [
            ("APPLICATION_ID".to_owned(), world.credentials.application_id.clone()),
            (port(&(example.way as u16).to_string()), port(keystile.rsplit(':').next().unwrap())),
            (port("9000"), port(&upstream.port().to_string())),
        ];
        let files = example.files.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned()));
        let replaced: Vec<_> = replaced.into_iter().chain(files).collect();
        let gateway = Gateway::start(example.program, |free| {
            let listen = (port("8080"), port(&free.to_string()));
            replaced.iter().chain([&listen]).fold(example.config.to_owned(), |config, (theirs, ours)| {
                assert!(config.contains(theirs.as_str()), "the example has no {theirs} any more");
                config.replace(theirs.as_str(), ours)
            })
        });
        let http = Http::new(gateway.address());
        Self { world, http, gateway, upstream }
    }

    /// Sends a request that claims to be somebody else, with a credential.
    pub(crate) async fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        self.ask_for("/orders?page=2", headers).await
    }

    async fn ask_for(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let forged = IDENTITY.iter().map(|name| (*name, "forged"));
        let tricks = [("X-KEYSTILE-CUSTOMER-ID", "forged"), ("X_Keystile_Customer_Id", "forged")];
        let all = forged.chain(tricks).chain(headers.iter().copied());
        let request = self.http.request("GET", path);
        let request = all.fold(request, |request, (name, value)| request.header(name, value));
        self.http.send(request, "").await
    }

    pub(crate) async fn is_refused(&self, what: &str, headers: &[(&str, &str)], status: u16) -> Answer {
        let before = self.upstream.requests();
        let answer = self.ask(headers).await;
        assert_eq!(answer.status, status, "{what}: {}\n{}", answer.text, self.gateway.log());
        assert_eq!(self.upstream.requests(), before, "{what} reached the API");
        answer
    }
}

pub(crate) async fn passes_a_good_key_as_who_it_is(example: Example) {
    let guarded = Guarded::start(example).await;
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
            // Some gateways pass an empty header on, others leave it out.
            let told = |name| if headers[name] == "" { Value::Null } else { headers[name].clone() };
            let identity = IDENTITY.map(told);
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

pub(crate) async fn passes_a_body_on(example: Example) {
    let guarded = Guarded::start(example).await;
    let key = as_key(guarded.world.credentials.secret("production"));
    let seen = guarded.http.json("POST", "/orders", &key, &json!({ "order": 1 })).await.expect(200);
    assert_eq!(
        (text(&seen, "request"), text(&seen["headers"], "content-length")),
        ("POST /orders HTTP/1.1", "11")
    );
}

pub(crate) async fn tells_of_limits(example: Example) {
    let guarded = Guarded::start(example).await;
    let key = guarded.world.create(&json!({ "name": "limited", "rpm_limit": 2 })).await;
    let credential = [("authorization", as_key(text(&key, "secret")))];
    let credential = credential.each_ref().map(|(name, value)| (*name, value.as_str()));
    for _ in 0..2 {
        guarded.ask(&credential).await.expect(200);
    }
    let refused = guarded.is_refused("a third request", &credential, 429).await;
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((20..=30).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("ratelimit-policy"), r#""rpm";q=2;w=60"#);
    assert!(refused.header("ratelimit").starts_with(r#""rpm";r=0;t="#), "{}", refused.header("ratelimit"));
}

pub(crate) async fn refuses_bad_keys(example: Example) {
    let guarded = Guarded::start(example).await;
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
    guarded.is_refused("two keys", &two, example.two_keys).await;
    let challenge = guarded.ask(&[]).await;
    assert!(challenge.header("www-authenticate").starts_with("ApiKey realm="), "{:?}", challenge.headers);
}

pub(crate) async fn lets_nothing_pass_while_keystile_is_away(example: Example) {
    let mut guarded = Guarded::start(example).await;
    let key = as_key(guarded.world.credentials.secret("production"));
    assert_eq!(guarded.ask(&[("authorization", &key)]).await.status, 200);
    guarded.world.server.stop();
    guarded.is_refused("a good key", &[("authorization", &key)], example.away).await;
    guarded.is_refused("no key", &[], example.away).await;
}

/// The example asks for `customers:read` below `/customers`, however the path is written.
pub(crate) async fn demands_the_permission_of_a_path(example: Example) {
    let guarded = Guarded::start(example).await;
    let create = async |scope: &str| {
        let key = guarded.world.create(&json!({ "name": "one", "scopes": [scope] })).await;
        as_key(text(&key, "secret"))
    };
    let (reader, other) = (create("customers:read").await, create("orders:read").await);
    for path in ["/customers", "/customers/", "/customers/7?page=2", "/CUSTOMERS/7", "/%63ustomers/7"] {
        let before = guarded.upstream.requests();
        let refused = guarded.ask_for(path, &[("authorization", &other)]).await;
        assert_eq!((refused.status, guarded.upstream.requests()), (403, before), "{path}: {}", refused.text);
        assert!(refused.text.contains("customers:read"), "{path}: {}", refused.text);
        assert_eq!(guarded.ask_for(path, &[("authorization", &reader)]).await.status, 200, "{path}");
    }
    for path in [
        "//customers//7",
        "/customers%2F7",
        "/%2fcustomers/7",
        "/orders/../customers/7",
        "/orders/%2e%2E/customers/7",
        "/./customers/7",
        "/customers/.",
    ] {
        let before = guarded.upstream.requests();
        let refused = guarded.ask_for(path, &[("authorization", &other)]).await;
        let status = refused.status;
        assert!(status == 403 || status == 400, "{path}: {status} {}", refused.text);
        assert_eq!(guarded.upstream.requests(), before, "{path} reached the API");
    }
    assert_eq!(guarded.ask(&[("authorization", &other)]).await.status, 200);
}

/// The application's routes say what a path needs and a host serves: the gateway names nothing but the application.
pub(crate) async fn needs_nothing_but_the_url(mut example: Example) {
    // Caddy passes the client's query on where its own has no question mark.
    let asked = [
        "environment=production&permission=customers:read",
        "environment=production",
        "{args.0}",
        ", environment: production",
        "permission: \"customers:read\"",
    ];
    let bare = |config: &str| asked.iter().fold(config.to_owned(), |config, asked| config.replace(asked, ""));
    assert_ne!(bare(example.config), example.config);
    example.config = bare(example.config).leak();
    let guarded = Guarded::start(example).await;
    let world = &guarded.world;
    let routes = json!([
        { "methods": ["GET"], "path": "/customers/{id}", "permissions": ["customers:read"] },
        { "path": "/orders/{*rest}", "permissions": ["orders:read"] },
        { "path": "/open" },
    ]);
    let serving = |environment| json!({ "hosts": [{ "host": "127.0.0.1", "environment": environment }], "routes": routes });
    world.route(&serving("production")).await;
    let reader = world.key_with(&["customers:read"]).await;
    let staging = as_key(world.credentials.secret("staging"));
    for (key, path, status) in [
        (&reader, "/customers/7", 200),
        (&reader, "/customers/7/?x=/orders", 200),
        (&reader, "/orders/7", 403),
        (&reader, "/customers", 403),
        (&reader, "/CUSTOMERS/7", 403),
        (&staging, "/open", 401),
    ] {
        let answer = guarded.ask_for(path, &[("authorization", key)]).await;
        assert_eq!(answer.status, status, "{path}: {}\n{}", answer.text, guarded.gateway.log());
    }
    for path in
        ["//orders/7", "/open/../orders/7", "/orders%2f7", "/open/%2e%2e/orders/7", "/%6frders/7", "/open;/"]
    {
        let before = guarded.upstream.requests();
        let status = guarded.ask_for(path, &[("authorization", &reader)]).await.status;
        assert!(status == 403 || status == 400, "{path}: {status}");
        assert_eq!(guarded.upstream.requests(), before, "{path} reached the API");
    }
    let put = guarded.http.json("PUT", "/customers/7", &reader, &json!({})).await;
    assert_eq!(put.status, 403, "{}", put.text);
    for (name, value) in [
        ("x-original-uri", "/open"),
        ("x-forwarded-uri", "/open"),
        ("x-original-host", "other.example"),
        ("x-forwarded-host", "other.example"),
        ("x-original-method", "PUT"),
        ("x-forwarded-method", "PUT"),
    ] {
        let before = guarded.upstream.requests();
        let forged = guarded.ask_for("/orders/7", &[("authorization", &reader), (name, value)]).await;
        assert_eq!((forged.status, guarded.upstream.requests()), (403, before), "{name}: {}", forged.text);
    }
    world.route(&serving("staging")).await;
    assert_eq!(guarded.ask_for("/open", &[("authorization", &reader)]).await.status, 401);
    assert_eq!(guarded.ask_for("/open", &[("authorization", &staging)]).await.status, 200);
}
