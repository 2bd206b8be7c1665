//! The gateway as the server sees it: a request in, an answer out.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use keystile_bearer::{ClientIp, RequestId, Room};
use keystile_core::Code;
use keystile_core::llm::Protocol;
use keystile_measure::{Exposition, Sparing};
use keystile_outbound::LookUp;
use keystile_verify::{CachedKey, Verifier};

use crate::admission::Visit;
use crate::bill::Bills;
use crate::client::Client;
use crate::gateway_error::GatewayError;
use crate::operation::{Operation, Route};
use crate::relay::Relay;
use crate::settings::{BodyBounds, GatewaySettings, Patience};
use crate::stats::Counts;
use crate::whole::Whole;

/// The body of an answer: one that is short, one that is there as a whole, or one that is passed on as it comes.
pub type GatewayBody = Either<Full<Bytes>, Either<Whole, Relay>>;

/// Where everything is that the gateway serves.
pub const GATEWAY_PREFIX: &str = "/v1/";
/// Stands for the route of what the gateway does not serve.
const UNKNOWN_ROUTE: &str = "/v1/{path}";
/// Where Anthropic's API is.
const ANTHROPIC_PREFIX: &str = "/v1/messages";

/// Where Anthropic's clients look for the name of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The LLM gateway.
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bounds: BodyBounds,
    /// Memory for bodies of requests.
    pub(crate) bodies: Arc<Room>,
}

/// What requests under way need, also when their client is gone.
pub(crate) struct Shared {
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) client: Client,
    pub(crate) bills: Arc<Bills>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) patience: Patience,
    /// Memory for answers that are read as a whole, and for long events of others.
    pub(crate) answers: Arc<Room>,
    /// How often the log tells that a provider refuses its credential or account: anybody with a key could fill it.
    pub(crate) refusals_logged: Sparing,
}

/// What the log and the metrics are told of a request.
#[derive(Debug)]
pub struct Outcome {
    /// The route, as a template.
    pub route: &'static str,
    /// Whose request it is, as far as that was found out; also of one that is refused.
    pub key: Option<Arc<CachedKey>>,
    /// `allowed`, or why not.
    pub code: &'static str,
    /// The decision about the key, if there was one.
    pub decision: Option<Code>,
}

impl Outcome {
    /// Of a request about which nothing is known but its route.
    pub fn of<B>(request: &Request<B>) -> Self {
        let route = match Operation::of(request.method(), request.uri().path()) {
            Route::Found(operation) => operation.route(),
            Route::Unknown | Route::WrongMethod(_) => UNKNOWN_ROUTE,
        };
        Self { route, key: None, code: Code::Allowed.as_str(), decision: None }
    }
}

impl Gateway {
    /// A gateway for the keys that `verifier` knows.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(verifier: Arc<Verifier>, settings: &GatewaySettings) -> Result<Self, GatewayError> {
        let GatewaySettings { reach, bodies: bounds, patience } = settings;
        let client = Client::new(LookUp::new(Arc::clone(reach)), patience.connect)?;
        let shared = Shared {
            verifier,
            client,
            bills: Arc::default(),
            counts: Arc::default(),
            patience: *patience,
            answers: Arc::new(Room::new(bounds.memory)),
            refusals_logged: Sparing::default(),
        };
        Ok(Self { shared: Arc::new(shared), bounds: *bounds, bodies: Arc::new(Room::new(bounds.memory)) })
    }

    /// Answers one request below [`GATEWAY_PREFIX`], and tells what comes of it as it becomes known: `outcome` begins as
    /// [`Outcome::of`] the request. When the future is dropped, the client is gone. Needs a Tokio runtime with time enabled.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        client: ClientIp,
        request_id: &RequestId,
        outcome: &mut Outcome,
    ) -> Response<GatewayBody> {
        let (parts, body) = request.into_parts();
        let route = Operation::of(&parts.method, parts.uri.path());
        let protocol = protocol_of(&route, &parts);
        let visit = Visit { protocol, client, request_id };
        let passed = self.pass(visit, (route, parts.headers, body), outcome).await;
        let mut response = passed.unwrap_or_else(|denied| {
            outcome.code = denied.code();
            outcome.decision = denied.decision.or(outcome.decision);
            self.shared.counts.ended(denied.ending());
            denied.fault.into_response(protocol, request_id).map(Either::Left)
        });
        if protocol == Protocol::Anthropic {
            response.headers_mut().insert(REQUEST_ID, request_id.clone().into_header());
        }
        response
    }

    /// Settles what is under way, which ends it, and takes nothing more that costs. To be called when the server has stopped, before what
    /// writes the ledger does.
    pub fn stop(&self) {
        let settled = self.shared.bills.close();
        if settled > 0 {
            tracing::warn!(
                settled,
                "requests to upstreams were still under way, and are charged with what is known"
            );
        }
    }

    /// Writes what is counted and measured.
    pub fn write_metrics(&self, page: &mut Exposition) {
        self.shared.counts.write(page, self.shared.bills.count());
        let kinds = [("request", &*self.bodies), ("answer", &*self.shared.answers)];
        let help = "Memory of bodies in the LLM gateway that are read as a whole.";
        let mut family = page.gauge("keystile_gateway_body_memory_bytes", help);
        for (kind, room) in kinds {
            family.size(&[("kind", kind)], room.held_of_most().0);
        }
        let help = "Bodies for which the LLM gateway had no memory.";
        let mut family = page.counter("keystile_gateway_bodies_refused_total", help);
        for (kind, room) in kinds {
            family.count(&[("kind", kind)], room.refused());
        }
    }
}

/// In which shape a request is answered that goes wrong: that of its route, also where no operation is.
fn protocol_of(route: &Route, parts: &Parts) -> Protocol {
    match route {
        Route::Found(operation) => operation.protocol_for(&parts.headers),
        Route::Unknown | Route::WrongMethod(_) if parts.uri.path().starts_with(ANTHROPIC_PREFIX) => {
            Protocol::Anthropic
        }
        Route::Unknown | Route::WrongMethod(_) => Protocol::OpenAi,
    }
}
