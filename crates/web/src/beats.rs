//! What comes next for somebody who watches a log: something to tell, a sign of life, or the question whether they still may.

use std::time::Duration;

use http::HeaderName;
use keystile_engine::Tailed;
use tokio::time::{Instant, sleep_until};

/// Something is sent so often at least, so that whoever carries the connection does not take it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So often it is asked whether whoever watches may still see the log, which is a read or two.
const RECHECK: Duration = Duration::from_secs(10);

/// Asks nginx to hand on what it gets at once.
pub(crate) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// A comment, which readers of events pass over.
pub(crate) const NOTHING_NEW: &str = ":\n\n";

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Next {
    /// This is to be told.
    Tell(Tailed),
    /// There is nothing to tell, and something is to be sent.
    Beat,
    /// Whether they may still see the log is to be asked before anything more is told.
    Recheck,
    /// There is nothing more to come.
    End,
}

/// When something was last sent, and asked.
pub(crate) struct Beats {
    heartbeat_at: Instant,
    recheck_at: Instant,
}

impl Beats {
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self { heartbeat_at: now + HEARTBEAT, recheck_at: now + RECHECK }
    }

    /// What comes first of what is `told` and what is due. A client that takes nothing for a while is looked at anew before it is told
    /// what has waited.
    pub(crate) async fn next(&mut self, told: impl Future<Output = Option<Tailed>>) -> Next {
        tokio::select! {
            biased;
            () = sleep_until(self.recheck_at) => {
                self.recheck_at = Instant::now() + RECHECK;
                Next::Recheck
            }
            told = told => {
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                told.map_or(Next::End, Next::Tell)
            }
            () = sleep_until(self.heartbeat_at) => {
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                Next::Beat
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn something_is_sent_and_asked_however_quiet_the_log_is() {
        let mut beats = Beats::begin();
        let began = Instant::now();
        let mut seconds = Vec::new();
        while seconds.len() < 3 {
            let next = beats.next(pending()).await;
            seconds.push((matches!(next, Next::Recheck), began.elapsed().as_secs()));
        }
        assert_eq!(seconds, [(true, 10), (false, 15), (true, 20)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_took_nothing_for_a_while_is_asked_about_before_it_is_told_anything() {
        let mut beats = Beats::begin();
        let waiting = || ready(Some(Tailed::Skipped(1)));
        assert!(matches!(beats.next(waiting()).await, Next::Tell(Tailed::Skipped(1))));
        tokio::time::advance(RECHECK + Duration::from_millis(10)).await;
        assert!(matches!(beats.next(waiting()).await, Next::Recheck));
        assert!(matches!(beats.next(waiting()).await, Next::Tell(_)));
        assert!(matches!(beats.next(ready(None)).await, Next::End));
    }
}
