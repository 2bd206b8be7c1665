//! `keystile dev`: everything a newcomer needs, shown once and kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use keystile_testkit::server::{Credentials, Plan, Server};
use serde_json::{Value, json};

use crate::world::{KEYSTILE, World, as_key, text};

/// All that may be shown only once.
fn secrets(credentials: &Credentials) -> Vec<&str> {
    credentials.keys.values().map(|key| key.secret.as_str()).chain([credentials.password.as_str()]).collect()
}

/// Runs the program to its end, which must come by itself.
fn run(folder: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(KEYSTILE);
    command.arg("dev").args(arguments).arg("--data-dir").arg(folder.join("data")).env_clear();
    command.output().unwrap()
}

#[track_caller]
fn explains(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_first_start_writes_credentials_that_only_the_owner_can_read() {
    let server = Server::dev(KEYSTILE);
    let file = server.credentials_file();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let expected = ["application_id", "base_url", "email", "keys", "password", "tenant_id"];
    assert_eq!(members(&written), expected);
    assert_eq!(members(&written["keys"]), ["development", "production", "staging"]);
    for key in written["keys"].as_object().unwrap().values() {
        assert_eq!(members(key), ["id", "secret"]);
    }
    let credentials = server.credentials();
    assert_eq!(credentials.base_url, format!("http://{}", server.address()));
    let shown = server.process().stdout();
    for secret in secrets(&credentials) {
        assert!(shown.contains(secret), "the first start shows everything once");
    }
    for label in ["sk_ks_live_", "sk_ks_stage_", "sk_ks_dev_"] {
        assert_eq!(credentials.keys.values().filter(|key| key.secret.starts_with(label)).count(), 1);
    }
    assert_eq!(server.process().stderr(), "", "nothing to warn of");
    let folder = fs::metadata(server.plan().data_dir()).unwrap().permissions().mode();
    assert_eq!(folder & 0o777, 0o700, "{folder:o}");
    for entry in fs::read_dir(server.plan().data_dir()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", entry.path().display());
    }
}

/// The commands that the first start printed.
pub(crate) fn guide_commands(server: &Server) -> String {
    let guide = server.process().stdout();
    let (_, commands) = guide.split_once("Paste into another terminal:\n").unwrap();
    commands.split_once("\nThe API: ").unwrap().0.to_owned()
}

#[test]
fn every_printed_command_does_what_is_said() {
    let server = Server::dev(KEYSTILE);
    let commands = guide_commands(&server);
    // Each command and its comment stand together; `TOKEN=` has to be known to those after it.
    let script: String = commands
        .split("\n  #")
        .filter(|part| !part.trim().is_empty())
        .map(|part| {
            format!("echo; echo '== {}'\n", part.lines().next().unwrap_or_default().trim())
                + "#"
                + part
                + "\n"
        })
        .collect();
    let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "is curl installed (`apt-get install curl`)? {errors}\n{said}");
    let answers: Vec<_> = said.split("\n== ").skip(1).collect();
    let expected: [&[&str]; 5] = [
        &[
            "production key",
            r#""valid":true,"code":"allowed""#,
            r#""valid":false,"code":"wrong_environment""#,
        ],
        &["gateway", "HTTP/1.1 200 OK", "x-keystile-environment: production"],
        &["Sign in"],
        &["Create a key", r#""name":"Reports""#, r#""environment":"staging""#, r#""secret":"sk_ks_stage_"#],
        &[
            "Revoke",
            r#""name":"Reports""#,
            r#""status":"revoked""#,
            "HTTP/1.1 401 Unauthorized",
            r#""code":"key_revoked""#,
        ],
    ];
    assert_eq!(answers.len(), expected.len(), "{said}");
    for (answer, words) in answers.iter().zip(expected) {
        for word in words {
            assert!(answer.contains(word), "no `{word}` in: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_everything_and_shows_no_secret() {
    let mut world = World::start().await;
    let before = world.read(&world.keys()).await;
    let file = fs::read(world.server.credentials_file()).unwrap();
    world.server.stop();
    world.start_again();
    assert_eq!(world.read(&world.keys()).await, before, "and the token is still good");
    let written: Value = serde_json::from_slice(&fs::read(world.server.credentials_file()).unwrap()).unwrap();
    let mut expected: Value = serde_json::from_slice(&file).unwrap();
    expected["base_url"] = json!(format!("http://{}", world.server.address()));
    assert_eq!(written, expected, "only where it listens is another place");
    let (out, log) = (world.server.process().stdout(), world.server.process().stderr());
    assert!(out.contains(&world.credentials.tenant_id) && out.contains(&world.credentials.email), "{out}");
    for secret in secrets(&world.credentials) {
        assert!(!out.contains(secret) && !log.contains(secret), "{out}{log}");
    }
    for (environment, key) in &world.credentials.keys {
        let verified = world.verify(&json!({ "key": key.secret, "environment": environment })).await;
        assert_eq!((text(&verified, "code"), text(&verified, "key_id")), ("allowed", key.id.as_str()));
    }
}

#[test]
fn it_is_for_this_machine_only() {
    let folder = empty_folder();
    for address in ["0.0.0.0:0", "[::]:0"] {
        explains(&run(folder.folder(), &["--listen", address]), &["loopback", "keystile serve"]);
    }
    assert!(!folder.data_dir().exists(), "nothing was made");
}

#[test]
fn what_the_environment_says_of_another_server_is_refused() {
    let folder = empty_folder();
    let elsewhere = folder.folder().join("elsewhere");
    for name in [
        "KEYSTILE_DATABASE_URL",
        "KEYSTILE_DATA_DIR",
        "KEYSTILE_SIGNING_KEY_FILE",
        "KEYSTILE_ENCRYPTION_KEY_FILE",
        "KEYSTILE_REVOCATION_JOURNAL",
        "KEYSTILE_CLICKHOUSE_URL",
    ] {
        let mut command = Command::new(KEYSTILE);
        command.args(["dev", "--listen", "127.0.0.1:0"]).current_dir(folder.folder());
        command.env_clear().env(name, &elsewhere);
        explains(&command.output().unwrap(), &[name, "unset it", "flag"]);
        assert!(!elsewhere.exists() && !folder.folder().join("keystile-dev").exists(), "nothing was made");
    }
}

#[test]
fn credentials_do_not_replace_a_file_of_the_server() {
    let plan = empty_folder();
    let data = plan.data_dir();
    for name in [
        "dev.json",
        "keystile.db",
        "keystile.db-wal",
        "keystile.db.lock",
        "signing-key.der",
        "encryption-key",
        "revocations.journal",
    ] {
        for file in [data.join(name), data.join("..").join("data").join(name)] {
            let file = file.to_str().unwrap();
            let output = run(plan.folder(), &["--listen", "127.0.0.1:0", "--credentials-file", file]);
            explains(&output, &[file, "a file of the server itself"]);
        }
    }
    let mut server = Plan::dev(KEYSTILE).start();
    server.stop();
    let notes = server.plan().data_dir().join("dev.json");
    let before = fs::read(&notes).unwrap();
    let again = ["--listen", "127.0.0.1:0", "--credentials-file", notes.to_str().unwrap()];
    explains(&run(server.plan().folder(), &again), &["a file of the server itself"]);
    assert_eq!(fs::read(&notes).unwrap(), before);
}

#[test]
fn an_interrupted_first_start_is_explained() {
    let mut server = Server::dev(KEYSTILE);
    server.stop();
    fs::remove_file(server.plan().data_dir().join("dev.json")).unwrap();
    let output = run(server.plan().folder(), &["--listen", "127.0.0.1:0"]);
    explains(&output, &["first start", "did not end", "delete the folder", "start anew"]);
}

#[test]
fn credentials_that_are_lost_are_not_made_up() {
    let mut server = Server::dev(KEYSTILE);
    server.stop();
    let file = server.plan().folder().join("elsewhere.json");
    let again = ["--listen", "127.0.0.1:0", "--credentials-file", file.to_str().unwrap()];
    explains(&run(server.plan().folder(), &again), &["first start only", "start anew"]);
    assert!(!file.exists());
}

#[test]
fn secrets_that_nobody_could_read_were_not_shown() {
    let plan = empty_folder();
    let mut command = Command::new(KEYSTILE);
    command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(plan.data_dir()).env_clear();
    let output = command.stdout(fs::File::create("/dev/full").unwrap()).output().unwrap();
    explains(&output, &["could not be shown", "delete", "start anew"]);
    assert!(!plan.data_dir().join("dev.json").exists(), "the first start did not end");
}

#[test]
fn its_help_tells_its_own_defaults() {
    let output = Command::new(KEYSTILE).args(["dev", "--help"]).env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("[default: keystile-dev]") && help.contains("[default: warn]"), "{help}");
    assert!(!help.contains("[default: keystile-data]") && !help.contains("[default: info]"), "{help}");
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let server = Server::dev(KEYSTILE);
    explains(&run(server.plan().folder(), &["--listen", "127.0.0.1:0"]), &["keystile.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_makes_the_owner_whom_the_environment_names() {
    let password = "correct-otter-lamp-41-river";
    let plan = Plan::serve(KEYSTILE)
        .variable("KEYSTILE_OWNER_EMAIL", "Ada@example.com")
        .variable("KEYSTILE_OWNER_PASSWORD", password)
        .flag("--tenant-name", "Acme");
    let mut server = plan.start();
    for _ in 0..2 {
        let owner = crate::world::sign_in(&server.http(), "ada@example.com", password).await;
        let tenants = server.http().json("GET", "/api/v1/tenants", &owner, &Value::Null).await.expect(200);
        let tenant = &tenants["data"].as_array().unwrap()[0];
        assert_eq!((tenants["data"].as_array().unwrap().len(), text(tenant, "name")), (1, "Acme"));
        let keys = format!("/api/v1/tenants/{}/api-keys", text(tenant, "id"));
        let key = server.http().json("POST", &keys, &owner, &json!({ "name": "first" })).await.expect(201);
        let authz = format!("/api/v1/authz/{}?environment=production", text(&key, "application_id"));
        server.http().json("GET", &authz, &as_key(text(&key, "secret")), &Value::Null).await.expect(200);
        assert!(!server.process().stderr().contains(password));
        server.restart();
    }
}

fn empty_folder() -> Plan {
    Plan::serve(KEYSTILE)
}
