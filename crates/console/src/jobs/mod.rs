//! Background jobs: asking for them, watching them, and what they have come to.

mod conditions;
mod list;
mod new;
mod show;

use keystile_core::Job;

use super::table::{Pages, get, post};

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/jobs", get(list::list))
        .route("/jobs/new", get(new::form).post(new::make))
        .route("/jobs/{job_id}", get(show::show))
        .route("/jobs/{job_id}/cancel", post(show::cancel))
        .route("/jobs/{job_id}/retry", post(show::retry))
        .route("/jobs/{job_id}/result", get(show::result))
        .route("/jobs/{job_id}/secrets", post(show::secrets))
}

/// How much there is to a bar of progress: an empty job has one part, of which all is done when it is over.
fn bar(job: &Job) -> (u64, u64) {
    if job.total == 0 { (u64::from(job.state.is_over()), 1) } else { (job.seen().min(job.total), job.total) }
}
