//! `keystile keys create` with every setting, and `keystile keys update`.

use serde_json::{Value, json};

use crate::run::{Ran, ran, ran_with_input};
use crate::server::Server;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What `keystile keys … --json` answers.
fn record(server: &Server, arguments: &[&str]) -> Value {
    parsed(&ran(&mut server.keys(&[arguments, &["--json"]].concat())).ok())
}

fn refused(server: &Server, arguments: &[&str]) -> Ran {
    let refused = ran(&mut server.keys(arguments));
    assert_eq!((refused.status, refused.out.as_str()), (Some(2), ""), "{refused:?}");
    refused
}

/// The first line of `keystile keys verify`.
fn verdict(server: &Server, secret: &str, arguments: &[&str]) -> String {
    let ran = ran_with_input(&mut server.keys(&[&["verify"], arguments].concat()), secret);
    ran.out.lines().next().unwrap_or_default().to_owned()
}

#[track_caller]
fn has(record: &Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&record[name], value, "{name}");
    }
}

const SETTINGS: &[&str] = &[
    "--issued-to-service",
    "billing",
    "--source-id",
    "checkout",
    "--trust-level",
    "internal",
    "--permission",
    "customers:read",
    "--allowed-ip",
    "127.0.0.0/8",
    "--rpm",
    "60",
    "--tpm",
    "1000",
    "--rate-limit",
    "1000/1h",
    "--rate-limit",
    "5000/1d:daily,burst=50,when_away=local_share",
    "--max-budget-usd",
    "12.5",
    "--budget-period",
    "month",
    "--expires",
    "2099-01-31T00:00:00Z",
    "--source",
    "console",
    "--source-type",
    "backend",
    "--tag",
    "team=payments",
    "--metadata",
    "plan=pro",
    "--metadata-json",
    r#"{"seats": 5}"#,
];

fn settings() -> Value {
    json!({
        "issued_to_service": "billing", "source_id": "checkout", "trust_level": "internal",
        "scopes": ["customers:read"], "allowed_ips": ["127.0.0.0/8"], "rpm_limit": 60, "tpm_limit": 1000,
        "rate_limits": [
            { "name": "1h", "limit": 1000, "window_seconds": 3600 },
            {
                "name": "daily", "limit": 5000, "window_seconds": 86_400, "burst": 50, "when_away": "local_share",
            },
        ],
        "max_budget_usd": 12.5, "budget_period": "month", "expires_at": "2099-01-31T00:00:00.000Z",
        "source": "console", "source_type": "backend", "tags": { "team": "payments" },
        "metadata": { "plan": "pro", "seats": 5 },
    })
}

fn bare() -> Value {
    json!({
        "issued_to_service": null, "source_id": null, "trust_level": "external", "scopes": [], "allowed_ips": [],
        "rpm_limit": null, "tpm_limit": null, "rate_limits": [], "max_budget_usd": null,
        "budget_period": "lifetime", "expires_at": null, "source": null, "source_type": "api", "tags": {},
        "metadata": {},
    })
}

#[test]
fn create_and_update_set_the_same_settings_and_clear_takes_them_away() {
    let server = Server::start("settings");
    let created = record(&server, &[&["create", "billing", "--kind", "service"], SETTINGS].concat());
    has(&created, &settings());
    let id = created["id"].as_str().unwrap();
    let all = "issued-to-service,source-id,trust-level,permission,allowed-ip,rpm,tpm,rate-limit,max-budget-usd,\
        budget-period,expires,source,source-type,tag,metadata";
    let cleared = record(&server, &["update", id, "--clear", all]);
    has(&cleared, &bare());
    assert_eq!((&cleared["name"], &cleared["version"]), (&json!("billing"), &json!(2)));
    has(&record(&server, &[&["patch", id], SETTINGS].concat()), &settings());
    has(&record(&server, &["update", id, "--name", "paid"]), &settings());
    let sheet = ran(&mut server.keys(&["show", id])).ok();
    for told in
        ["paid\n", "daily: 5000 in 86400 s, 50 at once, when away: local_share\n", "plan=pro\n", "seats=5\n"]
    {
        assert!(sheet.contains(told), "{sheet}");
    }
}

#[test]
fn users_and_models_belong_to_kinds_of_their_own() {
    let server = Server::start("kinds");
    let user =
        record(&server, &["create", "ada", "--kind", "user", "--issued-to-user-id", "ada@example.com"]);
    assert_eq!(user["issued_to_user_id"], "ada@example.com");
    let id = user["id"].as_str().unwrap();
    assert_eq!(record(&server, &["update", id, "--issued-to-user-id", "u2"])["issued_to_user_id"], "u2");
    let wrong = refused(&server, &["update", id, "--issued-to-service", "billing"]);
    assert!(wrong.notes.contains("--issued-to-service: only a key of kind `service`"), "{wrong:?}");
    let model = record(&server, &["create", "bot", "--kind", "virtual_llm", "--allowed-model", "gpt-4o*"]);
    let id = model["id"].as_str().unwrap();
    let models = record(&server, &["update", id, "--allowed-model", "claude-*"]);
    assert_eq!(models["allowed_models"], json!(["claude-*"]));
}

