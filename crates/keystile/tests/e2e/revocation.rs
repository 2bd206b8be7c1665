//! Once a change has answered, nobody gets a yes any more.
//!
//! Each round asks while the change is under way, too: a reader that read the old facts just before must not
//! put them back into memory after.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::postgres::Postgres;
use serde_json::{Value, json};

use crate::batch;
use crate::world::{World, as_key, submit, text, verify};

/// Clients at the same time.
const CLIENTS: usize = 32;
/// Rounds of revoking, together over all clients.
const ROUNDS: usize = 10_000;
/// Rounds of every other change, which takes the same way from its commit to what verification knows; and on PostgreSQL, where what
/// keeps a revoked key out is the same and in the process, so that these are for the order of commit and answer only.
const FEWER_ROUNDS: usize = 1_500;
/// Of so many rounds one asks with a token of the key, too: making it costs another commit.
const ROUNDS_A_TOKEN: usize = 8;
/// Names another number of rounds.
const ROUNDS_VARIABLE: &str = "KEYSTILE_ROUNDS";

/// A change after which the secret in hand must not do what it could do.
#[derive(Clone, Copy)]
struct Change {
    method: &'static str,
    path: &'static str,
    body: fn() -> Value,
    answers: u16,
    /// What verification says after it.
    code: &'static str,
    /// What a gateway is told after it.
    status: u16,
}

const POST: Change =
    Change { method: "POST", path: "", body: || NOTHING, answers: 200, code: "", status: 401 };
const REVOKE: Change = Change { path: "/revoke", code: "key_revoked", ..POST };
const DISABLE: Change = Change { path: "/disable", code: "key_inactive", ..POST };
const REGENERATE: Change = Change { path: "/regenerate", code: "key_not_found", ..POST };
const DELETE: Change = Change { method: "DELETE", answers: 204, code: "key_revoked", ..POST };
const NARROW: Change = Change {
    method: "PATCH",
    body: || json!({ "scopes": ["orders:read"] }),
    code: "permission_denied",
    status: 403,
    ..POST
};
const BLOCK: Change = Change {
    path: "/block",
    body: || json!({ "reason": "leaked" }),
    code: "key_blocked",
    status: 403,
    ..POST
};

/// One client's part of the rounds.
struct Client {
    http: Http,
    owner: String,
    asker: String,
    keys: String,
    authz: String,
}

impl Client {
    async fn round(&self, change: Change, with_token: bool) {
        let body =
            json!({ "name": "round", "scopes": ["orders:read", "orders:write", "keystile.keys:verify"] });
        let made = self.http.json("POST", &self.keys, &self.owner, &body).await.expect(201);
        let (id, secret) = (text(&made, "id"), text(&made, "secret"));
        let before = self.verify(secret).await;
        assert_eq!(before["code"], "allowed", "a new key is good at once: {before}");
        let token = if with_token { Some(self.token(secret).await) } else { None };
        if let Some(token) = &token {
            self.ask_by(token).await.expect(200);
        }

        let path = format!("{}/{id}{}", self.keys, change.path);
        let body = (change.body)();
        let changing = self.http.json(change.method, &path, &self.owner, &body);
        let (changed, _) = tokio::join!(changing, self.verify(secret));
        changed.expect(change.answers);

        let (after, gateway) = tokio::join!(self.verify(secret), self.pass(secret));
        let told = (&after["valid"], text(&after, "code"), gateway);
        assert_eq!(told, (&Value::Bool(false), change.code, change.status), "{after}");
        let (many, active) = tokio::join!(self.verify_many(secret), self.introspect(secret));
        assert!(
            many.iter().all(|answer| answer["valid"] == false && answer["code"] == change.code),
            "{many:?}"
        );
        assert_eq!(active, json!({ "active": false }));
        if let Some(token) = &token {
            self.ask_by(token).await.expect_problem(change.status, change.code);
        }
        let own = self.own_view(secret).await;
        if change.code == NARROW.code {
            assert_eq!(own.expect(200)["scopes"], json!(["orders:read"]));
        } else {
            own.expect_problem(change.status, change.code);
        }
    }

    /// A token that carries the key's rights.
    async fn token(&self, secret: &str) -> String {
        let made = self.http.json("POST", "/api/v1/auth/token", &as_key(secret), &NOTHING).await.expect(200);
        format!("Bearer {}", text(&made, "access_token"))
    }

    /// Asks about another key, in the name of the one that is changed.
    async fn ask_by(&self, credential: &str) -> Answer {
        let question = json!({ "key": "sk_ks_live_nonsense" });
        self.http.json("POST", "/api/v1/keys/verify", credential, &question).await
    }

    async fn own_view(&self, secret: &str) -> Answer {
        self.http.json("GET", "/api/v1/whoami", &as_key(secret), &NOTHING).await
    }

    async fn verify_many(&self, secret: &str) -> Vec<Value> {
        let question = json!({ "key": secret, "permissions": ["orders:write"] });
        let body = json!({ "requests": [question, question] });
        let answers = self.http.json("POST", batch::PATH, &self.asker, &body).await.expect(200);
        answers["answers"].as_array().unwrap().clone()
    }

    async fn introspect(&self, secret: &str) -> Value {
        let fields = [("token", secret), ("scope", "orders:write")];
        submit(&self.http, "/oauth2/introspect", &self.asker, &fields).await.expect(200)
    }

    async fn verify(&self, secret: &str) -> Value {
        let question = json!({ "key": secret, "environment": "production", "permissions": ["orders:write"] });
        verify(&self.http, &self.asker, &question).await
    }

    async fn pass(&self, secret: &str) -> u16 {
        self.http.json("GET", &self.authz, &as_key(secret), &NOTHING).await.status
    }
}

/// On the engine that is chosen.
async fn refused_at_once_after(change: Change, usual: usize) {
    let (world, rounds) = (World::start().await, rounds_or(usual));
    let (left, done) = (Arc::new(AtomicUsize::new(rounds)), Arc::new(AtomicUsize::new(0)));
    let clients = (0..CLIENTS).map(|_| {
        let client = Client {
            http: world.server.http(),
            owner: world.owner.clone(),
            asker: world.asker(),
            keys: world.keys(),
            authz: format!("{}&permission=orders:write", world.authz("production")),
        };
        let (left, done) = (Arc::clone(&left), Arc::clone(&done));
        let take =
            move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        tokio::spawn(async move {
            while let Ok(round) = take() {
                client.round(change, round.is_multiple_of(ROUNDS_A_TOKEN)).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert_eq!(done.load(Ordering::Relaxed), rounds);
}

fn rounds_or(usual: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "a test is configured where it stands")]
    let named = std::env::var(ROUNDS_VARIABLE);
    named.map_or(usual, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once() {
    let usual = if Postgres::is_chosen() { FEWER_ROUNDS } else { ROUNDS };
    refused_at_once_after(REVOKE, usual).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_key_is_refused_at_once() {
    refused_at_once_after(DISABLE, FEWER_ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_secret_of_a_regenerated_key_is_refused_at_once() {
    refused_at_once_after(REGENERATE, FEWER_ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_is_refused_at_once() {
    refused_at_once_after(DELETE, FEWER_ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_was_taken_away_is_gone_at_once() {
    refused_at_once_after(NARROW, FEWER_ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_key_is_refused_at_once() {
    refused_at_once_after(BLOCK, FEWER_ROUNDS).await;
}
