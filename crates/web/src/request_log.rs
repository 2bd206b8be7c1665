//! What of a request goes into the request log.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONTENT_LENGTH, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use keystile_bearer::{ClientIp, RequestId};
use keystile_core::{Actor, Ask, Code, LogFace, LogMethod, LoggedRequest, PersonId, TenantId};
use keystile_engine::Texts;
use keystile_manage::Caller;
use keystile_proxy::GATEWAY_PREFIX;
use keystile_verify::{CachedKey, Verdict};
use parking_lot::Mutex;

use crate::problem::ApiProblem;
use crate::state::App;

/// The code of what nobody waited for: the client hung up, or its connection broke, before there was an answer. It is told by the
/// log alone.
const CLIENT_CLOSED: &str = "client_closed_request";
/// The status that goes with it, as logs of nginx have it.
const CLIENT_CLOSED_STATUS: u16 = 499;
/// The code of what went wrong on our side.
const INTERNAL: &str = "internal";

/// Somebody who may ask whether keys are good.
pub(crate) struct Asker {
    pub(crate) tenant_id: TenantId,
    pub(crate) who: Who,
}

/// Who called.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// Whoever holds a key.
    Key(Arc<CachedKey>),
    /// A person, in this tenant.
    Person(TenantId, PersonId),
}

impl Who {
    fn actor(&self) -> Actor {
        match self {
            Self::Key(key) => Actor::Key(key.id()),
            Self::Person(_, id) => Actor::Person(*id),
        }
    }
}

/// Who called, as far as it is found out while a request is answered; also of one who is refused. Travels with the request; clones
/// are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted(Arc<Mutex<Option<Who>>>);

impl Noted {
    /// The note of a request; one that nobody reads where none travels with it.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    pub(crate) fn who(&self, who: Who) {
        *self.0.lock() = Some(who);
    }

    /// Notes the key of a decision on who calls, if there is one.
    pub(crate) fn key_of(&self, verdict: &Verdict) {
        if let Some(key) = &verdict.key {
            self.who(Who::Key(Arc::clone(key)));
        }
    }

    /// Notes a person; of a key more is known already.
    pub(crate) fn caller(&self, caller: &Caller) {
        if let Actor::Person(person) = caller.actor() {
            self.who(Who::Person(caller.tenant_id(), person));
        }
    }

    /// There is nothing to log beside what was logged already.
    pub(crate) fn nothing_more(&self) {
        *self.0.lock() = None;
    }

    fn take(&self) -> Option<Who> {
        self.0.lock().take()
    }
}

/// The code of a refusal that was made a page; it travels beside the answer.
#[derive(Debug, Clone, Copy)]
pub struct RefusedWith(pub &'static str);

/// A call that passes the router. It is logged when it is answered, or when it is dropped before, as nobody waits for it any more.
pub(crate) struct Called<'a> {
    pub(crate) noted: Noted,
    app: &'a App,
    method: LogMethod,
    client: ClientIp,
    user_agent: Option<HeaderValue>,
    bytes_in: Option<u64>,
    /// The path, as far as it may be shown.
    path: &'a str,
    request_id: &'a RequestId,
    began: Instant,
}

/// How a call was answered.
pub(crate) struct Answered<'a> {
    pub(crate) route: &'a str,
    pub(crate) status: StatusCode,
    /// The code of the refusal, if it was one that has a code.
    pub(crate) code: Option<&'static str>,
    pub(crate) bytes_out: Option<u64>,
}

impl<'a> Called<'a> {
    pub(crate) fn begin(
        app: &'a App,
        (method, headers): (&http::Method, &HeaderMap),
        client: ClientIp,
        (path, request_id): (&'a str, &'a RequestId),
    ) -> Self {
        Self {
            noted: Noted::default(),
            app,
            method: LogMethod::of(method.as_str().as_bytes()),
            client,
            user_agent: headers.get(USER_AGENT).cloned(),
            bytes_in: announced(headers),
            path,
            request_id,
            began: Instant::now(),
        }
    }

