//! The courier: what it needs, the task that goes round, and the message of the test button.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::webhook::{Attempt, Reach};
use keystile_core::{Clock, DeliveryId, Entropy, WebhookId};
use keystile_manage::{ControlPlane, Target};
use keystile_store::{Backlog, Store, StoreError};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::dispatch::Dispatch;
use crate::message::of_test;
use crate::paces::Paces;
use crate::sending::Sender;
use crate::spending::watch_budgets;
use crate::stats::{Counts, CourierStats, Outcome};
use crate::telling::tell_all;
use crate::watching::watch;

/// Attempts under way at once, each with a connection: places for some sixty receivers that are slow at the same time.
const PLACES: usize = 256;
/// Test messages under way at once: people wait for them, and nobody needs many.
const TESTS: usize = 8;
/// Attempts that are noted at once: each takes a connection to the database.
const NOTES: usize = 4;
/// Longest until the sealed log is looked at, for what other processes sealed; who seals in this one wakes.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// Shortest time between two looks at it.
const TELL_PAUSE: Duration = Duration::from_millis(200);
/// Until a store is asked again that has not answered.
const AWAY: Duration = Duration::from_millis(500);
/// Time between two counts of what waits.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// They go through all of it, so that this many times as long as one took is waited for the next.
const COUNT_SELDOM: u32 = 100;
/// Time between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(10 * 60);
/// Pause between two steps of a sweep, for others that write.
const BREATH: Duration = Duration::from_millis(50);
/// How long deliveries are kept: as long as a receiver that was away may want to see what it missed.
pub(crate) const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long attempts under way may take to end when the server stops. What does not is sent again after the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// Tells webhooks what happens; clones are the same.
#[derive(Clone)]
pub struct Courier(pub(crate) Arc<Shared>);

/// What all parts of it use.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) control: ControlPlane,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) sender: Sender,
    pub(crate) counts: Counts,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) notes: Semaphore,
    pub(crate) under_way: Mutex<HashSet<(WebhookId, DeliveryId)>>,
    pub(crate) paces: Paces,
    /// Webhooks of which something has changed that waits for them.
    pub(crate) changed: Mutex<HashSet<WebhookId>>,
    wake: Notify,
    tests: Semaphore,
}

