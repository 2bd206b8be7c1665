//! Events, and what they say of entities.

use http::Method;
use http::header::CONTENT_TYPE;
use keystile_core::{EntityName, EventId, TenantId};
use keystile_wire::{
    EntityListQuery, EntityQuery, EntityView, EventListQuery, EventView, IngestAnswer, IngestQuery,
    IngestView, Listing, SendEvents, SourceListQuery, SourceView,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::tenants::path;
use crate::{Client, ClientError, answer};

/// Where events are sent.
const EVENTS: &str = "/api/v1/events";

impl Client {
    /// Sends events, with an API key that may.
    ///
    /// # Errors
    /// [`ClientError::Problem`] when one event is refused, with `invalid_request` or `event_id_reused`, and any other
    /// [`ClientError`]. Refused events of a list are told of in the answer.
    pub async fn send_events(&self, events: &SendEvents) -> Result<IngestAnswer, ClientError> {
        self.post(EVENTS, events).await
    }

    /// Sends up to 1,000 events, a JSON object a line.
    ///
    /// # Errors
    /// Any [`ClientError`]. Refused events are told of in the answer.
    pub async fn send_event_lines(&self, lines: String) -> Result<IngestAnswer, ClientError> {
        let request = self.request(Method::POST, EVENTS).header(CONTENT_TYPE, "application/x-ndjson");
        answer::read(self.send(request.body(lines)).await?, self.base_url()).await
    }

    /// One page of events, the latest first. A page of filtered events may be empty and be followed by others.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn events(
        &self,
        tenant: TenantId,
        query: &EventListQuery,
    ) -> Result<Listing<EventView>, ClientError> {
        self.get_with(&format!("{}/events", path(tenant)), query).await
    }

    /// One event.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn event(&self, tenant: TenantId, id: EventId) -> Result<EventView, ClientError> {
        self.get(&format!("{}/events/{id}", path(tenant))).await
    }

    /// What became of the events that were sent into an environment, step by step.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn ingest(&self, tenant: TenantId, query: &IngestQuery) -> Result<IngestView, ClientError> {
        self.get_with(&format!("{}/ingest", path(tenant)), query).await
    }

    /// One page of the sources that have sent events into an environment, by their ids.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn sources(
        &self,
        tenant: TenantId,
        query: &SourceListQuery,
    ) -> Result<Listing<SourceView>, ClientError> {
        self.get_with(&format!("{}/sources", path(tenant)), query).await
    }

    /// One page of entities, by type and id.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn entities(
        &self,
        tenant: TenantId,
        query: &EntityListQuery,
    ) -> Result<Listing<EntityView>, ClientError> {
        self.get_with(&format!("{}/entities", path(tenant)), query).await
    }

    /// What is known of an entity.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn entity(
        &self,
        tenant: TenantId,
        name: &EntityName,
        query: &EntityQuery,
    ) -> Result<EntityView, ClientError> {
        let segment = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let (kind, id) = (segment(&name.entity_type), segment(&name.entity_id));
        self.get_with(&format!("{}/entities/{kind}/{id}", path(tenant)), query).await
    }
}
