//! Nodes of one installation: processes that share a PostgreSQL, each of which reaches it by a way of its own that can break.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::faults::FaultProxy;
use crate::http::Http;
use crate::postgres::{Durability, Postgres};
use crate::redis::Redis;
use crate::server::{Plan, Server};

/// What a node says to PostgreSQL on the connection on which it is told of changes.
const LISTENS: &str = "LISTEN keystile_changes";
/// What nodes are called, by their numbers.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Patience with Redis where machines are slow.
const REDIS_MILLIS: &str = "500";

/// The address of whoever owns the installation.
pub const OWNER: &str = "ada@example.com";
/// Their password.
pub const PASSWORD: &str = "correct-otter-lamp-41-river";

/// The nodes, and their PostgreSQL. All of it ends with the value.
#[derive(Debug)]
pub struct Nodes {
    // They end before what they use.
    nodes: Vec<Node>,
    postgres: Postgres,
    /// Follows the other, and can take its place.
    standby: Option<Postgres>,
    redis: Option<Redis>,
    /// What they share beside the database.
    _folder: TempDir,
}

/// One of them.
#[derive(Debug)]
pub struct Node {
    server: Server,
    way: FaultProxy,
    redis_way: Option<FaultProxy>,
}

impl Nodes {
    /// Starts so many nodes with leases of `lease`, one after the other, on a PostgreSQL of their own. `program` is
    /// `env!("CARGO_BIN_EXE_keystile")`.
    ///
    /// # Panics
    /// When something does not start.
    pub fn start(program: &str, count: usize, lease: Duration) -> Self {
        Self::start_with(program, count, lease, |plan| plan)
    }

    /// The same, where `more` is added to how each is started.
    ///
    /// # Panics
    /// When something does not start.
    pub fn start_with(program: &str, count: usize, lease: Duration, more: impl Fn(Plan) -> Plan) -> Self {
        let postgres = Postgres::start(Durability::Off).unwrap();
        Self::start_some(program, count, lease, (postgres, None), None, more)
    }

    /// The same, with a second PostgreSQL that follows the first, synchronously, and can take its place: see [`Self::fail_over`].
    ///
    /// # Panics
    /// When something does not start.
    pub fn start_with_standby(program: &str, count: usize, lease: Duration) -> Self {
        let postgres = Postgres::start(Durability::Off).unwrap();
        let standby = postgres.start_standby().unwrap();
        Self::start_some(program, count, lease, (postgres, Some(standby)), None, |plan| plan)
    }

    /// The same, with a Redis of their own in which they count limits together, each by a way of its own. What limits do not say of a Redis that
    /// is away is `when_away`.
    ///
    /// # Panics
    /// When something does not start.
    pub fn start_with_redis(program: &str, count: usize, lease: Duration, when_away: &str) -> Self {
        let postgres = Postgres::start(Durability::Off).unwrap();
        let redis = Some((Redis::start(), when_away));
        Self::start_some(program, count, lease, (postgres, None), redis, |plan| plan)
    }

    fn start_some(
        program: &str,
        count: usize,
        lease: Duration,
        (postgres, standby): (Postgres, Option<Postgres>),
        redis: Option<(Redis, &str)>,
        more: impl Fn(Plan) -> Plan,
    ) -> Self {
        let second = standby.as_ref().map(|standby| host(standby.url()));
        let folder = TempDir::with_prefix("keystile-nodes-").unwrap();
        let start = |name: &&str| {
            let plan =
                Plan::serve(program).variable("KEYSTILE_CLUSTER_LEASE_SECONDS", &lease.as_secs().to_string());
            let sharing = redis.as_ref().map(|(redis, when_away)| (redis.address(), *when_away));
            Node::start(more(plan), name, (postgres.url(), second, folder.path()), sharing)
        };
        let nodes: Vec<_> = NAMES.iter().take(count).map(start).collect();
        assert_eq!(nodes.len(), count, "there are not so many names");
        Self { nodes, postgres, standby, redis: redis.map(|(redis, _)| redis), _folder: folder }
    }

