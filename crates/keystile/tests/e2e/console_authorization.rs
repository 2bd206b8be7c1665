//! Who may open and send what in the console: every place of its table, as everybody. A place without a row fails.

use keystile_testkit::http::Answer;
use serde_json::json;

use crate::console::between;
use crate::console_places::Needs::{self, Maker, Member, Nothing, Person};
use crate::console_places::Role::{self, Admin, Developer, Owner, Viewer};
use crate::console_places::{ACCOUNT, ROWS, SIGN_OUT, row};
use crate::leak_intake::leaked;
use crate::matrix::{a_provider, a_webhook, holds};
use crate::seat::Seat;
use crate::tenancy::PASSWORD;
use crate::world::{World, as_key, text};

/// A tenant that nobody has.
const NOWHERE: &str = "ten_01J00000000000000000000009";

/// Somebody before a browser.
#[derive(Debug, Clone, Copy)]
enum Persona {
    Nobody,
    Of(Role),
    /// Owner of another tenant.
    Stranger,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Let in; what came of it is for other tests.
    Admitted,
    /// Sent to where one signs in.
    AskedWhoTheyAre,
    NotAllowed,
    NoSuchTenant,
    /// A form that no page of ours sent.
    NotOurs,
}

impl Outcome {
    fn of(answer: &Answer) -> Self {
        assert!(answer.status < 500, "whoever is let in is answered: {}", answer.text);
        let leads_to = answer.header("location");
        let is_asked = leads_to == "/console/sign-in" || leads_to.starts_with("/console/sign-in?next=");
        match answer.status {
            303 if is_asked => Self::AskedWhoTheyAre,
            403 if answer.text.contains("was not sent from a page of this console") => Self::NotOurs,
            401 | 403 => Self::NotAllowed,
            404 if answer.text.contains("there is no such tenant") => Self::NoSuchTenant,
            // A thing that an earlier form took away is not found by those who may look for it.
            _ => Self::Admitted,
        }
    }
}

impl Needs {
    fn expected(self, who: Persona) -> Outcome {
        match (self, who) {
            (Nothing, _) | (Person, Persona::Of(_) | Persona::Stranger) => Outcome::Admitted,
            (_, Persona::Nobody) => Outcome::AskedWhoTheyAre,
            (Member(_) | Maker, Persona::Stranger) => Outcome::NoSuchTenant,
            (Member(least), Persona::Of(own)) if own >= least => Outcome::Admitted,
            (Member(_) | Maker, Persona::Of(_)) => Outcome::NotAllowed,
        }
    }
}

/// A server with a tenant that has one of each thing, and what to fill into paths.
struct House {
    world: World,
    things: Vec<(&'static str, String)>,
}

impl House {
    async fn start() -> Self {
        let world = World::start().await;
        let make = async |below: &str, body| {
            let answer = world.ask("POST", &format!("{}{below}", world.tenant()), &body).await;
            text(&answer.expect(201), "id").to_owned()
        };
        let key = make("/api-keys", json!({ "name": "Subject key" })).await;
        let customer = make("/customers", json!({ "name": "Subject Inc." })).await;
        let webhook = make("/webhooks", a_webhook()).await;
        let provider = make("/providers", a_provider()).await;
        let model = make("/models", json!({ "provider_id": provider, "name": "subject" })).await;
        let [_, hold] = holds(&world.http, &world.keys(), &world.owner).await;
        let charges = world.read(&format!("{}/ledger?limit=1", world.tenant())).await;
        let application = make("/applications", json!({ "name": "Subject shop" })).await;
        let invitation =
            make("/invitations", json!({ "email": "invited@example.com", "role": "viewer" })).await;
        let permission = format!("{}/applications/{application}/permissions/subject:read", world.tenant());
        world.ask("PUT", &permission, &json!({ "label": "Subject Read" })).await.expect(201);
        let member = world.member("subject@example.com", "viewer").await;
        let (event, leak) = (an_event(&world).await, a_leak(&world).await);
        let log = world.read(&format!("{}/logs?limit=1", world.tenant())).await;
        let export =
            world.ask("POST", &format!("{}/jobs", world.tenant()), &json!({ "kind": "export" })).await;
        let job = text(&export.expect(202), "id").to_owned();
        let page = world.http.send(world.http.request("GET", "/console/sign-in"), "").await.text;
        let things = vec![
            ("version", between(&page, "/console/assets/", "/").to_owned()),
            ("api_key_id", key),
            ("customer_id", customer),
            ("application_id", application),
            ("invitation_id", invitation),
            ("permission", "subject:read".to_owned()),
            ("event_id", event),
            ("job_id", job),
            ("leak_id", leak),
            ("webhook_id", webhook),
            ("provider_id", provider),
            ("model_id", model),
            ("hold_id", hold),
            ("ledger_id", text(&charges["data"][0], "id").to_owned()),
            ("log_id", text(&log["data"][0], "id").to_owned()),
            ("entity_type", "subject".to_owned()),
            ("entity_id", "the-subject".to_owned()),
            ("person_id", member.id),
            ("session_id", "ses_01J00000000000000000000009".to_owned()),
        ];
        Self { world, things }
    }

