//! Every variable, setting, command and flag that `deploy/` names exists in the binary.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::Finding;
use super::tree::{File, Tree};

/// What is judged.
const FOLDER: &str = "deploy/";
/// Where names are looked up.
const SOURCE: &str = "crates/keystile/src/";
const SETTINGS: &str = "crates/keystile/src/config/mod.rs";
const COMMANDS: &str = "crates/keystile/src/cli.rs";

/// What all our variables begin with.
const VARIABLE: &str = "KEYSTILE_";
/// Behind these a line can begin another command. What follows `keystile-1`, a container, does as well.
const BEFORE_COMMANDS: &[&str] = &["`", "--", "|", "&&", "sudo"];
/// These end a command.
const AFTER_COMMANDS: &[&str] = &["`", "|", "&&", ";", ">", "#", "\\"];

/// Judges every file of the folder.
pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let known = Known::read(tree)?;
    let files = tree.files.iter().filter(|file| file.path.starts_with(FOLDER));
    Ok(files.flat_map(|file| known.judge(file)).collect())
}

/// The names that the source declares.
struct Known {
    variables: BTreeSet<String>,
    settings: BTreeSet<String>,
    commands: BTreeSet<String>,
    flags: BTreeSet<String>,
}

impl Known {
    fn read(tree: &Tree) -> Result<Self> {
        let sources = || tree.files.iter().filter(|file| file.path.starts_with(SOURCE) && file.is_rust());
        let settings = tree.file(SETTINGS)?.text.lines().filter_map(setting);
        let settings: BTreeSet<String> = settings.map(str::to_owned).collect();
        let variables = sources().flat_map(|file| quoted_variables(&file.text)).map(str::to_owned).collect();
        let commands: BTreeSet<String> = commands(&tree.file(COMMANDS)?.text).collect();
        if settings.is_empty() || commands.is_empty() {
            bail!("{SETTINGS} or {COMMANDS} has another form than this rule reads: change the rule with it");
        }
        let declared = sources().flat_map(|file| flags(&file.text));
        let of_settings = settings.iter().map(|name| name.replace('_', "-"));
        let of_clap = ["help", "version"].map(str::to_owned);
        let flags = declared.chain(of_settings).chain(of_clap).collect();
        Ok(Self { variables, settings, commands, flags })
    }

    fn judge(&self, file: &File) -> Vec<Finding> {
        let is_toml = file.path.ends_with(".toml");
        let mut findings = Vec::new();
        for (number, line) in file.lines() {
            let mut wrong: Vec<String> = variables(line)
                .filter(|name| !self.variables.contains(*name))
                .map(|name| format!("`{name}` is no variable of keystile"))
                .collect();
            if let Some(key) = toml_key(line).filter(|key| is_toml && !self.settings.contains(*key)) {
                wrong.push(format!("`{key}` is no setting of keystile"));
            }
            wrong.extend(self.wrong_words(line));
            findings.extend(wrong.into_iter().map(|advice| Finding::at(&file.path, number, advice)));
        }
        findings
    }

    /// What the commands of a line name that does not exist.
    fn wrong_words(&self, line: &str) -> Vec<String> {
        let line = line.replace('`', " ` ");
        let words: Vec<&str> =
            line.split([' ', '"', '\'', '[', ']', ',']).filter(|word| !word.is_empty()).collect();
        let begins =
            |index: &usize| is_command(words[*index], index.checked_sub(1).map(|before| words[before]));
        let arguments = |index: usize| {
            words[index + 1..].iter().copied().take_while(|word| !AFTER_COMMANDS.contains(word))
        };
        let begun = (0..words.len()).filter(begins);
        begun.flat_map(|index| self.wrong_arguments(arguments(index))).collect()
    }

    fn wrong_arguments<'a>(&self, arguments: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (place, word) in arguments.enumerate() {
            if let Some(flag) = word.strip_prefix("--") {
                let name = flag.split('=').next().unwrap_or(flag);
                if !self.flags.contains(name) {
                    wrong.push(format!("`--{name}` is no flag of keystile"));
                }
            } else if place == 0 && is_kebab(word) && !self.commands.contains(word) {
                wrong.push(format!("`{word}` is no command of keystile"));
            }
        }
        wrong
    }
}

/// Whether a word begins a command of ours: the program by its path, or by its name where a command can begin.
fn is_command(word: &str, before: Option<&str>) -> bool {
    let can_begin =
        || before.is_none_or(|before| BEFORE_COMMANDS.contains(&before) || before.starts_with("keystile-"));
    word.ends_with("/bin/keystile") || word == "keystile" && can_begin()
}

