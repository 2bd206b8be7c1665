//! Schemathesis, which tests the server against its OpenAPI document: a Python program, kept in the build folder.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{program, quiet, root, works};

/// The variable by which tests find it.
pub(crate) const VARIABLE: &str = "KEYSTILE_SCHEMATHESIS";
/// A release of its own, so that a new one cannot break the build over night.
const VERSION: &str = "4.32.5";
const HOW: &str = "the tests need schemathesis, a Python program. On Debian: apt-get install --yes python3-venv; pip \
    must reach PyPI, once";

/// Where it is; installs it into a virtual environment when it is missing.
pub(crate) fn provide() -> Result<PathBuf> {
    let folder = root().join("target/tools").join(format!("schemathesis-{VERSION}"));
    let installed = folder.join("bin/schemathesis");
    if works(&mut program(&installed.to_string_lossy(), &["--version"])) {
        return Ok(installed);
    }
    println!("installing schemathesis {VERSION}, once");
    let environment = ["-m", "venv", "--clear", &folder.to_string_lossy()];
    quiet(&mut program("python3", &environment)).context(HOW)?;
    let pip = folder.join("bin/pip");
    let wanted = format!("schemathesis=={VERSION}");
    let flags = ["install", "--quiet", "--disable-pip-version-check", &wanted];
    quiet(&mut program(&pip.to_string_lossy(), &flags)).context(HOW)?;
    Ok(installed)
}