    fn tenant(&self) -> &str {
        &self.world.credentials.tenant_id
    }

    /// A path of the table, of the things that there are, in a tenant.
    fn path(&self, path: &str, tenant: &str) -> String {
        let name = if path.contains("/assets/") { "console.css" } else { "create_key" };
        let put = |path: String, name: &str, thing: &str| path.replace(&format!("{{{name}}}"), thing);
        let path = put(put(path.to_owned(), "tenant_id", tenant), "name", name);
        let path = self.things.iter().fold(path, |path, (name, thing)| put(path, name, thing));
        assert!(!path.contains('{'), "a name that this test does not know: {path}");
        path
    }

    fn empty(&self) -> Seat {
        Seat::empty(&self.world.http, self.world.server.address())
    }

    /// Somebody new, with a role in the tenant.
    async fn seat(&self, role: &str) -> Seat {
        let email = format!("{role}@example.com");
        self.world.member(&email, role).await;
        self.empty().signed_in(&email, PASSWORD).await
    }

    /// The owner of another tenant, and that.
    async fn stranger(&self) -> (Seat, String) {
        let made =
            self.world.ask("POST", "/api/v1/tenants", &json!({ "name": "Elsewhere" })).await.expect(201);
        let tenant = text(&made, "id").to_owned();
        let body = json!({ "email": "stranger@example.com", "role": "owner" });
        let path = format!("/api/v1/tenants/{tenant}/invitations");
        let invited = self.world.ask("POST", &path, &body).await.expect(201);
        let accept = json!({ "token": invited["token"], "password": PASSWORD });
        let path = "/api/v1/auth/invitations/accept";
        self.world.http.json("POST", path, "", &accept).await.expect(200);
        (self.empty().signed_in("stranger@example.com", PASSWORD).await, tenant)
    }
}

/// An event about `subject/the-subject`.
async fn an_event(world: &World) -> String {
    let source = world.create(&json!({ "name": "Subject source", "source_id": "subject" })).await;
    let event = json!({ "type": "subject.seen", "entity": { "type": "subject", "id": "the-subject" } });
    let key = as_key(text(&source, "secret"));
    world.http.json("POST", "/api/v1/events", &key, &event).await.expect(202);
    let events = world.read(&format!("{}/events", world.tenant())).await;
    text(&events["data"][0], "id").to_owned()
}

/// A report about a key of its own.
async fn a_leak(world: &World) -> String {
    let key = world.create(&json!({ "name": "Subject of a leak" })).await;
    text(&leaked(world, &key, "https://example.com/gist").await, "id").to_owned()
}

/// Whatever the console answers tells browsers how to treat it.
#[track_caller]
pub(crate) fn assert_guarded(answer: &Answer, what: &str) {
    if what.contains("/assets/") {
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        return;
    }
    let policy = answer.header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    assert!(!policy.contains("unsafe-") && !policy.contains('*'), "{what}: {policy}");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{what}: {:?}", answer.headers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_open_and_send_in_the_console_what_the_table_says_and_nothing_else() {
    let house = House::start().await;
    let places = keystile_console::places();
    for (method, path, _) in ROWS {
        let path = path.replace('…', "/console/{tenant_id}");
        assert!(places.contains(&((*method).to_owned(), path)), "a row of nothing: {method}");
    }
    let mut everybody = vec![(Persona::Nobody, house.empty(), "")];
    everybody.push((Persona::Stranger, house.stranger().await.0, "stranger@example.com"));
    for (role, name, email) in [
        (Viewer, "viewer", "viewer@example.com"),
        (Developer, "developer", "developer@example.com"),
        (Admin, "admin", "admin@example.com"),
        (Owner, "owner", "owner@example.com"),
    ] {
        everybody.push((Persona::Of(role), house.seat(name).await, email));
    }
    for (method, path) in &places {
        let (needs, path) = (row(method, path), house.path(path, house.tenant()));
        for (who, seat, email) in &mut everybody {
            let answer = seat.visit(method, &path).await;
            let (outcome, what) = (Outcome::of(&answer), format!("{method} {path} as {who:?}"));
            assert_eq!(outcome, needs.expected(*who), "{what}: {} {}", answer.status, answer.text);
            if outcome == Outcome::Admitted && method == "GET" {
                assert!([200, 303].contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
            }
            assert_guarded(&answer, &what);
            if path == SIGN_OUT && !email.is_empty() {
                *seat = seat.signed_in(email, PASSWORD).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_session_of_a_browser_signs_anybody_in() {
    let house = House::start().await;
    let (world, empty) = (&house.world, house.empty());
    let body = json!({ "email": world.credentials.email, "password": world.credentials.password });
    let tokens = world.http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200);
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let all = world.create(&json!({ "name": "may all", "scopes": ["*", "keystile.keys:issue"] })).await;
    let owner = empty.signed_in(&world.credentials.email, &world.credentials.password).await;
    let (key, session) = (text(&all, "secret"), owner.session());
    let other = format!("bt_{}", "0".repeat(64));
    let credentials = [
        ("authorization", as_key(key)),
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("Bearer {access}")),
        ("authorization", format!("Bearer {session}")),
        ("x-api-key", key.to_owned()),
        ("x-api-key", session.to_owned()),
        ("cookie", format!("keystile={key}")),
        ("cookie", format!("keystile={access}")),
        ("cookie", format!("__Host-keystile={refresh}")),
        ("cookie", format!("keystile={other}")),
        ("cookie", format!("keystile={session}0")),
        ("cookie", format!("session={session}; keystile-theme={session}")),
    ];
    for (method, path) in keystile_console::places() {
        if matches!(row(&method, &path), Nothing) {
            continue;
        }
        let path = house.path(&path, house.tenant());
        for (name, value) in &credentials {
            let headers = [(*name, value.as_str()), ("origin", &empty.origin)];
            let fields = [("form_token", owner.form_token.as_str())];
            let answer = empty.request(&method, &path, &headers, &fields).await;
            assert_eq!(
                Outcome::of(&answer),
                Outcome::AskedWhoTheyAre,
                "{method} {path} with {name}: {value}"
            );
        }
    }
    assert_eq!(owner.open(ACCOUNT).await.status, 200, "the session itself is good all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_read_only_from_a_page_of_the_session_that_sends_it() {
    let house = House::start().await;
    let (viewer, owner) = (house.seat("viewer").await, house.seat("owner").await);
    let elsewhere = owner.signed_in("owner@example.com", PASSWORD).await;
    let (ours, cookie) = (("origin", owner.origin.as_str()), ("cookie", owner.cookie.as_str()));
    let token = owner.form_token.as_str();
    let upper = token.to_uppercase();
    let mut sent = 0;
    for (method, path) in keystile_console::places() {
        if method != "POST" {
            continue;
        }
        let needs = row(&method, &path);
        let path = house.path(&path, house.tenant());
        let mut not_ours = vec![
            ("no origin", vec![cookie], token),
            ("another origin", vec![cookie, ("origin", "https://elsewhere.example.com")], token),
            ("a hidden origin", vec![cookie, ("origin", "null")], token),
            ("another site", vec![cookie, ours, ("sec-fetch-site", "cross-site")], token),
            ("a neighbour", vec![cookie, ours, ("sec-fetch-site", "same-site")], token),
        ];
        // A form of somebody who is not signed in has no session that it could be of.
        if !matches!(needs, Nothing) {
            not_ours.extend([
                ("no token", vec![cookie, ours], ""),
                ("half a token", vec![cookie, ours], &token[..32]),
                ("another token", vec![cookie, ours], &upper),
                ("the session itself", vec![cookie, ours], owner.session()),
                ("the token of somebody else", vec![cookie, ours], &viewer.form_token),
                ("the token of another session", vec![cookie, ours], &elsewhere.form_token),
            ]);
        }
        for (what, headers, token) in not_ours {
            let answer = owner.request("POST", &path, &headers, &[("form_token", token)]).await;
            assert_eq!(Outcome::of(&answer), Outcome::NotOurs, "{path} with {what}: {}", answer.text);
            assert_guarded(&answer, &path);
            sent += 1;
        }
    }
    assert!(sent > 300, "{sent}");
    for seat in [&viewer, &owner, &elsewhere] {
        assert_eq!(seat.open(ACCOUNT).await.status, 200, "nothing was done");
    }
}

/// A page without what follows from the request alone.
fn bare(answer: &Answer, ids: &[&str]) -> String {
    let text = answer.text.replace(answer.header("x-request-id"), "REQUEST");
    ids.iter().fold(text, |text, id| text.replace(id, "ID"))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_of_another_tenant_cannot_tell_what_there_is() {
    let house = House::start().await;
    let (stranger, own) = house.stranger().await;
    let nobody = house.empty();
    let nothing = [
        ("api_key_id", "key_01J00000000000000000000009"),
        ("customer_id", "cus_01J00000000000000000000009"),
        ("application_id", "app_01J00000000000000000000009"),
        ("invitation_id", "inv_01J00000000000000000000009"),
        ("person_id", "per_01J00000000000000000000009"),
        ("event_id", "evt_01J00000000000000000000009"),
        ("job_id", "job_01J00000000000000000000009"),
        ("leak_id", "leak_01J00000000000000000000009"),
        ("log_id", "log_01J00000000000000000000009"),
        ("provider_id", "prv_01J00000000000000000000009"),
        ("model_id", "mdl_01J00000000000000000000009"),
        ("hold_id", "hld_01J00000000000000000000009"),
        ("ledger_id", "led_01J00000000000000000000009"),
        ("entity_id", "no-subject"),
    ];
    let thing = |name: &str| house.things.iter().find(|(own, _)| *own == name).unwrap().1.clone();
    for (method, path) in keystile_console::places() {
        if !matches!(row(&method, &path), Member(_) | Maker) {
            continue;
        }
        // A tenant that they are not in, and one that nobody has.
        let (theirs, nowhere) = (house.path(&path, house.tenant()), house.path(&path, NOWHERE));
        for seat in [&stranger, &nobody] {
            let answers = [seat.visit(&method, &theirs).await, seat.visit(&method, &nowhere).await];
            assert_eq!(answers[0].status, answers[1].status, "{method} {path}");
            let bared = |answer: &Answer| bare(answer, &[house.tenant(), NOWHERE]);
            assert_eq!(bared(&answers[0]), bared(&answers[1]), "{method} {path}");
            // Where it stands in a query, the id's underscore is written as its number.
            let [own, other] = [house.tenant(), NOWHERE].map(|id| id.trim_start_matches("ten_"));
            let leads_to = |answer: &Answer| answer.header("location").replace(own, other);
            assert_eq!(leads_to(&answers[0]), leads_to(&answers[1]), "{method} {path}");
        }
        // Something of that tenant in their own, and something that nobody has.
        let Some((name, none)) = nothing.iter().find(|(name, _)| path.contains(&format!("{{{name}}}")))
        else {
            continue;
        };
        let theirs = house.path(&path, &own);
        let absent = theirs.replace(&thing(name), none);
        let answers = [stranger.visit(&method, &theirs).await, stranger.visit(&method, &absent).await];
        let status = answers[0].status;
        // A form that breaks a rule is told so before anything is looked for.
        assert!([404, 422].contains(&status), "{method} {path}: {status} {}", answers[0].text);
        assert_eq!(status, answers[1].status, "{method} {path}");
        let bared = |answer: &Answer| bare(answer, &[&thing(name), none]);
        assert_eq!(bared(&answers[0]), bared(&answers[1]), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_refusal_is_guarded_like_every_other() {
    let house = House::start().await;
    let owner = house.seat("owner").await;
    let home = format!("/console/{}", house.tenant());
    let key = format!("{home}/keys/key_01J00000000000000000000009");
    for (method, path, status) in [
        ("GET", "/console/nothing/here".to_owned(), 404),
        ("GET", format!("{home}/nothing"), 404),
        ("GET", format!("{home}/%FF"), 404),
        ("GET", format!("{home}/keys/%FF"), 404),
        ("GET", format!("{home}/keys/mistyped"), 404),
        ("GET", key.clone(), 404),
        ("GET", format!("{key}/explode"), 404),
        ("GET", format!("{home}/keys/bulk"), 405),
        ("GET", format!("{home}/playground/nothing"), 404),
        ("POST", format!("{home}/keys"), 405),
        ("POST", format!("{home}/keys/bulk"), 400),
        ("GET", SIGN_OUT.to_owned(), 405),
        ("POST", "/playground".to_owned(), 405),
    ] {
        let answer = owner.visit(method, &path).await;
        let what = format!("{method} {path}");
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{what}");
        assert_eq!(answer.header("allow").is_empty(), status != 405, "{what}");
        assert_guarded(&answer, &what);
    }
    let headers =
        [("content-type", "text/plain"), ("origin", owner.origin.as_str()), ("cookie", &owner.cookie)];
    let mut request = owner.http.request("POST", &format!("{home}/keys/new"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = owner.http.send(request, "name=x").await;
    assert_eq!((answer.status, answer.header("content-type")), (415, "text/html; charset=utf-8"));
    assert_guarded(&answer, "a form that is none");
    let long = format!("name={}", "x".repeat(100 * 1024));
    let request = owner.http.request("POST", "/console/sign-in").header("origin", &owner.origin);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = owner.http.send(request, long).await;
    assert_eq!((answer.status, answer.header("content-type")), (413, "text/html; charset=utf-8"));
    assert_guarded(&answer, "a form that is too long");
}
