//! A TCP proxy that takes away the way between clients and one server, and gives it back, as networks do.
//!
//! [`crate::proxy`] cuts one connection at what its client says. This one breaks ways for as long as a test wants it: in one
//! direction or both, for all connections or for new ones. It runs on a thread with a runtime of its own, so that a test can
//! use it with any runtime or none, and closes everything with its value.

mod gate;
mod line;
mod link;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gate::{Door, Gate};
use link::Link;

/// What happens to what is sent in one direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// It arrives.
    #[default]
    Passes,
    /// It arrives so much later than it was sent, in order. Pieces do not wait for each other.
    Delayed(Duration),
    /// It arrives, so many bytes a second at the most.
    Throttled(NonZeroU32),
    /// It arrives when the flow is another one. So does a partition look that heals: TCP sends again what was lost.
    Held,
    /// It is lost, and nobody is told. A connection that has lost something carries nothing in this direction any more,
    /// whatever its flow becomes, as no network delivers a stream that has a gap.
    Dropped,
}

/// Directions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From clients to the server.
    ToServer,
    /// From the server to clients.
    ToClient,
    /// Either.
    Both,
}

/// What happens to whoever connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrival {
    /// The connection leads to the server.
    #[default]
    Served,
    /// The connection is made, and leads nowhere: nothing is answered on it, ever. It is half open.
    Silent,
    /// Nobody listens.
    Refused,
}

/// How connections end that are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Orderly (FIN): both ends read to the end of what has arrived, and then that it is over.
    Finish,
    /// Abruptly (RST).
    Reset,
}

/// A proxy before one server.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    gate: Gate,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    mark: Option<&'static str>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    arrival: Arrival,
    /// Of new connections.
    to_server: Flow,
    to_client: Flow,
    links: Vec<Arc<Link>>,
}

impl FaultProxy {
    /// Starts one on a free port of loopback, through which everything passes.
    ///
    /// # Errors
    /// When there is no port, or no thread.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        Self::start_some(server, None)
    }

    /// Starts one that can tell connections apart: those are marked on which a client has sent this text.
    ///
    /// # Errors
    /// When there is no port, or no thread.
    ///
    /// # Panics
    /// When the text is empty.
    pub fn start_marking(server: SocketAddr, mark: &'static str) -> io::Result<Self> {
        assert!(!mark.is_empty(), "nothing would be marked");
        Self::start_some(server, Some(mark))
    }

    fn start_some(server: SocketAddr, mark: Option<&'static str>) -> io::Result<Self> {
        let shared = Arc::new(Shared { server, mark, state: Mutex::default() });
        let (address, gate) = Gate::open(&shared)?;
        Ok(Self { address, shared, gate })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens on all connections, open and new. It bears on whatever has not been delivered yet.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn set(&self, direction: Direction, flow: Flow) {
        let mut state = self.shared.state.lock().unwrap();
        state.set_new(direction, flow);
        state.links.iter().for_each(|link| link.set(direction, flow));
    }

    /// Changes what happens on connections that are made from now on.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn set_new(&self, direction: Direction, flow: Flow) {
        self.shared.state.lock().unwrap().set_new(direction, flow);
    }

    /// Changes what happens on the connections that are open and marked.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn set_marked(&self, direction: Direction, flow: Flow) {
        let state = self.shared.state.lock().unwrap();
        state.links.iter().filter(|link| link.is_marked()).for_each(|link| link.set(direction, flow));
    }

    /// Changes what happens to whoever connects from now on; it is so when this returns.
    ///
    /// # Panics
    /// When a thread of it has, or its port is lost.
    pub fn welcome(&self, arrival: Arrival) {
        self.shared.state.lock().unwrap().arrival = arrival;
        self.gate.turn(match arrival {
            Arrival::Served | Arrival::Silent => Door::Open,
            Arrival::Refused => Door::Shut,
        });
    }

    /// A black hole: what is sent on open connections is lost, and new ones are half open.
    pub fn swallow(&self) {
        self.set(Direction::Both, Flow::Dropped);
        self.welcome(Arrival::Silent);
    }

    /// Lets everything pass again. Connections that have lost something, or are half open, stay as they are.
    pub fn heal(&self) {
        self.set(Direction::Both, Flow::Passes);
        self.welcome(Arrival::Served);
    }

    /// Ends every connection that is open.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn cut(&self, ending: Ending) {
        self.shared.state.lock().unwrap().links.drain(..).for_each(|link| link.end(ending));
    }

    /// Ends the connections that are open and marked, and says how many those were.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn cut_marked(&self, ending: Ending) -> usize {
        let mut state = self.shared.state.lock().unwrap();
        let before = state.links.len();
        state.links.retain(|link| {
            let stays = !link.is_marked();
            if !stays {
                link.end(ending);
            }
            stays
        });
        before - state.links.len()
    }

    /// How many connections are open.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn open(&self) -> usize {
        self.shared.state.lock().unwrap().links.len()
    }

    /// How many connections are open and marked.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn marked(&self) -> usize {
        self.shared.state.lock().unwrap().links.iter().filter(|link| link.is_marked()).count()
    }

    /// Whether this text has come on a connection since its flow in this direction became [`Flow::Held`].
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn holds(&self, direction: Direction, text: &str) -> bool {
        self.shared.state.lock().unwrap().links.iter().any(|link| link.holds(direction, text))
    }
}

impl State {
    const fn set_new(&mut self, direction: Direction, flow: Flow) {
        if direction.has(Direction::ToServer) {
            self.to_server = flow;
        }
        if direction.has(Direction::ToClient) {
            self.to_client = flow;
        }
    }
}

impl Direction {
    /// Whether it is this one or both.
    const fn has(self, one: Self) -> bool {
        matches!(
            (self, one),
            (Self::Both, _) | (Self::ToServer, Self::ToServer) | (Self::ToClient, Self::ToClient)
        )
    }
}

impl Shared {
    /// Notes a connection that has been accepted.
    fn admit(&self) -> (Arrival, Arc<Link>) {
        let mut state = self.state.lock().unwrap();
        let link = Arc::new(Link::new(state.to_server, state.to_client));
        state.links.push(Arc::clone(&link));
        (state.arrival, link)
    }

    /// Forgets a connection that has ended.
    fn forget(&self, ended: &Arc<Link>) {
        self.state.lock().unwrap().links.retain(|link| !Arc::ptr_eq(link, ended));
    }
}

/// Whether `text` stands in `bytes`.
fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
