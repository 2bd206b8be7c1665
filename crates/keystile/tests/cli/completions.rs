//! `keystile completions`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::run::{keystile, ran};

/// What bash offers after `words`, of which the last is being typed.
fn offered(script: &str, words: &[&str]) -> Vec<String> {
    let last = words.len() - 1;
    let asked = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={last}\n_keystile keystile '{}' '{}'\necho \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words[last],
        words[last - 1],
    );
    // Longer than one argument may be.
    let mut bash =
        Command::new("bash").arg("--norc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(ToOwned::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_flags() {
    let script = ran(&mut keystile(&["completions", "bash"])).ok();
    assert_eq!(offered(&script, &["keystile", "ser"]), ["serve"]);
    let changes = offered(&script, &["keystile", "keys", "re"]);
    assert!(["regenerate", "revoke"].iter().all(|name| changes.iter().any(|one| one == name)), "{changes:?}");
    assert_eq!(offered(&script, &["keystile", "serve", "--data-d"]), ["--data-dir"]);
}

#[test]
fn every_shell_gets_a_script_and_others_are_told_which_there_are() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(ran(&mut keystile(&["completions", shell])).ok().contains("keystile"), "{shell}");
    }
    let unknown = ran(&mut keystile(&["completions", "tcsh"]));
    assert_eq!(unknown.status, Some(2));
    assert!(unknown.notes.contains("fish"), "{unknown:?}");
}
