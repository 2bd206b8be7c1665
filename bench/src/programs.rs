//! Programs of others, which have to be there before anything is measured.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::measure::Part;

/// Says what to install when a program is missing that these parts need.
pub(crate) fn require(parts: &[Part]) -> Result<()> {
    let mut needed = vec![("wrk", "wrk"), ("taskset", "util-linux")];
    if parts.contains(&Part::Cluster) {
        needed.push(("redis-server", "redis-server"));
    }
    for (program, package) in needed {
        let started =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if started.is_err() {
            bail!("the bench needs `{program}`. As root, on Debian: apt-get install --yes {package}");
        }
    }
    Ok(())
}