    /// Logs how it was answered, if it is known who called.
    pub(crate) fn answered(self, answered: &Answered<'_>) {
        let came_to = (code_of(answered), Some(answered.status.as_u16()));
        self.log(face_of(answered.route), came_to, answered.bytes_out);
    }

    /// Takes the note of who called with it, so that no call is logged twice.
    fn log(&self, face: LogFace, (code, status): (&'static str, Option<u16>), bytes_out: Option<u64>) {
        let Some(who) = self.noted.take() else { return };
        let Some(mut row) = begin(self.app, &who, face, code) else { return };
        row.method = Some(self.method);
        row.ip = self.client.0;
        row.status = status;
        row.duration_micros = micros(self.began);
        row.bytes_in = self.bytes_in;
        row.bytes_out = bytes_out;
        let user_agent = self.user_agent.as_ref().map(HeaderValue::as_bytes);
        let request_id = Some(self.request_id.as_str().as_bytes());
        self.app.requests.add(row, Texts { path: Some(self.path.as_bytes()), user_agent, request_id });
    }
}

/// Nobody waited for the answer.
impl Drop for Called<'_> {
    fn drop(&mut self) {
        // The route is not told any more. Those that have a face of their own have no parameters, so their paths are the same.
        self.log(face_of(self.path), unanswered(), None);
    }
}

/// Code and status of what is dropped before it is answered: its client has gone, unless it is a panic that ends it.
pub(crate) fn unanswered() -> (&'static str, Option<u16>) {
    if std::thread::panicking() { (INTERNAL, None) } else { (CLIENT_CLOSED, Some(CLIENT_CLOSED_STATUS)) }
}

/// What was answered to somebody with this code, if it is wanted in their log.
fn begin(app: &App, who: &Who, face: LogFace, code: &'static str) -> Option<LoggedRequest> {
    match who {
        Who::Key(key) => app.requests.begin_of_key(face, key, Cow::Borrowed(code)),
        Who::Person(tenant_id, person) => {
            let mut row = app.requests.begin(*tenant_id, face, Cow::Borrowed(code));
            row.caller = Some(Actor::Person(*person));
            Some(row)
        }
    }
}

fn face_of(route: &str) -> LogFace {
    match route {
        "/api/v1/keys/verify-batch" => LogFace::VerifyBatch,
        "/oauth2/introspect" => LogFace::Introspection,
        "/api/v1/events" => LogFace::Events,
        "/api/v1/auth/token" | "/api/v1/auth/token/refresh" => LogFace::Token,
        page if page == "/" || page.starts_with("/console") => LogFace::Console,
        route if route.starts_with(GATEWAY_PREFIX) => LogFace::Llm,
        _ => LogFace::Management,
    }
}

/// A form that is shown once more with what is wrong in it has no code of its own.
fn code_of(answered: &Answered<'_>) -> &'static str {
    let (code, status) = (answered.code, answered.status);
    code.unwrap_or(if status.is_server_error() {
        INTERNAL
    } else if status.is_client_error() {
        "invalid_request"
    } else {
        Code::Allowed.as_str()
    })
}

/// A request with questions about keys.
pub(crate) struct Asked<'a> {
    face: LogFace,
    headers: &'a HeaderMap,
    pub(crate) request_id: &'a RequestId,
    began: Instant,
}

impl<'a> Asked<'a> {
    pub(crate) fn begin(face: LogFace, headers: &'a HeaderMap, request_id: &'a RequestId) -> Self {
        Self { face, headers, request_id, began: Instant::now() }
    }

