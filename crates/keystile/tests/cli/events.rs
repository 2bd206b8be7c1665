//! `keystile events …` and `keystile entities …`.

use std::fs;

use serde_json::Value;

use crate::run::{keystile, ran, ran_with_input};
use crate::server::Server;

#[test]
fn events_are_sent_listed_and_shown_with_what_they_say() {
    let server = Server::start("events");
    let made = ran(&mut server.keys(&["create", "shop", "--source-id", "shop", "--json"])).ok();
    let made: Value = serde_json::from_str(&made).unwrap();
    let (secret, url) = (made["secret"].as_str().unwrap(), server.credentials());
    let send = |arguments: &[&str]| {
        let mut command = keystile(&["events", "send", "--url", url["base_url"].as_str().unwrap()]);
        command.args(arguments).env("KEYSTILE_TOKEN", secret);
        command
    };
    let one = ["--type", "order.paid", "--entity", "order/7", "--data", "{\"total\": 42}", "--id", "a"];
    assert_eq!(ran(&mut send(&one)).notes, "1 accepted\n");
    let reused = ["--type", "order.sent", "--entity", "order/7", "--id", "a"];
    let reused = ran(&mut send(&reused));
    assert!(reused.status == Some(2) && reused.notes.contains("event_id_reused"), "{reused:?}");
    let lines = "{\"type\":\"order.sent\",\"entity\":{\"type\":\"order\",\"id\":\"7\"},\"data\":{\"by\":\"post\"}}\n\n{}\n";
    let file = server.file("events.ndjson");
    fs::write(&file, lines).unwrap();
    let sent = ran(&mut send(&[file.to_str().unwrap()]));
    assert_eq!((sent.status, sent.notes.as_str()), (Some(1), "1 accepted\n"));
    assert!(sent.out.starts_with("line 3: ") && sent.out.contains("is required"), "{sent:?}");
    let piped: Value = serde_json::from_str(&ran_with_input(&mut send(&["-", "--json"]), lines).out).unwrap();
    assert_eq!((&piped["accepted"], &piped["rejected"][0]["index"]), (&Value::from(1), &Value::from(3)));

    let table = ran(&mut server.ask("events", &["list", "--entity", "order/7", "--from", "1h"])).ok();
    assert!(table.starts_with("OCCURRED") && table.lines().count() == 4, "{table}");
    let found = ran(&mut server.ask("events", &["list", "--type", "order.paid", "--json"])).ok();
    let found: Value = serde_json::from_str(&found).unwrap();
    let id = found["data"][0]["id"].as_str().unwrap();
    let shown = ran(&mut server.ask("events", &["show", id])).ok();
    assert!(shown.contains(id) && shown.contains("\"total\": 42"), "{shown}");
    let nothing = ran(&mut server.ask("events", &["list", "--environment", "staging"]));
    assert!(nothing.notes.contains("There is none like that"), "{nothing:?}");

    let sources = ran(&mut server.ask("sources", &["list"])).ok();
    assert!(sources.starts_with("SOURCE") && sources.contains("shop  ") && sources.lines().count() == 2);
    let nobody = ran(&mut server.ask("sources", &["list", "--environment", "staging"]));
    assert!(nobody.notes.contains("No source sends there"), "{nobody:?}");
    let overview = ran(&mut server.ask("overview", &[])).ok();
    assert!(overview.contains("events of") && overview.contains("event_id_reused 1"), "{overview}");
    assert!(overview.contains(&sources), "{overview}");

    let entities = ran(&mut server.ask("entities", &["list", "--type", "order"])).ok();
    assert!(entities.contains("order  7 "), "{entities}");
    let known = ran(&mut server.ask("entities", &["show", "order/7"])).ok();
    assert!(known.contains("\"post\"") && known.contains("shop (external)"), "{known}");
    let unknown = ran(&mut server.ask("entities", &["show", "order/8"]));
    assert!(unknown.status == Some(2) && unknown.notes.contains("not_found"), "{unknown:?}");
    let refused = ran(&mut server.ask("events", &["send", "--type", "a", "--entity", "b/c"]));
    assert!(
        refused.status == Some(2) && refused.notes.contains("API key"),
        "people send no events: {refused:?}"
    );
}
