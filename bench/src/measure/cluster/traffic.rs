//! What nodes are asked for by others meanwhile: good keys, at a moderate rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};

use crate::wrk::Load;

/// Connections to each node.
const CONNECTIONS: usize = 16;
/// Mean pause of each of them between two requests in milliseconds: a node is asked 2,000 times a second.
const PAUSE: usize = 8;
/// Seconds after which it is seen whether it is to end.
const SECONDS: u64 = 2;

/// A load that goes on until it is stopped.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<f64>>,
}

impl Traffic {
    /// Sends to all of these addresses from now on.
    pub(super) fn start(load: Load, addresses: Vec<SocketAddr>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let load = Load { connections: CONNECTIONS, pause: PAUSE, ..load };
        let thread = std::thread::spawn(move || send(&load, &addresses, &stopped));
        Self { stop, thread }
    }

    /// Stops it, and tells how many requests a second there were.
    ///
    /// # Errors
    /// When one was refused, or not answered.
    pub(super) fn stop(self) -> Result<f64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the traffic ended early"))?
    }
}

fn send(load: &Load, addresses: &[SocketAddr], stopped: &AtomicBool) -> Result<f64> {
    let (begun, mut requests) = (Instant::now(), 0.0);
    while !stopped.load(Ordering::Relaxed) {
        let sent = load.send(addresses, SECONDS)?;
        ensure!(sent.refused == 0.0, "{} good keys were refused meanwhile", sent.refused);
        requests += sent.requests;
    }
    Ok(requests / begun.elapsed().as_secs_f64())
}
