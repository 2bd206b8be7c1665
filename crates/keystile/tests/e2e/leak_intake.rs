//! Where everybody, and GitHub, tells that a key leaked.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::server::Plan;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::isolation::Two;
use crate::world::{KEYSTILE, World, text};

const REPORT: &str = "/api/v1/leaks/report";
const GITHUB: &str = "/api/v1/leaks/github";
const PLACE: &str = "https://example.com/gist/1";

impl World {
    async fn report(&self, key: &str) -> Answer {
        self.http.json("POST", REPORT, "", &json!({ "key": key, "place": PLACE })).await
    }

    async fn on_leak(&self, wanted: &str) {
        self.ask("PATCH", &self.tenant(), &json!({ "on_leak": wanted })).await.expect(200);
    }

    async fn leaks(&self) -> Vec<Value> {
        let listed = self.read(&format!("{}/leaks", self.tenant())).await;
        listed["data"].as_array().unwrap().clone()
    }

    async fn code(&self, key: &Value) -> String {
        text(&self.verify(&json!({ "key": key["secret"] })).await, "code").to_owned()
    }

    /// Waits for what the answer to a report does not wait for.
    async fn becomes(&self, key: &Value, code: &str) {
        let is_so = async || (self.code(key).await == code).then_some(());
        eventually("the key to be treated", is_so).await;
    }

    /// The reports, once there are so many.
    async fn so_many_leaks(&self, count: usize) -> Vec<Value> {
        let are_there = async || Some(self.leaks().await).filter(|leaks| leaks.len() >= count);
        let leaks = eventually("the reports of leaks", are_there).await;
        assert_eq!(leaks.len(), count, "{leaks:?}");
        leaks
    }
}