    /// One of them, from 0.
    ///
    /// # Panics
    /// When there is none.
    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// One of them, from 0, to be killed or started.
    ///
    /// # Panics
    /// When there is none.
    pub fn node_mut(&mut self, number: usize) -> &mut Node {
        &mut self.nodes[number]
    }

    /// Their Redis, which can be killed and started again.
    ///
    /// # Panics
    /// When they have none.
    pub const fn redis(&mut self) -> &mut Redis {
        self.redis.as_mut().unwrap()
    }

    /// What a query gives that is asked of their database, without blanks at its ends.
    ///
    /// # Panics
    /// When the database refuses.
    pub fn query(&self, sql: &str) -> String {
        self.postgres.query(sql).unwrap().trim().to_owned()
    }

    /// Kills their PostgreSQL, and has the one that follows it take its place.
    ///
    /// # Panics
    /// When there is none, or it does not.
    pub fn fail_over(&mut self) {
        let standby = self.standby.take().unwrap();
        self.postgres.kill();
        standby.promote().unwrap();
        self.postgres = standby;
    }

    /// Their PostgreSQL, which can be killed and started again.
    pub const fn postgres(&mut self) -> &mut Postgres {
        &mut self.postgres
    }
}

impl Node {
    fn start(
        plan: Plan,
        name: &str,
        (database, second, shared): (&str, Option<SocketAddr>, &Path),
        redis: Option<(SocketAddr, &str)>,
    ) -> Self {
        let address = host(database);
        let way = FaultProxy::start_marking(address, LISTENS).unwrap();
        let mut hosts = way.address().to_string();
        if let Some(second) = second {
            hosts = format!("{hosts},{second}");
        }
        let url = database.replace(&address.to_string(), &hosts) + "?target_session_attrs=read-write";
        let file = |name: &str| shared.join(name).display().to_string();
        let mut plan = plan
            .flag("--database-url", &url)
            .flag("--signing-key-file", &file("signing-key.der"))
            .flag("--encryption-key-file", &file("encryption-key"))
            .flag("--owner-email", OWNER)
            .variable("KEYSTILE_OWNER_PASSWORD", PASSWORD)
            .variable("KEYSTILE_CLUSTER", "true")
            .flag("--operations-listen", "127.0.0.1:0")
            .variable("KEYSTILE_NODE_NAME", name);
        let redis_way = redis.map(|(address, _)| FaultProxy::start(address).unwrap());
        if let (Some(way), Some((_, when_away))) = (&redis_way, redis) {
            plan = plan
                .variable("KEYSTILE_REDIS_URL", &format!("redis://{}", way.address()))
                .variable("KEYSTILE_REDIS_TIMEOUT_MILLIS", REDIS_MILLIS)
                .variable("KEYSTILE_RATES_WHEN_AWAY", when_away);
        }
        Self { server: plan.start(), way, redis_way }
    }

    /// A client with connections of its own.
    pub fn http(&self) -> Http {
        self.server.http()
    }

    /// A client of its listener for operations.
    pub fn operations(&self) -> Http {
        self.server.operations()
    }

    /// Where it listens, as `127.0.0.1:PORT`; another port after each start.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Its way to PostgreSQL. Marked is the connection on which it is told of changes.
    pub const fn way(&self) -> &FaultProxy {
        &self.way
    }

    /// Its way to Redis.
    ///
    /// # Panics
    /// When it has none.
    pub const fn redis_way(&self) -> &FaultProxy {
        self.redis_way.as_ref().unwrap()
    }

    /// Stops it where it stands (SIGSTOP).
    pub fn freeze(&self) {
        self.server.process().freeze();
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.server.process().thaw();
    }

    /// Ends it the hard way (SIGKILL).
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Asks it to stop (SIGTERM), without waiting for it.
    pub fn ask_to_stop(&self) {
        self.server.process().terminate();
    }

    /// Waits until it has stopped, with success.
    pub fn await_end(&mut self) {
        self.server.await_end();
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// How it is started, and what it has written.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Starts it again after it has ended, and waits until it is ready.
    pub fn start_again(&mut self) {
        self.server.start();
    }
}

/// Where a database is, of which the URL has a user.
fn host(url: &str) -> SocketAddr {
    let (_, host) = url.split_once('@').unwrap();
    host.split('/').next().unwrap().parse().unwrap()
}
