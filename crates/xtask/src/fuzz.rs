//! `cargo xtask fuzz`: searches every fuzz target for input that breaks it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, root, shown, works};

/// How long each target is searched when the caller does not say.
pub(crate) const DEFAULT_SECONDS: u32 = 60;

/// Searches each target for `seconds`, from its seeds and what earlier searches found.
pub(crate) fn run(seconds: u32) -> Result<()> {
    require_tools()?;
    for target in targets(&root().join("fuzz"))? {
        search(&target, seconds)?;
    }
    Ok(())
}

fn require_tools() -> Result<()> {
    if !works(&mut cargo(&["+nightly", "--version"])) {
        bail!("fuzzing needs the nightly toolchain: `rustup toolchain install nightly`");
    }
    if !works(&mut cargo(&["+nightly", "fuzz", "--version"])) {
        bail!("fuzzing needs cargo-fuzz: `cargo install --locked cargo-fuzz`");
    }
    Ok(())
}

fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let files = fs::read_dir(fuzz.join("fuzz_targets")).context("cannot read fuzz/fuzz_targets")?;
    let paths = files.map(|file| file.map(|file| file.path())).collect::<Result<Vec<_>, _>>()?;
    let mut names =
        paths.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect::<Vec<_>>();
    names.sort_unstable();
    Ok(names)
}

fn search(target: &str, seconds: u32) -> Result<()> {
    let found = format!("fuzz/corpus/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    fs::create_dir_all(root().join(&found)).with_context(|| format!("cannot make {found}"))?;
    let limit = format!("-max_total_time={seconds}");
    let summary = "-print_final_stats=1";
    shown(&mut cargo(&["+nightly", "fuzz", "run", target, &found, &seeds, "--", &limit, summary]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_declared_and_has_seeds() {
        let fuzz = root().join("fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let found = targets(&fuzz).unwrap();
        assert!(!found.is_empty());
        for target in found {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not in fuzz/Cargo.toml");
            let seeds = fs::read_dir(fuzz.join("seeds").join(&target));
            assert!(seeds.is_ok_and(|mut seeds| seeds.next().is_some()), "{target} has no seeds");
        }
    }
}
