//! One connection through a proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::line::{Broken, Way, carry};
use super::{Arrival, Direction, Ending, Flow, contains};

/// What is known of a connection, and ordered.
#[derive(Debug)]
pub(super) struct Link {
    to_server: Way,
    to_client: Way,
    ending: watch::Sender<Option<Ending>>,
    is_marked: AtomicBool,
}

impl Link {
    pub(super) fn new(to_server: Flow, to_client: Flow) -> Self {
        Self {
            to_server: Way::new(to_server),
            to_client: Way::new(to_client),
            ending: watch::Sender::new(None),
            is_marked: AtomicBool::new(false),
        }
    }

    pub(super) fn is_marked(&self) -> bool {
        self.is_marked.load(Ordering::SeqCst)
    }

    pub(super) fn set(&self, direction: Direction, flow: Flow) {
        self.ways(direction).for_each(|way| way.set(flow));
    }

    pub(super) fn holds(&self, direction: Direction, text: &str) -> bool {
        self.ways(direction).any(|way| way.holds(text))
    }

    pub(super) fn end(&self, ending: Ending) {
        self.ending.send_replace(Some(ending));
    }

    fn ways(&self, direction: Direction) -> impl Iterator<Item = &Way> {
        let both = [(Direction::ToServer, &self.to_server), (Direction::ToClient, &self.to_client)];
        both.into_iter().filter(move |(one, _)| direction.has(*one)).map(|(_, way)| way)
    }

    /// Serves a client until it is over.
    pub(super) async fn run(
        &self,
        mut client: TcpStream,
        arrival: Arrival,
        server: SocketAddr,
        mark: Option<&'static str>,
    ) {
        match arrival {
            Arrival::Served => {}
            Arrival::Silent => return self.say_nothing(client).await,
            // It came while the door was being shut.
            Arrival::Refused => return reset(&client),
        }
        let Ok(mut server) = TcpStream::connect(server).await else { return reset(&client) };
        let ending = if hurry(&client).and_then(|()| hurry(&server)).is_err() {
            Ending::Reset
        } else {
            tokio::select! {
                ending = self.ordered() => ending,
                ending = self.carry(&mut client, &mut server, mark) => ending,
            }
        };
        match ending {
            Ending::Finish => {
                tokio::join!(finish(client), finish(server));
            }
            Ending::Reset => [&client, &server].into_iter().for_each(reset),
        }
    }

    async fn carry(
        &self,
        client: &mut TcpStream,
        server: &mut TcpStream,
        mark: Option<&'static str>,
    ) -> Ending {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let mut ear = mark.map(|mark| Ear { mark, heard: &self.is_marked, tail: Vec::new() });
        let listen = move |bytes: &[u8]| {
            if let Some(ear) = &mut ear {
                ear.hear(bytes);
            }
        };
        let carried = tokio::try_join!(
            carry(from_client, to_server, &self.to_server, listen),
            carry(from_server, to_client, &self.to_client, |_: &[u8]| {}),
        );
        match carried {
            Ok(((), ())) => Ending::Finish,
            Err(Broken) => Ending::Reset,
        }
    }

    /// Keeps a client whom nobody answers.
    async fn say_nothing(&self, mut client: TcpStream) {
        let ending = tokio::select! {
            ending = self.ordered() => ending,
            () = read_to_end(&mut client) => Ending::Reset,
        };
        match ending {
            Ending::Finish => finish(client).await,
            Ending::Reset => reset(&client),
        }
    }

    /// How the connection is to end, as soon as it is.
    async fn ordered(&self) -> Ending {
        let mut orders = self.ending.subscribe();
        let ordered = orders.wait_for(Option::is_some).await.ok().and_then(|order| *order);
        // It cannot be without an order, as the sender is `self`.
        ordered.unwrap_or(Ending::Reset)
    }
}

/// Listens whether a client says a text, which may come in pieces.
struct Ear<'l> {
    mark: &'static str,
    heard: &'l AtomicBool,
    /// The end of what was said, shorter than the text.
    tail: Vec<u8>,
}

impl Ear<'_> {
    fn hear(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        if contains(&self.tail, self.mark) {
            self.heard.store(true, Ordering::SeqCst);
        }
        self.tail.drain(..self.tail.len().saturating_sub(self.mark.len() - 1));
    }
}

/// Sends small pieces at once.
fn hurry(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

/// Has the connection end with RST when it is dropped.
fn reset(stream: &TcpStream) {
    // Where it cannot be set, the connection is no more.
    let _set = stream.set_zero_linger();
}

/// Says that nothing more comes, and reads until the other has said so, too: else what is unread would be answered by RST.
async fn finish(mut stream: TcpStream) {
    // It may be no more.
    let _told = stream.shutdown().await;
    read_to_end(&mut stream).await;
}

async fn read_to_end(stream: &mut TcpStream) {
    let mut chunk = [0; 1024];
    while matches!(stream.read(&mut chunk).await, Ok(1..)) {}
}
