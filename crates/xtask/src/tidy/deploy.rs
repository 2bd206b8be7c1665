//! What `deploy/` says in several places is the same in all of them: versions, ports, how long a stop may take, and which
//! manifests there are.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Finding;
use super::tree::{File, Tree, text};

const FOLDER: &str = "deploy/";
const MANIFESTS: &str = "deploy/kubernetes/";
const KUSTOMIZATION: &str = "deploy/kubernetes/kustomization.yaml";
const TOOLCHAIN: &str = "rust-toolchain.toml";

/// Seconds that a stop may take beside those that requests get: 5 for webhooks, 15 for budgets, 10 for the request log, 5 each
/// for ClickHouse and spans, and some to spare.
const AFTER_REQUESTS: u64 = 50;
const DRAIN: &str = "KEYSTILE_DRAIN_SECONDS";
/// What tells how long a stop may take until the program is killed.
const PATIENCE: &[&str] = &["terminationGracePeriodSeconds: ", "stop_grace_period: ", "TimeoutStopSec="];
/// What tells for how long a node that is to stop goes on as before: `preStop.sleep.seconds`, the only `seconds` there is.
const BEFORE_STOP: &str = "seconds: ";

/// Judges the versions of images and of the toolchain that they are built with.
pub(super) fn check_versions(tree: &Tree) -> Result<Vec<Finding>> {
    let package = tree.own_packages().find(|package| text(&package["name"]) == "keystile");
    let ours = text(&package.context("there is no package `keystile`")?["version"]);
    let rust = toolchain(&tree.file(TOOLCHAIN)?.text)?;
    let judged = lines(tree, "").filter_map(|(file, number, line)| {
        Some(Finding::at(&file.path, number, judge_version(line.trim(), ours, &rust)?))
    });
    Ok(judged.collect())
}

/// Judges the ports of Keystile, which are those that begin with 78: each is one that is listened on in the same folder.
pub(super) fn check_ports(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (file, number, line) in lines(tree, "") {
        let is_listened_on =
            |port: &str| lines(tree, folder(file)).any(|(_, _, line)| listened(line) == Some(port));
        for port in ports(line).filter(|port| !is_listened_on(port)) {
            let advice = format!("nothing listens on {port} here: say another port, or set it");
            findings.push(Finding::at(&file.path, number, advice));
        }
    }
    Ok(findings)
}

/// Judges how long a stop may take, wherever it is said how much of that requests get.
pub(super) fn check_stops(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (file, number, line) in lines(tree, "").filter(|(file, ..)| !folder(file).is_empty()) {
        let Some(drain) = line.split_once(DRAIN).and_then(|(_, value)| first_number(value)) else { continue };
        let said = |words: &[&str]| {
            let all = lines(tree, folder(file)).filter_map(|(_, _, line)| number_behind(line, words));
            all.max().unwrap_or_default()
        };
        let needed = drain + said(&[BEFORE_STOP]) + AFTER_REQUESTS;
        let patience = said(PATIENCE);
        if patience < needed {
            let advice = format!("a stop may take {needed} seconds, and gets {patience}: give it more time");
            findings.push(Finding::at(&file.path, number, advice));
        }
    }
    Ok(findings)
}

/// Finds manifests that nobody applies.
pub(super) fn check_manifests(tree: &Tree) -> Result<Vec<Finding>> {
    let applied = &tree.file(KUSTOMIZATION)?.text;
    let is_applied = |name: &str| applied.lines().any(|line| line.trim() == format!("- {name}"));
    let manifests = tree.files.iter().filter(|file| file.path != KUSTOMIZATION);
    let forgotten = manifests.filter_map(|file| {
        let name = file.path.strip_prefix(MANIFESTS)?;
        (!is_applied(name)).then(|| Finding::at(&file.path, 1, format!("name it in {KUSTOMIZATION}")))
    });
    Ok(forgotten.collect())
}

