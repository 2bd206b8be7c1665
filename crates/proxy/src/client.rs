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
use keystile_outbound::{LookUp, is_not_reachable};

use crate::connector::Connector;
use crate::gateway_error::GatewayError;

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
}

impl Failure {
    /// Whether the upstream may have done what was asked, and may want to be paid for it.
    pub(crate) const fn may_cost(self) -> bool {
        match self {
            Self::Unconnected | Self::Forbidden => false,
            Self::Broken | Self::Late => true,
        }
    }
}

impl Client {
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub(crate) fn new(look_up: LookUp, connect_within: Duration) -> Result<Self, GatewayError> {
        let connector = Connector::new(look_up, connect_within)?;
        let lane = |_| Lane { http: pool(connector.clone()), open: Arc::default() };
        Ok(Self { lanes: (0..LANES).map(lane).collect() })
    }

    /// Sends a request and waits for the head of its answer. The place is to be kept until the answer is over.
    ///
    /// # Errors
    /// When there is no answer, or none within that time.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<(Response<Incoming>, Place), Failure> {
        let Some(lane) = self.lane() else { return Err(Failure::Unconnected) };
        let place = Place::take(&lane.open);
        match tokio::time::timeout(within, lane.http.request(request)).await {
            Ok(Ok(answer)) => Ok((answer, place)),
            Ok(Err(error)) => Err(why(&error)),
            Err(_) => Err(Failure::Late),
        }
    }

    /// The first lane with room, so that few connections are in use; the last if there is none.
    fn lane(&self) -> Option<&Lane> {
        let has_room = |lane: &&Lane| lane.open.load(Ordering::Relaxed) < LANE_REQUESTS;
        self.lanes.iter().find(has_room).or(self.lanes.last())
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

fn pool(connector: Connector) -> legacy::Client<Connector, Full<Bytes>> {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http2_initial_stream_window_size(AHEAD)
        .http2_initial_connection_window_size(AHEAD_OF_LANE)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
        .build(connector)
}

/// What hyper gives up before it has sent anything is tried again by itself where that may help; what it then still gives up as
/// cancelled was not sent.
fn why(error: &legacy::Error) -> Failure {
    let was_sent = || {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
        !cause.is_some_and(hyper::Error::is_canceled)
    };
    if is_not_reachable(error) {
        Failure::Forbidden
    } else if error.is_connect() || !was_sent() {
        Failure::Unconnected
    } else {
        Failure::Broken
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Reach;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn client(connect_within: Duration) -> Client {
        let reach = Reach::new(vec!["127.0.0.0/8".parse().unwrap()]);
        Client::new(LookUp::new(Arc::new(reach)), connect_within).unwrap()
    }

    async fn failure(client: &Client, url: &str, within: Duration) -> Failure {
        let request = Request::post(url).body(Full::default()).unwrap();
        client.send(request, within).await.map(drop).unwrap_err()
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
        let (answered, ()) = tokio::join!(client.send(request, LONG), answers);
        let (answer, place) = answered.unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(client.lanes[0].open.load(Ordering::Relaxed), 1);
        drop(place);
        assert_eq!(client.lanes[0].open.load(Ordering::Relaxed), 0);
    }
}
