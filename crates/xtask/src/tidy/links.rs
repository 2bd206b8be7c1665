//! Links from our documents to files lead somewhere.

use anyhow::Result;

use super::Finding;
use super::tree::{File, Tree};
use crate::run::root;

/// Judges every relative link in Markdown files; links into the web are for their readers.
pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let documents = tree.files.iter().filter(|file| file.path.ends_with(".md") && !file.is_vendored());
    Ok(documents.flat_map(check_document).collect())
}

fn check_document(document: &File) -> Vec<Finding> {
    let (folder, _) = document.path.rsplit_once('/').unwrap_or_default();
    let exists = |target: &str| match target.strip_prefix('/') {
        Some(from_root) => root().join(from_root).exists(),
        None => root().join(folder).join(target).exists(),
    };
    let broken = prose(document).flat_map(|(number, line)| targets(line).map(move |target| (number, target)));
    broken
        .filter(|(_, target)| !exists(target))
        .map(|(number, target)| {
            Finding::at(&document.path, number, format!("`{target}` does not exist: mend or remove the link"))
        })
        .collect()
}

/// The lines outside of fenced code.
fn prose(document: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    document.lines().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The files that a line links to, without anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let files = links.filter_map(|link| link.split('#').next());
    files.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_link_to_no_file_is_found_and_one_to_the_web_or_in_code_is_not() {
        let text =
            "[a](Cargo.toml#x) [b](https://example.com) [c](#here)\n```\n[d](none)\n```\n[e](missing.md)\n";
        let tree = Tree::of(&[("README.md", text)], &json!([]));
        let found = check(&tree).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].place, "README.md:5");
    }

    #[test]
    fn a_link_is_read_from_the_folder_of_its_document() {
        let text = "[a](../Cargo.toml) [b](Cargo.toml) [c](/Cargo.toml)";
        let tree = Tree::of(&[("crates/README.md", text)], &json!([]));
        assert_eq!(check(&tree).unwrap().len(), 1);
    }
}
