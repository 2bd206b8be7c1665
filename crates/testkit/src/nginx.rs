//! The real nginx.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;
use crate::wait::until;

/// Attempts to start it on a port that was free a moment ago.
const MAX_STARTS: usize = 3;
/// Where Debian puts it, beside what is on the search path.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];

/// A running nginx. It is stopped when the value is dropped.
#[derive(Debug)]
pub struct Nginx {
    address: String,
    process: Process,
    _prefix: TempDir,
}

impl Nginx {
    /// Starts it with the configuration that `text_for` makes for the port to listen on.
    ///
    /// # Panics
    /// When it is not installed, or refuses the configuration.
    pub fn start(text_for: impl Fn(u16) -> String) -> Self {
        let program = program();
        for _ in 1..MAX_STARTS {
            if let Ok(started) = try_start(&program, &text_for) {
                return started;
            }
        }
        try_start(&program, &text_for).unwrap_or_else(|failure| panic!("nginx did not start:\n{failure}"))
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has written to its error log.
    pub fn log(&self) -> String {
        self.process.stderr()
    }
}

impl Drop for Nginx {
    /// Lets it end its workers, which a kill would leave behind.
    fn drop(&mut self) {
        if self.process.ended().is_none() {
            self.process.terminate();
            self.process.wait();
        }
    }
}

fn try_start(program: &PathBuf, text_for: impl Fn(u16) -> String) -> Result<Nginx, String> {
    let prefix = TempDir::with_prefix("keystile-nginx-").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = prefix.path().join("nginx.conf");
    std::fs::write(&file, text_for(port)).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(prefix.path()).arg("-c").arg(&file).args(["-e", "stderr", "-g", "daemon off;"]);
    let mut process = Process::start(&mut command, prefix.path(), "nginx");
    let address = format!("127.0.0.1:{port}");
    let listens = until("nginx to listen", || {
        let ended = process.ended().map(|_| false);
        ended.or_else(|| TcpStream::connect(&address).is_ok().then_some(true))
    });
    if listens { Ok(Nginx { address, process, _prefix: prefix }) } else { Err(process.stderr()) }
}

fn program() -> PathBuf {
    let found = FOLDERS.iter().map(|folder| PathBuf::from(folder).join("nginx")).find(|file| file.exists());
    found.expect("these tests need nginx with its module auth_request: `apt-get install nginx`")
}
