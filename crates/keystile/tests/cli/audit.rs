//! `keystile audit …`.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::run::{Ran, keystile, ran, ran_with_input};
use crate::server::Server;

fn verify(arguments: &[&str]) -> Ran {
    ran(&mut keystile(&[&["audit", "verify"], arguments].concat()))
}

/// Asks in one session: signing in anew each time would add an entry to the log.
fn audit(server: &Server, arguments: &[&str]) -> Command {
    let mut command = keystile(&["audit"]);
    command.args(arguments).env("XDG_CONFIG_HOME", server.file("config"));
    command
}

fn signed_in(name: &str) -> Server {
    let server = Server::start(name);
    let credentials = server.credentials();
    let said = |member: &str| credentials[member].as_str().unwrap();
    let arguments = ["login", "--url", said("base_url"), "--email", said("email"), "--password-stdin"];
    let mut login = keystile(&arguments);
    ran_with_input(login.env("XDG_CONFIG_HOME", server.file("config")), said("password")).ok();
    server
}

#[test]
fn a_log_is_listed_exported_and_checked_offline() {
    let server = signed_in("audit");
    ran(&mut server.keys(&["create", "web"])).ok();
    let table = ran(&mut audit(&server, &["list", "--action", "key.create", "--limit", "1"]));
    assert!(table.notes.contains("There are more entries"), "{table:?}");
    let table = table.ok();
    assert!(
        table.starts_with("SEQ  AT ") && table.contains("key.create") && table.contains("127.0.0.1"),
        "{table}"
    );
    let list: Value =
        serde_json::from_str(&ran(&mut audit(&server, &["list", "--all", "--json"])).ok()).unwrap();
    let entry = list["data"][0]["id"].as_str().unwrap();
    assert!(table.contains(" ID ") && table.contains("aud_"), "{table}");
    let shown = ran(&mut audit(&server, &["show", entry])).ok();
    assert!(shown.contains(entry) && shown.contains(list["data"][0]["hash"].as_str().unwrap()), "{shown}");
    let shown: Value =
        serde_json::from_str(&ran(&mut audit(&server, &["show", entry, "--json"])).ok()).unwrap();
    assert_eq!(shown, list["data"][0]);
    let unknown = ran(&mut audit(&server, &["show", "aud_01J00000000000000000000001"]));
    assert!(unknown.status == Some(2) && unknown.notes.contains("not_found"), "{unknown:?}");
    let noted = ran(&mut audit(&server, &["proof"])).ok();
    let noted = noted.trim();

    let file = server.file("audit.ndjson");
    let path = file.to_str().unwrap();
    let exported = ran(&mut audit(&server, &["export", "--output", path]));
    assert!(exported.notes.contains(noted), "{exported:?}");
    exported.ok();
    let export = fs::read_to_string(&file).unwrap();
    assert_eq!(export.lines().count(), list["data"].as_array().unwrap().len() + 2);
    assert_eq!(ran(&mut audit(&server, &["export"])).ok(), export);
    assert!(!file.with_extension("ndjson.part").exists());

    assert!(verify(&[path]).ok().starts_with("good\n"));
    let compared = verify(&[path, "--head", noted]);
    assert!(compared.notes.contains("agrees with the head"), "{compared:?}");
    let good: Value = serde_json::from_str(&verify(&[path, "--json"]).ok()).unwrap();
    assert_eq!((&good["good"], &good["head_compared"]), (&Value::Bool(true), &Value::Bool(false)));
    let piped = ran_with_input(&mut keystile(&["audit", "verify", "-"]), &export);
    assert!(piped.ok().starts_with("good\n"));

    let forged = "1:".to_owned() + &"0".repeat(64);
    let rewritten = verify(&[path, "--head", &forged]);
    assert_eq!(rewritten.status, Some(1));
    assert!(rewritten.out.starts_with("line 2: entry 1 has another hash"), "{rewritten:?}");
}

#[test]
fn what_was_done_to_an_export_is_told_with_its_line() {
    let server = signed_in("audit-forged");
    let export = ran(&mut audit(&server, &["export"])).ok();
    let lines: Vec<&str> = export.lines().collect();
    let told = |lines: &[&str]| {
        let ran = ran_with_input(&mut keystile(&["audit", "verify", "-"]), &(lines.join("\n") + "\n"));
        assert_eq!(ran.status, Some(1), "{ran:?}");
        ran.out
    };
    let changed = lines[2].replacen(r#""at":"2"#, r#""at":"3"#, 1);
    let one = [&lines[..2], &[changed.as_str()], &lines[3..]].concat();
    assert_eq!(told(&one), "line 3: entry 2 was changed\n");
    let two = [&lines[..2], &lines[3..]].concat();
    assert_eq!(told(&two), "line 3: entry 2 is missing before this line\n");
    let mut three = lines.clone();
    three.swap(2, 3);
    assert_eq!(
        told(&three),
        "line 3: entry 2 should stand here, but stands on line 4: the order was changed\n"
    );
    assert_eq!(told(&lines[..4]), "line 5: the export breaks off here, behind entry 3\n");
    let five = [&lines[..], &[""]].concat();
    assert!(told(&five).ends_with("something stands behind the end of the export\n"));
    let json = ran_with_input(&mut keystile(&["audit", "verify", "-", "--json"]), &lines[..4].join("\n"));
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["good"], &json["code"]), (&Value::Bool(false), &Value::from("truncated")));
}

#[test]
fn what_cannot_be_done_is_no_verdict() {
    let missing = verify(&["no-such-file.ndjson"]);
    assert_eq!((missing.status, missing.out.as_str()), (Some(2), ""));
    assert!(missing.notes.contains("no-such-file.ndjson cannot be read"), "{missing:?}");
    let head = verify(&["-", "--head", "17"]);
    assert_eq!(head.status, Some(2));
    assert!(head.notes.contains("64 hexadecimal digits"), "{head:?}");
    assert_eq!(verify(&["-"]).out, "line 1: the first line of the export was changed or is missing\n");
}
