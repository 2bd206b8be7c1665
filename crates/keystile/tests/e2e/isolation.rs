//! Another tenant's things do not exist, and a role may do what it may do.

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::matrix::{Things, calls_in_a_tenant};
use crate::world::{World, as_key, sign_in, text, verify};

/// Somebody of another tenant; the tenant is made through the API.
const STRANGER: (&str, &str) = ("per_01J00000000000000000000001", "stranger@example.com");
const MEMBERS: [(&str, &str, &str); 3] = [
    ("per_01J00000000000000000000002", "viewer@example.com", "viewer"),
    ("per_01J00000000000000000000003", "developer@example.com", "developer"),
    ("per_01J00000000000000000000004", "admin@example.com", "admin"),
];

/// Tenant A is the world's; B is the stranger's.
pub(crate) struct Two {
    pub(crate) a: World,
    /// `Bearer …` of B's owner.
    pub(crate) stranger: String,
    pub(crate) tenant: String,
    application: String,
    pub(crate) key: Value,
    things: Things,
}

/// Makes people, with the owner's password, before the API can.
fn people(tenant_id: &str) -> String {
    let person = |id: &str, email: &str| {
        format!(
            "INSERT INTO persons (id, email, password_hash, created_at, disabled_at)
             SELECT '{id}', '{email}', password_hash, created_at, NULL FROM persons
             WHERE email = 'owner@localhost';\n"
        )
    };
    let member = |id: &str, role: &str| {
        format!(
            "INSERT INTO memberships (person_id, tenant_id, role, created_at)
             SELECT '{id}', id, '{role}', created_at FROM tenants WHERE id = '{tenant_id}';\n"
        )
    };
    let members = MEMBERS.map(|(id, email, role)| person(id, email) + &member(id, role));
    person(STRANGER.0, STRANGER.1) + &members.concat()
}

async fn populated() -> World {
    let mut a = World::start().await;
    a.server.stop();
    a.server.sql(&people(&a.credentials.tenant_id));
    a.start_again();
    a
}

impl Two {
    pub(crate) async fn start() -> Self {
        Self::of(populated().await).await
    }

    async fn of(a: World) -> Self {
        let stranger = sign_in(&a.http, STRANGER.1, &a.credentials.password).await;
        let made = a.http.json("POST", "/api/v1/tenants", &stranger, &json!({ "name": "B" })).await;
        let tenant = text(&made.expect(201), "id").to_owned();
        let keys = format!("/api/v1/tenants/{tenant}/api-keys");
        let body =
            json!({ "name": "B's key", "source_id": "b", "scopes": ["b:read", "keystile.keys:verify"] });
        let key = a.http.json("POST", &keys, &stranger, &body).await.expect(201);
        let application = text(&key, "application_id").to_owned();
        let things = Things::make(&a.http, &stranger, &tenant).await;
        Self { a, stranger, tenant, application, key, things }
    }

    async fn as_stranger(&self, path: &str) -> Value {
        let path = format!("/api/v1/tenants/{}{path}", self.tenant);
        self.a.http.json("GET", &path, &self.stranger, &NOTHING).await.expect(200)
    }

    /// Waits until B was told that a key of it leaked.
    pub(crate) async fn told_of_a_leak(&self) {
        let told = async || self.as_stranger("/leaks").await["data"].get(0).cloned();
        eventually("the report of a leak", told).await;
    }

    /// Everything there is in B.
    async fn everything(&self) -> Value {
        let keys = self.as_stranger("/api-keys?include_deleted=true").await;
        let mut everything = vec![self.as_stranger("").await, keys];
        for list in [
            "/applications",
            "/customers",
            "/permissions",
            "/memberships",
            "/invitations",
            "/events",
            "/entities",
            "/leaks",
            "/providers",
            "/models",
            "/webhooks",
            "/deliveries",
            "/holds",
            "/ledger",
            "/audit",
        ] {
            everything.push(self.as_stranger(list).await);
        }
        json!(everything)
    }

    /// Everything that could tell something about B.
    fn traces(&self) -> Vec<&str> {
        let key = ["id", "secret", "key_fingerprint", "prefix", "name"].map(|member| text(&self.key, member));
        [&key[..4], &[self.tenant.as_str(), self.application.as_str(), self.things.id("audit_id")]].concat()
    }

