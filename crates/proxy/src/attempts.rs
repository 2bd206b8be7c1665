//! A request on its way to upstreams: to the first that takes it, in order of rank. Another one is tried until something of an answer
//! is on its way to the client, and never after that.
//!
//! Each attempt holds what it may cost at its own price, and is settled by itself. So at no moment more is held than one attempt may cost,
//! and an attempt that may have cost something is charged, whatever the next one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Body;
use keystile_bearer::Kept;
use keystile_core::llm::Upstream;
use keystile_core::quota::Origin;
use keystile_verify::{CachedKey, Terms};
use tokio::time::Instant;

use crate::bill::{Bill, Tab};
use crate::bounds::Budgeted;
use crate::call::Call;
use crate::client::{Coming, Failure};
use crate::denied::Denied;
use crate::fault::Fault;
use crate::gateway::{GatewayBody, Shared};
use crate::headers::{self, X_OUTPUT_CLAMPED};
use crate::intake::{self, Gathered, Unread};
use crate::operation::Operation;
use crate::pieces::Pieces;
use crate::relay::{Relay, Terms as RelayTerms};
use crate::request_span::request_span;
use crate::source::{Events, Form, Long, Source};
use crate::standing::{Purpose, Standing};
use crate::stats::Trouble;
use crate::upstream_status::{costs_nothing, is_about_account, repeats, trouble};
use crate::usage::{Eye, Reading};
use crate::whole::Whole;

/// Upstreams that one request is sent to at most: its client waits meanwhile.
pub(crate) const MOST_ATTEMPTS: usize = 4;
/// Longest answer that is read as a whole, in bytes. A longer one, such as of many images, is looked through for its usage while it is
/// passed on.
const LONGEST_WHOLE: usize = 32 * 1024 * 1024;
/// Longest refusal of an upstream that is passed on, in bytes.
const LONGEST_REFUSAL: usize = 256 * 1024;

/// A request that is admitted.
pub(crate) struct Exchange {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: Arc<CachedKey>,
    pub(crate) operation: Operation,
    pub(crate) call: Call,
    /// Fields of the client's request.
    pub(crate) fields: HeaderMap,
    /// Upstreams that can serve it, in the order in which they are tried; there is one at least.
    pub(crate) ways: Vec<Arc<Upstream>>,
    pub(crate) budgeted: Budgeted,
    /// How long an answer is read on when the client is gone; `None` if it is not.
    pub(crate) drain: Option<Duration>,
    /// What it is for, which is asked about again while it is answered.
    pub(crate) purpose: Purpose,
    pub(crate) request_id: Box<str>,
    pub(crate) ends: Instant,
    /// Whether the client is gone, for whom no other upstream is asked then.
    pub(crate) left: Arc<AtomicBool>,
    #[expect(dead_code, reason = "the memory of the body is taken for as long as this lives")]
    pub(crate) memory: Kept,
}

/// An upstream answers.
struct Answer {
    response: Response<Coming>,
    tab: Tab,
    /// The cap on its output that the client did not ask for.
    clamped: Option<u64>,
    /// Who answers.
    way: Arc<Upstream>,
}

impl Exchange {
    /// Sends the request to one upstream after the other, until there is an answer to pass on.
    ///
    /// # Errors
    /// What the client is told instead: that its limits do not allow it, or that no upstream answers.
    pub(crate) async fn carry_out(self) -> Result<Response<GatewayBody>, Denied> {
        let counts = &self.shared.counts;
        let (mut failed, mut may_pass) = (Failure::Unconnected, false);
        for (place, way) in self.ways.iter().enumerate() {
            let outcome = self.attempt(way).await?;
            let is_last = place + 1 == self.ways.len() || self.left.load(Ordering::Relaxed);
            match outcome {
                Ok(answer) => match trouble(answer.response.status()) {
                    Some(trouble) if !is_last => {
                        may_pass |= trouble != Trouble::Refused;
                        self.note(&answer.way, answer.response.status(), trouble);
                        if costs_nothing(answer.response.status()) {
                            answer.tab.not_done();
                        }
                    }
                    None | Some(_) => {
                        let passed = self.pass_on(answer).await;
                        return passed.map_err(|denied| denied.after_others(may_pass));
                    }
                },
                Err(failure) => {
                    may_pass |= failure != Failure::Forbidden;
                    counts.trouble(failure.into());
                    failed = failure;
                }
            }
            if is_last {
                break;
            }
            counts.failed_over();
        }
        let fault = match failed {
            Failure::Late => Fault::upstream_timeout(),
            Failure::Broken => Fault::upstream_broke_off(),
            Failure::Unconnected | Failure::Forbidden | Failure::Unprocessed => Fault::upstream_unreachable(),
        };
        Err(fault.into())
    }

