//! One upstream: the connections to it, and which of them a request takes.

use std::sync::Arc;

use http::header::{HOST, InvalidHeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Response, Uri};
use hyper_util::client::legacy::connect::Connection as _;
use keystile_core::TenantId;
use keystile_core::llm::BaseUrl;
use keystile_outbound::is_not_reachable;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Failure;
use super::coming::Coming;
use super::shared::{Place, Shared};
use super::single::{Lent, Single};
use super::unanswered::{Sent, Unanswered};
use crate::connector::{Connector, Stream};
use crate::on_behalf::on_behalf_of;

/// Connections for one request at a time that are kept without use.
const MOST_RESTING: usize = 256;
/// Connections for many requests, for some two thousand that do not wait for one another.
const MOST_SHARED: usize = 32;
/// In so many sweeps one after the other a connection without use is found before it is closed.
const SWEEPS: u8 = 4;

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// As it chooses in the handshake of TLS; HTTP/1 without one.
    Chosen,
    /// In HTTP/2, also without TLS.
    #[cfg(test)]
    Shared,
}

/// One upstream.
pub(super) struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// What HTTP/1 calls it.
    host: HeaderValue,
    connector: Connector,
    speech: Speech,
    connections: Mutex<Connections>,
    /// There is a connection that has room.
    news: Notify,
}

#[derive(Default)]
struct Connections {
    /// The one that was used last is the last.
    resting: Vec<Resting>,
    shared: Vec<(Shared, u8)>,
}

/// A connection that nobody uses.
struct Resting {
    single: Box<Single>,
    /// Sweeps that have found it so.
    sweeps: u8,
}

/// A connection that a request has.
enum Taken {
    Single(Box<Single>),
    Shared(Shared, Place),
}

impl Origin {
    /// The upstream at a base URL; `None` if that is none.
    pub(super) fn at(base_url: &BaseUrl, connector: Connector, speech: Speech) -> Option<Self> {
        let scheme = if base_url.is_plain() { Scheme::HTTP } else { Scheme::HTTPS };
        let authority: Authority = base_url.authority().parse().ok()?;
        let host = host_of(&authority, &scheme).ok()?;
        let (connections, news) = (Mutex::default(), Notify::new());
        Some(Self { scheme, authority, host, connector, speech, connections, news })
    }

    /// Sends a request of a tenant and waits for the head of its answer; its URI is a path. It is sent again over another connection if
    /// nothing of it was sent over one that was kept, and once if the upstream says that it has not looked at it: a connection that is
    /// being closed, or has too much under way, says nothing about others.
    pub(super) async fn send(
        self: &Arc<Self>,
        tenant_id: TenantId,
        mut request: Sent,
    ) -> Result<Response<Coming>, Failure> {
        let (mut but, mut may_again): (Option<Shared>, _) = (None, true);
        loop {
            let (taken, is_kept) = match self.find(but.as_ref()) {
                Some(found) => (found, true),
                None => Box::pin(self.connection(tenant_id, but.as_ref())).await?,
            };
            match taken {
                Taken::Single(mut single) => match single.send(self.by_path(request)).await {
                    Ok(answer) => {
                        let lent = Lent::new(single, Arc::clone(self));
                        return Ok(answer.map(|body| Coming::of_single(body, lent)));
                    }
                    Err(Unanswered::Unsent(unsent)) if is_kept => request = *unsent,
                    Err(unanswered) => return Err(unanswered.failure()),
                },
                Taken::Shared(mut shared, place) => {
                    let again = may_again.then(|| request.clone());
                    match shared.send(self.by_url(request)?).await {
                        Ok(answer) => return Ok(answer.map(|body| Coming::of_shared(body, place))),
                        Err(Unanswered::Unsent(unsent)) if is_kept => {
                            (request, but) = (*unsent, Some(shared));
                        }
                        Err(unanswered) => match (unanswered.failure(), again) {
                            (Failure::Unprocessed, Some(again)) => {
                                (request, but, may_again) = (again, Some(shared), false);
                            }
                            (failure, _) => return Err(failure),
                        },
                    }
                }
            }
        }
    }

    /// A connection with room that is there, but for one.
    fn find(&self, but: Option<&Shared>) -> Option<Taken> {
        let mut connections = self.connections.lock();
        if let Some(Resting { single, .. }) = connections.resting.pop() {
            return Some(Taken::Single(single));
        }
        connections.shared.retain(|(shared, _)| shared.is_open());
        let has_all = connections.shared.len() >= MOST_SHARED;
        let others = || connections.shared.iter().map(|(shared, _)| shared).filter(|own| !own.is_same(but));
        // The first with room, so that few connections are in use.
        let found = others().find(|shared| shared.has_room());
        let found = found.or_else(|| others().filter(|_| has_all).min_by_key(|shared| shared.open()));
        found.map(|shared| Taken::Shared(shared.clone(), shared.place()))
    }

