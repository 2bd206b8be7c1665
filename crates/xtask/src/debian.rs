//! Programs that Debian has: installed where that is allowed, named where it is not.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::run::{program, quiet, root, works};

/// A program, and the Debian package that has it.
pub(crate) struct Needed {
    program: &'static str,
    package: &'static str,
    /// Arguments with which it must succeed, for a program that the package adds something to; none if it is enough that it is there.
    probe: &'static [&'static str],
}

impl Needed {
    pub(crate) const fn new(program: &'static str, package: &'static str) -> Self {
        Self { program, package, probe: &[] }
    }

    fn is_there(&self) -> bool {
        is_installed(self.program) && (self.probe.is_empty() || works(&mut program(self.program, self.probe)))
    }
}

/// What the checks need as the tests do.
pub(crate) const CADDY: Needed = Needed::new("caddy", "caddy");
pub(crate) const PYTHON: Needed =
    Needed { probe: &["-c", "import venv, ensurepip"], ..Needed::new("python3", "python3-venv") };

/// Where programs are beside the search path, which for a plain user has no `sbin`.
const FURTHER_FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin", "/sbin"];
/// Debian keeps each release of PostgreSQL apart: `/usr/lib/postgresql/15/bin`.
const POSTGRES_RELEASES: &str = "/usr/lib/postgresql";

/// Makes sure that each program is there; installs what is missing where that is allowed.
pub(crate) fn provide(needed: &[Needed]) -> Result<()> {
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
    format!("this needs {programs}. As root, on Debian: apt-get install --yes {packages}")
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
