//! The server keeps to its OpenAPI document, whatever it is sent: schemathesis makes requests from the document, good
//! ones and broken ones, and compares the answers with it.

use std::path::PathBuf;
use std::process::Command;

use crate::world::{World, last_entry};

/// Names the program; `cargo xtask test` installs it and sets this.
const VARIABLE: &str = "KEYSTILE_SCHEMATHESIS";
/// Requests that are made up for each operation, beside those that cover its parameters one by one.
const EXAMPLES: &str = "40";
/// Each run makes the same requests.
const SEED: &str = "1";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance,negative_data_rejection,unsupported_method,ignored_auth";

/// The methods that are tried where they are not documented. A gateway may pass on any method at all, which OpenAPI
/// cannot say, so those that it has no word for are left out.
const METHODS: &str = r#"[phases.coverage]
unexpected-methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"#;

fn schemathesis() -> Command {
    let program = std::env::var_os(VARIABLE)
        .unwrap_or_else(|| panic!("{VARIABLE} does not name schemathesis; `cargo xtask test` installs it"));
    Command::new(PathBuf::from(program))
}

/// Real ids for the places in paths, so that requests get past the look-up.
fn configuration(world: &World, key: &str, entry: &str) -> String {
    let own = &world.credentials;
    let ids = [
        ("tenant_id", own.tenant_id.as_str()),
        ("application_id", &own.application_id),
        ("api_key_id", key),
        ("audit_id", entry),
    ];
    let lines = ids.map(|(name, id)| format!("\"path.{name}\" = \"{id}\"\n"));
    format!("[parameters]\n{}\n{METHODS}", lines.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_gets_an_answer_that_the_document_does_not_describe() {
    let world = World::start().await;
    let staging = world.credentials.keys["staging"].id.clone();
    let entry = last_entry(&world).await;
    let folder = world.server.plan().folder().to_owned();
    std::fs::write(folder.join("schemathesis.toml"), configuration(&world, &staging, &entry)).unwrap();
    let mut command = schemathesis();
    command.current_dir(&folder).args(["run", &format!("http://{}/openapi.json", world.server.address())]);
    command.args(["--header", &format!("Authorization: {}", world.owner), "--continue-on-failure"]);
    command.args(["--max-examples", EXAMPLES, "--seed", SEED, "--checks", CHECKS]);
    // Signing out would end the session that all requests are made with.
    command.args(["--exclude-path", "/api/v1/auth/logout"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("schemathesis does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // A run that could not read the document, or tested next to nothing, would end well, too.
    let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    let selected = said.lines().find_map(|line| line.trim().strip_prefix("Selected: "));
    let all = selected.and_then(|all| all.split('/').next());
    assert!(tested.is_some() && tested == all, "{said}");
}
