//! A second factor, lockout, and passwords set anew, as people meet them.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use keystile_testkit::authenticator;
use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::postgres::Postgres;
use serde_json::{Value, json};

use crate::world::{KEYSTILE, World, text};

const TOTP: &str = "/api/v1/auth/totp";
const NEW: &str = "amber-walrus-77-kite";

/// What the authenticator shows so many seconds later.
#[expect(clippy::disallowed_methods, reason = "the real server has the real time")]
pub(crate) fn code(secret: &str, later: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    authenticator::code(secret, i64::try_from(now).unwrap() + later)
}

async fn sign_in(world: &World, shown: Value) -> Answer {
    let mut body = json!({ "email": world.credentials.email, "password": world.credentials.password });
    body.as_object_mut().unwrap().extend(shown.as_object().unwrap().clone());
    world.http.json("POST", "/api/v1/auth/token", "", &body).await
}

/// Enrols the owner: the secret, and the recovery codes.
pub(crate) async fn enrol(world: &World) -> (String, Value) {
    let password = |password: &str| json!({ "password": password });
    world.ask("POST", TOTP, &NOTHING).await.expect_problem(415, "unsupported_media_type");
    let wrong = world.ask("POST", TOTP, &password("wrong-otter-41-lamp")).await;
    wrong.expect_problem(401, "wrong_credentials");
    let enrolment = world.ask("POST", TOTP, &password(&world.credentials.password)).await;
    assert_eq!(enrolment.header("cache-control"), "no-store");
    let enrolment = enrolment.expect(201);
    let secret = text(&enrolment, "secret").to_owned();
    assert!(text(&enrolment, "uri").starts_with("otpauth://totp/Keystile:owner%40localhost?secret="));
    let confirm = format!("{TOTP}/confirm");
    let wrong = world.ask("POST", &confirm, &json!({ "code": "12345" })).await;
    wrong.expect_problem(400, "invalid_request");
    assert_eq!(wrong.fields(), ["code"]);
    let codes = world.ask("POST", &confirm, &json!({ "code": code(&secret, 0) })).await.expect(200);
    (secret, codes["recovery_codes"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_enrolled_asked_for_and_removed() {
    let world = World::start().await;
    let (secret, recovery) = enrol(&world).await;
    let password = json!({ "password": world.credentials.password });
    world.ask("POST", TOTP, &password).await.expect_problem(409, "second_factor_exists");
    sign_in(&world, json!({})).await.expect_problem(401, "second_factor_required");
    sign_in(&world, json!({ "code": "123456789" })).await.expect_problem(401, "wrong_credentials");
    let both = json!({ "code": "1", "recovery_code": "2" });
    sign_in(&world, both).await.expect_problem(400, "invalid_request");
    let next = json!({ "code": code(&secret, 30) });
    sign_in(&world, next.clone()).await.expect(200);
    sign_in(&world, next).await.expect_problem(401, "wrong_credentials");
    assert_eq!(recovery.as_array().unwrap().len(), 10);
    let first = json!({ "recovery_code": recovery[0] });
    sign_in(&world, first.clone()).await.expect(200);
    sign_in(&world, first).await.expect_problem(401, "wrong_credentials");
    let remove = |recovery_code: &Value| json!({ "password": world.credentials.password, "recovery_code": recovery_code });
    world.ask("DELETE", TOTP, &remove(&json!("x"))).await.expect_problem(401, "wrong_credentials");
    world.ask("DELETE", TOTP, &remove(&recovery[1])).await.expect(204);
    world.ask("DELETE", TOTP, &remove(&recovery[2])).await.expect_problem(404, "not_found");
    sign_in(&world, json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_wants_a_second_factor_says_so_and_lets_one_enrol() {
    let world = World::start().await;
    let demand = json!({ "mfa_required": true });
    assert_eq!(world.ask("PATCH", &world.tenant(), &demand).await.expect(200)["mfa_required"], true);
    for path in [world.keys(), world.tenant()] {
        world.ask("GET", &path, &NOTHING).await.expect_problem(403, "second_factor_required");
    }
    let question = json!({ "key": world.credentials.secret("production") });
    let refused = world.ask("POST", "/api/v1/keys/verify", &question).await;
    refused.expect_problem(403, "second_factor_required");
    let me = world.read("/api/v1/auth/me").await;
    assert_eq!(me["tenants"][0]["mfa_required"], true);
    assert_eq!(world.read("/api/v1/tenants").await["data"], json!([]), "its settings are not shown either");
    enrol(&world).await;
    world.read(&world.keys()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_encryption_key_the_server_does_not_start() {
    let mut world = World::on_sqlite().await;
    let (secret, _) = enrol(&world).await;
    world.server.stop();
    let file = world.server.plan().data_dir().join("encryption-key");
    let key = std::fs::read(&file).unwrap();
    assert_eq!(key.len(), 32);
    let database = std::fs::read(world.server.plan().data_dir().join("keystile.db")).unwrap();
    assert!(!database.windows(32).any(|window| window == key.as_slice()));
    assert!(!database.windows(secret.len()).any(|window| window == secret.as_bytes()));
    let refused = |name: &str| {
        let mut process = world.server.plan().run(name);
        assert!(!process.wait().success());
        let told = process.stderr();
        assert!(told.contains("encryption key") && told.contains("KEYSTILE_ENCRYPTION_KEY_FILE"), "{told}");
    };
    std::fs::remove_file(&file).unwrap();
    refused("missing");
    assert!(!file.exists(), "no other key is made in its place");
    write_private(&file, &[7; 32]);
    refused("another");
    write_private(&file, &key);
    world.start_again();
    sign_in(&world, json!({ "code": code(&secret, 30) })).await.expect(200);
}

fn write_private(path: &std::path::Path, content: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_attempts_in_vain_the_right_password_has_to_wait() {
    let world = World::start().await;
    let wrong = async |email: &str| {
        let body = json!({ "email": email, "password": "wrong-otter-41-lamp" });
        let answer = world.http.json("POST", "/api/v1/auth/token", "", &body).await;
        answer.expect_problem(401, "wrong_credentials");
        answer.json["detail"].clone()
    };
    for _ in 0..10 {
        assert_eq!(wrong(&world.credentials.email).await, wrong("nobody@example.com").await);
    }
    let paused = sign_in(&world, json!({})).await;
    paused.expect_problem(401, "wrong_credentials");
    assert_eq!(paused.json["detail"], wrong("nobody@example.com").await);
    world.read("/api/v1/auth/me").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sets_a_password_anew_with_a_token_that_works_once() {
    const MEMBER: &str = "per_01J00000000000000000000001";
    let mut world = World::start().await;
    world.server.stop();
    world.server.sql(&format!(
        "INSERT INTO persons (id, email, password_hash, created_at)
         SELECT '{MEMBER}', 'member@example.com', password_hash, created_at FROM persons;
         INSERT INTO memberships (person_id, tenant_id, role, created_at)
         SELECT '{MEMBER}', id, 'developer', created_at FROM tenants;"
    ));
    world.start_again();
    let as_member = json!({ "email": "member@example.com" });
    let member = sign_in(&world, as_member.clone()).await.expect(200);
    let member = format!("Bearer {}", text(&member, "access_token"));
    let path = format!("{}/memberships/{MEMBER}/password-reset", world.tenant());
    world.http.json("POST", &path, &member, &NOTHING).await.expect_problem(403, "forbidden");
    let offer = world.ask("POST", &path, &NOTHING).await.expect(201);
    let reset = async |password: &str| {
        let body = json!({ "token": offer["token"], "new_password": password });
        world.http.json("POST", "/api/v1/auth/password/reset", "", &body).await
    };
    reset("password123456").await.expect_problem(400, "invalid_request");
    world.http.json("GET", &world.keys(), &member, &NOTHING).await.expect(200);
    reset(NEW).await.expect(204);
    reset(NEW).await.expect_problem(401, "reset_token_invalid");
    world.http.json("GET", &world.keys(), &member, &NOTHING).await.expect_problem(401, "session_ended");
    sign_in(&world, as_member).await.expect_problem(401, "wrong_credentials");
    sign_in(&world, json!({ "email": "member@example.com", "password": NEW })).await.expect(200);
    let me = text(&world.read("/api/v1/auth/me").await, "id").to_owned();
    let own = format!("{}/memberships/{me}/password-reset", world.tenant());
    world.ask("POST", &own, &NOTHING).await.expect_problem(403, "forbidden");
}

/// `keystile admin …` beside a server that runs on the same database.
fn admin(world: &World, url: &str, what: &str) -> String {
    let data = world.server.plan().data_dir();
    let ran = Command::new(KEYSTILE)
        .env_clear()
        .args(["admin", what, "owner@localhost", "--database-url", url, "--data-dir"])
        .arg(data)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_does_takes_effect_with_the_next_request() {
    let database = Postgres::shared().database();
    let world = World::on_postgres(&database).await;
    let url = database.url();
    admin(&world, &url, "disable-person");
    let tenants = "/api/v1/tenants";
    for (method, path, body) in [
        ("GET", &*world.keys(), NOTHING),
        ("GET", tenants, NOTHING),
        ("POST", tenants, json!({ "name": "x" })),
    ] {
        world.ask(method, path, &body).await.expect_problem(401, "session_ended");
    }
    sign_in(&world, json!({})).await.expect_problem(401, "wrong_credentials");
    admin(&world, &url, "enable-person");
    sign_in(&world, json!({})).await.expect(200);
    world.ask("GET", &world.keys(), &NOTHING).await.expect_problem(401, "session_ended");
    let token = admin(&world, &url, "reset-password");
    let body = json!({ "token": token, "new_password": NEW });
    world.http.json("POST", "/api/v1/auth/password/reset", "", &body).await.expect(204);
    sign_in(&world, json!({ "password": NEW })).await.expect(200);
}