    /// The first connection that there is: a new one, or one on which there is room meanwhile. Tells whether it was kept.
    async fn connection(&self, tenant_id: TenantId, but: Option<&Shared>) -> Result<(Taken, bool), Failure> {
        let mut connecting = std::pin::pin!(on_behalf_of(tenant_id, self.connect()));
        loop {
            let mut news = std::pin::pin!(self.news.notified());
            news.as_mut().enable();
            if let Some(found) = self.find(but) {
                return Ok((found, true));
            }
            tokio::select! {
                connected = &mut connecting => return connected.map(|taken| (taken, false)),
                () = news => {}
            }
        }
    }

    async fn connect(&self) -> Result<Taken, Failure> {
        let (scheme, authority) = (self.scheme.as_str(), &self.authority);
        let url = format!("{scheme}://{authority}/").parse().map_err(|_| Failure::Unconnected)?;
        let stream = self.connector.connect(url).await.map_err(|error| {
            if is_not_reachable(&*error) { Failure::Forbidden } else { Failure::Unconnected }
        })?;
        if !self.is_shared(&stream) {
            return Single::begin(stream).await.map(Taken::Single).map_err(|_| Failure::Unconnected);
        }
        let shared = Shared::begin(stream).await.map_err(|_| Failure::Unconnected)?;
        let place = shared.place();
        self.connections.lock().shared.push((shared.clone(), 0));
        self.news.notify_waiters();
        Ok(Taken::Shared(shared, place))
    }

    fn is_shared(&self, stream: &Stream) -> bool {
        match self.speech {
            Speech::Chosen => stream.connected().is_negotiated_h2(),
            #[cfg(test)]
            Speech::Shared => true,
        }
    }

    /// A connection is not used any more. It is kept if it can be used further.
    pub(super) fn give_back(&self, single: Box<Single>) {
        if !single.is_free() {
            return;
        }
        single.rest();
        let mut connections = self.connections.lock();
        if connections.resting.len() < MOST_RESTING {
            connections.resting.push(Resting { single, sweeps: 0 });
        }
        drop(connections);
        // Only one request can have it.
        self.news.notify_one();
    }

    /// Whether there are any that it keeps.
    pub(super) fn has_connections(&self) -> bool {
        let connections = self.connections.lock();
        !connections.resting.is_empty() || !connections.shared.is_empty()
    }

    /// Closes what was closed from the other side, or was not used within [`SWEEPS`].
    pub(super) fn sweep(&self) {
        let mut connections = self.connections.lock();
        let is_over = |resting: &mut Resting| {
            resting.sweeps += 1;
            resting.sweeps >= SWEEPS || !resting.single.is_open()
        };
        let over: Vec<_> = connections.resting.extract_if(.., is_over).collect();
        connections.shared.retain_mut(|(shared, sweeps)| {
            *sweeps = if shared.was_used() { 0 } else { *sweeps + 1 };
            *sweeps < SWEEPS && shared.is_open()
        });
        // They are closed while requests find others.
        drop(connections);
        drop(over);
    }

    /// A request as HTTP/1 has it: a path, and the host in a field.
    fn by_path(&self, mut request: Sent) -> Sent {
        if request.uri().authority().is_some() {
            let path = request.uri().path_and_query().cloned();
            *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        }
        request.headers_mut().insert(HOST, self.host.clone());
        request
    }

    /// The same as HTTP/2 has it: a URL.
    fn by_url(&self, mut request: Sent) -> Result<Sent, Failure> {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        (parts.scheme, parts.authority) = (Some(self.scheme.clone()), Some(self.authority.clone()));
        parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Failure::Unconnected)?;
        request.headers_mut().remove(HOST);
        Ok(request)
    }
}

/// The host as a field tells it: with the port, unless that is the usual one.
fn host_of(authority: &Authority, scheme: &Scheme) -> Result<HeaderValue, InvalidHeaderValue> {
    let usual = if *scheme == Scheme::HTTP { 80 } else { 443 };
    let text = if authority.port_u16() == Some(usual) { authority.host() } else { authority.as_str() };
    HeaderValue::from_str(text)
}
