//! `cargo xtask generate`: the committed files that the binary can write itself.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, quiet, root};

/// A committed file, and the arguments with which `keystile` prints it.
struct Generated {
    path: &'static str,
    arguments: &'static [&'static str],
}

const GENERATED: &[Generated] = &[Generated { path: "docs/openapi.json", arguments: &["openapi"] }];

/// Writes every generated file anew.
pub(crate) fn write() -> Result<()> {
    for generated in GENERATED {
        let path = root().join(generated.path);
        fs::write(&path, generated.print()?).with_context(|| format!("cannot write {}", generated.path))?;
        println!("wrote {}", generated.path);
    }
    Ok(())
}

/// Fails when a generated file is not what the binary prints now.
pub(crate) fn check() -> Result<()> {
    for generated in GENERATED {
        let kept = fs::read_to_string(root().join(generated.path)).unwrap_or_default();
        if kept != generated.print()? {
            bail!("{} is out of date: run `cargo xtask generate` and commit it", generated.path);
        }
    }
    Ok(())
}

impl Generated {
    /// The text, ending in one line break.
    fn print(&self) -> Result<String> {
        let run = ["run", "--quiet", "--package", "keystile", "--"];
        let text = quiet(cargo(&run).args(self.arguments))?;
        Ok(format!("{}\n", text.trim_end()))
    }
}
