//! What tells scanners of other makers how the tenant's keys look.

use askama::Template;
use axum::extract::State;
use keystile_core::KeyLabel;
use keystile_core::key::{RuleFormat, scan_rules};
use keystile_wire::ScanRulesQuery;

use crate::page::page;
use crate::shell::Shell;
use crate::sought::Sought;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;

#[derive(Template)]
#[template(path = "leaks/rules.html")]
struct Rules {
    shell: Shell,
    label: KeyLabel,
    format: RuleFormat,
    rules: String,
    /// How they are used.
    command: String,
}

/// The rules for one scanner.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, .. }: Sought<ScanRulesQuery>,
) -> Answer {
    let format = query.format.unwrap_or(RuleFormat::Gitleaks);
    let label = app.control.tenant(&caller).await?.key_label;
    let (rules, command) = (scan_rules(format, &label), command(format, &label));
    page(&Rules { shell, label, format, rules, command })
}

impl Rules {
    fn name(&self) -> &'static str {
        name(self.format)
    }

    /// Each scanner, as a query names it and for people, and whether its rules are shown.
    fn scanners(&self) -> Vec<(&'static str, &'static str, bool)> {
        let scanner = |format: &RuleFormat| (format.as_str(), name(*format), *format == self.format);
        RuleFormat::ALL.iter().map(scanner).collect()
    }
}

const fn name(format: RuleFormat) -> &'static str {
    match format {
        RuleFormat::Gitleaks => "gitleaks",
        RuleFormat::DetectSecrets => "detect-secrets",
        RuleFormat::Regex => "Regular expression",
    }
}

/// A command that makes the same file and runs the scanner with it.
fn command(format: RuleFormat, label: &KeyLabel) -> String {
    let make = format!("keystile scan-rules --format {format} --label {label}");
    match format {
        RuleFormat::Gitleaks => format!("{make} > .gitleaks.toml\ngitleaks detect --config .gitleaks.toml"),
        RuleFormat::DetectSecrets => {
            format!("{make} > keystile_keys.py\ndetect-secrets scan --plugin keystile_keys.py")
        }
        RuleFormat::Regex => format!("grep --recursive --perl-regexp \"$({make})\" ."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_makes_the_rules_of_its_format() {
        let label: KeyLabel = "acme".parse().unwrap();
        for format in RuleFormat::ALL {
            let made = format!("scan-rules --format {format} --label acme");
            assert!(command(*format, &label).contains(&made), "{format}");
        }
    }
}
