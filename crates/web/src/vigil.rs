//! Watches over the connections of a listener: ends those that are idle, and all of them when the server stops.
//!
//! One task does it for all, looking at each a few times within its patience. A timer of its own for each connection would be set
//! and taken back for each request and looked at each time that something comes; both together cost a request more than reading it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::metrics::Connections;
use crate::pace::Pace;

/// Looks within the patience: what is to end ends an eighth of it late at most.
const LOOKS: u64 = 8;
/// Looks after which the patience with an idle connection is over: the first may come right after its last move.
const IDLE: u64 = LOOKS + 1;
/// Looks after which one is given up that was to finish and is idle still.
const GONE: u64 = IDLE + LOOKS;
/// Between two looks at least: a timer takes no shorter one.
const SHORTEST: Duration = Duration::from_millis(1);
/// Stands for the look since which a head is waited for where none is.
const NOT_AWAITED: u64 = u64::MAX;

/// What a connection has been told to do.
const GO_ON: u8 = 0;
/// To answer what is asked and then to end.
const FINISH: u8 = 1;
/// To end at once.
const LEAVE: u8 = 2;

/// All connections of a listener.
pub(crate) struct Vigil {
    connections: Arc<Connections>,
    open: Mutex<Open>,
    /// How often it has looked.
    looks: Arc<AtomicU64>,
}

#[derive(Default)]
struct Open {
    watched: HashMap<u64, Seen>,
    accepted: u64,
}

/// A connection, and what was seen of it at the last look.
struct Seen {
    watched: Arc<Watched>,
    moves: usize,
    /// Looks at which it was idle, since it last moved.
    idle: u64,
}

/// What the task of a connection and the vigil tell each other.
struct Watched {
    pace: Arc<Pace>,
    order: AtomicU8,
    /// The look since which a head of HTTP/1 is waited for.
    head_since: AtomicU64,
    is_head_late: AtomicBool,
    task: AtomicWaker,
    looks: Arc<AtomicU64>,
}

/// A connection that is watched over until the value is dropped.
pub(crate) struct Watch {
    vigil: Arc<Vigil>,
    number: u64,
    watched: Arc<Watched>,
}

impl Vigil {
    /// Watches over the connections of a listener, with so much patience. Needs a Tokio runtime with time enabled.
    pub(crate) fn begin(connections: Arc<Connections>, patience: Duration) -> Arc<Self> {
        let vigil = Arc::new(Self { connections, open: Mutex::default(), looks: Arc::default() });
        tokio::spawn(keep(Arc::downgrade(&vigil), (patience / LOOKS as u32).max(SHORTEST)));
        vigil
    }

    /// Watches over one more.
    pub(crate) fn watch(self: &Arc<Self>, pace: Arc<Pace>) -> Watch {
        let watched = Arc::new(Watched {
            pace,
            order: AtomicU8::new(GO_ON),
            head_since: AtomicU64::new(NOT_AWAITED),
            is_head_late: AtomicBool::new(false),
            task: AtomicWaker::new(),
            looks: Arc::clone(&self.looks),
        });
        let mut open = self.open.lock();
        open.accepted += 1;
        let number = open.accepted;
        open.watched.insert(number, Seen { watched: Arc::clone(&watched), moves: 0, idle: 0 });
        Watch { vigil: Arc::clone(self), number, watched }
    }

    /// Tells all to finish; there must be no further ones.
    pub(crate) fn end(&self) {
        for seen in self.open.lock().watched.values() {
            seen.watched.tell(FINISH);
        }
    }

    fn look(&self) {
        let look = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        for seen in self.open.lock().watched.values_mut() {
            if seen.look(look) {
                self.connections.note_idle();
            }
        }
    }
}

/// Looks at all connections until nobody holds the vigil.
async fn keep(vigil: Weak<Vigil>, every: Duration) {
    let mut turns = interval_at(tokio::time::Instant::now() + every, every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        match vigil.upgrade() {
            Some(vigil) => vigil.look(),
            None => return,
        }
    }
}

impl Seen {
    /// Tells the connection what follows from how it is: one that has been idle for the whole patience finishes, and one that is so
    /// for as long again does not take its answer, and leaves. Tells whether its end begins with that.
    fn look(&mut self, look: u64) -> bool {
        let head_since = self.watched.head_since.load(Ordering::Relaxed);
        if head_since != NOT_AWAITED && look - head_since > LOOKS {
            self.watched.is_head_late.store(true, Ordering::Release);
            self.watched.task.wake();
        }
        self.idle = if self.watched.pace.is_idle(&mut self.moves) { self.idle + 1 } else { 0 };
        match self.idle {
            IDLE => self.watched.tell(FINISH),
            GONE => {
                self.watched.tell(LEAVE);
                false
            }
            _ => false,
        }
    }
}

impl Watched {
    /// Tells whether this is the first order.
    fn tell(&self, order: u8) -> bool {
        let before = self.order.fetch_max(order, Ordering::Release);
        self.task.wake();
        before == GO_ON
    }

