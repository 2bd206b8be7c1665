//! `keystile logs …` and `keystile keys exposure`.

use std::fs;

use serde_json::Value;

use crate::run::ran;
use crate::server::Server;

#[test]
fn requests_are_listed_shown_exported_and_told_of() {
    let server = Server::start("logs");
    let made = ran(&mut server.keys(&["create", "shop", "--json"])).ok();
    let made: Value = serde_json::from_str(&made).unwrap();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    ran(&mut server.keys(&["verify", secret])).ok();
    ran(&mut server.keys(&["revoke", id, "--yes", "--reason", "leaked"])).ok();
    assert_eq!(ran(&mut server.keys(&["verify", secret])).status, Some(1));

    let table = ran(&mut server.ask("logs", &["list", "--key", id, "--from", "1h"])).ok();
    assert!(
        table.starts_with("AT") && table.lines().count() == 3 && table.contains("key_revoked"),
        "{table}"
    );
    let found = ran(&mut server.ask("logs", &["list", "--key", id, "--code", "allowed", "--json"])).ok();
    let found: Value = serde_json::from_str(&found).unwrap();
    let refused = ran(&mut server.ask("logs", &["list", "--key", id, "--result", "refused"])).ok();
    assert!(refused.lines().count() == 2 && refused.contains("key_revoked"), "{refused}");
    let log_id = found["data"][0]["id"].as_str().unwrap();
    let shown = ran(&mut server.ask("logs", &["show", log_id])).ok();
    assert!(shown.contains(log_id) && shown.contains(id), "{shown}");
    let lines = ran(&mut server.ask("logs", &["export", "--key", id])).ok();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let file = server.file("requests.csv");
    let output = file.to_str().unwrap();
    ran(&mut server.ask("logs", &["export", "--key", id, "--format", "csv", "--output", output])).ok();
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    let others = ran(&mut server.ask("logs", &["list", "--key", id, "--except-face", "verify"]));
    assert!(others.notes.contains("There is none like that"), "{others:?}");
    let nothing = ran(&mut server.ask("logs", &["list", "--status", "5xx"]));
    assert!(nothing.notes.contains("There is none like that"), "{nothing:?}");
    let wrong = ran(&mut server.ask("logs", &["list", "--status", "all"]));
    assert!(wrong.status == Some(2) && wrong.notes.contains("status"), "{wrong:?}");

    let told = ran(&mut server.keys(&["exposure", id, "--since", "1h"]));
    assert!(told.notes.contains("Each request with the key since then is counted"), "{told:?}");
    assert!(told.out.contains("key_revoked") && told.out.contains("ADDRESS"), "{told:?}");
    let told = ran(&mut server.keys(&["exposure", id, "--json"])).ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["total"], &told["refused"]), (&Value::from(2), &Value::from(1)));
}
