//! Requests that break a rule each, and the answer that is documented for them.

use serde_json::{Value, json};

/// A secret that a key has already.
pub(crate) const BROUGHT: &str = "c41f8a07d93be6525af0917d-brought";

/// The key that the cases are about, at version 2, and the paths around it.
pub(crate) struct Subject {
    pub(crate) keys: String,
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// One bad request, sent by the owner.
pub(crate) struct Case {
    pub(crate) what: String,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) fields: Vec<&'static str>,
}

impl Case {
    fn new(method: &'static str, path: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let shown: String = String::from_utf8_lossy(&body).chars().take(80).collect();
        Self {
            what: format!("{method} {path} {shown}"),
            method,
            path: path.to_owned(),
            headers: vec![("content-type", b"application/json".to_vec())],
            body,
            status: 400,
            code: "invalid_request",
            fields: Vec::new(),
        }
    }

    fn json(method: &'static str, path: &str, body: &Value) -> Self {
        Self::new(method, path, body.to_string())
    }

    fn names(self, field: &'static str) -> Self {
        Self { fields: vec![field], ..self }
    }

    fn told(self, status: u16, code: &'static str) -> Self {
        Self { status, code, ..self }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.what = format!("{} with {name}: {value}", self.what);
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    fn without_type(self) -> Self {
        Self { headers: Vec::new(), ..self }
    }
}

/// On making a key.
pub(crate) fn on_create(subject: &Subject) -> Vec<Case> {
    let post = |body: &Value| Case::json("POST", &subject.keys, body);
    let bytes = |body: &[u8]| Case::new("POST", &subject.keys, body);
    let with = |field: &'static str, value: Value| {
        let mut body = json!({ "name": "bad" });
        body[field] = value;
        post(&body).names(field)
    };
    let long = |length: usize| Value::from("x".repeat(length));
    let deep = format!(r#"{{"name": "bad", "tags": {}1{}}}"#, r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let big = |length: usize| format!(r#"{{"name": "bad", "source": "{}"}}"#, "x".repeat(length));
    let declared = |policy: Value| {
        let rate = json!({ "name": "a", "limit": 1, "window_seconds": 1, "when_away": policy });
        post(&json!({ "name": "bad", "rate_limits": [rate] })).names("rate_limits[0].when_away")
    };
    let mut cases = vec![
        bytes(b"").told(400, "malformed_json"),
        bytes(b"{").told(400, "malformed_json"),
        bytes(b"name=bad").told(400, "malformed_json"),
        bytes(b"{\"name\": \"bad\"} {}").told(400, "malformed_json"),
        bytes(b"{\"name\": \"\xff\xfe\"}").told(400, "malformed_json"),
        bytes(b"{\"name\": \"\\ud800\"}").told(400, "malformed_json"),
        bytes(b"{\"name\": \"bad\", \"rpm_limit\": 1e400}").told(400, "malformed_json"),
        bytes(deep.as_bytes()).told(400, "malformed_json"),
        bytes(big(2 * 1024 * 1024).as_bytes()).told(413, "body_too_large"),
        bytes(big(1024 * 1024).as_bytes()).told(413, "body_too_large"),
        bytes(b"{\"name\": \"bad\"}").without_type().told(415, "unsupported_media_type"),
        bytes(b"{\"name\": \"bad\"}").with("content-type", "text/plain").told(415, "unsupported_media_type"),
        bytes(b"[]").names(""),
        bytes(b"[\"bad\"]").names(""),
        bytes(b"null").names(""),
        bytes(b"\"bad\"").names(""),
        bytes(b"{\"name\": \"bad\", \"name\": \"twice\"}").names("name"),
        post(&json!({})).names("name"),
        post(&json!({ "name": "bad", "rate_limits": [{ "name": "a", "limit": 1, "window_seconds": 0 }] }))
            .names("rate_limits[0].window_seconds"),
        post(&json!({ "name": "bad", "rate_limits": [{ "name": "a", "limit": 1 }] }))
            .names("rate_limits[0].window_seconds"),
        post(&json!({ "name": "bad", "rate_limits": [{ "name": "a", "limit": 1, "window_seconds": 1, "x": 1 }] }))
            .names("rate_limits[0].x"),
        declared(json!("open")),
        declared(json!("")),
        declared(json!(1)),
        post(&json!({ "name": "bad", "rate_limits": [["a", 1, 1]] })).names("rate_limits[0]"),
        post(&json!({ "name": "bad", "scopes": ["customers"] })).names("scopes[0]"),
        post(&json!({ "name": "bad", "scopes": ["a:b", "a:\u{0}"] })).names("scopes[1]"),
        post(&json!({ "name": "bad", "scopes": [1] })).names("scopes[0]"),
        post(&json!({ "name": "bad", "allowed_ips": ["300.1.1.1"] })).names("allowed_ips[0]"),
        post(&json!({ "name": "bad", "kind": "virtual_llm", "allowed_models": ["a*b"] })).names("allowed_models[0]"),
        post(&json!({ "name": "bad", "secret": BROUGHT })).told(409, "secret_exists"),
        post(&json!({ "name": "", "environment": "prod" })).names("name"),
    ];
    if let Some(two) = cases.last_mut() {
        two.fields.push("environment");
    }
    cases.extend([
        with("colour", json!("red")),
        with("tenant_id", json!("ten_01J00000000000000000000001")),
        with("name", json!("")),
        with("name", json!("   ")),
        with("name", long(201)),
        with("name", json!("a\u{0}b")),
        with("name", json!("a\nb")),
        with("name", json!(1)),
        with("name", json!(null)),
        with("name", json!(["a"])),
        with("environment", json!("prod")),
        with("environment", json!(1)),
        with("kind", json!("robot")),
        with("application_id", json!("app_1")),
        with("customer_id", json!("cus_1")),
        with("customer_id", json!("key_01J00000000000000000000001")),
        with("customer_id", json!("cus_01J00000000000000000000001")),
        with("issued_to_user_id", json!("ada")),
        with("issued_to_service", json!("a\u{0}")),
        with("allowed_models", json!(["gpt-*"])),
        with("source_id", json!("two words")),
        with("source_id", json!("a\u{0}b")),
        with("source_id", long(129)),
        with("source_id", json!("")),
        with("trust_level", json!("root")),
        with("scopes", json!("a:b")),
        with("scopes", json!(vec!["a:b"; 201])),
        with("allowed_ips", json!(vec!["10.0.0.1"; 101])),
        with("rpm_limit", json!(0)),
        with("rpm_limit", json!(-1)),
        with("rpm_limit", json!(1.5)),
        with("rpm_limit", json!("10")),
        with("rpm_limit", json!(1_000_000_001_u64)),
        with("rpm_limit", json!(u64::MAX)),
        with("rpm_limit", json!(1e30)),
        with("tpm_limit", json!(0)),
        with("rate_limits", json!({})),
        with("max_budget_usd", json!(-1)),
        with("max_budget_usd", json!(1e12)),
        with("max_budget_usd", json!("ten")),
        with("budget_period", json!("year")),
        with("expires_at", json!("2020-01-01T00:00:00Z")),
        with("expires_at", json!("tomorrow")),
        with("expires_at", json!("2030-02-30T00:00:00Z")),
        with("expires_at", json!("10000-01-01T00:00:00Z")),
        with("expires_at", json!(1_900_000_000)),
        with("source", long(201)),
        with("source", json!("a\u{0}")),
        with("source_type", json!("cron")),
        with("tags", json!([])),
        with("tags", json!({ "a": "x".repeat(16 * 1024) })),
        with("metadata", json!("x")),
        with("metadata", json!({ "a": "x".repeat(16 * 1024) })),
        with("secret", json!("x")),
        with("secret", json!("a".repeat(24))),
        with("secret", json!("passwordpasswordpassword")),
        with("secret", json!("c41f8a07d93be652 5af0917d")),
        with("secret", json!("c41f8a07d93be6525af0917dé")),
        with("secret", json!("c41f8a07d93be6525af0917d\u{0}")),
        with("secret", long(513)),
        with("secret", json!(7)),
    ]);
    cases
}

/// On changing the subject.
pub(crate) fn on_change(subject: &Subject) -> Vec<Case> {
    let path = format!("{}/{}", subject.keys, subject.id);
    let patch = |body: Value| Case::json("PATCH", &path, &body);
    let named = || patch(json!({ "name": "bad" }));
    let act = |what: &str, body: Value| Case::json("POST", &format!("{path}/{what}"), &body);
    let plain = |what: &str| Case::new("POST", &format!("{path}/{what}"), "").without_type();
    vec![
        patch(json!({ "environment": "staging" })).names("environment"),
        patch(json!({ "kind": "user" })).names("kind"),
        patch(json!({ "secret": "c41f8a07d93be6525af0917d" })).names("secret"),
        patch(json!({ "id": "key_01J00000000000000000000001" })).names("id"),
        patch(json!({ "name": "" })).names("name"),
        patch(json!({ "name": null })).names("name"),
        patch(json!({ "issued_to_user_id": "ada" })).names("issued_to_user_id"),
        patch(json!({ "expires_at": "2020-01-01T00:00:00Z" })).names("expires_at"),
        patch(json!({ "rpm_limit": 0 })).names("rpm_limit"),
        patch(json!({ "tags": { "a": "x".repeat(16 * 1024) } })).names("tags"),
        patch(json!({ "metadata": { "a": { "b\u{0}": 1 } } })).names("metadata"),
        patch(json!({ "tags": ["a"] })).names("tags"),
        patch(json!({ "rate_limits": [{ "name": "a", "limit": 1, "window_seconds": 1 }, ["b", 1, 1]] }))
            .names("rate_limits[1]"),
        patch(json!({ "name": "bad", "version": "2" })).names("version"),
        patch(json!({ "name": "bad", "version": 1e30 })).names("version"),
        patch(json!({ "name": "bad", "version": 1 })).told(409, "version_conflict"),
        patch(json!({ "name": "bad", "version": i64::MAX })).told(409, "version_conflict"),
        named().with("if-match", "\"1\"").told(409, "version_conflict"),
        named().with("if-match", "\"99\"").told(409, "version_conflict"),
        named().with("if-match", "2").names("If-Match"),
        named().with("if-match", "\"two\"").names("If-Match"),
        named().with("if-match", "W/\"2\"").names("If-Match"),
        named().with("if-match", "\"99999999999999999999\"").names("If-Match"),
        patch(json!({ "name": "bad", "version": 2 })).with("if-match", "\"1\"").names("version"),
        named().with("content-type", "text/plain").told(415, "unsupported_media_type"),
        Case::new("DELETE", &path, "").with("if-match", "\"1\"").told(409, "version_conflict"),
        plain("revoke").with("if-match", "\"1\"").told(409, "version_conflict"),
        plain("regenerate").with("if-match", "\"1\"").told(409, "version_conflict"),
        plain("disable").with("if-match", "\"1\"").told(409, "version_conflict"),
        plain("block").told(415, "unsupported_media_type"),
        act("block", json!({})).names("reason"),
        act("block", json!({ "reason": "" })).names("reason"),
        act("block", json!({ "reason": "x".repeat(201) })).names("reason"),
        act("block", json!({ "reason": "a\u{0}" })).names("reason"),
        act("revoke", json!({ "reason": "x".repeat(201) })).names("reason"),
        act("revoke", json!({ "reasons": "leaked" })).names("reasons"),
        act("revoke", json!(["leaked"])).names(""),
        act("regenerate", json!({ "secret": "short" })).names("secret"),
        act("regenerate", json!({ "secret": BROUGHT })).told(409, "secret_exists"),
        act("regenerate", json!({ "secret": subject.secret })).told(409, "secret_exists"),
        plain("rotate").told(415, "unsupported_media_type"),
        act("rotate", json!({})).names("overlap_seconds"),
        act("rotate", json!({ "overlap_seconds": -1 })).names("overlap_seconds"),
        act("rotate", json!({ "overlap_seconds": 2_592_001 })).names("overlap_seconds"),
        act("rotate", json!({ "overlap_seconds": "1d" })).names("overlap_seconds"),
        act("rotate", json!({ "overlap_seconds": 0, "secret": "short" })).names("secret"),
        act("rotate", json!({ "overlap_seconds": 0, "secret": BROUGHT })).told(409, "secret_exists"),
        act("rotate", json!({ "overlap_seconds": 0 }))
            .with("if-match", "\"1\"")
            .told(409, "version_conflict"),
        plain("rotate-everything").told(404, "not_found"),
        Case::new("GET", &format!("{}/key_1", subject.keys), "").told(404, "not_found"),
        Case::new("GET", &format!("{}/{}%00", subject.keys, subject.id), "").told(404, "not_found"),
        Case::new("GET", &format!("{}/%FF", subject.keys), "").told(404, "not_found"),
        Case::new("PUT", &path, "{}").told(405, "method_not_allowed"),
    ]
}

/// On reading lists.
pub(crate) fn on_lists(subject: &Subject) -> Vec<Case> {
    let keys = |query: &str, field| Case::new("GET", &format!("{}?{query}", subject.keys), "").names(field);
    let applications = |query: &str, field| {
        Case::new("GET", &format!("{}/applications?{query}", subject.tenant), "").names(field)
    };
    let usage = |query: &str, field| {
        Case::new("GET", &format!("{}/{}/usage?{query}", subject.keys, subject.id), "").names(field)
    };
    let tenant_usage =
        |query: &str, field| Case::new("GET", &format!("{}/usage?{query}", subject.tenant), "").names(field);
    let of_tenant =
        |path: &str, field| Case::new("GET", &format!("{}{path}", subject.tenant), "").names(field);
    vec![
        of_tenant("/overview?environment=prod", "environment"),
        of_tenant("/overview?from=2026-01-01T00:00:00Z", "from"),
        of_tenant("/sources?environment=prod", "environment"),
        of_tenant("/sources?limit=0", "limit"),
        of_tenant("/sources?cursor=a%20b", "cursor"),
        of_tenant("/ingest?environment=prod", "environment"),
        of_tenant("/ingest?step=week", "step"),
        of_tenant("/ingest?from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z&step=minute", "step"),
        tenant_usage("from=yesterday", "from"),
        tenant_usage("step=week", "step"),
        tenant_usage("from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z&step=minute", "step"),
        tenant_usage("environment=prod", "environment"),
        tenant_usage("colour=red", "colour"),
        usage("from=yesterday", "from"),
        usage("to=2026-02-30T00:00:00Z", "to"),
        usage("to=", "to"),
        usage("step=week", "step"),
        usage("step=minute&step=minute", "step"),
        usage("from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", "to"),
        usage("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        usage("from=9999-01-01T00:00:00Z", "to"),
        usage("from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z&step=minute", "step"),
        usage("from=0000-01-01T00:00:00Z&step=day", "step"),
        usage("colour=red", "colour"),
        keys("limit=0", "limit"),
        keys("limit=201", "limit"),
        keys("limit=-1", "limit"),
        keys("limit=99999999999", "limit"),
        keys("limit=ten", "limit"),
        keys("limit=1&limit=2", "limit"),
        keys("cursor=nonsense", "cursor"),
        keys("cursor=key_01J00000000000000000000001%00", "cursor"),
        keys("environment=prod", "environment"),
        keys("status=dead", "status"),
        keys("kind=robot", "kind"),
        keys("application_id=app_1", "application_id"),
        keys("customer_id=cus_1", "customer_id"),
        keys("trust_level=root", "trust_level"),
        keys("include_deleted=maybe", "include_deleted"),
        keys("q=%00", "q"),
        keys("limit=1&q=%FF", "q"),
        keys("q=a%C3", "q"),
        keys("tag=", "tag"),
        keys("tag=a%00", "tag"),
        keys("rotation_due=soon", "rotation_due"),
        keys("unused_days=0", "unused_days"),
        keys("unused_days=3651", "unused_days"),
        keys("unused_days=-1", "unused_days"),
        keys("blocked=perhaps", "blocked"),
        keys("expires_within_days=0", "expires_within_days"),
        keys("expires_within_days=3651", "expires_within_days"),
        keys("sort=colour", "sort"),
        keys("order=up", "order"),
        keys("sort=name&include_deleted=true", "sort"),
        keys("sort=name&cursor=key_01J00000000000000000000001", "cursor"),
        keys("sort=expires&cursor=key_01J00000000000000000000001.soon", "cursor"),
        keys("cursor=key_01J00000000000000000000001.never", "cursor"),
        keys("source_id=a%00", "source_id"),
        keys("source_id=a%0D", "source_id"),
        keys("source_id=", "source_id"),
        keys("colour=red", "colour"),
        applications("limit=0", "limit"),
        applications("cursor=key_01J00000000000000000000001", "cursor"),
        applications("colour=red", "colour"),
    ]
}

/// On asking whether a key is good.
pub(crate) fn on_verify(subject: &Subject, authz: &str) -> Vec<Case> {
    let ask = |body: Value| Case::json("POST", "/api/v1/keys/verify", &body);
    let key = &subject.secret;
    let gateway = |suffix: &str| Case::new("GET", &format!("{authz}{suffix}"), "");
    let bare = authz.split('?').next().unwrap_or_default();
    vec![
        Case::new("POST", "/api/v1/keys/verify", "{").told(400, "malformed_json"),
        Case::new("POST", "/api/v1/keys/verify", "{}").without_type().told(415, "unsupported_media_type"),
        ask(json!({})).names("key"),
        ask(json!([key])).names(""),
        ask(json!({ "key": 1 })).names("key"),
        ask(json!({ "key": key, "environment": "prod" })).names("environment"),
        ask(json!({ "key": key, "application_id": "app_1" })).names("application_id"),
        ask(json!({ "key": key, "ip": "300.1.1.1" })).names("ip"),
        ask(json!({ "key": key, "customer_id": "cus_1" })).names("customer_id"),
        ask(json!({ "key": key, "permissions": ["customers"] })).names("permissions[0]"),
        ask(json!({ "key": key, "permissions": ["a:b", "a:*"] })).names("permissions[1]"),
        ask(json!({ "key": key, "permissions": "a:b" })).names("permissions"),
        ask(json!({ "key": key, "permissions": [["a:b"], null] })).names("permissions[0]"),
        ask(json!({ "key": key, "permissions": { "all": ["a:b"], "any": ["a:c"] } })).names("permissions"),
        ask(json!({ "key": key, "permissions": vec!["a:b"; 201] })).names("permissions"),
        ask(json!({ "key": key, "colour": "red" })).names("colour"),
        Case::new("GET", "/api/v1/keys/verify", "").told(405, "method_not_allowed"),
        Case::new("GET", &format!("{bare}?environment=prod"), "").names("environment"),
        gateway("&environment=staging").names("environment"),
        gateway("&permission=customers").names("permission"),
        gateway("&colour=red").names("colour"),
        Case::new("GET", "/api/v1/authz/app_1?environment=production", "").told(404, "not_found"),
    ]
}

/// On everything else.
pub(crate) fn on_others(subject: &Subject) -> Vec<Case> {
    let applications = format!("{}/applications", subject.tenant);
    let application = |body: Value| Case::json("POST", &applications, &body);
    let tenant = |body: Value| Case::json("POST", "/api/v1/tenants", &body);
    let sign_in = |body: Value| Case::json("POST", "/api/v1/auth/token", &body);
    let switch = |what: &str| {
        let path = format!("{}/{}/{what}", subject.keys, subject.id);
        Case::json("POST", &path, &json!({ "reason": "red" })).names("reason")
    };
    vec![
        switch("disable"),
        switch("enable"),
        switch("unblock"),
        application(json!({ "name": "" })).names("name"),
        application(json!({ "name": "x".repeat(201) })).names("name"),
        application(json!({ "name": "a", "colour": "red" })).names("colour"),
        application(json!({ "name": "Playground" })).told(409, "name_taken"),
        tenant(json!({ "name": "a\u{0}" })).names("name"),
        tenant(json!({ "name": "a", "key_label": "A!" })).names("key_label"),
        tenant(json!({ "name": "a", "key_label": "abcdefghijklm" })).names("key_label"),
        tenant(json!(["a"])).names(""),
        sign_in(json!({ "email": "a@example.com" })).names("password"),
        sign_in(json!({ "email": 1, "password": "x" })).names("email"),
        sign_in(json!({ "email": "a@b", "password": "x", "remember": true })).names("remember"),
        sign_in(json!({ "email": "a@b", "password": "x", "tenant_id": "ten_1" })).names("tenant_id"),
        Case::new("GET", "/nowhere", "").told(404, "not_found"),
        Case::new("GET", "/api/v1/tenants/ten_1/api-keys", "").told(404, "not_found"),
        Case::new("GET", "//api/v1/tenants", "").told(404, "not_found"),
        Case::new("DELETE", &subject.keys, "").told(405, "method_not_allowed"),
        Case::new("POST", "/healthz", "").told(405, "method_not_allowed"),
        Case::new("BREW", "/api/v1/tenants", "").told(405, "method_not_allowed"),
    ]
}
