//! Reading events, and what they say of entities.

use keystile_core::event::{EntityName, IngestPosture, OutcomeSum, Source};
use keystile_core::usage::Span;
use keystile_core::{Environment, EventId, StoredEvent};
use keystile_measure::SPANS;
use keystile_store::{EventFilter, EventPage, KnownEntity};
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// Which events to list.
pub type EventQuery = EventFilter;

/// Which entities to list.
#[derive(Debug, Clone)]
pub struct EntityQuery {
    /// Known in this environment.
    pub environment: Environment,
    /// Of this type.
    pub entity_type: Option<String>,
}

impl ControlPlane {
    /// A page of the events of an environment of the caller's tenant, the latest first; `limit` of them at most.
    ///
    /// # Errors
    /// Without [`Right::ReadEvents`], so that no key has it: events are not parted by applications and customers.
    #[instrument(target = SPANS, skip_all)]
    pub async fn events(
        &self,
        caller: &Caller,
        query: EventQuery,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<EventPage, Refused> {
        caller.require(Right::ReadEvents)?;
        Ok(self.store.events(caller.tenant_id, query, after, limit).await?)
    }

    /// One event of the caller's tenant, of whatever environment.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ReadEvents`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn event(&self, caller: &Caller, id: EventId) -> Result<StoredEvent, Refused> {
        caller.require(Right::ReadEvents)?;
        self.store.event(caller.tenant_id, id).await?.ok_or(Refused::NotFound("event"))
    }

    /// The entities of an environment of the caller's tenant, by type and id; `limit` of them at most, behind `after`.
    ///
    /// # Errors
    /// Without [`Right::ReadEvents`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn entities(
        &self,
        caller: &Caller,
        query: &EntityQuery,
        after: Option<&EntityName>,
        limit: u32,
    ) -> Result<Vec<KnownEntity>, Refused> {
        caller.require(Right::ReadEvents)?;
        let EntityQuery { environment, entity_type } = query;
        let only = entity_type.as_deref();
        Ok(self.store.entities(caller.tenant_id, *environment, only, after, limit).await?)
    }

    /// An entity of an environment of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one of which nothing was heard there; without [`Right::ReadEvents`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn entity(
        &self,
        caller: &Caller,
        environment: Environment,
        name: &EntityName,
    ) -> Result<KnownEntity, Refused> {
        caller.require(Right::ReadEvents)?;
        self.store.entity(caller.tenant_id, environment, name).await?.ok_or(Refused::NotFound("entity"))
    }

    /// How events come into an environment of the caller's tenant: who sends them, what became of those of the last hour and day, and
    /// which requests with keys of the environment were refused.
    ///
    /// # Errors
    /// Without [`Right::ReadEvents`] or [`Right::ReadTenant`], so that no key has it.
    #[instrument(target = SPANS, skip_all)]
    pub async fn ingest_posture(
        &self,
        caller: &Caller,
        environment: Environment,
    ) -> Result<IngestPosture, Refused> {
        caller.require(Right::ReadEvents)?;
        caller.require(Right::ReadTenant)?;
        Ok(self.store.ingest_posture(caller.tenant_id, environment, self.now()).await?)
    }

    /// The sources that have sent events into an environment of the caller's tenant, by their ids; `limit` of them at most, behind
    /// `after`.
    ///
    /// # Errors
    /// Without [`Right::ReadEvents`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn sources(
        &self,
        caller: &Caller,
        environment: Environment,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Source>, Refused> {
        caller.require(Right::ReadEvents)?;
        Ok(self.store.sources(caller.tenant_id, environment, after, limit, self.now()).await?)
    }

    /// What became of the events that were sent into an environment of the caller's tenant, step by step; steps without any are left
    /// out.
    ///
    /// # Errors
    /// Without [`Right::ReadEvents`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn event_counts(
        &self,
        caller: &Caller,
        environment: Environment,
        span: Span,
    ) -> Result<Vec<OutcomeSum>, Refused> {
        caller.require(Right::ReadEvents)?;
        Ok(self.store.event_counts(caller.tenant_id, environment, span).await?)
    }
}
