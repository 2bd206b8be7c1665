//! How jobs are told.

use keystile_core::Timestamp;
use keystile_wire::JobView;

use crate::commands::output::plain;
use crate::commands::table::{fields, table};

/// One line for each.
pub(super) fn rows(jobs: &[JobView]) -> String {
    let row = |job: &JobView| {
        let (id, made) = (job.id.to_string(), job.created_at.to_string());
        [id, job.kind.to_string(), job.state.to_string(), progress(job), job.actor.clone(), made]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    table(["ID", "KIND", "STATE", "KEYS", "BY", "MADE"], &rows)
}

/// All of one.
pub(super) fn sheet(job: &JobView) -> String {
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let mut told = fields(&[
        ("id", job.id.to_string()),
        ("kind", job.kind.to_string()),
        ("state", job.state.to_string()),
        ("keys", progress(job)),
        ("failed", job.failed.to_string()),
        ("by", job.actor.clone()),
        ("made", job.created_at.to_string()),
        ("began", moment(job.started_at)),
        ("ended", moment(job.ended_at)),
        ("kept until", moment(job.kept_until)),
    ]);
    for problem in &job.problems {
        told.push_str(&format!("{}: {} ({})\n", problem.key, plain(&problem.detail), problem.code));
    }
    if let Some(error) = &job.error {
        told.push_str(&format!("{} ({})\n", plain(&error.detail), error.code));
    }
    told
}

/// How many keys were looked at, of how many.
pub(super) fn progress(job: &JobView) -> String {
    format!("{}/{}", job.done.saturating_add(job.failed), job.total)
}