    /// Logs what was decided about a key; `bytes_out` is the length of an answer that tells of it alone.
    pub(crate) fn decided(
        &self,
        app: &App,
        asker: &Asker,
        (verdict, ask): (&Verdict, &Ask<'_>),
        bytes_out: Option<usize>,
    ) {
        let row = app.requests.begin_decision(self.face, verdict, Some(asker.tenant_id));
        let Some(mut row) = row else { return };
        if row.key_id.is_none() {
            row.environment = ask.environment;
            row.application_id = ask.application_id;
            row.customer_id = ask.customer_id;
        }
        let caller = asker.who.actor();
        // A key that asks about itself is told of once; to another tenant nobody is told of who asked.
        let is_told = row.key_id.map(Actor::Key) != Some(caller) && row.tenant_id == asker.tenant_id;
        row.caller = is_told.then_some(caller);
        row.ip = ask.ip;
        row.bytes_out = bytes_out.map(|bytes| bytes as u64);
        self.add(app, row, Some(StatusCode::OK.as_u16()));
    }

    /// Logs that whoever asked was refused, or asked in a way that breaks a rule.
    pub(crate) fn refused(&self, app: &App, who: &Who, client: ClientIp, problem: &ApiProblem) {
        self.told(app, who, client, (problem.code(), Some(problem.status().as_u16())));
    }

    /// Whoever asked waits from now on.
    pub(crate) const fn wait<'w>(&'w self, app: &'w App, who: &'w Who, client: ClientIp) -> Waiting<'w> {
        Waiting { asked: self, app, who, client }
    }

    /// Logs what became of the question of somebody who was told of no key.
    fn told(&self, app: &App, who: &Who, client: ClientIp, (code, status): (&'static str, Option<u16>)) {
        let Some(mut row) = begin(app, who, self.face, code) else { return };
        row.ip = client.0;
        self.add(app, row, status);
    }

    fn add(&self, app: &App, mut row: LoggedRequest, status: Option<u16>) {
        row.status = status;
        row.duration_micros = micros(self.began);
        row.bytes_in = announced(self.headers);
        let request_id = Some(self.request_id.as_str().as_bytes());
        app.requests.add(row, Texts { request_id, ..Texts::default() });
    }
}

/// Somebody who asked about a key and waits. If this is dropped, and not told that the wait is over, nobody waits any more, which is
/// logged.
pub(crate) struct Waiting<'w> {
    asked: &'w Asked<'w>,
    app: &'w App,
    who: &'w Who,
    client: ClientIp,
}

impl Waiting<'_> {
    /// What is answered is known, and logged by whoever found it out.
    pub(crate) fn end(self) {
        std::mem::forget(self);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.asked.told(self.app, self.who, self.client, unanswered());
    }
}

/// The path of a target, without its query. One that names a host, or is none, is left out.
pub(crate) fn path_of(target: &[u8]) -> Option<&[u8]> {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    let path = &target[..end];
    path.starts_with(b"/").then_some(path)
}

/// What the client says of its software.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(USER_AGENT).map(HeaderValue::as_bytes)
}

/// How long the body is that follows, if it is told.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Microseconds since then.
pub(crate) fn micros(began: Instant) -> Option<u32> {
    u32::try_from(began.elapsed().as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_without_its_query() {
        for (target, kept) in [
            ("/orders/7?key=sk_x", Some("/orders/7")),
            ("/a#b?c", Some("/a")),
            ("/", Some("/")),
            ("", None),
            ("*", None),
            ("https://user:password@example.com/a", None),
        ] {
            assert_eq!(path_of(target.as_bytes()), kept.map(str::as_bytes), "{target}");
        }
    }

    #[test]
    fn what_a_panic_ends_is_not_the_clients_doing() {
        struct Ended<'e>(&'e Mutex<(&'static str, Option<u16>)>);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                *self.0.lock() = unanswered();
            }
        }
        let said = Mutex::new(("", None));
        drop(Ended(&said));
        assert_eq!(*said.lock(), ("client_closed_request", Some(499)));
        let panics = std::panic::AssertUnwindSafe(|| {
            let _ended = Ended(&said);
            panic!("in a handler")
        });
        assert!(std::panic::catch_unwind::<_, ()>(panics).is_err());
        assert_eq!(*said.lock(), ("internal", None));
    }

    #[test]
    fn only_a_plain_length_is_believed() {
        let told = |value: &'static str| {
            announced(&HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static(value))]))
        };
        assert_eq!([told("17"), told("x"), told("-1")], [Some(17), None, None]);
        assert_eq!(announced(&HeaderMap::new()), None);
    }
}
