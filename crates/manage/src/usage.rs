//! What was counted of all keys of a tenant together.

use keystile_core::Environment;
use keystile_core::usage::{Span, Sum};
use keystile_measure::SPANS;
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

impl ControlPlane {
    /// How often the keys of the caller's tenant, or those of one environment, were allowed and refused together, as far as
    /// that is written down; steps without any count are left out.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`], so that no key has it: it could learn of keys that it does not see.
    #[instrument(target = SPANS, skip_all)]
    pub async fn tenant_usage(
        &self,
        caller: &Caller,
        environment: Option<Environment>,
        span: Span,
    ) -> Result<Vec<Sum>, Refused> {
        caller.require(Right::ReadTenant)?;
        Ok(self.store.tenant_usage(caller.tenant_id, environment, span).await?)
    }
}
