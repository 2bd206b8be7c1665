//! What tenants' gateways may send requests to, in memory.

use std::sync::Arc;

use keystile_core::{TenantId, Upstreams};

use crate::slots::Slots;
use crate::source::{KeySource, SourceUnavailable};
use crate::standing::Standing;

/// Most tenants whose providers and models are kept: more than use a gateway in one installation at a time. A model takes about a
/// kilobyte, and a tenant has no more than [`keystile_core::llm::MOST_MODELS`]. Beyond it, any one goes for the next.
pub const UPSTREAMS_KEPT: usize = 1_000;

pub(crate) struct Supplies {
    source: Arc<dyn KeySource>,
    standing: Arc<Standing>,
    pub(crate) slots: Slots<TenantId, Arc<Upstreams>>,
}

impl Supplies {
    pub(crate) fn new(source: Arc<dyn KeySource>, standing: Arc<Standing>) -> Self {
        Self { source, standing, slots: Slots::new(UPSTREAMS_KEPT) }
    }

    /// What a tenant has, if it is in memory.
    pub(crate) fn look_up(&self, id: TenantId) -> Option<Arc<Upstreams>> {
        if self.standing.is_good() { self.slots.look_up(id) } else { None }
    }

    /// What a tenant has, read by this caller or another.
    pub(crate) async fn find(&self, id: TenantId) -> Result<Arc<Upstreams>, SourceUnavailable> {
        let read = || async move { self.source.upstreams(id).await.map(Arc::new) };
        if self.standing.is_good() {
            self.slots.find(id, read).await
        } else {
            self.slots.find_alone(read).await
        }
    }
}
