//! The times of an answer that comes in pieces.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Time between two looks at an answer of which nothing comes: whether its key may still have it, and whether it takes too long.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// When to look at an answer, and when it is over.
pub(crate) struct Pieces {
    look: Pin<Box<Sleep>>,
    idle: Duration,
    moved: Instant,
    ends: Instant,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// A look at the key.
    Look,
    /// The end: nothing came for too long, or all of it takes too long.
    End,
}

impl Pieces {
    /// Begins now; there may be so much time between two pieces, and all of it ends then. Needs a Tokio runtime with time enabled.
    pub(crate) fn begin(idle: Duration, ends: Instant) -> Self {
        let now = Instant::now();
        Self { look: Box::pin(sleep_until(now + LOOK_EVERY)), idle, moved: now, ends }
    }

    /// A piece came.
    pub(crate) fn moved(&mut self) {
        self.moved = Instant::now();
    }

    /// Whether the last piece came when all was to be over: of an upstream that never pauses nobody waits for what is due.
    pub(crate) fn is_over(&self) -> bool {
        self.moved >= self.ends
    }

    /// Waits for what is due next.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Due> {
        if self.look.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let now = Instant::now();
        self.look.as_mut().reset(now + LOOK_EVERY);
        Poll::Ready(if now >= self.ends || now >= self.moved + self.idle { Due::End } else { Due::Look })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn looks_until_the_end(pieces: &mut Pieces) -> u32 {
        let mut looks = 0;
        while poll_fn(|context| pieces.poll(context)).await == Due::Look {
            looks += 1;
        }
        looks
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_looked_at_four_times_a_second_until_nothing_came_for_too_long() {
        let far = Instant::now() + Duration::from_secs(3_600);
        let mut pieces = Pieces::begin(Duration::from_secs(2), far);
        assert_eq!(looks_until_the_end(&mut pieces).await, 7);
        pieces.moved();
        assert_eq!(looks_until_the_end(&mut pieces).await, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_in_time_whatever_comes() {
        let began = Instant::now();
        let mut pieces = Pieces::begin(Duration::from_secs(60), began + Duration::from_secs(3));
        assert_eq!(looks_until_the_end(&mut pieces).await, 11);
        assert!(began.elapsed() >= Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_pauses_is_over_in_time_too() {
        let mut pieces = Pieces::begin(Duration::from_secs(60), Instant::now() + Duration::from_secs(3));
        pieces.moved();
        assert!(!pieces.is_over());
        tokio::time::advance(Duration::from_secs(3)).await;
        pieces.moved();
        assert!(pieces.is_over());
    }
}
