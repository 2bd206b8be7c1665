//! What applications need of keys, by method and path.

use keystile_core::route::{Routed, Table};
use keystile_core::{Action, ApplicationId, Change, Routing};
use keystile_measure::SPANS;
use serde_json::{Map, Value, json};
use tracing::instrument;

use crate::audit::object;
use crate::edit::{Edited, edit};
use crate::touched::Touched;
use crate::{Caller, Committed, ControlPlane, Refused, Right, VersionGuard};

const APPLICATION: Refused = Refused::NotFound("application");

impl ControlPlane {
    /// The routing of an application of the caller's tenant; an empty one if it was never given any.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for an application that is unknown or another tenant's; without
    /// [`Right::ReadTenant`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn routing(&self, caller: &Caller, id: ApplicationId) -> Result<Routed, Refused> {
        caller.require(Right::ReadTenant)?;
        self.store.routing(caller.tenant_id, id).await?.ok_or(APPLICATION)
    }

    /// Replaces the routing of an application of the caller's tenant as a whole.
    ///
    /// # Errors
    /// Without [`Right::ManageApplications`]; when two of its rules contradict each other; for a stale version.
    #[instrument(target = SPANS, skip_all)]
    pub async fn set_routing(
        &self,
        caller: &Caller,
        id: ApplicationId,
        routing: Routing,
        guard: VersionGuard,
    ) -> Result<Committed<Routed>, Refused> {
        caller.require(Right::ManageApplications)?;
        let routing = Table::new(routing)?.into_routing();
        let entry = self.entry(caller, Action::RoutingUpdate, id.to_string(), Value::Null)?;
        let replace = move |routed: &mut Routed| {
            edit(routed, guard, entry, |routed, _| {
                routed.routing = routing;
                Ok(())
            })
        };
        let change = Change::of_routing(id);
        let changed = self.store.change_routing(caller.tenant_id, id, replace).await;
        let found = Touched::known(change.clone()).outcome(changed)?;
        Ok(Committed { value: found.ok_or(APPLICATION)??, change })
    }
}

impl Edited for Routed {
    fn version(&mut self) -> &mut i64 {
        &mut self.version
    }

    fn describe(&self) -> Map<String, Value> {
        object(json!(self.routing))
    }
}
