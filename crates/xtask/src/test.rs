//! `cargo xtask test`: the one test command, good for a fresh Debian machine that has only Rust.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use keystile_testkit::postgres::{Durability, ENGINE, Postgres, VARIABLE};

use crate::debian::{CADDY, Needed, PYTHON, provide};
use crate::python;
use crate::run::{cargo, quiet, shown, works};

const CHROMIUM: Needed = Needed::new("chromium", "chromium");
const CHROMEDRIVER: Needed = Needed::new("chromedriver", "chromium-driver");
const NEEDED: &[Needed] = &[
    Needed::new("curl", "curl"),
    Needed::new("postgres", "postgresql"),
    Needed::new("nginx", "nginx"),
    CADDY,
    Needed::new("haproxy", "haproxy"),
    Needed::new("redis-server", "redis-server"),
    Needed::new("openssl", "openssl"),
    CHROMIUM,
    CHROMEDRIVER,
    Needed::new("setpriv", "util-linux"),
    PYTHON,
];

/// Programs, and the variables that name them to tests.
type Tools = [(&'static str, PathBuf)];

/// Makes sure that there is a browser.
pub(crate) fn provide_browser() -> Result<()> {
    provide(&[CHROMIUM, CHROMEDRIVER])
}

/// Installs what is needed, then runs all tests of the workspace, or those that `flags` choose.
pub(crate) fn run(flags: &[String]) -> Result<()> {
    provide(NEEDED)?;
    let tools = python::provide()?;
    let runner = Runner::provide();
    let documented = if flags.is_empty() { doc_tests() } else { Ok(()) };
    // The runner comes last, so that its summary ends the output.
    with_postgres(|url| {
        let all = runner.run(flags, url, &tools);
        let once_more = if flags.is_empty() { runner.run_on_postgres(url, &tools) } else { Ok(()) };
        all.and(once_more)
    })?;
    documented
}

/// The packages whose tests leave the engine to the runner, and the names of those tests: of what people may do, and over
/// HTTP. The tests of the store, of which one has the same name, take both engines by themselves.
const EITHER_ENGINE: &[&str] =
    &["--package", "keystile-manage", "--package", "keystile", "--test", "behaviour", "--test", "e2e"];
/// The same in the words of nextest.
const EITHER_ENGINE_FILTER: &str =
    "(package(=keystile-manage) or package(=keystile)) and (binary(=behaviour) or binary(=e2e))";
/// Parts of the names of tests among them that are not run a second time: they choose an engine themselves, are about one, or
/// are about what stands before Keystile or watches it, which is the same for both.
const OWN_ENGINE: &[&str] = &[
    "browser_flow::",
    "browser_pages::",
    "browser_roles::",
    "clickhouse::",
    "clickhouse_engine::",
    "cluster::",
    "database_away::",
    "dev::",
    "doubt::",
    "full_disk::",
    "llm::database::",
    "llm::sdks::",
    "one_server::",
    "secrets::",
    // One caller of four is enough; the one with a key remains.
    "contract::an_owner",
    "contract::a_viewer",
    "contract::nobody",
    "caddy::",
    "envoy::",
    "envoy_listener::",
    "haproxy::",
    "nginx::",
    "traefik::",
    "readme::",
    "scene::",
    "traces::",
];

fn doc_tests() -> Result<()> {
    shown(&mut cargo(&["test", "--doc", "--workspace", "--quiet"]))
}

/// Runs `tests` with one private PostgreSQL for all of them. It ends when this process ends, however
/// that comes about, because its supervisor waits for exactly that.
fn with_postgres(tests: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        println!("using the PostgreSQL that {VARIABLE} names");
        return tests(&named.to_string_lossy());
    }
    let server = Postgres::start(Durability::Off).map_err(|failure| anyhow!(failure))?;
    tests(server.url())
}

enum Runner {
    Nextest,
    Cargo,
}

impl Runner {
    /// cargo-nextest, installed when it is missing; Cargo's own runner when that cannot be done.
    fn provide() -> Self {
        let nextest = || works(&mut cargo(&["nextest", "--version"]));
        if nextest() {
            return Self::Nextest;
        }
        println!("installing cargo-nextest, once; this takes some minutes");
        match quiet(&mut cargo(&["install", "--locked", "--quiet", "cargo-nextest"])) {
            Ok(_) if nextest() => Self::Nextest,
            Ok(_) => Self::fall_back("it is not on the search path of cargo"),
            Err(failure) => Self::fall_back(&format!("{failure:#}")),
        }
    }

    fn fall_back(reason: &str) -> Self {
        println!("cargo-nextest could not be installed, so `cargo test` runs the tests: {reason}");
        Self::Cargo
    }

    /// Runs the tests that leave the engine to the runner once more, on PostgreSQL.
    fn run_on_postgres(&self, postgres: &str, tools: &Tools) -> Result<()> {
        let mut command = match self {
            Self::Nextest => {
                let left_out = OWN_ENGINE.iter().map(|part| format!(" and not test({part})"));
                let filter = EITHER_ENGINE_FILTER.to_owned() + &left_out.collect::<String>();
                // Of the whole workspace, as for all tests: with the features of some packages alone everything would be built anew.
                let mut command = cargo(&["nextest", "run", "--workspace"]);
                command.args(["-E", &filter]);
                command
            }
            Self::Cargo => {
                let mut command = cargo(&["test"]);
                command
                    .args(EITHER_ENGINE)
                    .arg("--")
                    .args(OWN_ENGINE.iter().flat_map(|part| ["--skip", part]));
                command
            }
        };
        command.env(ENGINE, "postgres");
        shown(command.env(VARIABLE, postgres).envs(tools.iter().cloned()))
    }

    fn run(&self, flags: &[String], postgres: &str, tools: &Tools) -> Result<()> {
        let mut command = match self {
            Self::Nextest => cargo(&["nextest", "run"]),
            Self::Cargo => cargo(&["test", "--lib", "--bins", "--tests", "--no-fail-fast"]),
        };
        if flags.is_empty() {
            command.arg("--workspace");
        }
        shown(command.args(flags).env(VARIABLE, postgres).envs(tools.iter().cloned()))
    }
}
