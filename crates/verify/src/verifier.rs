//! Verification: a presented text and a question in, the key and one decision out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use keystile_core::key::Presented;
use keystile_core::rate::UsedLimit;
use keystile_core::route::Table;
use keystile_core::usage::Latency;
use keystile_core::{
    ApplicationId, Ask, Clock, Code, Digest, KeyId, Refusal, Requirement, TenantId, Timestamp, Upstreams,
};
use keystile_measure::Striped;

use crate::background::{self, Background};
use crate::bounds::Bounds;
use crate::cache::{Cache, Look};
use crate::cached_key::CachedKey;
use crate::fill::Fills;
use crate::flight::Landing;
use crate::last_use::LastUses;
use crate::limiter::{Denied, Left, LimitLeft, Limiter};
use crate::meter::{OwnerId, OwnerUse};
use crate::quota::{Budgets, NoBudgets, Quota};
use crate::refilling::Short;
use crate::routings::Routings;
use crate::source::{KeySource, SourceUnavailable};
use crate::standing::Standing;
use crate::stats::Stats;
use crate::upstreams::Supplies;
use crate::usage::Usage;

/// Answers whether keys are good for what is asked of them.
pub struct Verifier {
    pub(crate) cache: Arc<Cache>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) fills: Arc<Fills>,
    pub(crate) routings: Routings,
    pub(crate) supplies: Supplies,
    uses: Arc<LastUses>,
    usage: Arc<Usage>,
    pub(crate) limiter: Arc<dyn Limiter>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) clock: Arc<dyn Clock>,
    hits: Striped,
    pub(crate) doubts: AtomicUsize,
    misses: AtomicU64,
    unavailable: AtomicU64,
}

/// The answer to a verification.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The key, when there is one that the asking tenant may know of; also of one that is refused.
    pub key: Option<Arc<CachedKey>>,
    /// Whether it may, or why not.
    pub outcome: Result<(), Refusal>,
    /// With a yes: what is left of the limits that bore on it.
    pub(crate) left: Left,
}

impl Verdict {
    /// A refusal without a key.
    pub const fn refused(code: Code) -> Self {
        Self { key: None, outcome: Err(Refusal::Plain(code)), left: Left::NONE }
    }

    /// With a yes, or in an explanation: what is left of each limit that bears on it.
    pub fn limits(&self) -> impl Iterator<Item = LimitLeft<'_>> {
        self.key.iter().flat_map(|key| self.left.iter(key.rates()))
    }

    /// The one code of the decision.
    pub fn code(&self) -> Code {
        self.outcome.as_ref().map_or_else(Refusal::code, |()| Code::Allowed)
    }

    /// Whether the answer is yes.
    pub const fn is_allowed(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// A well-formed text about which cannot be decided without waiting: its key is not in memory, or too little of a limit that nodes share is
/// at hand. [`Verifier::verify_cold`] waits. Holds the digest only, so the text need not be kept meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Cold {
    pub(crate) digest: Digest,
}

