//! `cargo xtask bench`: builds the release and measures it.

use anyhow::Result;

use crate::run::{cargo, shown};

/// Builds the server and everything that is measured beside it, then prints one table. `flags` begin with `--quick` for a
/// first impression in a few minutes, or `--huge` for ten million keys; how many keys three nodes revoke (`--revocations`) and names of
/// parts may follow.
pub(crate) fn run(flags: &[String]) -> Result<()> {
    let example = ["--package", "keystile-verify", "--example", "in_process"];
    shown(cargo(&["build", "--release", "--quiet"]).args(example))?;
    // Apart from one another, so that the server is built with its own features only.
    shown(&mut cargo(&["build", "--release", "--quiet", "--package", "keystile"]))?;
    shown(&mut cargo(&["build", "--release", "--quiet", "--package", "keystile-bench", "--bins"]))?;
    let run = ["run", "--release", "--quiet", "--package", "keystile-bench", "--bin", "keystile-bench", "--"];
    shown(cargo(&run).args(flags))
}
