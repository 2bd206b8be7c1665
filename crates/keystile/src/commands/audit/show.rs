//! `keystile audit show`.

use clap::Args;
use keystile_core::AuditId;
use keystile_wire::AuditEntryView;

use crate::commands::connection::Session;
use crate::commands::output::{Form, Report};
use crate::commands::table::{fields, json_lines};
use crate::failure::Failure;

/// Shows one entry with all that it tells.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its id, as `keystile audit list` shows it.
    #[arg(value_name = "AUDIT_ID")]
    id: AuditId,
}

impl Show {
    pub(super) async fn run(self, session: &Session, form: Form) -> Result<Report, Failure> {
        let entry = session.client.audit_entry(session.tenant().await?, self.id).await?;
        match form {
            Form::Json => Report::json(&entry),
            Form::Text => Ok(Report::default().data(&sheet(&entry))),
        }
    }
}

fn sheet(entry: &AuditEntryView) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let facts = fields(&[
        ("seq", entry.seq.to_string()),
        ("id", entry.id.to_string()),
        ("at", entry.at.to_string()),
        ("actor", entry.actor.to_string()),
        ("action", entry.action.clone()),
        ("target", entry.target.clone()),
        ("from", or_dash(entry.ip.map(|ip| ip.to_string()))),
        ("request", or_dash(entry.request_id.clone())),
        ("previous", entry.previous.clone()),
        ("hash", entry.hash.clone()),
    ]);
    format!("{facts}\n{}", json_lines(entry.changes.get()))
}