    fn await_head(&self) {
        self.is_head_late.store(false, Ordering::Relaxed);
        self.head_since.store(self.looks.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The last order. The task of `context` is woken for the next.
    fn hear(&self, context: &Context<'_>) -> u8 {
        self.task.register(context.waker());
        self.order.load(Ordering::Acquire)
    }
}

impl Watch {
    /// Carries the connection to its end: until the client ends it, or it does as `finish` says because the server stops or the client
    /// leaves it idle; `None` if it is left. hyper's own
    /// timeouts are for the heads of HTTP/1; a client may also never tell its version, open no stream for long, or not take its
    /// answer.
    pub(crate) async fn attend<C: Future>(
        &self,
        connection: C,
        mut finish: impl FnMut(Pin<&mut C>),
    ) -> Option<C::Output> {
        let (mut connection, mut is_finishing) = (pin!(connection), false);
        poll_fn(|context| {
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                    return Poll::Ready(Some(ended));
                }
                match self.watched.hear(context) {
                    LEAVE => return Poll::Ready(None),
                    FINISH if !is_finishing => {
                        is_finishing = true;
                        finish(connection.as_mut());
                    }
                    _ => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// What hyper measures the time of heads with.
    pub(crate) fn head_timer(&self) -> impl Timer + Send + Sync + 'static {
        HeadTimer { watched: Arc::clone(&self.watched), began: Instant::now() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.vigil.open.lock().watched.remove(&self.number);
    }
}

/// A timer that always sleeps for the patience of the vigil, and so needs to read no clock.
struct HeadTimer {
    watched: Arc<Watched>,
    began: Instant,
}

/// A head is waited for while this lives.
struct HeadAwaited(Arc<Watched>);

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.watched.await_head();
        Box::pin(HeadAwaited(Arc::clone(&self.watched)))
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }

    fn now(&self) -> Instant {
        self.began
    }

    fn reset(&self, _: &mut Pin<Box<dyn Sleep>>, _: Instant) {
        self.watched.await_head();
    }
}

impl Sleep for HeadAwaited {}

impl Future for HeadAwaited {
    type Output = ();

    /// Whoever polls this is within [`Watch::attend`], which is woken.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.is_head_late.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for HeadAwaited {
    fn drop(&mut self) {
        self.0.head_since.store(NOT_AWAITED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A connection that goes on until it is told to shut down, or, if it is stubborn, for ever.
    struct Endless {
        is_stubborn: bool,
        is_shut_down: bool,
    }

    impl Future for Endless {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            if self.is_shut_down && !self.is_stubborn { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    fn vigil() -> Arc<Vigil> {
        Arc::new(Vigil { connections: Arc::default(), open: Mutex::default(), looks: Arc::default() })
    }

    /// Looks until the connection has ended; gives how often that was.
    fn looks_until_end(vigil: &Vigil, watch: &Watch, is_stubborn: bool) -> u64 {
        let endless = Endless { is_stubborn, is_shut_down: false };
        let mut attended = pin!(watch.attend(endless, |mut endless| endless.is_shut_down = true));
        let mut context = Context::from_waker(Waker::noop());
        (0..=2 * GONE)
            .find(|_| {
                let ended = attended.as_mut().poll(&mut context).is_ready();
                vigil.look();
                ended
            })
            .unwrap()
    }

    #[test]
    fn an_idle_connection_finishes_and_one_that_does_not_take_its_answer_is_left() {
        for (is_stubborn, expected) in [(false, IDLE), (true, GONE)] {
            let vigil = vigil();
            let watch = vigil.watch(Arc::default());
            assert_eq!(looks_until_end(&vigil, &watch, is_stubborn), expected);
            assert_eq!(vigil.connections.reading().idle, 1);
            drop(watch);
            assert!(vigil.open.lock().watched.is_empty());
        }
    }

    #[test]
    fn a_connection_with_an_open_request_is_not_idle() {
        let (vigil, pace) = (vigil(), Arc::<Pace>::default());
        let watch = vigil.watch(Arc::clone(&pace));
        let open = pace.begin();
        (0..2 * GONE).for_each(|_| vigil.look());
        drop(open);
        assert_eq!(looks_until_end(&vigil, &watch, false), IDLE + 1, "the first look sees that it moved");
    }

    #[test]
    fn a_head_has_the_patience_and_each_its_own() {
        let vigil = vigil();
        let watch = vigil.watch(Arc::default());
        let timer = watch.head_timer();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let mut head = timer.sleep_until(timer.now());
            (0..LOOKS).for_each(|_| vigil.look());
            assert!(head.as_mut().poll(&mut context).is_pending());
        }
        (0..LOOKS).for_each(|_| vigil.look());
        let mut head = timer.sleep(Duration::ZERO);
        assert!(head.as_mut().poll(&mut context).is_pending(), "no head was waited for");
        (0..=LOOKS).for_each(|_| vigil.look());
        assert!(head.as_mut().poll(&mut context).is_ready());
        drop(head);
        let mut next = timer.sleep(Duration::ZERO);
        assert!(next.as_mut().poll(&mut context).is_pending(), "the one before was late, this one is not");
    }

    #[test]
    fn all_finish_when_the_server_stops() {
        let vigil = vigil();
        let watches = [vigil.watch(Arc::default()), vigil.watch(Arc::default())];
        vigil.end();
        assert!(watches.iter().all(|watch| looks_until_end(&vigil, watch, false) == 0));
    }
}