    /// The answer of one upstream, or why there is none.
    async fn attempt(&self, way: &Arc<Upstream>) -> Result<Result<Answer, Failure>, Denied> {
        let (need, load) = self.call.weigh(way, self.budgeted)?;
        let shared = &self.shared;
        let reserved = shared.verifier.reserve(&self.key, &need, self.terms()).await;
        let hold = reserved.map_err(|refusal| Denied::of(&refusal, Some(&self.purpose.model)))?;
        let output = hold.units();
        let reading = Reading::under(load, &self.call, way).within(output);
        let bill = Bill::new(hold, reading, Arc::clone(way), Arc::clone(&shared.counts));
        let tab = shared.bills.open(bill).ok_or_else(Fault::busy)?;
        let request = self.request(way, output)?;
        if !tab.sent() {
            return Err(Fault::busy().into());
        }
        let to = (self.key.tenant_id(), &way.provider.base_url);
        match shared.client.send(to, request, self.head_within()).await {
            Ok(response) => {
                let (clamped, way) = (self.call.clamped(output), Arc::clone(way));
                Ok(Ok(Answer { response, tab, clamped, way }))
            }
            Err(failure) => {
                if !failure.may_cost() {
                    tab.not_done();
                }
                Ok(Err(failure))
            }
        }
    }

