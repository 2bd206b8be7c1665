//! Work that goes on for a while when nobody waits for it any more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::stats::{Counts, Ending};

/// Answers that are read on at once for clients that are gone. Each holds a connection and little memory; what is beyond it is
/// charged without.
pub(crate) const MOST_DRAINS: usize = 1_024;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work that is carried on by a task of its own when it is dropped, within a bound of time; what comes of it is dropped.
pub(crate) struct Lasting<T: Send + 'static> {
    work: Option<Work<T>>,
    leave: Leave,
    counts: Arc<Counts>,
    /// Set when nobody waits any more, so that the work begins nothing new.
    left: Arc<AtomicBool>,
}

/// What follows when nobody waits any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leave {
    /// For how long the work goes on; `None` if it ends at once.
    pub(crate) within: Option<Duration>,
    /// What is counted then; `None` if the work counts itself how it ends.
    pub(crate) ending: Option<Ending>,
}

impl<T: Send + 'static> Lasting<T> {
    pub(crate) fn new(
        work: impl Future<Output = T> + Send + 'static,
        leave: Leave,
        (counts, left): (Arc<Counts>, Arc<AtomicBool>),
    ) -> Self {
        Self { work: Some(Box::pin(work)), leave, counts, left }
    }
}

impl<T: Send + 'static> Future for Lasting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let done = work.as_mut().poll(context);
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for Lasting<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        self.left.store(true, Ordering::Relaxed);
        if let Some(ending) = self.leave.ending {
            self.counts.ended(ending);
        }
        if let Some(within) = self.leave.within {
            carry_on(&self.counts, within, work);
        }
    }
}

/// Lets a task carry work to its end, within so much time, if there is room for one more.
pub(crate) fn carry_on<F>(counts: &Arc<Counts>, within: Duration, work: F)
where
    F: Future<Output: Send> + Send + 'static,
{
    // Without a runtime, or room, the work is dropped here, and with it what it holds is settled.
    let (Ok(runtime), Some(draining)) = (Handle::try_current(), counts.draining(MOST_DRAINS)) else { return };
    runtime.spawn(async move {
        let _draining = draining;
        drop(tokio::time::timeout(within, work).await);
    });
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// Work that is begun and left; tells what came of it.
    async fn leave(within: Option<Duration>) -> Result<(), oneshot::error::RecvError> {
        let ((go, gone), (tell, told)) = (oneshot::channel::<()>(), oneshot::channel());
        let work = async move {
            let _woken = gone.await;
            tell.send(())
        };
        let mut lasting = Lasting::new(work, Leave { within, ending: None }, Default::default());
        let begun = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut lasting).poll(context))).await;
        assert!(begun.is_pending());
        drop(lasting);
        let _woken = go.send(());
        told.await
    }

    #[tokio::test]
    async fn work_that_is_left_goes_on_only_if_it_lasts() {
        assert!(leave(Some(Duration::from_secs(30))).await.is_ok());
        assert!(leave(None).await.is_err());
    }

    #[tokio::test]
    async fn work_is_told_that_it_is_left() {
        let left: Arc<AtomicBool> = Arc::default();
        let leave = Leave { within: None, ending: None };
        let (work, told) = (std::future::pending::<()>(), (Arc::default(), Arc::clone(&left)));
        let lasting = Lasting::new(work, leave, told);
        assert!(!left.load(Ordering::Relaxed));
        drop(lasting);
        assert!(left.load(Ordering::Relaxed));
        Lasting::new(async {}, leave, Default::default()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_left_ends_in_time() {
        let (tell, told) = oneshot::channel::<()>();
        let work = async move {
            std::future::pending::<()>().await;
            drop(tell);
        };
        let leave = Leave { within: Some(Duration::from_secs(30)), ending: None };
        drop(Lasting::new(work, leave, Default::default()));
        assert!(told.await.is_err());
    }
}
