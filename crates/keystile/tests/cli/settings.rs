//! Settings that cannot be used.

use crate::run::{Ran, keystile, ran};

const URL: &str = "postgresql+psycopg://ks:hunter2secret@db/ks";

#[track_caller]
fn told_without_password(ran: &Ran, what: &str) {
    assert_ne!(ran.status, Some(0));
    assert!(ran.notes.contains(what), "{ran:?}");
    assert!(!ran.notes.contains("hunter2"), "{ran:?}");
}

#[test]
fn a_wrong_database_url_is_told_without_its_password() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("settings");
    std::fs::create_dir_all(&folder).unwrap();
    let data = folder.join("data").display().to_string();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data];
    let rule = "must begin with `sqlite:` or `postgres://`";
    told_without_password(&ran(keystile(&serve).env("KEYSTILE_DATABASE_URL", URL)), rule);
    told_without_password(&ran(keystile(&serve).args(["--database-url", URL])), rule);
    let file = folder.join("keystile.toml");
    for (text, what) in [
        (format!("database_url = \"{URL}\"\n"), rule),
        (format!("log = \"info\"\ndatabase_url = [\"{URL}\"]\n"), "line 2"),
        (format!("log = \"info\"\n\ndatabase_url = \"{URL}\n"), "line 3"),
    ] {
        std::fs::write(&file, text).unwrap();
        told_without_password(&ran(keystile(&serve).arg("--config").arg(&file)), what);
    }
}

#[test]
fn a_flag_beats_a_variable_beats_the_file() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("precedence");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    let file = folder.join("keystile.toml");
    let text = format!("data_dir = {:?}\nlog = \"info\"\ntrusted_proxies = [\"10.0.0.0/8\"]\n", at("file"));
    std::fs::write(&file, text).unwrap();
    let made = |flags: &[&str], variables: &[(&str, String)]| {
        let mut command = keystile(&["migrate", "--config", &file.display().to_string()]);
        ran(command.args(flags).envs(variables.iter().cloned())).ok();
        let mut found = ["file", "variable", "flag"].into_iter().filter(|name| folder.join(name).exists());
        let name = found.next().expect("one folder was made");
        assert_eq!(found.next(), None);
        std::fs::remove_dir_all(folder.join(name)).unwrap();
        name
    };
    let variable = [("KEYSTILE_DATA_DIR", at("variable"))];
    assert_eq!(made(&[], &[]), "file");
    assert_eq!(made(&[], &variable), "variable");
    assert_eq!(made(&["--data-dir", &at("flag")], &variable), "flag");
    let named = [("KEYSTILE_CONFIG", file.display().to_string())];
    ran(keystile(&["migrate"]).envs(named)).ok();
    assert!(folder.join("file/keystile.db").exists());
}

#[test]
fn keys_of_github_that_cannot_be_used_are_told_before_anything_is_made() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("github-keys");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let (data, file) = (folder.join("data"), folder.join("keys.json"));
    let (data_text, file_text) = (data.display().to_string(), file.display().to_string());
    let serve =
        ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data_text, "--github-keys-file", &file_text];
    let missing = ran(&mut keystile(&serve));
    assert!(missing.status == Some(2) && missing.notes.contains(&file_text), "{missing:?}");
    for (text, what) in [
        ("{", "line 1"),
        (r#"{"public_keys": []}"#, "no key that is current"),
        (r#"{"public_keys": [{"key_identifier": "k1", "key": "AAAA", "is_current": true}]}"#, "the key k1"),
    ] {
        std::fs::write(&file, text).unwrap();
        let refused = ran(&mut keystile(&serve));
        assert!(refused.status == Some(2) && refused.notes.contains(what), "{refused:?}");
    }
    assert!(!data.exists());
}
