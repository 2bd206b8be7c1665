//! Which crate of ours may use which: the table in `ARCHITECTURE.md` is the law.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Finding;
use super::tree::{Tree, text};

const DOCUMENT: &str = "ARCHITECTURE.md";
const TABLE_HEAD: &str = "| crate |";

/// What one row of the table says.
struct Row {
    line: usize,
    /// `None`: anything. Only crates for development have that, and nobody may use those.
    may_use: Option<Vec<String>>,
}

type Table = BTreeMap<String, Row>;

/// Compares the table with what Cargo knows.
pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let table = read_table(&tree.file(DOCUMENT)?.text)?;
    let mut findings = Vec::new();
    for package in tree.own_packages() {
        let name = short(text(&package["name"]));
        match table.get(name) {
            Some(row) => findings.extend(used_crates(package).filter_map(|used| judge(name, row, used))),
            None => findings.push(Finding::at(DOCUMENT, 1, format!("add a row for the crate `{name}`"))),
        }
    }
    for (name, row) in &table {
        if !tree.own_packages().any(|package| short(text(&package["name"])) == name) {
            findings.push(Finding::at(
                DOCUMENT,
                row.line,
                format!("there is no crate `{name}`: remove its row"),
            ));
        }
    }
    Ok(findings)
}

fn judge(name: &str, row: &Row, used: &str) -> Option<Finding> {
    let may_use = row.may_use.as_ref()?;
    let advice =
        format!("`{name}` may not use `{used}`: remove the dependency, or change the table and say why");
    (!may_use.iter().any(|allowed| allowed == used)).then(|| Finding::at(DOCUMENT, row.line, advice))
}

/// The crates of ours that `package` needs to be built; what only its tests need is free.
fn used_crates(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let ours = dependencies.filter(|dependency| dependency["path"].is_string());
    ours.filter(|dependency| text(&dependency["kind"]) != "dev")
        .map(|dependency| short(text(&dependency["name"])))
}

fn short(package: &str) -> &str {
    package.strip_prefix("keystile-").unwrap_or(package)
}

fn read_table(document: &str) -> Result<Table> {
    let rows = document.lines().enumerate().skip_while(|(_, line)| !line.starts_with(TABLE_HEAD));
    let rows = rows.skip(2).take_while(|(_, line)| line.starts_with('|'));
    let mut table = Table::new();
    for (index, line) in rows {
        let cells = line.split('|').map(str::trim).collect::<Vec<_>>();
        let [_, name, _, may_use, _] = cells.as_slice() else {
            bail!("{DOCUMENT}:{}: a row has three cells: crate, reason, may use of ours", index + 1);
        };
        let row = Row { line: index + 1, may_use: read_cell(may_use, &table) };
        table.insert(name.trim_matches('`').to_owned(), row);
    }
    (!table.is_empty()).then_some(table).with_context(|| format!("{DOCUMENT} has no table of crates"))
}

fn read_cell(cell: &str, above: &Table) -> Option<Vec<String>> {
    match cell {
        "anything" => None,
        "none" => Some(Vec::new()),
        "all above" => Some(above.keys().cloned().collect()),
        names => Some(names.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: &str = "# A\n\n| crate | one reason to exist | may use of ours |\n|---|---|---|\n\
        | `core` | r | none |\n| `store` | r | `core` |\n| `web` | r | all above |\n| `kit` | r | anything |\n";

    fn package(name: &str, uses: &[(&str, &str)]) -> Value {
        let dependency = |(name, kind): &(&str, &str)| json!({ "name": name, "kind": kind, "path": "x" });
        json!({ "name": name, "source": null, "dependencies": uses.iter().map(dependency).collect::<Vec<_>>() })
    }

    fn advice(packages: &[Value]) -> Vec<String> {
        let tree = Tree::of(&[(DOCUMENT, TABLE)], &json!(packages));
        check(&tree).unwrap().into_iter().map(|found| format!("{} {}", found.place, found.advice)).collect()
    }

    fn sound() -> Vec<Value> {
        vec![
            package("keystile-core", &[("keystile-kit", "dev")]),
            package("keystile-store", &[("keystile-core", "")]),
            package("keystile-web", &[("keystile-core", ""), ("keystile-store", "build")]),
            package("keystile-kit", &[("keystile-web", "")]),
        ]
    }

    #[test]
    fn what_the_table_allows_is_allowed() {
        assert_eq!(advice(&sound()), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_the_table_lacks_is_found() {
        for (index, package) in [
            package("keystile-core", &[("keystile-store", "")]),
            package("keystile-store", &[("keystile-kit", "build")]),
            package("keystile-web", &[("keystile-kit", "")]),
        ]
        .into_iter()
        .enumerate()
        {
            let mut packages = sound();
            packages[index] = package;
            let found = advice(&packages);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("ARCHITECTURE.md:{}", index + 5)), "{found:?}");
        }
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        let mut packages = sound();
        packages[0] = package("keystile-new", &[]);
        let found = advice(&packages);
        assert!(found.iter().any(|found| found.contains("add a row for the crate `new`")), "{found:?}");
        assert!(found.iter().any(|found| found.contains("there is no crate `core`")), "{found:?}");
    }
}
