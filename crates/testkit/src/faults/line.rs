//! One direction of a connection through a proxy.

use std::future::pending;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::{Flow, contains};

/// Bytes that are read at once, at most.
const CHUNK: usize = 16 * 1024;
/// Pieces on their way at most. Then the sender is not read from and finds its window full, as on a slow network.
const ON_THE_WAY: usize = 64;
/// How often in a second a throttled line delivers.
const STEPS: u32 = 20;

/// One of its ends is no more: the connection was reset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Broken;

/// What happens on a line, and what was held on it.
#[derive(Debug)]
pub(super) struct Way {
    flow: watch::Sender<Flow>,
    held: Mutex<Vec<u8>>,
}

impl Way {
    pub(super) fn new(flow: Flow) -> Self {
        Self { flow: watch::Sender::new(flow), held: Mutex::default() }
    }

    pub(super) fn set(&self, flow: Flow) {
        self.held.lock().unwrap().clear();
        self.flow.send_replace(flow);
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        contains(&self.held.lock().unwrap(), text)
    }

    /// Bounded by what is on its way at most.
    fn note(&self, bytes: &[u8]) {
        if *self.flow.borrow() == Flow::Held {
            self.held.lock().unwrap().extend_from_slice(bytes);
        }
    }
}

/// What was sent, and when.
struct Piece {
    sent: Instant,
    what: Sent,
}

enum Sent {
    Bytes(Vec<u8>),
    /// Nothing more comes (FIN).
    End,
    /// The connection is no more (RST).
    Reset,
}

/// What became of a piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrived,
    Lost,
}

/// Carries what is sent until the end of it has arrived, or for ever if something was lost.
pub(super) async fn carry(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    way: &Way,
    listen: impl FnMut(&[u8]),
) -> Result<(), Broken> {
    let (sender, pieces) = mpsc::channel(ON_THE_WAY);
    let take_in = async {
        take_in(from, sender, way, listen).await;
        Ok::<(), Broken>(())
    };
    tokio::try_join!(take_in, deliver(pieces, to, way)).map(|((), ())| ())
}

async fn take_in(
    mut from: ReadHalf<'_>,
    pieces: mpsc::Sender<Piece>,
    way: &Way,
    mut listen: impl FnMut(&[u8]),
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let what = match from.read(&mut chunk).await {
            Ok(0) => Sent::End,
            Ok(count) => Sent::Bytes(chunk[..count].to_vec()),
            Err(_) => Sent::Reset,
        };
        let is_last = match &what {
            Sent::Bytes(bytes) => {
                listen(bytes);
                way.note(bytes);
                false
            }
            Sent::End | Sent::Reset => true,
        };
        let piece = Piece { sent: Instant::now(), what };
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

async fn deliver(mut pieces: mpsc::Receiver<Piece>, mut to: WriteHalf<'_>, way: &Way) -> Result<(), Broken> {
    let mut flow = way.flow.subscribe();
    while let Some(piece) = pieces.recv().await {
        if pass(&piece, &mut to, &mut flow).await? == Fate::Lost {
            while pieces.recv().await.is_some() {}
            return pending().await;
        }
    }
    Ok(())
}

async fn pass(
    piece: &Piece,
    to: &mut WriteHalf<'_>,
    flow: &mut watch::Receiver<Flow>,
) -> Result<Fate, Broken> {
    let mut rest = match &piece.what {
        Sent::Bytes(bytes) => bytes.as_slice(),
        Sent::End | Sent::Reset => &[],
    };
    loop {
        let now = *flow.borrow_and_update();
        match now {
            Flow::Passes => return hand_over(&piece.what, rest, to).await,
            Flow::Delayed(delay) if piece.sent.elapsed() >= delay => {
                return hand_over(&piece.what, rest, to).await;
            }
            Flow::Delayed(delay) => unless_changed(flow, sleep_until(piece.sent + delay)).await,
            Flow::Throttled(_) if rest.is_empty() => return hand_over(&piece.what, rest, to).await,
            Flow::Throttled(rate) => {
                let step = rate.get().div_ceil(STEPS);
                let count = u32::try_from(rest.len()).unwrap_or(step).min(step);
                let (first, others) = rest.split_at(count as usize);
                to.write_all(first).await.map_err(|_| Broken)?;
                rest = others;
                unless_changed(flow, sleep(Duration::from_secs(1) * count / rate.get())).await;
            }
            Flow::Held => unless_changed(flow, pending()).await,
            Flow::Dropped => return Ok(Fate::Lost),
        }
    }
}

/// Waits, but no longer than the flow is the same. Its sender outlives this, as the line belongs to it.
async fn unless_changed(flow: &mut watch::Receiver<Flow>, wait: impl Future<Output = ()>) {
    tokio::select! {
        _ = flow.changed() => {}
        () = wait => {}
    }
}

async fn hand_over(what: &Sent, rest: &[u8], to: &mut WriteHalf<'_>) -> Result<Fate, Broken> {
    match what {
        Sent::Bytes(_) => to.write_all(rest).await.map_err(|_| Broken)?,
        Sent::End => to.shutdown().await.map_err(|_| Broken)?,
        Sent::Reset => return Err(Broken),
    }
    Ok(Fate::Arrived)
}
