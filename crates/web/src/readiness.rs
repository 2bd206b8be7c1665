//! Whether requests can be served: the server is not about to stop, and the store answers, which is asked no more often than anybody needs to
//! know.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long an answer is passed on. A flood of probes must not take the store's connections from those who need them.
const LASTS: Duration = Duration::from_secs(1);

/// The last answer. Whoever asks while the store is asked waits for that answer.
pub(crate) struct Readiness {
    last: Mutex<Option<(Instant, bool)>>,
    lasts: Duration,
    has_ended: AtomicBool,
}

impl Readiness {
    pub(crate) const fn new() -> Self {
        Self { last: Mutex::const_new(None), lasts: LASTS, has_ended: AtomicBool::new(false) }
    }

    /// The server is about to stop.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// The last answer, or what `ask` says now.
    pub(crate) async fn of(&self, ask: impl Future<Output = bool>) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, is_ready)) = *last
            && at.elapsed() < self.lasts
        {
            return is_ready;
        }
        let is_ready = ask.await;
        *last = Some((Instant::now(), is_ready));
        is_ready
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn asked(readiness: &Readiness) -> usize {
        let asked = AtomicUsize::new(0);
        let probe = || {
            readiness.of(async {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                true
            })
        };
        assert!(
            futures_util::future::join_all((0..100).map(|_| probe())).await.into_iter().all(|ready| ready)
        );
        asked.into_inner()
    }

    #[tokio::test]
    async fn a_flood_of_probes_is_one_question() {
        let readiness = Readiness { lasts: Duration::MAX, ..Readiness::new() };
        assert_eq!(asked(&readiness).await, 1);
        assert_eq!(asked(&readiness).await, 0);
        let forgetful = Readiness { lasts: Duration::ZERO, ..Readiness::new() };
        assert_eq!(asked(&forgetful).await, 100, "an answer that is too old is not passed on");
    }

    #[tokio::test]
    async fn a_probe_that_goes_away_leaves_the_question_to_the_next() {
        let readiness = Readiness::new();
        let gone = tokio::time::timeout(Duration::from_millis(1), readiness.of(std::future::pending())).await;
        assert!(gone.is_err());
        assert!(!readiness.of(async { false }).await);
    }
}
