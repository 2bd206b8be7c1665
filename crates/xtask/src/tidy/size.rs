//! Long files and long functions are a smell that wants a reason.

use anyhow::Result;

use super::tree::{File, Tree};
use super::{Finding, is_excused};

/// Most lines of a file, its unit tests included.
const MAX_FILE_LINES: usize = 500;
/// Most lines of a function, from `fn` to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;

/// Finds Rust files that are too long; files of tests may be longer.
pub(super) fn check_files(tree: &Tree) -> Result<Vec<Finding>> {
    let long =
        judged(tree).filter(|file| file.text.lines().count() > MAX_FILE_LINES && !is_excused(&file.text));
    let advice = |lines| {
        format!(
            "{lines} lines are more than {MAX_FILE_LINES}: split the file along its ideas, or give the reason"
        )
    };
    Ok(long.map(|file| Finding::at(&file.path, 1, advice(file.text.lines().count()))).collect())
}

/// Finds functions that are too long; functions of tests may be longer.
pub(super) fn check_functions(tree: &Tree) -> Result<Vec<Finding>> {
    Ok(judged(tree).flat_map(long_functions).collect())
}

fn judged(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.is_rust() && !file.is_test() && !file.is_vendored())
}

fn long_functions(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().collect::<Vec<_>>();
    let product = lines.iter().position(|line| *line == "#[cfg(test)]").unwrap_or(lines.len());
    let begins = (0..product).filter(|start| begins_function(lines[*start]));
    begins.filter_map(|start| judge(&file.path, start, &lines[start..end_of(&lines, start)])).collect()
}

fn judge(path: &str, start: usize, function: &[&str]) -> Option<Finding> {
    let is_long = function.len() > MAX_FUNCTION_LINES && !function.iter().any(|line| is_excused(line));
    let advice = format!(
        "a function of {} lines is more than {MAX_FUNCTION_LINES}: name its parts, or give the reason",
        function.len()
    );
    is_long.then(|| Finding::at(path, start + 1, advice))
}

fn begins_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let qualifier = |word: &str| word.starts_with("pub") || ["async", "const", "extern"].contains(&word);
    words.find(|word| !qualifier(word)).is_some_and(|word| word == "fn")
}

/// Formatted code closes a function in the column in which it began. A signature may take several lines,
/// and one in a trait has no body at all.
fn end_of(lines: &[&str], start: usize) -> usize {
    let first = lines[start];
    let indent = first.len() - first.trim_start().len();
    let in_column = |line: &str| line.len() > indent && line.len() - line.trim_start().len() == indent;
    if first.ends_with('}') || first.ends_with(';') {
        return start + 1;
    }
    let closes = |line: &str| in_column(line) && (line.trim_start() == "}" || line.ends_with(';'));
    let closing = lines[start + 1..].iter().position(|line| closes(line));
    closing.map_or(lines.len(), |offset| start + offset + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::EXCUSE;
    use serde_json::json;

    fn function(lines: usize, inside: &str) -> String {
        let body = "        work();\n".repeat(lines - 2 - inside.lines().count());
        format!(
            "impl A {{\n    fn short(&self) {{}}\n\n    pub(crate) async fn long(\n{inside}{body}    }}\n}}\n"
        )
    }

    fn places(path: &str, text: &str, rule: super::super::Rule) -> Vec<String> {
        let tree = Tree::of(&[(path, text)], &json!([]));
        rule(&tree).unwrap().into_iter().map(|found| found.place).collect()
    }

    #[test]
    fn a_function_of_71_lines_is_found_and_one_of_70_is_not() {
        let rule = check_functions;
        assert_eq!(places("crates/a/src/a.rs", &function(71, ""), rule), ["crates/a/src/a.rs:4"]);
        assert!(places("crates/a/src/a.rs", &function(70, ""), rule).is_empty());
    }

    #[test]
    fn a_reason_excuses_and_so_does_being_a_test() {
        let excuse = format!("        // {EXCUSE}it is a table.\n");
        assert!(places("crates/a/src/a.rs", &function(90, &excuse), check_functions).is_empty());
        assert!(places("crates/a/tests/a.rs", &function(90, ""), check_functions).is_empty());
        let in_tests = format!("#[cfg(test)]\nmod tests {{}}\n{}", function(90, ""));
        assert!(places("crates/a/src/a.rs", &in_tests, check_functions).is_empty());
    }

    #[test]
    fn a_file_of_501_lines_is_found_unless_it_gives_a_reason() {
        let path = "crates/a/src/a.rs";
        assert_eq!(places(path, &"\n".repeat(501), check_files), ["crates/a/src/a.rs:1"]);
        assert!(places(path, &"\n".repeat(500), check_files).is_empty());
        let excused = format!("// {EXCUSE}it is a table.\n{}", "\n".repeat(501));
        assert!(places(path, &excused, check_files).is_empty());
    }
}
