//! Connections: accepting them, bounding them, ending them.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::metrics::Listener;
use crate::operations::{self, MoreMetrics};
use crate::pace::Pace;
use crate::router::router;
use crate::service::{Answering, EnvoyService, MAX_HEAD, Service};
use crate::state::App;
use crate::turns::Turns;
use crate::vigil::{Vigil, Watch};

/// Longest request head that hyper reads, in bytes. It answers a longer one with a bare 431, so it is given twice what
/// [`crate::service`] allows: what is honest gets the answer that explains. With HTTP/1 more than 100 lines get the bare 431 all
/// the same: so many hyper reads into room on its stack, and with any other number it takes 13 kB of memory for each request.
const MAX_READ: usize = 2 * MAX_HEAD;
/// Streams a client may have open on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Streams a client may open and reset at once before the connection is closed (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Pause after the operating system refuses to accept, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bounds on connections.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Connections open at once; further ones wait in the operating system's queue.
    pub connections: usize,
    /// Longest a client may take for a request's head, or wait between two requests, to an eighth of it. It has between two and
    /// three times as long to take an answer, or the next piece of one that is streamed.
    pub head_timeout: Duration,
    /// Longest that open requests may take when the server stops.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { connections: 10_000, head_timeout: Duration::from_secs(30), drain: Duration::from_secs(10) }
    }
}

impl ServerLimits {
    /// The limits of the API and of a listener for Envoy beside it: the connections are shared out, so that neither can take
    /// those of the other. Envoy gets a tenth, as it makes few and asks about many requests on each.
    #[must_use]
    pub fn shared_with_envoy(self) -> (Self, Self) {
        let envoy = (self.connections / 10).max(1);
        let api = (self.connections - envoy.min(self.connections)).max(1);
        (Self { connections: api, ..self }, Self { connections: envoy, ..self })
    }
}

/// A bound listener that serves until it is told to stop.
pub struct Server {
    listener: TcpListener,
    app: App,
    face: Face,
    limits: ServerLimits,
}

/// What is spoken on a listener.
enum Face {
    /// The API, in HTTP/1 and HTTP/2.
    Api(Router),
    /// Health and metrics, in HTTP/1 and HTTP/2.
    Operations(Router),
    /// Envoy's external authorization, in gRPC.
    Envoy,
}

impl Face {
    const fn listener(&self) -> Listener {
        match self {
            Self::Api(_) => Listener::Api,
            Self::Operations(_) => Listener::Operations,
            Self::Envoy => Listener::Envoy,
        }
    }
}

/// A connection that begins.
struct Accepted {
    stream: TcpStream,
    peer: IpAddr,
    /// As long as there is one of these, a connection is open.
    opened: watch::Receiver<()>,
    place: OwnedSemaphorePermit,
    watch: Watch,
    pace: Arc<Pace>,
}

