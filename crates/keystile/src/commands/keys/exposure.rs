//! `keystile keys exposure`.

use clap::Args;
use keystile_wire::{ExposureBreak, ExposureGroup, ExposureGroups, ExposureQuery, ExposureView};

use super::{Context, Which};
use crate::commands::logs::rows;
use crate::commands::moment::Past;
use crate::commands::output::{Form, Report};
use crate::commands::table::{fields, table};
use crate::failure::Failure;

/// Tells what was done with a key that leaked: every request since a moment, refused ones included, by address, user agent and path, and
/// what of it is new.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile keys exposure key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --since 3d
  keystile keys exposure key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --json | jq '.addresses.data[] | select(.is_new)'")]
pub(super) struct Exposure {
    #[command(flatten)]
    which: Which,
    /// Since when: a time, or a span before now such as `24h`. By default since the key was first reported as leaked, or a day before it
    /// was revoked.
    #[arg(long, value_name = "TIME", value_parser = Past::parse)]
    since: Option<Past>,
}

impl Exposure {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let query = ExposureQuery { since: self.since.map(|since| since.moment(context.now)) };
        let exposure = context.session.client.key_exposure(tenant, self.which.id, &query).await?;
        match context.form {
            Form::Json => Report::json(&exposure),
            Form::Text => Ok(Report::default().data(&sheet(&exposure)).note(reservations(&exposure))),
        }
    }
}

fn sheet(exposure: &ExposureView) -> String {
    let mut facts = vec![
        ("since", exposure.since.to_string()),
        ("requests", exposure.total.to_string()),
        ("allowed", exposure.allowed.to_string()),
        ("refused", exposure.refused.to_string()),
    ];
    let codes = exposure.refused_by_code.iter();
    facts.extend(codes.map(|(code, count)| (code.as_str(), count.to_string())));
    let mut text = fields(&facts);
    for (heading, groups) in
        [("ADDRESS", &exposure.addresses), ("USER AGENT", &exposure.user_agents), ("PATH", &exposure.paths)]
    {
        if !groups.data.is_empty() {
            text.push('\n');
            text.push_str(&grouped(heading, groups));
        }
    }
    if !exposure.requests.is_empty() {
        text.push_str("\nThe latest requests:\n");
        text.push_str(&rows(&exposure.requests));
    }
    text
}

fn grouped(heading: &str, groups: &ExposureGroups) -> String {
    let row = |group: &ExposureGroup| {
        [
            group.value.clone().unwrap_or_else(|| "unknown".to_owned()),
            if group.is_new { "yes" } else { "no" }.to_owned(),
            group.count.to_string(),
            group.first_at.to_string(),
            group.last_at.to_string(),
        ]
    };
    let more = if groups.more { "… and more\n" } else { "" };
    let headings = [heading, "NEW", "COUNT", "FIRST", "LAST"];
    table(headings, &groups.data.iter().map(row).collect::<Vec<_>>()) + more
}

/// What the report may lack.
fn reservations(exposure: &ExposureView) -> String {
    if exposure.complete {
        return "Each request with the key since then is counted.".to_owned();
    }
    let mut why = vec![format!("This is not complete: the log reaches back to {}", exposure.log_from)];
    if exposure.missing > 0 {
        why.push(format!("{} requests of the tenant are missing in it", exposure.missing));
    }
    for ExposureBreak { from, to } in &exposure.breaks {
        why.push(format!("a server was ended by force between {from} and {to}"));
    }
    if let Some(end) = exposure.counted_to {
        why.push(format!("there are more than are counted here: ask again with --since {end}"));
    }
    why.join("; ") + "."
}
