//! Who may call what: every operation of the OpenAPI document, as everybody. An operation without a row fails.

use keystile_testkit::http::{Answer, NOTHING};
use serde_json::{Value, json};

use crate::isolation::Two;
use crate::matrix::{Call, documented_calls};
use crate::seat::Seat;
use crate::world::{World, as_key, last_entry, sign_in, text};

/// What somebody must be to be let in.
#[derive(Debug, Clone, Copy)]
enum Needs {
    /// Nobody in particular.
    Nothing,
    /// A person, member of whatever tenant.
    Person,
    /// In the tenant at least this role, or a key with one of these permissions.
    Tenant(Role, &'static [&'static str]),
    /// The same, but about the caller's own tenant, which no path names.
    OwnTenant(Role, &'static [&'static str]),
    /// Any good key.
    Key,
    /// Any good key, or its token.
    KeyOrToken,
    /// A key of a source that may send events, or its token.
    Sender,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Viewer,
    Developer,
    Admin,
    Owner,
}

use Needs::{Key, KeyOrToken, Nothing, OwnTenant, Person, Sender, Tenant};
use Role::{Admin, Developer, Owner, Viewer};

const PERSONS_ONLY: &[&str] = &[];
const SEND_EVENTS: &[&str] = &["keystile.events:write"];
const READ_KEYS: &[&str] = &["keystile.keys:read", "keystile.keys:issue"];
const ISSUE: &[&str] = &["keystile.keys:issue"];
const READ_AUDIT: &[&str] = &["keystile.audit:read"];
const VERIFY: &[&str] = &["keystile.keys:verify"];
const READ_MEMBERS: &[&str] = &["keystile.memberships:read"];
const READ_CUSTOMERS: &[&str] = &["keystile.customers:read", "keystile.customers:write"];
const WRITE_CUSTOMERS: &[&str] = &["keystile.customers:write"];

