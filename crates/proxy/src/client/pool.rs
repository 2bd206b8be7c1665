//! All upstreams to which there are connections.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use keystile_core::llm::BaseUrl;
use parking_lot::Mutex;

use super::origin::{Origin, Speech};
use crate::connector::Connector;

/// Time between two looks for connections that are of no use any more. One that nobody uses is closed within four of them, some twenty
/// seconds: less than providers and the balancers before them keep theirs, so that a request seldom meets a connection that is being closed.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// All upstreams.
pub(super) struct Pool {
    connector: Connector,
    speech: Speech,
    origins: Mutex<Origins>,
}

#[derive(Default)]
struct Origins {
    known: HashMap<Box<str>, Arc<Origin>>,
    /// Whether a task sweeps them.
    is_swept: bool,
}

impl Pool {
    pub(super) fn new(connector: Connector, speech: Speech) -> Arc<Self> {
        Arc::new(Self { connector, speech, origins: Mutex::default() })
    }

    /// The upstream at a base URL; `None` if that is none. Needs a Tokio runtime.
    pub(super) fn origin(self: &Arc<Self>, base_url: &BaseUrl) -> Option<Arc<Origin>> {
        let mut origins = self.origins.lock();
        if let Some(known) = origins.known.get(base_url.as_str()) {
            return Some(Arc::clone(known));
        }
        let origin = Arc::new(Origin::at(base_url, self.connector.clone(), self.speech)?);
        origins.known.insert(base_url.as_str().into(), Arc::clone(&origin));
        if !std::mem::replace(&mut origins.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        Some(origin)
    }

    /// Sweeps all, and forgets those to which there is no connection. Tells whether any are left.
    pub(super) fn sweep(&self) -> bool {
        let known: Vec<_> = self.origins.lock().known.values().cloned().collect();
        for origin in known {
            origin.sweep();
        }
        let mut origins = self.origins.lock();
        // Who has one at the moment may bring connections to it.
        origins.known.retain(|_, origin| Arc::strong_count(origin) > 1 || origin.has_connections());
        origins.is_swept = !origins.known.is_empty();
        origins.is_swept
    }
}

/// Sweeps until there is nothing left, or nobody has the pool any more.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if !pool.upgrade().is_some_and(|pool| pool.sweep()) {
            break;
        }
    }
}