/// The lines below a folder of `deploy/`, or all.
fn lines<'t>(tree: &'t Tree, folder: &str) -> impl Iterator<Item = (&'t File, usize, &'t str)> {
    let prefix = format!("{FOLDER}{folder}");
    let files = tree.files.iter().filter(move |file| file.path.starts_with(&prefix));
    files.flat_map(|file| file.lines().map(move |(number, line)| (file, number, line)))
}

/// The folder of a file below `deploy/`, with a slash at its end; empty for what is about all of them.
fn folder(file: &File) -> &str {
    let path = file.path.strip_prefix(FOLDER).unwrap_or_default();
    path.find('/').map_or("", |end| &path[..=end])
}

fn toolchain(document: &str) -> Result<String> {
    let table = document.parse::<Table>().with_context(|| format!("{TOOLCHAIN} is not TOML"))?;
    let channel = table.get("toolchain").and_then(|part| part.get("channel")).and_then(Value::as_str);
    channel.map(str::to_owned).with_context(|| format!("{TOOLCHAIN} names no channel"))
}

fn judge_version(line: &str, ours: &str, rust: &str) -> Option<String> {
    let tag = line.strip_prefix("newTag: ");
    if let Some(other) = own_tags(line).chain(tag).find(|tag| *tag != ours) {
        return Some(format!("`{other}`: this is version {ours}"));
    }
    if line.split_once("RUSTUP_TOOLCHAIN=").is_some_and(|(_, version)| version != rust) {
        return Some(format!("build with {rust}, as {TOOLCHAIN} says"));
    }
    let image = ["FROM ", "image: "].iter().find_map(|word| line.strip_prefix(*word))?;
    let image = image.split(' ').next().unwrap_or(image);
    if image == "scratch" || image == format!("keystile:{ours}") {
        return None;
    }
    let begins_with_digit = |tag: &str| tag.starts_with(|c: char| c.is_ascii_digit());
    let is_pinned = image.rsplit_once(':').is_some_and(|(_, tag)| begins_with_digit(tag));
    let is_full = image.split_once('/').is_some_and(|(registry, _)| registry.contains('.'));
    if !is_pinned || !is_full {
        return Some(format!("`{image}`: name it in full, with a version: `docker.io/library/postgres:17`"));
    }
    let is_other = image.contains("/rust:") && !image.contains(&format!("/rust:{rust}-"));
    is_other.then(|| format!("build with {rust}, as {TOOLCHAIN} says"))
}

/// The versions in `keystile:0.1.0` and the like.
fn own_tags(line: &str) -> impl Iterator<Item = &str> {
    let tags = line.split("keystile:").skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    tags.map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
        &rest[..end.unwrap_or(rest.len())]
    })
}

/// The port of a setting such as `KEYSTILE_LISTEN: 0.0.0.0:7878` or `listen = "127.0.0.1:7878"`.
fn listened(line: &str) -> Option<&str> {
    let name = line.trim_start().split(['=', ':', ' ']).next()?;
    let (_, port) = line.rsplit_once(':')?;
    let is_listener = name == "listen" || name.ends_with("_listen") || name.ends_with("_LISTEN");
    is_listener.then(|| digits(port))
}

fn ports(line: &str) -> impl Iterator<Item = &str> {
    let numbers = line.split(|c: char| !c.is_ascii_digit());
    numbers.filter(|number| number.len() == 4 && number.starts_with("78"))
}

/// The number behind the first of these words with which a line begins.
fn number_behind(line: &str, words: &[&str]) -> Option<u64> {
    let line = line.trim_start();
    digits(words.iter().find_map(|word| line.strip_prefix(*word))?).parse().ok()
}

/// The first number of a value such as `: "30"` or `=30`.
fn first_number(value: &str) -> Option<u64> {
    digits(value.trim_start_matches(['=', ':', ' ', '"'])).parse().ok()
}

