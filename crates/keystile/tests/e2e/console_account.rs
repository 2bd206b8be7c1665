//! What people see and change of themselves in the console.

use keystile_testkit::http::Answer;
use serde_json::json;

use crate::console::{Browser, between, form_name};
use crate::second_factor::code;
use crate::world::{World, sign_in};

const ACCOUNT: &str = "/console/account";
const NEW: &str = "amber-walrus-77-kite";

/// Where an answer leads to.
#[track_caller]
pub(crate) fn leads_to(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("location").to_owned()
}

/// What a form that is shown again says is wrong with a field.
#[track_caller]
pub(crate) fn wrong<'a>(answer: &'a Answer, field: &str) -> &'a str {
    assert_eq!(answer.status, 422, "{}", answer.text);
    between(&answer.text, &format!("id=\"{field}-wrong\">"), "</p>")
}

/// Whether a browser is sent to sign in.
async fn is_signed_out(browser: &Browser) -> bool {
    leads_to(&browser.open(ACCOUNT).await).starts_with("/console/sign-in")
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_password_ends_the_other_sessions() {
    let world = World::start().await;
    let (here, there) = (Browser::of_owner(&world).await, Browser::of_owner(&world).await);
    let path = "/console/account/password";
    let old = world.credentials.password.as_str();
    let change =
        async |current, new| here.submit(path, &[("current_password", current), ("new_password", new)]).await;
    assert!(
        wrong(&change("wrong-otter-41-lamp", NEW).await, "current_password").contains("not your password")
    );
    assert!(wrong(&change(old, "password1234").await, "new_password").contains("can be guessed"));
    assert!(wrong(&change(old, old).await, "new_password").contains("must differ"));
    assert_eq!(there.open(ACCOUNT).await.status, 200, "nothing was changed");
    let changed = change(old, NEW).await;
    assert_eq!(leads_to(&changed), "/console/account?told=password-changed");
    assert!(here.page("/console/account?told=password-changed").await.contains("Your password is changed."));
    assert!(is_signed_out(&there).await);
    sign_in(&world.http, &world.credentials.email, NEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_shown_and_ended() {
    let world = World::start().await;
    let (here, there) = (Browser::of_owner(&world).await, Browser::of_owner(&world).await);
    let sessions = async |browser: &Browser| {
        let page = browser.page(ACCOUNT).await;
        assert_eq!(page.matches("This one").count(), 1, "{page}");
        let ids = page.split("/console/account/sessions/").skip(1);
        ids.map(|rest| rest.split('/').next().unwrap().to_owned())
            .filter(|id| id.starts_with("ses_"))
            .collect::<Vec<_>>()
    };
    let newest = sessions(&here).await.first().unwrap().clone();
    let stranger = Browser::of_member(&world, "admin").await;
    let end = format!("/console/account/sessions/{newest}/end");
    assert_eq!(stranger.submit(&end, &[]).await.status, 404, "it is not theirs");
    assert_eq!(here.submit_without_token(&end, &[]).await.status, 403);
    assert_eq!(here.submit_from_elsewhere(&end, &[]).await.status, 403);
    assert_eq!(there.open(ACCOUNT).await.status, 200, "nothing was ended");
    assert_eq!(leads_to(&here.submit(&end, &[]).await), "/console/account?told=session-ended");
    assert!(is_signed_out(&there).await);

    let third = Browser::of_owner(&world).await;
    let others = "/console/account/sessions/end-others";
    assert_eq!(leads_to(&here.submit(others, &[]).await), "/console/account?told=sessions-ended");
    let left = sessions(&here).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(is_signed_out(&third).await);
    let own = here.submit(&format!("/console/account/sessions/{}/end", left[0]), &[]).await;
    assert_eq!(leads_to(&own), "/console/sign-in?told=signed-out");
    assert!(own.header("set-cookie").contains("Max-Age=0") && is_signed_out(&here).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_over_a_session_ends_it_whoevers_it_was() {
    let world = World::start().await;
    let elsewhere = Browser::of_owner(&world).await;
    let mut browser = Browser::of_member(&world, "viewer").await;
    let (email, password) = (&world.credentials.email, &world.credentials.password);
    let theirs = browser.clone();
    let in_vain = [("email", email.as_str()), ("password", "wrong-otter-41-lamp")];
    assert_eq!(browser.submit("/console/sign-in", &in_vain).await.status, 422);
    assert_eq!(theirs.open(ACCOUNT).await.status, 200, "nothing was ended");

    browser.sign_in(email, password).await;
    assert!(is_signed_out(&theirs).await);
    assert!(browser.page(ACCOUNT).await.contains(email));
    let first = browser.clone();
    browser.sign_in(email, password).await;
    assert!(is_signed_out(&first).await);
    assert_eq!((browser.open(ACCOUNT).await.status, elsewhere.open(ACCOUNT).await.status), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_set_up_confirmed_and_removed() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let password = world.credentials.password.as_str();
    let (enrol, confirm, remove) = (
        "/console/account/second-factor",
        "/console/account/second-factor/confirm",
        "/console/account/second-factor/remove",
    );
    let refused = owner.submit(enrol, &[("password", "wrong-otter-41-lamp")]).await;
    assert!(wrong(&refused, "password").contains("not your password"));
    let shown = owner.submit_for_secret(enrol, &[("password", password)]).await;
    assert_eq!(
        (shown.status, shown.header("cache-control"), shown.header("content-encoding")),
        (200, "no-store", "")
    );
    assert!(shown.text.contains("<svg class=\"qr\"") && !shown.text.contains("style="));
    let secret = between(&shown.text, "<code id=\"totp-secret\">", "</code>").replace(' ', "");
    assert!(wrong(&owner.submit(confirm, &[("code", "12345")]).await, "code").contains("not the code"));
    let (shown_code, name) = (code(&secret, 0), form_name(&shown.text));
    let fields = [("code", shown_code.as_str()), ("form_name", name)];
    let codes = owner.submit_for_secret(confirm, &fields).await;
    assert_eq!((codes.status, codes.header("content-encoding")), (200, ""));
    let recovery = between(&codes.text, "id=\"recovery-codes\">", "</pre>").trim();
    let recovery: Vec<_> = recovery.lines().map(str::to_owned).collect();
    assert_eq!(recovery.len(), 10);
    let again = owner.submit(confirm, &fields).await;
    assert!(again.status == 200 && again.text.contains("shown in the first answer alone"), "{}", again.text);
    assert!(recovery.iter().all(|code| !again.text.contains(code)));
    assert!(owner.page(enrol).await.contains("You have one already"));
    assert_eq!(owner.submit(enrol, &[("password", password)]).await.status, 422);
    let body = json!({ "email": world.credentials.email, "password": password });
    let without = world.http.json("POST", "/api/v1/auth/token", "", &body).await;
    without.expect_problem(401, "second_factor_required");

    let gone = owner.submit(remove, &[("password", password), ("code", "no-such-code")]).await;
    assert!(gone.status == 422 && gone.text.contains("The password or the code is wrong"), "{}", gone.text);
    assert!(wrong(&owner.submit(remove, &[("password", password)]).await, "code").contains("is needed"));
    let gone = owner.submit(remove, &[("password", password), ("code", &recovery[0])]).await;
    assert_eq!(leads_to(&gone), "/console/account?told=factor-removed");
    world.http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200);
    assert!(owner.page(remove).await.contains("You have none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_forms_are_sent_to_says_so_as_a_page() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let answer = owner.open("/console/account/sessions/end-others").await;
    assert_eq!((answer.status, answer.header("content-type")), (405, "text/html; charset=utf-8"));
    assert!(answer.text.contains("no page to open"), "{}", answer.text);
}
