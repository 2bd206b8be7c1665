//! `keystile jobs wait`.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use clap::Args;
use keystile_core::{JobId, JobState};
use keystile_wire::JobView;

use super::Which;
use super::told::{progress, sheet};
use crate::commands::context::Context;
use crate::commands::output::{Report, tell};
use crate::failure::Failure;

/// Pause between two looks at a job: short for a person who waits, and nothing to a server.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits until a job is over, and shows it.
#[derive(Debug, Args)]
pub(super) struct Wait {
    #[command(flatten)]
    which: Which,
}

impl Wait {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        wait_for(self.which.id, context).await
    }
}

/// Waits until the job is over. On a terminal a line tells how far it has come.
pub(super) async fn wait_for(id: JobId, context: &Context) -> Result<Report, Failure> {
    let (client, tenant) = (&context.session.client, context.session.tenant().await?);
    let shows = io::stderr().is_terminal();
    loop {
        let job = client.job(tenant, id).await?;
        if shows {
            tell(&format!("\r{} {} keys", job.state, progress(&job)));
        }
        if job.state.is_over() {
            if shows {
                tell("\n");
            }
            return over(&job, context);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn over(job: &JobView, context: &Context) -> Result<Report, Failure> {
    let report = context.record(job, sheet, None)?;
    let all_done = job.state == JobState::Done && job.failed == 0;
    Ok(if all_done { report } else { report.refused() })
}
