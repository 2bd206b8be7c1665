//! A read of one key under way, and those who wait for it.

use std::sync::Arc;

use keystile_core::Digest;
use tokio::sync::watch;

use crate::cache::{Cache, FlightRead};
use crate::cached_key::CachedKey;
use crate::source::SourceUnavailable;

/// What came of a read.
#[derive(Debug, Clone)]
pub(crate) enum Landing {
    /// The key.
    Found(Arc<CachedKey>),
    /// There is no such key.
    Absent,
    /// The key was changed while it was read, so what was read says nothing. Look again.
    Overtaken,
    /// It could not be read.
    Unavailable,
}

/// One read that any number of callers wait for.
pub(crate) struct Flight {
    landing: watch::Sender<Option<Landing>>,
}

impl Flight {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { landing: watch::Sender::new(None) })
    }

    /// Waits for the landing. A caller who stops waiting leaves the flight as it is.
    pub(crate) async fn landed(&self) -> Landing {
        let mut landing = self.landing.subscribe();
        match landing.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(landing)) => landing.clone(),
            Ok(None) | Err(_) => Landing::Unavailable,
        }
    }

    pub(crate) fn land(&self, landing: Landing) {
        self.landing.send_replace(Some(landing));
    }
}

/// The duty to land one flight. However it ends, the flight lands: a ticket that is dropped, because a queue
/// was full, a query panicked or the runtime stopped, lands as unavailable and leaves nothing behind.
///
/// Never drop one while holding a lock of the cache: landing takes it.
pub(crate) struct Ticket {
    cache: Arc<Cache>,
    digest: Digest,
    flight: Option<Arc<Flight>>,
}

impl Ticket {
    pub(crate) const fn new(cache: Arc<Cache>, digest: Digest, flight: Arc<Flight>) -> Self {
        Self { cache, digest, flight: Some(flight) }
    }

    pub(crate) const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Ends the flight with what was read: a key, or that there is none.
    pub(crate) fn land(mut self, read: FlightRead) {
        self.finish(read);
    }

    fn finish(&mut self, read: FlightRead) {
        if let Some(flight) = self.flight.take() {
            let landing = self.cache.settle(&self.digest, &flight, read);
            flight.land(landing);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.finish(Err(SourceUnavailable));
    }
}
