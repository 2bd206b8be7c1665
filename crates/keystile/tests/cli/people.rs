//! `keystile totp …`, `sessions …`, and what an invitation or a reset token is redeemed with.

use std::time::{SystemTime, UNIX_EPOCH};

use keystile_testkit::authenticator;
use serde_json::Value;

use crate::account::Person;
use crate::run::{Ran, keystile, ran, ran_with_input};

const NEW: &str = "amber-walrus-77-kite";

/// What the authenticator shows now.
#[expect(clippy::disallowed_methods, reason = "the real server has the real time")]
fn code(secret: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    authenticator::code(secret, i64::try_from(now).unwrap())
}

fn read(ran: Ran) -> Value {
    serde_json::from_str(&ran.ok()).unwrap()
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap()
}

#[test]
fn a_second_factor_is_enrolled_confirmed_and_removed() {
    let person = Person::new("second-factor");
    let password = person.password();
    person.login(&password).ok();
    let with_input = |arguments: &[&str], input: &str| ran_with_input(&mut person.command(arguments), input);
    let wrong = with_input(&["totp", "enrol", "--password-stdin"], "wrong-otter-41-lamp");
    assert!(wrong.status == Some(2) && wrong.notes.contains("wrong_credentials"), "{wrong:?}");
    let enrolled = with_input(&["totp", "enrol", "--password-stdin"], &password);
    assert!(enrolled.notes.contains("keystile totp confirm"), "{enrolled:?}");
    let uri = enrolled.ok();
    assert!(uri.starts_with("otpauth://totp/") && uri.lines().count() == 1, "{uri}");
    let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let confirmed = person.run(&["totp", "confirm", "--code", &code(secret)]);
    assert!(confirmed.notes.contains("takes a code"), "{confirmed:?}");
    let recovery_codes = confirmed.ok();
    assert_eq!(recovery_codes.lines().count(), 10);
    let refused = person.login(&password);
    assert!(refused.status == Some(2) && refused.notes.contains("second_factor_required"), "{refused:?}");
    let unasked = with_input(&["totp", "remove", "--password-stdin"], &password);
    assert!(unasked.status == Some(2) && unasked.notes.contains("no terminal"), "{unasked:?}");
    let remove = ["totp", "remove", "--password-stdin", "--recovery-code-stdin", "--json"];
    let lines = format!("{password}\n{}\n", recovery_codes.lines().next().unwrap());
    assert_eq!(read(with_input(&remove, &lines))["second_factor"], false);
    person.login(&password).ok();
}

#[test]
fn sessions_are_listed_and_ended() {
    let person = Person::new("sessions");
    person.login(&person.password()).ok();
    let first = std::fs::read(person.file()).unwrap();
    person.login(&person.password()).ok();
    let listed = read(person.run(&["sessions", "list", "--json"]));
    let data = listed["data"].as_array().unwrap();
    let here = data.iter().find(|session| session["current"] == true).unwrap();
    for other in data.iter().filter(|session| session["current"] == false) {
        let ended = person.run(&["sessions", "end", text(other, "id")]);
        assert!(ended.status == Some(0) && ended.notes.contains("has ended"), "{ended:?}");
    }
    let table = person.run(&["sessions", "list"]).ok();
    assert!(table.lines().count() == 2 && table.contains(text(here, "id")), "{table}");
    assert!(table.contains("127.0.0.1") && table.contains("keystile-client"), "{table}");
    std::fs::write(person.file(), first).unwrap();
    let refused = person.run(&["whoami"]);
    assert!(refused.status == Some(2) && refused.notes.contains("session_ended"), "{refused:?}");
}

/// Invites somebody; the token.
fn invited(owner: &Person, email: &str, more: &[&str]) -> String {
    let arguments = [&["create", email, "developer"], more].concat();
    let created = ran(&mut owner.server().ask("invitations", &arguments));
    let how = format!("keystile invitations accept --new --url {}", owner.url());
    assert!(created.notes.contains(&how) && !created.notes.contains("/invitations/accept#"), "{created:?}");
    created.ok().trim().to_owned()
}

#[test]
fn an_invitation_is_accepted_by_whoever_is_new_and_whoever_is_known() {
    let owner = Person::new("accept");
    let url = owner.url();
    let token = invited(&owner, "bob@example.com", &[]);
    let join = |input: &str| {
        let arguments = ["invitations", "accept", "--new", "--stdin", "--url", &url];
        ran_with_input(&mut keystile(&arguments), input)
    };
    let weak = join(&format!("{token}\nshort\n"));
    assert!(weak.status == Some(2) && weak.notes.contains("12 characters"), "{weak:?}");
    let joined = join(&format!("{token}\n{NEW}\n"));
    assert!(joined.notes.contains("keystile login --url") && !joined.notes.contains(&token), "{joined:?}");
    let joined = joined.ok();
    assert!(joined.contains("Playground") && joined.contains("developer"), "{joined}");
    let again = join(&format!("{token}\n{NEW}\n"));
    assert!(again.status == Some(2) && again.notes.contains("not_found"), "{again:?}");

    let second = read(ran(&mut owner.server().ask("tenants", &["create", "Second", "--json"])));
    let token = invited(&owner, "bob@example.com", &["--tenant", text(&second, "id")]);
    let accept = ["invitations", "accept", "--stdin", "--json"];
    let nobody = ran_with_input(&mut owner.command(&accept), &token);
    assert!(nobody.status == Some(2) && nobody.notes.contains("keystile login"), "{nobody:?}");
    owner.login_as("bob@example.com", NEW).ok();
    let place = read(ran_with_input(&mut owner.command(&accept), &token));
    assert_eq!((text(&place, "tenant_name"), text(&place, "email")), ("Second", "bob@example.com"));
}

#[test]
fn whoever_sends_a_secret_in_plain_text_is_warned_before_it_goes() {
    let person = Person::new("plain-text");
    // Nothing listens there, and it is no address of this machine alone.
    let away = ["--url", "http://0.0.0.0:1"];
    for command in [
        &["login", "--email", "ada@example.com", "--password-stdin"][..],
        &["password", "--reset", "--stdin"],
        &["invitations", "accept", "--new", "--stdin"],
    ] {
        let ran = ran_with_input(&mut person.command(&[command, &away].concat()), &format!("{NEW}\n{NEW}\n"));
        assert!(
            ran.status == Some(2) && ran.notes.starts_with("warning: http://0.0.0.0:1 is not"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_member_sets_a_password_anew_with_a_token_of_an_admin() {
    let owner = Person::new("reset");
    let url = owner.url();
    let token = invited(&owner, "bob@example.com", &[]);
    let accept = ["invitations", "accept", "--new", "--stdin", "--url", &url];
    ran_with_input(&mut keystile(&accept), &format!("{token}\n{NEW}\n")).ok();
    let offered = ran(&mut owner.server().ask("members", &["reset-password", "bob@example.com"]));
    assert!(offered.notes.contains(&format!("keystile password --reset --url {url}")), "{offered:?}");
    let token = offered.ok();
    let other = "brass-heron-58-lane";
    let reset = ["password", "--reset", "--stdin", "--json", "--url", &url];
    let changed = read(ran_with_input(&mut keystile(&reset), &format!("{token}{other}\n")));
    assert_eq!(changed["password_changed"], true);
    assert_eq!(owner.login_as("bob@example.com", NEW).status, Some(2));
    owner.login_as("bob@example.com", other).ok();
    let nobody = ran(&mut owner.server().ask("members", &["reset-password", "eve@example.com"]));
    assert!(nobody.status == Some(2) && nobody.notes.contains("nobody with this address"), "{nobody:?}");
}