impl Server {
    /// Binds the address for the API.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr, app: App, limits: ServerLimits) -> std::io::Result<Self> {
        let face = Face::Api(router(app.clone()));
        Self::listen(address, face, app, limits).await
    }

    /// Binds the address of operations: health and metrics, among them `more`, and nothing of the API.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind_operations(
        address: SocketAddr,
        app: App,
        more: MoreMetrics,
        limits: ServerLimits,
    ) -> std::io::Result<Self> {
        let face = Face::Operations(operations::router(app.clone(), more));
        Self::listen(address, face, app, limits).await
    }

    /// Binds the address for Envoy's external authorization over gRPC, and nothing else.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind_envoy(address: SocketAddr, app: App, limits: ServerLimits) -> std::io::Result<Self> {
        Self::listen(address, Face::Envoy, app, limits).await
    }

    async fn listen(
        address: SocketAddr,
        face: Face,
        app: App,
        limits: ServerLimits,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        app.metrics.connections(face.listener()).bound(limits.connections);
        Ok(Self { listener, app, face, limits })
    }

    /// Where it listens; tells the port that the system chose.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is done, then lets open requests end within the drain time.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let (open, opened) = watch::channel(());
        let connections = self.app.metrics.connections(self.face.listener());
        let vigil = Vigil::begin(Arc::clone(connections), self.limits.head_timeout);
        let (http, turns) = (self.http(), Turns::begin());
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&places) => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Some((stream, peer, place)) => {
                    let pace = Arc::<Pace>::default();
                    let watch = vigil.watch(Arc::clone(&pace));
                    let (peer, opened) = (peer.ip(), opened.clone());
                    self.connect((&http, &turns), Accepted { stream, peer, opened, place, watch, pace });
                }
                None => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        drop((self.listener, opened));
        // Streams of the log have no end of their own.
        self.app.requests.end_tails();
        vigil.end();
        if tokio::time::timeout(self.limits.drain, open.closed()).await.is_err() {
            tracing::warn!("stopped with requests still open");
        }
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let connections = self.app.metrics.connections(self.face.listener());
        let place = match Arc::clone(places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                connections.note_wait();
                Arc::clone(places).acquire_owned().await.ok()?
            }
        };
        match self.listener.accept().await {
            Ok((stream, peer)) => Some((stream, peer, place)),
            Err(error) => {
                connections.note_failure();
                tracing::warn!(%error, "cannot accept connections");
                None
            }
        }
    }

    fn connect(&self, how: (&Builder<TokioExecutor>, &Turns), connection: Accepted) {
        if let Err(error) = connection.stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
        let (app, peer, pace) = (self.app.clone(), connection.peer, Arc::clone(&connection.pace));
        match &self.face {
            Face::Api(router) | Face::Operations(router) => {
                let (router, serves) = (router.clone(), self.face.listener());
                self.carry(how, Service { app, router, serves, peer, pace }, connection);
            }
            Face::Envoy => self.carry(how, EnvoyService { app, peer, pace }, connection),
        }
    }

    fn carry<S: Answering>(
        &self,
        (http, turns): (&Builder<TokioExecutor>, &Turns),
        service: S,
        Accepted { stream, peer, opened, place, watch, pace }: Accepted,
    ) {
        let connected = self.app.metrics.connections(self.face.listener()).accept();
        let service = Arc::new(service);
        let answer = service_fn(move |request| {
            let service = Arc::clone(&service);
            async move { Ok::<_, Infallible>(service.answer(request).await) }
        });
        let mut http = http.clone();
        http.http1().timer(watch.head_timer());
        let connection = http.serve_connection(TokioIo::new(stream), answer).into_owned();
        let connection = turns.in_turn(connection, pace);
        tokio::spawn(async move {
            let _until_it_ends = (opened, place, connected);
            let ended = watch.attend(connection, |mut it| it.connection().graceful_shutdown()).await;
            if let Some(Err(error)) = ended {
                tracing::debug!(error, %peer, "a connection broke off");
            }
        });
    }

    fn http(&self) -> Builder<TokioExecutor> {
        let mut http = Builder::new(TokioExecutor::new());
        http.http1().header_read_timeout(self.limits.head_timeout).max_buf_size(MAX_READ);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_header_list_size(u32::try_from(MAX_READ).unwrap_or(u32::MAX))
            .keep_alive_interval(self.limits.head_timeout)
            .keep_alive_timeout(self.limits.head_timeout);
        match self.face {
            Face::Api(_) | Face::Operations(_) => http,
            Face::Envoy => http.http2_only(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_are_shared_out_and_nobody_is_left_without() {
        for (connections, expected) in [(10_000, (9_000, 1_000)), (20, (18, 2)), (9, (8, 1)), (1, (1, 1))] {
            let (api, envoy) = ServerLimits { connections, ..ServerLimits::default() }.shared_with_envoy();
            assert_eq!((api.connections, envoy.connections), expected);
        }
    }
}
