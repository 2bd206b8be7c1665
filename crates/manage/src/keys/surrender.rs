//! Ending a key with nothing but its secret. Whoever holds a secret could do worse with it; who finds a leaked one is to be able to
//! end it, wherever they belong.

use keystile_core::key::Revocation;
use keystile_core::{Action, Actor, ApiKey, Digest, KeyId, TenantId};
use keystile_measure::SPANS;
use keystile_store::Changed;
use serde_json::Value;
use tracing::instrument;

use super::change::{change_of, noted};
use crate::touched::Touched;
use crate::{Caller, Committed, ControlPlane, Origin, Refused};

/// What the record says of a key that was ended so.
const REASON: &str = "revoked by somebody who held its secret";

impl ControlPlane {
    /// Ends the key that was found by the digest of its secret, for good. Ending it twice changes nothing the second time,
    /// and neither does a secret that the key no longer has. The log names the caller, if there is one of its tenant, and else
    /// the key itself.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn surrender_key(
        &self,
        (tenant_id, id): (TenantId, KeyId),
        shown: Digest,
        by: Option<&Caller>,
        origin: &Origin,
    ) -> Result<Committed<()>, Refused> {
        let caller = by.filter(|caller| caller.tenant_id == tenant_id);
        let actor = caller.map_or(Actor::Key(id), |caller| caller.actor);
        let entry =
            self.entry_by(tenant_id, actor, origin, Action::KeyRevoke, id.to_string(), Value::Null)?;
        let touched = Touched::default();
        let touches = touched.clone();
        let rewrite = move |key: &mut ApiKey| {
            let before = key.clone();
            if key.secret.digest == shown {
                key.revoked.get_or_insert(Revocation { at: entry.at, reason: Some(REASON.to_owned()) });
            }
            Ok(noted(&before, key, entry, &touches))
        };
        let changed = self.store.change_key::<Refused>(tenant_id, id, rewrite).await;
        let Changed { before, after } = touched.outcome(changed)?.ok_or(Refused::NotFound("API key"))??;
        Ok(Committed { change: change_of(&before, &after), value: () })
    }
}
