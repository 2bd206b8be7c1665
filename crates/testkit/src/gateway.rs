//! The real gateways: programs that stand in front of an API and ask Keystile.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;
use crate::wait::until;

/// Attempts to start one on a port that was free a moment ago.
const MAX_STARTS: usize = 3;
/// The variable that names the program Envoy.
pub const ENVOY: &str = "KEYSTILE_ENVOY";
/// Where Debian puts them, beside what is on the search path.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];

/// Which program it is.
#[derive(Debug, Clone, Copy)]
pub enum Program {
    /// nginx, with its module `auth_request`.
    Nginx,
    /// Caddy.
    Caddy,
    /// HAProxy, with Lua.
    Haproxy,
    /// Envoy, which is no package of Debian's: [`ENVOY`] names it.
    Envoy,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
        }
    }

    /// The name of its configuration; Envoy knows the language by the end of it.
    const fn configuration(self) -> &'static str {
        match self {
            Self::Nginx | Self::Caddy | Self::Haproxy => "gateway.conf",
            Self::Envoy => "gateway.yaml",
        }
    }

    /// How it runs in the foreground with the configuration in `file`, and writes nowhere but into `folder`.
    fn command(self, folder: &Path, file: &Path) -> Command {
        let mut command = Command::new(self.file());
        match self {
            Self::Nginx => {
                command.arg("-p").arg(folder).arg("-c").arg(file);
                command.args(["-e", "stderr", "-g", "daemon off;"])
            }
            Self::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                command.env("XDG_CONFIG_HOME", folder).env("XDG_DATA_HOME", folder)
            }
            Self::Haproxy => command.arg("-db").arg("-f").arg(file),
            // Several may run at a time, and a worker thread for each processor would slow them all.
            Self::Envoy => {
                command.args(["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning", "-c"]);
                command.arg(file)
            }
        };
        command
    }

    fn file(self) -> PathBuf {
        if let Self::Envoy = self {
            let named = std::env::var_os(ENVOY);
            return named.map_or_else(
                || panic!("{ENVOY} does not name Envoy; `cargo xtask test` installs it"),
                PathBuf::from,
            );
        }
        let name = self.name();
        let found = FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|file| file.exists());
        found.unwrap_or_else(|| panic!("these tests need {name}: `apt-get install {name}`"))
    }
}

/// A running gateway. It is stopped when the value is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: String,
    process: Process,
    _folder: TempDir,
}

impl Gateway {
    /// Starts `program` with the configuration that `text_for` makes for the port to listen on.
    ///
    /// # Panics
    /// When it is not installed, or refuses the configuration.
    pub fn start(program: Program, text_for: impl Fn(u16) -> String) -> Self {
        for _ in 1..MAX_STARTS {
            if let Ok(started) = try_start(program, &text_for) {
                return started;
            }
        }
        let started = try_start(program, &text_for);
        started.unwrap_or_else(|failure| panic!("{} did not start:\n{failure}", program.name()))
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

impl Drop for Gateway {
    /// Lets it end its workers, which a kill would leave behind.
    fn drop(&mut self) {
        if self.process.ended().is_none() {
            self.process.terminate();
            self.process.wait();
        }
    }
}

fn try_start(program: Program, text_for: impl Fn(u16) -> String) -> Result<Gateway, String> {
    let folder = TempDir::with_prefix("keystile-gateway-").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = folder.path().join(program.configuration());
    std::fs::write(&file, text_for(port)).unwrap();
    let mut command = program.command(folder.path(), &file);
    let mut process = Process::start(&mut command, folder.path(), program.name());
    let address = format!("127.0.0.1:{port}");
    let listens = until("a gateway to listen", || {
        let ended = process.ended().map(|_| false);
        ended.or_else(|| TcpStream::connect(&address).is_ok().then_some(true))
    });
    if listens { Ok(Gateway { address, process, _folder: folder }) } else { Err(process.stderr()) }
}
