//! A private Redis, on the core of the load: what nodes share their limits by.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::cpu::Cpu;
use crate::server::{LOAD_CORE, free_address};

/// Longest it may take to listen.
const MAX_START: Duration = Duration::from_secs(10);
/// Pause between two attempts to connect.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// The server. It keeps nothing on disk, and ends with the value.
pub(crate) struct Redis {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Redis {
    /// Starts one that listens on loopback.
    pub(crate) async fn start() -> Result<Self> {
        let (address, folder) = (free_address()?, TempDir::with_prefix("keystile-redis-")?);
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", LOAD_CORE, "redis-server", "--save", "", "--appendonly", "no"]);
        command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.arg("--dir").arg(folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut redis = Self { child: child.context("cannot start Redis")?, address, _folder: folder };
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = redis.child.try_wait()? {
                bail!("redis-server ended at once: {status}");
            }
            if begun.elapsed() > MAX_START {
                bail!("redis-server did not listen within {} s", MAX_START.as_secs());
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Ok(redis)
    }

    /// Where it is, as nodes are told.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Processor time taken so far.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        Cpu::of(self.child.id())
    }
}

impl Drop for Redis {
    /// It holds nothing that anybody needs again.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
