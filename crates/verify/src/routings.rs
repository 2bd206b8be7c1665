//! The tables of applications in memory.

use std::sync::Arc;

use keystile_core::ApplicationId;
use keystile_core::route::Table;

use crate::slots::Slots;
use crate::source::{KeySource, SourceUnavailable};
use crate::standing::Standing;

/// Most applications whose tables are kept: more than one installation has in use, and a table of some routes takes a
/// few kilobytes. Beyond it, any one goes for the next.
pub const ROUTINGS_KEPT: usize = 10_000;

/// The table of an application; none when it has no routing.
type MaybeTable = Option<Arc<Table>>;

pub(crate) struct Routings {
    source: Arc<dyn KeySource>,
    standing: Arc<Standing>,
    pub(crate) slots: Slots<ApplicationId, MaybeTable>,
}

impl Routings {
    pub(crate) fn new(source: Arc<dyn KeySource>, standing: Arc<Standing>) -> Self {
        Self { source, standing, slots: Slots::new(ROUTINGS_KEPT) }
    }

    /// The table, if it is in memory.
    pub(crate) fn look_up(&self, id: ApplicationId) -> Option<MaybeTable> {
        if self.standing.is_good() { self.slots.look_up(id) } else { None }
    }

    /// The table, read by this caller or another.
    pub(crate) async fn find(&self, id: ApplicationId) -> Result<MaybeTable, SourceUnavailable> {
        let read = || async move { self.source.routing(id).await.map(|table| table.map(Arc::new)) };
        if self.standing.is_good() {
            self.slots.find(id, read).await
        } else {
            self.slots.find_alone(read).await
        }
    }
}
