//! What we take from others: licences, sources and bans, judged by `deny.toml`.

use anyhow::{Context, Result};
use serde_json::Value;
use toml::Table;

use super::Finding;
use super::tree::{Tree, text};

const POLICY: &str = "deny.toml";

/// The part of `deny.toml` that is judged here; cargo-deny judges the rest.
struct Policy {
    licences: Vec<String>,
    registries: Vec<String>,
    banned: Vec<String>,
}

/// Judges every crate of the dependency graph that is not ours.
pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let policy = Policy::read(&tree.file(POLICY)?.text)?;
    let foreign = tree.packages().filter(|package| !package["source"].is_null());
    Ok(foreign.flat_map(|package| policy.judge(package)).collect())
}

impl Policy {
    fn read(document: &str) -> Result<Self> {
        let table = document.parse::<Table>().with_context(|| format!("{POLICY} is not TOML"))?;
        Ok(Self {
            licences: strings(&table, "licenses", "allow")?,
            registries: strings(&table, "sources", "allow-registry")?,
            banned: strings(&table, "bans", "deny")?,
        })
    }

    fn judge(&self, package: &Value) -> Vec<Finding> {
        let name = text(&package["name"]);
        let source = text(&package["source"]);
        let licence = text(&package["license"]);
        let found =
            |advice: String| Finding { place: format!("{name} {}", text(&package["version"])), advice };
        let mut findings = Vec::new();
        if !self.registries.iter().any(|registry| source == format!("registry+{registry}")) {
            findings.push(found(format!("comes from {source}: take a released version from the registry")));
        }
        if !self.permits(licence) {
            findings.push(found(format!("its licence `{licence}` is not in {POLICY}: take another crate")));
        }
        if self.banned.iter().any(|banned| banned == name) {
            findings.push(found(format!("is banned in {POLICY}, with the reason: take what stands there")));
        }
        findings
    }

    /// Whether the terms of an SPDX expression can be met with allowed licences alone. Older crates write
    /// `/` for `OR`. `WITH` binds an exception to its licence, and the pair is allowed as a whole.
    fn permits(&self, expression: &str) -> bool {
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words = spaced.replace(" WITH ", "\u{0}WITH\u{0}");
        let mut words = words.split_whitespace().peekable();
        let met = self.any_of(&mut words);
        met && words.next().is_none()
    }

    fn any_of(&self, words: &mut Words<'_>) -> bool {
        let mut met = self.all_of(words);
        while words.next_if_eq(&"OR").is_some() {
            met |= self.all_of(words);
        }
        met
    }

    fn all_of(&self, words: &mut Words<'_>) -> bool {
        let mut met = self.one(words);
        while words.next_if_eq(&"AND").is_some() {
            met &= self.one(words);
        }
        met
    }

    fn one(&self, words: &mut Words<'_>) -> bool {
        match words.next() {
            Some("(") => {
                let met = self.any_of(words);
                words.next() == Some(")") && met
            }
            Some(licence) => self.licences.contains(&licence.replace('\u{0}', " ")),
            None => false,
        }
    }
}

type Words<'w> = std::iter::Peekable<std::str::SplitWhitespace<'w>>;

/// A list of strings, or of tables with a `crate` each.
fn strings(table: &Table, section: &str, key: &str) -> Result<Vec<String>> {
    let list = table.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
    let list = list.with_context(|| format!("{POLICY} lacks the list `{key}` in [{section}]"))?;
    let entry =
        |value: &toml::Value| value.as_str().or_else(|| value.get("crate")?.as_str()).map(str::to_owned);
    list.iter()
        .map(entry)
        .collect::<Option<_>>()
        .with_context(|| format!("{POLICY}: `{key}` must list names"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DOCUMENT: &str = r#"
        [licenses]
        allow = ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        [sources]
        allow-registry = ["https://registry.example"]
        [bans]
        deny = [{ crate = "worse", reason = "there is a better one" }]
    "#;

    #[test]
    fn a_licence_expression_is_met_by_allowed_licences_alone() {
        let policy = Policy::read(DOCUMENT).unwrap();
        for met in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND ISC",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(policy.permits(met), "{met}");
        }
        for unmet in
            ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT WITH LLVM-exception", "(MIT", "MIT MIT", "GPL-3.0 OR"]
        {
            assert!(!policy.permits(unmet), "{unmet}");
        }
    }

    #[test]
    fn a_foreign_crate_is_judged_by_source_licence_and_name() {
        let package = |name, source, licence| json!({ "name": name, "source": source, "license": licence });
        let sound = package("good", "registry+https://registry.example", "MIT");
        let bad = package("worse", "git+https://git.example", "GPL-3.0");
        let tree = |packages| Tree::of(&[(POLICY, DOCUMENT)], &packages);
        assert_eq!(check(&tree(json!([sound]))).unwrap(), []);
        assert_eq!(check(&tree(json!([bad]))).unwrap().len(), 3);
    }
}
