//! `keystile key`: what a text alone tells of a key, without a server.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::Environment;
use keystile_core::key::{MalformedKey, Presented};
use serde::Serialize;

use super::input::{Given, given, secret_or_line};
use super::output::{Form, Report};
use super::table::fields;
use crate::failure::Failure;

/// Looks at the text of a key, without asking a server.
#[derive(Debug, Args)]
pub(crate) struct KeyCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Inspect(Inspect),
}

/// Tells whether a text is a well-formed Keystile key, and what it says of itself.
///
/// Works offline: a mistyped, cut or invented key has wrong check digits. Whether a well-formed key exists, is active
/// and may do something, only a server can tell: `keystile keys verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pbpaste | keystile key inspect
  keystile key inspect --json < key.txt

Exit status: 0 well-formed, 1 not a well-formed Keystile key, 2 there was
nothing to read.")]
struct Inspect {
    /// The text. Shells keep it in their history; better leave it out, to read it from standard input.
    #[arg(value_parser = given, conflicts_with = "stdin")]
    text: Option<Given>,
    /// Read the text from the first line of standard input; so it is without TEXT, too.
    #[arg(long)]
    stdin: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `keystile key …`.
pub(crate) fn run(command: &KeyCommand) -> Result<ExitCode, Failure> {
    let Action::Inspect(inspect) = &command.action;
    let secret = secret_or_line(inspect.text.as_ref(), "the key")?;
    report(&Inspection::of(secret.expose()), Form::of(inspect.json))?.print()
}

/// What a text alone tells. Never the text itself.
#[derive(Debug, Serialize)]
struct Inspection<'a> {
    well_formed: bool,
    tenant_label: Option<&'a str>,
    environment: Option<Environment>,
    check_digits: CheckDigits,
    explanation: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CheckDigits {
    Good,
    Wrong,
    /// The text is not in the form that has them.
    None,
}

impl<'a> Inspection<'a> {
    fn of(text: &'a str) -> Self {
        match Presented::parse(text) {
            Ok(Presented::Ours(key)) => Self {
                well_formed: true,
                tenant_label: Some(key.label),
                environment: Some(key.environment),
                check_digits: CheckDigits::Good,
                explanation:
                    "the text alone cannot tell whether the key exists, is active and what it may do; \
                    ask a server: keystile keys verify"
                        .to_owned(),
            },
            Ok(Presented::Foreign) => Self::not_ours(
                CheckDigits::None,
                "this is not in Keystile's own form; if a tenant brought it as a secret of its own, \
                    only a server can tell: keystile keys verify"
                    .to_owned(),
            ),
            Err(MalformedKey::CheckDigits) => {
                Self::not_ours(CheckDigits::Wrong, format!("{}; copy it again", MalformedKey::CheckDigits))
            }
            Err(malformed) => Self::not_ours(CheckDigits::None, format!("this can be no key: {malformed}")),
        }
    }

    fn not_ours(check_digits: CheckDigits, explanation: String) -> Self {
        Self { well_formed: false, tenant_label: None, environment: None, check_digits, explanation }
    }
}

fn report(inspection: &Inspection<'_>, form: Form) -> Result<Report, Failure> {
    let report = match form {
        Form::Json => Report::json(inspection)?,
        Form::Text => Report::default().data(&sheet(inspection)).note(&inspection.explanation),
    };
    Ok(if inspection.well_formed { report } else { report.refused() })
}

fn sheet(inspection: &Inspection<'_>) -> String {
    let digits = match inspection.check_digits {
        CheckDigits::Good => "good",
        CheckDigits::Wrong => "wrong",
        CheckDigits::None => "none",
    };
    let mut pairs = vec![("well-formed", if inspection.well_formed { "yes" } else { "no" }.to_owned())];
    pairs.extend(inspection.tenant_label.map(|label| ("tenant label", label.to_owned())));
    pairs.extend(inspection.environment.map(|environment| ("environment", environment.to_string())));
    pairs.push(("check digits", digits.to_owned()));
    fields(&pairs)
}

#[cfg(test)]
mod tests {
    use keystile_core::Secret;
    use keystile_core::key::mint;

    use super::*;

    fn minted() -> Secret {
        mint(&"acme".parse().unwrap(), Environment::Staging, &[7; 32])
    }

    fn printed(text: &str, form: Form) -> (String, String, bool) {
        let report = report(&Inspection::of(text), form).unwrap();
        let refused = report.is_refused();
        let (data, notes) = report.printed();
        assert!(!data.contains(text) && !notes.contains(text));
        (data, notes, refused)
    }

    #[test]
    fn a_well_formed_key_tells_its_label_and_environment() {
        let (data, notes, refused) = printed(minted().expose(), Form::Text);
        let expected = "\
well-formed   yes
tenant label  acme
environment   staging
check digits  good
";
        assert_eq!(data, expected);
        assert!(notes.contains("cannot tell whether the key exists"), "{notes}");
        assert!(!refused);
    }

    #[test]
    fn a_mistyped_key_is_refused() {
        let mistyped = minted().expose().replace("stage", "live");
        let (data, notes, refused) = printed(&mistyped, Form::Text);
        assert_eq!(data, "well-formed   no\ncheck digits  wrong\n");
        assert!(notes.contains("copy it again"), "{notes}");
        assert!(refused);
    }

    #[test]
    fn another_form_may_be_a_brought_secret_and_a_cut_key_is_none() {
        let (_, notes, refused) = printed("9f8e7d6c5b4a39281706f5e4", Form::Text);
        assert!(refused && notes.contains("brought"), "{notes}");
        let (_, notes, refused) = printed("sk_ks_live_short", Form::Text);
        assert!(refused && notes.contains("49 letters and digits"), "{notes}");
    }

    #[test]
    fn json_has_the_same_fields_whatever_the_text_is() {
        let names = |text: &str| {
            let (data, _, _) = printed(text, Form::Json);
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&data).unwrap();
            object.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(minted().expose()), names("short"));
    }
}
