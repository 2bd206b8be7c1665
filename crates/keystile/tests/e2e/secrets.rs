//! No secret is anywhere but in the one answer that shows it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::postgres::Postgres;
use keystile_testkit::server::Plan;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::canaries::Canaries;
use crate::matrix::a_webhook;
use crate::world::{KEYSTILE, World, as_key, sign_in, text, verify};

/// Of a secret with slashes, each shorter than a whole one may be.
const PARTS: [&str; 3] = ["Zk3v9Qp1xT", "aB7cD4ef5G", "hJ6kL8mN0pQ"];
const ACCEPT: &str = "/api/v1/auth/invitations/accept";
const REPORT: &str = "/api/v1/leaks/report";

/// What was used, and everything that was answered since.
struct Canary {
    world: World,
    secrets: Canaries,
    errors: Vec<String>,
}

impl Canary {
    fn learn(&mut self, secret: &str) -> String {
        self.secrets.learn(secret)
    }

    /// Keeps an answer that must be an error.
    fn keep(&mut self, answer: &Answer) {
        assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text);
        self.errors.push(format!("{:?} {}", answer.headers, answer.text));
    }

    async fn refused(&mut self, method: &str, path: &str, credential: &str, body: &Value) {
        let answer = self.world.http.json(method, path, credential, body).await;
        self.keep(&answer);
    }

    /// Makes, uses and ends keys as one does.
    async fn good_places(&mut self) {
        let keys = self.world.keys();
        let made = self.world.create(&json!({ "name": "made, to be found" })).await;
        let secret = self.learn(text(&made, "secret"));
        let brought = self.learn("c41f8a07d93be6525af0917d-first");
        let parted = self.learn(&PARTS.join("/"));
        self.world.create(&json!({ "name": "parted", "secret": parted })).await;
        let own = self.world.create(&json!({ "name": "own", "secret": brought })).await;
        assert_eq!(text(&own, "secret"), brought);
        let path = format!("/{}/regenerate", text(&made, "id"));
        let again = self.world.ask("POST", &format!("{keys}{path}"), &NOTHING).await.expect(200);
        let again = self.learn(text(&again, "secret"));
        let replaced = self.learn("7d1905fa5256eb39d70a8f14c-second");
        let path = format!("/{}/regenerate", text(&own, "id"));
        self.world.ask("POST", &format!("{keys}{path}"), &json!({ "secret": replaced })).await.expect(200);
        for key in [&secret, &brought, &again, &replaced] {
            let asked = self.world.verify(&json!({ "key": key })).await;
            assert!(!asked.to_string().contains(key.as_str()), "{asked}");
            let _answer =
                self.world.http.json("GET", &self.world.authz("production"), &as_key(key), &NOTHING).await;
        }
        let lookup = json!({ "digests": [keystile_core::Digest::of(again.as_bytes()).to_hex()] });
        let lookup = self.world.ask("POST", &format!("{}/leaks/lookup", self.world.tenant()), &lookup).await;
        assert_eq!(lookup.expect(200)["secrets"][0]["state"], "live");
        for key in [&secret, &replaced, &parted] {
            let body = json!({ "key": key, "place": format!("https://example.com/?key={key}") });
            self.world.http.json("POST", REPORT, "", &body).await.expect(202);
        }
        // The answers do not wait for that.
        let all_are_kept = async || {
            let leaks = self.world.read(&format!("{}/leaks", self.world.tenant())).await;
            (leaks["data"].as_array().unwrap().len() == 3).then_some(())
        };
        eventually("three reports of leaks", all_are_kept).await;
        for path in [String::new(), format!("/{}", text(&made, "id")), format!("/{}", text(&own, "id"))] {
            let shown = self.world.read(&format!("{keys}{path}")).await.to_string();
            for secret in self.secrets.all() {
                assert!(!shown.contains(secret), "shown again: {shown}");
            }
        }
        self.world.change("DELETE", text(&own, "id"), "", &NOTHING).await.expect(204);
        self.webhooks().await;
        self.providers().await;
    }

    /// Makes a provider, and gives it another credential.
    async fn providers(&mut self) {
        let [first, second] = ["0f2b9c7d41e8a6350f2b9c7d", "5e17d3a94c8b26f05e17d3a9"];
        let (providers, mut body) = (self.world.providers(), crate::matrix::a_provider());
        body["credential"] = json!(self.learn(first));
        let made = self.world.ask("POST", &providers, &body).await.expect(201);
        let path = format!("{providers}/{}", text(&made, "id"));
        let again = json!({ "credential": self.learn(second) });
        let changed = self.world.ask("PATCH", &path, &again).await.expect(200);
        let wrong = json!({ "credential": format!("{second} and more"), "base_url": second });
        let refused = self.world.ask("PATCH", &path, &wrong).await;
        self.keep(&refused);
        for told in [made, changed, self.world.read(&path).await, self.world.read(&providers).await] {
            assert!(!told.to_string().contains(first) && !told.to_string().contains(second), "{told}");
        }
    }

    /// Makes a webhook, gives it another secret, and has it told.
    async fn webhooks(&mut self) {
        let webhooks = format!("{}/webhooks", self.world.tenant());
        let made = self.world.ask("POST", &webhooks, &a_webhook()).await.expect(201);
        let path = format!("{webhooks}/{}", text(&made, "id"));
        let again = self.world.ask("POST", &format!("{path}/rotate-secret"), &NOTHING).await.expect(200);
        for secret in [text(&made, "secret"), text(&again, "secret")] {
            let bytes = self.learn(secret).trim_start_matches("whsec_").to_owned();
            self.secrets.learn_bytes(STANDARD.decode(bytes).unwrap());
            assert!(!self.world.read(&path).await.to_string().contains(secret), "shown again");
        }
        self.world.ask("POST", &format!("{path}/test"), &NOTHING).await.expect(200);
    }

    /// Carries a session on, and has a second factor for a while.
    async fn sessions(&mut self) {
        let (owner, password) = (self.world.owner.clone(), self.world.credentials.password.clone());
        let body = json!({ "email": self.world.credentials.email, "password": password });
        let http = self.world.http.clone();
        let mut tokens = http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200);
        for _ in 0..2 {
            let refresh = json!({ "refresh_token": self.learn(text(&tokens, "refresh_token")) });
            tokens = http.json("POST", "/api/v1/auth/token/refresh", "", &refresh).await.expect(200);
        }
        self.learn(text(&tokens, "refresh_token"));
        let totp = "/api/v1/auth/totp";
        let enrolment = http.json("POST", totp, &owner, &json!({ "password": password })).await.expect(201);
        let secret = self.learn(text(&enrolment, "secret"));
        let code = json!({ "code": crate::second_factor::code(&secret, 0) });
        let codes = http.json("POST", &format!("{totp}/confirm"), &owner, &code).await.expect(200);
        for code in codes["recovery_codes"].as_array().unwrap() {
            self.learn(code.as_str().unwrap());
        }
        let remove = json!({ "password": password, "recovery_code": codes["recovery_codes"][0] });
        http.json("DELETE", totp, &owner, &remove).await.expect(204);
    }

    /// Invites two, of whom one chooses a password and joins.
    async fn invitations(&mut self) {
        for (email, joins) in [("first@example.com", true), ("second@example.com", false)] {
            let body = json!({ "email": email, "role": "viewer" });
            let path = format!("{}/invitations", self.world.tenant());
            let invited = self.world.ask("POST", &path, &body).await.expect(201);
            let token = self.learn(text(&invited, "token"));
            if joins {
                let password = self.learn("lamp-41-otter-rusty-third");
                let body = json!({ "token": token, "password": password });
                self.world.http.json("POST", ACCEPT, "", &body).await.expect(200);
            }
        }
    }

    /// Puts secrets where they do not belong.
    async fn bad_places(&mut self) {
        let (keys, authz, owner) =
            (self.world.keys(), self.world.authz("production"), self.world.owner.clone());
        let verify = "/api/v1/keys/verify";
        for secret in self.secrets.all().to_vec() {
            let secret = secret.as_str();
            for credential in
                [format!("Basic {secret}"), format!("ApiKey {secret}x"), format!("Bearer x{secret}")]
            {
                self.refused("GET", &keys, &credential, &NOTHING).await;
                self.refused("GET", &authz, &credential, &NOTHING).await;
                self.refused("POST", verify, &credential, &json!({ "key": secret })).await;
            }
            for body in [
                json!({ "name": "bad", "rpm_limit": secret }),
                json!({ "name": "bad", "environment": secret }),
                json!({ "name": "bad", "expires_at": secret }),
                json!({ "name": "bad", "scopes": secret }),
                json!({ "name": "bad", "scopes": [secret] }),
                json!({ "name": "bad", "tags": secret }),
                json!({ "name": "bad", "password": secret }),
                json!({ "name": "bad", "secret": [secret] }),
                json!({ "name": "bad", "secret": format!("{secret} ") }),
                json!({ "name": "bad", "customer_id": secret }),
                json!(secret),
            ] {
                self.refused("POST", &keys, &owner, &body).await;
                self.refused("POST", verify, &owner, &body).await;
                self.refused("POST", "/api/v1/auth/token", "", &body).await;
            }
            for body in [json!({ secret: 1 }), json!({ "name": "bad", "rate_limits": [{ secret: 1 }] })] {
                self.refused("POST", &keys, &owner, &body).await;
            }
            for path in ["keys/verify", "auth/token", "auth/token/refresh", "auth/logout"] {
                self.refused("POST", &format!("/api/v1/{path}"), &owner, &json!({ secret: secret })).await;
            }
            let cut = format!(r#"{{"name": "bad", "secret": "{secret}"#);
            let request = self.world.http.request("POST", &keys).header("authorization", &owner);
            let answer = self.world.http.send(request.header("content-type", "application/json"), cut).await;
            self.keep(&answer);
            let sign_in = json!({ "email": secret, "password": secret });
            self.refused("POST", "/api/v1/auth/token", "", &sign_in).await;
            for (path, body) in [
                ("token/refresh", json!({ "refresh_token": [secret] })),
                ("token/refresh", json!({ "refresh_token": "x", "code": secret })),
                ("password", json!({ "current_password": {}, "new_password": secret })),
                ("password/reset", json!({ "token": secret, "new_password": secret })),
                ("totp", json!({ "secret": secret })),
                ("totp/confirm", json!({ "code": secret })),
                ("logout", json!({ "everywhere": secret })),
            ] {
                self.refused("POST", &format!("/api/v1/auth/{path}"), &owner, &body).await;
            }
            self.refused("POST", ACCEPT, "", &json!({ "token": secret, "password": [secret] })).await;
            self.refused("POST", REPORT, "", &json!({ "key": [secret] })).await;
            self.refused("POST", REPORT, "", &json!({ "key": format!("{secret} "), "place": secret })).await;
            let lookup = format!("{}/leaks/lookup", self.world.tenant());
            self.refused("POST", &lookup, &owner, &json!({ "digests": [secret] })).await;
            self.refused("POST", ACCEPT, "", &json!({ "token": format!("{secret}x"), "password": secret }))
                .await;
            let url = url_encoded(secret);
            for query in [format!("q={url}"), format!("cursor={url}"), format!("environment={url}")] {
                let _answer = self.world.ask("GET", &format!("{keys}?{query}"), &NOTHING).await;
                self.refused("GET", &format!("{keys}?{query}"), "", &NOTHING).await;
            }
            for query in [url.clone(), format!("{url}=1"), format!("limit={url}")] {
                self.refused("GET", &format!("{keys}?{query}"), &owner, &NOTHING).await;
                self.refused("GET", &format!("{authz}&{query}"), &as_key(secret), &NOTHING).await;
            }
            self.refused("GET", &format!("{authz}&permission={url}"), &as_key(secret), &NOTHING).await;
            self.refused("GET", &keys, &format!("{owner}{secret}"), &NOTHING).await;
            let named = self.world.http.request("GET", &keys).header("x-request-id", secret);
            let answer = self.world.http.send(named.header("authorization", as_key(secret)), "").await;
            assert!(!answer.header("x-request-id").contains(secret), "echoed: {secret}");
            for path in [format!("{keys}/{secret}"), format!("{keys}/{url}"), format!("/{secret}/api-keys")] {
                self.refused("GET", &path, &owner, &NOTHING).await;
                self.refused("GET", &path, "", &NOTHING).await;
            }
        }
        let http2 = Http::http2(self.world.server.address());
        let secret = self.secrets.all()[0].clone();
        let answer = http2.json("GET", &keys, &as_key(&secret), &NOTHING).await;
        self.keep(&answer);
    }
}

