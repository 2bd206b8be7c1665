//! The tables of applications in memory.

use std::sync::Arc;

use keystile_core::ApplicationId;
use keystile_core::route::Table;

use crate::slots::Slots;
use crate::source::{KeySource, SourceUnavailable};

/// Most applications whose tables are kept: more than one installation has in use, and a table of some routes takes a
/// few kilobytes. Beyond it, any one goes for the next.
pub const ROUTINGS_KEPT: usize = 10_000;

/// The table of an application; none when it has no routing.
type MaybeTable = Option<Arc<Table>>;

pub(crate) struct Routings {
    source: Arc<dyn KeySource>,
    pub(crate) slots: Slots<ApplicationId, MaybeTable>,
}

impl Routings {
    pub(crate) fn new(source: Arc<dyn KeySource>) -> Self {
        Self { source, slots: Slots::new(ROUTINGS_KEPT) }
    }

    /// The table, read by this caller or another.
    pub(crate) async fn find(&self, id: ApplicationId) -> Result<MaybeTable, SourceUnavailable> {
        let read = || async move { self.source.routing(id).await.map(|table| table.map(Arc::new)) };
        self.slots.find(id, read).await
    }
}
