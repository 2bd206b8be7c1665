//! `keystile keys …`.

use std::process::Stdio;

use keystile_testkit::wait::until;
use serde_json::Value;

use crate::run::{Ran, keystile, ran, ran_with_input};
use crate::server::Server;

fn verified(server: &Server, arguments: &[&str], secret: &str) -> Ran {
    let arguments = [&["verify"], arguments].concat();
    ran_with_input(&mut server.keys(&arguments), secret)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_key_lives_from_create_to_revoke() {
    let server = Server::start("life");
    let create =
        ["create", "web", "--permission", "customers:read", "--expires", "30d", "--tag", "team=payments"];
    let created = ran(&mut server.keys(&create));
    assert!(created.notes.contains("shown once") && created.notes.contains("team=payments"), "{created:?}");
    let secret = created.ok();
    assert!(secret.starts_with("sk_") && secret.lines().count() == 1);

    let allowed =
        verified(&server, &["--environment", "production", "--permission", "customers:read"], &secret);
    assert!(allowed.ok().starts_with("allowed\n"));
    let elsewhere = verified(&server, &["--environment", "staging"], &secret);
    assert_eq!(elsewhere.out.lines().next(), Some("wrong_environment"), "{elsewhere:?}");
    assert_eq!(elsewhere.status, Some(1));

    let list = json(&ran(&mut server.keys(&["list", "--q", "web", "--json"])).ok());
    let id = list["data"][0]["id"].as_str().unwrap();
    let table = ran(&mut server.keys(&["list"])).ok();
    assert!(table.starts_with("ID  ") && table.contains(id), "{table}");

    let unasked = ran(&mut server.keys(&["revoke", id]));
    assert_eq!(unasked.status, Some(2), "{unasked:?}");
    assert!(unasked.notes.contains("--yes"), "{unasked:?}");
    ran(&mut server.keys(&["revoke", id, "--yes", "--reason", "leaked"])).ok();
    let revoked = verified(&server, &[], &secret);
    assert_eq!((revoked.status, revoked.out.lines().next()), (Some(1), Some("key_revoked")));
    assert!(ran(&mut server.keys(&["show", id])).ok().contains(", leaked\n"));
}

#[test]
fn a_key_is_switched_off_and_on_regenerated_and_deleted() {
    let server = Server::start("switches");
    let created = json(&ran(&mut server.keys(&["create", "web", "--json"])).ok());
    let (id, first) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    assert!(ran(&mut server.keys(&["disable", id])).ok().contains("inactive"));
    assert!(verified(&server, &[], first).out.starts_with("key_inactive\n"));
    assert!(ran(&mut server.keys(&["enable", id])).ok().contains("active"));
    let second = ran(&mut server.keys(&["regenerate", id])).ok();
    assert!(verified(&server, &[], first).out.starts_with("key_not_found\n"));
    assert_eq!(verified(&server, &[], &second).status, Some(0));
    let deleted = json(&ran(&mut server.keys(&["delete", id, "--yes", "--json"])).ok());
    assert_eq!(deleted["is_deleted"], true);
    assert!(!ran(&mut server.keys(&["list"])).ok().contains(id));
    assert!(ran(&mut server.keys(&["list", "--include-deleted"])).ok().contains(id));
}

#[test]
fn a_secret_of_ones_own_is_read_and_not_printed() {
    let server = Server::start("brought");
    let own = "vT3kq8ZpWn5xRb1LhY7sJ0dGfU2m";
    let created = ran_with_input(&mut server.keys(&["create", "own", "--secret-stdin"]), own);
    assert!(!created.out.contains(own) && !created.notes.contains(own), "{created:?}");
    created.ok();
    assert_eq!(verified(&server, &[], own).status, Some(0));
}

#[test]
fn a_key_gets_a_secret_of_ones_own_from_a_file_or_standard_input() {
    let server = Server::start("own-secrets");
    let (first, second, third) =
        ("vT3kq8ZpWn5xRb1LhY7sJ0dGfU2m", "Qw9zLx4Nc7Vb2Mm5Tt8Rr1Yy6Pp3Kk", "h6Jd8Fs0aPq3Wz7Xm2Cv5Bn9Lk4Gt1");
    let file = server.file("secret.txt");
    std::fs::write(&file, format!("{first}\n")).unwrap();
    let path = file.to_str().unwrap();
    let created = ran(&mut server.keys(&["create", "own", "--secret-file", path, "--json"]));
    let id = json(&created.ok())["id"].as_str().unwrap().to_owned();
    assert_eq!(verified(&server, &[], first).status, Some(0));

    let regenerate = ["regenerate", id.as_str(), "--secret-file", "-"];
    let by_pipe = ran_with_input(&mut server.keys(&regenerate), second);
    assert!(!format!("{by_pipe:?}").contains(second), "{by_pipe:?}");
    assert!(by_pipe.notes.contains("the secret you brought"), "{by_pipe:?}");
    by_pipe.ok();
    assert!(verified(&server, &[], first).out.starts_with("key_not_found\n"));
    assert_eq!(verified(&server, &[], second).status, Some(0));

    std::fs::write(&file, third).unwrap();
    ran(&mut server.keys(&["regenerate", &id, "--secret-file", path])).ok();
    assert_eq!(verified(&server, &[], third).status, Some(0));
    std::fs::write(&file, "short\n").unwrap();
    let weak = ran(&mut server.keys(&["regenerate", &id, "--secret-file", path]));
    assert!(weak.notes.contains("--secret-file: ") && !weak.notes.contains("short\n"), "{weak:?}");
    let nowhere = ran(&mut server.keys(&["regenerate", &id, "--secret-file", "/nowhere/at/all"]));
    assert!(nowhere.notes.contains("cannot be read from /nowhere/at/all"), "{nowhere:?}");
    assert_eq!((weak.status, nowhere.status), (Some(2), Some(2)));
    assert_eq!(verified(&server, &[], third).status, Some(0));
}

#[test]
fn a_blocked_key_is_refused_until_the_bar_is_lifted() {
    let server = Server::start("blocks");
    let created = json(&ran(&mut server.keys(&["create", "web", "--json"])).ok());
    let (id, secret) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    for without in [&["block", id][..], &["block", id, "--reason", " "]] {
        let refused = ran(&mut server.keys(without));
        assert!(refused.status == Some(2) && refused.notes.contains("--reason"), "{refused:?}");
    }
    assert_eq!(verified(&server, &[], secret).status, Some(0));
    let blocked = ran(&mut server.keys(&["block", id, "--reason", "unpaid"]));
    assert!(blocked.notes.contains("unblock"), "{blocked:?}");
    let sheet = blocked.ok();
    assert!(sheet.contains("active, blocked\n") && sheet.contains(" unpaid\n"), "{sheet}");
    let refused = verified(&server, &[], secret);
    assert_eq!((refused.status, refused.out.lines().next()), (Some(1), Some("key_blocked")));
    let unblocked = json(&ran(&mut server.keys(&["unblock", id, "--json"])).ok());
    assert_eq!((&unblocked["blocked"], &unblocked["blocked_reason"]), (&Value::Bool(false), &Value::Null));
    assert_eq!(verified(&server, &[], secret).status, Some(0));
}

#[test]
fn how_often_a_key_was_allowed_and_refused_is_told() {
    let server = Server::start("usage");
    let created = json(&ran(&mut server.keys(&["create", "web", "--json"])).ok());
    let (id, secret) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    let unused = ran(&mut server.keys(&["usage", id]));
    assert!(unused.notes.contains("Nothing was asked"), "{unused:?}");
    verified(&server, &[], secret).ok();
    verified(&server, &["--environment", "staging"], secret);
    let told = ran(&mut server.keys(&["usage", id, "--from", "2h", "--step", "minute"])).ok();
    assert!(told.contains("allowed  1\nrefused  1\n         wrong_environment 1\n"), "{told}");
    assert!(told.contains("\nSINCE "), "{told}");
    let all = json(&ran(&mut server.ask("usage", &["--step", "day", "--json"])).ok());
    assert_eq!(all["total"]["allowed"], 1, "{all}");
    let overview = ran(&mut server.ask("overview", &[])).ok();
    for told in ["production", "rotation_due", "budgets_near_end"] {
        assert!(overview.contains(told), "{told}: {overview}");
    }
    let usage = json(&ran(&mut server.keys(&["usage", id, "--step", "day", "--json"])).ok());
    assert_eq!((&usage["total"]["allowed"], usage["data"].as_array().unwrap().len()), (&Value::from(1), 30));
    let refused = ran(&mut server.keys(&["usage", id, "--from", "1h", "--to", "2h"]));
    assert_eq!(refused.status, Some(2));
    assert!(refused.notes.contains("--to: must be later than `from`"), "{refused:?}");
}

#[test]
fn lists_are_read_page_by_page_and_nothing_is_told_as_nothing() {
    let server = Server::start("lists");
    let all = json(&ran(&mut server.keys(&["list", "--all", "--json"])).ok());
    assert_eq!((all["data"].as_array().unwrap().len(), &all["next_cursor"]), (3, &Value::Null));
    let two = ran(&mut server.keys(&["list", "--limit", "2"]));
    assert!(two.notes.contains("--all"), "{two:?}");
    assert_eq!(two.ok().lines().count(), 3);
    let none = ran(&mut server.keys(&["list", "--q", "nothing is called so"]));
    assert!(none.notes.contains("leave out a filter"), "{none:?}");
    assert_eq!(none.ok(), "");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let server = Server::start("closed-pipe");
    let mut list = server.keys(&["list"]).spawn().unwrap();
    drop(list.stdout.take());
    let ended = list.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
    let mut create = server.keys(&["create", "lost"]).spawn().unwrap();
    drop(create.stdout.take());
    let ended = create.wait_with_output().unwrap();
    let notes = String::from_utf8(ended.stderr).unwrap();
    assert!(notes.contains("keystile keys regenerate key_"), "{notes}");
    assert_eq!(ended.status.code(), Some(2));
}

#[test]
fn a_person_and_a_token_can_ask_too() {
    let server = Server::start("variables");
    let credentials = server.credentials();
    let text = |name: &str| credentials[name].as_str().unwrap();
    let as_person = ran(keystile(&["keys", "list", "--url", text("base_url")])
        .env("KEYSTILE_EMAIL", text("email"))
        .env("KEYSTILE_PASSWORD", text("password")));
    assert_eq!(as_person.ok().lines().count(), 4);
    let wrong = ran(keystile(&["keys", "list"])
        .env("KEYSTILE_URL", text("base_url"))
        .env("KEYSTILE_EMAIL", text("email"))
        .env("KEYSTILE_PASSWORD", "open-sesame"));
    assert!(wrong.notes.contains("KEYSTILE_PASSWORD") && !wrong.notes.contains("sesame"), "{wrong:?}");
    assert_eq!(wrong.status, Some(2));
    let key = credentials["keys"]["production"]["secret"].as_str().unwrap();
    let as_key = ran_with_input(
        keystile(&["keys", "verify"]).env("KEYSTILE_URL", text("base_url")).env("KEYSTILE_TOKEN", key),
        key,
    );
    assert!(as_key.ok().starts_with("allowed\n"));
}

#[test]
fn what_is_missing_is_taught() {
    let nobody = ran(&mut keystile(&["keys", "list"]));
    assert_eq!(nobody.status, Some(2));
    for way in ["KEYSTILE_EMAIL", "KEYSTILE_TOKEN", "--credentials-file"] {
        assert!(nobody.notes.contains(way), "{nobody:?}");
    }
    let nowhere = ran(keystile(&["keys", "list", "--url", "http://127.0.0.1:1"])
        .env("KEYSTILE_TOKEN", "eyJh.eyJz.c2ln")
        .stderr(Stdio::piped()));
    assert!(nowhere.notes.contains("http://127.0.0.1:1") && nowhere.notes.contains("--url"), "{nowhere:?}");
    assert_eq!((nowhere.status, nowhere.out.as_str()), (Some(2), ""));
}

#[test]
fn a_key_is_rotated_and_keys_are_imported() {
    let server = Server::start("rotated");
    let created = json(&ran(&mut server.keys(&["create", "web", "--tag", "team=web", "--json"])).ok());
    let (id, old) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    let rotated = ran(&mut server.keys(&["rotate", id, "--overlap", "1h"]));
    assert!(rotated.notes.contains("is refused in 3600 s") && rotated.notes.contains(id), "{rotated:?}");
    let new = rotated.ok();
    assert_eq!((verified(&server, &[], old).status, verified(&server, &[], &new).status), (Some(0), Some(0)));
    let again = ran(&mut server.keys(&["rotate", id, "--overlap", "0"]));
    assert_eq!(again.status, Some(2));
    assert!(again.notes.contains("already_rotated"), "{again:?}");
    let tagged = json(&ran(&mut server.keys(&["list", "--tag", "team:web", "--json"])).ok());
    assert_eq!(tagged["data"].as_array().unwrap().len(), 2);
    assert!(ran(&mut server.keys(&["list", "--rotation-due"])).notes.contains("No key is like that"));

    // SHA-256 of "hello-world".
    let hash = "afa27b44d43b02a9fea41d13cedc2e4016cfcf87c5dbf990e593669aa8ce286d";
    let file = server.file("keys.ndjson");
    let path = file.to_str().unwrap();
    std::fs::write(&file, format!("{{\"hash\": \"{hash}\", \"name\": \"moved\"}}\n")).unwrap();
    assert_eq!(ran(&mut server.keys(&["import", path])).ok(), "1 imported, 0 there before\n");
    assert_eq!(verified(&server, &[], "hello-world").status, Some(0));
    assert_eq!(ran(&mut server.keys(&["import", path])).ok(), "0 imported, 1 there before\n");
    let other = format!("\n{{\"hash\": \"{hash}\", \"name\": \"renamed\"}}\n");
    let refused = ran_with_input(&mut server.keys(&["import", "-"]), &other);
    assert_eq!(refused.status, Some(2));
    assert!(
        refused.notes.contains("nothing was imported") && refused.notes.contains("line 2, hash:"),
        "{refused:?}"
    );
}

#[test]
fn it_is_told_from_where_a_key_is_used() {
    let server = Server::start("addresses");
    let created = json(&ran(&mut server.keys(&["create", "web", "--json"])).ok());
    let (id, secret) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    let nowhere = ran(&mut server.keys(&["addresses", id]));
    assert!(nowhere.notes.contains("No address is known") && nowhere.out.is_empty(), "{nowhere:?}");
    let table = until("both addresses to be written", || {
        for ip in ["203.0.113.9", "2001:db8::7"] {
            assert!(verified(&server, &["--ip", ip], secret).ok().starts_with("allowed\n"));
        }
        let table = ran(&mut server.keys(&["addresses", id])).out;
        (table.contains("203.0.113.9  just now") && table.contains("2001:db8::7  just now")).then_some(table)
    });
    assert!(
        table.starts_with("ADDRESS      LAST SEEN  SEEN SINCE\n") && table.lines().count() == 3,
        "{table}"
    );
    let listed = json(&ran(&mut server.keys(&["addresses", id, "--json"])).ok());
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
}