#[test]
fn an_update_holds_when_it_returns() {
    let server = Server::start("update-holds");
    let created = record(&server, &["create", "web", "--permission", "a:read", "--permission", "b:read"]);
    let (id, secret) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    let may = |permission: &str| verdict(&server, secret, &["--permission", permission]);
    assert_eq!(may("c:read"), "permission_denied");
    let changed =
        ran(&mut server.keys(&["update", id, "--add-permission", "c:read", "--remove-permission", "a:read"]));
    assert!(changed.notes.contains("web is changed"), "{changed:?}");
    assert!(changed.ok().contains("b:read, c:read\n"));
    assert_eq!([may("a:read"), may("b:read"), may("c:read")], ["permission_denied", "allowed", "allowed"]);
    ran(&mut server.keys(&["update", id, "--permission", "d:*"])).ok();
    assert_eq!([may("b:read"), may("d:read")], ["permission_denied", "allowed"]);
    ran(&mut server.keys(&["update", id, "--allowed-ip", "192.0.2.7"])).ok();
    assert_eq!(verdict(&server, secret, &["--ip", "198.51.100.1"]), "ip_not_allowed");
    ran(&mut server.keys(&["update", id, "--add-allowed-ip", "198.51.100.0/24"])).ok();
    assert_eq!(verdict(&server, secret, &["--ip", "198.51.100.1"]), "allowed");
    let last = ["update", id, "--remove-allowed-ip", "192.0.2.7", "--remove-allowed-ip", "198.51.100.0/24"];
    assert!(refused(&server, &last).notes.contains("--clear allowed-ip"));
    ran(&mut server.keys(&["update", id, "--clear", "allowed-ip"])).ok();
    assert_eq!(verdict(&server, secret, &["--ip", "203.0.113.9"]), "allowed");
}

#[test]
fn single_tags_and_facts_come_and_go() {
    let server = Server::start("amend");
    let create = ["create", "web", "--tag", "team=web", "--tag", "a=1", "--metadata", "plan=pro"];
    let created = record(&server, &create);
    let id = created["id"].as_str().unwrap();
    let amend = ["update", id, "--add-tag", "team=ops", "--remove-tag", "a", "--add-metadata", "region=eu"];
    let amended = record(&server, &amend);
    assert_eq!(amended["tags"], json!({ "team": "ops" }));
    assert_eq!(amended["metadata"], json!({ "plan": "pro", "region": "eu" }));
    let typo = refused(&server, &["update", id, "--remove-tag", "tema"]);
    assert!(typo.notes.contains("--remove-tag tema: the key has no such entry"), "{typo:?}");
}

#[test]
fn a_wrong_update_names_the_flag_and_the_rule_and_changes_nothing() {
    let server = Server::start("wrong-updates");
    let created = record(&server, &["create", "web", "--rpm", "5"]);
    let id = created["id"].as_str().unwrap();
    let long = "s".repeat(129);
    let twice = ["--rate-limit", "1/1h:a", "--rate-limit", "2/1d:a"];
    for (flags, told) in [
        (&["--source-id", &long][..], "--source-id: must have 1 to 128 visible ASCII characters"),
        (&twice[..], "--rate-limit number 2, name: must differ"),
        (&["--expires", "2020-01-01T00:00:00Z"][..], "--expires: must be in the future"),
        (&["--rpm", "0"][..], "--rpm"),
        (
            &["--rate-limit", "1000/h"][..],
            "--rate-limit <LIMIT/WINDOW[:NAME][,burst=COUNT][,when_away=POLICY]>': must be a count",
        ),
        (&["--rate-limit", "9/1h,when_away=open"][..], "when_away: must be one of `refuse`"),
        (&["--rpm", "7", "--clear", "rpm"][..], "--clear rpm and another flag"),
        (&["--if-version", "7", "--rpm", "7"][..], "version_conflict"),
        (&[][..], "nothing is to be changed"),
    ] {
        let wrong = refused(&server, &[&["update", id], flags].concat());
        assert!(wrong.notes.contains(told), "{told}: {wrong:?}");
    }
    has(&record(&server, &["show", id]), &json!({ "version": 1, "rpm_limit": 5, "source_id": null }));
    let stranger = refused(&server, &["update", "key_01HF7YAT000000000000000001", "--rpm", "7"]);
    assert!(stranger.notes.contains("not_found"), "{stranger:?}");
}
