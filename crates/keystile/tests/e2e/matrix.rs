//! Every call that the OpenAPI document names, to be made with other people's ids.

use keystile_testkit::http::{Http, NOTHING};
use serde_json::{Value, json};

use crate::world::{World, text};

/// One documented call, with places for ids in its path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
}

impl Call {
    /// The path with these ids in it.
    pub(crate) fn path_with(&self, ids: &[(&str, &str)]) -> String {
        let put = |path: String, (name, id): &(&str, &str)| path.replace(&format!("{{{name}}}"), id);
        let path = ids.iter().fold(self.path.clone(), put);
        assert!(!path.contains('{'), "an id that this test does not know: {path}");
        path
    }

    /// Whether the answer goes on for as long as somebody reads it.
    pub(crate) fn has_no_end(&self) -> bool {
        self.path.ends_with("/logs/stream")
    }

    /// Whether only admins may read it.
    pub(crate) fn is_for_admins(&self) -> bool {
        ["/webhooks", "/deliveries", "/providers"].iter().any(|part| self.path.contains(part))
    }

    /// A body that the call takes, so that nothing but the ids can be wrong.
    pub(crate) fn body(&self) -> Value {
        let end = self.path.rsplit('/').next().unwrap_or_default();
        match (self.method.as_str(), end) {
            ("PATCH", "{person_id}") => json!({ "role": "admin" }),
            ("PATCH", "{webhook_id}") => json!({ "description": "by the matrix" }),
            ("PATCH", "{model_id}") => json!({ "rank": 1 }),
            ("POST", "webhooks") => a_webhook(),
            ("POST", "providers") => a_provider(),
            ("POST", "models") => {
                json!({ "provider_id": "prv_01J00000000000000000000009", "name": "by-the-matrix" })
            }
            ("POST", "import") if self.path.contains("/models/") => {
                json!({ "provider_id": "prv_01J00000000000000000000009", "source": "builtin" })
            }
            ("POST", "redeliver") => json!({ "since": "2026-01-31T00:00:00Z" }),
            ("POST", "invitations") => json!({ "email": "matrix@example.com", "role": "viewer" }),
            ("PUT", "{permission}") => json!({ "label": "By the matrix" }),
            ("PUT", "routing") => json!({ "unmatched": "authenticate" }),
            ("POST", "block") => json!({ "reason": "by the matrix" }),
            ("POST", "api-keys" | "applications" | "customers") | ("PATCH", _) => {
                json!({ "name": "by the matrix" })
            }
            ("POST", "import") => {
                let key = json!({ "hash": "00".repeat(32), "name": "by the matrix" });
                json!({ "algorithm": "sha256", "encoding": "hex", "keys": [key] })
            }
            ("POST", "events") => {
                json!({ "type": "matrix", "entity": { "type": "nothing", "id": "by-the-matrix" } })
            }
            ("POST", "jobs") => {
                json!({ "kind": "disable", "filter": { "q": "nothing of the matrix" }, "expected": 0 })
            }
            ("POST", "settle") => json!({ "actual": { "cost_usd": 0 } }),
            ("POST", "correct") => json!({ "amount_usd": 0, "reason": "by the matrix" }),
            ("POST", "rotate") => json!({ "overlap_seconds": 0 }),
            ("POST", "lookup") => json!({ "digests": ["00".repeat(32)] }),
            // An introspection is a form, which this does not send: whoever may call is told so.
            ("GET" | "DELETE", _)
            | (
                "POST",
                "password-reset" | "regenerate" | "revoke" | "disable" | "enable" | "unblock" | "introspect"
                | "cancel" | "retry" | "result" | "rotate-secret" | "test",
            ) => NOTHING,
            _ => panic!("say which body {self:?} takes"),
        }
    }

    /// [`Self::body`], also for calls outside of tenants; those about a key are about `subject`.
    pub(crate) fn body_about(&self, subject: &Value) -> Value {
        match self.path.as_str() {
            "/api/v1/auth/token" => NOTHING,
            "/api/v1/setup" => json!({ "by": "the matrix" }),
            "/api/v1/auth/invitations/accept" => json!({ "token": "nobody's" }),
            "/api/v1/tenants" if self.method == "POST" => json!({ "name": "by the matrix" }),
            "/api/v1/keys/verify" | "/api/v1/leaks/report" => json!({ "key": subject["secret"] }),
            "/api/v1/leaks/github" => json!([]),
            "/api/v1/keys/verify-batch" => json!({ "requests": [{ "key": subject["secret"] }] }),
            // Signing out would end the persona.
            path if path.starts_with("/api/v1/auth/") && self.method != "GET" => {
                json!({ "by": "the matrix" })
            }
            _ => self.body(),
        }
    }

    /// Whether the method means something of its own: forward authentication answers all of them alike.
    pub(crate) fn is_own_method(&self) -> bool {
        self.method == "GET" || !self.path.starts_with("/api/v1/authz/")
    }

    /// Whether it names something below the tenant.
    pub(crate) fn names_an_item(&self) -> bool {
        self.path.contains("_id}") && self.path.matches('{').count() > 1
    }
}

/// A webhook that is told of nothing that tests do, to where nobody listens.
pub(crate) fn a_webhook() -> Value {
    json!({ "url": "http://127.0.0.1:9/", "events": ["key.expiring"] })
}

/// A provider of models, where nobody is.
pub(crate) fn a_provider() -> Value {
    json!({
        "name": "By the matrix", "protocol": "openai", "base_url": "http://127.0.0.1:9/v1",
        "credential": "by-the-matrix",
    })
}

