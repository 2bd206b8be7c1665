//! Work that keeps a core busy: a little at a time, apart from what serves requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::Refused;
use crate::password::PasswordLoad;

/// A queue of such work with a bound.
pub(crate) struct Turns {
    places: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    most: usize,
    refused: AtomicU64,
}

impl Turns {
    /// For so much at the same time, and so much that waits for its turn.
    pub(crate) fn new(at_once: usize, waiting: usize) -> Self {
        let most = at_once + waiting;
        let (places, queue) = (Arc::new(Semaphore::new(at_once)), Arc::new(Semaphore::new(most)));
        Self { places, queue, most, refused: AtomicU64::new(0) }
    }

    pub(crate) fn load(&self) -> PasswordLoad {
        let queued = self.most - self.queue.available_permits();
        PasswordLoad { queued, most: self.most, refused: self.refused.load(Ordering::Relaxed) }
    }

    /// Does the work when its turn comes; [`Refused::Busy`] if too much waits.
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let stopped = |_| Refused::Internal("work for a core of its own has stopped".to_owned());
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Refused::Busy
        })?;
        let places = Arc::clone(&self.places);
        let place =
            places.acquire_owned().await.map_err(|_| Refused::Internal("shutting down".to_owned()))?;
        // The place is kept until the work is done, also when nobody waits for it any more.
        let in_place = move || {
            let _places = (queued, place);
            work()
        };
        tokio::task::spawn_blocking(in_place).await.map_err(stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_comes_when_the_queue_is_full_is_sent_away() {
        let turns = Turns::new(2, 3);
        let hold = turns.places.acquire_many(2).await.unwrap();
        let mut waiting: Vec<_> = (0..5).map(|n| Box::pin(turns.take(move || n))).collect();
        for attempt in &mut waiting {
            assert!(once(attempt).await.is_none(), "it waits");
        }
        assert!(matches!(turns.take(|| 5).await, Err(Refused::Busy)));
        assert_eq!(turns.load(), PasswordLoad { queued: 5, most: 5, refused: 1 });
        drop(waiting.pop());
        let mut last = Box::pin(turns.take(|| 6));
        assert!(once(&mut last).await.is_none(), "whoever goes away makes room");
        drop((waiting, hold));
        assert_eq!(last.await.unwrap(), 6);
    }

    /// What a future gives when it is looked at once.
    async fn once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