/// What would change its meaning in a URL is written as its number.
fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Uses secrets in good places and in bad ones, with a restart between; searches what was answered and logged.
async fn used(plan: Plan) -> Canary {
    let server = plan.flag("--log", "trace").flag("--operations-listen", "127.0.0.1:0").start();
    let mut canary =
        Canary { world: World::of(server).await, secrets: Canaries::default(), errors: Vec::new() };
    let credentials = canary.world.credentials.clone();
    canary.learn(&credentials.password);
    for key in credentials.keys.values() {
        canary.learn(&key.secret);
    }
    let token = canary.world.owner.trim_start_matches("Bearer ").to_owned();
    canary.learn(&token);
    canary.good_places().await;
    canary.sessions().await;
    canary.invitations().await;
    canary.world.server.stop();
    canary.world.start_again();
    canary.bad_places().await;
    let again = sign_in(&canary.world.http, &credentials.email, &credentials.password).await;
    canary.learn(again.trim_start_matches("Bearer "));
    let known = verify(&canary.world.http, &again, &json!({ "key": credentials.secret("production") })).await;
    assert_eq!(known["code"], "allowed");
    let path = format!("{}/audit/export", canary.world.tenant());
    let log = canary.world.http.json("GET", &path, &again, &NOTHING).await;
    assert!(log.status == 200 && log.text.matches("key.regenerate").count() >= 2, "{}", log.text);
    canary.secrets.are_not_in("the export of the audit log", log.text.as_bytes());
    let operations = canary.world.server.operations();
    let metrics = operations.json("GET", "/metrics", "", &NOTHING).await;
    assert!(metrics.text.contains("keystile_decisions_total"), "{}", metrics.text);
    canary.secrets.are_not_in("the metrics", metrics.text.as_bytes());
    for key in credentials.keys.values() {
        assert!(!metrics.text.contains(&key.id), "a key is named in the metrics");
    }
    for error in &canary.errors {
        canary.secrets.are_not_in("an error answer", error.as_bytes());
    }
    assert!(canary.errors.len() > 100);
    canary
}

