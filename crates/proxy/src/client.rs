//! Sends requests to upstreams, over connections that are kept.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use keystile_core::TenantId;
use keystile_outbound::{LookUp, is_not_reachable};

use crate::connector::Connector;
use crate::gateway_error::GatewayError;
use crate::on_behalf::on_behalf_of;

/// Longest that a connection is kept without use: less than providers and the balancers before them keep theirs, so that a request
/// seldom meets a connection that is being closed.
const IDLE: Duration = Duration::from_secs(20);
/// Connections without use that are kept to one upstream, of each lane.
const IDLE_CONNECTIONS: usize = 128;
/// Time between two signs of life that are asked for on an HTTP/2 connection in use, and longest that one may take.
const PING: Duration = Duration::from_secs(15);
/// Requests of one lane: an upstream takes about a hundred on one HTTP/2 connection, of which a lane has one for each upstream.
const LANE_REQUESTS: usize = 64;
/// Most of an answer that comes before its client has taken what came earlier, on an HTTP/2 connection.
const AHEAD: u32 = 256 * 1024;
/// The same of all answers of a lane together, so that clients that take nothing leave those of others their part.
const AHEAD_OF_LANE: u32 = 64 * AHEAD;
/// Lanes, for some two thousand requests under way that do not wait for one another.
const LANES: usize = 32;

/// Sends requests. Follows no redirects, goes through no proxy, and remembers nothing of what is answered.
pub(crate) struct Client {
    lanes: Vec<Lane>,
}

/// A pool of connections of its own.
struct Lane {
    http: legacy::Client<Connector, Full<Bytes>>,
    open: Arc<AtomicUsize>,
}

/// A request that is under way until the value is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

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
        Ok(Self::over(&connector, &usual()))
    }

    fn over(connector: &Connector, settings: &legacy::Builder) -> Self {
        let lane = |_| Lane { http: settings.build(connector.clone()), open: Arc::default() };
        Self { lanes: (0..LANES).map(lane).collect() }
    }

    /// Sends a request of a tenant and waits for the head of its answer. The place is to be kept until the answer is over.
    ///
    /// # Errors
    /// When there is no answer, or none within that time.
    pub(crate) async fn send(
        &self,
        tenant_id: TenantId,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<(Response<Incoming>, Place), Failure> {
        let sending = on_behalf_of(tenant_id, self.send_again(request));
        tokio::time::timeout(within, sending).await.unwrap_or(Err(Failure::Late))
    }

    /// Sends a request, and once more over another connection when the upstream has not looked at it: a connection that is being closed,
    /// or has too much under way, says nothing about others.
    async fn send_again(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Place), Failure> {
        let (again, mut lanes) = (request.clone(), self.lanes.iter().filter(|lane| lane.has_room()));
        // The first with room, so that few connections are in use; the last if there is none.
        let mut next = || lanes.next().or(self.lanes.last()).ok_or(Failure::Unconnected);
        let sent = next()?.send(request).await;
        if !matches!(sent, Err(Failure::Unprocessed)) {
            return sent;
        }
        next()?.send(again).await
    }
}

impl Lane {
    fn has_room(&self) -> bool {
        self.open.load(Ordering::Relaxed) < LANE_REQUESTS
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, Place), Failure> {
        let place = Place::take(&self.open);
        let answer = self.http.request(request).await.map_err(|error| why(&error))?;
        Ok((answer, place))
    }
}

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn usual() -> legacy::Builder {
    let mut settings = legacy::Client::builder(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http2_initial_stream_window_size(AHEAD)
        .http2_initial_connection_window_size(AHEAD_OF_LANE)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING);
    settings
}

/// What hyper gives up before it has sent anything is tried again by itself where that may help; what it then still gives up as
/// cancelled was not sent.
fn why(error: &legacy::Error) -> Failure {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    if is_not_reachable(error) {
        Failure::Forbidden
    } else if error.is_connect() || cause.is_some_and(hyper::Error::is_canceled) {
        Failure::Unconnected
    } else if cause.is_some_and(is_unprocessed) {
        Failure::Unprocessed
    } else {
        Failure::Broken
    }
}

