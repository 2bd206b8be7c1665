//! Every crate of ours says what it is for, and takes edition, licence and lints from the workspace.

use anyhow::Result;

use super::Finding;
use super::tree::{Tree, text};

/// The edition of every crate of ours.
const EDITION: &str = "2024";

/// Judges the manifests and crate roots of the workspace, and that the lock file is kept.
pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = tree.own_packages().flat_map(check_manifest).collect::<Vec<_>>();
    let is_root = |path: &str| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    for file in tree.files.iter().filter(|file| is_root(&file.path) && !file.text.starts_with("//!")) {
        findings.push(Finding::at(
            &file.path,
            1,
            "begin with `//!`: what the crate is for, what it must never know",
        ));
    }
    for file in tree.files.iter().filter(|file| is_manifest(&file.path)) {
        if !file.text.contains("[lints]\nworkspace = true") {
            findings.push(Finding::at(&file.path, 1, "add `[lints]` with `workspace = true`"));
        }
    }
    if tree.file("Cargo.lock").is_err() {
        findings.push(Finding::at("Cargo.lock", 1, "commit it: builds must be repeatable"));
    }
    Ok(findings)
}

fn is_manifest(path: &str) -> bool {
    path.starts_with("crates/") && path.ends_with("/Cargo.toml")
}

fn check_manifest(package: &serde_json::Value) -> Vec<Finding> {
    let path = format!("{} (Cargo.toml)", text(&package["name"]));
    let mut findings = Vec::new();
    if text(&package["edition"]) != EDITION {
        findings.push(Finding::at(&path, 1, "write `edition.workspace = true`"));
    }
    for field in ["license", "description"] {
        if text(&package[field]).is_empty() {
            findings.push(Finding::at(&path, 1, format!("the field `{field}` is missing")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_crate_that_does_not_say_what_it_is_is_found() {
        let files = [("crates/a/src/lib.rs", "pub fn a() {}"), ("crates/a/Cargo.toml", "[package]")];
        let tree = Tree::of(&files, &json!([{ "name": "a", "edition": "2021", "source": null }]));
        assert_eq!(check(&tree).unwrap().len(), 6, "{:?}", check(&tree).unwrap());
    }
}
