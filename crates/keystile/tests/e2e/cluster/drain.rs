//! A node that is told to stop says that it is not ready, serves on for a while, lets open requests end, gives back what it has leased, and is
//! waited for by nobody.

use std::io::{Read, Write};
use std::net::TcpStream;

use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::{DEADLINE, eventually};
use serde_json::json;

use super::world::{LEASE, World};
use crate::world::text;

/// The node that stops.
const STOPS: usize = 2;

/// A question that is not there wholly yet.
struct Slow {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Slow {
    fn begin(address: &str, credential: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!(
            "POST /api/v1/keys/verify HTTP/1.1\r\nHost: localhost\r\nAuthorization: {credential}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let (first, rest) = body.split_at(body.len() / 2);
        stream.write_all((head + first).as_bytes()).unwrap();
        Self { stream, rest: rest.as_bytes().to_vec() }
    }

    /// Sends the rest, and gives what is answered until the connection is closed.
    fn end(mut self) -> String {
        self.stream.write_all(&self.rest).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_ends_what_is_open_and_leaves_nothing_behind() {
    let mut world = World::start_with(|plan| plan.flag("--unready-seconds", "3")).await;
    let keys = world.known_keys(2).await;
    let (client, dollar) = (world.client(STOPS), world.dollar().await);
    let hold = client.hold(&dollar, 0.5).await;
    client.settle(&hold, 0.1).await.unwrap().expect(200);
    let leased = "SELECT COALESCE(SUM(leased_nano), 0) FROM budgets";
    assert_ne!(world.nodes.query(leased), "0", "it has a lease");
    let question = json!({ "key": &*keys[0].secret, "environment": "production" }).to_string();
    let slow = Slow::begin(world.nodes.node(STOPS).address(), &client.caller, &question);

    world.nodes.node(STOPS).ask_to_stop();
    let probe = async || {
        let answer = client.http.try_json("GET", "/readyz", "", &NOTHING).await.unwrap();
        (answer.status != 200).then_some(answer)
    };
    eventually("the node not to be ready", probe).await.expect_problem(503, "stopping");
    client.accepts(&keys[1..]).await;
    let address = world.nodes.node(STOPS).address();
    let closed = async || TcpStream::connect(address).is_err().then_some(());
    eventually("the node to take no connection any more", closed).await;
    let answer = slow.end();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"valid\":true"), "{answer}");
    world.nodes.node_mut(STOPS).await_end();

    assert_eq!(world.nodes.query(leased), "0", "it has given back what it had leased");
    assert_eq!(world.nodes.query("SELECT count(*) FROM nodes"), "2");
    let path = format!("{}/api-keys/{}/revoke", world.tenant, keys[1].id);
    let began = world.record.now();
    let revoked = world.client(0).http.json("POST", &path, &world.owner, &NOTHING).await;
    let receipt = revoked.header("keystile-revision").to_owned();
    assert!(receipt.ends_with("; nodes=2; acknowledged=2; expired=0"), "{receipt}");
    revoked.expect(200);
    assert!(world.record.now().saturating_sub(began) < LEASE, "nobody waits for it");
    // What it did not use of the dollar, others can.
    let all = world.client(1).hold(&dollar, 0.9).await;
    assert_eq!(text(&world.client(0).settle(&all, 0.9).await.unwrap().expect(200), "state"), "settled");
}
