//! Admission: one way in for all routes. What a request asks for, whose key it has, what its body says, and what may serve it; then it
//! is on its way (`attempts`).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use keystile_bearer::{ClientIp, Credential, RequestId, read_credential};
use keystile_core::llm::{Protocol, Upstream, Upstreams};
use keystile_core::{Ask, Code, Refusal};
use keystile_verify::{CachedKey, Verdict};
use tokio::time::Instant;
use tracing::Instrument;

use crate::attempts::{Exchange, MOST_ATTEMPTS};
use crate::bounds::Budgeted;
use crate::call::Call;
use crate::denied::Denied;
use crate::fault::Fault;
use crate::gateway::{Gateway, GatewayBody, Outcome};
use crate::headers;
use crate::intake::{self, Unread};
use crate::lasting::{Lasting, Leave};
use crate::operation::{Operation, Route};
use crate::rate_headers::tell_rates;
use crate::request_span::request_span;
use crate::standing::Purpose;
use crate::stats::Ending;

/// The only kind of key that may pass. Others were given out for something else, and have neither models nor a budget.
const KIND: &str = "virtual_llm";
/// The longer window that clients of Anthropic's can ask for, in tokens.
const LONG_WINDOW: u64 = 1_000_000;
/// Where clients send a key, beside `Authorization: Bearer`: Anthropic's, and Azure's.
const KEY_HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];

/// Who asks, beside the key.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    /// In whose words it is answered.
    pub(crate) protocol: Protocol,
    pub(crate) client: ClientIp,
    pub(crate) request_id: &'a RequestId,
}

impl Gateway {
    /// Passes a request on, if that may be.
    pub(crate) async fn pass(
        &self,
        visit: Visit<'_>,
        (route, fields, body): (Route, HeaderMap, Incoming),
        outcome: &mut Outcome,
    ) -> Result<Response<GatewayBody>, Denied> {
        let operation = match route {
            Route::Found(operation) => operation,
            Route::Unknown => return Err(Fault::unknown_route().into()),
            Route::WrongMethod(allow) => return Err(Fault::wrong_method(allow).into()),
        };
        let key = self.holder(visit, &fields, outcome).await?;
        match &operation {
            Operation::Models => self.models(visit, &key, None, outcome).await,
            Operation::Model(name) => self.models(visit, &key, Some(name), outcome).await,
            Operation::ChatCompletions
            | Operation::Responses
            | Operation::Completions
            | Operation::Embeddings
            | Operation::Moderations
            | Operation::ImagesGenerations
            | Operation::ImagesEdits
            | Operation::ImagesVariations
            | Operation::AudioSpeech
            | Operation::AudioTranscriptions
            | Operation::AudioTranslations
            | Operation::Messages
            | Operation::CountTokens => self.exchange(visit, (fields, body), (operation, key), outcome).await,
        }
    }

    /// The key, if it may use the gateway at all. Nobody else's body is read. It counts against no limit yet, as it is not known what is
    /// asked of it.
    async fn holder(
        &self,
        visit: Visit<'_>,
        fields: &HeaderMap,
        outcome: &mut Outcome,
    ) -> Result<Arc<CachedKey>, Denied> {
        let presented = presented(fields)?;
        let ask = Ask { ip: visit.client.0, ..Ask::ANYTHING };
        let verifier = &self.shared.verifier;
        let Verdict { key, outcome: seen, .. } = match verifier.try_look(presented, &ask) {
            Ok(verdict) => verdict,
            Err(cold) => {
                let looked = Box::pin(verifier.look_cold(cold, &ask));
                looked.instrument(request_span(visit.request_id.as_str())).await
            }
        };
        outcome.key.clone_from(&key);
        seen.map_err(|refusal| Denied::of(&refusal, None))?;
        let key = key.ok_or_else(Fault::unavailable)?;
        if key.kind() == KIND { Ok(key) } else { Err(Fault::wrong_kind(key.kind(), KIND).into()) }
    }

