//! Webhooks in the console.

use keystile_testkit::receiver::{Mood, Receiver};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::console::{Browser, between};
use crate::world::{World, text};

/// The secret that a page shows.
#[track_caller]
fn shown_secret(page: &str) -> String {
    between(page, "<code id=\"new-secret\">", "</code>").to_owned()
}

impl World {
    /// The only webhook that there is.
    async fn only_webhook(&self) -> Value {
        let listed = self.read(&self.webhooks()).await;
        assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
        listed["data"][0].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_made_with_a_secret_that_is_shown_once() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let owner = Browser::of_owner(&world).await;
    assert!(owner.page("webhooks").await.contains("Nobody is told yet"));
    let name = owner.form_name("webhooks/new").await;
    let url = receiver.url();
    let fields = [
        ("url", url.as_str()),
        ("description", "Inventory"),
        ("events", "key.revoked"),
        ("events", "key.created"),
        ("form_name", name.as_str()),
    ];
    let made = owner.submit_for_secret("webhooks/new", &fields).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let secret = shown_secret(&made.text);
    let again = owner.submit("webhooks/new", &fields).await;
    assert!(again.text.contains("This form was sent before") && !again.text.contains(&secret));
    let webhook = world.only_webhook().await;
    assert_eq!(webhook["events"], json!(["key.revoked", "key.created"]));
    let page = owner.page(&format!("webhooks/{}", text(&webhook, "id"))).await;
    assert!(page.contains("Nothing has happened yet") && !page.contains(&secret));
    let tested = owner.submit(&format!("webhooks/{}/test", text(&webhook, "id")), &[]).await;
    assert!(tested.text.contains("The test was delivered"), "{}", tested.text);
    assert!(receiver.received().pop().unwrap().is_signed_by(&secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_webhook_is_told_at_its_field() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let refused =
        owner.submit("webhooks/new", &[("url", "https://10.0.0.1/"), ("description", "kept")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("must not lead to a private") && refused.text.contains("value=\"kept\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_changed_switched_off_and_on_and_deleted_by_its_host() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let owner = Browser::of_owner(&world).await;
    let (id, first) = world.webhook(&receiver, &json!({})).await;
    let path = format!("webhooks/{id}");
    let url = receiver.url();
    let fields =
        [("url", url.as_str()), ("description", "Pager"), ("environments", "staging"), ("version", "1")];
    assert_eq!(owner.submit(&format!("{path}/edit"), &fields).await.status, 303);
    let webhook = world.only_webhook().await;
    assert_eq!((text(&webhook, "description"), &webhook["environments"]), ("Pager", &json!(["staging"])));
    assert_eq!(owner.submit(&format!("{path}/disable"), &[]).await.status, 303);
    assert!(owner.page(&path).await.contains("Somebody switched it off"));
    assert_eq!(owner.submit(&format!("{path}/enable"), &[]).await.status, 303);
    let rotated = owner.submit_for_secret(&format!("{path}/rotate"), &[("overlap_seconds", "0")]).await;
    assert_ne!(shown_secret(&rotated.text), first);
    let wrong = owner.submit(&format!("{path}/delete"), &[("typed", "example.com")]).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(owner.submit(&format!("{path}/delete"), &[("typed", "127.0.0.1")]).await.status, 303);
    assert!(owner.page("webhooks").await.contains("Nobody is told yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_name_the_key_that_they_are_about() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let owner = Browser::of_owner(&world).await;
    let (id, _) = world.webhook(&receiver, &json!({})).await;
    world.create(&json!({ "name": "Van <telemetry>" })).await;
    let path = format!("webhooks/{id}");
    let is_named = async || owner.page(&path).await.contains(">Van &#60;telemetry&#62;</a>").then_some(());
    eventually("the delivery", is_named).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_says_is_shown_as_text() {
    let (world, receiver) = (World::start().await, Receiver::start());
    let owner = Browser::of_owner(&world).await;
    let (id, _) = world.webhook(&receiver, &json!({})).await;
    receiver.become_so(Mood::Answers(500));
    let tested = owner.submit(&format!("webhooks/{id}/test"), &[]).await;
    assert!(tested.text.contains("with status 500") && tested.text.contains("so it is"), "{}", tested.text);
}
