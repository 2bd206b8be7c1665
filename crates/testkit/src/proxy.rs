//! A TCP proxy that does to connections what a bad network does.
//!
//! It runs on threads of its own, so that a test can use it with any runtime or none.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that are forwarded at once, at most.
const CHUNK: usize = 16 * 1024;

/// What happens to what passes from now on, on old connections and new ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every piece that is sent, in either direction, is held up this long.
    Delay(Duration),
    /// Connections are closed as soon as they are made. Those that are open stay.
    Refuse,
    /// The first connection on which the client sends all of these, in this order, is cut; then there is no
    /// fault any more.
    Cut {
        /// What the client sends, none of it empty.
        after: Vec<&'static str>,
        /// Whether the server gets it, or nobody does.
        server: Hears,
    },
}

/// What the server gets of the bytes that make a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// Everything, and its answer is lost: the connection is cut when the server has done what it was asked to.
    AllAndAnswers,
    /// Everything: the connection is cut while the server works.
    All,
    /// Nothing.
    Nothing,
}

/// A proxy before one server. It ends with the process.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    fault: Mutex<Fault>,
    open: Mutex<Vec<TcpStream>>,
    cuts: AtomicUsize,
}

impl Proxy {
    /// Starts one on a free port of loopback.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (fault, open, cuts) = Default::default();
        let shared = Arc::new(Shared { server, fault, open, cuts });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is away closes the connection to the client, too.
                let _served = accepting.serve(&client);
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens from now on.
    pub fn set(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    /// Cuts every connection that is open.
    pub fn cut_all(&self) {
        lock(&self.shared.open).drain(..).for_each(|stream| close(&stream));
    }

    /// How many connections [`Fault::Cut`] has cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: &TcpStream) -> io::Result<()> {
        if *lock(&self.fault) == Fault::Refuse {
            return client.shutdown(Shutdown::Both);
        }
        let server = TcpStream::connect(self.server)?;
        // Those that have ended have no peer any more.
        lock(&self.open).retain(|stream| stream.peer_addr().is_ok());
        for stream in [client, &server] {
            stream.set_nodelay(true)?;
            lock(&self.open).push(stream.try_clone()?);
        }
        let mute = Arc::new(AtomicBool::new(false));
        let pipe = |from: &TcpStream, to: &TcpStream| -> io::Result<Pipe> {
            let (from, to) = (from.try_clone()?, to.try_clone()?);
            Ok(Pipe { from, to, shared: Arc::clone(self), mute: Arc::clone(&mute) })
        };
        let (up, down) = (pipe(client, &server)?, pipe(&server, client)?);
        thread::spawn(move || up.carry_requests());
        thread::spawn(move || down.carry_answers());
        Ok(())
    }

    /// Whether what a client has `sent` while there was this fault makes the cut.
    fn cut_by(&self, sent: &mut Vec<u8>, more: &[u8]) -> Option<Hears> {
        let mut fault = lock(&self.fault);
        let Fault::Cut { after, server } = &*fault else {
            sent.clear();
            return None;
        };
        sent.extend_from_slice(more);
        if !in_order(after, sent) {
            return None;
        }
        let server = *server;
        *fault = Fault::None;
        self.cuts.fetch_add(1, Ordering::SeqCst);
        Some(server)
    }
}

/// One direction of a connection.
struct Pipe {
    from: TcpStream,
    to: TcpStream,
    shared: Arc<Shared>,
    /// The next answer is lost, and the connection with it.
    mute: Arc<AtomicBool>,
}

impl Pipe {
    fn carry_requests(mut self) {
        let (mut sent, mut chunk) = (Vec::new(), [0; CHUNK]);
        while let Some(read) = read(&mut self.from, &mut chunk) {
            let cut = self.shared.cut_by(&mut sent, read);
            if cut.is_some() {
                self.mute.store(true, Ordering::SeqCst);
            }
            if cut == Some(Hears::Nothing) || self.pass(read).is_err() || cut == Some(Hears::All) {
                break;
            }
        }
        self.close();
    }

