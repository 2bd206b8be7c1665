//! Does background jobs: a few at a time, each for a while, so that all tenants have their turn.

use std::time::Duration;

use keystile_manage::{ControlPlane, Refused};
use keystile_store::{JobClaim, Stepped};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::Commits;

/// Jobs that are worked on at once. Each has one transaction at a time; more would only make requests wait for the writer of SQLite,
/// or for connections to PostgreSQL.
const AT_ONCE: usize = 4;
/// How long a job is worked on before others have their turn.
const TURN: Duration = Duration::from_secs(5);
/// Longest until jobs are looked for, for what was missed: who makes one wakes, and who waits for a moment is known.
const AT_LATEST: Duration = Duration::from_secs(60);
/// Shortest pause between two looks for jobs that become due by time alone.
const AT_EARLIEST: Duration = Duration::from_secs(1);
/// Until a store is asked again that has not answered.
const AWAY: Duration = Duration::from_secs(2);
/// How often a step that was not done is to be noted: until its lease is over.
const NOTED_AT_MOST: u32 = 30;
/// Pause between two steps of a job, for others that write.
const BREATH: Duration = Duration::from_millis(5);

/// Whether anybody else may work on jobs, whose leases have to be respected then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nobody: all leases are of processes that have ended.
    Ended,
    /// Other nodes.
    MayWork,
}

/// The task that does jobs.
pub(crate) struct Jobs {
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Jobs {
    /// Starts doing jobs, first those on which an earlier process worked.
    pub(crate) fn start(control: ControlPlane, commits: Commits, others: Others) -> Self {
        let (stop, stopped) = watch::channel(());
        let worker = Worker { control, commits, stopped };
        Self { stop, task: tokio::spawn(run(worker, others == Others::MayWork)) }
    }

    /// Ends when the steps at hand are done; the next start goes on with the jobs.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the doing of background jobs ended with a panic");
        }
    }
}

/// What doing a job takes.
#[derive(Clone)]
struct Worker {
    control: ControlPlane,
    commits: Commits,
    stopped: watch::Receiver<()>,
}

/// Frees the jobs of earlier processes first, unless that is done or may not be.
async fn run(mut worker: Worker, mut is_free: bool) {
    let (mut turns, mut works) = (JoinSet::new(), true);
    loop {
        let round = worker.take_up(&mut turns, &mut is_free).await;
        match (&round, works) {
            (Err(error), true) => {
                let error: &dyn std::error::Error = error;
                tracing::warn!(
                    error,
                    "background jobs cannot be done now; they go on when the store answers"
                );
            }
            (Ok(_), false) => tracing::info!("background jobs are done again"),
            (Ok(_), true) | (Err(_), false) => {}
        }
        works = round.is_ok();
        let pause = round.unwrap_or(AWAY);
        tokio::select! {
            _ = worker.stopped.changed() => break,
            Some(ended) = turns.join_next() => {
                if ended.is_err() {
                    tracing::error!("a background job was interrupted by a panic; it is taken up again");
                }
            }
            () = worker.control.job_made() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    while turns.join_next().await.is_some() {}
}

impl Worker {
    /// Takes up jobs as long as there are any that are due, and room for them; tells when to look again at the latest.
    async fn take_up(&self, turns: &mut JoinSet<()>, is_free: &mut bool) -> Result<Duration, Refused> {
        if !*is_free {
            self.control.free_jobs().await?;
            *is_free = true;
        }
        while turns.len() < AT_ONCE {
            let Some(claim) = self.control.claim_job().await? else {
                let next = self.control.next_job_in().await?.unwrap_or(AT_LATEST);
                return Ok(next.clamp(AT_EARLIEST, AT_LATEST));
            };
            turns.spawn(self.clone().serve(claim));
        }
        // The end of a turn is told.
        Ok(AT_LATEST)
    }

    /// Does steps of a job until it is over or others have their turn.
    async fn serve(self, mut claim: JobClaim) {
        let end = Instant::now() + TURN;
        loop {
            let (control, claimed) = (self.control.clone(), claim.clone());
            let step = self.commits.carry_out(async move { control.step_job(&claimed).await });
            match step.await {
                Ok(Stepped::On) => claim.job.attempts = 0,
                Ok(Stepped::Done | Stepped::Cancelled | Stepped::Lost) => return,
                Err(refused) => return self.stumble(&claim, &refused).await,
            }
            if Instant::now() >= end || self.stopped.has_changed().is_err() {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
        if let Err(error) = self.control.release_job(&claim).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, job = %claim.job.id, "a background job has to wait until its lease is over");
        }
    }

    /// Notes what befell a step. As long as the store is away that is tried again, so that the job need not wait for the end of
    /// its lease when the store is back.
    async fn stumble(&self, claim: &JobClaim, refused: &Refused) {
        let id = claim.job.id;
        tracing::warn!(error = refused as &dyn std::error::Error, job = %id, "a step of a background job was not done");
        for _ in 0..NOTED_AT_MOST {
            let Err(error) = self.control.stumble(claim, refused).await else { return };
            tracing::debug!(error = &error as &dyn std::error::Error, job = %id, "nor can that be noted now");
            if self.stopped.has_changed().is_err() {
                break;
            }
            tokio::time::sleep(AWAY).await;
        }
        tracing::warn!(job = %id, "a background job has to wait until its lease is over");
    }
}
