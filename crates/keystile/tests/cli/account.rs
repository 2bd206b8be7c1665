//! `keystile login`, `logout`, `whoami` and `password`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use keystile_testkit::http::{Http, NOTHING};
use serde_json::Value;

use crate::run::{Ran, keystile, ran, ran_with_input};
use crate::server::Server;

pub(crate) const EMAIL: &str = "owner@localhost";

/// Somebody with a folder of settings of their own.
pub(crate) struct Person {
    server: Server,
    config: PathBuf,
}

impl Person {
    pub(crate) fn new(name: &str) -> Self {
        let server = Server::start(name);
        let config = server.file("config");
        Self { server, config }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = keystile(arguments);
        command.env("XDG_CONFIG_HOME", &self.config);
        command
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }

    pub(crate) fn login(&self, password: &str) -> Ran {
        self.login_as(EMAIL, password)
    }

    pub(crate) fn login_as(&self, email: &str, password: &str) -> Ran {
        let url = self.url();
        let arguments = ["login", "--url", &url, "--email", email, "--password-stdin"];
        ran_with_input(&mut self.command(&arguments), password)
    }

    pub(crate) fn url(&self) -> String {
        self.server.credentials()["base_url"].as_str().unwrap().to_owned()
    }

    pub(crate) fn password(&self) -> String {
        self.server.credentials()["password"].as_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.config.join("keystile/login.json")
    }

    fn stored(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap()
    }

    /// Makes the stored token look as if its hour were over.
    fn age(&self) {
        let mut stored = self.stored();
        stored["expires_at"] = "2020-01-01T00:00:00Z".into();
        std::fs::write(self.file(), stored.to_string()).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn one_signs_in_stays_so_and_signs_out() {
    let person = Person::new("account");
    let unknown = person.run(&["whoami"]);
    assert!(unknown.status == Some(2) && unknown.notes.contains("keystile login"), "{unknown:?}");
    let wrong = person.login("wrong-otter-41-lamp");
    assert!(wrong.status == Some(2) && !person.file().exists(), "{wrong:?}");
    let signed_in = person.login(&person.password());
    assert!(signed_in.notes.contains(EMAIL) && signed_in.out.is_empty(), "{signed_in:?}");
    assert_eq!((mode(&person.file()), mode(&person.config.join("keystile"))), (0o600, 0o700));
    let who = person.run(&["whoami"]).ok();
    assert!(who.contains(EMAIL) && who.contains("Playground"), "{who}");
    assert!(person.run(&["keys", "list"]).ok().contains("Example production key"));
    let elsewhere = person.run(&["keys", "list", "--url", "http://127.0.0.1:9"]);
    assert!(elsewhere.notes.contains("you are signed in at"), "{elsewhere:?}");
    let before = person.stored();
    person.run(&["logout"]).ok();
    assert!(!person.file().exists());
    assert!(person.run(&["logout"]).notes.contains("not signed in"));
    let token = before["access_token"].as_str().unwrap();
    let url = before["base_url"].as_str().unwrap();
    let ended = ran(keystile(&["whoami", "--url", url]).env("KEYSTILE_TOKEN", token));
    assert!(ended.status == Some(2) && ended.notes.contains("session_ended"), "{ended:?}");
}

#[test]
fn signing_in_changing_a_password_and_signing_out_answer_programs() {
    let person = Person::new("account-json");
    let (url, password) = (person.url(), person.password());
    let read = |arguments: &[&str], input: &str| -> Value {
        serde_json::from_str(&ran_with_input(&mut person.command(arguments), input).ok()).unwrap()
    };
    let login = ["login", "--url", &url, "--email", EMAIL, "--password-stdin", "--json"];
    assert_eq!(read(&login, &password)["email"], EMAIL);
    let lines = format!("{password}\namber-walrus-77-kite\n");
    assert_eq!(read(&["password", "--stdin", "--json"], &lines)["password_changed"], true);
    for _ in 0..2 {
        assert_eq!(read(&["logout", "--json"], "")["signed_in"], false);
    }
}

#[test]
fn commands_at_the_same_time_refresh_the_session_once() {
    let person = Person::new("account-refresh");
    assert_eq!(person.login(&person.password()).status, Some(0));
    let before = person.stored();
    person.age();
    let running: Vec<_> = (0..8).map(|_| person.command(&["whoami", "--json"]).spawn().unwrap()).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_ne!(person.stored()["refresh_token"], before["refresh_token"]);
    assert_eq!(mode(&person.file()), 0o600);
}

#[test]
fn a_stolen_refresh_token_that_was_used_ends_the_session() {
    let person = Person::new("account-stolen");
    assert_eq!(person.login(&person.password()).status, Some(0));
    let stolen = person.stored();
    person.age();
    person.run(&["whoami"]).ok();
    std::fs::write(person.file(), stolen.to_string()).unwrap();
    person.age();
    let refused = person.run(&["whoami"]);
    assert!(refused.status == Some(2) && refused.notes.contains("sign in again"), "{refused:?}");
    person.run(&["logout"]).ok();
    assert!(!person.file().exists());
}

#[test]
fn a_password_is_changed_from_two_lines() {
    let person = Person::new("account-password");
    assert_eq!(person.login(&person.password()).status, Some(0));
    let change = |lines: &str| ran_with_input(&mut person.command(&["password", "--stdin"]), lines);
    let old = person.password();
    let weak = change(&format!("{old}\nshort\n"));
    assert!(weak.status == Some(2) && weak.notes.contains("12 characters"), "{weak:?}");
    assert!(!weak.notes.contains(&old));
    change(&format!("{old}\namber-walrus-77-kite\n")).ok();
    assert_eq!(person.login(&old).status, Some(2));
    assert_eq!(person.login("amber-walrus-77-kite").status, Some(0));
    let unasked = person.run(&["password"]);
    assert!(unasked.status == Some(2) && unasked.notes.contains("no terminal"), "{unasked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_the_session_that_it_began_and_no_other() {
    let person = Person::new("account-sessions");
    assert_eq!(person.login(&person.password()).status, Some(0));
    let http = Http::new(person.url().trim_start_matches("http://"));
    let bearer = format!("Bearer {}", person.stored()["access_token"].as_str().unwrap());
    let sessions = async || {
        let listed = http.json("GET", "/api/v1/auth/sessions", &bearer, &NOTHING).await.expect(200);
        listed["data"].as_array().unwrap().len()
    };
    let before = sessions().await;
    for (command, arguments) in [
        ("keys", &["list"][..]),
        ("keys", &["show", "key_01HF7YAT000000000000000001"]),
        ("audit", &["list"]),
        ("apps", &["list"]),
        ("tenants", &["list"]),
        ("customers", &["list"]),
        ("members", &["list"]),
        ("invitations", &["list"]),
        ("sessions", &["list"]),
        ("whoami", &[]),
    ] {
        ran(&mut person.server.ask(command, arguments));
    }
    assert_eq!(sessions().await, before);
    person.run(&["whoami"]).ok();
    assert_eq!(sessions().await, before, "that of `keystile login` goes on");
}