    /// Decides, and counts the request against limits on requests.
    pub(crate) async fn admit(
        &self,
        key: &CachedKey,
        ask: &Ask<'_>,
        outcome: &mut Outcome,
    ) -> Result<Verdict, Denied> {
        let verdict = self.shared.verifier.verify_held(*key.digest(), ask).await;
        outcome.decision = Some(verdict.code());
        match &verdict.outcome {
            Ok(()) => Ok(verdict),
            Err(refusal) => Err(Denied::of(refusal, ask.model)),
        }
    }

    /// What the key's tenant may be served by.
    pub(crate) async fn upstreams(
        &self,
        visit: Visit<'_>,
        key: &CachedKey,
    ) -> Result<Arc<Upstreams>, Denied> {
        let (verifier, tenant_id) = (&self.shared.verifier, key.tenant_id());
        if let Some(upstreams) = verifier.try_upstreams(tenant_id) {
            return Ok(upstreams);
        }
        let read = Box::pin(verifier.upstreams(tenant_id));
        let read = read.instrument(request_span(visit.request_id.as_str())).await;
        read.map_err(|_| unavailable())
    }

    /// Admits a request, and sends it on its way.
    async fn exchange(
        &self,
        visit: Visit<'_>,
        (fields, body): (HeaderMap, Incoming),
        (operation, key): (Operation, Arc<CachedKey>),
        outcome: &mut Outcome,
    ) -> Result<Response<GatewayBody>, Denied> {
        let Visit { client, request_id, .. } = visit;
        let mut part = self.bodies.part();
        let bounds = (self.longest(&operation), self.shared.patience.body);
        let body = intake::read(&fields, body, bounds, &mut part).await.map_err(unread)?;
        part.grow(intake::parsed(&body)).map_err(|_| unread(Unread::NoRoom))?;
        let call = Call::read(&operation, fields.get(CONTENT_TYPE), &body)?;
        drop(body);
        let model: Box<str> = call.model().ok_or_else(|| Fault::field("model", "is required"))?.into();
        let purpose = Purpose { ip: client.0, environment: key.environment(), model };
        let verdict = self.admit(&key, &purpose.ask(), outcome).await?;
        // Its limits may have changed while the body was sent.
        let key = verdict.key.clone().unwrap_or(key);
        let ways = self.ways(visit, &key, (&operation, &*purpose.model)).await?;
        let budgeted = budgeted(&key);
        let is_bounded = budgeted != Budgeted::No && !operation.is_free();
        if is_bounded && headers::asks_long_window(&fields) {
            keep_within_windows(&ways)?;
        }
        let patience = self.shared.patience;
        let drain = key.budget().is_some().then_some(patience.drain);
        let leave = Leave { within: drain, ending: (!call.streams()).then_some(Ending::Left) };
        let left: Arc<AtomicBool> = Arc::default();
        let exchange = Exchange {
            fields,
            ways,
            budgeted,
            drain,
            purpose,
            request_id: request_id.as_str().into(),
            ends: Instant::now() + patience.total,
            key: Arc::clone(&key),
            shared: Arc::clone(&self.shared),
            operation,
            call,
            left: Arc::clone(&left),
            memory: self.bodies.keep(part),
        };
        let counts = Arc::clone(&self.shared.counts);
        let mut response = Lasting::new(exchange.carry_out(), leave, (counts, left)).await?;
        self.count(&response);
        self.tell_limits(response.headers_mut(), &key, &verdict).await;
        Ok(response)
    }

