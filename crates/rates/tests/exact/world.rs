//! Nodes that ask a real Redis by ways that lose and delay, all in a time that passes only when nobody has anything to do.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::key::mint;
use keystile_core::route::Table;
use keystile_core::{
    Actor, ApiKey, ApplicationId, Ask, Clock, Digest, Environment, KeyFacts, KeyId, KeyLabel, KeyReading,
    LineageLimits, RateLimit, Rates, Secret, SharedRates, TenantId, Timestamp, Upstreams, WhenAway,
};
use keystile_rates::RateScript;
use keystile_testkit::redis::Redis;
use keystile_verify::{
    Answer, Bounds, BoxFuture, KeySource, RateAuthority, SharedLimits, SourceUnavailable, Statement,
    UsageBatch, Use, Verifier,
};
use redis::Connection;
use tokio::task::JoinSet;
use tokio::time::Instant;

const NODES: usize = 3;
/// The clock of Redis, which the test sets.
const CLOCK: &str = "local function clock() return tonumber(redis.call('GET', 'now')) end\n";
const NOW: &str = "now";
/// What the clock of Redis says when the test begins.
const BEGIN: u64 = 1_900_000_000_000;
/// After so long a node waits for no answer.
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) limit: u64,
    pub(crate) window_seconds: u64,
    pub(crate) burst: u64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Of a hundred questions, and of a hundred answers, so many are lost or late.
    pub(crate) losses: u32,
    /// Redis forgets everything now and then.
    pub(crate) forgets: bool,
    /// A node ends in the middle.
    pub(crate) kills: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Play {
    pub(crate) limit: Limit,
    pub(crate) faults: Faults,
    /// Requests of a node come so many milliseconds apart at the most.
    pub(crate) pause: u64,
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
}

pub(crate) struct World {
    redis: Redis,
    asked: Arc<AtomicU64>,
    round_trips: Arc<AtomicU64>,
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

struct PlayClock(Instant);

impl Clock for PlayClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN.cast_signed() + self.elapsed_millis().cast_signed())
    }

    fn elapsed_millis(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

struct Way {
    node: String,
    began: Instant,
    script: RateScript,
    connection: Mutex<Connection>,
    faults: Faults,
    dice: Mutex<Dice>,
    round_trips: Arc<AtomicU64>,
    /// Its node has ended: nothing of it arrives any more.
    is_dead: AtomicBool,
}

impl Way {
    fn roll(&self, bound: u64) -> u64 {
        self.dice.lock().unwrap().below(bound)
    }

    fn loses(&self) -> bool {
        self.roll(100) < u64::from(self.faults.losses)
    }

    fn arrive(&self, statements: &[Statement]) -> Answer {
        let mut connection = self.connection.lock().unwrap();
        let connection = &mut *connection;
        if self.faults.forgets && self.roll(400) == 0 {
            redis::cmd("FLUSHALL").exec(connection).unwrap();
        }
        let now = BEGIN + u64::try_from(self.began.elapsed().as_millis()).unwrap();
        redis::cmd("SET").arg(NOW).arg(now).exec(connection).unwrap();
        let call = self.script.invocation(&self.node, NODES as u64, statements).invoke(connection).unwrap();
        RateScript::read(call, statements).unwrap()
    }
}

/// A node's way, as it takes it.
struct Taken(Arc<Way>);

impl RateAuthority for Taken {
    fn state(
        &self,
        statements: Arc<[Statement]>,
        _nodes: u64,
    ) -> BoxFuture<'_, Result<Answer, SourceUnavailable>> {
        let way = Arc::clone(&self.0);
        Box::pin(async move {
            way.round_trips.fetch_add(1, Ordering::Relaxed);
            if way.is_dead.load(Ordering::Relaxed) {
                return Err(SourceUnavailable);
            }
            let (there, back) = (Duration::from_millis(way.roll(4)), Duration::from_millis(way.roll(4)));
            if way.loses() {
                let late = Duration::from_millis(way.roll(2_000));
                let of_late = Arc::clone(&way);
                // It may arrive all the same, behind later ones.
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    of_late.arrive(&statements);
                });
                tokio::time::sleep(PATIENCE).await;
                return Err(SourceUnavailable);
            }
            tokio::time::sleep(there).await;
            let answer = way.arrive(&statements);
            if way.loses() {
                tokio::time::sleep(PATIENCE).await;
                return Err(SourceUnavailable);
            }
            tokio::time::sleep(back).await;
            Ok(answer)
        })
    }
}

/// One key under one limit.
struct OneKey(Rates);

fn secret() -> Secret {
    mint(&KeyLabel::default(), Environment::Production, Digest::of(b"one").as_bytes())
}