/// Reports a key, which anybody may, and gives the report of it as its tenant sees it, once it is kept.
pub(crate) async fn leaked(world: &World, key: &Value, place: &str) -> Value {
    let body = json!({ "key": key["secret"], "place": place });
    world.http.json("POST", REPORT, "", &body).await.expect(202);
    let path = format!("{}/leaks?key_id={}&limit=1", world.tenant(), text(key, "id"));
    let kept = async || {
        let listed = world.read(&path).await;
        listed["data"].get(0).filter(|report| text(report, "place") == place).cloned()
    };
    eventually("the report of a leak", kept).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_key_is_treated_as_its_tenant_wants() {
    let world = World::start().await;
    for (count, (wanted, done, code)) in [
        ("notify", "notified", "allowed"),
        ("block", "blocked", "key_blocked"),
        ("revoke", "revoked", "key_revoked"),
    ]
    .into_iter()
    .enumerate()
    {
        world.on_leak(wanted).await;
        let key = world.create(&json!({ "name": wanted })).await;
        // In memory from here on, so that only forgetting it can help.
        assert_eq!(world.code(&key).await, "allowed");
        assert_eq!(world.report(text(&key, "secret")).await.expect(202), json!({ "status": "received" }));
        let leak = world.so_many_leaks(count + 1).await.swap_remove(0);
        world.becomes(&key, code).await;
        assert_eq!(
            (&leak["key_id"], text(&leak, "done"), text(&leak, "source"), text(&leak, "place")),
            (&key["id"], done, "report", PLACE)
        );
        let path = format!("{}/audit?action=key.leak&limit=1", world.tenant());
        let entry = world.read(&path).await["data"][0].clone();
        assert_eq!((&entry["target"], text(&entry, "actor")), (&key["id"], "system"));
        assert_eq!((&entry["changes"]["place"], &entry["changes"]["done"]), (&json!(PLACE), &json!(done)));
        let shown = world.read(&format!("{}/{}", world.keys(), text(&key, "id"))).await;
        assert_eq!(shown["blocked_reason"] == "leaked", wanted == "block", "{shown}");
        assert_eq!(shown["status"] == "revoked", wanted == "revoke", "{shown}");
        let of_key = format!("{}/leaks?key_id={}", world.tenant(), text(&key, "id"));
        assert_eq!(world.read(&of_key).await, json!({ "data": [leak], "next_cursor": null }));
    }
    world.report(world.credentials.secret("staging")).await.expect(202);
    world.so_many_leaks(4).await;
}

/// Neither the answer nor the time says whether there is such a key.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_reveals_nothing() {
    let world = World::start().await;
    world.on_leak("revoke").await;
    let key = world.create(&json!({ "name": "known" })).await;
    let known = text(&key, "secret");
    let mistyped = format!("{}{}", &known[..known.len() - 1], if known.ends_with('0') { '1' } else { '0' });
    let other = world.create(&json!({ "name": "other" })).await;
    world.change("DELETE", text(&other, "id"), "", &NOTHING).await.expect(204);
    let unknown = "9f8e7d6c5b4a39281706f5e4d3c2b1a0";
    let mut answers = Vec::new();
    for secret in [known, &mistyped, unknown, text(&other, "secret"), known, "sk_ks_live_cut"] {
        let began = Instant::now();
        let answer = world.report(secret).await;
        assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
        let headers = answer.headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        answers.push((answer.status, answer.text, headers));
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    assert_eq!(answers[0].0, 202);
    world.becomes(&key, "key_revoked").await;
    // The last of them, behind which nothing is worked on any more.
    world.report(world.credentials.secret("staging")).await.expect(202);
    let leaks = world.so_many_leaks(3).await;
    let of_known = leaks.iter().filter(|leak| leak["key_id"] == key["id"]).count();
    assert_eq!(of_known, 1, "the known and the deleted one, once each: {leaks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_breaks_a_rule_is_refused_by_the_name_of_the_field() {
    let world = World::start().await;
    for (body, fields) in [
        (json!({}), &["key"][..]),
        (json!({ "key": "short" }), &["key"]),
        (json!({ "key": "with a space" }), &["key"]),
        (json!({ "key": "a".repeat(513), "place": "" }), &["key", "place"]),
        (json!({ "key": "9f8e7d6c5b4a", "place": "a\u{0}b" }), &["place"]),
        (json!({ "key": "9f8e7d6c5b4a", "place": "a".repeat(1_001) }), &["place"]),
        (json!({ "key": "9f8e7d6c5b4a", "reporter": "me" }), &["reporter"]),
    ] {
        let refused = world.http.json("POST", REPORT, "", &body).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), fields, "{}", refused.text);
        assert!(!refused.text.contains("9f8e7d6c5b4a"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_reports_one_key_at_a_time() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "known" })).await;
    let mut reports = JoinSet::new();
    for _ in 0..16 {
        let (http, body) = (world.http.clone(), json!({ "key": key["secret"] }));
        reports.spawn(async move { http.json("POST", REPORT, "", &body).await });
    }
    let answers = reports.join_all().await;
    let refused = answers.iter().find(|answer| answer.status != 202).unwrap();
    refused.expect_problem(503, "busy");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(answers.iter().any(|answer| answer.status == 202));
    world.report(text(&key, "secret")).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_told_to_the_tenant_of_the_key_alone() {
    let two = Two::start().await;
    two.a.on_leak("revoke").await;
    two.a.report(text(&two.key, "secret")).await.expect(202);
    two.told_of_a_leak().await;
    assert_eq!(two.a.leaks().await, [] as [Value; 0]);
    let audit = two.a.read(&format!("{}/audit?action=key.leak", two.a.tenant())).await;
    assert_eq!(audit["data"], json!([]));
}

/// GitHub's published examples, the first with a key that it has retired.
const EXAMPLES: [[&str; 4]; 2] = [
    [
        "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUqkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==",
        r#"[{"token":"some_token","type":"some_type","url":"some_url"}]"#,
        "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc=",
    ],
    [
        "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAdAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==",
        r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#,
        "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==",
    ],
];

/// A server that knows GitHub's examples, and a key of this test's own, made by openssl.
struct Partner {
    world: World,
}

const OWN: &str = "own";

fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    let output = command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Partner {
    async fn start() -> Self {
        let plan = Plan::dev(KEYSTILE);
        let folder = plan.folder().to_owned();
        openssl(&folder, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "own.pem"]);
        let own = String::from_utf8(openssl(&folder, &["ec", "-in", "own.pem", "-pubout"])).unwrap();
        let [[first, first_key, ..], [second, second_key, ..]] = EXAMPLES;
        let keys = json!({ "public_keys": [
            { "key_identifier": first, "key": first_key, "is_current": false },
            { "key_identifier": second, "key": second_key, "is_current": true },
            { "key_identifier": OWN, "key": own, "is_current": true },
        ] });
        let file = folder.join("github.json");
        std::fs::write(&file, keys.to_string()).unwrap();
        let plan = plan.variable("KEYSTILE_GITHUB_KEYS_FILE", &file.display().to_string());
        Self { world: World::of(plan.start()).await }
    }

    async fn send(&self, identifier: &str, signature: &str, body: &str) -> Answer {
        let request = self.world.http.request("POST", GITHUB).header("content-type", "application/json");
        let request = request.header("Github-Public-Key-Identifier", identifier);
        self.world.http.send(request.header("Github-Public-Key-Signature", signature), body.to_owned()).await
    }

    fn sign(&self, body: &str) -> String {
        use base64::Engine as _;
        let folder = self.world.server.plan().folder();
        std::fs::write(folder.join("body"), body).unwrap();
        let signature = openssl(folder, &["dgst", "-sha256", "-sign", "own.pem", "body"]);
        base64::engine::general_purpose::STANDARD.encode(signature)
    }

    /// Sends what this test's own key has signed.
    async fn tell(&self, body: &str) -> Answer {
        self.send(OWN, &self.sign(body), body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn github_is_believed_when_a_current_key_has_signed() {
    let partner = Partner::start().await;
    let [[retired, _, first, first_signature], [current, _, second, second_signature]] = EXAMPLES;
    let verdicts = partner.send(current, second_signature, second).await.expect(200);
    // SHA-256 of `some_token`.
    let hash = "9a45520a1213f15016d2d768b5fb3d904492a44ee274b44d4de8803e00fb536a";
    let expected = json!([{ "token_hash": hash, "token_type": "some_type", "label": "false_positive" }]);
    assert_eq!(verdicts, expected);
    for (identifier, signature, body) in [
        (retired, first_signature, first),
        (current, first_signature, first),
        (current, second_signature, first),
        (OWN, second_signature, second),
        ("", "", second),
    ] {
        let refused = partner.send(identifier, signature, body).await;
        refused.expect_problem(403, "signature_invalid");
    }
    let spaced = format!("{second} ");
    partner.send(current, second_signature, &spaced).await.expect_problem(403, "signature_invalid");
    let unsigned = partner.world.http.json("POST", GITHUB, &partner.world.owner, &json!([])).await;
    unsigned.expect_problem(403, "signature_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_has_found_is_revoked_and_told_apart_from_what_is_nobodys() {
    let partner = Partner::start().await;
    let world = &partner.world;
    world.on_leak("revoke").await;
    let (found, replaced) =
        (world.create(&json!({ "name": "found" })).await, world.create(&json!({ "name": "replaced" })).await);
    world.change("POST", text(&replaced, "id"), "/regenerate", &NOTHING).await.expect(200);
    let alert =
        |token: &str| json!({ "token": token, "type": "keystile_api_key", "url": PLACE, "source": "commit" });
    let (secret, old) = (text(&found, "secret"), text(&replaced, "secret"));
    let alerts =
        json!([alert(secret), alert("sk_ks_live_nonsense"), alert("no key"), alert(old), alert(secret)]);
    let verdicts = partner.tell(&alerts.to_string()).await.expect(200);
    let labels: Vec<_> = verdicts.as_array().unwrap().iter().map(|one| text(one, "label")).collect();
    assert_eq!(
        labels,
        ["true_positive", "false_positive", "false_positive", "true_positive", "true_positive"]
    );
    let digest = keystile_core::Digest::of(secret.as_bytes()).to_hex();
    let expected =
        json!({ "token_hash": digest, "token_type": "keystile_api_key", "label": "true_positive" });
    assert_eq!(verdicts[0], expected);
    assert_eq!(world.code(&found).await, "key_revoked");
    let leaks = world.leaks().await;
    let told: Vec<_> =
        leaks.iter().map(|leak| (&leak["key_id"], text(leak, "done"), text(leak, "source"))).collect();
    assert!(told.contains(&(&replaced["id"], "nothing", "github")), "{told:?}");
    assert!(told.contains(&(&found["id"], "revoked", "github")) && told.len() == 2, "{told:?}");
    // GitHub repeats what was not answered in time.
    partner.tell(&alerts.to_string()).await.expect(200);
    assert_eq!(world.leaks().await, leaks);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_could_not_have_sent_is_refused() {
    let partner = Partner::start().await;
    for (body, code) in [
        ("", "malformed_json"),
        ("[", "malformed_json"),
        ("[] []", "malformed_json"),
        ("{}", "invalid_request"),
        (r#"[{"token":"a"}]"#, "invalid_request"),
        (r#"[{"token":1,"type":"a"}]"#, "invalid_request"),
    ] {
        let refused = partner.tell(body).await;
        refused.expect_problem(400, code);
    }
    assert_eq!(partner.tell(r#"[{"type":"a"}]"#).await.fields(), ["[0].token"]);
    let alerts = json!(vec![json!({ "token": "some_token", "type": "a" }); 1_001]).to_string();
    partner.tell(&alerts).await.expect_problem(413, "body_too_large");
    assert_eq!(partner.tell("[]").await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_githubs_keys_does_not_listen_to_it() {
    let world = World::start().await;
    world.http.json("POST", GITHUB, "", &json!([])).await.expect_problem(404, "not_found");
}
