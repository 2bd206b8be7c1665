//! Nodes with an owner, clients that note what they see, and a load of many of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use keystile_testkit::faults::{Direction, Flow};
use keystile_testkit::history::{History, Record, Verdict};
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::nodes::{Nodes, OWNER, PASSWORD};
use keystile_testkit::server::Plan;
use keystile_testkit::wait::{DEADLINE, eventually};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::world::{KEYSTILE, as_key, sign_in, text};

/// How many nodes there are.
pub(super) const NODES: usize = 3;
/// How long each believes what it knows without hearing from the database.
pub(super) const LEASE: Duration = Duration::from_secs(1);
/// What the answer to a change may take beyond the lease of a node that is silent.
const BEYOND_LEASE: Duration = Duration::from_millis(500);
/// What it may take beyond that here, where three unoptimised nodes, their database and their clients share what may be two
/// slow processors.
const SLACK: Duration = Duration::from_secs(1);
/// How long the clients of a load wait for an answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Clients of a load for each node.
const CLIENTS: usize = 2;
/// Pause of a client of a load between two questions, so that the nodes have time for other things.
const PAUSE: Duration = Duration::from_millis(5);

/// Names a number of rounds.
const ROUNDS_VARIABLE: &str = "KEYSTILE_CLUSTER_ROUNDS";

/// The two places where keys are asked about, which have nothing in common but what is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `POST /api/v1/keys/verify`
    Verify,
    /// `GET /api/v1/authz/…`
    Gateway,
}

pub(super) const PLACES: [Place; 2] = [Place::Verify, Place::Gateway];

/// A key to be asked about.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: Arc<str>,
    pub(super) secret: Arc<str>,
}

/// Somebody who asks one node, and notes it.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) node: usize,
    pub(super) http: Http,
    /// How long it waits for an answer.
    patience: Duration,
    /// `ApiKey …` of a key that may ask and issue.
    pub(super) caller: Arc<str>,
    keys: Arc<str>,
    gateway: Arc<str>,
    record: Arc<Record>,
}

