//! The layer, and what it asks.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, Response};
use ipnet::IpNet;
use keystile_bearer::{
    ClientIp, Refused, RequestIds, X_REQUEST_ID, client_ip, is_claim, loopback_proxies, read_credential,
    render, usual_key_headers,
};
use keystile_core::{ApplicationId, Code, Environment, PermissionName};
use tower::Layer;

use crate::peer::peer;
use crate::service::Guarded;
use crate::{Authority, Needed, Question, VerifiedKey};

type Fit = dyn Fn(&Parts, &mut Question) -> Result<(), Refused> + Send + Sync;

/// A layer that lets a request pass only with a good key of an application, in an environment.
#[derive(Clone)]
pub struct Guard<A> {
    authority: A,
    rules: Arc<Rules>,
}

#[derive(Clone)]
struct Rules {
    question: Question,
    fit: Option<Arc<Fit>>,
    key_headers: Vec<HeaderName>,
    trusted_proxies: Vec<IpNet>,
    request_ids: Arc<RequestIds>,
}

impl<A: Authority> Guard<A> {
    /// Guards an application in an environment: keys of others are refused.
    pub fn new(authority: A, application_id: ApplicationId, environment: Environment) -> Self {
        // The standard library seeds it from the system's randomness.
        let seed = RandomState::new().hash_one(0);
        let rules = Rules {
            question: Question::about(application_id, environment),
            fit: None,
            key_headers: usual_key_headers(),
            trusted_proxies: loopback_proxies(),
            request_ids: Arc::new(RequestIds::new(seed)),
        };
        Self { authority, rules: Arc::new(rules) }
    }

    /// Needs every one of these permissions.
    #[must_use]
    pub fn all_of(self, permissions: impl IntoIterator<Item = PermissionName>) -> Self {
        let all = permissions.into_iter().collect();
        self.with(|rules| rules.question.permissions = Needed::All(all))
    }

    /// Needs one of these permissions; with none nothing passes.
    #[must_use]
    pub fn any_of(self, permissions: impl IntoIterator<Item = PermissionName>) -> Self {
        let any = permissions.into_iter().collect();
        self.with(|rules| rules.question.permissions = Needed::Any(any))
    }

    /// Counts each request as so many; 1 if it is not said.
    #[must_use]
    pub fn cost(self, cost: u32) -> Self {
        self.with(|rules| rules.question.cost = cost)
    }

    /// Fits the question to each request: the permission that its method needs, the customer in its path, its cost. It
    /// starts from what the layer asks, with the client's address; what it cannot tell, it refuses with a code:
    /// `Err(Code::WrongCustomer.into())`. It is called for requests that have a credential.
    #[must_use]
    pub fn asking<F>(self, fit: F) -> Self
    where
        F: Fn(&Parts, &mut Question) -> Result<(), Refused> + Send + Sync + 'static,
    {
        self.with(|rules| rules.fit = Some(Arc::new(fit)))
    }

    /// Headers that may carry a key beside `Authorization`, instead of `X-API-Key`.
    #[must_use]
    pub fn key_headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        let names = names.into_iter().collect();
        self.with(|rules| rules.key_headers = names)
    }

    /// Proxies whose word on the client's address is believed, instead of those on this machine.
    #[must_use]
    pub fn trusted_proxies(self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        let networks = networks.into_iter().collect();
        self.with(|rules| rules.trusted_proxies = networks)
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }

    /// Decides about a request. One that passes tells from now on who it is of, and nothing that its client says of it.
    pub(crate) async fn admit(&self, parts: &mut Parts) -> Result<VerifiedKey, Response<Vec<u8>>> {
        match self.decide(parts).await {
            Ok(key) => {
                forget_claims(parts);
                parts.extensions.insert(key.clone());
                Ok(key)
            }
            Err(refused) => Err(self.refusal(&refused, parts)),
        }
    }

    async fn decide(&self, parts: &Parts) -> Result<VerifiedKey, Refused> {
        let rules = &*self.rules;
        let credential = read_credential(&parts.headers, &rules.key_headers);
        let credential = credential.map_err(|unreadable| Refused::from(unreadable.code()))?;
        let presented = credential.ok_or_else(|| Refused::from(Code::KeyMissing))?.text();
        let mut question = Question { ip: rules.client(parts), ..rules.question.clone() };
        if let Some(fit) = &rules.fit {
            fit(parts, &mut question)?;
        }
        if !question.is_askable() {
            tracing::error!("a request costs more, or needs more permissions, than can be asked for");
            return Err(Code::EnforcementUnavailable.into());
        }
        self.authority.decide(presented, &question).await
    }

    fn refusal(&self, refused: &Refused, parts: &Parts) -> Response<Vec<u8>> {
        let request_id = self.rules.request_ids.of(&parts.headers, &self.rules.key_headers);
        let mut response = render(&refused.problem(&request_id));
        response.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
        response
    }
}

impl Rules {
    fn client(&self, parts: &Parts) -> Option<IpAddr> {
        let ClientIp(address) = client_ip(peer(&parts.extensions)?, &parts.headers, &self.trusted_proxies);
        address
    }
}

/// Takes away what a client says of who it is, which is for whoever has asked about its key to say.
fn forget_claims(parts: &mut Parts) {
    let claims: Vec<HeaderName> = parts.headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for claim in claims {
        parts.headers.remove(claim);
    }
    parts.extensions.remove::<VerifiedKey>();
}

impl<A: Authority, S> Layer<S> for Guard<A> {
    type Service = Guarded<A, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded { guard: self.clone(), inner }
    }
}
