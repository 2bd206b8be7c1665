//! Background jobs.

use keystile_core::{JobId, TenantId};
use keystile_wire::{CreateJob, JobCount, JobListQuery, JobResultQuery, JobSecrets, JobView, Listing};

use crate::download::{Download, EXPORT_TIMEOUT};
use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// Makes a job.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `job_keys_differ` when the filter finds other than the expected keys, with `too_many_jobs`,
    /// and any other [`ClientError`].
    pub async fn create_job(&self, tenant: TenantId, request: &CreateJob) -> Result<JobView, ClientError> {
        self.post(&jobs(tenant), request).await
    }

    /// How many keys a job would be about. The request must ask for a `dry_run`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn count_for_job(
        &self,
        tenant: TenantId,
        request: &CreateJob,
    ) -> Result<JobCount, ClientError> {
        self.post(&jobs(tenant), request).await
    }

    /// One page of jobs, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn jobs(
        &self,
        tenant: TenantId,
        query: &JobListQuery,
    ) -> Result<Listing<JobView>, ClientError> {
        self.get_with(&jobs(tenant), query).await
    }

    /// One job, with how far it has come.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn job(&self, tenant: TenantId, id: JobId) -> Result<JobView, ClientError> {
        self.get(&job(tenant, id)).await
    }

    /// Cancels a job.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `job_over`, and any other [`ClientError`].
    pub async fn cancel_job(&self, tenant: TenantId, id: JobId) -> Result<JobView, ClientError> {
        self.command(&format!("{}/cancel", job(tenant, id))).await
    }

    /// Lets a job go on that has failed.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `job_not_failed`, and any other [`ClientError`].
    pub async fn retry_job(&self, tenant: TenantId, id: JobId) -> Result<JobView, ClientError> {
        self.command(&format!("{}/retry", job(tenant, id))).await
    }

    /// The result of a job that holds no secrets.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found` or `job_secrets`, and any other [`ClientError`].
    pub async fn job_result(
        &self,
        tenant: TenantId,
        id: JobId,
        query: &JobResultQuery,
    ) -> Result<Download, ClientError> {
        self.download(&format!("{}/result", job(tenant, id)), query, EXPORT_TIMEOUT).await
    }

    /// Takes the secrets that a job has made. After [`ClientError::Interrupted`] they may be gone.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn take_job_secrets(&self, tenant: TenantId, id: JobId) -> Result<JobSecrets, ClientError> {
        self.command(&format!("{}/result", job(tenant, id))).await
    }
}

fn jobs(tenant: TenantId) -> String {
    format!("{}/jobs", path(tenant))
}

fn job(tenant: TenantId, id: JobId) -> String {
    format!("{}/{id}", jobs(tenant))
}