/// The nodes, and what their owner has in hand.
pub(super) struct World {
    pub(super) nodes: Nodes,
    pub(super) record: Arc<Record>,
    /// `Bearer …` of the owner.
    pub(super) owner: String,
    /// The path of the tenant.
    pub(super) tenant: String,
    caller: Arc<str>,
    gateway: Arc<str>,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::start_with(|plan| plan).await
    }

    /// The same, where `more` is added to how each node is started.
    pub(super) async fn start_with(more: impl Fn(Plan) -> Plan) -> Self {
        Self::on(Nodes::start_with(KEYSTILE, NODES, LEASE, more)).await
    }

    /// Nodes whose database has another beside it that can take its place.
    pub(super) async fn start_with_standby() -> Self {
        Self::on(Nodes::start_with_standby(KEYSTILE, NODES, LEASE)).await
    }

    /// Nodes that count limits together, and what becomes of requests while their Redis is away.
    pub(super) async fn start_with_redis(when_away: &str) -> Self {
        Self::on(Nodes::start_with_redis(KEYSTILE, NODES, LEASE, when_away)).await
    }

    async fn on(nodes: Nodes) -> Self {
        let http = nodes.node(0).http();
        let owner = sign_in(&http, OWNER, PASSWORD).await;
        let tenants = http.json("GET", "/api/v1/tenants", &owner, &NOTHING).await.expect(200);
        let tenant = format!("/api/v1/tenants/{}", text(&tenants["data"][0], "id"));
        let scopes = json!(["keystile.keys:verify", "keystile.keys:issue"]);
        let body = json!({ "name": "caller", "scopes": scopes });
        let made = http.json("POST", &format!("{tenant}/api-keys"), &owner, &body).await.expect(201);
        let gateway = format!("/api/v1/authz/{}?environment=production", text(&made, "application_id"));
        let caller = as_key(text(&made, "secret")).into();
        Self { nodes, record: Record::new(), owner, tenant, caller, gateway: gateway.into() }
    }

    /// A client of a node that waits long.
    pub(super) fn client(&self, node: usize) -> Client {
        Client {
            node,
            http: self.nodes.node(node).http(),
            patience: DEADLINE,
            caller: Arc::clone(&self.caller),
            keys: format!("{}/api-keys", self.tenant).into(),
            gateway: Arc::clone(&self.gateway),
            record: Arc::clone(&self.record),
        }
    }

    pub(super) fn clients(&self) -> Vec<Client> {
        (0..NODES).map(|node| self.client(node)).collect()
    }

    /// Keys that every node has in memory.
    pub(super) async fn known_keys(&self, count: usize) -> Vec<Key> {
        let mut keys = Vec::new();
        for number in 0..count {
            keys.push(self.client(number % NODES).create().await);
        }
        for client in self.clients() {
            client.accepts(&keys).await;
        }
        keys
    }

    /// Revokes keys by a node, one after the other, each within its time.
    pub(super) async fn revoke(&self, node: usize, keys: &[Key]) {
        let client = self.client(node);
        for key in keys {
            client.revoke(key).await;
        }
    }

    /// Waits until a node refuses all of these keys because they are revoked, as it does at the latest when it is back.
    pub(super) async fn refuses(&self, node: usize, keys: &[Key]) {
        let client = self.client(node).waiting(PATIENCE);
        for key in keys {
            for place in PLACES {
                let refused = async || (client.ask(key, place).await == revoked()).then_some(());
                eventually("a node to refuse what was revoked", refused).await;
            }
        }
    }

    /// Waits until a node accepts a key that is good.
    pub(super) async fn accepts(&self, node: usize, key: &Key) {
        let client = self.client(node).waiting(PATIENCE);
        for place in PLACES {
            let accepted = async || (client.ask(key, place).await == Verdict::Accepted).then_some(());
            eventually("a node to accept a key that is good", accepted).await;
        }
    }

    /// Waits until a node believes nothing any more, not even what is still true.
    pub(super) async fn is_out(&self, node: usize, kept: &Key) {
        let client = self.client(node).waiting(PATIENCE);
        for place in PLACES {
            let is_unknown = |verdict| matches!(verdict, Verdict::Unavailable | Verdict::Unanswered);
            let out = async || is_unknown(client.ask(kept, place).await).then_some(());
            eventually("a node to believe nothing any more", out).await;
        }
    }

    /// Waits until a node answers from memory, as it does when it has a lease: of a key that is good, while nothing is told to
    /// it by the database but of changes.
    pub(super) async fn is_back(&self, node: usize, kept: &Key) {
        let (way, client) = (self.nodes.node(node).way(), self.client(node).waiting(PATIENCE));
        let remembers = async || {
            client.ask(kept, Place::Gateway).await;
            way.set(Direction::ToClient, Flow::Held);
            way.set_marked(Direction::ToClient, Flow::Passes);
            let verdict = client.ask(kept, Place::Gateway).await;
            way.set(Direction::ToClient, Flow::Passes);
            (verdict == Verdict::Accepted).then_some(())
        };
        eventually("a node to answer from memory", remembers).await;
    }

    /// Asks all nodes about all of these keys, from now on.
    pub(super) fn load(&self, keys: &[Key]) -> Load {
        let (stop, stopped) = watch::channel(());
        let mut tasks = JoinSet::new();
        for number in 0..NODES * CLIENTS {
            let client = self.client(number % NODES).waiting(PATIENCE);
            let keys: Vec<_> = keys.iter().cycle().skip(number).take(keys.len()).cloned().collect();
            tasks.spawn(ask_until_stopped(client, keys, stopped.clone()));
        }
        Load { stop, tasks }
    }

    /// Waits until each node was asked so often after the answer to a revocation.
    pub(super) async fn asked_after(&self, count: usize) {
        let often = |history: &History| (0..NODES).all(|node| history.count_after(node, |_| true) >= count);
        let asked = async || self.record.look(often).then_some(());
        eventually("each node to be asked after the answer", asked).await;
    }

    /// What was noted, which must be in order.
    pub(super) fn checked(&self) -> History {
        checked(&self.record)
    }
}

