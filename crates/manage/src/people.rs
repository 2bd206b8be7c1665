//! Disabling persons and letting them in again: the operator's.

use keystile_core::{Action, Actor, AuditEntry, Email, PersonId};
use keystile_measure::SPANS;
use keystile_store::Factor;
use serde_json::json;
use tracing::instrument;

use crate::{ControlPlane, Origin, Refused};

impl ControlPlane {
    /// Disables a person: all their sessions end, and they cannot sign in. False when they were disabled before.
    ///
    /// # Errors
    /// [`Refused::NotFound`] when nobody has this address.
    #[instrument(target = SPANS, skip_all)]
    pub async fn disable_person(&self, email: &Email) -> Result<bool, Refused> {
        let id = self.known(email).await?.id;
        let audit = self.entries_by_operator(id, Action::PersonDisable).await?;
        Ok(self.store.disable_person(id, self.now(), audit).await?)
    }

    /// Lets a person sign in again. False when they were not disabled.
    ///
    /// # Errors
    /// [`Refused::NotFound`] when nobody has this address.
    #[instrument(target = SPANS, skip_all)]
    pub async fn enable_person(&self, email: &Email) -> Result<bool, Refused> {
        let id = self.known(email).await?.id;
        let audit = self.entries_by_operator(id, Action::PersonEnable).await?;
        Ok(self.store.enable_person(id, audit).await?)
    }

    /// Takes the second factor away from a person who has lost it. False when they have none.
    ///
    /// # Errors
    /// [`Refused::NotFound`] when nobody has this address.
    #[instrument(target = SPANS, skip_all)]
    pub async fn remove_factor_as_operator(&self, email: &Email) -> Result<bool, Refused> {
        let id = self.known(email).await?.id;
        let audit = self.entries_by_operator(id, Action::TotpRemove).await?;
        Ok(self.store.remove_factor(id, Factor::Nothing, audit).await?)
    }

    pub(crate) async fn entries_by_operator(
        &self,
        id: PersonId,
        action: Action,
    ) -> Result<Vec<AuditEntry>, Refused> {
        let what = (action, id.to_string());
        self.entries_everywhere(id, Actor::System, &Origin::default(), what, json!({})).await
    }
}