impl Verifier {
    /// A verifier with nothing in memory. It has no authority of budgets, so that whatever needs a part of one is refused as
    /// [`Code::EnforcementUnavailable`].
    pub fn new(
        source: Arc<dyn KeySource>,
        limiter: Arc<dyn Limiter>,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Arc<Self> {
        Self::with_budgets(source, limiter, Arc::new(NoBudgets), clock, bounds)
    }

    /// A verifier with nothing in memory, which leases parts of budgets and writes what was charged through `budgets`.
    pub fn with_budgets(
        source: Arc<dyn KeySource>,
        limiter: Arc<dyn Limiter>,
        budgets: Arc<dyn Budgets>,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Arc<Self> {
        let standing = Standing::always(Arc::clone(&clock));
        Self::made(standing, (source, limiter, budgets), clock, bounds)
    }

    /// The same as one of several, of which each has changes told to it for as long as it has a lease. It has none yet: until
    /// [`Self::extend_lease`], and whenever its lease is over, it reads anew for every question, keeps nothing, and takes nothing from
    /// budgets.
    pub fn of_a_node(
        source: Arc<dyn KeySource>,
        limiter: Arc<dyn Limiter>,
        budgets: Arc<dyn Budgets>,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Arc<Self> {
        let standing = Standing::on_lease(Arc::clone(&clock));
        Self::made(standing, (source, limiter, budgets), clock, bounds)
    }

    fn made(
        standing: Arc<Standing>,
        (source, limiter, budgets): (Arc<dyn KeySource>, Arc<dyn Limiter>, Arc<dyn Budgets>),
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Arc<Self> {
        let cache = Cache::new(bounds, Arc::clone(&clock));
        let (of_cache, of_source) = (Arc::clone(&cache), Arc::clone(&source));
        let quota = Quota::new(budgets, Arc::clone(&clock), Arc::clone(&standing));
        Arc::new(Self {
            routings: Routings::new(Arc::clone(&source), Arc::clone(&standing)),
            supplies: Supplies::new(Arc::clone(&source), Arc::clone(&standing)),
            fills: Fills::new(of_cache, of_source, Arc::clone(&clock), Arc::clone(&standing)),
            standing,
            uses: LastUses::new(Arc::clone(&source)),
            usage: Usage::new(source, Arc::clone(&clock)),
            quota,
            limiter,
            cache,
            clock,
            hits: Striped::default(),
            doubts: AtomicUsize::new(0),
            misses: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        })
    }

    /// Starts what runs beside the verifications: the regular writing of last uses and counts. Verifications work without
    /// it. Call it once, within a Tokio runtime that has time enabled.
    pub fn start(&self) -> Background {
        Background::start(Arc::clone(&self.uses), Arc::clone(&self.usage))
    }

    /// Decides, reading the key first if it is not in memory. Needs a Tokio runtime with time enabled.
    /// The future can be dropped at any moment; others who wait for the same key do not notice. It takes
    /// at most [`crate::FILL_TIMEOUT`]; then, or when the key cannot be read, the refusal is
    /// [`Code::EnforcementUnavailable`].
    pub async fn verify(&self, presented: &str, ask: &Ask<'_>) -> Verdict {
        match self.try_verify(presented, ask) {
            Ok(verdict) => verdict,
            Err(cold) => self.verify_cold(cold, ask).await,
        }
    }

    /// Decides at once if nothing has to be waited for: the text is malformed, or its key is in memory, or is known
    /// not to exist. Makes no store call and waits for nothing; allocates only to name a missing
    /// permission, or when the key has expired or is another customer's.
    ///
    /// # Errors
    /// When the key must be read, or a limit asked for, with what [`Self::verify_cold`] needs for it.
    pub fn try_verify(&self, presented: &str, ask: &Ask<'_>) -> Result<Verdict, Cold> {
        match self.find(presented)? {
            Ok(key) => self.judge(&key, ask, Latency::Memory).map_err(|Short| Cold { digest: *key.digest() }),
            Err(code) => Ok(Verdict::refused(code)),
        }
    }

    /// The same for whoever has shown the secret with this digest before, such as the bearer of a token that was made from
    /// its key: facts, limits and records of use are those of the key.
    pub async fn verify_held(&self, digest: Digest, ask: &Ask<'_>) -> Verdict {
        match self.find_held(digest) {
            Ok(Ok(key)) => match self.judge(&key, ask, Latency::Memory) {
                Ok(verdict) => verdict,
                Err(Short) => self.judge_waiting(key, ask, Latency::Memory).await,
            },
            Ok(Err(code)) => Verdict::refused(code),
            Err(cold) => self.verify_cold(cold, ask).await,
        }
    }

    /// Waits for what it takes and decides; the second half of [`Self::verify`].
    pub async fn verify_cold(&self, cold: Cold, ask: &Ask<'_>) -> Verdict {
        let found = match self.look_up(&cold.digest) {
            Look::Known(key) => Ok((key, Latency::Memory)),
            Look::Absent => Err(Code::KeyNotFound),
            Look::Unknown => self.read(cold).await,
        };
        match found {
            Ok((key, latency)) => self.judge_waiting(key, ask, latency).await,
            Err(code) => Verdict::refused(code),
        }
    }

    /// Decides about a key that had to be read, if there is one.
    ///
    /// # Errors
    /// When a limit has to be asked for, with the key.
    pub(crate) fn judge_read(
        &self,
        read: Result<(Arc<CachedKey>, Latency), Code>,
        ask: &Ask<'_>,
    ) -> Result<Verdict, (Arc<CachedKey>, Latency)> {
        match read {
            Ok((key, latency)) => self.judge(&key, ask, latency).map_err(|Short| (key, latency)),
            Err(code) => Ok(Verdict::refused(code)),
        }
    }

    /// Decides whether the key could do what is asked if it had every permission, as a first look at a request whose
    /// permissions are not known yet. A yes is counted nowhere, as the question itself is still to come; a refusal is the
    /// answer, and is counted as such.
    pub async fn look(&self, presented: &str, ask: &Ask<'_>) -> Verdict {
        match self.try_look(presented, ask) {
            Ok(verdict) => verdict,
            Err(cold) => self.look_cold(cold, ask).await,
        }
    }

    /// [`Self::look`], if that needs no read.
    ///
    /// # Errors
    /// When the key must be read, with what [`Self::look_cold`] needs for it.
    pub fn try_look(&self, presented: &str, ask: &Ask<'_>) -> Result<Verdict, Cold> {
        let found = self.find(presented)?;
        Ok(self.looked(found.map(|key| (key, Latency::Memory)), ask))
    }

    /// Reads the key and looks; the second half of [`Self::look`].
    pub async fn look_cold(&self, cold: Cold, ask: &Ask<'_>) -> Verdict {
        let found = self.read(cold).await;
        self.looked(found, ask)
    }

    /// What a first look tells of a key, if there is one.
    fn looked(&self, found: Result<(Arc<CachedKey>, Latency), Code>, ask: &Ask<'_>) -> Verdict {
        let (key, latency) = match found {
            Ok(found) => found,
            Err(code) => return Verdict::refused(code),
        };
        let (ask, now) = (Ask { permissions: Requirement::NONE, ..*ask }, self.clock.now());
        let outcome = key.decide(&ask, now);
        match &outcome {
            Ok(()) => {}
            Err(Refusal::Plain(Code::KeyNotFound)) => return Verdict::refused(Code::KeyNotFound),
            Err(refusal) => self.count_refusal(&key, refusal, latency, now),
        }
        Verdict { key: Some(key), outcome, left: Left::NONE }
    }

    /// Like [`Self::try_verify`], for somebody who asks about keys of others: it counts neither against the limits that bear on
    /// the key nor as a decision about it, for one request would then be counted twice. That it was used is noted.
    ///
    /// # Errors
    /// When the key must be read, with what [`Self::identify_cold`] needs for it.
    pub fn try_identify(&self, presented: &str, ask: &Ask<'_>) -> Result<Verdict, Cold> {
        Ok(match self.find(presented)? {
            Ok(key) => self.recognise(key, ask),
            Err(code) => Verdict::refused(code),
        })
    }

    /// [`Self::try_identify`] and the read, for whoever has shown the secret with this digest before; see [`Self::verify_held`].
    pub async fn identify_held(&self, digest: Digest, ask: &Ask<'_>) -> Verdict {
        match self.find_held(digest) {
            Ok(Ok(key)) => self.recognise(key, ask),
            Ok(Err(code)) => Verdict::refused(code),
            Err(cold) => self.identify_cold(cold, ask).await,
        }
    }

    /// Reads the key and decides; the second half of [`Self::try_identify`].
    pub async fn identify_cold(&self, cold: Cold, ask: &Ask<'_>) -> Verdict {
        match self.read(cold).await {
            Ok((key, _)) => self.recognise(key, ask),
            Err(code) => Verdict::refused(code),
        }
    }

    /// The key of a text, or why there is none, if that needs no read.
    fn find(&self, presented: &str) -> Result<Result<Arc<CachedKey>, Code>, Cold> {
        if Presented::parse(presented).is_err() {
            return Ok(Err(Code::KeyMalformed));
        }
        self.find_held(Digest::of(presented.as_bytes()))
    }

    /// The key of a digest, or why there is none, if that needs no read.
    fn find_held(&self, digest: Digest) -> Result<Result<Arc<CachedKey>, Code>, Cold> {
        let found = match self.look_up(&digest) {
            Look::Known(key) => Ok(key),
            Look::Absent => Err(Code::KeyNotFound),
            Look::Unknown => return Err(Cold { digest }),
        };
        self.hits.add_one(0);
        Ok(found)
    }

    /// Reads a key, and tells how long that took, or why there is none.
    pub(crate) async fn read(&self, cold: Cold) -> Result<(Arc<CachedKey>, Latency), Code> {
        let began = self.clock.elapsed();
        let landing = self.fills.find(&cold.digest).await;
        self.landed(landing, began)
    }

    /// What came of a read that began at that moment.
    pub(crate) fn landed(
        &self,
        landing: Landing,
        began: Duration,
    ) -> Result<(Arc<CachedKey>, Latency), Code> {
        self.misses.fetch_add(1, Ordering::Relaxed);
        match landing {
            Landing::Found(key) => Ok((key, Latency::of(self.clock.elapsed().saturating_sub(began)))),
            Landing::Absent => Err(Code::KeyNotFound),
            Landing::Overtaken | Landing::Unavailable => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                Err(Code::EnforcementUnavailable)
            }
        }
    }

    /// The routes of an application, if that needs no read; `Some(None)` for one that has none. Makes no store call and
    /// waits for nothing.
    pub fn try_routing(&self, id: ApplicationId) -> Option<Option<Arc<Table>>> {
        self.routings.look_up(id)
    }

    /// The routes of an application, read if they are not in memory; none for one that has none. It takes at most
    /// [`crate::FILL_TIMEOUT`]. Meant for bearers of a good key of that application: the bound on what is kept holds
    /// for anybody, but whoever invents applications would push others out.
    ///
    /// # Errors
    /// When they cannot be read now; nothing may pass then.
    pub async fn routing(&self, id: ApplicationId) -> Result<Option<Arc<Table>>, SourceUnavailable> {
        self.routings.find(id).await
    }

    /// What the gateway of a tenant may send requests to, if that needs no read. Makes no store call and waits for nothing.
    pub fn try_upstreams(&self, id: TenantId) -> Option<Arc<Upstreams>> {
        self.supplies.look_up(id)
    }

    /// The same, read if it is not in memory; empty for a tenant without providers. It takes at most [`crate::FILL_TIMEOUT`]. Meant
    /// for bearers of a good key of the tenant, as [`Self::routing`] is for those of an application.
    ///
    /// # Errors
    /// When it cannot be read now; nothing may be sent anywhere then.
    pub async fn upstreams(&self, id: TenantId) -> Result<Arc<Upstreams>, SourceUnavailable> {
        self.supplies.find(id).await
    }

    /// What more was used of limits since the last call, for somebody to keep over a restart: of owners with a window of ten
    /// minutes or more, or of `all`. Takes the lock of each meter for a moment.
    pub fn limits_to_keep(&self, all: bool) -> Vec<OwnerUse> {
        self.fills.meters().to_keep(self.clock.elapsed_millis(), all)
    }

    /// These could not be kept: they will be among the next.
    pub fn keep_again(&self, owners: impl Iterator<Item = OwnerId>) {
        let now = self.clock.elapsed_millis();
        owners.for_each(|owner| self.fills.meters().of(owner, now).note_use());
    }

    /// Puts back what was kept `elapsed_millis` ago. Call it before the first verification.
    pub fn restore_limits(&self, owner: OwnerId, kept: &[UsedLimit], elapsed_millis: u64) {
        self.fills.meters().restore(owner, kept, elapsed_millis, self.clock.elapsed_millis());
    }

    /// Writes the last uses and counts that are pending; [`Background`] does it every [`crate::FLUSH_EVERY`].
    ///
    /// # Errors
    /// When they cannot be written now; they stay pending.
    pub async fn flush(&self) -> Result<(), SourceUnavailable> {
        background::flush(&self.uses, &self.usage).await
    }

    /// Writes what is counted of one key until now, for somebody who is about to read it: gathers the counts of all keys in
    /// memory, and writes those of this one.
    ///
    /// # Errors
    /// When they cannot be written now; they stay pending.
    pub async fn flush_usage(&self, tenant_id: TenantId, id: KeyId) -> Result<(), SourceUnavailable> {
        self.usage.flush_key(tenant_id, id).await
    }

    /// Writes what is counted of all keys until now, for somebody who is about to read it, if that takes no more than one
    /// write of [`crate::COUNTS_PER_WRITE`]. What is more is written within [`crate::FLUSH_EVERY`].
    ///
    /// # Errors
    /// When they cannot be written now; they stay pending.
    pub async fn flush_few(&self) -> Result<(), SourceUnavailable> {
        self.usage.flush_few().await
    }

    /// A reading of all counters. Takes each lock of the cache for a moment; meant for every few seconds.
    pub fn stats(&self) -> Stats {
        let census = self.cache.census();
        Stats {
            keys: census.keys,
            absent: census.absent,
            routings: self.routings.slots.len(),
            upstreams: self.supplies.slots.len(),
            profiles: self.fills.profiles(),
            meters: self.fills.meters().len(),
            hits: self.hits.sum(0),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: census.evictions,
            absent_evictions: census.absent_evictions,
            flights: census.flights,
            waiting: self.fills.waiting(),
            queries: self.fills.queries(),
            unavailable: self.unavailable.load(Ordering::Relaxed),
            uses_pending: self.uses.pending(),
            doubts: self.doubts.load(Ordering::Relaxed),
            flush_failures: self.usage.failed_flushes(),
            uncounted: self.usage.lost(),
        }
    }

    pub(crate) fn judge(
        &self,
        key: &Arc<CachedKey>,
        ask: &Ask<'_>,
        latency: Latency,
    ) -> Result<Verdict, Short> {
        let now = self.clock.now();
        let judged = match key.decide(ask, now) {
            Ok(()) => self.take(key, ask.cost)?,
            Err(refusal) => Err(refusal),
        };
        let known = || Some(Arc::clone(key));
        Ok(match judged {
            Ok(left) => {
                self.uses.note(key, now, ask.ip);
                if latency == Latency::Memory {
                    self.usage.allowed(key, now);
                } else {
                    self.usage.apart(key, Code::Allowed, latency, now);
                }
                Verdict { key: known(), outcome: Ok(()), left }
            }
            Err(Refusal::Plain(Code::KeyNotFound)) => Verdict::refused(Code::KeyNotFound),
            Err(refusal) => {
                self.count_refusal(key, &refusal, latency, now);
                Verdict { key: known(), outcome: Err(refusal), left: Left::NONE }
            }
        })
    }

    /// Counts a refusal, but not one of another tenant's question, for which the key does not exist.
    pub(crate) fn count_refusal(&self, key: &CachedKey, refusal: &Refusal, latency: Latency, now: Timestamp) {
        if refusal.code() != Code::KeyNotFound {
            self.usage.apart(key, refusal.code(), latency, now);
        }
    }

    fn recognise(&self, key: Arc<CachedKey>, ask: &Ask<'_>) -> Verdict {
        let now = self.clock.now();
        let outcome = key.decide(ask, now);
        match outcome {
            Ok(()) => self.uses.note(&key, now, ask.ip),
            Err(Refusal::Plain(Code::KeyNotFound)) => return Verdict::refused(Code::KeyNotFound),
            Err(_) => {}
        }
        Verdict { key: Some(key), outcome, left: Left::NONE }
    }

    /// Counts the request against all limits that bear on it.
    fn take(&self, key: &CachedKey, cost: u32) -> Result<Result<Left, Refusal>, Short> {
        let demands = key.demands();
        if demands.is_empty() {
            return Ok(Ok(Left::NONE));
        }
        match self.limiter.take(&demands, cost) {
            Ok(left) => Ok(Ok(left)),
            Err(Denied::Full(exceeded)) => Ok(Err(Refusal::RateLimited(Box::new(exceeded)))),
            Err(Denied::Unavailable) => Ok(Err(Refusal::Plain(Code::EnforcementUnavailable))),
            Err(Denied::Short) => Err(Short),
        }
    }
}