/// What was noted, which must be in order.
pub(super) fn checked(record: &Record) -> History {
    let history = record.history();
    history.check().unwrap_or_else(|violation| panic!("{violation}"));
    history
}

/// Clients that ask until they are stopped.
pub(super) struct Load {
    stop: watch::Sender<()>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Stops it. What nobody has answered yet is not waited for.
    pub(super) async fn stop(self) {
        self.stop.send_replace(());
        self.tasks.join_all().await;
    }
}

async fn ask_until_stopped(client: Client, keys: Vec<Key>, mut stopped: watch::Receiver<()>) {
    tokio::select! {
        _ = stopped.changed() => {}
        () = ask_on_and_on(&client, &keys) => {}
    }
}

/// Asks one node about these keys, in turns.
pub(super) async fn ask_on_and_on(client: &Client, keys: &[Key]) {
    loop {
        for key in keys {
            for place in PLACES {
                client.ask(key, place).await;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The number of rounds that is asked for, such as 100000, if one is.
pub(super) fn rounds() -> Option<usize> {
    #[expect(clippy::disallowed_methods, reason = "a test is configured where it stands")]
    let named = std::env::var(ROUNDS_VARIABLE);
    named.ok().map(|rounds| rounds.parse().unwrap())
}

/// What is said of a key that was revoked.
pub(super) fn revoked() -> Verdict {
    Verdict::Refused("key_revoked".to_owned())
}

/// The longest that the answer to a change may take.
#[track_caller]
pub(super) fn assert_in_time(took: Duration) {
    assert!(took <= LEASE + BEYOND_LEASE + SLACK, "the answer took {took:?}");
}

impl Client {
    /// Waits no longer than this for an answer.
    pub(super) fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Notes what it sees there.
    pub(super) fn noting(&self, record: &Arc<Record>) -> Self {
        Self { record: Arc::clone(record), ..self.clone() }
    }

    /// Makes a key.
    pub(super) async fn create(&self) -> Key {
        let made =
            self.http.json("POST", &self.keys, &self.caller, &json!({ "name": "key" })).await.expect(201);
        Key { id: text(&made, "id").into(), secret: text(&made, "secret").into() }
    }

    /// Tries to make a key, that counts its requests if it is to be `limited`.
    pub(super) async fn try_create(&self, limited: bool) -> Option<Key> {
        let limit = limited.then_some(1_000_000);
        let body = json!({ "name": "key", "rpm_limit": limit });
        let made = self.http.try_json("POST", &self.keys, &self.caller, &body).await.ok()?;
        let part = |name: &str| text(&made.json, name).into();
        (made.status == 201).then(|| Key { id: part("id"), secret: part("secret") })
    }

    /// Asks about a key.
    pub(super) async fn ask(&self, key: &Key, place: Place) -> Verdict {
        let sent = self.record.now();
        let answer = tokio::time::timeout(self.patience, self.send(key, place)).await;
        let verdict = match answer {
            Ok(Ok(answer)) => verdict(&answer),
            Ok(Err(_)) | Err(_) => Verdict::Unanswered,
        };
        self.record.asked(self.node, &key.id, sent, verdict.clone());
        verdict
    }

    async fn send(&self, key: &Key, place: Place) -> Result<Answer, String> {
        match place {
            Place::Verify => {
                let question = json!({ "key": &*key.secret, "environment": "production" });
                self.http.try_json("POST", "/api/v1/keys/verify", &self.caller, &question).await
            }
            Place::Gateway => self.http.try_json("GET", &self.gateway, &as_key(&key.secret), &NOTHING).await,
        }
    }

    /// Asks about keys that are good, and have to be accepted.
    pub(super) async fn accepts(&self, keys: &[Key]) {
        for key in keys {
            for place in PLACES {
                assert_eq!(self.ask(key, place).await, Verdict::Accepted, "node {}, {place:?}", self.node);
            }
        }
    }

    /// Revokes a key, which has to be answered in time; gives how long it took.
    pub(super) async fn revoke(&self, key: &Key) -> Duration {
        let took = self.try_revoke(key).await;
        let took = took.unwrap_or_else(|failure| panic!("the revocation by node {}: {failure}", self.node));
        assert_in_time(took);
        took
    }

    /// Tries to revoke a key; gives how long it took, or what was answered instead of success.
    pub(super) async fn try_revoke(&self, key: &Key) -> Result<Duration, String> {
        let sent = self.record.now();
        let path = format!("{}/{}/revoke", self.keys, key.id);
        let answer = self.http.try_json("POST", &path, &self.caller, &NOTHING).await?;
        if answer.status == 200 {
            return Ok(self.record.revoked(self.node, &key.id, sent));
        }
        Err(format!("{} {}", answer.status, answer.text))
    }
}

/// What an answer of either place says. Any other answer is a fault.
#[track_caller]
fn verdict(answer: &Answer) -> Verdict {
    let code = answer.json["code"].as_str().unwrap_or_default();
    match (answer.status, &answer.json["valid"]) {
        (503, _) => Verdict::Unavailable,
        (200, Value::Bool(false)) if code == "enforcement_unavailable" => Verdict::Unavailable,
        // What lets a request pass at a gateway has no such member.
        (200, Value::Bool(true) | Value::Null) => Verdict::Accepted,
        (401 | 403, _) | (200, Value::Bool(false)) => Verdict::Refused(code.to_owned()),
        _ => panic!("{} {}", answer.status, answer.text),
    }
}

/// A question to the gateway on a connection of its own, so that it is known to have been sent: what was written to a socket of
/// this machine is in the receiver's queue.
pub(super) struct Wire {
    stream: TcpStream,
    client: Client,
    key: Key,
    sent: Duration,
}

impl Wire {
    /// Connects to the node of a client, and asks once.
    pub(super) fn open(address: &str, client: Client, key: Key) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut wire = Self { stream, client, key, sent: Duration::ZERO };
        wire.send();
        assert_eq!(wire.receive(), Verdict::Accepted);
        wire
    }

    /// Sends the question.
    pub(super) fn send(&mut self) {
        let (path, secret) = (&self.client.gateway, &self.key.secret);
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ApiKey {secret}\r\n\r\n");
        self.sent = self.client.record.now();
        self.stream.write_all(request.as_bytes()).unwrap();
    }

    /// Waits for the answer.
    pub(super) fn receive(&mut self) -> Verdict {
        let (head, body) = self.read();
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let code = json["code"].as_str().unwrap_or_default();
        let verdict = match head.split(' ').nth(1) {
            Some("200") => Verdict::Accepted,
            Some("503") => Verdict::Unavailable,
            Some("401" | "403") => Verdict::Refused(code.to_owned()),
            _ => panic!("{head}{body}"),
        };
        self.client.record.asked(self.client.node, &self.key.id, self.sent, verdict.clone());
        verdict
    }

    fn read(&mut self) -> (String, String) {
        let (mut read, mut chunk) = (String::new(), [0; 4096]);
        loop {
            if let Some((head, body)) = read.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
                });
                if body.len() >= length.unwrap_or(0) {
                    return (head.to_owned(), body.to_owned());
                }
            }
            let count = self.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the connection was closed: {read}");
            read += std::str::from_utf8(&chunk[..count]).unwrap();
        }
    }
}
