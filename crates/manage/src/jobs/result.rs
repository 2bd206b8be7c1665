//! What a job has come to, handed out.

use keystile_core::{Action, ApiKey, Job, JobId, JobKind, KeyId, Name, Secret};
use keystile_measure::SPANS;
use keystile_store::{Sealed, unpack_keys};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::instrument;
use zeroize::Zeroizing;

use super::context;
use crate::{Caller, Conflict, ControlPlane, Lacking, Refused, Right};

const RESULT: Refused = Refused::NotFound("result");

/// A result on its way, piece by piece: each is read when it is asked for.
#[derive(Clone)]
pub struct JobResult {
    control: ControlPlane,
    job: Job,
    after: i64,
    /// How many bytes of it are still to come, as they are stored.
    left: u64,
}

/// A piece of a result.
#[derive(Debug)]
pub enum JobPiece {
    /// Keys, as they were when the job came upon them.
    Keys(Vec<ApiKey>),
    /// JSON objects, each with its line break.
    Lines(String),
}

/// A secret that a job has made.
#[derive(Debug)]
pub struct MadeSecret {
    /// The key that was rotated.
    pub key_id: KeyId,
    /// The key that has the secret.
    pub successor_id: KeyId,
    /// What both are called.
    pub name: Name,
    /// To be shown once.
    pub secret: Secret,
}

impl ControlPlane {
    /// The result of a job that does not hold secrets.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a job that the caller does not see, that is not over, or without a result, or whose result was
    /// kept for long enough; [`Conflict::JobSecrets`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn job_result(&self, caller: &Caller, id: JobId) -> Result<JobResult, Refused> {
        let job = self.job(caller, id).await?;
        match job.kind {
            JobKind::Rotate => Err(Refused::Conflict(Conflict::JobSecrets)),
            JobKind::Import | JobKind::Export | JobKind::Revoke | JobKind::Disable | JobKind::Enable => {
                // An export of no keys has a result, too. What is kept no longer may be half removed.
                let is_kept = job.kept_until.is_some_and(|until| until > self.now());
                let is_there = job.kind == JobKind::Export || job.result_bytes > 0;
                if !is_kept || !is_there || !job.state.is_over() {
                    return Err(RESULT);
                }
                let left = job.result_bytes;
                Ok(JobResult { control: self.clone(), job, after: -1, left })
            }
        }
    }

    /// Takes the secrets that a job has made, which then are there no longer.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a job that the caller does not see, that is not over, or whose secrets were taken or kept for
    /// long enough; [`Refused::Forbidden`] for whoever has not asked for the job.
    #[instrument(target = SPANS, skip_all)]
    pub async fn take_job_secrets(&self, caller: &Caller, id: JobId) -> Result<Vec<MadeSecret>, Refused> {
        caller.require(Right::ManageKeys)?;
        let job = self.job(caller, id).await?;
        if job.actor != caller.actor {
            return Err(Refused::Forbidden(Lacking::OverJob));
        }
        if job.kind != JobKind::Rotate || !job.state.is_over() {
            return Err(RESULT);
        }
        let entry = self.entry(caller, Action::JobTake, id.to_string(), json!({ "kind": job.kind }))?;
        let chunks = self.store.take_job_result(job.tenant_id, id, entry).await?;
        let mut secrets = Vec::new();
        for chunk in chunks {
            let by = chunk.sealed_by.ok_or_else(unreadable)?;
            let opened = self.vault.open(&context(&job), &Sealed { by, bytes: chunk.content })?;
            let text = std::str::from_utf8(&opened).map_err(|_| unreadable())?;
            for line in text.lines() {
                secrets.push(MadeSecret::read(line)?);
            }
        }
        if secrets.is_empty() { Err(RESULT) } else { Ok(secrets) }
    }
}

fn unreadable() -> Refused {
    Refused::Internal("the result of a job cannot be read".to_owned())
}

impl JobResult {
    /// The job.
    pub const fn job(&self) -> &Job {
        &self.job
    }

    /// The next piece; nothing behind the end.
    ///
    /// # Errors
    /// When the store does not answer, a version of this program with other keys has written the piece, or the rest was removed
    /// meanwhile: a part must not be taken for the whole.
    pub async fn piece(&mut self) -> Result<Option<JobPiece>, Refused> {
        let next = self.control.store.job_chunk(self.job.tenant_id, self.job.id, self.after).await?;
        let Some((number, chunk)) = next else {
            return if self.left == 0 { Ok(None) } else { Err(RESULT) };
        };
        self.after = number;
        self.left = self.left.saturating_sub(chunk.content.len() as u64);
        let text = String::from_utf8(chunk.content).map_err(|_| unreadable())?;
        match self.job.kind {
            JobKind::Export => Ok(Some(JobPiece::Keys(unpack_keys(&text)?))),
            JobKind::Import | JobKind::Revoke | JobKind::Disable | JobKind::Enable | JobKind::Rotate => {
                Ok(Some(JobPiece::Lines(text)))
            }
        }
    }
}

/// A secret as it is sealed.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    key_id: KeyId,
    successor_id: KeyId,
    name: Name,
    secret: &'a str,
}

impl MadeSecret {
    pub(super) fn append_to(&self, lines: &mut Zeroizing<String>) {
        let Self { key_id, successor_id, name, secret } = self;
        let (key_id, successor_id, name) = (*key_id, *successor_id, name.clone());
        let line = Line { key_id, successor_id, name, secret: secret.expose() };
        let written = Zeroizing::new(serde_json::to_string(&line).unwrap_or_default());
        lines.push_str(&written);
        lines.push('\n');
    }

    /// No secret of ours has a character that JSON escapes, so that it can be borrowed.
    fn read(line: &str) -> Result<Self, Refused> {
        let Line { key_id, successor_id, name, secret } =
            serde_json::from_str(line).map_err(|_| unreadable())?;
        Ok(Self { key_id, successor_id, name, secret: Secret::new(secret) })
    }
}
