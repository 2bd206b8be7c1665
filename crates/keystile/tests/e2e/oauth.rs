//! RFC 7662 and RFC 7009: what OAuth 2.0 software asks, and how it is answered.

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::server::Plan;
use serde_json::{Value, json};

use crate::isolation::Two;
use crate::world::{KEYSTILE, World, as_key, submit, text};

const INTROSPECT: &str = "/oauth2/introspect";
const REVOKE: &str = "/oauth2/revoke";

impl World {
    async fn introspect(&self, fields: &[(&str, &str)]) -> Answer {
        submit(&self.http, INTROSPECT, &self.asker(), fields).await
    }

    /// Ends what this text opens, without any other credential.
    async fn revoke_token(&self, token: &str) -> Answer {
        submit(&self.http, REVOKE, "", &[("token", token)]).await
    }

    async fn code_of_secret(&self, secret: &Value) -> String {
        text(&self.verify(&json!({ "key": secret })).await, "code").to_owned()
    }

    async fn audit(&self) -> Value {
        self.read(&format!("{}/audit?limit=1", self.tenant())).await["data"][0].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_key_is_described_and_of_an_inactive_one_nothing_is_told() {
    let world = World::start().await;
    let body = json!({ "name": "introspected", "scopes": ["orders:*", "customers:read"], "expires_at": "2999-01-01T00:00:00Z",
        "metadata": { "plan": "gold" } });
    let key = world.create(&body).await;
    let secret = text(&key, "secret");
    let answer = world.introspect(&[("token", secret), ("token_type_hint", "access_token")]).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let expected = json!({
        "active": true, "scope": "customers:read orders:*", "client_id": key["application_id"], "sub": key["id"],
        "token_type": "Bearer", "exp": 32_472_144_000_i64, "tenant_id": key["tenant_id"], "environment": "production",
        "kind": "service", "trust_level": "external", "metadata": { "plan": "gold" },
    });
    assert_eq!(answer.expect(200), expected);
    let active = async |fields: &[(&str, &str)]| {
        let told = world.introspect(&[&[("token", secret)], fields].concat()).await.expect(200);
        if told["active"] == false {
            assert_eq!(told, json!({ "active": false }));
        }
        told["active"] == true
    };
    assert!(active(&[("environment", "production"), ("scope", "orders:write+customers:read")]).await);
    assert!(!active(&[("environment", "staging")]).await);
    assert!(!active(&[("scope", "orders:read+crm:read")]).await);
    assert!(!active(&[("application_id", "app_01J00000000000000000000009")]).await);
    for unknown in ["sk_ks_live_nonsense", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", ""] {
        assert_eq!(world.introspect(&[("token", unknown)]).await.expect(200), json!({ "active": false }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_is_for_those_who_may_verify_also_by_basic_authentication() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "plain", "scopes": ["*"] })).await;
    let fields = [("token", text(&key, "secret"))];
    let by = async |credential: &str| submit(&world.http, INTROSPECT, credential, &fields).await;
    for good in [world.asker(), world.owner.clone(), basic(world.credentials.secret("production"))] {
        assert_eq!(by(&good).await.expect(200)["active"], true);
    }
    for (bad, status, code, error) in [
        (String::new(), 401, "key_missing", "invalid_client"),
        ("Basic !".to_owned(), 401, "key_malformed", "invalid_client"),
        ("Basic".to_owned(), 401, "key_malformed", "invalid_client"),
        (basic("sk_ks_live_nonsense"), 401, "key_malformed", "invalid_client"),
        (as_key(text(&key, "secret")), 403, "permission_denied", "insufficient_scope"),
    ] {
        let refused = by(&bad).await;
        refused.expect_problem(status, code);
        assert_eq!(text(&refused.json, "error"), error);
        assert_eq!(offers(&refused, "Basic realm=\"keystile\", charset=\"UTF-8\""), status == 401);
        assert!(!text(&refused.json, "error_description").is_empty());
    }
}

/// Whether an answer names a way to prove who one is.
fn offers(answer: &Answer, challenge: &str) -> bool {
    answer.headers.get_all("www-authenticate").iter().any(|offered| offered == challenge)
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_authentication_is_offered_only_where_it_is_taken() {
    let world = World::start().await;
    let basic = "Basic realm=\"keystile\", charset=\"UTF-8\"";
    for path in [INTROSPECT, REVOKE] {
        let refused = submit(&world.http, path, "Basic !", &[("token", "a")]).await;
        refused.expect_problem(401, "key_malformed");
        assert!(offers(&refused, basic) && refused.header("www-authenticate").starts_with("ApiKey "));
    }
    let refused = world.http.json("GET", "/api/v1/whoami", "", &NOTHING).await;
    refused.expect_problem(401, "key_missing");
    assert!(!offers(&refused, basic), "{:?}", refused.headers);
}

/// `Basic …` with this password.
fn basic(secret: &str) -> String {
    use base64::Engine as _;
    let pair = format!("client:{secret}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_sent_twice_is_one_and_two_keys_are_none() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "plain" })).await;
    let (own, token) = (world.credentials.secret("production"), text(&key, "secret"));
    for (second, code) in [(own, None), (token, Some("ambiguous_credentials"))] {
        for path in [INTROSPECT, REVOKE] {
            let request = world.http.request("POST", path).header("authorization", basic(own));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer = world.http.send(request.header("x-api-key", second), format!("token={token}")).await;
            match code {
                None => assert_eq!(answer.status, 200, "{path}: {}", answer.text),
                Some(code) => answer.expect_problem(400, code),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_breaks_a_rule_is_refused_by_the_name_of_the_field() {
    let world = World::start().await;
    for (fields, field) in [
        (&[][..], "token"),
        (&[("token", "a"), ("token", "b")][..], "token"),
        (&[("token", "a"), ("enviroment", "production")], "enviroment"),
        (&[("token", "a"), ("environment", "")], "environment"),
        (&[("token", "a"), ("ip", "nowhere")], "ip"),
        (&[("token", "a"), ("scope", "orders:*")], "scope"),
    ] {
        let refused = world.introspect(fields).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!((text(&refused.json, "error"), refused.fields()), ("invalid_request", vec![field]));
    }
    let as_json = world.http.json("POST", INTROSPECT, &world.asker(), &json!({ "token": "a" })).await;
    as_json.expect_problem(415, "unsupported_media_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_counts_against_no_limit() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "limited", "rpm_limit": 1 })).await;
    for _ in 0..3 {
        let told = world.introspect(&[("token", text(&key, "secret"))]).await.expect(200);
        assert_eq!(told["active"], true);
    }
    assert_eq!(world.code_of_secret(&key["secret"]).await, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_tenant_is_not_active_here() {
    let two = Two::start().await;
    let told = two.a.introspect(&[("token", text(&two.key, "secret"))]).await.expect(200);
    assert_eq!(told, json!({ "active": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_secret_can_end_its_key() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "leaked", "allowed_ips": ["203.0.113.7"] })).await;
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    world.change("POST", id, "/disable", &NOTHING).await.expect(200);
    let answer = world.revoke_token(secret).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(world.code_of_secret(&key["secret"]).await, "key_revoked");
    let entry = world.audit().await;
    assert_eq!(
        (text(&entry, "action"), text(&entry, "actor"), text(&entry, "target")),
        ("key.revoke", id, id)
    );
    world.revoke_token(secret).await.expect(200);
    assert_eq!(world.audit().await["id"], entry["id"], "the second time changes nothing");
    let shown = world.read(&format!("{}/{id}", world.keys())).await;
    assert_eq!(shown["status"], "revoked");
    assert!(shown.to_string().contains("held its secret"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_who_ended_a_key_if_they_are_of_its_tenant() {
    let two = Two::start().await;
    let (a, theirs) = (&two.a, text(&two.key, "secret"));
    let key = a.create(&json!({ "name": "found" })).await;
    submit(&a.http, REVOKE, &a.owner, &[("token", text(&key, "secret"))]).await.expect(200);
    assert_eq!(a.audit().await["actor"], key["created_by"]);
    // Somebody else's finding is welcome, too, and tells the finder nothing.
    let answer = submit(&a.http, REVOKE, &a.owner, &[("token", theirs)]).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    a.http.json("GET", "/api/v1/whoami", &as_key(theirs), &NOTHING).await.expect_problem(401, "key_revoked");
    assert_ne!(a.audit().await["target"], two.key["id"], "it stands in the log of the key's tenant alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nobodys_is_answered_alike_and_changes_nothing() {
    let world = World::start().await;
    let before = world.audit().await;
    for token in ["sk_ks_live_nonsense", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "rt_0000", ""] {
        let answer = world.revoke_token(token).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{token}");
    }
    let key = world.create(&json!({ "name": "regenerated" })).await;
    let renewed = world.change("POST", text(&key, "id"), "/regenerate", &NOTHING).await.expect(200);
    world.revoke_token(text(&key, "secret")).await.expect(200);
    assert_eq!(world.code_of_secret(&renewed["secret"]).await, "allowed", "a replaced secret ends nothing");
    assert_ne!(world.audit().await["id"], before["id"]);
    assert_eq!(world.audit().await["action"], "key.regenerate");
    let fields = [("token", text(&renewed, "secret"))];
    for bad in ["ApiKey sk_ks_live_nonsense", &basic("sk_ks_live_nonsense"), "Basic !"] {
        let bad = submit(&world.http, REVOKE, bad, &fields).await;
        bad.expect_problem(401, "key_malformed");
        assert_eq!(text(&bad.json, "error"), "invalid_client");
    }
    assert_eq!(world.code_of_secret(&renewed["secret"]).await, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_ends_its_session_and_an_access_token_nothing() {
    let world = World::start().await;
    let body = json!({ "email": world.credentials.email, "password": world.credentials.password });
    let session = world.http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200);
    let access = format!("Bearer {}", text(&session, "access_token"));
    let me = async || world.http.json("GET", "/api/v1/auth/me", &access, &NOTHING).await;
    let refused = world.revoke_token(text(&session, "access_token")).await;
    refused.expect_problem(400, "unsupported_token_type");
    assert_eq!(text(&refused.json, "error"), "unsupported_token_type");
    me().await.expect(200);
    world.revoke_token(text(&session, "refresh_token")).await.expect(200);
    me().await.expect_problem(401, "session_ended");
    assert_eq!(world.audit().await["action"], "session.end");
}

/// How many transactions have written so far.
async fn writes(world: &World) -> u64 {
    let metrics = world.server.operations().json("GET", "/metrics", "", &NOTHING).await.text;
    let name = "keystile_store_transaction_duration_seconds_count{kind=\"write\"} ";
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}in {metrics}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_ends_the_same_again_and_again_writes_nothing() {
    let world = {
        let plan = Plan::dev(KEYSTILE).flag("--log", "info").flag("--operations-listen", "127.0.0.1:0");
        World::of(plan.start()).await
    };
    let key = world.create(&json!({ "name": "leaked" })).await;
    let body = json!({ "email": world.credentials.email, "password": world.credentials.password });
    let session = world.http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200);
    for token in
        [text(&key, "secret"), text(&session, "refresh_token"), "rt_0000", "9f8e7d6c5b4a39281706f5e4d3c2"]
    {
        world.revoke_token(token).await.expect(200);
        let before = writes(&world).await;
        for _ in 0..200 {
            world.revoke_token(token).await.expect(200);
        }
        // The log is sealed, and use is written down, all the time, but not so often.
        let written = writes(&world).await - before;
        assert!(written < 50, "{written} for {token}");
    }
}
