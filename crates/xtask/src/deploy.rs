//! What is in `deploy/`, judged by the programs that will read it, or by linters that know their formats. Whether it fits to
//! Keystile is judged by the tidy rules.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{CADDY, Needed, PYTHON, provide};
use crate::python;
use crate::run::{program, quiet, root, silent};

const NEEDED: &[Needed] = &[CADDY, PYTHON, Needed::new("systemd-analyze", "systemd")];

const MANIFESTS: &str = "deploy/kubernetes";
/// It is no object of Kubernetes, and has no schema there.
const KUSTOMIZATION: &str = "kustomization.yaml";
/// The oldest release of Kubernetes that knows all that the manifests ask for, and the newest whose schemas the linter has.
const RELEASES: &[&str] = &["1.30", "1.37"];

const UNIT: &str = "keystile.service";
/// Most that `systemd-analyze security` may count, in tenths of its points: 10 would be a service that may do everything.
const EXPOSURE: &str = "--threshold=15";

/// Judges everything, also after something was found.
pub(crate) fn check() -> Result<()> {
    provide(NEEDED)?;
    let linters = python::linters()?;
    let linter = |name: &str, arguments: &[&str]| program(&linters.join(name).to_string_lossy(), arguments);
    let compose = ["--quiet", "--builtin-schema", "vendor.compose-spec", "deploy/compose/compose.yaml"];
    let judged = [
        manifests(|flags| linter("kubernetes-validate", flags)),
        silent(&mut linter("check-jsonschema", &compose)),
        silent(&mut linter("hadolint", &["deploy/Containerfile"])),
        silent(&mut linter("shellcheck", &["deploy/make-secrets"])),
        caddyfile(),
        unit(),
    ];
    let failures: Vec<_> =
        judged.into_iter().filter_map(Result::err).map(|failure| format!("{failure:#}")).collect();
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("\n")) }
}

fn manifests(validate: impl Fn(&[&str]) -> Command) -> Result<()> {
    let folder = root().join(MANIFESTS);
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{MANIFESTS} cannot be read"))? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        if is_yaml && path.file_name().is_some_and(|name| name != KUSTOMIZATION) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!("there are no manifests in {MANIFESTS}");
    }
    for &release in RELEASES {
        // Of what it has no schema for it says so, and ends well.
        silent(validate(&["--strict", "--quiet", "--kubernetes-version", release]).args(&paths))?;
    }
    Ok(())
}

fn caddyfile() -> Result<()> {
    let arguments = ["validate", "--adapter", "caddyfile", "--config", "deploy/compose/Caddyfile"];
    quiet(program("caddy", &arguments).env("SITE_ADDRESS", "keys.example.com")).map(drop)
}

/// Has systemd read the unit where the program that it starts is there, and count what it may do.
fn unit() -> Result<()> {
    let folder = root().join("target/deploy");
    let text = fs::read_to_string(root().join("deploy/systemd").join(UNIT))
        .with_context(|| format!("{UNIT} cannot be read"))?;
    place(&folder.join("etc/systemd/system").join(UNIT), &text, 0o644)?;
    place(&folder.join("usr/local/bin/keystile"), "#!/bin/sh\n", 0o755)?;
    let at = format!("--root={}", folder.display());
    silent(&mut program("systemd-analyze", &["verify", &at, "--man=no", "--recursive-errors=no", UNIT]))?;
    let count = ["security", &at, "--no-pager", "--offline=yes", EXPOSURE, UNIT];
    quiet(&mut program("systemd-analyze", &count)).map(drop)
}

fn place(path: &Path, text: &str, mode: u32) -> Result<()> {
    let failed = || format!("{} cannot be written", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).with_context(failed)?;
    fs::write(path, text).with_context(failed)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).with_context(failed)
}
