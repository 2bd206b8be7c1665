//! Measures verifications inside a Rust process: one hot key and random keys of a million, on one thread and
//! on two, and the memory a cached key takes.
//!
//! `cargo run --release -p keystile-verify --example in_process [keys] [limits]`: each key has so many limits, two by
//! default.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement, not a part of the product")]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use keystile_core::key::{KeyStatus, Presented, TrustLevel, mint};
use keystile_core::route::Table;
use keystile_core::{
    AllowedIps, ApplicationId, Ask, Clock, Digest, Environment, Grants, KeyFacts, KeyId, KeyKind, KeyLabel,
    KeyReading, LineageLimits, Permission, RateLimit, Rates, Requirement, SharedRates, TenantId, Timestamp,
    Upstreams,
};
use keystile_verify::{Bounds, BoxFuture, KeySource, OneNode, SourceUnavailable, UsageBatch, Use, Verifier};

const VERIFICATIONS: usize = 2_000_000;
const RUNS: usize = 5;
/// Callers that miss at the same time while the cache is filled.
const CALLERS: usize = 512;
/// Applications among which the keys are spread; the keys of one share their scopes.
const APPLICATIONS: u64 = 100;

fn main() {
    let count = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number of keys"));
    let limits = std::env::args().nth(2).map_or(2, |text| text.parse().expect("a number of limits"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime");
    let mut texts: Vec<Box<str>> = (0..count).map(text).collect();
    let bounds = Bounds { keys: count * 5 / 4, ..Bounds::default() };
    let limiter = OneNode::new(Arc::new(SystemClock));
    let verifier =
        Verifier::new(Arc::new(Anything { limits: rates(limits) }), limiter, Arc::new(SystemClock), bounds);
    let background = runtime.block_on(async { verifier.start() });

    let (memory, start) = (resident_bytes(), Instant::now());
    texts = runtime.block_on(fill(&verifier, texts));
    let elapsed = start.elapsed();
    let taken = resident_bytes().saturating_sub(memory);
    println!("fill       {:>8.0} keys/s", count as f64 / elapsed.as_secs_f64());
    println!("memory     {:>8.0} bytes per key", taken as f64 / verifier.stats().keys as f64);

    shuffle(&mut texts);
    // Requests bring their texts with them: lay them out in the order of use.
    let texts: Vec<Box<str>> = texts.clone();
    time(1, &texts[..1], "parse only", |text| {
        black_box(Presented::parse(text).is_ok());
    });
    time(1, &texts[..1], "digest only", |text| {
        black_box(Digest::of(text.as_bytes()));
    });
    time(1, &texts[..1], "clock only", |_| {
        black_box(SystemClock.now());
    });
    let needed = [Permission::parse("orders:write").expect("a permission")];
    let ask = Ask {
        environment: Some(Environment::Production),
        ip: Some(IpAddr::from([192, 0, 2, 7])),
        permissions: Requirement::All(&needed),
        ..Ask::ANYTHING
    };
    let verify = |text: &str| {
        assert!(verifier.try_verify(text, &ask).expect("a cached key").is_allowed());
    };
    for threads in [1, 2] {
        time(threads, &texts[..1], "one hot key", verify);
        time(threads, &texts, "random keys", verify);
    }
    println!("{:#?}", verifier.stats());
    runtime.block_on(background.stop());
}

/// The median of [`RUNS`] runs, in processor time of the threads, because machines are shared; each thread
/// begins elsewhere in the list.
fn time(threads: usize, texts: &[Box<str>], what: &str, work: impl Fn(&str) + Sync) {
    let spend = |thread: usize| {
        let offset = thread * texts.len() / threads;
        let turn = texts[offset..].iter().chain(&texts[..offset]).cycle();
        let start = processor_nanos();
        turn.take(VERIFICATIONS).for_each(|text| work(text));
        processor_nanos() - start
    };
    let run = || {
        std::thread::scope(|scope| {
            let spend = &spend;
            let spent: Vec<_> = (0..threads).map(|thread| scope.spawn(move || spend(thread))).collect();
            let sum: f64 = spent.into_iter().map(|thread| thread.join().expect("no panic")).sum();
            sum / (threads * VERIFICATIONS) as f64
        })
    };
    let mut runs: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    runs.sort_unstable_by(f64::total_cmp);
    println!("{what:<12} {threads} thread(s) {:>6.0} ns each  (best {:.0})", runs[RUNS / 2], runs[0]);
}

/// Time this thread had a processor, from the first field of its `schedstat`.
fn processor_nanos() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number")
}

/// Fills the cache the way requests do.
async fn fill(verifier: &Arc<Verifier>, texts: Vec<Box<str>>) -> Vec<Box<str>> {
    let texts = Arc::new(texts);
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (verifier, texts) = (Arc::clone(verifier), Arc::clone(&texts));
            tokio::spawn(async move {
                for text in texts.iter().skip(caller).step_by(CALLERS) {
                    assert!(verifier.verify(text, &Ask::ANYTHING).await.is_allowed());
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("every key is good");
    }
    Arc::into_inner(texts).expect("all callers are done")
}

fn text(number: usize) -> Box<str> {
    let random = Digest::of(&number.to_le_bytes());
    let label = KeyLabel::default();
    mint(&label, Environment::Production, random.as_bytes()).expose().into()
}

/// Fisher–Yates with splitmix64, so that neighbours in the list are strangers in memory.
fn shuffle(texts: &mut [Box<str>]) {
    let mut state = 1_u64;
    for index in (1..texts.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        texts.swap(index, (mixed >> 20) as usize % (index + 1));
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "an example composes its own clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(since.as_millis() as i64)
    }

    fn elapsed_millis(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed().as_millis() as u64
    }
}

/// Knows every digest as a typical key: a source, three short scopes and some limits, no metadata.
struct Anything {
    limits: Rates,
}

/// Limits that nobody reaches.
fn rates(count: usize) -> Rates {
    let limit = |place: usize| RateLimit {
        name: format!("limit {place}"),
        limit: 1_000_000_000,
        window_seconds: 60,
        burst: None,
        when_away: None,
    };
    Rates::new(None, &(0..count).map(limit).collect::<Vec<_>>())
}

impl KeySource for Anything {
    fn facts(&self, digests: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
        let reading = |digest| {
            let facts = typical(&digest);
            let limits = LineageLimits::new(facts.id, self.limits.clone());
            let facts = KeyFacts { limits, ..facts };
            KeyReading { digest, facts, shared_rates: SharedRates::default() }
        };
        let facts = digests.into_iter().map(reading).collect();
        Box::pin(async move { Ok(facts) })
    }

    fn routing(&self, _: ApplicationId) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>> {
        Box::pin(async { Ok(None) })
    }

    fn upstreams(&self, _: TenantId) -> BoxFuture<'_, Result<Upstreams, SourceUnavailable>> {
        Box::pin(async { Ok(Upstreams::default()) })
    }

    fn touch(&self, uses: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        drop(uses);
        Box::pin(async { Ok(()) })
    }

    fn count(&self, batch: UsageBatch) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        drop(batch);
        Box::pin(async { Ok(()) })
    }
}

fn typical(digest: &Digest) -> KeyFacts {
    let start = Timestamp::from_millis(1_700_000_000_000);
    let bits = digest.leading_bits();
    KeyFacts {
        id: KeyId::from_parts(start, u128::from(bits)),
        tenant_id: TenantId::from_parts(start, 1),
        application_id: ApplicationId::from_parts(start, u128::from(bits % APPLICATIONS)),
        customer_id: None,
        environment: Environment::Production,
        kind: KeyKind::Service { issued_to_service: None },
        source_id: Some("checkout-service".into()),
        trust_level: TrustLevel::External,
        scopes: Grants::parse(&["customers:read", "orders:read", "orders:write"]).expect("grants"),
        allowed_ips: AllowedIps::default(),
        metadata: "{}".into(),
        standing: KeyStatus::Active,
        expires_at: None,
        blocked: false,
        limits: None,
    }
}
