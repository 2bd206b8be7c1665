//! A private PostgreSQL for tests.
//!
//! A test asks for [`Postgres::shared`] and takes a fresh [`Database`] from it. The runner of the whole
//! suite starts one server by [`Postgres::start`] and names it to every test in [`VARIABLE`]; a test that
//! finds none starts its own. A server ends with the process that started it, however that ends.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The environment variable with the URL of a superuser on a private server.
pub const VARIABLE: &str = "KEYSTILE_TEST_POSTGRES";

/// The unprivileged user and group `nobody`: PostgreSQL refuses to run as root.
const NOBODY: (u32, u32) = (65_534, 65_534);
/// Attempts to start a server on a port that was free a moment ago.
const MAX_STARTS: usize = 3;
/// Starts the server, says so, and stops it when the standard input ends, which it does when the process
/// that started it has gone, even by a kill.
const SUPERVISOR: &str = r#"
trap '' INT TERM HUP
"$1/pg_ctl" --silent --wait --pgdata "$2/data" --log "$2/log" start >/dev/null 2>&1 && echo started
cat >/dev/null
"$1/pg_ctl" --silent --mode immediate --pgdata "$2/data" stop >/dev/null 2>&1
rm -rf "$2"
"#;

/// Whether what is committed survives a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// No: for tests of behaviour, which become several times faster.
    Off,
    /// Yes, as in production: for benchmarks.
    On,
}

/// A server of our own.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    programs: PathBuf,
    supervisor: Option<Child>,
}

impl Postgres {
    /// The server that [`VARIABLE`] names, or else one for this process.
    ///
    /// # Panics
    /// When there is none and none can be started; the message says what to install.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| settled(Self::find()))
    }

    fn find() -> Result<Self, String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where tests learn of the runner's server"
        )]
        let named = std::env::var(VARIABLE);
        match named {
            Ok(url) => Ok(Self { url, programs: programs()?, supervisor: None }),
            Err(_) => Self::start(Durability::Off),
        }
    }

    /// Starts a server that runs until the value is dropped or this process ends.
    ///
    /// # Errors
    /// Says what to install, or what the server said.
    pub fn start(durability: Durability) -> Result<Self, String> {
        let programs = programs()?;
        let mut failure = String::new();
        for _ in 0..MAX_STARTS {
            match Self::try_start(&programs, durability) {
                Ok(started) => return Ok(started),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn try_start(programs: &Path, durability: Durability) -> Result<Self, String> {
        let folder =
            make_folder().map_err(|error| format!("cannot make a folder for PostgreSQL: {error}"))?;
        let cluster = initialize(programs, &folder, durability);
        let port = cluster.inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        let mut supervisor = unprivileged("sh")
            .args(["-c", SUPERVISOR, "keystile-test-postgres"])
            .args([programs, &folder])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start `setpriv` (util-linux) or `sh`: {error}"))?;
        let mut said = String::new();
        let heard = supervisor.stdout.take().map(|out| BufReader::new(out).read_line(&mut said));
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        let url = format!("postgres://keystile@127.0.0.1:{port}/postgres");
        // From here on, dropping it stops what was started.
        let server = Self { url, programs: programs.to_owned(), supervisor: Some(supervisor) };
        match heard {
            Some(Ok(_)) if said.trim() == "started" => Ok(server),
            _ => Err(format!("PostgreSQL did not start:\n{log}")),
        }
    }

    /// The URL of the server's own database, as superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A fresh, empty database.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn database(&self) -> Database<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        settled(self.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        settled(self.run(&format!("CREATE DATABASE {name}")));
        Database { name, server: self }
    }

    /// Runs one statement as superuser.
    ///
    /// # Errors
    /// What the server said.
    pub fn run(&self, sql: &str) -> Result<(), String> {
        self.psql(&self.url, sql)
    }

    fn psql(&self, url: &str, sql: &str) -> Result<(), String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["--no-psqlrc", "--quiet", "--dbname", url, "--command", sql]);
        finish(&mut command)
    }
}

impl Drop for Postgres {
    /// Ends the supervisor's input, and waits until it has cleaned up.
    fn drop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            drop(supervisor.stdin.take());
            let _ended = supervisor.wait();
        }
    }
}

/// A database of one test; it is dropped with the value.
#[derive(Debug)]
pub struct Database<'s> {
    name: String,
    server: &'s Postgres,
}

impl Database<'_> {
    /// Its URL.
    pub fn url(&self) -> String {
        let (server, _) = self.server.url.rsplit_once('/').unwrap_or((&self.server.url, ""));
        format!("{server}/{}", self.name)
    }
}

impl Database<'_> {
    /// Runs SQL in it as superuser.
    ///
    /// # Errors
    /// What the server said.
    pub fn run(&self, sql: &str) -> Result<(), String> {
        self.server.psql(&self.url(), sql)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // The server is private and ends soon; a database that stays behind harms nobody.
        let _dropped = self.server.run(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

#[expect(clippy::panic, reason = "a test without its database has failed, and must say why")]
fn settled<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|failure| panic!("{failure}"))
}

/// The folder with the programs of the newest PostgreSQL there is.
fn programs() -> Result<PathBuf, String> {
    let release = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    installed
        .filter_map(|entry| release(&entry.path()).map(|release| (release, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .max()
        .map(|(_, programs)| programs)
        .ok_or_else(|| {
            "these tests need PostgreSQL 14 or later under /usr/lib/postgresql: `apt-get install postgresql`"
                .to_owned()
        })
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A command that does not run as root.
fn unprivileged(program: impl AsRef<std::ffi::OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let (user, group) = NOBODY;
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(program);
    command
}

/// A short path, because the server makes a socket in it.
fn make_folder() -> std::io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("keystile-pg-{}-{count}", std::process::id()));
    fs::create_dir(&folder)?;
    if is_root() {
        chown(&folder, Some(NOBODY.0), Some(NOBODY.1))?;
    }
    Ok(folder)
}

/// Makes the files of a server, and finds a port for it.
fn initialize(programs: &Path, folder: &Path, durability: Durability) -> Result<u16, String> {
    let mut initdb = unprivileged(programs.join("initdb"));
    initdb.args(["--username=keystile", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    finish(initdb.arg("--pgdata").arg(folder.join("data")).current_dir("/"))?;
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = free.map_err(|error| format!("no free port: {error}"))?.port();
    let durable = match durability {
        Durability::Off => "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n",
        Durability::On => "",
    };
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nmax_connections = 300\n{durable}",
        folder.display()
    );
    let file = OpenOptions::new().append(true).open(folder.join("data/postgresql.conf"));
    let written = file.and_then(|mut file| file.write_all(settings.as_bytes()));
    written.map(|()| port).map_err(|error| format!("cannot write the settings of PostgreSQL: {error}"))
}

fn finish(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
}
