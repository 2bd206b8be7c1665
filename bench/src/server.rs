//! The processes that are measured: pinned to one core, watched through `/proc`, stopped when dropped.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::cpu::Cpu;

/// The core of the server; the load comes from [`LOAD_CORE`].
const SERVER_CORE: &str = "0";
/// The core of the load generator.
pub(crate) const LOAD_CORE: &str = "1";
/// Longest a server may take to answer its first request.
const MAX_START: Duration = Duration::from_secs(60);
/// How often a server that starts is asked whether it is there.
const ASK_AGAIN: Duration = Duration::from_millis(1);
/// Longest a server may be busy after a load.
const MAX_SETTLING: Duration = Duration::from_secs(60);
/// How long a server is looked at for whether it does nothing: longer than the pause between the rounds in which it writes what it counted.
const A_LOOK: Duration = Duration::from_secs(6);
/// The part of a core that an idle server takes at the most.
const IDLE: f64 = 0.02;

/// The owner of a Keystile server that is measured.
pub(crate) const EMAIL: &str = "bench@example.com";
/// The owner's password; the server is on loopback and lives for minutes.
pub(crate) const PASSWORD: &str = "measured, not guessed: 8d1f60c2a7";

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    started_in: Duration,
}

impl Server {
    /// Starts an upstream that speaks as a language model does, on the core of the load.
    pub(crate) async fn upstream() -> Result<Self> {
        let address = free_address()?;
        let mut command = pinned(&built("llm")?, LOAD_CORE);
        command.arg("upstream").arg(address.to_string());
        Self::start(command, address).await
    }

    /// Starts a proxy that does nothing but pass on to `upstream`.
    pub(crate) async fn proxy(upstream: &Self) -> Result<Self> {
        let address = free_address()?;
        let mut command = pinned(&built("llm")?, SERVER_CORE);
        command.arg("proxy").arg(address.to_string()).arg(upstream.address.to_string());
        Self::start(command, address).await
    }

    /// Starts the server without a store, which gives `answer` to everything.
    pub(crate) async fn bare(answer: &str) -> Result<Self> {
        let address = free_address()?;
        let mut command = pinned(&built("bare_hyper")?, SERVER_CORE);
        command.arg(address.to_string()).arg(answer);
        Self::start(command, address).await
    }

    /// Starts `keystile serve` on `folder`, or on the PostgreSQL that `flags` name.
    pub(crate) async fn keystile(folder: &Path, flags: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut command = pinned(&built("keystile")?, SERVER_CORE);
        command.args(["serve", "--log", "warn", "--listen", &address.to_string(), "--data-dir"]).arg(folder);
        command.args(flags).env("KEYSTILE_OWNER_EMAIL", EMAIL).env("KEYSTILE_OWNER_PASSWORD", PASSWORD);
        Self::start(command, address).await
    }

    async fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start")?;
        let mut server = Self { child, address, started_in: Duration::ZERO };
        while !server.answers().await {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            if begun.elapsed() > MAX_START {
                bail!("the server did not answer within {} s", MAX_START.as_secs());
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        server.started_in = begun.elapsed();
        Ok(server)
    }

    async fn answers(&self) -> bool {
        let Ok(mut client) = Client::connect(self.address).await else { return false };
        client.get("/readyz", "").await.is_ok_and(|answer| answer.status.is_success())
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From starting the process to its first answer.
    pub(crate) const fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Processor time taken so far.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        Cpu::of(self.child.id())
    }

    /// Waits until it does nothing any more: what was counted of many keys is written in the seconds after they were asked for, and belongs
    /// to that load, not to the next one.
    pub(crate) async fn settled(&self) -> Result<()> {
        let begun = Instant::now();
        let spent = || self.cpu().map(Cpu::total);
        let mut before = spent()?;
        while begun.elapsed() < MAX_SETTLING {
            tokio::time::sleep(A_LOOK).await;
            let now = spent()?;
            if now - before <= IDLE * A_LOOK.as_secs_f64() {
                return Ok(());
            }
            before = now;
        }
        bail!("the server is still busy {} s after it was asked", MAX_SETTLING.as_secs())
    }

    /// Resident memory in MiB: the present and the most there was.
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a short `status`")?;
            let kib = line.trim().trim_end_matches(" kB").parse::<f64>()?;
            anyhow::Ok(kib / 1024.0)
        };
        Ok((mib("VmRSS:")?, mib("VmHWM:")?))
    }
}

impl Drop for Server {
    /// Asks it to end, and waits: the next server may need its data file.
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// A program that was built beside this one.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().context("a program without a folder")?.join(name);
    if path.exists() {
        return Ok(path);
    }
    bail!("{} is missing: run `cargo xtask bench`, which builds everything", path.display())
}

/// Runs a program that was built beside this one where the server runs.
pub(crate) fn on_core_of_server(name: &str) -> Result<Command> {
    Ok(pinned(&built(name)?, SERVER_CORE))
}

fn pinned(program: &Path, core: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(program);
    command
}

/// An address of this machine at which nobody listens.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
