//! Connections that bring nothing but bad credentials let all others go first.
//!
//! Refusing is cheap, and still a flood of bad keys takes the whole processor, as whoever is refused asks again at once. A good
//! request would wait behind all of the flood that has arrived meanwhile. So a connection on which one request after the other was
//! refused for its credential needs a turn whenever it wants to go on. A few turns are given at a time, and the next few when everybody
//! else has been heard. Nobody is refused for it, and nobody waits while there is nothing better to do.
//!
//! It is no defence against somebody who knows of it: one request among 32 that is answered otherwise, and their connection is taken for
//! that of a gateway, which carries good and bad requests of many.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::yield_now;

use crate::pace::Pace;

/// Turns that are given at a time for each thread that serves; so many refusals, at some microseconds each, a good request may wait for.
/// With fewer the operating system would be asked more often for what has arrived than that is worth. A turn is one refusal where clients
/// wait for their answers; of requests that are sent ahead hyper answers 16 in a turn with HTTP/1, and takes up as many with HTTP/2 as a
/// connection may have streams.
const AT_A_TIME: usize = 8;

/// The connection has asked for no turn.
const NOT_ASKED: u8 = 0;
/// It stands in the queue.
const QUEUED: u8 = 1;
/// It is its turn.
const GIVEN: u8 = 2;

/// The queue of a listener. It is as long as the listener has connections at the most, beside those that ended in it and go at their turn.
pub(crate) struct Turns(UnboundedSender<Arc<Turn>>);

/// The place of one connection.
#[derive(Default)]
struct Turn {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Turns {
    /// Turns are given until the value and all that [`Self::in_turn`] made are dropped. Needs a Tokio runtime.
    pub(crate) fn begin() -> Self {
        let (queue, queued) = unbounded_channel();
        tokio::spawn(give(queued, AT_A_TIME * Handle::current().metrics().num_workers()));
        Self(queue)
    }

    /// The connection, which goes on when it is its turn while `pace` tells of bad credentials only.
    pub(crate) fn in_turn<C>(&self, connection: C, pace: Arc<Pace>) -> InTurn<C> {
        InTurn { connection: Box::pin(connection), pace, turn: Arc::default(), queue: self.0.clone() }
    }
}

/// Gives turns. Who yields goes on when no task is ready and the operating system was asked for what has arrived.
async fn give(mut queued: UnboundedReceiver<Arc<Turn>>, most: usize) {
    let mut next = Vec::with_capacity(most);
    while queued.recv_many(&mut next, most).await > 0 {
        for turn in next.drain(..) {
            turn.state.store(GIVEN, Ordering::Release);
            turn.task.wake();
        }
        yield_now().await;
    }
}

/// A connection that goes on in turn.
pub(crate) struct InTurn<C> {
    connection: Pin<Box<C>>,
    pace: Arc<Pace>,
    turn: Arc<Turn>,
    queue: UnboundedSender<Arc<Turn>>,
}

impl<C> InTurn<C> {
    /// The connection itself.
    pub(crate) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }

    /// Whether the connection may go on. If not, the task of `context` is woken when it may.
    fn may_go_on(&self, context: &Context<'_>) -> bool {
        if !self.pace.brings_bad_credentials() {
            return true;
        }
        self.turn.task.register(context.waker());
        match self.turn.state.load(Ordering::Acquire) {
            GIVEN => {
                self.turn.state.store(NOT_ASKED, Ordering::Relaxed);
                true
            }
            NOT_ASKED => {
                self.turn.state.store(QUEUED, Ordering::Relaxed);
                // Nobody gives turns any more when the runtime ends.
                self.queue.send(Arc::clone(&self.turn)).is_err()
            }
            _ => false,
        }
    }
}

impl<C: Future> Future for InTurn<C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        if self.may_go_on(context) { self.connection().poll(context) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Waker;

    use http::StatusCode;

    use super::*;

    /// A connection on which the next request is always there already.
    struct Flood(Arc<AtomicUsize>);

    impl Future for Flood {
        type Output = ();

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }

    fn pace(last: &[(StatusCode, usize)]) -> Arc<Pace> {
        let pace = Arc::<Pace>::default();
        last.iter().for_each(|(status, times)| (0..*times).for_each(|_| pace.answered(*status)));
        pace
    }

    /// Steps that floods with such a pace make between one that yields and its being heard again, at the most.
    async fn steps_between(pace: impl Fn() -> Arc<Pace>) -> usize {
        let (turns, steps) = (Turns::begin(), Arc::<AtomicUsize>::default());
        let floods: Vec<_> =
            (0..100).map(|_| tokio::spawn(turns.in_turn(Flood(Arc::clone(&steps)), pace()))).collect();
        let mut most = 0;
        for _ in 0..50 {
            let before = steps.load(Ordering::Relaxed);
            yield_now().await;
            most = most.max(steps.load(Ordering::Relaxed) - before);
        }
        assert!(steps.load(Ordering::Relaxed) >= 100, "the floods go on");
        floods.iter().for_each(tokio::task::JoinHandle::abort);
        most
    }

    #[tokio::test]
    async fn a_good_request_waits_for_a_few_of_a_flood_and_not_for_all() {
        let (refused, fine) = (StatusCode::UNAUTHORIZED, StatusCode::OK);
        let of_flood = steps_between(|| pace(&[(refused, 1000)])).await;
        assert!((1..=2 * AT_A_TIME).contains(&of_flood), "{of_flood}");
        for last in [vec![(fine, 1000)], vec![(refused, 1000), (fine, 1)], vec![(refused, 10)]] {
            let of_others = steps_between(|| pace(&last)).await;
            assert!(of_others >= 61, "{of_others} of those that need no turn: {last:?}");
        }
    }

    #[tokio::test]
    async fn whoever_goes_before_their_turn_keeps_nobody_from_theirs() {
        let (turns, refused) = (Turns::begin(), pace(&[(StatusCode::UNAUTHORIZED, 1000)]));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..10 * AT_A_TIME {
            let mut leaves = turns.in_turn(std::future::ready(()), Arc::clone(&refused));
            assert!(Pin::new(&mut leaves).poll(&mut context).is_pending());
        }
        turns.in_turn(std::future::ready(()), refused).await;
    }

    #[test]
    fn one_good_answer_ends_the_wait_for_a_turn() {
        let (queue, _queued) = unbounded_channel();
        let pace = pace(&[(StatusCode::UNAUTHORIZED, 1000)]);
        let mut waits = Turns(queue).in_turn(std::future::ready(()), Arc::clone(&pace));
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut waits).poll(&mut context).is_pending());
        pace.answered(StatusCode::OK);
        assert!(Pin::new(&mut waits).poll(&mut context).is_ready());
    }

    #[tokio::test]
    async fn a_connection_goes_on_when_nobody_gives_turns_any_more() {
        let (queue, queued) = unbounded_channel();
        drop(queued);
        let refused = pace(&[(StatusCode::UNAUTHORIZED, 1000)]);
        Turns(queue).in_turn(std::future::ready(()), refused).await;
    }
}