impl KeySource for OneKey {
    fn facts(&self, _: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
        let (start, secret) = (Timestamp::from_millis(1), secret());
        let (id, tenant) = (KeyId::from_parts(start, 1), TenantId::from_parts(start, 1));
        let (application, name) = (ApplicationId::from_parts(start, 1), "One".parse().unwrap());
        let key = ApiKey::new(id, tenant, application, name, &secret, Actor::System, start);
        let facts = KeyFacts { limits: LineageLimits::new(id, self.0.clone()), ..KeyFacts::of(&key) };
        let reading = KeyReading { digest: secret.digest(), facts, shared_rates: SharedRates::default() };
        Box::pin(async move { Ok(vec![reading]) })
    }

    fn routing(&self, _: ApplicationId) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>> {
        Box::pin(async { Ok(None) })
    }

    fn upstreams(&self, _: TenantId) -> BoxFuture<'_, Result<Upstreams, SourceUnavailable>> {
        Box::pin(async { Ok(Upstreams::default()) })
    }

    fn touch(&self, _: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async { Ok(()) })
    }

    fn count(&self, _: UsageBatch) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async { Ok(()) })
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self { redis: Redis::start(), asked: Arc::default(), round_trips: Arc::default() }
    }

    /// How many requests there were in the last play.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many round trips these took.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Plays it, and tells when what was admitted.
    pub(crate) fn play(&self, play: Play) -> Vec<(u64, u64)> {
        self.asked.store(0, Ordering::Relaxed);
        self.round_trips.store(0, Ordering::Relaxed);
        let client = redis::Client::open(self.redis.url()).unwrap();
        redis::cmd("FLUSHALL").exec(&mut client.get_connection().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let began = Instant::now();
            let mut nodes = JoinSet::new();
            for node in 0..NODES {
                let way = Arc::new(Way {
                    node: format!("node-{}-{node}", play.seed),
                    began,
                    script: RateScript::by(CLOCK),
                    connection: Mutex::new(client.get_connection().unwrap()),
                    faults: play.faults,
                    dice: Mutex::new(Dice(play.seed ^ (node as u64) << 8)),
                    round_trips: Arc::clone(&self.round_trips),
                    is_dead: AtomicBool::new(false),
                });
                nodes.spawn(serve(play, node, way, Arc::clone(&self.asked)));
            }
            nodes.join_all().await.concat()
        })
    }
}

/// One node, asked until the end, or until it is killed.
async fn serve(play: Play, node: usize, way: Arc<Way>, asked: Arc<AtomicU64>) -> Vec<(u64, u64)> {
    let Limit { limit, window_seconds, burst } = play.limit;
    let rates =
        Rates::new(None, &[RateLimit { name: "a".into(), limit, window_seconds, burst: Some(burst) }]);
    let began = way.began;
    let clock: Arc<dyn Clock> = Arc::new(PlayClock(began));
    let limits = SharedLimits::new(Arc::new(Taken(Arc::clone(&way))), Arc::clone(&clock), WhenAway::Refuse);
    let bounds = Bounds { keys: 10, absent: 10 };
    let verifier = Verifier::new(Arc::new(OneKey(rates)), Arc::clone(&limits) as _, clock, bounds);
    let stating = limits.start(&verifier, || NODES);
    let mut dice = Dice(play.seed.rotate_left(13) ^ node as u64);
    // Redis has just begun, and reserves nothing yet.
    limits.is_settled().await;
    let end = Instant::now() + Duration::from_secs(play.seconds);
    let killed_at = Instant::now() + Duration::from_millis(dice.below(play.seconds * 1_000));
    let mut admitted = Vec::new();
    while Instant::now() < end {
        if play.faults.kills && node == 0 && Instant::now() >= killed_at {
            way.is_dead.store(true, Ordering::Relaxed);
            drop(stating);
            return admitted;
        }
        let most = if play.pause > 1 { burst.min(3) } else { 1 };
        let cost = 1 + dice.below(most);
        let ask = Ask { cost: u32::try_from(cost).unwrap(), ..Ask::ANYTHING };
        let verdict = verifier.verify(secret().expose(), &ask).await;
        asked.fetch_add(1, Ordering::Relaxed);
        if verdict.is_allowed() {
            let at = u64::try_from(began.elapsed().as_millis()).unwrap();
            admitted.push((at, cost));
        }
        // Bursts of requests, and pauses in which what is reserved is given back or lapses.
        let pause = match dice.below(200) {
            0 if play.pause > 1 => 1_500,
            1..20 => 0,
            _ => 1 + dice.below(play.pause),
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    stating.stop().await;
    admitted
}
