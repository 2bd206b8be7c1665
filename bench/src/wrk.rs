//! Load by `wrk`, on a core of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::server::{LOAD_CORE, Server};

/// What one connection after the other sends.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The text of the request; `@KEY@` stands for a key.
    pub(crate) request: PathBuf,
    /// Keys to send, one a line.
    pub(crate) keys: Option<(PathBuf, Order)>,
    /// Connections, each with one request under way.
    pub(crate) connections: usize,
    /// Mean pause of a connection between two requests, in milliseconds; 0 for none.
    pub(crate) pause: usize,
    /// Goes before other loads on the core that they share, so that what is measured is how long the server takes and not who is let
    /// onto that core. Who may not have that is told so by `nice`, and measures both.
    pub(crate) goes_first: bool,
}

/// Which key comes next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Random,
    /// One after the other, but for so many that stand first.
    SequenceAfter(usize),
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    /// Processor time of the server per request, in microseconds.
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// Share of the time in which the server had work.
    pub(crate) busy: f64,
    /// Latency in microseconds, as the client sees it.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Share of answers with a status from 400 on.
    pub(crate) refused: f64,
}

/// Says what to install when a program is missing.
pub(crate) fn require() -> Result<()> {
    for (program, flag, package) in [("wrk", "--version", "wrk"), ("taskset", "--version", "util-linux")] {
        let started = Command::new(program).arg(flag).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if started.is_err() {
            bail!("the bench needs `{program}`. As root, on Debian: apt-get install --yes {package}");
        }
    }
    Ok(())
}

impl Load {
    /// Sends to `server` for some seconds, and tells what that took on both sides.
    pub(crate) fn run(&self, server: &Server, seconds: u64) -> Result<Run> {
        let before = server.cpu()?;
        let report = self.wrk(server.address(), seconds)?;
        let after = server.cpu()?;
        let [requests, micros, p50, p99, refused, failed] = report;
        if failed > 0.0 || requests < 1.0 {
            bail!("{failed} of {requests} requests got no answer");
        }
        let (user, system) = (after.user - before.user, after.system - before.system);
        Ok(Run {
            requests,
            per_second: requests / micros * 1e6,
            user: user / requests * 1e6,
            system: system / requests * 1e6,
            busy: (user + system) / micros * 1e6,
            p50,
            p99,
            refused: refused / requests,
        })
    }

    fn wrk(&self, address: SocketAddr, seconds: u64) -> Result<[f64; 6]> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load.lua");
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", LOAD_CORE]);
        if self.goes_first {
            command.args(["nice", "--adjustment=-20"]);
        }
        command.args(["wrk", "--threads", "1", "--timeout", "10s"]);
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--duration", &format!("{seconds}s"), "--script"]).arg(script);
        command.arg(format!("http://{address}/")).arg("--").arg(&self.request);
        let (keys, order, passed) = match &self.keys {
            None => (Path::new("-"), "sequence", 0),
            Some((path, Order::Random)) => (path.as_path(), "random", 0),
            Some((path, Order::SequenceAfter(passed))) => (path.as_path(), "sequence", *passed),
        };
        command.arg(keys).args([order, &self.pause.to_string(), &passed.to_string()]);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let report = said.lines().find_map(|line| line.strip_prefix("keystile "));
        let report = report
            .with_context(|| format!("wrk failed: {said}{}", String::from_utf8_lossy(&output.stderr)))?;
        let numbers: Vec<f64> = report.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        numbers.try_into().map_err(|_| anyhow::anyhow!("wrk reported {report:?}"))
    }
}
