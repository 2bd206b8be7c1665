//! The connection to PostgreSQL is lost during a commit, so that nobody knows whether the change happened.
//! Verification must not go on with what it knew before.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::postgres::{Durability, Postgres};
use keystile_testkit::proxy::{Fault, Hears, Proxy};
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::world::{World, text};

/// How long [`SLOW_COMMIT`] takes: longer than a transaction may wait for a lock, and within what a statement may take.
const SLOW: Duration = Duration::from_secs(8);

/// Makes the commit of a revoked key, and of one that is made as `slow`, take [`SLOW`].
const SLOW_COMMIT: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(8); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER UPDATE OF revoked_at ON api_keys
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
    CREATE CONSTRAINT TRIGGER slow_too AFTER INSERT ON api_keys
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.name = 'slow') EXECUTE FUNCTION slow();";

/// A server whose PostgreSQL is reached through a proxy.
pub(crate) struct Bed {
    pub(crate) postgres: Postgres,
    pub(crate) proxy: Proxy,
    pub(crate) world: World,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        let postgres = Postgres::start(Durability::Off).unwrap();
        let address = |url: &str| -> SocketAddr {
            let (_, host) = url.split_once('@').unwrap();
            host.split('/').next().unwrap().parse().unwrap()
        };
        let server = address(postgres.url());
        let proxy = Proxy::start(server).unwrap();
        let url = postgres.url().replace(&server.to_string(), &proxy.address().to_string());
        Self { world: World::at(&url).await, postgres, proxy }
    }

    /// A key that verification has in memory.
    pub(crate) async fn known(&self) -> Value {
        let key = self.world.create(&json!({ "name": "known" })).await;
        assert_eq!(self.code(&key).await, "allowed");
        key
    }

    pub(crate) async fn code(&self, key: &Value) -> String {
        let question = json!({ "key": key["secret"], "environment": "production" });
        text(&self.world.verify(&question).await, "code").to_owned()
    }

    /// Verifies the key until it is answered with `code`.
    async fn becomes(&self, key: &Value, code: &str) {
        eventually(code, async || (self.code(key).await == code).then_some(())).await;
    }

    /// Makes a change whose audit entry says `action`, and cuts the connection at its commit.
    async fn cut(&self, action: &'static str, server: Hears, key: &Value, path: &str) -> Answer {
        // No other transaction of the server has this in it, so that it is this one which is cut.
        self.proxy.set(Fault::Cut { after: vec![action, "COMMIT"], server });
        let cuts = self.proxy.cuts();
        let answer = self.world.change("POST", text(key, "id"), path, &NOTHING).await;
        assert_eq!(self.proxy.cuts(), cuts + 1, "{}", answer.text);
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_whose_answer_was_lost_holds_when_it_is_answered() {
    let bed = Bed::new().await;
    let key = bed.known().await;
    let answer = bed.cut("key.revoke", Hears::AllAndAnswers, &key, "/revoke").await;
    answer.expect_problem(503, "outcome_unknown");
    assert_eq!(bed.code(&key).await, "key_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regenerated_secret_whose_answer_was_lost_leaves_the_old_one_dead() {
    let bed = Bed::new().await;
    let key = bed.known().await;
    let answer = bed.cut("key.regenerate", Hears::AllAndAnswers, &key, "/regenerate").await;
    answer.expect_problem(503, "outcome_unknown");
    assert_eq!(bed.code(&key).await, "key_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_committed_long_after_the_cut_takes_effect_when_it_is() {
    let bed = Bed::new().await;
    bed.postgres.run(SLOW_COMMIT).unwrap();
    let key = bed.known().await;
    let started = Instant::now();
    let answer = bed.cut("key.revoke", Hears::All, &key, "/revoke").await;
    answer.expect_problem(503, "outcome_unknown");
    // It has not happened yet, and what is read meanwhile must not be believed afterwards.
    assert_eq!(bed.code(&key).await, "allowed");
    assert!(started.elapsed() < SLOW / 2, "{:?}", started.elapsed());
    bed.becomes(&key, "key_revoked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_creation_is_committed_long_after_the_cut_works_when_it_is() {
    let bed = Bed::new().await;
    bed.postgres.run(SLOW_COMMIT).unwrap();
    let brought = json!({ "name": "slow", "secret": "0c8d1f7ab2e94465a3d1fb27" });
    let started = Instant::now();
    bed.proxy.set(Fault::Cut { after: vec!["key.create", "COMMIT"], server: Hears::All });
    let answer = bed.world.ask("POST", &bed.world.keys(), &brought).await;
    answer.expect_problem(503, "outcome_unknown");
    assert_eq!(bed.code(&brought).await, "key_not_found");
    assert!(started.elapsed() < SLOW / 2, "{:?}", started.elapsed());
    bed.becomes(&brought, "allowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_never_reached_the_server_can_be_tried_again() {
    let bed = Bed::new().await;
    let key = bed.known().await;
    let answer = bed.cut("key.revoke", Hears::Nothing, &key, "/revoke").await;
    answer.expect_problem(503, "outcome_unknown");
    assert_eq!(bed.code(&key).await, "allowed");
    let revoked = bed.world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await.expect(200);
    assert_eq!(revoked["version"], 2, "{revoked}");
    assert_eq!(bed.code(&key).await, "key_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brought_secret_whose_creation_was_in_doubt_is_asked_for_anew() {
    let bed = Bed::new().await;
    let secret = "c41f8a07d93be6525af0917d";
    let brought = json!({ "name": "brought", "secret": secret });
    assert_eq!(bed.code(&brought).await, "key_not_found");
    bed.proxy.set(Fault::Cut { after: vec!["key.create", "COMMIT"], server: Hears::AllAndAnswers });
    let answer = bed.world.ask("POST", &bed.world.keys(), &brought).await;
    answer.expect_problem(503, "outcome_unknown");
    assert_eq!(bed.code(&brought).await, "allowed");
}

/// Longer than the server's patience with a database that takes what it is sent and says nothing.
const FROZEN: Fault = Fault::Delay(Duration::from_secs(40));
const PATIENCE: Duration = Duration::from_secs(18);

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_freezes_is_not_waited_for_and_its_connections_are_not_used_again() {
    let bed = Bed::new().await;
    let key = bed.known().await;
    bed.proxy.set(FROZEN);
    let started = Instant::now();
    let keys = bed.world.keys();
    let list = bed.world.ask("GET", &keys, &NOTHING);
    let revoke = bed.world.change("POST", text(&key, "id"), "/revoke", &NOTHING);
    let (listed, revoked) = tokio::join!(list, revoke);
    listed.expect_problem(503, "unavailable");
    revoked.expect_problem(503, "unavailable");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    assert_eq!(bed.code(&key).await, "allowed");
    bed.proxy.set(Fault::None);
    // What the proxy still holds up keeps nobody waiting: the connections are new ones.
    let thawed = Instant::now();
    let revoke = async || {
        let answer = bed.world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await;
        (answer.status == 200).then_some(())
    };
    eventually("the right to serve to be back", revoke).await;
    assert_eq!(bed.code(&key).await, "key_revoked");
    assert!(thawed.elapsed() < Duration::from_secs(5), "{:?}", thawed.elapsed());
}
