//! The server keeps to its OpenAPI document, whatever it is sent, and by whom: schemathesis makes requests from the
//! document, good ones and broken ones, and compares the answers with it.

use std::path::PathBuf;
use std::process::Command;

use keystile_testkit::http::NOTHING;
use serde_json::json;

use crate::matrix::Things;
use crate::second_factor::enrol;
use crate::tenancy::Joined;
use crate::world::{World, as_key, sign_in, text};

/// Names the program; `cargo xtask test` installs it and sets this.
const VARIABLE: &str = "KEYSTILE_SCHEMATHESIS";
/// Requests that are made up for each operation, beside those that cover its parameters one by one.
const EXAMPLES: &str = "40";
/// As many by those who are refused most of the time.
const FEW_EXAMPLES: &str = "10";
/// Each run makes the same requests.
const SEED: &str = "1";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance,negative_data_rejection,unsupported_method";
/// The same, for whoever has a credential that can be left out.
const AND_OF_AUTH: &str = ",ignored_auth";
/// Signing out would end the session that all requests are made with.
const LOGOUT: &str = "/api/v1/auth/logout";
/// Whoever may watch the log is answered without end.
const STREAM: &str = "/api/v1/tenants/{tenant_id}/logs/stream";

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

/// Real ids for the places in paths, so that requests get past the look-up. Person and session are not those of the
/// requests' credential, which has to last to the end.
async fn configuration(world: &World) -> String {
    let own = &world.credentials;
    let things = Things::make(&world.http, &world.owner, &own.tenant_id).await;
    let member = world.member("member@example.com", "developer").await;
    let other = sign_in(&world.http, &own.email, &own.password).await;
    let me = world.http.json("GET", "/api/v1/auth/me", &other, &NOTHING).await.expect(200);
    let session = [("session_id", text(&me["session"], "id"))];
    let ids = things.ids_in(&own.tenant_id).into_iter().map(|(name, id)| match name {
        "person_id" => (name, member.id.as_str()),
        _ => (name, id),
    });
    let lines: String =
        ids.chain(session).map(|(name, id)| format!("\"path.{name}\" = \"{id}\"\n")).collect();
    format!("[parameters]\n{lines}\n{METHODS}")
}

/// Lets schemathesis make requests with this credential, or with none.
async fn keeps_to_the_document(world: &World, credential: Option<&str>, examples: &str) {
    let folder = world.server.plan().folder().to_owned();
    std::fs::write(folder.join("schemathesis.toml"), configuration(world).await).unwrap();
    // An owner's requests let the tenant demand a second factor, and would be refused from then on without one.
    enrol(world).await;
    let mut command = schemathesis();
    command.current_dir(&folder).args(["run", &format!("http://{}/openapi.json", world.server.address())]);
    let mut checks = CHECKS.to_owned();
    if let Some(credential) = credential {
        command.args(["--header", &format!("Authorization: {credential}"), "--exclude-path", LOGOUT]);
        command.args(["--exclude-path", STREAM]);
        checks.push_str(AND_OF_AUTH);
    }
    command.args(["--max-examples", examples, "--seed", SEED, "--checks", &checks, "--continue-on-failure"]);
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

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_gets_no_answer_that_the_document_does_not_describe() {
    let world = World::start().await;
    keeps_to_the_document(&world, Some(&world.owner), EXAMPLES).await;
    world.read(&world.tenant()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_no_answer_that_the_document_does_not_describe() {
    let world = World::start().await;
    let Joined { token, .. } = world.member("viewer@example.com", "viewer").await;
    keeps_to_the_document(&world, Some(&token), FEW_EXAMPLES).await;
    let tenant = world.http.json("GET", &world.tenant(), &token, &NOTHING).await.expect(200);
    assert_eq!(text(&tenant, "role"), "viewer", "the credential was good to the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_permissions_gets_no_answer_that_the_document_does_not_describe() {
    let world = World::start().await;
    let scopes =
        ["keys:issue", "keys:verify", "audit:read", "memberships:read", "customers:write", "events:write"];
    let scopes = scopes.map(|scope| format!("keystile.{scope}"));
    let key =
        world.create(&json!({ "name": "automation", "source_id": "automation", "scopes": scopes })).await;
    let secret = text(&key, "secret");
    keeps_to_the_document(&world, Some(&as_key(secret)), FEW_EXAMPLES).await;
    assert_eq!(world.verify(&json!({ "key": secret })).await["code"], "allowed", "it was good to the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_answer_that_the_document_does_not_describe() {
    keeps_to_the_document(&World::start().await, None, FEW_EXAMPLES).await;
}
