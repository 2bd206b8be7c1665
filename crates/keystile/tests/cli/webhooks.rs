//! `keystile webhooks …`.

use keystile_testkit::receiver::{Mood, Received, Receiver};
use keystile_testkit::wait::until;
use serde_json::Value;

use crate::run::{Ran, ran};
use crate::server::Server;

fn webhooks(server: &Server, arguments: &[&str]) -> Ran {
    ran(&mut server.ask("webhooks", arguments))
}

/// A receiver's webhook: its id and its secret.
fn made(server: &Server, receiver: &Receiver) -> (String, String) {
    let made = webhooks(server, &["create", &receiver.url(), "--description", "Inventory"]);
    let secret = made.out.trim().to_owned();
    assert!(made.status == Some(0) && secret.starts_with("whsec_"), "{made:?}");
    assert!(made.notes.contains("shown once") && !made.notes.contains(&secret), "{made:?}");
    let listed: Value = serde_json::from_str(&webhooks(server, &["list", "--json"]).ok()).unwrap();
    (listed["data"][0]["id"].as_str().unwrap().to_owned(), secret)
}

#[test]
fn a_webhook_is_made_tested_changed_and_deleted() {
    let (server, receiver) = (Server::start("webhooks"), Receiver::start());
    let none = webhooks(&server, &["list"]);
    assert!(none.status == Some(0) && none.notes.contains("There is none"), "{none:?}");
    let (id, secret) = made(&server, &receiver);
    let shown = webhooks(&server, &["show", &id]).ok();
    assert!(shown.contains("Inventory") && shown.contains(&receiver.url()) && !shown.contains(&secret));

    let tested = webhooks(&server, &["test", &id]).ok();
    assert!(tested.contains("yes") && tested.contains("204"), "{tested}");
    assert!(receiver.received().pop().unwrap().is_signed_by(&secret));
    receiver.become_so(Mood::Answers(500));
    let refused = webhooks(&server, &["test", &id]);
    assert!(refused.status == Some(1) && refused.out.contains("500"), "{refused:?}");
    assert!(refused.out.contains("so it is"), "{refused:?}");

    let nothing = webhooks(&server, &["update", &id]);
    assert!(nothing.status == Some(2) && nothing.notes.contains("nothing is to be changed"), "{nothing:?}");
    let elsewhere = format!("{}?from=keystile", receiver.url());
    let moved = webhooks(&server, &["update", &id, "--to", &elsewhere]).ok();
    assert!(moved.contains(&elsewhere), "{moved}");
    let off = webhooks(&server, &["update", &id, "--disable", "--event", "key.revoked"]).ok();
    assert!(off.contains("off (by_hand)") && off.contains("key.revoked"), "{off}");
    let rotated = webhooks(&server, &["rotate-secret", &id, "--overlap", "0"]);
    let second = rotated.out.trim();
    assert!(second.starts_with("whsec_") && second != secret, "{rotated:?}");
    assert!(rotated.notes.contains("signs no more"), "{rotated:?}");
    let deleted = webhooks(&server, &["delete", &id]);
    assert!(deleted.status == Some(0) && deleted.notes.contains("is deleted"), "{deleted:?}");
    let unknown = webhooks(&server, &["show", &id]);
    assert!(unknown.status == Some(2) && unknown.notes.contains("not_found"), "{unknown:?}");
    let inside = webhooks(&server, &["create", "https://10.0.0.1/"]);
    assert!(inside.status == Some(2) && inside.notes.contains("url"), "{inside:?}");
}

#[test]
fn deliveries_are_listed_and_sent_anew() {
    let (server, receiver) = (Server::start("webhooks-deliveries"), Receiver::start());
    let (id, secret) = made(&server, &receiver);
    ran(&mut server.keys(&["create", "shop"])).ok();
    let message = until("the message", || receiver.taken().pop());
    assert!(message.event() == "key.created" && message.is_signed_by(&secret), "{message:?}");
    let noted = || {
        let listed = webhooks(&server, &["deliveries", "--webhook", &id, "--state", "delivered"]).ok();
        listed.contains(&message.id).then_some(listed)
    };
    let listed = until("the attempt to be noted", noted);
    assert!(listed.starts_with("HAPPENED") && listed.contains("key.created"), "{listed}");
    let none = webhooks(&server, &["deliveries", "--state", "failed"]);
    assert!(none.status == Some(0) && none.notes.contains("Nothing like that"), "{none:?}");
    let anew = webhooks(&server, &["redeliver", &id, "--delivery", &message.id]);
    assert!(anew.status == Some(0) && anew.notes.contains("One delivery"), "{anew:?}");
    let again = || receiver.taken().into_iter().map(|one: Received| one.id).nth(1);
    assert_eq!(until("the message again", again), message.id);
    let since = webhooks(&server, &["redeliver", &id, "--since", "7d"]);
    assert!(since.notes.contains("Nothing was given up"), "{since:?}");
}
