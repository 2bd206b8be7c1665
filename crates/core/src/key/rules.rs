//! What tells scanners of other makers how the keys of a tenant look.

use super::base62::{CHECK_LENGTH, CLASS, DIGITS};
use super::text::{PREFIX, TAIL_LENGTH};
use crate::invalid::text_enum;
use crate::{Environment, KeyLabel};

text_enum!(
    /// For which scanner rules are written.
    RuleFormat {
        /// A configuration of gitleaks, in TOML.
        Gitleaks = "gitleaks",
        /// A plugin of detect-secrets, in Python.
        DetectSecrets = "detect-secrets",
        /// A regular expression on one line, for everything else.
        Regex = "regex",
    }
);

/// The rules by which a scanner finds keys with this label, as a file of the scanner's own form.
pub fn scan_rules(format: RuleFormat, label: &KeyLabel) -> String {
    match format {
        RuleFormat::Gitleaks => gitleaks(label),
        RuleFormat::DetectSecrets => detect_secrets(label),
        RuleFormat::Regex => expression(label) + "\n",
    }
}

/// A regular expression that Rust, Go, Python, PCRE and JavaScript understand alike. It wants no boundary before a key,
/// as one often stands right behind the letter of an escaped line break.
fn expression(label: &KeyLabel) -> String {
    let tags: Vec<_> = Environment::ALL.iter().map(|environment| environment.tag()).collect();
    format!(r"{}(?:{})_[{CLASS}]{{{TAIL_LENGTH}}}\b", beginning(label), tags.join("|"))
}

/// How all keys with this label begin.
fn beginning(label: &KeyLabel) -> String {
    format!("{PREFIX}{label}_")
}

fn gitleaks(label: &KeyLabel) -> String {
    let (expression, beginning) = (expression(label), beginning(label));
    format!(
        "# Beside the rules that gitleaks has: gitleaks detect --config FILE
title = \"Keystile API keys of {label}\"

[extend]
useDefault = true

[[rules]]
id = \"keystile-{label}\"
description = \"A Keystile API key of {label}: revoke it, then remove it\"
regex = '''{expression}'''
keywords = [\"{beginning}\"]
"
    )
}

/// Unlike the others it can calculate, so it leaves out what has wrong check digits.
fn detect_secrets(label: &KeyLabel) -> String {
    let expression = expression(label);
    format!(
        r#""""Finds Keystile API keys of {label}: detect-secrets scan --plugin FILE"""
import re
import zlib

from detect_secrets.plugins.base import RegexBasedDetector

DIGITS = "{DIGITS}"
CHECK_LENGTH = {CHECK_LENGTH}


def check_digits(text):
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


class KeystileDetector(RegexBasedDetector):
    secret_type = "Keystile API key ({label})"
    denylist = [re.compile(r"{expression}")]

    def analyze_string(self, string):
        for key in super().analyze_string(string):
            if check_digits(key[:-CHECK_LENGTH]) == key[-CHECK_LENGTH:]:
                yield key
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_the_same_expression() {
        let label: KeyLabel = "acme".parse().unwrap();
        let expression = r"sk_acme_(?:live|stage|dev)_[0-9A-Za-z]{49}\b";
        assert_eq!(scan_rules(RuleFormat::Regex, &label), format!("{expression}\n"));
        for format in RuleFormat::ALL {
            assert!(scan_rules(*format, &label).contains(expression), "{format}");
        }
    }

    #[test]
    fn gitleaks_keeps_the_rules_it_has_and_looks_for_the_beginning_first() {
        let rules = scan_rules(RuleFormat::Gitleaks, &KeyLabel::default());
        for line in ["useDefault = true", "[[rules]]", "id = \"keystile-ks\"", "keywords = [\"sk_ks_\"]"] {
            assert!(rules.lines().any(|own| own == line), "{line}: {rules}");
        }
    }
}
