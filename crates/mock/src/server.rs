//! The listener, on a thread and a runtime of its own.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::behaviour::Behaviour;
use crate::records::{Asked, Billed, Records};
use crate::service;

/// Pause after the operating system refuses to accept, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a mock is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MockSettings {
    /// Where it listens; with port 0 the system chooses one.
    pub listen: SocketAddr,
    /// The only credential that it takes; with none it takes all, and none as well.
    pub credential: Option<String>,
    /// How all models behave, in the words of [`crate::BEHAVIOURS`], joined by `+`. The name of a model adds to it.
    pub behaviour: String,
    /// The models that it lists. It answers for every other name, too.
    pub models: Vec<String>,
}

impl Default for MockSettings {
    /// On a free port of loopback, open to all, well behaved, with one model, `mock`.
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, credential: None, behaviour: String::new(), models: vec!["mock".to_owned()] }
    }
}

/// A mock that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct MockLlm {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) credential: Option<String>,
    pub(crate) behaviour: Behaviour,
    pub(crate) models: Vec<String>,
    pub(crate) records: Records,
    /// How often stalled streams were told to go on.
    pub(crate) resumed: watch::Sender<u64>,
    requests: AtomicU64,
    /// Tokens of all streams.
    made: AtomicU64,
}

impl State {
    /// A stream has made so many tokens more.
    pub(crate) fn note_made(&self, tokens: u64) {
        self.made.fetch_add(tokens, Ordering::Relaxed);
    }

    /// The number of a request, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Lets streams go on that are stalled.
    pub(crate) fn resume(&self) {
        self.resumed.send_modify(|times| *times += 1);
    }
}

impl MockLlm {
    /// Starts one.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the behaviour does not exist.
    pub fn start(settings: MockSettings) -> io::Result<Self> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let behaviour = Behaviour::default().with(&settings.behaviour).map_err(invalid)?;
        let listener = std::net::TcpListener::bind(settings.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            credential: settings.credential,
            behaviour,
            models: settings.models,
            records: Records::default(),
            resumed: watch::Sender::new(0),
            requests: AtomicU64::new(0),
            made: AtomicU64::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&state);
        let serve = move || runtime.block_on(serve(listener, serving, stopped));
        let thread = thread::Builder::new().name("mock-llm".to_owned()).spawn(serve)?;
        Ok(Self { address, state, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as `http://127.0.0.1:PORT`. Its paths may have `/v1` before them, or not.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it would have billed, in the order in which answers ended; the last 100,000.
    pub fn billed(&self) -> Vec<Billed> {
        self.state.records.billed().0
    }

    /// The requests that it got, the first first; the last 2,000.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.records.asked().0
    }

    /// How many tokens all streams have made until now, those that are under way among them.
    pub fn made(&self) -> u64 {
        self.state.made.load(Ordering::Relaxed)
    }

    /// Lets streams go on that are stalled, and those that have begun and come to that later.
    pub fn resume(&self) {
        self.state.resume();
    }

    /// Forgets what it was asked and what it billed.
    pub fn reset(&self) {
        self.state.records.reset();
    }

    /// Closes all connections and gives the address back. What it has billed is told a last time.
    pub fn stop(mut self) -> Vec<Billed> {
        self.end();
        self.billed()
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has ended in any case.
            let _ended = thread.join();
        }
    }
}

impl Drop for MockLlm {
    fn drop(&mut self) {
        self.end();
    }
}

/// Serves until `stopped` is told, or nobody can tell any more.
async fn serve(
    listener: std::net::TcpListener,
    state: Arc<State>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    tokio::select! {
        _told = stopped => {}
        () = accept(&listener, &state) => {}
    }
    Ok(())
}

async fn accept(listener: &TcpListener, state: &Arc<State>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(state)))),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    // Without it, frames are late and not wrong.
    let _set = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(service::answer(state, request).await) }
    });
    // A client that went away is nobody's fault.
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
