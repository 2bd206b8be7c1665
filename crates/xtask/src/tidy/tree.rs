//! What the rules look at: the files of the repository, and what Cargo knows of its crates.

use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::{cargo, program, quiet, root};

/// The platform whose dependencies are judged.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// One text file.
pub(super) struct File {
    /// Path from the root, with `/`.
    pub(super) path: String,
    /// The whole text.
    pub(super) text: String,
}

impl File {
    /// Whether it is Rust.
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of it is test code.
    pub(super) fn is_test(&self) -> bool {
        let folder = |name: &str| self.path.contains(&format!("/{name}/"));
        folder("tests") || self.path.ends_with("/tests.rs")
    }

    /// Whether it was made by others and is kept as it came.
    pub(super) fn is_vendored(&self) -> bool {
        self.path.contains("/vendor/")
    }

    /// Its lines with their numbers, counted from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The repository.
pub(super) struct Tree {
    /// Every text file that is committed or about to be.
    pub(super) files: Vec<File>,
    /// The answer of `cargo metadata`.
    pub(super) metadata: Value,
}

impl Tree {
    /// Reads the repository this program was built in.
    pub(super) fn read() -> Result<Self> {
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let paths = quiet(&mut program("git", &list)).context("the tidy rules need a git work tree")?;
        // What is not text, or was deleted without telling git, is nobody's to judge.
        let read = |path: &str| {
            Some(File { path: path.to_owned(), text: fs::read_to_string(root().join(path)).ok()? })
        };
        let files = paths.split_terminator('\0').filter_map(read).collect();
        Ok(Self { files, metadata: metadata()? })
    }

    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Result<&File> {
        self.files.iter().find(|file| file.path == path).with_context(|| format!("{path} is missing"))
    }

    /// The crates of the workspace, as Cargo describes them.
    pub(super) fn own_packages(&self) -> impl Iterator<Item = &Value> {
        self.packages().filter(|package| package["source"].is_null())
    }

    /// All crates of the dependency graph.
    pub(super) fn packages(&self) -> impl Iterator<Item = &Value> {
        self.metadata["packages"].as_array().into_iter().flatten()
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)], packages: &Value) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self {
            files: files.iter().map(file).collect(),
            metadata: serde_json::json!({ "packages": packages }),
        }
    }
}

fn metadata() -> Result<Value> {
    let ask = ["metadata", "--format-version=1", "--locked", "--filter-platform", PLATFORM];
    let answer = quiet(&mut cargo(&ask))
        .context("if Cargo.lock is out of date, run `cargo check --workspace` and commit it")?;
    serde_json::from_str(&answer).context("the answer of `cargo metadata` is not JSON")
}

/// The text of a JSON string, empty for anything else.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
