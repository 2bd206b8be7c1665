//! `keystile scan` and `keystile leaks`, with real repositories.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use keystile_testkit::wait::until;
use serde_json::Value;

use crate::run::{Ran, keystile, ran};
use crate::server::Server;

/// A key of nobody: the form and the check digits are all that is right with it.
const NOBODYS: &str = include_str!("../../../../fuzz/seeds/key_text/ours_stage");

/// A folder with a repository in it.
struct Repository(PathBuf);

impl Repository {
    /// An empty one; `name` is this test's own.
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("repository-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let repository = Self(folder);
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.0).args(["-c", "user.name=T", "-c", "user.email=t@example.com"]);
        command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Commits everything, and gives the name of the commit.
    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Searches it without a server.
    fn scan(&self, arguments: &[&str]) -> Ran {
        ran(with_git(keystile(&["scan", self.path(), "--offline"]).args(arguments)))
    }

    /// The places of the only key in it.
    fn places(&self, arguments: &[&str]) -> Vec<(Option<String>, u64, Option<String>)> {
        let scan = self.scan(&[arguments, &["--json"]].concat());
        let keys = lines(&scan);
        let [key] = &keys[..] else { unreachable!("{scan:?}") };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let place =
            |place: &Value| (text(&place["path"]), place["line"].as_u64().unwrap(), text(&place["commit"]));
        key["places"].as_array().unwrap().iter().map(place).collect()
    }
}

/// Programs of the tests have no variables; this one has to find git.
fn with_git(command: &mut Command) -> &mut Command {
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default())
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap()
}

/// A key that looks like this one, and was mistyped.
fn mistyped(secret: &str) -> String {
    let last = if secret.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &secret[..secret.len() - 1])
}

impl Server {
    /// Makes a key.
    fn key(&self, name: &str, arguments: &[&str]) -> Value {
        let created = ran(self.keys(&["create", name, "--json"]).args(arguments)).ok();
        serde_json::from_str(&created).unwrap()
    }

    fn scan(&self, path: &str, arguments: &[&str]) -> Ran {
        ran(with_git(&mut self.ask("scan", &[&[path], arguments].concat())))
    }
}

#[test]
fn of_three_planted_keys_the_two_that_are_real_are_told_with_their_state() {
    let server = Server::start("scan");
    let (live, revoked) = (server.key("live", &[]), server.key("revoked", &[]));
    ran(&mut server.keys(&["revoke", text(&revoked, "id"), "--yes"])).ok();
    let (live_secret, revoked_secret) = (text(&live, "secret"), text(&revoked, "secret"));
    let repository = Repository::new("planted");
    repository.write("config/app.env", format!("# settings\nKEY={live_secret}\n"));
    repository.write(
        "deploy.sh",
        format!("#!/bin/sh\n\ncurl -H 'X-API-Key: {revoked_secret}' https://example.com\n"),
    );
    repository.write("README.md", format!("Use `{}`.\n", mistyped(live_secret)));
    let commit = repository.commit("Add everything");
    let scan = server.scan(repository.path(), &["--json"]);
    assert_eq!(scan.status, Some(1), "{scan:?}");
    let keys = lines(&scan);
    assert_eq!(keys.len(), 2, "{scan:?}");
    for (told, key, state, path, line) in
        [(&keys[0], &revoked, "revoked", "deploy.sh", 3), (&keys[1], &live, "live", "config/app.env", 2)]
    {
        assert_eq!((text(told, "state"), &told["key_id"]), (state, &key["id"]));
        assert_eq!(
            (text(told, "path"), told["line"].as_u64(), &told["commit"]),
            (path, Some(line), &Value::Null)
        );
        assert_eq!((&told["places_total"], text(&told["places"][1], "commit")), (&2.into(), commit.as_str()));
        assert_eq!((text(told, "label"), text(told, "environment")), ("ks", "production"));
        assert!(text(key, "secret").starts_with(text(told, "start")) && text(told, "start").len() == 15);
    }
    let people = server.scan(repository.path(), &[]);
    assert_eq!(people.status, Some(1));
    assert!(people.notes.contains("2 keys: 1 live, 1 revoked."), "{people:?}");
    assert!(
        people.out.contains("config/app.env:2\n") && people.out.contains("deploy.sh:3 in commit"),
        "{people:?}"
    );
    ran(&mut server.keys(&["revoke", text(&live, "id"), "--yes"])).ok();
    assert_eq!(server.scan(repository.path(), &[]).status, Some(3), "nothing is live any more");
    for run in [scan, people] {
        let said = run.out + &run.notes;
        assert!(!said.contains(live_secret) && !said.contains(revoked_secret));
    }
}

