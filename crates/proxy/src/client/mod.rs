//! Sends requests to upstreams, over connections that are kept. Follows no redirects, goes through no proxy, and remembers nothing of what
//! is answered.

mod coming;
mod origin;
mod pool;
mod shared;
mod single;
#[cfg(test)]
mod tests;
mod turn;
mod unanswered;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use keystile_core::TenantId;
use keystile_core::llm::BaseUrl;
use keystile_outbound::LookUp;

use crate::connector::Connector;
use crate::gateway_error::GatewayError;

use origin::Speech;
use pool::Pool;

pub(crate) use coming::Coming;

/// Sends requests.
pub(crate) struct Client {
    pool: Arc<Pool>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There was no connection: nothing was sent.
    Unconnected,
    /// The address may not be connected to: nothing was sent.
    Forbidden,
    /// The connection broke off before there was an answer.
    Broken,
    /// There was no answer in time.
    Late,
    /// The upstream says that it has not looked at the request.
    Unprocessed,
}

impl Failure {
    /// Whether the upstream may have done what was asked, and may want to be paid for it.
    pub(crate) const fn may_cost(self) -> bool {
        match self {
            Self::Unconnected | Self::Forbidden | Self::Unprocessed => false,
            Self::Broken | Self::Late => true,
        }
    }
}

impl Client {
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub(crate) fn new(look_up: LookUp, connect_within: Duration) -> Result<Self, GatewayError> {
        let connector = Connector::new(look_up, connect_within)?;
        Ok(Self { pool: Pool::new(connector, Speech::Chosen) })
    }

    /// Sends a request of a tenant, whose URI is a path, to the upstream at a base URL, and waits for the head of its answer.
    ///
    /// # Errors
    /// When there is no answer, or none within that time.
    pub(crate) async fn send(
        &self,
        (tenant_id, base_url): (TenantId, &BaseUrl),
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<Response<Coming>, Failure> {
        let origin = self.pool.origin(base_url).ok_or(Failure::Unconnected)?;
        let sent = tokio::time::timeout(within, origin.send(tenant_id, request)).await;
        sent.unwrap_or(Err(Failure::Late))
    }
}
