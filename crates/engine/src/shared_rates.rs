//! Limits that the nodes of a cluster share.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::{Clock, NodeId};
use keystile_rates::RedisAuthority;
use keystile_verify::{SharedLimits, Stating, Verifier};

use crate::{Cluster, EngineError, RateSettings};

/// So long a start waits until limits are shared: a Redis that begins with nothing reserves nothing for about a second.
const START: Duration = Duration::from_secs(3);

/// The limiter of a node that shares limits.
pub(crate) fn shared_limits(
    settings: &RateSettings,
    node: NodeId,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<SharedLimits>, EngineError> {
    let authority = RedisAuthority::new(settings.url.clone(), node.to_string(), settings.patience);
    let authority = authority.map_err(|error| EngineError::because("Redis cannot be used", error))?;
    Ok(SharedLimits::new(authority, Arc::clone(clock), settings.when_away))
}

/// Shares them from now on, if they are to be shared, and waits for a moment until they are.
pub(crate) async fn share(
    limits: Option<&Arc<SharedLimits>>,
    cluster: Option<&Cluster>,
    verifier: &Arc<Verifier>,
) -> Option<Stating> {
    let (limits, cluster) = (limits?, cluster?.clone());
    let stating = limits.start(verifier, move || cluster.nodes());
    if tokio::time::timeout(START, limits.is_settled()).await.is_err() {
        tracing::warn!("limits are not shared yet: they are applied as they say for a Redis that is away");
    }
    Some(stating)
}