    /// What may serve a model to a key, in the order in which it is tried. A key with a budget is not served at an unknown price.
    async fn ways(
        &self,
        visit: Visit<'_>,
        key: &CachedKey,
        (operation, model): (&Operation, &str),
    ) -> Result<Vec<Arc<Upstream>>, Denied> {
        let upstreams = self.upstreams(visit, key).await?;
        let found = upstreams.find(model, operation.protocol(), key.environment());
        let mut ways: Vec<_> = found.cloned().collect();
        if ways.is_empty() {
            return Err(Fault::model_not_found(model).into());
        }
        if key.budget().is_some() && !operation.is_free() {
            ways.retain(|way| way.model.price.is_some());
        }
        if ways.is_empty() {
            return Err(Fault::price_unknown(model).into());
        }
        ways.truncate(MOST_ATTEMPTS);
        Ok(ways)
    }

    /// Tells what the key may still use, for clients that look; nothing if that cannot be known now.
    pub(crate) async fn tell_limits(&self, fields: &mut HeaderMap, key: &Arc<CachedKey>, verdict: &Verdict) {
        if let Ok(room) = self.shared.verifier.room(key).await {
            tell_rates(fields, &room, verdict.limits());
        }
    }

    /// Counts an answer that is there; one that is passed on as it comes counts itself at its end.
    fn count(&self, response: &Response<GatewayBody>) {
        match (response.body(), response.status().is_success()) {
            (Either::Right(Either::Right(_)), _) => {}
            (Either::Left(_) | Either::Right(Either::Left(_)), true) => {
                self.shared.counts.ended(Ending::Answered);
            }
            (Either::Left(_) | Either::Right(Either::Left(_)), false) => {
                self.shared.counts.ended(Ending::UpstreamRefused);
            }
        }
    }

    const fn longest(&self, operation: &Operation) -> usize {
        match operation {
            Operation::ImagesEdits
            | Operation::ImagesVariations
            | Operation::AudioTranscriptions
            | Operation::AudioTranslations => self.bounds.longest_media,
            Operation::ChatCompletions
            | Operation::Responses
            | Operation::Completions
            | Operation::Embeddings
            | Operation::Models
            | Operation::Model(_)
            | Operation::Moderations
            | Operation::ImagesGenerations
            | Operation::AudioSpeech
            | Operation::Messages
            | Operation::CountTokens => self.bounds.longest,
        }
    }
}

/// The text of the key that was sent.
fn presented(headers: &HeaderMap) -> Result<&str, Denied> {
    let refuse = |code| Denied::of(&Refusal::Plain(code), None);
    match read_credential(headers, &KEY_HEADERS) {
        Ok(Some(Credential::Key(text))) => Ok(text),
        // A person's token opens the API, and no upstream.
        Ok(Some(Credential::Token(_))) => Err(refuse(Code::KeyMalformed)),
        Ok(None) => Err(refuse(Code::KeyMissing)),
        Err(unreadable) => Err(refuse(unreadable.code())),
    }
}

/// What bears on the key, so that what cannot be bounded before it is sent must be refused.
fn budgeted(key: &CachedKey) -> Budgeted {
    match (key.budget(), key.tokens()) {
        (Some(_), _) => Budgeted::Money,
        (None, Some(_)) => Budgeted::Tokens,
        (None, None) => Budgeted::No,
    }
}

/// Refuses a window that is longer than those by which the request is bounded, and has another price.
fn keep_within_windows(ways: &[Arc<Upstream>]) -> Result<(), Fault> {
    let is_long = |way: &Arc<Upstream>| way.model.context_window.is_some_and(|window| window >= LONG_WINDOW);
    if ways.iter().all(is_long) {
        return Ok(());
    }
    let why = "asks for a longer window than that of this model, at another price";
    Err(Fault::unbounded("anthropic-beta", why))
}

fn unavailable() -> Denied {
    Denied::of(&Refusal::Plain(Code::EnforcementUnavailable), None)
}

fn unread(unread: Unread) -> Denied {
    let fault = match unread {
        Unread::TooLarge(longest) => Fault::too_large(longest as u64),
        Unread::NoRoom => Fault::busy(),
        Unread::TooSlow => Fault::invalid("the body took too long"),
        Unread::BrokeOff => Fault::invalid("the body broke off"),
    };
    fault.into()
}
