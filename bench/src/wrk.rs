//! Load by `wrk`, on a core of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cpu::Cpu;
use crate::server::{LOAD_CORE, Server};
use crate::world::CLIENTS;

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

/// One run, of one server or of several that are asked at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    /// Processor time of the servers per request, in microseconds.
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// Share of the time in which the core of the servers had work for them.
    pub(crate) busy: f64,
    /// Latency in microseconds, as the client sees it; of several servers that of the slowest.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Share of answers with a status from 400 on.
    pub(crate) refused: f64,
}

/// What the clients of a load have seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) requests: f64,
    /// Length in microseconds.
    micros: f64,
    p50: f64,
    p99: f64,
    /// Answers with a status from 400 on.
    pub(crate) refused: f64,
}

impl Load {
    /// One request again and again, by many clients who wait for nothing but its answer.
    pub(crate) const fn of(request: PathBuf) -> Self {
        Self { request, keys: None, connections: CLIENTS, pause: 0, goes_first: false }
    }

    /// Sends to `server` for some seconds, and tells what that took on both sides.
    pub(crate) fn run(&self, server: &Server, seconds: u64) -> Result<Run> {
        self.run_on(&[server], seconds)
    }

    /// The same with several servers at the same time, each over connections of its own.
    pub(crate) fn run_on(&self, servers: &[&Server], seconds: u64) -> Result<Run> {
        let cpu = || servers.iter().try_fold(Cpu::default(), |sum, server| anyhow::Ok(sum + server.cpu()?));
        let addresses: Vec<_> = servers.iter().map(|server| server.address()).collect();
        let before = cpu()?;
        let sent = self.send(&addresses, seconds)?;
        let took = cpu()? - before;
        Ok(Run {
            requests: sent.requests,
            per_second: sent.requests / sent.micros * 1e6,
            user: took.user / sent.requests * 1e6,
            system: took.system / sent.requests * 1e6,
            busy: took.total() / sent.micros * 1e6,
            p50: sent.p50,
            p99: sent.p99,
            refused: sent.refused / sent.requests,
        })
    }

    /// Sends to all of these addresses for some seconds.
    pub(crate) fn send(&self, addresses: &[SocketAddr], seconds: u64) -> Result<Sent> {
        let one = |address: SocketAddr| move || self.wrk(address, seconds);
        let all = std::thread::scope(|scope| {
            let running: Vec<_> = addresses.iter().map(|address| scope.spawn(one(*address))).collect();
            running.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        let mut sum = Sent::default();
        for sent in all {
            sum = sum.and(sent.map_err(|_| anyhow::anyhow!("a load ended early"))??);
        }
        Ok(sum)
    }

    fn wrk(&self, address: SocketAddr, seconds: u64) -> Result<Sent> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load.lua");
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", LOAD_CORE]);
        if self.goes_first {
            command.args(before_all_others());
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
        Sent::read(report)
    }
}

/// Runs a program before whatever else is on its core, however many that are: in real time where it may.
fn before_all_others() -> &'static [&'static str] {
    const REAL_TIME: &[&str] = &["chrt", "--fifo", "1"];
    let may = Command::new(REAL_TIME[0]).args(&REAL_TIME[1..]).arg("true").output();
    let may = may.is_ok_and(|tried| tried.status.success());
    if may { REAL_TIME } else { &["nice", "--adjustment=-20"] }
}

impl Sent {
    /// What `load.lua` prints at the end.
    fn read(report: &str) -> Result<Self> {
        let numbers: Vec<f64> = report.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [requests, micros, p50, p99, refused, failed] = numbers[..] else {
            bail!("wrk reported {report:?}");
        };
        if failed > 0.0 || requests < 1.0 {
            bail!("{failed} of {requests} requests got no answer");
        }
        Ok(Self { requests, micros, p50, p99, refused })
    }

    /// Both, of the same time.
    fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            micros: self.micros.max(other.micros),
            p50: self.p50.max(other.p50),
            p99: self.p99.max(other.p99),
            refused: self.refused + other.refused,
        }
    }
}
