//! Where the limits of all owners are stated to their authority: one round trip at a time, with all that wait in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::{Clock, WhenAway};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::joint::{Away, Heard, Inner, Joint, Now};
use super::measures::{RateMeasures, RateStats};
use super::port::{Answer, RateAuthority, Statement};
use crate::meter::Meters;

/// Owners in one round trip: some milliseconds of the authority's time, which serves others as well.
const OWNERS_TOGETHER: usize = 128;
/// How often it is looked what is to be told.
const TICK: Duration = Duration::from_millis(50);
/// So often the authority is asked whether it is there, and still remembers.
const PROBE: Duration = Duration::from_millis(250);
/// After the authority was away, what was used meanwhile is told for so long before anything is reserved, by all nodes.
const RETURN: Duration = Duration::from_millis(500);
/// Then no node uses a part of its own any more, and for so long none reserves anything, so that all have come as far: they notice within a probe
/// and a look that the authority is back. Requests wait meanwhile.
const QUIET: Duration = Duration::from_millis(350);
/// Longest that a request waits for one answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// See the module.
pub(crate) struct Desk {
    authority: Arc<dyn RateAuthority>,
    clock: Arc<dyn Clock>,
    usual: WhenAway,
    nodes: AtomicU64,
    absences: AtomicU64,
    number: AtomicU64,
    /// Whether the authority is asked; if not, each limit's policy holds.
    shares: AtomicBool,
    queue: Mutex<Vec<Arc<Joint>>>,
    active: Mutex<Vec<Arc<Joint>>>,
    wake: Notify,
    settled: Notify,
    pub(super) measures: RateMeasures,
}

/// What was heard of the authority.
#[derive(Default)]
struct Contact {
    epoch: Option<u64>,
    asked_at: Option<Instant>,
    /// Whether it has not answered since it last did for a while.
    was_away: bool,
    back_at: Option<Instant>,
    /// Whether nothing could be reserved since it last could for a while.
    was_closed: bool,
    open_at: Option<Instant>,
}

impl Contact {
    /// Notes whether limits are shared from now on.
    fn note(&mut self, shares: bool) {
        if shares {
            self.open_at.get_or_insert_with(Instant::now);
        } else {
            (self.was_closed, self.open_at) = (true, None);
        }
    }

    /// Whether more may be asked for.
    fn asks(&mut self) -> bool {
        let Some(open_at) = self.open_at else { return false };
        self.was_closed &= open_at.elapsed() < QUIET;
        !self.was_closed
    }
}

/// The task that states.
#[must_use = "dropping it ends the sharing of limits"]
pub struct Stating {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Stating {
    /// Gives back what is reserved.
    pub async fn stop(self) {
        drop(self.stop);
        // What it could not give back counts as used a second later.
        let _ended = self.task.await;
    }
}

impl Desk {
    pub(super) fn new(
        authority: Arc<dyn RateAuthority>,
        clock: Arc<dyn Clock>,
        usual: WhenAway,
    ) -> Arc<Self> {
        Arc::new(Self {
            authority,
            clock,
            usual,
            nodes: AtomicU64::new(1),
            absences: AtomicU64::new(0),
            number: AtomicU64::new(1),
            shares: AtomicBool::new(false),
            queue: Mutex::default(),
            active: Mutex::default(),
            wake: Notify::new(),
            settled: Notify::new(),
            measures: RateMeasures::default(),
        })
    }

    pub(super) fn start(
        self: &Arc<Self>,
        meters: Arc<Meters>,
        nodes: impl Fn() -> usize + Send + 'static,
    ) -> Stating {
        let (stop, stopped) = oneshot::channel();
        Stating { stop, task: tokio::spawn(Arc::clone(self).run(meters, nodes, stopped)) }
    }

    pub(crate) fn now(&self) -> Now {
        Now { elapsed: self.clock.elapsed_millis(), unslept: self.clock.unslept_millis() }
    }

    /// What a node may do now without asking, if the authority cannot be asked.
    pub(super) fn away(&self) -> Option<Away> {
        (!self.shares.load(Ordering::Acquire)).then(|| self.as_if_away())
    }

    /// The same, also if what is known of this owner is not settled.
    pub(crate) fn away_for(&self, known: &Inner, now: Now) -> Option<Away> {
        self.away().or_else(|| known.holding.is_unsettled(now.unslept).then(|| self.as_if_away()))
    }

    pub(crate) fn as_if_away(&self) -> Away {
        Away {
            usual: self.usual,
            nodes: self.nodes.load(Ordering::Relaxed).max(1),
            absence: self.absences.load(Ordering::Relaxed),
        }
    }