/// The digits at the beginning.
fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(files: &[(&str, &str)], rule: super::super::Rule) -> Vec<String> {
        let toolchain = [(TOOLCHAIN, "[toolchain]\nchannel = \"1.95.0\"\n")];
        let tree = Tree::of(
            &[files, &toolchain[..]].concat(),
            &json!([{ "name": "keystile", "version": "0.1.0", "source": null }]),
        );
        rule(&tree).unwrap().into_iter().map(|found| found.place).collect()
    }

    #[test]
    fn images_have_versions_and_ours_has_that_of_the_workspace() {
        for good in [
            "FROM docker.io/library/rust:1.95.0-slim AS build",
            "ENV RUSTUP_TOOLCHAIN=1.95.0",
            "FROM scratch",
            "  image: docker.io/library/postgres:17",
            "  image: keystile:0.1.0",
            "    newTag: 0.1.0",
            "docker build --tag keystile:0.1.0 .",
            "postgres://keystile:PASSWORD@db/keystile",
        ] {
            assert!(places(&[("deploy/a", good)], check_versions).is_empty(), "{good}");
        }
        for bad in [
            "FROM docker.io/library/rust:1.94.0-slim AS build",
            "ENV RUSTUP_TOOLCHAIN=1.94.0",
            "FROM docker.io/library/debian:latest",
            "FROM docker.io/library/debian",
            "  image: postgres:17",
            "  image: keystile",
            "  image: keystile:latest",
            "  image: keystile:0.2.0",
            "    newTag: 0.2.0",
            "docker build --tag keystile:0.1.0-rc1 .",
        ] {
            assert_eq!(places(&[("deploy/a", bad)], check_versions), ["deploy/a:1"], "{bad}");
        }
    }

    #[test]
    fn a_port_is_one_that_is_listened_on_in_its_folder() {
        let compose = ("deploy/compose/a.yaml", "  KEYSTILE_LISTEN: 0.0.0.0:7878\n");
        let systemd = ("deploy/systemd/a.toml", "operations_listen = \"127.0.0.1:7880\"\n");
        let asked = |path, text| places(&[compose, systemd, (path, text)], check_ports);
        assert!(asked("deploy/compose/b", "x:7878 172.30.78.0 17880 443").is_empty());
        assert_eq!(asked("deploy/compose/b", "\nx:7880"), ["deploy/compose/b:2"]);
        assert!(asked("deploy/README.md", "7878 and 7880").is_empty());
        assert_eq!(asked("deploy/README.md", "7879"), ["deploy/README.md:1"]);
        assert!(asked("docs/a.md", "7879").is_empty());
    }

    #[test]
    fn a_stop_gets_the_time_that_it_takes() {
        let drain = ("deploy/kubernetes/a.env", "KEYSTILE_DRAIN_SECONDS=30\n");
        let asked = |path, text| places(&[drain, (path, text)], check_stops);
        let found = ["deploy/kubernetes/a.env:1"];
        assert!(asked("deploy/kubernetes/b", "terminationGracePeriodSeconds: 80\n").is_empty());
        assert_eq!(asked("deploy/kubernetes/b", "terminationGracePeriodSeconds: 79\n"), found);
        let before = "terminationGracePeriodSeconds: 84\n  sleep:\n    seconds: 5\n";
        assert_eq!(asked("deploy/kubernetes/b", before), found);
        assert_eq!(asked("deploy/compose/b", "stop_grace_period: 90s\n"), found);
        let unit = "Environment=KEYSTILE_DRAIN_SECONDS=30\nTimeoutStopSec=90s\n";
        assert!(places(&[("deploy/systemd/a.service", unit)], check_stops).is_empty());
    }

    #[test]
    fn a_manifest_that_nobody_applies_is_found() {
        let files = [
            (KUSTOMIZATION, "resources:\n  - a.yaml\nenvs:\n  - c.env\n"),
            ("deploy/kubernetes/a.yaml", ""),
            ("deploy/kubernetes/b.yaml", ""),
            ("deploy/kubernetes/c.env", ""),
        ];
        assert_eq!(places(&files, check_manifests), ["deploy/kubernetes/b.yaml:1"]);
    }
}