#[test]
fn each_state_is_told_and_keys_of_others_are_unknown() {
    let server = Server::start("scan-states");
    let second =
        ran(&mut server.ask("tenants", &["create", "Second", "--key-label", "second", "--json"])).ok();
    let second: Value = serde_json::from_str(&second).unwrap();
    let keys = [
        ("unknown", server.key("theirs", &["--tenant", text(&second, "id")])),
        ("blocked", server.key("blocked", &[])),
        ("disabled", server.key("disabled", &[])),
        ("replaced", server.key("replaced", &[])),
        ("revoked", server.key("deleted", &[])),
    ];
    let id = |at: usize| text(&keys[at].1, "id");
    ran(&mut server.keys(&["block", id(1), "--reason", "abuse"])).ok();
    ran(&mut server.keys(&["disable", id(2)])).ok();
    ran(&mut server.keys(&["regenerate", id(3)])).ok();
    ran(&mut server.keys(&["delete", id(4), "--yes"])).ok();
    let folder = server.file("states");
    std::fs::create_dir_all(&folder).unwrap();
    for (at, (_, key)) in keys.iter().enumerate() {
        std::fs::write(folder.join(at.to_string()), text(key, "secret")).unwrap();
    }
    let scan = server.scan(folder.to_str().unwrap(), &["--json"]);
    assert_eq!(scan.status, Some(3), "{scan:?}");
    for (told, (state, key)) in lines(&scan).iter().zip(&keys) {
        let id = if *state == "unknown" { &Value::Null } else { &key["id"] };
        assert_eq!((text(told, "state"), &told["key_id"]), (*state, id));
    }
}

#[test]
fn a_key_that_was_removed_is_found_in_the_history_with_its_oldest_commit() {
    let repository = Repository::new("removed");
    repository.write("a/b.txt", format!("\n{NOBODYS}\n"));
    let first = repository.commit("Add");
    repository.write("a/b.txt", "gone\n");
    repository.commit("Remove");
    repository.write("c.txt", format!("\n{NOBODYS}\n"));
    repository.commit("Add once more");
    repository.write("c.txt", "gone\n");
    repository.commit("Remove once more");
    let expected = [(Some("a/b.txt".to_owned()), 2, Some(first))];
    assert_eq!(repository.places(&[]), expected, "loose");
    repository.git(&["gc", "--quiet"]);
    assert_eq!(repository.places(&[]), expected, "packed");
    assert_eq!(repository.scan(&["--no-history"]).status, Some(0));
}

#[test]
fn what_no_branch_has_is_found_too() {
    let repository = Repository::new("unreachable");
    repository.write("a.txt", "plain\n");
    repository.commit("Begin");
    repository.write("a.txt", NOBODYS);
    let amended = repository.commit("Leak");
    repository.write("a.txt", "plain again\n");
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "--quiet", "--amend", "--no-edit"]);
    assert_eq!(repository.places(&[]), [(Some("a.txt".to_owned()), 1, Some(amended))], "by the reflog");
    repository.git(&["reflog", "expire", "--expire=now", "--all"]);
    assert_eq!(repository.places(&[]), [(None, 1, None)], "by nothing");
    let people = repository.scan(&[]);
    assert!(people.out.contains("which no commit has any more"), "{people:?}");
}