/// Why there is no courier.
#[derive(Debug, thiserror::Error)]
#[error("messages to webhooks cannot be sent from this machine")]
pub struct CourierError(#[from] reqwest::Error);

/// So many test messages are under way that this one must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many test messages are being sent; try again in a moment")]
pub struct TooManyTests;

/// The courier at work. When it is only dropped, the sending ends by itself.
#[must_use = "dropping it ends the sending"]
pub struct Running {
    stop: oneshot::Sender<()>,
    rounds: JoinHandle<()>,
    watching: [JoinHandle<()>; 2],
}

impl Courier {
    /// A courier that sends to addresses within `reach`. It does nothing by itself until [`Self::start`].
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(
        (store, control): (Store, ControlPlane),
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        reach: Reach,
    ) -> Result<Self, CourierError> {
        let sender = Sender::new(Arc::new(reach), Arc::clone(&clock))?;
        Ok(Self(Arc::new(Shared {
            store,
            control,
            clock,
            entropy,
            sender,
            counts: Counts::default(),
            places: Arc::new(Semaphore::new(PLACES)),
            notes: Semaphore::new(NOTES),
            under_way: Mutex::default(),
            paces: Paces::default(),
            changed: Mutex::default(),
            wake: Notify::new(),
            tests: Semaphore::new(TESTS),
        })))
    }

    /// Begins to tell and to send, first what is there already. Needs a Tokio runtime that goes on until it is stopped.
    pub fn start(&self) -> Running {
        let (stop, stopped) = oneshot::channel();
        let rounds = tokio::spawn(go_round(Arc::clone(&self.0), stopped));
        let keys = tokio::spawn(watch(Arc::clone(&self.0)));
        let budgets = tokio::spawn(watch_budgets(Arc::clone(&self.0)));
        let watching = [keys, budgets];
        Running { stop, rounds, watching }
    }

    /// Sends the message of the test button at once, and tells how that went. It is noted nowhere.
    ///
    /// # Errors
    /// When too many are being sent.
    pub async fn test(&self, target: &Target) -> Result<Attempt, TooManyTests> {
        let shared = &self.0;
        let _place = shared.tests.try_acquire().map_err(|_| TooManyTests)?;
        let now = shared.clock.now();
        let id = DeliveryId::from_parts(now, u128::from(shared.random()));
        let attempt = shared.sender.send(target, &id.to_string(), &of_test(target.webhook.id, now)).await;
        shared.counts.note(Outcome::of(&attempt));
        Ok(attempt)
    }

    /// Lets it look at once for what is due for a webhook, after somebody has changed something, and so may have mended it.
    pub fn look(&self, webhook_id: WebhookId) {
        self.0.paces.forget(webhook_id);
        self.0.look_at(webhook_id);
    }

    /// How the sending goes.
    pub fn stats(&self) -> CourierStats {
        self.0.counts.read(PLACES - self.0.places.available_permits())
    }

    /// How long the oldest message has waited that waits for a webhook that is on.
    pub fn oldest_waits_for(&self) -> Duration {
        let oldest = self.stats().oldest;
        let waits = oldest.map_or(0, |at| self.0.clock.now().as_millis().saturating_sub(at.as_millis()));
        Duration::from_millis(u64::try_from(waits).unwrap_or(0))
    }
}

impl Shared {
    /// Lets the next round, which begins at once, look at what waits for a webhook.
    pub(crate) fn look_at(&self, webhook_id: WebhookId) {
        self.changed.lock().insert(webhook_id);
        self.wake.notify_one();
    }

    /// Spreads repeats, and names test messages. Without random bytes the time will do for both.
    pub(crate) fn random(&self) -> u64 {
        let mut random = [0; 8];
        match self.entropy.fill(&mut random) {
            Ok(()) => u64::from_be_bytes(random),
            Err(_) => self.clock.now().as_millis().unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }
}

impl Running {
    /// Lets what is under way end, for five seconds at most.
    pub async fn stop(self) {
        self.watching.iter().for_each(JoinHandle::abort);
        drop(self.stop);
        if self.rounds.await.is_err() {
            tracing::error!("the sending of messages to webhooks ended with a panic");
        }
    }
}

async fn go_round(shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let (mut dispatch, mut chores, mut works) = (Dispatch::new(), Chores::due_now(), true);
    loop {
        let round = round(&shared, &mut dispatch, &mut chores).await;
        match (&round, works) {
            (Err(error), true) => {
                let error: &dyn std::error::Error = error;
                tracing::warn!(error, "webhooks cannot be told now; they will be when the store answers");
            }
            (Ok(_), false) => tracing::info!("webhooks are told again"),
            (Ok(_), true) | (Err(_), false) => {}
        }
        works = round.is_ok();
        tokio::select! {
            () = next_round(&shared, &mut chores, round.ok()) => {}
            _ = &mut stopped => break,
        }
    }
    let _drained = tokio::time::timeout(DRAIN, dispatch.finish()).await;
}

/// Waits until then, or until something has happened. A store that is away is asked again after a pause, whoever wakes.
async fn next_round(shared: &Shared, chores: &mut Chores, next: Option<Instant>) {
    let Some(next) = next else { return tokio::time::sleep(AWAY).await };
    tokio::select! {
        () = tokio::time::sleep_until(next) => {}
        () = shared.wake.notified() => {}
        () = shared.store.sealed() => chores.tell_soon(),
    }
}

/// Does what is due, and tells when the next round is at the latest.
pub(crate) async fn round(
    shared: &Arc<Shared>,
    dispatch: &mut Dispatch,
    chores: &mut Chores,
) -> Result<Instant, StoreError> {
    let now = Instant::now();
    if now >= chores.tell_at {
        chores.told_at = now;
        // There may be more to tell: the next round goes on with it at once.
        if !tell_all(shared).await? {
            chores.tell_at = now + TELL_EVERY;
        }
    }
    let look_at = dispatch.round(shared).await?;
    if now >= chores.count_at {
        let began = Instant::now();
        let is_idle = dispatch.is_idle();
        let backlog = if is_idle { Backlog::default() } else { shared.store.webhook_backlog().await? };
        shared.counts.set_backlog(backlog);
        chores.count_at = now + COUNT_EVERY.max((Instant::now() - began) * COUNT_SELDOM);
    }
    if now >= chores.sweep_at {
        let before = shared.clock.now().minus(KEPT);
        let swept = shared.store.sweep_deliveries(before).await?;
        chores.sweep_at = now + if swept == 0 { SWEEP_EVERY } else { BREATH };
    }
    Ok(look_at.min(chores.next()))
}

/// When what is not done in every round is done next.
pub(crate) struct Chores {
    tell_at: Instant,
    told_at: Instant,
    count_at: Instant,
    sweep_at: Instant,
}

impl Chores {
    pub(crate) fn due_now() -> Self {
        let now = Instant::now();
        Self { tell_at: now, told_at: now, count_at: now, sweep_at: now }
    }

    /// Something was sealed.
    fn tell_soon(&mut self) {
        self.tell_at = self.tell_at.min(self.told_at + TELL_PAUSE);
    }

    fn next(&self) -> Instant {
        self.tell_at.min(self.count_at).min(self.sweep_at)
    }
}
