//! A private Redis for tests.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;
use crate::run::output_of;
use crate::wait::until;

/// Attempts to start a server on a port that was free a moment ago.
const MAX_STARTS: usize = 3;

/// A server of our own, which keeps nothing on the disk. It ends with the value.
#[derive(Debug)]
pub struct Redis {
    process: Option<Process>,
    address: SocketAddr,
    folder: TempDir,
}

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start; the message says what to install.
    pub fn start() -> Self {
        let found = output_of(Command::new("redis-server").arg("--version"));
        found.expect("these tests need Redis 6 or later: `apt-get install redis-server`");
        for _ in 0..MAX_STARTS {
            let folder = TempDir::with_prefix("keystile-redis-").unwrap();
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let mut redis = Self { process: None, address, folder };
            if redis.starts() {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    /// Whether it runs and answers; it does not if another has taken its port.
    fn starts(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(self.folder.path());
        let mut process = Process::start(&mut command, self.folder.path(), "redis");
        let answers = until("Redis to listen or to end", || {
            let has_ended = process.ended().is_some();
            let listens = process.stdout().contains("Ready to accept connections");
            (has_ended || listens).then_some(listens && !has_ended)
        });
        self.process = Some(process);
        answers && TcpStream::connect(self.address).is_ok()
    }

    /// Where it listens, also after it was started again.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Kills it (SIGKILL): what it knew is lost.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Stops it where it stands (SIGSTOP).
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        self.process.as_ref().unwrap().freeze();
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        self.process.as_ref().unwrap().thaw();
    }

    /// Starts it again after a kill, empty, at the same address.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        assert!(self.starts(), "redis-server does not start again");
    }
}
