//! The real server, as a process of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::http::Http;
use crate::postgres::{Database, Postgres};
use crate::process::Process;
use crate::wait::until;

/// What is written before the address, on standard output by `dev` and in the log by `serve`.
const BEFORE_ADDRESS: [&str; 2] = ["Keystile is up at http://", "serving address="];
/// The same, of the listener for Envoy.
const BEFORE_ENVOY_ADDRESS: [&str; 2] = ["Envoy is answered at ", "answering Envoy address="];

/// How to start a server.
#[derive(Debug)]
pub struct Plan {
    program: PathBuf,
    command: &'static str,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    folder: TempDir,
    database: Option<Database<'static>>,
    open_files: Option<(u64, u64)>,
}

impl Plan {
    /// `keystile dev` in a folder of its own, on the engine that [`crate::postgres::ENGINE`] chooses. `program` is
    /// `env!("CARGO_BIN_EXE_keystile")`.
    pub fn dev(program: &str) -> Self {
        let mut plan = Self::new(program, "dev");
        plan.database = Postgres::is_chosen().then(|| Postgres::shared().database());
        let credentials = plan.folder.path().join("credentials.json");
        plan.flag("--credentials-file", &credentials.display().to_string())
    }

    /// `keystile serve` on SQLite in a folder of its own.
    pub fn serve(program: &str) -> Self {
        Self::new(program, "serve")
    }

    fn new(program: &str, command: &'static str) -> Self {
        let folder = TempDir::with_prefix("keystile-test-").unwrap();
        let plan = Self {
            program: program.into(),
            command,
            flags: Vec::new(),
            variables: Vec::new(),
            folder,
            database: None,
            open_files: None,
        };
        let data = plan.data_dir().display().to_string();
        // The system chooses a port that is free; a chosen one might be taken by the time it is bound.
        plan.flag("--listen", "127.0.0.1:0").flag("--data-dir", &data)
    }

    /// Uses SQLite, or the database that a flag names, whatever [`crate::postgres::ENGINE`] says.
    #[must_use]
    pub fn own_database(mut self) -> Self {
        self.database = None;
        self
    }

    /// Adds a flag with its value.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Sets a variable in its environment, which has no others.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Limits the files it may have open, softly and hard.
    #[must_use]
    pub const fn open_files(mut self, soft: u64, hard: u64) -> Self {
        self.open_files = Some((soft, hard));
        self
    }

    /// The folder of the server's data.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The flags that name its data, for tools that run beside it or while it is stopped.
    pub fn places(&self) -> Vec<String> {
        let data = self.data_dir().display().to_string();
        let database =
            self.database.iter().flat_map(|database| ["--database-url".to_owned(), database.url()]);
        ["--data-dir".to_owned(), data].into_iter().chain(database).collect()
    }

    /// A folder for whatever belongs to the test; the data and the output are in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs it, without waiting for anything.
    pub fn run(&self, name: &str) -> Process {
        let mut command = self.program();
        command.arg(self.command).args(&self.flags);
        if let Some(database) = &self.database {
            command.args(["--database-url", &database.url()]);
        }
        command.env_clear().envs(self.variables.iter().cloned());
        Process::start(&mut command, self.folder.path(), name)
    }

    fn program(&self) -> Command {
        let Some((soft, hard)) = self.open_files else { return Command::new(&self.program) };
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={soft}:{hard}")).arg(&self.program);
        command
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(self) -> Server {
        let mut server = Server { plan: self, process: None, address: String::new(), starts: 0 };
        server.start();
        server
    }
}

/// A server that is ready. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    process: Option<Process>,
    address: String,
    starts: u32,
}

impl Server {
    /// `keystile dev` on SQLite.
    pub fn dev(program: &str) -> Self {
        Plan::dev(program).start()
    }

    /// Starts it again, after it has ended in whatever way. It listens on another port then.
    ///
    /// # Panics
    /// When it runs, or does not become ready.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it runs");
        self.starts += 1;
        let mut process = self.plan.run(&format!("start-{}", self.starts));
        self.address = until("the server to listen", || {
            assert!(process.ended().is_none(), "the server ended:\n{}", process.stderr());
            find_address(&process, &BEFORE_ADDRESS)
        });
        until("the server to be ready", || is_ready(&self.address).then_some(()));
        self.process = Some(process);
    }

    /// Stops it and starts it again. It listens on another port then.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Ends it the hard way (SIGKILL).
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        self.process.take().expect("it does not run").kill();
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// When it does not run, or ends with anything but success.
    pub fn stop(&mut self) {
        self.process().terminate();
        self.await_end();
    }

    /// Waits until it has stopped after it was told to.
    ///
    /// # Panics
    /// When it does not run, or ends with anything but success.
    pub fn await_end(&mut self) {
        let mut process = self.process.take().expect("it does not run");
        let status = process.wait();
        assert!(status.success(), "it ended with {status}:\n{}", process.stderr());
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it does not run")
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it answers Envoy, as `127.0.0.1:PORT`; it was started with `--grpc-listen`.
    ///
    /// # Panics
    /// When it does not run, or does not tell.
    pub fn envoy_address(&self) -> String {
        until("the server to answer Envoy", || find_address(self.process(), &BEFORE_ENVOY_ADDRESS))
    }

    /// A client of its listener for operations, of a server that logs at `info` where it is.
    ///
    /// # Panics
    /// When there is no such listener.
    pub fn operations(&self) -> Http {
        let address = find_address(self.process(), &["serving operations address="]);
        Http::new(&address.expect("it has no listener for operations, or does not log it"))
    }

    /// A client of its API.
    pub fn http(&self) -> Http {
        Http::new(&self.address)
    }

    /// How it is started.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What `keystile dev` wrote for scripts.
    ///
    /// # Panics
    /// When there is no such file, or it has another form.
    pub fn credentials(&self) -> Credentials {
        serde_json::from_slice(&fs::read(self.credentials_file()).unwrap()).unwrap()
    }

    /// The file for scripts.
    pub fn credentials_file(&self) -> PathBuf {
        self.plan.folder().join("credentials.json")
    }

    /// Runs SQL in the database of a server that is stopped: its SQLite file, or its database on PostgreSQL.
    ///
    /// # Panics
    /// When it runs, or the database refuses.
    pub fn sql(&self, statements: &str) {
        assert!(self.process.is_none(), "stop the server first");
        if let Some(database) = &self.plan.database {
            return database.run(statements).unwrap();
        }
        let file = self.plan.data_dir().join("keystile.db");
        rusqlite::Connection::open(file).unwrap().execute_batch(statements).unwrap();
    }
}

/// What `keystile dev --credentials-file` writes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Where the server listened on its first start.
    pub base_url: String,
    /// The owner's address.
    pub email: String,
    /// The owner's password.
    pub password: String,
    /// The tenant.
    pub tenant_id: String,
    /// Its application.
    pub application_id: String,
    /// A key for each environment.
    pub keys: BTreeMap<String, KeyCredentials>,
}

/// One key in the credentials.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCredentials {
    /// Which key.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl Credentials {
    /// The secret of the key of an environment.
    pub fn secret(&self, environment: &str) -> &str {
        &self.keys[environment].secret
    }
}

fn find_address(process: &Process, before: &[&str]) -> Option<String> {
    let said = process.stdout() + &process.stderr();
    let after = before.iter().find_map(|before| Some(said.split_once(before)?.1))?;
    // Only with what follows is the number of the port complete.
    let (address, _) = after.split_once(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')?;
    Some(address.to_owned())
}

fn is_ready(address: &str) -> bool {
    crate::http::raw(address, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}
