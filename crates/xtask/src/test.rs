//! `cargo xtask test`: the one test command, good for a fresh Debian machine that has only Rust.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use keystile_testkit::postgres::{Durability, ENGINE, Postgres, VARIABLE};

use crate::python;
use crate::run::{cargo, program, quiet, root, shown, works};

/// A program that tests start, and the Debian package that has it.
struct Needed {
    program: &'static str,
    package: &'static str,
    /// Arguments with which it must succeed, for a program that the package adds something to; none if it is enough that it is there.
    probe: &'static [&'static str],
}

impl Needed {
    const fn new(program: &'static str, package: &'static str) -> Self {
        Self { program, package, probe: &[] }
    }

    fn is_there(&self) -> bool {
        is_installed(self.program) && (self.probe.is_empty() || works(&mut program(self.program, self.probe)))
    }
}

const CHROMIUM: Needed = Needed::new("chromium", "chromium");
const CHROMEDRIVER: Needed = Needed::new("chromedriver", "chromium-driver");
const NEEDED: &[Needed] = &[
    Needed::new("curl", "curl"),
    Needed::new("postgres", "postgresql"),
    Needed::new("nginx", "nginx"),
    Needed::new("caddy", "caddy"),
    Needed::new("haproxy", "haproxy"),
    Needed::new("openssl", "openssl"),
    CHROMIUM,
    CHROMEDRIVER,
    Needed::new("setpriv", "util-linux"),
    Needed { probe: &["-c", "import venv, ensurepip"], ..Needed::new("python3", "python3-venv") },
];

/// Where programs are beside the search path, which for a plain user has no `sbin`.
const FURTHER_FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin", "/sbin"];
/// Debian keeps each release of PostgreSQL apart: `/usr/lib/postgresql/15/bin`.
const POSTGRES_RELEASES: &str = "/usr/lib/postgresql";

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
                let left_out: Vec<_> = OWN_ENGINE.iter().map(|part| format!("not test({part})")).collect();
                let mut command = cargo(&["nextest", "run"]);
                command.args(EITHER_ENGINE).args(["-E", &left_out.join(" and ")]);
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

/// Makes sure that each program is there; installs what is missing where that is allowed.
fn provide(needed: &[Needed]) -> Result<()> {
    let missing = missing(needed);
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.iter().map(|needed| needed.package).collect::<Vec<_>>();
    if !may_install() {
        bail!("{}", how_to_install(&missing));
    }
    println!("installing {}", packages.join(", "));
    install(&packages)?;
    let still = self::missing(needed);
    if still.is_empty() { Ok(()) } else { bail!("{}", how_to_install(&still)) }
}

fn missing(needed: &[Needed]) -> Vec<&Needed> {
    needed.iter().filter(|needed| !needed.is_there()).collect()
}

fn how_to_install(missing: &[&Needed]) -> String {
    let programs = missing.iter().map(|needed| needed.program).collect::<Vec<_>>().join(", ");
    let packages = missing.iter().map(|needed| needed.package).collect::<Vec<_>>().join(" ");
    format!("the tests need {programs}. As root, on Debian: apt-get install --yes {packages}")
}

fn is_installed(program: &str) -> bool {
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let releases = std::fs::read_dir(POSTGRES_RELEASES).into_iter().flatten().flatten();
    std::env::split_paths(&search_path)
        .chain(FURTHER_FOLDERS.iter().map(PathBuf::from))
        .chain(releases.map(|release| release.path().join("bin")))
        .any(|folder| folder.join(program).is_file())
}

fn may_install() -> bool {
    let is_root = quiet(&mut program("id", &["-u"])).is_ok_and(|user| user.trim() == "0");
    is_root && Path::new("/usr/bin/apt-get").exists()
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let mut command = program("apt-get", arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive").current_dir(root());
        command
    };
    quiet(&mut apt(&["--quiet", "update"]))?;
    let flags = ["--quiet", "--yes", "--no-install-recommends", "install"];
    quiet(apt(&flags).args(packages)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Needed = Needed::new("no-such-program-anywhere", "no-such-package");

    #[test]
    fn a_program_that_is_missing_is_named_with_the_package_to_install() {
        let needed = [Needed::new("sh", "dash"), ABSENT];
        let missing = missing(&needed);
        assert_eq!(missing.len(), 1);
        let said = how_to_install(&missing);
        assert!(said.contains(ABSENT.program) && said.ends_with("install --yes no-such-package"), "{said}");
    }

    #[test]
    fn a_program_that_cannot_do_what_its_package_adds_is_missing() {
        let able = Needed { probe: &["-c", "true"], ..Needed::new("sh", "dash") };
        let unable = Needed { probe: &["-c", "false"], ..Needed::new("sh", "a-part-of-dash") };
        let needed = [able, unable];
        let packages: Vec<_> = missing(&needed).into_iter().map(|needed| needed.package).collect();
        assert_eq!(packages, ["a-part-of-dash"]);
    }
}
