//! Nodes that ask a real Redis by ways that lose and delay, all in a time that passes only when nobody has anything to do.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::key::mint;
use keystile_core::llm::Consumption;
use keystile_core::quota::{Amount, Basis, Need, Origin};
use keystile_core::route::Table;
use keystile_core::{
    Actor, ApiKey, ApplicationId, Ask, Clock, Digest, Environment, KeyFacts, KeyId, KeyLabel, KeyReading,
    LineageLimits, NanoUsd, RateLimit, Rates, Secret, SharedRates, TenantId, Timestamp, Upstreams, WhenAway,
};
use keystile_rates::RateScript;
use keystile_testkit::redis::Redis;
use keystile_verify::{
    Answer, Bounds, BoxFuture, KeySource, RateAuthority, Settled, SharedLimits, SourceUnavailable, Statement,
    Terms, UsageBatch, Use, Verifier,
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
/// For so long Redis is away.
pub(crate) const AWAY_SECONDS: u64 = 3;
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
    /// From this second on Redis is away for three, and has forgotten everything then.
    pub(crate) away_from: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Play {
    pub(crate) limit: Limit,
    pub(crate) faults: Faults,
    /// Requests of a node come so many milliseconds apart at the most.
    pub(crate) pause: u64,
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
    pub(crate) when_away: WhenAway,
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

    fn is_away(&self) -> bool {
        let now = self.began.elapsed().as_secs();
        self.faults.away_from.is_some_and(|from| (from..from + AWAY_SECONDS).contains(&now))
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
            if way.is_away() {
                redis::cmd("FLUSHALL").exec(&mut *way.connection.lock().unwrap()).unwrap();
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

/// One key under one limit, on requests or on tokens.
struct OneKey {
    rates: Rates,
    tokens: Option<u64>,
}

fn secret() -> Secret {
    mint(&KeyLabel::default(), Environment::Production, Digest::of(b"one").as_bytes())
}

impl KeySource for OneKey {
    fn facts(&self, _: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
        let (start, secret) = (Timestamp::from_millis(1), secret());
        let (id, tenant) = (KeyId::from_parts(start, 1), TenantId::from_parts(start, 1));
        let (application, name) = (ApplicationId::from_parts(start, 1), "One".parse().unwrap());
        let key = ApiKey::new(id, tenant, application, name, &secret, Actor::System, start);
        let (rates, tokens) = (self.rates.clone(), self.tokens);
        let limits = Some(LineageLimits { lineage_id: id, rates, tokens, budget: None });
        let facts = KeyFacts { limits, ..KeyFacts::of(&key) };
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
        self.play_by(play, ask_on_and_on)
    }

    /// The same with tokens: each request takes some, and uses fewer.
    pub(crate) fn play_with_tokens(&self, play: Play) -> Vec<(u64, u64)> {
        assert_eq!((play.limit.window_seconds, play.limit.burst), (60, play.limit.limit));
        self.play_by(play, take_on_and_on)
    }

    fn play_by<A, F>(&self, play: Play, ask: A) -> Vec<(u64, u64)>
    where
        A: Fn(Node, Dice, Arc<AtomicU64>) -> F + Copy + Send + 'static,
        F: Future<Output = Vec<(u64, u64)>> + Send + 'static,
    {
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
                nodes.spawn(serve(play, node, way, Arc::clone(&self.asked), ask));
            }
            nodes.join_all().await.concat()
        })
    }
}

/// A node that serves.
struct Node {
    play: Play,
    verifier: Arc<Verifier>,
    began: Instant,
    end: Instant,
}

impl Node {
    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Milliseconds since the play began.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// Bursts of requests, and pauses in which what is reserved is given back or lapses.
    async fn pause(&self, dice: &mut Dice) {
        let pause = match dice.below(200) {
            0 if self.play.pause > 1 => 1_500,
            1..20 => 0,
            _ => 1 + dice.below(self.play.pause),
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// One node, asked until the end, or until it is killed.
async fn serve<A, F>(play: Play, node: usize, way: Arc<Way>, asked: Arc<AtomicU64>, ask: A) -> Vec<(u64, u64)>
where
    A: Fn(Node, Dice, Arc<AtomicU64>) -> F,
    F: Future<Output = Vec<(u64, u64)>>,
{
    let Limit { limit, window_seconds, burst } = play.limit;
    let rate = RateLimit { name: "a".into(), limit, window_seconds, burst: Some(burst), when_away: None };
    let source = OneKey { rates: Rates::new(None, &[rate]), tokens: Some(limit) };
    let clock: Arc<dyn Clock> = Arc::new(PlayClock(way.began));
    let limits = SharedLimits::new(Arc::new(Taken(Arc::clone(&way))), Arc::clone(&clock), play.when_away);
    let bounds = Bounds { keys: 10, absent: 10 };
    let verifier = Verifier::new(Arc::new(source), Arc::clone(&limits) as _, clock, bounds);
    let stating = limits.start(&verifier, || NODES);
    let mut dice = Dice(play.seed.rotate_left(13) ^ node as u64);
    // Redis has just begun, and reserves nothing yet.
    limits.is_settled().await;
    let doom =
        if play.faults.kills && node == 0 { dice.below(play.seconds * 1_000) } else { play.seconds * 1_000 };
    let end = Instant::now() + Duration::from_millis(doom);
    let admitted = ask(Node { play, verifier, began: way.began, end }, dice, asked).await;
    if play.faults.kills && node == 0 {
        way.is_dead.store(true, Ordering::Relaxed);
    }
    stating.stop().await;
    admitted
}

/// Asks for requests of some cost.
async fn ask_on_and_on(node: Node, mut dice: Dice, asked: Arc<AtomicU64>) -> Vec<(u64, u64)> {
    let mut admitted = Vec::new();
    let most = if node.play.pause > 1 { node.play.limit.burst.min(3) } else { 1 };
    while !node.is_over() {
        let cost = 1 + dice.below(most);
        let ask = Ask { cost: u32::try_from(cost).unwrap(), ..Ask::ANYTHING };
        let verdict = node.verifier.verify(secret().expose(), &ask).await;
        asked.fetch_add(1, Ordering::Relaxed);
        if verdict.is_allowed() {
            admitted.push((node.now(), cost));
        }
        node.pause(&mut dice).await;
    }
    admitted
}

/// Takes tokens, and tells some time later that fewer were used.
async fn take_on_and_on(node: Node, mut dice: Dice, asked: Arc<AtomicU64>) -> Vec<(u64, u64)> {
    let (mut used, mut holds) = (Vec::new(), Vec::new());
    let looking = Ask { cost: 0, ..Ask::ANYTHING };
    let key = node.verifier.verify(secret().expose(), &looking).await.key.unwrap();
    while !node.is_over() {
        let tokens = 1 + dice.below(node.play.limit.limit / 20);
        let terms = Terms {
            deadline: Duration::from_secs(60),
            origin: Origin::Gateway,
            model: "".into(),
            request_id: "".into(),
        };
        let need = Need::of(Amount { tokens, picos: 0 });
        asked.fetch_add(1, Ordering::Relaxed);
        if let Ok(hold) = node.verifier.reserve(&key, &need, terms).await {
            holds.push((node.now(), tokens, hold));
        }
        node.pause(&mut dice).await;
        if !holds.is_empty() && dice.below(3) > 0 {
            let place = usize::try_from(dice.below(holds.len() as u64)).unwrap();
            let (at, tokens, hold) = holds.swap_remove(place);
            let tokens = dice.below(tokens + 1);
            hold.settle(settled(tokens));
            used.push((at, tokens));
        }
    }
    // What is not settled may be used in full.
    used.extend(holds.iter().map(|(at, tokens, _)| (*at, *tokens)));
    used
}

fn settled(tokens: u64) -> Settled {
    Settled {
        used: Consumption { input: tokens, ..Consumption::default() },
        cost: NanoUsd::ZERO,
        basis: Basis::Upstream,
        model: "".into(),
        provider_id: None,
        price_version: None,
    }
}
