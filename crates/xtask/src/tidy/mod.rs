//! The rules of this repository as code: `cargo xtask tidy`, and one test each.
//!
//! A place that breaks a rule for a good reason says so: `tidy: allowed, because …` on the line, in the
//! function, or anywhere in the file, according to what the rule measures.

mod crates;
mod dependencies;
mod deploy;
mod deploy_names;
mod edges;
mod links;
mod size;
mod tree;
mod words;

use anyhow::{Result, bail};

use tree::Tree;

/// Excuses the line, function or file that contains it.
const EXCUSE: &str = "tidy: allowed, because ";

/// A broken rule: where, and what to do.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    place: String,
    advice: String,
}

impl Finding {
    /// A finding in the line `number`, counted from 1.
    fn at(path: &str, number: usize, advice: impl Into<String>) -> Self {
        Self { place: format!("{path}:{number}"), advice: advice.into() }
    }
}

type Rule = fn(&Tree) -> Result<Vec<Finding>>;

const RULES: &[Rule] = &[
    crates::check,
    dependencies::check,
    deploy::check_manifests,
    deploy::check_ports,
    deploy::check_stops,
    deploy::check_versions,
    deploy_names::check,
    edges::check,
    links::check,
    size::check_files,
    size::check_functions,
    words::check,
];

/// Prints every broken rule with its place.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read()?;
    let mut count = 0;
    for rule in RULES {
        for Finding { place, advice } in rule(&tree)? {
            println!("{place}: {advice}");
            count += 1;
        }
    }
    if count == 0 { Ok(()) } else { bail!("tidy: {count} findings, see above") }
}

fn is_excused(text: &str) -> bool {
    text.contains(EXCUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each rule on its own, so that the name of the failing test tells which one is broken.
    macro_rules! the_tree_keeps {
        ($($fact:ident: $rule:path),+ $(,)?) => { $(
            #[test]
            fn $fact() {
                let findings = $rule(&Tree::read().unwrap()).unwrap();
                let lines = findings.iter().map(|found| format!("{}: {}\n", found.place, found.advice));
                assert!(findings.is_empty(), "\n{}", lines.collect::<String>());
            }
        )+ };
    }

    the_tree_keeps!(
        every_crate_says_what_it_is: crates::check,
        dependencies_are_licensed_and_from_the_registry: dependencies::check,
        every_manifest_is_applied: deploy::check_manifests,
        every_port_is_listened_on: deploy::check_ports,
        a_stop_gets_the_time_that_it_takes: deploy::check_stops,
        images_have_versions: deploy::check_versions,
        names_in_deploy_exist_in_the_binary: deploy_names::check,
        crates_use_only_what_the_architecture_allows: edges::check,
        links_in_documents_lead_somewhere: links::check,
        no_file_is_too_long: size::check_files,
        no_function_is_too_long: size::check_functions,
        no_line_holds_a_forbidden_word: words::check,
    );
}
