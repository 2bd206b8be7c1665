//! `keystile scan-rules`: how other scanners find your keys.

use std::process::ExitCode;

use clap::Args;
use keystile_core::key::{RuleFormat, scan_rules};
use keystile_core::{Clock, KeyLabel};
use keystile_wire::ScanRulesQuery;

use super::connection::Connection;
use super::output::Report;
use super::words::rule_format;
use crate::failure::Failure;

/// Prints rules by which gitleaks, detect-secrets or anything that knows regular expressions finds your keys.
///
/// They are for the key label of the tenant, which is a part of the text of its keys. A tenant that had another label before
/// has keys with that one, too: name it with --label.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile scan-rules > .gitleaks.toml && gitleaks detect --config .gitleaks.toml
  keystile scan-rules --format detect-secrets > keystile_keys.py && detect-secrets scan --plugin keystile_keys.py
  grep --recursive --perl-regexp \"$(keystile scan-rules --format regex --label acme)\" .")]
pub(crate) struct ScanRulesCommand {
    /// For which scanner.
    #[arg(long, value_parser = rule_format(), default_value = "gitleaks")]
    format: RuleFormat,
    /// The key label, as in `sk_acme_live_…`; without it a server is asked for that of the tenant.
    #[arg(long)]
    label: Option<KeyLabel>,
    #[command(flatten)]
    connection: Connection,
}

/// Runs `keystile scan-rules`.
pub(crate) async fn run(command: ScanRulesCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let ScanRulesCommand { format, label, connection } = command;
    let rules = match label {
        Some(label) => scan_rules(format, &label),
        None => {
            let ask = connection.with(clock, async |session| {
                let tenant = session.tenant().await?;
                let query = ScanRulesQuery { format: Some(format) };
                Ok(session.client.scan_rules(tenant, &query).await?)
            });
            ask.await?
        }
    };
    Report::default().data(&rules).print()
}