    fn set_nodes(&self, nodes: usize) {
        self.nodes.store(nodes as u64, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> RateStats {
        self.measures.read(self.shares.load(Ordering::Acquire), self.active.lock().len())
    }

    /// Waits until the authority can be asked.
    pub(super) async fn is_settled(&self) {
        loop {
            let settled = self.settled.notified();
            if self.shares.load(Ordering::Acquire) {
                return;
            }
            settled.await;
        }
    }

    /// From now on it is come back to, until nothing is left to be told.
    pub(crate) fn activate(&self, joint: &Arc<Joint>) {
        if !joint.is_active.swap(true, Ordering::AcqRel) {
            self.active.lock().push(Arc::clone(joint));
        }
    }

    /// It is stated with the next round trip.
    pub(super) fn queue(&self, joint: &Arc<Joint>) {
        self.activate(joint);
        if !joint.is_queued.swap(true, Ordering::AcqRel) {
            self.queue.lock().push(Arc::clone(joint));
            self.wake.notify_one();
        }
    }

    /// Waits for one answer about an owner of which `least` to `most` are needed.
    pub(crate) fn refill(
        self: &Arc<Self>,
        joint: &Arc<Joint>,
        least: u64,
        most: u64,
    ) -> impl Future<Output = ()> + Send + 'static {
        let until = {
            let mut inner = joint.lock();
            inner.holding.wait_for(least, most);
            // What is under way does not ask for it.
            inner.turns + if inner.holding.is_in_flight() { 2 } else { 1 }
        };
        self.queue(joint);
        let (desk, joint) = (Arc::clone(self), Arc::clone(joint));
        async move {
            let heard = async {
                loop {
                    let heard = joint.heard.notified();
                    tokio::pin!(heard);
                    let _is_late = heard.as_mut().enable();
                    if joint.lock().turns >= until || desk.away().is_some() {
                        return;
                    }
                    heard.await;
                }
            };
            // Whoever has waited so long is refused or served by what is known then.
            let _late = tokio::time::timeout(PATIENCE, heard).await;
        }
    }

    async fn run(
        self: Arc<Self>,
        meters: Arc<Meters>,
        nodes: impl Fn() -> usize + Send,
        mut stopped: oneshot::Receiver<()>,
    ) {
        self.set_nodes(nodes());
        let (mut contact, mut ticked) = (Contact::default(), Instant::now());
        loop {
            self.state_queued(&mut contact, &meters).await;
            // However much is queued all the time.
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.set_nodes(nodes());
                self.queue_due();
                if self.queue.lock().is_empty() && contact.asked_at.is_none_or(|at| at.elapsed() >= PROBE) {
                    let _answered = self.state(&mut contact, &meters, &[]).await;
                }
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(ticked + TICK) => {}
                _ = &mut stopped => break,
            }
        }
        self.shares.store(false, Ordering::Release);
        let all = std::mem::take(&mut *self.active.lock());
        all.iter().for_each(|joint| joint.lock().holding.retire());
        for joints in all.chunks(OWNERS_TOGETHER) {
            // An authority that is away holds no end up.
            if !self.state(&mut contact, &meters, joints).await {
                break;
            }
        }
    }

    async fn state_queued(&self, contact: &mut Contact, meters: &Meters) {
        let queued = std::mem::take(&mut *self.queue.lock());
        let mut calls = queued.chunks(OWNERS_TOGETHER);
        for joints in calls.by_ref() {
            if !self.state(contact, meters, joints).await {
                break;
            }
        }
        // Nobody waits for an authority that is away.
        for joint in calls.flatten() {
            joint.is_queued.store(false, Ordering::Release);
            joint.heard.notify_waiters();
        }
    }

    /// Queues what has something to tell, and lets go of what has not.
    fn queue_due(&self) {
        let now = self.now();
        let mut due = Vec::new();
        self.active.lock().retain(|joint| {
            let inner = joint.lock();
            let stays = !inner.holding.is_spent();
            joint.is_active.store(stays, Ordering::Release);
            if inner.holding.is_due(now.unslept) {
                due.push(Arc::clone(joint));
            }
            stays
        });
        due.iter().for_each(|joint| self.queue(joint));
    }

    /// One round trip. Tells whether it was answered.
    async fn state(&self, contact: &mut Contact, meters: &Meters, joints: &[Arc<Joint>]) -> bool {
        let (now, asks) = (self.now(), contact.asks());
        let absence = self.absences.load(Ordering::Relaxed);
        let state = |joint: &Arc<Joint>| {
            joint.is_queued.store(false, Ordering::Release);
            joint.state(self.number.fetch_add(1, Ordering::Relaxed), asks, absence, now)
        };
        let statements: Arc<[Statement]> = joints.iter().map(state).collect();
        contact.asked_at = Some(Instant::now());
        let answer = self.authority.state(Arc::clone(&statements), self.as_if_away().nodes).await.ok();
        self.measures.note(&statements, answer.as_ref());
        let now = self.now();
        let shares = self.note_contact(contact, meters, answer.as_ref());
        contact.note(shares);
        if self.shares.swap(shares, Ordering::AcqRel) != shares && shares {
            self.settled.notify_waiters();
        }
        for (place, (joint, statement)) in joints.iter().zip(statements.iter()).enumerate() {
            let heard = answer.as_ref().and_then(|answer| heard(answer, place));
            joint.hear(statement, heard, asks, now);
        }
        answer.is_some()
    }

    /// Tells whether the authority can be asked from now on.
    fn note_contact(&self, contact: &mut Contact, meters: &Meters, answer: Option<&Answer>) -> bool {
        let Some(answer) = answer else {
            contact.was_away = true;
            if contact.back_at.take().is_some() {
                self.absences.fetch_add(1, Ordering::Relaxed);
            }
            return false;
        };
        if contact.epoch.replace(answer.epoch).is_some_and(|known| known != answer.epoch) {
            self.measures.note_forgotten();
            // What is known of owners that nobody asks for now has to be told as well, before anything is reserved.
            let now = self.now();
            for joint in meters.joints(now.elapsed) {
                joint.lock().holding.retell(now.unslept);
                self.queue(&joint);
            }
        }
        let back_at = *contact.back_at.get_or_insert_with(Instant::now);
        if answer.unsettled_millis > 0 || (contact.was_away && back_at.elapsed() < RETURN) {
            return false;
        }
        contact.was_away = false;
        true
    }
}

/// What was answered to the statement at `place`.
fn heard(answer: &Answer, place: usize) -> Option<Heard<'_>> {
    let grant = answer.grants.get(place)?.as_ref()?;
    Some(Heard { grant, unsettled_millis: answer.unsettled_millis.max(grant.unsettled_millis) })
}
