//! Connections are bounded in number and time, and end in good order.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use keystile_testkit::http::NOTHING;
use keystile_testkit::server::{Plan, Server};
use keystile_testkit::wait::{DEADLINE, until};

use crate::world::{KEYSTILE, World};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

async fn with(flag: &str, value: &str) -> World {
    World::of(Plan::dev(KEYSTILE).flag(flag, value).start()).await
}

fn connect(world: &World) -> TcpStream {
    let stream = TcpStream::connect(world.server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// What comes until the server ends the connection, which it must do.
fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Ok(_) => answer,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => answer,
        Err(error) => panic!("the connection was not ended: {error}"),
    }
}

/// One answer, on a connection that stays open.
fn ask(stream: &mut TcpStream) {
    stream.write_all(HEALTH).unwrap();
    read_answer(stream);
}

fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"{\"status\":\"ok\"}") {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "closed after {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..length]);
    }
}

/// The beginning of a creation that the server has begun to read, and whose body has 16 bytes.
fn begin_creation(world: &World) -> TcpStream {
    const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut stream = connect(world);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 16\r\nExpect: 100-continue\r\n\r\n",
        world.keys(),
        world.owner
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut told = [0; GO_ON.len()];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(told, GO_ON);
    stream.write_all(b"{\"name\"").unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_is_cut() {
    let world = with("--head-timeout-seconds", "1").await;
    let mut silent = connect(&world);
    let mut undecided = connect(&world);
    undecided.write_all(b"PRI * HTTP/2").unwrap();
    let mut slow = connect(&world);
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").unwrap();
    let mut idle = connect(&world);
    ask(&mut idle);
    let all =
        [("silent", &mut silent), ("undecided", &mut undecided), ("slow", &mut slow), ("idle", &mut idle)];
    for (what, stream) in all {
        let answer = read_to_end(stream);
        assert!(!answer.contains(" 200 "), "{what}: {answer}");
    }
    world.server.http().json("GET", "/healthz", "", &NOTHING).await.expect(200);
}

/// A server with room for one connection, which is of little patience, and that connection.
fn with_one_place() -> (Server, TcpStream) {
    let plan = Plan::dev(KEYSTILE).flag("--head-timeout-seconds", "1").flag("--max-connections", "1");
    let server = plan.start();
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    (server, stream)
}

/// Waits until the one place is free.
fn place_is_given_back(server: &Server) {
    let mut next = TcpStream::connect(server.address()).unwrap();
    next.set_read_timeout(Some(DEADLINE)).unwrap();
    ask(&mut next);
}

#[test]
fn an_http2_connection_without_streams_gives_its_place_back() {
    const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    /// Stream 1: `GET http://a/healthz`, from the static table of HPACK.
    const REQUEST: &[u8] = b"\0\0\x0f\x01\x05\0\0\0\x01\x82\x86\x04\x08/healthz\x01\x01a";
    let (server, mut stream) = with_one_place();
    stream.write_all(&[BEGINNING, REQUEST].concat()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"{\"status\":\"ok\"}") {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "closed after {answer:?}");
        answer.extend_from_slice(&part[..length]);
    }
    place_is_given_back(&server);
}

#[test]
fn a_client_that_does_not_take_its_answers_gives_its_place_back() {
    let (server, mut stream) = with_one_place();
    // More than the buffers of the system hold.
    let many = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
    stream.write_all(&many).unwrap();
    place_is_given_back(&server);
    let mut answers = Vec::new();
    let _reset = stream.read_to_end(&mut answers);
    let whole = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 OK").count();
    assert!((1..200).contains(&whole), "{whole} answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_answered_408() {
    let world = with("--body-timeout-seconds", "1").await;
    let before = world.read(&world.keys()).await;
    let mut stream = begin_creation(&world);
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"body_timeout""#), "{answer}");
    assert_eq!(world.read(&world.keys()).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_request_ends_well_when_the_server_is_told_to_stop() {
    let mut world = World::start().await;
    let mut stream = begin_creation(&world);
    world.server.process().terminate();
    until("the server to take no connections any more", || {
        TcpStream::connect(world.server.address()).is_err().then_some(())
    });
    stream.write_all(b": \"last\"}").unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    world.server.await_end();
    world.start_again();
    let listed = world.read(&format!("{}?q=last", world.keys())).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "what was answered is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_does_not_keep_the_server_from_stopping() {
    let mut world = with("--drain-seconds", "1").await;
    let stream = begin_creation(&world);
    world.server.stop();
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_stops_what_tries_things_out_and_not_what_serves() {
    let mut world = World::start().await;
    let mut stream = begin_creation(&world);
    world.server.process().signal("HUP");
    until("the server to take no connections any more", || {
        TcpStream::connect(world.server.address()).is_err().then_some(())
    });
    stream.write_all(b": \"last\"}").unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    world.server.await_end();

    let mut server = Plan::serve(KEYSTILE).start();
    server.process().signal("HUP");
    until("the hangup to be told", || server.process().stderr().contains("SIGHUP").then_some(()));
    server.http().json("GET", "/healthz", "", &NOTHING).await.expect(200);
    server.stop();
}

#[test]
fn connections_are_bounded_by_the_files_that_may_be_open() {
    let server = Plan::dev(KEYSTILE).open_files(40, 200).start();
    let told = server.process().stderr();
    assert!(told.contains("no more than 200 files") && told.contains("LimitNOFILE"), "{told}");
    let connect = || {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    };
    // More than were allowed at first; and then more than can be had.
    let mut served: Vec<_> = (0..80).map(|_| connect()).collect();
    served.iter_mut().for_each(ask);
    let waiting: Vec<_> = (0..100).map(|_| connect()).collect();
    served.iter_mut().for_each(ask);
    drop((waiting, served));
    ask(&mut connect());
    let told = server.process().stderr();
    assert!(!told.contains("cannot accept"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_served_than_allowed() {
    const MOST: usize = 4;
    let server = Plan::dev(KEYSTILE).flag("--max-connections", &MOST.to_string()).start();
    let connect = || {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    };
    let mut served: Vec<_> = (0..MOST).map(|_| connect()).collect();
    served.iter_mut().for_each(ask);
    let mut waiting = connect();
    waiting.write_all(HEALTH).unwrap();
    // Time enough for an answer that must not come.
    for _ in 0..50 {
        served.iter_mut().for_each(ask);
    }
    waiting.set_nonblocking(true).unwrap();
    assert_eq!(waiting.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    waiting.set_nonblocking(false).unwrap();
    drop(served.pop());
    read_answer(&mut waiting);
}
