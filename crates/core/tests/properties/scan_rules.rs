//! The expressions in rules for scanners: they find every key with the label, and nothing that only looks like one.

use std::sync::LazyLock;

use keystile_core::key::{RuleFormat, mint, scan_rules};
use keystile_core::{Environment, KeyLabel};
use proptest::prelude::*;
use regex::Regex;

/// The expression, taken out of the file that the scanner is given.
fn expression(format: RuleFormat, label: &KeyLabel) -> Regex {
    let rules = scan_rules(format, label);
    let (before, behind) = match format {
        RuleFormat::Gitleaks => ("regex = '''", "'''"),
        RuleFormat::DetectSecrets => ("re.compile(r\"", "\")"),
        RuleFormat::Regex => ("", "\n"),
    };
    let text = rules.split_once(before).and_then(|(_, rest)| rest.split_once(behind)).unwrap().0;
    Regex::new(text).unwrap()
}

/// Those for keys of `acme`.
static OF_ACME: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let label = "acme".parse().unwrap();
    RuleFormat::ALL.iter().map(|format| expression(*format, &label)).collect()
});

fn environment() -> impl Strategy<Value = Environment> {
    proptest::sample::select(Environment::ALL)
}

proptest! {
    #[test]
    fn every_key_is_found_whatever_its_label_and_environment(
        label in "[a-z0-9]{2,12}",
        environment in environment(),
        random: [u8; 32],
    ) {
        let label: KeyLabel = label.parse().unwrap();
        let key = mint(&label, environment, &random);
        for format in RuleFormat::ALL {
            let expression = expression(*format, &label);
            let found: Vec<_> = expression.find_iter(key.expose()).map(|found| found.as_str()).collect();
            prop_assert_eq!(&found, &[key.expose()]);
        }
    }

    #[test]
    fn a_key_is_found_as_a_whole_whatever_stands_around_it(
        environment in environment(),
        random: [u8; 32],
        before in prop_oneof![Just("KEY="), Just("\""), Just("\\n"), Just(""), Just("Bearer ")],
        behind in prop_oneof![Just("\""), Just("\n"), Just("\\n"), Just(""), Just("&x=1"), Just(".")],
    ) {
        let key = mint(&"acme".parse().unwrap(), environment, &random);
        let text = format!("{before}{}{behind}", key.expose());
        for expression in OF_ACME.iter() {
            prop_assert_eq!(expression.find(&text).map(|found| found.as_str()), Some(key.expose()));
        }
    }

    #[test]
    fn what_only_looks_like_a_key_is_not_found(environment in environment(), random: [u8; 32]) {
        let key = mint(&"acme".parse().unwrap(), environment, &random);
        let key = key.expose();
        let (beginning, tail) = key.split_at(key.len() - 49);
        for near in [
            key[..key.len() - 1].to_owned(),
            format!("{key}0"),
            format!("{beginning}-{}", &tail[1..]),
            format!("{beginning}_{tail}"),
            key.replacen("sk_", "sk-", 1),
            key.replacen("sk_", "pk_", 1),
            key.replacen("acme", "acmf", 1),
            key.replacen("acme", "ACME", 1),
            key.replacen("acme", "acme2", 1),
            key.replacen(&format!("_{}_", environment.tag()), "_prod_", 1),
            key.replacen(&format!("_{}_", environment.tag()), "_", 1),
        ] {
            prop_assert!(OF_ACME.iter().all(|expression| !expression.is_match(&near)), "{}", near);
        }
    }
}