/// Paths inside a tenant stand here without `/api/v1/tenants/{tenant_id}`, as they begin with `…`.
const ROWS: &[(&str, &str, Needs)] = &[
    ("GET", "/healthz", Nothing),
    ("GET", "/readyz", Nothing),
    ("POST", "/api/v1/setup", Nothing),
    ("POST", "/api/v1/auth/token", Nothing),
    ("POST", "/api/v1/auth/token/refresh", Nothing),
    ("GET", "/.well-known/jwks.json", Nothing),
    ("POST", "/api/v1/auth/logout", Person),
    ("GET", "/api/v1/auth/me", Person),
    ("GET", "/api/v1/auth/sessions", Person),
    ("DELETE", "/api/v1/auth/sessions/{session_id}", Person),
    ("POST", "/api/v1/auth/password", Person),
    ("POST", "/api/v1/auth/password/reset", Nothing),
    ("POST", "/api/v1/auth/totp", Person),
    ("DELETE", "/api/v1/auth/totp", Person),
    ("POST", "/api/v1/auth/totp/confirm", Person),
    ("GET", "/api/v1/tenants", Person),
    ("POST", "/api/v1/tenants", Person),
    ("GET", "…", Tenant(Viewer, PERSONS_ONLY)),
    ("POST", "…/memberships/{person_id}/password-reset", Tenant(Admin, PERSONS_ONLY)),
    ("PATCH", "…", Tenant(Owner, PERSONS_ONLY)),
    ("POST", "/api/v1/auth/invitations/accept", Nothing),
    ("GET", "…/memberships", Tenant(Viewer, READ_MEMBERS)),
    ("GET", "…/memberships/{person_id}", Tenant(Viewer, READ_MEMBERS)),
    ("PATCH", "…/memberships/{person_id}", Tenant(Admin, PERSONS_ONLY)),
    ("DELETE", "…/memberships/{person_id}", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/invitations", Tenant(Viewer, READ_MEMBERS)),
    ("POST", "…/invitations", Tenant(Admin, PERSONS_ONLY)),
    ("DELETE", "…/invitations/{invitation_id}", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/customers", Tenant(Viewer, READ_CUSTOMERS)),
    ("POST", "…/customers", Tenant(Developer, WRITE_CUSTOMERS)),
    ("GET", "…/customers/{customer_id}", Tenant(Viewer, READ_CUSTOMERS)),
    ("PATCH", "…/customers/{customer_id}", Tenant(Developer, WRITE_CUSTOMERS)),
    ("GET", "…/permissions", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/applications/{application_id}/permissions", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/applications/{application_id}/permissions/{permission}", Tenant(Viewer, PERSONS_ONLY)),
    ("PUT", "…/applications/{application_id}/permissions/{permission}", Tenant(Admin, PERSONS_ONLY)),
    ("DELETE", "…/applications/{application_id}/permissions/{permission}", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/applications/{application_id}/routing", Tenant(Viewer, PERSONS_ONLY)),
    ("PUT", "…/applications/{application_id}/routing", Tenant(Admin, PERSONS_ONLY)),
    ("PATCH", "…/applications/{application_id}", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/applications", Tenant(Viewer, PERSONS_ONLY)),
    ("POST", "…/applications", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/applications/{application_id}", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/api-keys", Tenant(Viewer, READ_KEYS)),
    ("POST", "…/api-keys", Tenant(Developer, ISSUE)),
    ("POST", "…/api-keys/import", Tenant(Developer, ISSUE)),
    ("GET", "…/api-keys/{api_key_id}", Tenant(Viewer, READ_KEYS)),
    ("GET", "…/api-keys/{api_key_id}/usage", Tenant(Viewer, READ_KEYS)),
    ("GET", "…/api-keys/{api_key_id}/addresses", Tenant(Viewer, READ_KEYS)),
    ("GET", "…/usage", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/overview", Tenant(Viewer, PERSONS_ONLY)),
    ("PATCH", "…/api-keys/{api_key_id}", Tenant(Developer, ISSUE)),
    ("DELETE", "…/api-keys/{api_key_id}", Tenant(Developer, ISSUE)),
    ("POST", "…/api-keys/{api_key_id}/regenerate", Tenant(Developer, ISSUE)),
    ("POST", "…/api-keys/{api_key_id}/rotate", Tenant(Developer, ISSUE)),
    ("POST", "…/api-keys/{api_key_id}/revoke", Tenant(Developer, ISSUE)),
    ("POST", "…/api-keys/{api_key_id}/disable", Tenant(Developer, ISSUE)),
    ("POST", "…/api-keys/{api_key_id}/enable", Tenant(Developer, ISSUE)),
    ("POST", "…/api-keys/{api_key_id}/block", Tenant(Developer, ISSUE)),
    ("POST", "…/api-keys/{api_key_id}/unblock", Tenant(Developer, ISSUE)),
    ("GET", "…/jobs", Tenant(Viewer, READ_KEYS)),
    // A job that changes keys; one that only reads them takes less.
    ("POST", "…/jobs", Tenant(Developer, ISSUE)),
    ("GET", "…/jobs/{job_id}", Tenant(Viewer, READ_KEYS)),
    ("POST", "…/jobs/{job_id}/cancel", Tenant(Viewer, READ_KEYS)),
    ("POST", "…/jobs/{job_id}/retry", Tenant(Viewer, READ_KEYS)),
    ("GET", "…/jobs/{job_id}/result", Tenant(Viewer, READ_KEYS)),
    ("POST", "…/jobs/{job_id}/result", Tenant(Developer, ISSUE)),
    ("POST", "/api/v1/events", Sender),
    ("GET", "…/events", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/events/{event_id}", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/entities", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/entities/{entity_type}/{entity_id}", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/sources", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/ingest", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/leaks", Tenant(Viewer, READ_AUDIT)),
    ("POST", "…/leaks/lookup", Tenant(Developer, VERIFY)),
    ("GET", "…/scan-rules", Tenant(Viewer, PERSONS_ONLY)),
    ("POST", "/api/v1/leaks/report", Nothing),
    ("POST", "/api/v1/leaks/github", Nothing),
    ("GET", "…/api-keys/{api_key_id}/exposure", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/logs", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/logs/export", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/logs/stream", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/logs/{log_id}", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/providers", Tenant(Admin, PERSONS_ONLY)),
    ("POST", "…/providers", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/providers/{provider_id}", Tenant(Admin, PERSONS_ONLY)),
    ("PATCH", "…/providers/{provider_id}", Tenant(Admin, PERSONS_ONLY)),
    ("DELETE", "…/providers/{provider_id}", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/models", Tenant(Viewer, PERSONS_ONLY)),
    ("POST", "…/models", Tenant(Admin, PERSONS_ONLY)),
    ("POST", "…/models/import", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/models/{model_id}", Tenant(Viewer, PERSONS_ONLY)),
    ("PATCH", "…/models/{model_id}", Tenant(Admin, PERSONS_ONLY)),
    ("DELETE", "…/models/{model_id}", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/models/{model_id}/prices", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/webhooks", Tenant(Admin, PERSONS_ONLY)),
    ("POST", "…/webhooks", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/webhooks/{webhook_id}", Tenant(Admin, PERSONS_ONLY)),
    ("PATCH", "…/webhooks/{webhook_id}", Tenant(Admin, PERSONS_ONLY)),
    ("DELETE", "…/webhooks/{webhook_id}", Tenant(Admin, PERSONS_ONLY)),
    ("POST", "…/webhooks/{webhook_id}/rotate-secret", Tenant(Admin, PERSONS_ONLY)),
    ("POST", "…/webhooks/{webhook_id}/test", Tenant(Admin, PERSONS_ONLY)),
    ("POST", "…/webhooks/{webhook_id}/redeliver", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/deliveries", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/holds", Tenant(Viewer, PERSONS_ONLY)),
    ("POST", "…/holds/{hold_id}/settle", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/ledger", Tenant(Viewer, PERSONS_ONLY)),
    ("POST", "…/ledger/{ledger_id}/correct", Tenant(Admin, PERSONS_ONLY)),
    ("GET", "…/spend", Tenant(Viewer, PERSONS_ONLY)),
    ("GET", "…/audit", Tenant(Viewer, READ_AUDIT)),
    ("GET", "…/audit/{audit_id}", Tenant(Viewer, READ_AUDIT)),
    ("GET", "…/audit/proof", Tenant(Viewer, READ_AUDIT)),
    ("GET", "…/audit/export", Tenant(Viewer, READ_AUDIT)),
    ("GET", "/api/v1/integration/api-keys", OwnTenant(Viewer, READ_KEYS)),
    ("POST", "/api/v1/integration/api-keys", OwnTenant(Developer, ISSUE)),
    ("GET", "/api/v1/integration/api-keys/{api_key_id}", OwnTenant(Viewer, READ_KEYS)),
    ("PATCH", "/api/v1/integration/api-keys/{api_key_id}", OwnTenant(Developer, ISSUE)),
    ("POST", "/api/v1/integration/api-keys/{api_key_id}/revoke", OwnTenant(Developer, ISSUE)),
    ("POST", "/api/v1/keys/verify", OwnTenant(Developer, VERIFY)),
    ("POST", "/api/v1/keys/verify-batch", OwnTenant(Developer, VERIFY)),
    ("POST", "/api/v1/holds/{hold_id}/settle", OwnTenant(Developer, VERIFY)),
    ("GET", "/api/v1/whoami", KeyOrToken),
    ("POST", "/oauth2/introspect", OwnTenant(Developer, VERIFY)),
    ("POST", "/oauth2/revoke", Nothing),
    ("GET", "/api/v1/authz/{application_id}", Key),
];

/// Somebody who calls.
#[derive(Debug)]
enum Persona {
    Nobody,
    Member(Role),
    /// Owner of another tenant.
    Stranger,
    /// A key with just this permission, or a token made from it.
    Automation(&'static str),
    /// A key that may do anything in the tenant's API, and nothing in ours, or a token made from it.
    Unentitled,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Let in; what came of it is for other tests.
    Admitted,
    Refused(u16),
}

impl Outcome {
    fn of(answer: &Answer) -> Self {
        assert!(answer.status < 500, "whoever is let in is answered: {}", answer.text);
        match answer.status {
            // A thing that an earlier call took away is not found by those who may look for it.
            401 | 403 => Self::Refused(answer.status),
            404 if answer.json["detail"] == "there is no such tenant" => Self::Refused(404),
            _ => Self::Admitted,
        }
    }
}

impl Needs {
    fn expected(self, who: &Persona) -> Outcome {
        let admitted = match (self, who) {
            (Nothing, _) | (OwnTenant(..), Persona::Stranger) => true,
            // A token of a person is no key, and one of a key is not the key.
            (_, Persona::Nobody) | (Key, _) => return Outcome::Refused(401),
            (Tenant(..), Persona::Stranger) => return Outcome::Refused(404),
            (KeyOrToken, who) => matches!(who, Persona::Automation(_) | Persona::Unentitled),
            (Sender, who) => matches!(who, Persona::Automation(own) if SEND_EVENTS.contains(own)),
            (Person, who) => matches!(who, Persona::Member(_) | Persona::Stranger),
            (Tenant(role, _) | OwnTenant(role, _), Persona::Member(own)) => *own >= role,
            (Tenant(_, accepted) | OwnTenant(_, accepted), Persona::Automation(own)) => {
                accepted.contains(own)
            }
            (Tenant(..) | OwnTenant(..), Persona::Unentitled) => false,
        };
        if admitted { Outcome::Admitted } else { Outcome::Refused(403) }
    }
}

fn row(call: &Call) -> Needs {
    let path = call.path.replace("/api/v1/tenants/{tenant_id}", "…");
    let found = ROWS.iter().find(|(method, of, _)| *method == call.method && *of == path);
    found.unwrap_or_else(|| panic!("{} {path} has no row: say who may call it", call.method)).2
}

/// Everybody, each with the text of their credential.
async fn everybody(two: &Two) -> Vec<(Persona, String)> {
    let (world, password) = (&two.a, &two.a.credentials.password);
    // Anew, so that the token is for the tenant that was made with the first one.
    let stranger = sign_in(&world.http, "stranger@example.com", password).await;
    let mut all = vec![(Persona::Nobody, String::new()), (Persona::Stranger, stranger)];
    for (role, email) in [
        (Viewer, "viewer@example.com"),
        (Developer, "developer@example.com"),
        (Admin, "admin@example.com"),
        (Owner, world.credentials.email.as_str()),
    ] {
        all.push((Persona::Member(role), sign_in(&world.http, email, password).await));
    }
    let permissions = [READ_KEYS, VERIFY, READ_AUDIT, READ_MEMBERS, READ_CUSTOMERS, SEND_EVENTS].concat();
    for permission in permissions.into_iter().map(Some).chain([None]) {
        let source = permission.filter(|permission| SEND_EVENTS.contains(permission)).map(|_| "matrix");
        let body =
            json!({ "name": "automation", "source_id": source, "scopes": [permission.unwrap_or("*")] });
        let secret = as_key(text(&world.create(&body).await, "secret"));
        let persona = || permission.map_or(Persona::Unentitled, Persona::Automation);
        let token = world.http.json("POST", "/api/v1/auth/token", &secret, &NOTHING).await.expect(200);
        all.push((persona(), secret));
        all.push((persona(), format!("Bearer {}", text(&token, "access_token"))));
    }
    all
}

/// Whether the credential is a key itself, which is what gateways pass on.
fn is_key(credential: &str) -> bool {
    credential.starts_with("ApiKey ")
}

/// What is put into paths.
fn ids<'a>(world: &'a World, subject: &'a Value, entry: &'a str) -> [(&'a str, &'a str); 17] {
    [
        ("tenant_id", &world.credentials.tenant_id),
        ("application_id", &world.credentials.application_id),
        ("api_key_id", text(subject, "id")),
        ("session_id", "ses_01J00000000000000000000001"),
        ("audit_id", entry),
        // Nobody and nothing, so that no call takes anything away from those who call later.
        ("person_id", "per_01J00000000000000000000009"),
        ("invitation_id", "inv_01J00000000000000000000009"),
        ("customer_id", "cus_01J00000000000000000000009"),
        ("permission", "nothing:read"),
        ("event_id", "evt_01J00000000000000000000009"),
        ("job_id", "job_01J00000000000000000000009"),
        ("log_id", "log_01J00000000000000000000009"),
        ("webhook_id", "hook_01J00000000000000000000009"),
        ("provider_id", "prv_01J00000000000000000000009"),
        ("model_id", "mdl_01J00000000000000000000009"),
        ("hold_id", "hld_01J00000000000000000000009"),
        ("ledger_id", "led_01J00000000000000000000009"),
        ("entity_type", "nothing"),
        ("entity_id", "nowhere"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_call_what_the_table_says_and_nothing_else() {
    let two = Two::start().await;
    let world = &two.a;
    let everybody = everybody(&two).await;
    let calls = documented_calls(world).await;
    let entry = last_entry(world).await;
    for (method, path, _) in ROWS {
        let path = path.replace('…', "/api/v1/tenants/{tenant_id}");
        assert!(calls.contains(&Call { method: (*method).to_owned(), path }), "a row of nothing: {method}");
    }
    for call in calls.iter().filter(|call| call.is_own_method()) {
        let needs = row(call);
        for (who, credential) in &everybody {
            let subject = world.create(&json!({ "name": "subject" })).await;
            let ids = ids(world, &subject, &entry);
            let path = call.path_with(&ids);
            let query = match needs {
                Key => "?environment=production",
                // Whoever is let in is told that this is wrong, instead of being told of requests for ever.
                Tenant(..) if call.has_no_end() => "?status=none",
                Nothing | Person | Tenant(..) | OwnTenant(..) | KeyOrToken | Sender => "",
            };
            let body = call.body_about(&subject);
            let answer = world.http.json(&call.method, &format!("{path}{query}"), credential, &body).await;
            let expected = match needs {
                Key if is_key(credential) => Outcome::Admitted,
                _ => needs.expected(who),
            };
            assert_eq!(Outcome::of(&answer), expected, "{} {path} as {who:?}: {}", call.method, answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_a_browser_opens_no_call() {
    let world = World::start().await;
    let seat = Seat::empty(&world.http, world.server.address());
    let seat = seat.signed_in(&world.credentials.email, &world.credentials.password).await;
    let (subject, entry) = (world.create(&json!({ "name": "subject" })).await, last_entry(&world).await);
    let (bearer, key) = (format!("Bearer {}", seat.session()), as_key(seat.session()));
    let credentials = [("cookie", seat.cookie.as_str()), ("authorization", &bearer), ("authorization", &key)];
    for call in documented_calls(&world).await.iter().filter(|call| call.is_own_method()) {
        let query = match row(call) {
            Nothing => continue,
            Key => "?environment=production",
            Person | Tenant(..) | OwnTenant(..) | KeyOrToken | Sender => "",
        };
        let path = call.path_with(&ids(&world, &subject, &entry));
        let alias = path.strip_prefix("/api/v1").filter(|_| call.path.contains("{tenant_id}"));
        let paths = [Some(format!("{path}{query}")), alias.map(str::to_owned)];
        for path in paths.iter().flatten() {
            for (name, value) in credentials {
                let request = world.http.request(&call.method, path).header(name, value);
                let request = request.header("origin", &seat.origin).header("x-csrf-token", &seat.form_token);
                let request = request.header("content-type", "application/json");
                let answer = world.http.send(request, call.body_about(&subject).to_string()).await;
                assert_eq!(answer.status, 401, "{} {path} with {name}: {}", call.method, answer.text);
            }
        }
    }
    assert_eq!(seat.open("/console/account").await.status, 200, "it is good all the time");
}
