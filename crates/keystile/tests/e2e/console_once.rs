//! Forms that make something, sent more than once: by a second click, by loading the answer again, from a page gone back to.

use keystile_testkit::http::Answer;
use serde_json::json;

use crate::console::{Browser, between, form_name};
use crate::console_account::leads_to;
use crate::console_keys::{shown_id, shown_secret};
use crate::world::{World, text};

impl World {
    /// How many records a list has.
    async fn count(&self, list: &str) -> usize {
        self.read(&format!("{}/{list}", self.tenant())).await["data"].as_array().unwrap().len()
    }
}

/// Checks that an answer tells of what was done before, and shows none of these secrets.
#[track_caller]
fn tells_of_before(answer: &Answer, secrets: &[&str]) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.contains("This form was sent before"), "{}", answer.text);
    assert!(secrets.iter().all(|secret| !answer.text.contains(secret)), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_again_makes_no_second_key_and_shows_no_secret() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let name = owner.form_name("keys/new").await;
    let fields = |typed: &'static str| {
        [("name", typed), ("kind", "service"), ("expiry", "never"), ("form_name", name.as_str())]
    };
    let made = owner.submit_for_secret("keys/new", &fields("twice")).await;
    let (secret, id) = (shown_secret(&made), shown_id(&made));
    // As it was, and from a page that one went back to and filled in otherwise.
    for typed in ["twice", "twice more"] {
        let again = owner.submit("keys/new", &fields(typed)).await;
        tells_of_before(&again, &[&secret]);
        let of_key = format!("/keys/{id}\"");
        assert!(
            again.text.contains(&of_key)
                && again.text.contains("The key twice was made")
                && again.text.contains("Make another key"),
            "{}",
            again.text
        );
    }
    assert_eq!((world.count("api-keys?q=twice").await, world.works(&secret).await), (1, 200));
    // Another form makes another key, whatever stands in it.
    let other = owner.form_name("keys/new").await;
    let fields = [("name", "twice"), ("kind", "service"), ("expiry", "never"), ("form_name", other.as_str())];
    assert_ne!(shown_secret(&owner.submit_for_secret("keys/new", &fields).await), secret);
    assert_eq!(world.count("api-keys?q=twice").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_clicks_at_once_one_makes_the_key() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let name = owner.form_name("keys/new").await;
    let fields =
        [("name", "clicked"), ("kind", "service"), ("expiry", "never"), ("form_name", name.as_str())];
    let (one, other) = tokio::join!(owner.submit("keys/new", &fields), owner.submit("keys/new", &fields));
    let (first, second) = if one.text.contains("new-secret") { (one, other) } else { (other, one) };
    tells_of_before(&second, &[&shown_secret(&first)]);
    assert!(second.text.contains(&shown_id(&first)));
    assert_eq!(world.count("api-keys?q=clicked").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_and_regenerated_once_however_often_its_form_is_sent() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let key = world.create(&json!({ "name": "turned" })).await;
    let rotate = format!("keys/{}/rotate", text(&key, "id"));
    let name = owner.form_name(&rotate).await;
    let fields = [("version", "1"), ("overlap_seconds", "3600"), ("form_name", name.as_str())];
    let rotated = owner.submit_for_secret(&rotate, &fields).await;
    let (next, next_id) = (shown_secret(&rotated), shown_id(&rotated));
    let again = owner.submit(&rotate, &fields).await;
    tells_of_before(&again, &[&next]);
    assert!(again.text.contains("was rotated") && again.text.contains(&format!("/keys/{next_id}\"")));
    assert_eq!(world.count("api-keys?q=turned").await, 2);

    let regenerate = format!("keys/{next_id}/regenerate");
    let name = owner.form_name(&regenerate).await;
    let fields = [("version", "1"), ("form_name", name.as_str())];
    let renewed = shown_secret(&owner.submit_for_secret(&regenerate, &fields).await);
    let again = owner.submit(&regenerate, &fields).await;
    tells_of_before(&again, &[&next, &renewed]);
    assert!(again.text.contains("got a new secret"), "{}", again.text);
    assert!(!again.text.contains("Make another key"), "the key is there already: {}", again.text);
    assert_eq!([world.works(&next).await, world.works(&renewed).await], [401, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_to_hand_over_are_made_once_and_shown_once() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let name = owner.form_name("members/invite").await;
    let fields = [("email", "bob@example.com"), ("role", "viewer"), ("form_name", name.as_str())];
    let link = |answer: &Answer| between(&answer.text, "<code id=\"link\">", "</code>").to_owned();
    let invited = link(&owner.submit_for_secret("members/invite", &fields).await);
    let again = owner.submit("members/invite", &fields).await;
    tells_of_before(&again, &[invited.split('#').nth(1).unwrap()]);
    assert!(again.text.contains("bob@example.com was invited"), "{}", again.text);
    assert_eq!(world.count("invitations").await, 1);

    let eve = world.member("eve@example.com", "viewer").await;
    let reset = format!("members/{}/reset", eve.id);
    let name = owner.form_name(&reset).await;
    let fields = [("form_name", name.as_str())];
    let offered = link(&owner.submit_for_secret(&reset, &fields).await);
    let token = offered.split('#').nth(1).unwrap();
    let again = owner.submit(&reset, &fields).await;
    tells_of_before(&again, &[token]);
    assert!(again.text.contains("A link for eve@example.com was made"), "{}", again.text);
    // A second offer would have taken its place.
    let body = json!({ "token": token, "new_password": "bronze-otter-41-lamp" });
    world.http.json("POST", "/api/v1/auth/password/reset", "", &body).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_secret_is_shown_again_to_whoever_sends_its_form_again() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let application = format!("applications/{}", world.credentials.application_id);
    let (permission, permissions) =
        (format!("{application}/new-permission"), format!("{application}/permissions"));
    for (page, fields, list) in [
        ("customers/new", vec![("name", "Made")], "customers"),
        ("applications/new", vec![("name", "Made")], "applications"),
        (permission.as_str(), vec![("name", "orders:read"), ("label", "Read")], permissions.as_str()),
    ] {
        let (name, before) = (owner.form_name(page).await, world.count(list).await);
        let fields = [fields, vec![("form_name", name.as_str())]].concat();
        let place = leads_to(&owner.submit(page, &fields).await);
        assert_eq!(leads_to(&owner.submit(page, &fields).await), place, "{page}");
        assert_eq!(owner.open(&place).await.status, 200, "{page}");
        assert_eq!(world.count(list).await, before + 1, "{page}");
    }
    let tenants = async || world.read("/api/v1/tenants").await["data"].as_array().unwrap().len();
    let (name, before) = (owner.form_name("/console/tenants/new").await, tenants().await);
    let fields = [("name", "Other"), ("form_name", name.as_str())];
    let place = leads_to(&owner.submit("/console/tenants/new", &fields).await);
    assert_eq!(leads_to(&owner.submit("/console/tenants/new", &fields).await), place);
    assert_eq!(tenants().await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_refused_can_be_sent_again_and_its_name_counts_in_its_session_alone() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let name = owner.form_name("keys/new").await;
    let with = |typed: &'static str, name: &str| {
        let fields = [("name", typed), ("kind", "service"), ("expiry", "never"), ("form_name", name)];
        fields.map(|(field, value)| (field.to_owned(), value.to_owned()))
    };
    let send = async |browser: &Browser, typed: &'static str, name: &str| {
        let fields = with(typed, name);
        let fields = fields.each_ref().map(|(field, value)| (field.as_str(), value.as_str()));
        browser.submit("keys/new", &fields).await
    };
    let refused = send(&owner, "", &name).await;
    assert_eq!(refused.status, 422);
    assert_ne!(form_name(&refused.text), name, "what is shown again is another form");
    let made = shown_secret(&send(&owner, "mine", &name).await);
    tells_of_before(&send(&owner, "mine", &name).await, &[&made]);

    // The same name in another session, and of another person, is that of another form.
    let elsewhere = Browser::of_owner(&world).await;
    let developer = Browser::of_member(&world, "developer").await;
    for browser in [&elsewhere, &developer] {
        assert_ne!(shown_secret(&send(browser, "mine", &name).await), made);
    }
    assert_eq!(world.count("api-keys?q=mine").await, 3);
    let broken = send(&owner, "mine", "two words").await;
    assert!(broken.status == 400 && broken.text.contains("form_name"), "{}", broken.text);
}