/// Whether an upstream says that it has not looked at a request and never will: it refuses its stream, or leaves out its number when it
/// goes away (RFC 9113, section 8.7). Streams that it does not leave out then end in other errors, if they end in one.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>()) else {
        return false;
    };
    let is_refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    cause.is_remote() && (is_refused || cause.is_go_away())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use keystile_core::Reach;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn look_up() -> LookUp {
        LookUp::new(Arc::new(Reach::new(vec!["127.0.0.0/8".parse().unwrap()])))
    }

    fn tenant() -> TenantId {
        TenantId::from_u128(1)
    }

    fn client(connect_within: Duration) -> Client {
        Client::new(look_up(), connect_within).unwrap()
    }

    /// A client that speaks HTTP/2 without being asked for it in a handshake.
    fn http2() -> Client {
        Client::over(&Connector::new(look_up(), LONG).unwrap(), usual().http2_only(true))
    }

    async fn failure(client: &Client, url: &str, within: Duration) -> Failure {
        let request = Request::post(url).body(Full::default()).unwrap();
        client.send(tenant(), request, within).await.map(drop).unwrap_err()
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn clients_that_take_nothing_leave_the_others_of_their_lane_room() {
        let streams = u32::try_from(LANE_REQUESTS).unwrap();
        assert!(AHEAD_OF_LANE >= streams * AHEAD);
    }

    #[tokio::test]
    async fn it_is_told_apart_whether_anything_was_sent() {
        let client = client(LONG);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let hangs_up = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        };
        let (failed, ()) = tokio::join!(failure(&client, &url, LONG), hangs_up);
        assert_eq!(failed, Failure::Broken);
        assert_eq!(failure(&client, &url, Duration::from_millis(20)).await, Failure::Late);
        drop(listener);
        assert_eq!(failure(&client, &url, LONG).await, Failure::Unconnected);
        assert_eq!(failure(&client, "http://10.0.0.1/", LONG).await, Failure::Forbidden);
        assert!(client.lanes.iter().all(|lane| lane.open.load(Ordering::Relaxed) == 0));
    }

    #[tokio::test]
    async fn a_request_is_under_way_until_its_place_is_given_back() {
        let client = client(LONG);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answers = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        };
        let request = Request::post(url).body(Full::default()).unwrap();
        let (answered, ()) = tokio::join!(client.send(tenant(), request, LONG), answers);
        let (answer, place) = answered.unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(client.lanes[0].open.load(Ordering::Relaxed), 1);
        drop(place);
        assert_eq!(client.lanes[0].open.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_tenant_whose_names_are_looked_up_for_long_leaves_others_their_turns() {
        let look_up = look_up();
        let client = Client::new(look_up.clone(), Duration::from_secs(1)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        // As many as it may have; one more would wait for ever.
        let mut slow = Vec::new();
        while let Ok(turn) =
            tokio::time::timeout(Duration::from_millis(20), look_up.turn(Some(tenant()))).await
        {
            slow.push(turn.unwrap());
        }
        assert_eq!(failure(&client, &url, LONG).await, Failure::Unconnected);
        let request = Request::post(&url).body(Full::default()).unwrap();
        let sending = client.send(TenantId::from_u128(2), request, LONG);
        let answers = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        };
        let (sent, ()) = tokio::join!(sending, answers);
        assert_eq!(sent.unwrap().0.status(), StatusCode::NO_CONTENT);
    }

    /// Frames of HTTP/2 (RFC 9113, section 6): settings, and what may follow on the stream of the first request. A response with status 204
    /// and no more; a stream that is refused, and one that fails; an end of the connection without that stream, and with it.
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    const NO_CONTENT: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x89];
    const REFUSED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
    const FAILED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    const GONE_BEFORE: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const GONE_AFTER: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];

    /// Takes a connection, and says something in HTTP/2 when the head of a request has come.
    async fn say(listener: &TcpListener, frame: &[u8]) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert!(preface.starts_with(b"PRI * HTTP/2.0"));
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            let is_head_of_request = head[3] == 1;
            if is_head_of_request {
                break;
            }
        }
        stream.write_all(&[SETTINGS, frame].concat()).await.unwrap();
        stream
    }

    /// What comes of a request when the first connection says one thing, and the second another.
    async fn of_two(first: &[u8], second: &[u8]) -> Result<StatusCode, Failure> {
        let (client, listener) = (http2(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let request = Request::post(url).body(Full::default()).unwrap();
        let says = async { (say(&listener, first).await, say(&listener, second).await) };
        let (sent, _connections) = tokio::join!(client.send(tenant(), request, LONG), says);
        sent.map(|(answer, _place)| answer.status())
    }

    /// What comes of a request when its only connection says something, and ends. All that was sent is read before it is closed: else the
    /// other side may be told of a reset before it has read what was said.
    async fn of_one(frame: &[u8]) -> Failure {
        let (client, listener) = (http2(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let says = async {
            let mut stream = say(&listener, frame).await;
            stream.shutdown().await.unwrap();
            while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
        };
        let (failed, ()) = tokio::join!(failure(&client, &url, LONG), says);
        failed
    }

    #[tokio::test]
    async fn what_an_upstream_has_not_looked_at_is_sent_again_over_another_connection() {
        for unprocessed in [REFUSED, GONE_BEFORE] {
            assert_eq!(of_two(unprocessed, NO_CONTENT).await, Ok(StatusCode::NO_CONTENT));
            assert_eq!(of_two(unprocessed, REFUSED).await, Err(Failure::Unprocessed));
        }
        assert!(!Failure::Unprocessed.may_cost());
    }

    #[tokio::test]
    async fn what_an_upstream_may_have_looked_at_is_not_sent_again() {
        for processed in [FAILED, GONE_AFTER] {
            assert_eq!(of_one(processed).await, Failure::Broken);
        }
        assert!(Failure::Broken.may_cost());
    }
}