/// All calls that the document names.
pub(crate) async fn documented_calls(world: &World) -> Vec<Call> {
    let document = world.http.json("GET", "/openapi.json", "", &NOTHING).await.expect(200);
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let methods = operations.as_object().unwrap().keys().map(|method| method.to_uppercase());
        let of_http = |method: &String| ["GET", "POST", "PATCH", "PUT", "DELETE"].contains(&method.as_str());
        calls.extend(methods.filter(of_http).map(|method| Call { method, path: path.clone() }));
    }
    calls
}

/// All calls inside a tenant, on both mounts.
pub(crate) async fn calls_in_a_tenant(world: &World) -> Vec<Call> {
    let mut calls = documented_calls(world).await;
    calls.retain(|call| call.path.contains("{tenant_id}"));
    let alias = |call: &Call| Call { path: call.path.replacen("/api/v1", "", 1), ..call.clone() };
    calls.extend(calls.iter().map(alias).collect::<Vec<_>>());
    // Two on the tenant, nine on applications, ten on keys, eleven on members, invitations and customers at least, each
    // on two mounts.
    assert!(calls.len() >= 60, "the document is not what it was: {calls:?}");
    calls
}

/// A hold that is settled, and one that is open.
pub(crate) async fn holds(http: &Http, keys: &str, owner: &str) -> [String; 2] {
    let body = json!({ "name": "estimating", "scopes": ["keystile.keys:verify"] });
    let asker = http.json("POST", keys, owner, &body).await.expect(201);
    let credential = format!("ApiKey {}", text(&asker, "secret"));
    let question = json!({ "key": asker["secret"], "estimate": { "tokens": 7, "cost_usd": 0.02 } });
    let mut holds = Vec::new();
    for _ in 0..2 {
        let held = http.json("POST", "/api/v1/keys/verify", &credential, &question).await.expect(200);
        holds.push(text(&held, "hold_id").to_owned());
    }
    let settle = format!("/api/v1/holds/{}/settle", holds[0]);
    let actual = json!({ "actual": { "cost_usd": 0.01 } });
    http.json("POST", &settle, &credential, &actual).await.expect(200);
    holds.try_into().unwrap()
}

/// One of each thing below a tenant, for calls that name it.
pub(crate) struct Things {
    ids: Vec<(&'static str, String)>,
}

impl Things {
    /// Makes them in a tenant that has an application.
    pub(crate) async fn make(http: &Http, owner: &str, tenant_id: &str) -> Self {
        let path = |below: &str| format!("/api/v1/tenants/{tenant_id}{below}");
        let post =
            async |below: &str, body: Value| http.json("POST", &path(below), owner, &body).await.expect(201);
        let key = post("/api-keys", json!({ "name": "subject" })).await;
        let customer = post("/customers", json!({ "name": "Subject Inc." })).await;
        let webhook = post("/webhooks", a_webhook()).await;
        let provider = post("/providers", a_provider()).await;
        let model = post("/models", json!({ "provider_id": provider["id"], "name": "subject" })).await;
        let invited = json!({ "email": format!("{tenant_id}@example.com"), "role": "viewer" });
        let invitation = post("/invitations", invited).await;
        let application = text(&key, "application_id").to_owned();
        let permission = path(&format!("/applications/{application}/permissions/subject:read"));
        http.json("PUT", &permission, owner, &json!({ "label": "Subject Read" })).await.expect(201);
        let sender = post("/api-keys", json!({ "name": "sender", "source_id": "subject" })).await;
        let entity = format!("of-{tenant_id}");
        let event = json!({ "type": "subject.made", "entity": { "type": "subject", "id": &entity } });
        let credential = format!("ApiKey {}", text(&sender, "secret"));
        http.json("POST", "/api/v1/events", &credential, &event).await.expect(202);
        let events = http.json("GET", &path("/events"), owner, &NOTHING).await.expect(200);
        let [settled, hold] = holds(http, &path("/api-keys"), owner).await;
        let charged = http.json("GET", &path("/ledger"), owner, &NOTHING).await.expect(200);
        assert_eq!(charged["data"][0]["hold_id"], json!(settled));
        let export = json!({ "kind": "export" });
        let job = http.json("POST", &path("/jobs"), owner, &export).await.expect(202);
        let log = http.json("GET", &path("/audit"), owner, &NOTHING).await.expect(200);
        let requests = http.json("GET", &path("/logs"), owner, &NOTHING).await.expect(200);
        let ids = [
            ("tenant_id", tenant_id),
            ("api_key_id", text(&key, "id")),
            ("application_id", &application),
            ("customer_id", text(&customer, "id")),
            ("invitation_id", text(&invitation, "id")),
            ("person_id", text(&key, "created_by")),
            ("permission", "subject:read"),
            ("audit_id", text(&log["data"][0], "id")),
            ("event_id", text(&events["data"][0], "id")),
            ("job_id", text(&job, "id")),
            ("log_id", text(&requests["data"][0], "id")),
            ("webhook_id", text(&webhook, "id")),
            ("provider_id", text(&provider, "id")),
            ("model_id", text(&model, "id")),
            ("hold_id", &hold),
            ("ledger_id", text(&charged["data"][0], "id")),
            ("entity_type", "subject"),
            ("entity_id", &entity),
        ];
        Self { ids: ids.map(|(name, id)| (name, id.to_owned())).into() }
    }

    /// The id of one of them.
    pub(crate) fn id(&self, name: &str) -> &str {
        self.ids.iter().find_map(|(own, id)| (*own == name).then_some(id.as_str())).unwrap()
    }

    /// Their ids, in this tenant.
    pub(crate) fn ids_in<'t>(&'t self, tenant_id: &'t str) -> Vec<(&'static str, &'t str)> {
        let own = self.ids.iter().map(|(name, id)| (*name, id.as_str()));
        own.map(|(name, id)| if name == "tenant_id" { (name, tenant_id) } else { (name, id) }).collect()
    }
}