impl Canary {
    /// Ends the server the hard way and searches its files, however many there have to be.
    fn files_are_clean(&mut self, least: usize) {
        self.world.server.kill();
        fs::remove_file(self.world.server.credentials_file()).unwrap();
        let folder = self.world.server.plan().folder().to_owned();
        // A first start shows secrets on standard output. All later output, and everything logged, is searched.
        let files = self.secrets.are_not_below(&folder, &folder.join("start-1.stdout"));
        assert!(files >= least, "only {files} files were searched");
        let log = fs::read_to_string(folder.join("start-2.stderr")).unwrap();
        assert!(log.contains("answered"), "there was a log to search");
        for part in PARTS {
            assert!(!log.contains(part), "a part of a secret is in the log: {part}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_files_logs_or_errors() {
    let mut canary = used(Plan::dev(KEYSTILE).own_database()).await;
    // While the server runs its latest writes are in the write-ahead log; after a kill they still are.
    let wal = canary.world.server.plan().data_dir().join("keystile.db-wal");
    assert!(wal.exists(), "the write-ahead log is searched, too");
    canary.files_are_clean(6);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_tables_of_postgresql() {
    let database = Postgres::shared().database();
    let plan = Plan::dev(KEYSTILE).own_database().flag("--database-url", &database.url());
    let mut canary = used(plan).await;
    canary.files_are_clean(3);
    let dump = database.dump().unwrap();
    for kept in ["COPY public.api_keys", "COPY public.persons", "to be found"] {
        assert!(dump.contains(kept), "no `{kept}` in what was searched");
    }
    canary.secrets.are_not_in_tables(&dump);
}
