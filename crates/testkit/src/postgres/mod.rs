//! A private PostgreSQL for tests.
//!
//! A test asks for [`Postgres::shared`] and takes a fresh [`Database`] from it. The runner of the whole
//! suite starts one server by [`Postgres::start`] and names it to every test in [`VARIABLE`]; a test that
//! finds none starts its own. A server ends with the process that started it, however that ends.

mod cluster;
mod supervisor;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::certificate::Certificate;
use crate::run::output_of;
use cluster::{follow, initialize, make_folder, programs};
use supervisor::{Order, Supervisor};

/// The variable that chooses the engine of servers to which no test gives a database of its own: `postgres`, or else
/// SQLite.
pub const ENGINE: &str = "KEYSTILE_TEST_ENGINE";

/// The environment variable with the URL of a superuser on a private server.
pub const VARIABLE: &str = "KEYSTILE_TEST_POSTGRES";

/// Attempts to start a server on a port that was free a moment ago.
const MAX_STARTS: usize = 3;

/// Whether what is committed survives a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// No, but a kill: for tests of behaviour, which become several times faster.
    Off,
    /// Yes, as in production: for benchmarks.
    On,
}

/// A server of our own.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    programs: PathBuf,
    supervisor: Option<Supervisor>,
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

    /// Whether [`ENGINE`] chooses it.
    pub fn is_chosen() -> bool {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where tests learn of the runner's engine"
        )]
        let chosen = std::env::var(ENGINE);
        chosen.as_deref() == Ok("postgres")
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
        Self::start_some(durability, None)
    }

    /// Starts a server that speaks TLS, too, if it is asked to.
    ///
    /// # Errors
    /// Says what to install, or what the server said.
    pub fn start_with_tls(certificate: &Certificate) -> Result<Self, String> {
        Self::start_some(Durability::Off, Some(certificate))
    }

    fn start_some(durability: Durability, certificate: Option<&Certificate>) -> Result<Self, String> {
        let programs = programs()?;
        let mut failure = String::new();
        for _ in 0..MAX_STARTS {
            match Self::try_start(&programs, durability, certificate) {
                Ok(started) => return Ok(started),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn try_start(
        programs: &Path,
        durability: Durability,
        certificate: Option<&Certificate>,
    ) -> Result<Self, String> {
        Self::start_in(programs, |folder| initialize(programs, folder, durability, certificate))
    }

    /// A server in a folder of its own, whose files `make` makes; it tells the port.
    fn start_in(programs: &Path, make: impl FnOnce(&Path) -> Result<u16, String>) -> Result<Self, String> {
        let folder =
            make_folder().map_err(|error| format!("cannot make a folder for PostgreSQL: {error}"))?;
        let port = make(&folder).inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        // From here on, dropping it stops what was started and removes the folder.
        let mut supervisor = Supervisor::of(programs, &folder)?;
        supervisor.tell(Order::Start)?;
        let url = format!("postgres://keystile@127.0.0.1:{port}/postgres");
        Ok(Self { url, programs: programs.to_owned(), supervisor: Some(supervisor) })
    }

    /// Starts a server that follows this one and can take its place. From then on this one answers that something is committed when the other
    /// has it as well.
    ///
    /// # Errors
    /// What a server or a program said.
    pub fn start_standby(&self) -> Result<Self, String> {
        let standby = Self::start_in(&self.programs, |folder| follow(&self.programs, folder, &self.url))?;
        self.run("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        self.run("SELECT pg_reload_conf()")?;
        Ok(standby)
    }

    /// Has a server that follows another take its place.
    ///
    /// # Errors
    /// What the server said.
    pub fn promote(&self) -> Result<(), String> {
        self.run("SELECT pg_promote()")
    }

    /// Kills all of its processes (SIGKILL) and waits until they are dead.
    ///
    /// # Panics
    /// When it does not run, or is not this process's own.
    pub fn kill(&mut self) {
        self.tell(Order::Die);
    }

    /// Starts it again after a kill, with the same files at the same address.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.tell(Order::Start);
    }

    fn tell(&mut self, order: Order) {
        let supervisor =
            self.supervisor.as_mut().ok_or_else(|| "this server is shared with others".to_owned());
        settled(supervisor.and_then(|supervisor| supervisor.tell(order)));
    }

    /// The number of its first process, whose children are all others.
    ///
    /// # Errors
    /// When it does not run, or is not this process's own.
    pub fn process(&self) -> Result<u32, String> {
        let supervisor = self.supervisor.as_ref().ok_or("this server is shared with others")?;
        supervisor.server()
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
        self.psql(&self.url, sql).map(drop)
    }

    /// Runs a query as superuser, and gives its rows as lines.
    ///
    /// # Errors
    /// What the server said.
    pub fn query(&self, sql: &str) -> Result<String, String> {
        self.psql(&self.url, sql)
    }

    fn psql(&self, url: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(self.programs.join("psql"));
        let bare = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"];
        output_of(command.args(bare).args(["--dbname", url, "--command", sql]))
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
        self.query(sql).map(drop)
    }

    /// Runs a query in it as superuser, and gives its rows as lines.
    ///
    /// # Errors
    /// What the server said.
    pub fn query(&self, sql: &str) -> Result<String, String> {
        self.server.psql(&self.url(), sql)
    }
}

impl Database<'_> {
    /// All that its tables hold, as text; bytes are written in hexadecimal digits.
    ///
    /// # Errors
    /// What the server said.
    pub fn dump(&self) -> Result<String, String> {
        let mut command = Command::new(self.server.programs.join("pg_dump"));
        let output = command.args(["--data-only", "--dbname", &self.url()]).output();
        let output = output.map_err(|error| format!("pg_dump did not start: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
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
