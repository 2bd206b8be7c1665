//! What comes of requests, and of the connections that they take.

use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body;
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
    let connector = Connector::new(look_up(), LONG).unwrap();
    Client { pool: Pool::new(connector, Speech::Shared) }
}

/// A request for nothing in particular.
fn request() -> Request<Full<Bytes>> {
    Request::post("/v1/models?a=b").body(Full::default()).unwrap()
}

/// The upstream that listens here.
fn url(listener: &TcpListener) -> BaseUrl {
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

async fn failure(client: &Client, url: &BaseUrl, within: Duration) -> Failure {
    client.send((tenant(), url), request(), within).await.map(drop).unwrap_err()
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn it_is_told_apart_whether_anything_was_sent() {
    let client = client(LONG);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(&listener);
    let hangs_up = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    };
    let (failed, ()) = tokio::join!(failure(&client, &url, LONG), hangs_up);
    assert_eq!(failed, Failure::Broken);
    assert_eq!(failure(&client, &url, Duration::from_millis(20)).await, Failure::Late);
    drop(listener);
    assert_eq!(failure(&client, &url, LONG).await, Failure::Unconnected);
    assert_eq!(failure(&client, &"http://10.0.0.1".parse().unwrap(), LONG).await, Failure::Forbidden);
}

#[tokio::test]
async fn a_tenant_whose_names_are_looked_up_for_long_leaves_others_their_turns() {
    let look_up = look_up();
    let client = Client::new(look_up.clone(), Duration::from_secs(1)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: BaseUrl = format!("http://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    // As many as it may have; one more would wait for ever.
    let mut slow = Vec::new();
    while let Ok(turn) = tokio::time::timeout(Duration::from_millis(20), look_up.turn(Some(tenant()))).await {
        slow.push(turn.unwrap());
    }
    assert_eq!(failure(&client, &url, LONG).await, Failure::Unconnected);
    let sending = client.send((TenantId::from_u128(2), &url), request(), LONG);
    let answers = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (sent, ()) = tokio::join!(sending, answers);
    assert_eq!(sent.unwrap().status(), StatusCode::NO_CONTENT);
}

/// Reads the head of a request, and gives it.
async fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.unwrap();
        text.push(byte);
    }
    String::from_utf8(text).unwrap()
}

/// The answer to a request, which is read to its end.
async fn told(client: &Client, url: &BaseUrl) -> Result<String, Failure> {
    let answer = client.send((tenant(), url), request(), LONG).await?;
    let body = answer.into_body().collect().await.map_err(|_| Failure::Broken)?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nt\r\n2\r\nwo\r\n0\r\n\r\n";
const NONE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn a_connection_takes_one_request_after_the_other() {
    let (client, listener) = (client(LONG), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = url(&listener);
    let answers = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        for answer in [WHOLE, CHUNKED, NONE, WHOLE] {
            let head = head(&mut stream).await.to_ascii_lowercase();
            assert!(head.starts_with("post /v1/models?a=b http/1.1\r\n"), "{head}");
            assert!(head.contains(&format!("host: {}\r\n", url.authority())), "{head}");
            stream.write_all(answer).await.unwrap();
        }
        stream
    };
    let asks = async {
        for expected in ["one", "two", "", "one"] {
            assert_eq!(told(&client, &url).await.unwrap(), expected);
        }
    };
    let ((), _stream) = tokio::join!(asks, answers);
}

#[tokio::test]
async fn what_comes_in_pieces_is_given_in_pieces_as_they_come() {
    let (client, listener) = (client(LONG), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = url(&listener);
    let begins = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        stream
    };
    let (answer, mut stream) = tokio::join!(client.send((tenant(), &url), request(), LONG), begins);
    let mut body = answer.unwrap().into_body();
    for piece in ["one", "two"] {
        stream.write_all(format!("3\r\n{piece}\r\n").as_bytes()).await.unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
        let more = tokio::time::timeout(Duration::from_millis(5), body.frame()).await;
        assert!(more.is_err(), "nothing more has come");
    }
    drop(stream);
    assert!(body.frame().await.unwrap().is_err(), "it has broken off");
}

#[tokio::test]
async fn an_answer_that_is_not_wanted_to_its_end_closes_its_connection() {
    let (client, listener) = (client(LONG), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = url(&listener);
    let begins = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\none").await.unwrap();
        stream
    };
    let (answer, mut stream) = tokio::join!(client.send((tenant(), &url), request(), LONG), begins);
    let answer = answer.unwrap();
    assert_eq!(answer.body().size_hint().exact(), Some(9));
    drop(answer);
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_nobody_used_it_is_none_to_a_request() {
    let (client, listener) = (client(LONG), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = url(&listener);
    let answers = async {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            head(&mut stream).await;
            stream.write_all(WHOLE).await.unwrap();
        }
    };
    let asks = async {
        assert_eq!(told(&client, &url).await.unwrap(), "one");
        // The end of the connection is known when it has come.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(told(&client, &url).await.unwrap(), "one");
    };
    tokio::join!(asks, answers);
}

#[tokio::test]
async fn an_upstream_that_nobody_uses_is_forgotten_with_its_connections() {
    let (client, listener) = (client(LONG), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = url(&listener);
    let answers = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(WHOLE).await.unwrap();
        stream
    };
    let (told, mut stream) = tokio::join!(told(&client, &url), answers);
    assert_eq!(told.unwrap(), "one");
    assert!(client.pool.sweep(), "it may be used again");
    while client.pool.sweep() {}
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or(0), 0, "its connection is closed");
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
    let url = url(&listener);
    let says = async { (say(&listener, first).await, say(&listener, second).await) };
    let (sent, _connections) = tokio::join!(client.send((tenant(), &url), request(), LONG), says);
    sent.map(|answer| answer.status())
}

/// What comes of a request when its only connection says something, and ends. All that was sent is read before it is closed: else the
/// other side may be told of a reset before it has read what was said.
async fn of_one(frame: &[u8]) -> Failure {
    let (client, listener) = (http2(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = url(&listener);
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