#[test]
fn branches_tags_merges_and_messages_are_searched() {
    let repository = Repository::new("everywhere");
    repository.write("a.txt", "plain\n");
    repository.commit("Begin");
    repository.git(&["checkout", "--quiet", "-b", "side"]);
    repository.write("side.txt", format!("{NOBODYS}\n"));
    let side = repository.commit("Aside");
    repository.git(&["checkout", "--quiet", "main"]);
    let message = repository.commit(&format!("Say it\n\nThe key is {NOBODYS}"));
    repository.git(&["tag", "--annotate", "v1", "--message", &format!("With {NOBODYS}")]);
    let tag = repository.git(&["rev-parse", "v1"]);
    // A merge that brings what neither side had.
    repository.git(&["merge", "--quiet", "--no-commit", "--no-ff", "side"]);
    repository.write("evil.txt", format!("\n\n{NOBODYS}"));
    let merge = repository.commit("Merge");
    let mut places = repository.places(&["--exclude", "evil.txt"]);
    assert!(places.iter().all(|(path, ..)| path.as_deref() != Some("evil.txt")));
    places.sort();
    let mut all = repository.places(&[]);
    all.sort();
    let in_history = all.iter().filter_map(|(path, line, commit)| {
        let commit = commit.as_deref()?;
        Some((path.as_deref(), *line, commit))
    });
    let in_history: Vec<_> = in_history.collect();
    for expected in [(Some("side.txt"), 1, side.as_str()), (Some("evil.txt"), 3, merge.as_str())] {
        assert!(in_history.contains(&expected), "{expected:?}: {in_history:?}");
    }
    for name in [&message, &tag] {
        let is_there = in_history.iter().any(|(path, _, commit)| path.is_none() && *commit == name.as_str());
        assert!(is_there, "{in_history:?}");
    }
    assert_eq!(all.len(), 6, "two of them also as files: {all:?}");
}

#[test]
fn a_bare_repository_and_one_without_commits_are_searched() {
    let repository = Repository::new("source");
    repository.write("a.txt", NOBODYS);
    let commit = repository.commit("Add");
    let bare = Repository::new("bare");
    bare.git(&["clone", "--quiet", "--bare", repository.path(), "copy.git"]);
    let bare = Repository(bare.0.join("copy.git"));
    assert_eq!(bare.places(&[]), [(Some("a.txt".to_owned()), 1, Some(commit))]);
    let empty = Repository::new("empty");
    empty.write("a.txt", NOBODYS);
    empty.git(&["add", "a.txt"]);
    let places = empty.places(&[]);
    assert_eq!(
        places,
        [(Some("a.txt".to_owned()), 1, None), (None, 1, None)],
        "the file, and what was added"
    );
}

#[test]
fn large_and_binary_files_are_searched_and_links_are_not_followed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scan-files");
    let outside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scan-outside");
    for folder in [&folder, &outside] {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder.join("in")).unwrap();
    }
    std::fs::write(outside.join("secret"), mistyped(NOBODYS).replace("stage", "live")).unwrap();
    std::fs::write(outside.join("in/secret"), NOBODYS).unwrap();
    symlink(&outside, folder.join("linked-folder")).unwrap();
    symlink(outside.join("in/secret"), folder.join("linked-file")).unwrap();
    symlink(&folder, folder.join("in/loop")).unwrap();
    let scan = |arguments: &[&str]| {
        let arguments = [&["scan", folder.to_str().unwrap(), "--offline", "--json"], arguments].concat();
        ran(&mut keystile(&arguments))
    };
    let nothing = scan(&[]);
    assert_eq!((nothing.status, nothing.out.as_str()), (Some(0), ""), "{nothing:?}");
    assert!(nothing.notes.contains("No key was found."), "{nothing:?}");
    // A key across each border of 64 KiB, whatever the pieces are.
    let mut large = vec![0xff; 1024 * 1024];
    for border in (1..16).map(|n| n * 64 * 1024) {
        large[border - 30..][..NOBODYS.len()].copy_from_slice(NOBODYS.as_bytes());
    }
    large[100] = b'\n';
    std::fs::write(folder.join("in/large.bin"), &large).unwrap();
    std::fs::create_dir_all(folder.join("target/deep")).unwrap();
    std::fs::write(folder.join("target/deep/.hidden"), NOBODYS).unwrap();
    std::fs::write(folder.join(".gitignore"), "target\n*.bin\n").unwrap();
    let found = scan(&[]);
    assert_eq!(found.status, Some(3), "{found:?}");
    let key = &lines(&found)[0];
    assert_eq!((text(key, "state"), key["places_total"].as_u64()), ("well_formed", Some(16)));
    assert_eq!((text(key, "path"), key["line"].as_u64()), ("in/large.bin", Some(2)));
    assert_eq!(text(&key["places"][15], "path"), "target/deep/.hidden");
    let few = scan(&["--exclude", "target", "--exclude", "*.bin"]);
    assert_eq!(few.status, Some(0), "{few:?}");
    let one = folder.join("target/deep/.hidden");
    let one = ran(&mut keystile(&["scan", one.to_str().unwrap(), "--offline"]));
    assert!(one.status == Some(3) && one.out.contains("/.hidden:1\n"), "{one:?}");
    assert!(!(found.out + &one.out).contains(NOBODYS));
}

