//! The listener of a proxy, and the thread on which all of it runs.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Shared;

/// Pause after a connection could not be accepted, as when there are too many files.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether anybody can connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Shut,
}

struct Order {
    door: Door,
    done: mpsc::Sender<io::Result<()>>,
}

/// The thread. Dropping it closes every connection.
#[derive(Debug)]
pub(super) struct Gate {
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
    /// Has the port without listening on it, so that it is nobody else's while the door is shut.
    _place: TcpSocket,
}

impl Gate {
    /// Opens one on a free port of loopback.
    pub(super) fn open(shared: &Arc<Shared>) -> io::Result<(SocketAddr, Self)> {
        let place = TcpSocket::new_v4()?;
        place.set_reuseaddr(true)?;
        place.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = place.local_addr()?;
        let listener = listen(address)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (orders, inbox) = unbounded_channel();
        let shared = Arc::clone(shared);
        let named = thread::Builder::new().name("faults".to_owned());
        let thread = named.spawn(move || runtime.block_on(attend(listener, address, &shared, inbox)))?;
        Ok((address, Self { orders: Some(orders), thread: Some(thread), _place: place }))
    }

    /// Opens or shuts the door, and returns when that is done.
    pub(super) fn turn(&self, door: Door) {
        let (done, told) = mpsc::channel();
        let sent = self.orders.as_ref().map(|orders| orders.send(Order { door, done }).is_ok());
        assert_eq!(sent, Some(true), "the thread of the proxy has ended");
        told.recv().expect("the thread of the proxy has ended").expect("the port of the proxy is lost");
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.orders.take());
        // A panic of it was told already.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// A listener of the standard library may take a port that is bound and not listened on.
fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts until nobody is left who could order anything.
async fn attend(
    first: std::net::TcpListener,
    address: SocketAddr,
    shared: &Arc<Shared>,
    mut orders: UnboundedReceiver<Order>,
) {
    let mut listener = TcpListener::from_std(first).ok();
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some(Order { door, done }) = order else { return };
                // Whoever ordered it may have gone.
                let _told = done.send(turned(door, &mut listener, address));
            }
            client = next(listener.as_ref()) => match client {
                Ok(client) => serve(client, shared),
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

fn turned(door: Door, listener: &mut Option<TcpListener>, address: SocketAddr) -> io::Result<()> {
    match (door, listener.is_some()) {
        (Door::Open, true) => {}
        (Door::Open, false) => *listener = Some(TcpListener::from_std(listen(address)?)?),
        (Door::Shut, _) => *listener = None,
    }
    Ok(())
}

async fn next(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => pending().await,
    }
}

fn serve(client: TcpStream, shared: &Arc<Shared>) {
    let (arrival, link) = shared.admit();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        link.run(client, arrival, shared.server, shared.mark).await;
        shared.forget(&link);
    });
}