    fn carry_answers(mut self) {
        let mut chunk = [0; CHUNK];
        while let Some(read) = read(&mut self.from, &mut chunk) {
            if self.mute.load(Ordering::SeqCst) || self.pass(read).is_err() {
                break;
            }
        }
        self.close();
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let delay = match &*lock(&self.shared.fault) {
            Fault::Delay(delay) => *delay,
            Fault::None | Fault::Refuse | Fault::Cut { .. } => Duration::ZERO,
        };
        thread::sleep(delay);
        self.to.write_all(bytes)
    }

    fn close(&self) {
        close(&self.from);
        close(&self.to);
    }
}

fn read<'c>(from: &mut TcpStream, chunk: &'c mut [u8]) -> Option<&'c [u8]> {
    let count = from.read(chunk).ok().filter(|count| *count > 0)?;
    chunk.get(..count)
}

/// A client that has closed its half has gone: none of ours waits for an answer then.
fn close(stream: &TcpStream) {
    // It may be closed already.
    let _closed = stream.shutdown(Shutdown::Both);
}

fn in_order(parts: &[&str], bytes: &[u8]) -> bool {
    let mut rest = bytes;
    parts.iter().all(|part| {
        let found = rest.windows(part.len()).position(|window| window == part.as_bytes());
        rest = found.and_then(|at| rest.get(at + part.len()..)).unwrap_or_default();
        found.is_some()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every piece with `ok`, and a proxy before it.
    fn proxy() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut chunk = [0; 64];
                    while read(&mut client, &mut chunk).is_some() && client.write_all(b"ok").is_ok() {}
                });
            }
        });
        Proxy::start(address).unwrap()
    }

    /// What is answered; nothing when the connection is cut.
    fn ask(client: &mut TcpStream, text: &str) -> Option<String> {
        client.write_all(text.as_bytes()).ok()?;
        read(client, &mut [0; 64]).map(|answer| String::from_utf8_lossy(answer).into_owned())
    }

    #[test]
    fn a_cut_takes_the_connection_that_says_everything_in_order_and_only_that() {
        let proxy = proxy();
        let connect = || TcpStream::connect(proxy.address()).unwrap();
        let (mut one, mut other) = (connect(), connect());
        assert_eq!(ask(&mut one, "first").as_deref(), Some("ok"));
        for server in [Hears::AllAndAnswers, Hears::All, Hears::Nothing] {
            proxy.set(Fault::Cut { after: vec!["first", "second"], server });
            assert_eq!(ask(&mut other, "second").as_deref(), Some("ok"));
            assert_eq!(ask(&mut one, "fir").as_deref(), Some("ok"));
            assert_eq!(ask(&mut one, "st sec").as_deref(), Some("ok"));
            assert_eq!(ask(&mut one, "ond"), None);
            one = connect();
            assert_eq!(ask(&mut one, "first second").as_deref(), Some("ok"));
        }
        assert_eq!(proxy.cuts(), 3);
    }

    #[test]
    fn open_connections_are_cut_and_new_ones_refused() {
        let proxy = proxy();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut client, "a").as_deref(), Some("ok"));
        proxy.cut_all();
        assert_eq!(ask(&mut client, "a"), None);
        proxy.set(Fault::Refuse);
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).unwrap(), "a"), None);
        proxy.set(Fault::None);
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).unwrap(), "a").as_deref(), Some("ok"));
    }

    #[test]
    fn a_delay_holds_up_both_directions() {
        let proxy = proxy();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let delay = Duration::from_millis(20);
        proxy.set(Fault::Delay(delay));
        let started = std::time::Instant::now();
        assert_eq!(ask(&mut client, "a").as_deref(), Some("ok"));
        assert!(started.elapsed() >= delay * 2);
    }
}