#[test]
fn what_cannot_be_searched_or_asked_is_told_and_never_good() {
    let missing = ran(&mut keystile(&["scan", "/nowhere/at/all", "--offline"]));
    assert!(
        missing.status == Some(2) && missing.notes.contains("/nowhere/at/all cannot be read"),
        "{missing:?}"
    );
    let repository = Repository::new("without-git");
    repository.write("a.txt", NOBODYS);
    repository.commit("Add");
    let mut without_git = keystile(&["scan", repository.path(), "--offline"]);
    let without_git = ran(without_git.env("PATH", "/nowhere"));
    assert!(without_git.status == Some(2) && without_git.notes.contains("--no-history"), "{without_git:?}");
    assert!(without_git.notes.contains("git, which is not installed"), "{without_git:?}");
    assert!(without_git.out.contains("a.txt:1"), "the files are told all the same: {without_git:?}");
    // Nobody says who asks: what was found is printed all the same.
    let unasked = ran(with_git(&mut keystile(&["scan", repository.path(), "--json"])));
    assert!(unasked.status == Some(2) && unasked.notes.contains("who is asking?"), "{unasked:?}");
    assert_eq!(text(&lines(&unasked)[0], "state"), "well_formed");
    let broken = Repository::new("broken");
    broken.write("a.txt", "plain");
    broken.write("b.txt", NOBODYS);
    broken.commit("Add");
    let object = broken.git(&["rev-parse", "HEAD:a.txt"]);
    let file = broken.0.join(".git/objects").join(&object[..2]).join(&object[2..]);
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "no object").unwrap();
    let scan = broken.scan(&[]);
    assert!(scan.status == Some(2) && scan.notes.contains(&format!("{object} cannot be read")), "{scan:?}");
    assert!(
        scan.out.contains("b.txt:1 in commit") && scan.notes.contains("1 place could not be read"),
        "{scan:?}"
    );
    std::fs::write(broken.0.join(".git/HEAD"), "no repository").unwrap();
    let scan = broken.scan(&[]);
    assert!(scan.status == Some(2) && scan.notes.contains("git could not read the history"), "{scan:?}");
}

#[test]
fn reports_are_listed() {
    let server = Server::start("leaks");
    let none = ran(&mut server.ask("leaks", &["list"]));
    assert!(none.out.is_empty() && none.notes.contains("No key was reported"), "{none:?}");
    let shown = ran(&mut server.ask("tenants", &["update", "--on-leak", "block"])).ok();
    assert!(shown.contains("on a leak"), "{shown}");
    let key = server.key("leaked", &[]);
    let body = format!(r#"{{"key":"{}","place":"a gist"}}"#, text(&key, "secret"));
    let request = format!(
        "POST /api/v1/leaks/report HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let credentials = server.credentials();
    let address = text(&credentials, "base_url").trim_start_matches("http://");
    let answer = keystile_testkit::http::raw(address, request.as_bytes()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    // The answer does not wait for what comes of a report.
    let listed = until("the report to be listed", || {
        let listed = ran(&mut server.ask("leaks", &["list"])).out;
        (!listed.is_empty()).then_some(listed)
    });
    for part in [text(&key, "id"), "blocked", "report", "a gist"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let of_key = ran(&mut server.ask("leaks", &["list", "--key", text(&key, "id"), "--json"])).ok();
    let of_key: Value = serde_json::from_str(&of_key).unwrap();
    assert_eq!(of_key["data"].as_array().unwrap().len(), 1);
    let shown = ran(&mut server.keys(&["show", text(&key, "id")])).ok();
    assert!(shown.contains("leaked"), "{shown}");
}