fn is_kebab(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The name of a setting, from its line in the table: `listen: SocketAddr, "KEYSTILE_LISTEN", "ADDRESS";`.
fn setting(line: &str) -> Option<&str> {
    let (name, declared) = line.trim_start().split_once(": ")?;
    (is_snake(name) && declared.contains(", \"KEYSTILE_")).then_some(name)
}

/// What a line of a TOML file sets, or would if it were none of the comments.
fn toml_key(line: &str) -> Option<&str> {
    let (key, _) = line.trim_start_matches('#').split_once(" = ")?;
    is_snake(key).then_some(key)
}

fn is_snake(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The variables that a text names; `KEYSTILE_` alone is none.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    places_of_variables(text).map(|(_, name)| name)
}

/// Those between quotes, as the source declares them.
fn quoted_variables(text: &str) -> impl Iterator<Item = &str> {
    let is_quoted =
        |at: usize, name: &str| text[..at].ends_with('"') && text[at + name.len()..].starts_with('"');
    places_of_variables(text).filter(move |(at, name)| is_quoted(*at, name)).map(|(_, name)| name)
}

fn places_of_variables(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let in_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let named = text.match_indices(VARIABLE).map(move |(at, _)| {
        let rest = &text[at..];
        (at, &rest[..rest.find(|c: char| !in_name(c)).unwrap_or(rest.len())])
    });
    named.filter(|(_, name)| *name != VARIABLE)
}

/// The commands, from the variants of the enumeration.
fn commands(text: &str) -> impl Iterator<Item = String> {
    let listed = text.lines().skip_while(|line| !line.ends_with("enum Command {")).skip(1);
    let variants = listed.take_while(|line| *line != "}").filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let end = line.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len());
        line.starts_with(|c: char| c.is_ascii_uppercase()).then_some(&line[..end])
    });
    variants.map(kebab)
}

fn kebab(variant: &str) -> String {
    let mut name = String::new();
    for c in variant.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// The flags of a file: fields behind `#[arg(long…)]`, or what stands there as `long = "name"`.
fn flags(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if !line.starts_with("#[arg(") {
            continue;
        }
        let mut attribute = line.to_owned();
        while !attribute.ends_with(")]") {
            let Some(more) = lines.next() else { return found };
            attribute.push_str(more);
        }
        let field = lines.by_ref().find(|line| !line.starts_with("#[") && !line.starts_with("//"));
        found.extend(field.and_then(|field| flag(&attribute, field)));
    }
    found
}

fn flag(attribute: &str, field: &str) -> Option<String> {
    if let Some((_, named)) = attribute.split_once("long = \"") {
        return named.split('"').next().map(str::to_owned);
    }
    let name = field.split_once(':')?.0.rsplit(' ').next()?;
    attribute.contains("long").then(|| name.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CONFIG: &str = "settings! {\n    /// Address: the one [default: none].\n    \
        listen: SocketAddr, \"KEYSTILE_LISTEN\", \"ADDRESS\";\n    log: String, \"KEYSTILE_LOG\";\n}\n";
    const CLI: &str = "pub(crate) enum Command {\n    /// Serve it.\n    Serve(ServeOptions),\n    \
        MockLlm(Box<MockLlm>),\n    Completions {\n        /// The shell.\n        shell: Shell,\n    },\n}\n\nstruct Other;\n";
    const OPTIONS: &str = "#[arg(long, env = \"KEYSTILE_CONFIG\")]\nconfig: Option<PathBuf>,\n#[arg(\n    \
        long = \"owner-from\",\n    hide = true\n)]\nowner: Option<String>,\n#[arg(value_name = \"URL\")]\nurl: String,\n\
        #[arg(long)]\n/// Print JSON.\npub(crate) as_json: bool,\n";

    fn advice(path: &str, text: &str) -> Vec<String> {
        let files =
            [(SETTINGS, CONFIG), (COMMANDS, CLI), ("crates/keystile/src/options.rs", OPTIONS), (path, text)];
        let findings = check(&Tree::of(&files, &json!([]))).unwrap();
        findings.into_iter().map(|found| format!("{} {}", found.place, found.advice)).collect()
    }

    #[test]
    fn names_that_exist_are_not_found() {
        let text = "KEYSTILE_LISTEN=a KEYSTILE_CONFIG=b, and so on: KEYSTILE_…\n\
            CMD [\"/usr/local/bin/keystile\", \"mock-llm\", \"--log\", \"info\"]\n\
            docker compose exec keystile-1 keystile serve --as-json --owner-from=x | grep --quiet x\n\
            kubectl --namespace keystile create secret, then `keystile completions --help`, then --anything\n";
        assert_eq!(advice("deploy/a", text), Vec::<String>::new());
        assert_eq!(
            advice("deploy/a.toml", "listen = \"a\"\n#log = \"b\"\n# Words = c\n"),
            Vec::<String>::new()
        );
        assert_eq!(advice("docs/a.md", "KEYSTILE_NONE `keystile none`"), Vec::<String>::new());
    }

    #[test]
    fn each_name_that_does_not_exist_is_found_in_its_line() {
        for (text, expected) in [
            ("\nKEYSTILE_LISTENS: a", "deploy/a.toml:2 `KEYSTILE_LISTENS` is no variable of keystile"),
            ("listens = \"a\"", "deploy/a.toml:1 `listens` is no setting of keystile"),
            ("#url = \"a\"", "deploy/a.toml:1 `url` is no setting of keystile"),
            ("see `keystile server`", "deploy/a.toml:1 `server` is no command of keystile"),
            ("sudo keystile serve --owner", "deploy/a.toml:1 `--owner` is no flag of keystile"),
            (
                "ExecStart=/usr/local/bin/keystile serve --url=b",
                "deploy/a.toml:1 `--url` is no flag of keystile",
            ),
        ] {
            assert_eq!(advice("deploy/a.toml", text), [expected], "{text}");
        }
    }

    #[test]
    fn a_source_of_another_form_is_no_reason_to_find_nothing() {
        let files = [(SETTINGS, "none"), (COMMANDS, CLI), ("deploy/a", "KEYSTILE_NONE")];
        assert!(check(&Tree::of(&files, &json!([]))).is_err());
    }
}