    fn terms(&self) -> Terms {
        Terms {
            deadline: self.shared.patience.of_holds(),
            origin: Origin::Gateway,
            model: self.purpose.model.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// How long the head of an answer may take: of one that comes as a whole, as long as the whole.
    fn head_within(&self) -> Duration {
        let left = self.ends.saturating_duration_since(Instant::now());
        if self.call.streams() { left.min(self.shared.patience.first_byte) } else { left }
    }

    /// The request as it is made for an upstream. Nothing of the client's is in it that was not understood.
    fn request(&self, way: &Upstream, output: u64) -> Result<Request<Full<Bytes>>, Fault> {
        let (content_type, body) = self.call.for_upstream(way, output)?;
        let path = format!("{}{}", way.provider.base_url.path(), self.operation.path());
        let path = PathAndQuery::from_maybe_shared(Bytes::from(path));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.map_err(|_| Fault::upstream_unreachable())?.into();
        let mut fields = headers::of_client(&self.fields, self.operation.protocol(), self.key.digest());
        fields.insert(CONTENT_TYPE, content_type);
        let credential = headers::credential(way.provider.protocol, &way.credential);
        let (name, value) = credential.map_err(|_| Fault::upstream_refused())?;
        fields.insert(name, value);
        *request.headers_mut() = fields;
        Ok(request)
    }

    async fn pass_on(self, answer: Answer) -> Result<Response<GatewayBody>, Denied> {
        if !answer.response.status().is_success() {
            return self.pass_refusal_on(answer).await;
        }
        if headers::is_packed(answer.response.headers()) {
            self.shared.counts.trouble(Trouble::Broken);
            return Err(Fault::upstream_broke_off().into());
        }
        match manner_of(&answer.response) {
            Manner::Events => {
                let events = Events::of(&self.operation);
                Ok(self.stream(answer, Form::Events(events)))
            }
            Manner::Long => Ok(self.stream(answer, Form::Long(Long::of(Bytes::new())))),
            Manner::Pieces => Ok(self.stream(answer, Form::Opaque)),
            Manner::Whole => self.whole(answer).await,
        }
    }

    fn stream(self, answer: Answer, form: Form) -> Response<GatewayBody> {
        let answers = &self.shared.answers;
        let memory = answers.keep(answers.part());
        self.relay(answer, form, memory)
    }

    fn relay(self, answer: Answer, form: Form, memory: Kept) -> Response<GatewayBody> {
        let Answer { response, tab, clamped, way } = answer;
        let (parts, body) = response.into_parts();
        let counts = Arc::clone(&self.shared.counts);
        let source = Source { body, form, tab, memory, streaming: counts.streaming() };
        let pieces = Pieces::begin(self.shared.patience.idle, self.ends);
        let terms = RelayTerms { protocol: way.provider.protocol, drain: self.drain, counts };
        let verifier = Arc::clone(&self.shared.verifier);
        let standing = Standing::new(verifier, *self.key.digest(), self.purpose);
        let relay = Relay::new(source, standing, pieces, terms);
        answered((parts.status, &parts.headers, clamped), Either::Right(Either::Right(relay)))
    }

    /// An answer that is there wholly before any of it is passed on, as what it cost stands at its end. If it has no room it is not thrown
    /// away, as it is paid for: it is passed on as it comes then.
    async fn whole(self, mut answer: Answer) -> Result<Response<GatewayBody>, Denied> {
        let answers = Arc::clone(&self.shared.answers);
        let mut part = answers.part();
        let within = self.ends.saturating_duration_since(Instant::now());
        let (body, bounds) = (answer.response.body_mut(), (LONGEST_WHOLE, within));
        let gathered = intake::gather_if_it_fits(body, bounds, &mut part).await;
        match gathered {
            Ok(Gathered::Whole(bytes)) => {
                let seen = Eye::of(&self.operation).whole(&bytes);
                let Answer { response, tab, clamped, .. } = answer;
                // The bill was settled meanwhile only if the server stops.
                let _heard = tab.read(|reading| reading.hear(&seen));
                drop(tab);
                let body = Whole::body(bytes, answers.keep(part));
                Ok(answered((response.status(), response.headers(), clamped), body))
            }
            Ok(Gathered::Begun(bytes)) => {
                let memory = answers.keep(part);
                Ok(self.relay(answer, Form::Long(Long::of(bytes)), memory))
            }
            Err(unread) => {
                let counts = &self.shared.counts;
                counts.trouble(if unread == Unread::TooSlow { Trouble::Late } else { Trouble::Broken });
                let fault = match unread {
                    Unread::TooSlow => Fault::upstream_timeout(),
                    Unread::BrokeOff | Unread::NoRoom | Unread::TooLarge(_) => Fault::upstream_broke_off(),
                };
                Err(fault.into())
            }
        }
    }

    /// A refusal in the upstream's own words, unless it is about the gateway, or repeats what opens the upstream. As a rule it costs
    /// nothing.
    async fn pass_refusal_on(self, answer: Answer) -> Result<Response<GatewayBody>, Denied> {
        let Answer { response, tab, way, .. } = answer;
        let (parts, body) = response.into_parts();
        if costs_nothing(parts.status) {
            tab.not_done();
        }
        drop(tab);
        let trouble = trouble(parts.status);
        if let Some(trouble) = trouble {
            self.note(&way, parts.status, trouble);
        }
        if trouble == Some(Trouble::Refused) {
            return Err(Fault::upstream_refused().into());
        }
        if headers::is_packed(&parts.headers) {
            return Err(Fault::upstream_broke_off().into());
        }
        let answers = &self.shared.answers;
        let mut part = answers.part();
        let read = intake::gather_within(body, (LONGEST_REFUSAL, self.head_within()), &mut part).await;
        let body = read.map_err(|_| Fault::upstream_broke_off())?;
        if is_about_account(&body) || repeats(&body, &way.credential) {
            self.note(&way, parts.status, Trouble::Refused);
            return Err(Fault::upstream_refused().into());
        }
        let body = Whole::body(body, answers.keep(part));
        Ok(answered((parts.status, &parts.headers, None), body))
    }

    /// Counts what an upstream did wrong. That it refuses its credential or its account is told in the log: only those who run this
    /// server can mend it.
    fn note(&self, way: &Upstream, status: StatusCode, trouble: Trouble) {
        self.shared.counts.trouble(trouble);
        if trouble == Trouble::Refused && self.shared.refusals_logged.allows() {
            let (tenant, provider, status) = (way.provider.tenant_id, way.provider.id, status.as_u16());
            request_span(&self.request_id).in_scope(|| {
                tracing::warn!(%tenant, %provider, status, "a provider refuses its credential or account");
            });
        }
    }
}

/// How a good answer is passed on.
enum Manner {
    /// As events, which are read.
    Events,
    /// As it comes, though usage stands in it.
    Long,
    /// As it comes.
    Pieces,
    /// When all of it is there.
    Whole,
}

/// Usage stands in JSON and in events, and texts are counted. Anything else is passed on as it comes.
fn manner_of(response: &Response<Coming>) -> Manner {
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is = |media_type: &[u8]| {
        content_type.get(..media_type.len()).is_some_and(|start| start.eq_ignore_ascii_case(media_type))
    };
    let is_long = response.body().size_hint().lower() > LONGEST_WHOLE as u64;
    if is(b"text/event-stream") {
        Manner::Events
    } else if is(b"application/json") || is(b"text/") {
        if is_long { Manner::Long } else { Manner::Whole }
    } else {
        Manner::Pieces
    }
}

fn answered(
    (status, fields, clamped): (StatusCode, &HeaderMap, Option<u64>),
    body: GatewayBody,
) -> Response<GatewayBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers::of_upstream(fields);
    if let Some(clamped) = clamped {
        response.headers_mut().insert(X_OUTPUT_CLAMPED, HeaderValue::from(clamped));
    }
    response
}
