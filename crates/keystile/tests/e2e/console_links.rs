//! Pages that links lead to: invitations, new passwords, the first start.

use keystile_testkit::http::{Answer, Http};
use keystile_testkit::server::{Plan, Server};
use serde_json::json;

use crate::console::{Browser, between};
use crate::console_account::{leads_to, wrong};
use crate::second_factor::enrol;
use crate::tenancy::PASSWORD;
use crate::world::{KEYSTILE, World, sign_in, text};

const NEW: &str = "bronze-otter-41-lamp";

/// Sends a form of fields that need no encoding, as a browser in which nobody is signed in.
async fn submit(http: &Http, server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    submit_from(http, &format!("http://{}", server.address()), path, fields).await
}

async fn submit_from(http: &Http, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let form: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = http.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
    http.send(request.header("origin", origin), form.join("&")).await
}

async fn open(http: &Http, path: &str) -> Answer {
    http.send(http.request("GET", path), "").await
}

async fn invited(world: &World, email: &str, role: &str) -> String {
    let body = json!({ "email": email, "role": role });
    let made = world.ask("POST", &format!("{}/invitations", world.tenant()), &body).await.expect(201);
    text(&made, "token").to_owned()
}

/// The cookie that an answer gives a browser.
#[track_caller]
fn cookie(answer: &Answer) -> &str {
    let given = answer.header("set-cookie");
    assert!(given.contains("HttpOnly") && given.contains("SameSite=Strict"), "{given}");
    given.split(';').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_accepts_an_invitation_and_is_signed_in() {
    let world = World::start().await;
    let token = invited(&world, "bob@example.com", "developer").await;
    let page = open(&world.http, "/console/invitation").await;
    assert!(page.status == 200 && page.text.contains("data-from-hash"));
    let send =
        async |path: &str, fields: &[(&str, &str)]| submit(&world.http, &world.server, path, fields).await;
    let offer = send("/console/invitation/look", &[("token", &token)]).await;
    assert_eq!(offer.status, 200);
    for told in ["bob@example.com", "Playground", "Developer"] {
        assert!(offer.text.contains(told), "{told}: {}", offer.text);
    }
    assert!(!offer.text.contains(&token) && offer.text.contains("name=\"password\""));
    let unknown = send("/console/invitation/look", &[("token", "ksinv_0")]).await;
    assert!(unknown.status == 404 && unknown.text.contains("Ask whoever invited you"));

    let path = "/console/invitation";
    assert!(wrong(&send(path, &[("password", PASSWORD)]).await, "token").contains("whole link"));
    let weak = send(path, &[("token", &token), ("password", "password1234")]).await;
    assert!(wrong(&weak, "password").contains("can be guessed"));
    assert!(!weak.text.contains(&token) && !weak.text.contains("password1234"));
    assert!(wrong(&send(path, &[("token", &token)]).await, "password").contains("is required"));
    let fields = [("token", token.as_str()), ("password", PASSWORD)];
    assert_eq!(submit_from(&world.http, "https://elsewhere.example.com", path, &fields).await.status, 403);
    let joined = send(path, &fields).await;
    let home = format!("/console/{}", world.credentials.tenant_id);
    assert_eq!(leads_to(&joined), format!("{home}?told=joined"));
    let request = world.http.request("GET", &format!("{home}/members")).header("cookie", cookie(&joined));
    let members = world.http.send(request, "").await;
    assert!(
        members.status == 200 && members.text.contains("bob@example.com</span> <span class=\"badge\">You")
    );
    let again = send(path, &fields).await;
    assert!(again.status == 422 && again.text.contains("accepted or withdrawn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_known_joins_as_who_is_signed_in_or_with_their_password() {
    let world = World::start().await;
    let other = world.ask("POST", "/api/v1/tenants", &json!({ "name": "Other" })).await.expect(201);
    let other = text(&other, "id").to_owned();
    let viewer = Browser::of_member(&world, "viewer").await;
    let invite = async |email: &str| {
        let body = json!({ "email": email, "role": "viewer" });
        let made =
            world.ask("POST", &format!("/api/v1/tenants/{other}/invitations"), &body).await.expect(201);
        text(&made, "token").to_owned()
    };
    let theirs = invite("viewer@example.com").await;
    let offer = viewer.submit("/console/invitation/look", &[("token", &theirs)]).await;
    assert!(
        offer.text.contains("You are signed in as viewer@example.com")
            && !offer.text.contains("name=\"password\"")
    );
    let joined = viewer.submit("/console/invitation", &[("token", &theirs)]).await;
    assert_eq!(leads_to(&joined), format!("/console/{other}?told=joined"));
    assert_eq!(viewer.open(&format!("/console/{other}/members")).await.status, 200);

    world.member("bob@example.com", "viewer").await;
    let bobs = invite("bob@example.com").await;
    let offer = viewer.submit("/console/invitation/look", &[("token", &bobs)]).await;
    assert!(
        offer.text.contains("but bob@example.com is invited") && offer.text.contains("name=\"password\"")
    );
    let refused = viewer.submit("/console/invitation", &[("token", &bobs)]).await;
    assert!(wrong(&refused, "password").contains("is required"), "nobody joins for somebody else");
    let refused =
        viewer.submit("/console/invitation", &[("token", &bobs), ("password", "wrong-otter-42-lamp")]).await;
    assert!(wrong(&refused, "password").contains("enters its password"));
    let joined = viewer.submit("/console/invitation", &[("token", &bobs), ("password", PASSWORD)]).await;
    assert_eq!(leads_to(&joined), format!("/console/{other}?told=joined"));
    assert!(!cookie(&joined).is_empty());
    assert!(leads_to(&viewer.open("members").await).starts_with("/console/sign-in"), "theirs has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_second_factor_joins_and_then_signs_in() {
    let world = World::start().await;
    enrol(&world).await;
    let bob = world.member("bob@example.com", "viewer").await;
    let made =
        world.http.json("POST", "/api/v1/tenants", &bob.token, &json!({ "name": "Bob's" })).await.expect(201);
    let tenant = text(&made, "id");
    let body = json!({ "email": world.credentials.email, "role": "viewer" });
    let path = format!("/api/v1/tenants/{tenant}/invitations");
    let made = world.http.json("POST", &path, &bob.token, &body).await.expect(201);
    let fields = [("token", text(&made, "token")), ("password", world.credentials.password.as_str())];
    let joined = submit(&world.http, &world.server, "/console/invitation", &fields).await;
    assert_eq!(leads_to(&joined), format!("/console/sign-in?told=joined-sign-in&next=%2Fconsole%2F{tenant}"));
    assert_eq!(joined.header("set-cookie"), "");
    let page = open(&world.http, &leads_to(&joined)).await;
    assert!(
        page.text.contains("You are a member now.")
            && page.text.contains(&format!("value=\"/console/{tenant}\""))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_joins_in_the_browser_of_somebody_else_is_not_let_in_as_them() {
    let world = World::start().await;
    enrol(&world).await;
    let bob = world.member("bob@example.com", "viewer").await;
    let made =
        world.http.json("POST", "/api/v1/tenants", &bob.token, &json!({ "name": "Bob's" })).await.expect(201);
    let body = json!({ "email": world.credentials.email, "role": "viewer" });
    let path = format!("/api/v1/tenants/{}/invitations", text(&made, "id"));
    let invitation = world.http.json("POST", &path, &bob.token, &body).await.expect(201);
    let browser = Browser::of_member(&world, "viewer").await;
    let fields = [("token", text(&invitation, "token")), ("password", world.credentials.password.as_str())];
    let joined = browser.submit("/console/invitation", &fields).await;
    assert!(leads_to(&joined).starts_with("/console/sign-in?told=joined-sign-in"), "{}", joined.text);
    assert!(joined.header("set-cookie").ends_with("Max-Age=0"), "{:?}", joined.headers);
    assert_eq!(browser.open("members").await.status, 303, "that session has ended, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_set_with_a_link_and_ends_all_sessions() {
    let world = World::start().await;
    let (viewer, owner) = (Browser::of_member(&world, "viewer").await, Browser::of_owner(&world).await);
    let list = world.read(&format!("{}/memberships?email=viewer@example.com", world.tenant())).await;
    let path =
        format!("{}/memberships/{}/password-reset", world.tenant(), text(&list["data"][0], "person_id"));
    let offer = world.ask("POST", &path, &json!({})).await.expect(201);
    let (page, token) = text(&offer, "link_path").split_once('#').unwrap();
    assert_eq!((page, token), ("/console/reset", text(&offer, "token")));
    assert!(open(&world.http, page).await.text.contains("data-from-hash"));
    let send = async |fields: &[(&str, &str)]| submit(&world.http, &world.server, page, fields).await;
    assert!(wrong(&send(&[("new_password", NEW)]).await, "token").contains("whole link"));
    let weak = send(&[("token", token), ("new_password", "password1234")]).await;
    assert!(wrong(&weak, "new_password").contains("can be guessed") && !weak.text.contains(token));
    assert_eq!(viewer.open("members").await.status, 200, "nothing was changed");
    assert_eq!(
        leads_to(&send(&[("token", token), ("new_password", NEW)]).await),
        "/console/sign-in?told=password-set"
    );
    assert_eq!(viewer.open("members").await.status, 303);
    assert_eq!(owner.open("members").await.status, 200);
    sign_in(&world.http, "viewer@example.com", NEW).await;
    let again = send(&[("token", token), ("new_password", "bronze-otter-42-lamp")]).await;
    assert!(again.status == 422 && again.text.contains("was used"), "{}", again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_password_ends_the_session_of_whoever_else_was_signed_in() {
    let world = World::start().await;
    let viewer = Browser::of_member(&world, "viewer").await;
    let bob = world.member("bob@example.com", "viewer").await;
    let path = format!("{}/memberships/{}/password-reset", world.tenant(), bob.id);
    let offer = world.ask("POST", &path, &json!({})).await.expect(201);
    let fields = [("token", text(&offer, "token")), ("new_password", "password1234")];
    let weak = viewer.submit("/console/reset", &fields).await;
    assert!(wrong(&weak, "new_password").contains("can be guessed"));
    assert_eq!(viewer.open("members").await.status, 200, "nothing was changed");
    let fields = [("token", text(&offer, "token")), ("new_password", NEW)];
    let set = viewer.submit("/console/reset", &fields).await;
    assert_eq!(leads_to(&set), "/console/sign-in?told=password-set");
    assert!(set.header("set-cookie").contains("Max-Age=0"), "{:?}", set.headers);
    assert!(leads_to(&viewer.open("members").await).starts_with("/console/sign-in"), "theirs has ended");
    sign_in(&world.http, "bob@example.com", NEW).await;
    sign_in(&world.http, "viewer@example.com", PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_owner_is_made_with_the_link_of_the_start_and_is_signed_in() {
    let server = Plan::serve(KEYSTILE).start();
    let http = server.http();
    let written = server.process().stdout();
    let token = between(&written, "/console/setup#", "\n").trim();
    assert_eq!(leads_to(&open(&http, "/console/sign-in").await), "/console/setup");
    assert!(open(&http, "/console/setup").await.text.contains("data-from-hash"));
    let fields = [("token", token), ("email", "ada@example.com"), ("password", NEW), ("tenant_name", "Acme")];
    let with = |name, value| fields.map(|(field, typed)| (field, if field == name { value } else { typed }));
    let send = async |fields: &[(&str, &str)]| submit(&http, &server, "/console/setup", fields).await;
    assert!(wrong(&send(&with("token", "")).await, "token").contains("whole link"));
    assert!(!wrong(&send(&with("email", "ada")).await, "email").is_empty());
    assert!(wrong(&send(&with("password", "password1234")).await, "password").contains("can be guessed"));
    let other = send(&with("token", "kssetup_0")).await;
    assert!(other.status == 422 && other.text.contains("another start"), "{}", other.text);
    assert_eq!(
        submit_from(&http, "https://elsewhere.example.com", "/console/setup", &fields).await.status,
        403
    );
    let plain = submit_from(&http, "http://elsewhere.example.com", "/console/setup", &fields).await;
    assert_eq!(plain.status, 403);
    let made = send(&fields).await;
    let home = leads_to(&made);
    let (home, told) = home.split_once('?').unwrap();
    assert!(home.starts_with("/console/ten_") && told == "told=set-up", "{home}");
    let request = http.request("GET", &format!("{home}/settings")).header("cookie", cookie(&made));
    let settings = http.send(request, "").await;
    assert!(settings.status == 200 && settings.text.contains("value=\"Acme\""), "{}", settings.text);

    let late = send(&with("email", "eve@example.com")).await;
    assert!(late.status == 422 && late.text.contains("set up already"), "{}", late.text);
    let page = open(&http, "/console/setup").await;
    assert!(page.text.contains("Keystile is set up") && !page.text.contains("name=\"password\""));
}