    fn assert_tells_nothing(&self, answer: &Answer) {
        for trace in self.traces() {
            // `sk_ks_li` is the beginning of every tenant's keys.
            let is_common = "sk_ks_live_".starts_with(trace);
            assert!(is_common || !answer.text.contains(trace), "{trace} in {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_tenant_is_found_by_any_call() {
    let two = Two::start().await;
    let before = two.everything().await;
    let own = two.a.credentials.tenant_id.as_str();
    for call in calls_in_a_tenant(&two.a).await {
        let in_theirs = Some(two.tenant.as_str());
        let in_ours = call.names_an_item().then_some(own);
        for tenant in [in_theirs, in_ours].into_iter().flatten() {
            let path = call.path_with(&two.things.ids_in(tenant));
            let answer = two.a.ask(&call.method, &path, &call.body()).await;
            assert_eq!(
                (answer.status, &answer.json["code"]),
                (404, &json!("not_found")),
                "{} {path}",
                call.method
            );
            two.assert_tells_nothing(&answer);
        }
    }
    assert_eq!(two.everything().await, before, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_bodies_do_not_reach_another_tenant() {
    let two = Two::start().await;
    let (a, keys) = (&two.a, two.a.keys());
    for path in ["/api/v1/tenants".to_owned(), keys.clone(), format!("{}/applications", a.tenant())] {
        two.assert_tells_nothing(&a.ask("GET", &path, &NOTHING).await);
    }
    let filtered = a.read(&format!("{keys}?application_id={}&include_deleted=true", two.application)).await;
    assert_eq!(filtered["data"], json!([]));
    let paged = a.read(&format!("{keys}?cursor={}", text(&two.key, "id"))).await;
    assert!(!paged.to_string().contains(&two.tenant), "a foreign cursor shows nothing foreign: {paged}");
    let theirs = json!({ "name": "mine", "application_id": two.application });
    a.ask("POST", &keys, &theirs).await.expect_problem(404, "not_found");
    let claimed = json!({ "name": "mine", "tenant_id": two.tenant });
    let refused = a.ask("POST", &keys, &claimed).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["tenant_id"]);
    let body =
        json!({ "email": a.credentials.email, "password": a.credentials.password, "tenant_id": two.tenant });
    a.http.json("POST", "/api/v1/auth/token", "", &body).await.expect_problem(401, "wrong_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_surface_of_integrations_does_not_reach_another_tenant() {
    let two = Two::start().await;
    let (a, before) = (&two.a, two.everything().await);
    let keys = "/api/v1/integration/api-keys";
    let theirs = format!("{keys}/{}", text(&two.key, "id"));
    for (method, path, body) in [
        ("GET", theirs.clone(), NOTHING),
        ("PATCH", theirs.clone(), json!({ "name": "mine" })),
        ("POST", format!("{theirs}/revoke"), NOTHING),
        ("POST", keys.to_owned(), json!({ "name": "mine", "application_id": two.application })),
    ] {
        for credential in [a.owner.clone(), issuer(a).await] {
            let answer = a.http.json(method, &path, &credential, &body).await;
            answer.expect_problem(404, "not_found");
            two.assert_tells_nothing(&answer);
        }
    }
    two.assert_tells_nothing(&a.ask("GET", &format!("{keys}?include_deleted=true"), &NOTHING).await);
    let filtered = a.read(&format!("{keys}?application_id={}", two.application)).await;
    assert_eq!(filtered["data"], json!([]));
    assert_eq!(two.everything().await, before, "nothing was changed");
}

/// `ApiKey …` of a key of A that may issue keys.
async fn issuer(a: &World) -> String {
    as_key(text(&a.create(&json!({ "name": "issuer", "scopes": ["keystile.keys:issue"] })).await, "secret"))
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_key_is_not_found_and_tells_nothing() {
    let two = Two::start().await;
    let theirs = text(&two.key, "secret");
    for asker in [two.a.asker(), two.a.owner.clone()] {
        let answer = two.a.http.json("POST", "/api/v1/keys/verify", &asker, &json!({ "key": theirs })).await;
        two.assert_tells_nothing(&answer);
        assert_eq!(answer.expect(200), json!({ "valid": false, "code": "key_not_found" }));
    }
    let known = verify(&two.a.http, &as_key(theirs), &json!({ "key": theirs })).await;
    assert_eq!(known["code"], "allowed", "its own tenant knows it: {known}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_no_application_of_another_tenant_and_cannot_tell_which_exist() {
    let two = Two::start().await;
    let nowhere = "app_01J00000000000000000000009";
    let key = two.a.asker();
    let mut answers = Vec::new();
    for application in [two.application.as_str(), nowhere] {
        let path = format!("/api/v1/authz/{application}?environment=production");
        let answer = two.a.http.json("GET", &path, &key, &NOTHING).await;
        answer.expect_problem(403, "wrong_application");
        answers.push((answer.json["detail"].clone(), answer.headers.len()));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_in_its_own_environment_only() {
    let world = World::start().await;
    for (own, at) in ["production", "staging", "development"]
        .iter()
        .flat_map(|own| ["production", "staging", "development"].map(|at| (*own, at)))
    {
        let secret = world.credentials.secret(own);
        let gateway = world.http.json("GET", &world.authz(at), &as_key(secret), &NOTHING).await;
        let verified = world.verify(&json!({ "key": secret, "environment": at })).await;
        if own == at {
            assert_eq!((gateway.status, text(&verified, "code")), (200, "allowed"));
            assert_eq!(gateway.header("x-keystile-environment"), own);
        } else {
            gateway.expect_problem(401, "wrong_environment");
            assert_eq!(
                (&verified["valid"], text(&verified, "code")),
                (&Value::Bool(false), "wrong_environment")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_do_what_it_may_do_and_nothing_more() {
    let a = populated().await;
    let key = a.create(&json!({ "name": "to verify" })).await;
    let things = Things::make(&a.http, &a.owner, &a.credentials.tenant_id).await;
    let ids = things.ids_in(&a.credentials.tenant_id);
    let before = a.read(&a.keys()).await;
    let calls = calls_in_a_tenant(&a).await;
    let viewer = sign_in(&a.http, MEMBERS[0].1, &a.credentials.password).await;
    for call in calls.iter().filter(|call| !call.has_no_end()) {
        let path = call.path_with(&ids);
        let answer = a.http.json(&call.method, &path, &viewer, &call.body()).await;
        if call.method == "GET" && !call.is_for_admins() {
            answer.expect(200);
        } else {
            answer.expect_problem(403, "forbidden");
        }
    }
    let question = json!({ "key": key["secret"] });
    a.http.json("POST", "/api/v1/keys/verify", &viewer, &question).await.expect_problem(403, "forbidden");
    assert_eq!(a.read(&a.keys()).await, before, "a viewer changed nothing");

    let developer = sign_in(&a.http, MEMBERS[1].1, &a.credentials.password).await;
    let admin = sign_in(&a.http, MEMBERS[2].1, &a.credentials.password).await;
    let applications = format!("{}/applications", a.tenant());
    let named = |name: &str| json!({ "name": name });
    a.http.json("POST", &applications, &developer, &named("shop")).await.expect_problem(403, "forbidden");
    a.http.json("POST", &applications, &admin, &named("shop")).await.expect(201);
    a.http.json("POST", &a.keys(), &developer, &named("by a developer")).await.expect(201);
    let verified = verify(&a.http, &developer, &question).await;
    assert_eq!(verified["code"], "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_manage_nothing_and_verify_only_when_it_may() {
    let world = World::start().await;
    let plain = world.create(&json!({ "name": "plain", "scopes": ["*"] })).await;
    let key = as_key(text(&plain, "secret"));
    let things = Things::make(&world.http, &world.owner, &world.credentials.tenant_id).await;
    let ids = things.ids_in(&world.credentials.tenant_id);
    for call in calls_in_a_tenant(&world).await {
        let answer = world.http.json(&call.method, &call.path_with(&ids), &key, &call.body()).await;
        answer.expect_problem(403, "forbidden");
    }
    let question = json!({ "key": plain["secret"] });
    let answer = world.http.json("POST", "/api/v1/keys/verify", &key, &question).await;
    answer.expect_problem(403, "permission_denied");
    assert!(text(&answer.json, "detail").contains("keystile.keys:verify"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_was_disabled_or_put_out_can_do_nothing_more() {
    let mut a = populated().await;
    let developer = sign_in(&a.http, MEMBERS[1].1, &a.credentials.password).await;
    let admin = sign_in(&a.http, MEMBERS[2].1, &a.credentials.password).await;
    a.server.stop();
    let (disabled, removed) = (MEMBERS[1].0, MEMBERS[2].0);
    a.server.sql(&format!(
        "UPDATE persons SET disabled_at = created_at WHERE id = '{disabled}';
         DELETE FROM memberships WHERE person_id = '{removed}';"
    ));
    a.start_again();
    a.http.json("GET", &a.keys(), &developer, &NOTHING).await.expect_problem(401, "session_ended");
    a.http.json("GET", &a.keys(), &admin, &NOTHING).await.expect_problem(404, "not_found");
    let body = json!({ "email": MEMBERS[1].1, "password": a.credentials.password });
    a.http.json("POST", "/api/v1/auth/token", "", &body).await.expect_problem(401, "wrong_credentials");
}
