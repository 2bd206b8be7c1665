//! Background jobs.

use std::time::Duration;

use keystile_core::key::{KeyImport, MAX_OVERLAP};
use keystile_core::{
    ApplicationId, CustomerId, Environment, Invalid, Job, JobError, JobId, JobKind, JobProblem, JobState,
    KeyId, KeyStatus, Name, Secret, TenantId, Timestamp, TrustLevel,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::key_action::check_reason;
use crate::{ImportKeys, KeyListQuery, Object, schema};

/// A background job to make.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// What it does: `export` writes keys down without their secrets; `revoke`, `disable` and `enable` change keys; `rotate` gives
    /// keys successors, whose secrets are its result; `import` takes keys over by their hashes.
    #[schema(schema_with = schema::job_kind)]
    pub kind: JobKind,
    /// Which keys, of those that are there now; all by default. Not for an import.
    #[schema(value_type = Option<KeySelection>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Object<KeySelection>>,
    /// How many keys the filter finds: the job is refused if it is another number by now. Needed for all jobs that change keys; ask
    /// with `dry_run` first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// Only tells how many keys it would be about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// Why keys are revoked, for the record.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long rotated keys live on beside their successors: 0 seconds to 30 days. Needed to rotate.
    #[schema(minimum = 0, maximum = 2_592_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_seconds: Option<u64>,
    /// What is imported.
    #[schema(value_type = Option<ImportKeys>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Object<ImportKeys>>,
}

/// Which keys a job is about: the filters of the list of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySelection {
    /// Only keys of this environment.
    #[schema(schema_with = schema::maybe_environment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Only keys in this status when their turn comes.
    #[schema(schema_with = schema::maybe_status)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<KeyStatus>,
    /// Only keys of this kind.
    #[schema(schema_with = schema::maybe_kind)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only keys issued to this application.
    #[schema(schema_with = schema::maybe_application_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<ApplicationId>,
    /// Only keys restricted to this customer.
    #[schema(schema_with = schema::maybe_customer_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Only keys of this sending system.
    #[schema(schema_with = schema::maybe_word)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// Only keys of this trust level.
    #[schema(schema_with = schema::maybe_trust_level)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_level: Option<TrustLevel>,
    /// Only keys whose name contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only keys with this tag: its name, or `name:value`.
    #[schema(min_length = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Only keys whose rotation is due now, or only those whose is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_due: Option<bool>,
    /// Only keys that were not used for so many days, and are as old.
    #[schema(minimum = 1, maximum = 3650)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused_days: Option<u16>,
    /// Only keys that are blocked, or only those that are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Only keys that have not ended and expire within so many days.
    #[schema(minimum = 1, maximum = 3650)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_within_days: Option<u16>,
    /// Deleted keys, too; only to export them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_deleted: Option<bool>,
}

impl From<KeyListQuery> for KeySelection {
    fn from(query: KeyListQuery) -> Self {
        Self {
            environment: query.environment,
            status: query.status,
            kind: query.kind,
            application_id: query.application_id,
            customer_id: query.customer_id,
            source_id: query.source_id,
            trust_level: query.trust_level,
            q: query.q,
            tag: query.tag,
            rotation_due: query.rotation_due,
            unused_days: query.unused_days,
            blocked: query.blocked,
            expires_within_days: query.expires_within_days,
            include_deleted: query.include_deleted,
        }
    }
}

impl From<KeySelection> for KeyListQuery {
    fn from(selection: KeySelection) -> Self {
        Self {
            environment: selection.environment,
            status: selection.status,
            kind: selection.kind,
            application_id: selection.application_id,
            customer_id: selection.customer_id,
            source_id: selection.source_id,
            trust_level: selection.trust_level,
            q: selection.q,
            tag: selection.tag,
            rotation_due: selection.rotation_due,
            unused_days: selection.unused_days,
            blocked: selection.blocked,
            expires_within_days: selection.expires_within_days,
            include_deleted: selection.include_deleted,
            ..Self::default()
        }
    }
}

/// A checked request for a job.
#[derive(Debug)]
pub struct JobAsked {
    /// What it is to do.
    pub task: JobTask,
    /// How many keys it is expected to be about.
    pub expected: Option<u64>,
    /// Whether it is only asked how many keys there are.
    pub dry_run: bool,
}

/// What a job is to do.
#[derive(Debug)]
pub enum JobTask {
    /// Take these keys over.
    Import(Vec<KeyImport>),
    /// Write these down.
    Export(KeyListQuery),
    /// End these for good, for this reason.
    Revoke(KeyListQuery, Option<String>),
    /// Switch these off.
    Disable(KeyListQuery),
    /// Switch these on.
    Enable(KeyListQuery),
    /// Give these successors, and let them live on for so long.
    Rotate(KeyListQuery, Duration),
}

impl CreateJob {
    /// A job of this kind on the keys that a filter finds.
    pub fn of(kind: JobKind, filter: KeySelection) -> Self {
        Self {
            kind,
            filter: Some(Object(filter)),
            expected: None,
            dry_run: None,
            reason: None,
            overlap_seconds: None,
            import: None,
        }
    }

    /// The checked request.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<JobAsked, Vec<Invalid>> {
        let mut broken = self.misplaced();
        let dry_run = self.dry_run.unwrap_or_default();
        if changes_keys(self.kind) && self.expected.is_none() && !dry_run {
            broken
                .push(Invalid::new("expected", "must say how many keys are meant; ask with `dry_run` first"));
        }
        let query = KeyListQuery::from(self.filter.map(|Object(filter)| filter).unwrap_or_default());
        broken.extend(query.check().map_err(|invalid| invalid.at("filter")).err());
        let reason = self.reason.as_deref().map(check_reason).transpose();
        let overlap = match self.overlap_seconds {
            Some(seconds) if seconds <= MAX_OVERLAP.as_secs() => Some(Duration::from_secs(seconds)),
            Some(_) | None => None,
        };
        if self.kind == JobKind::Rotate && overlap.is_none() {
            let rule = format!("must be from 0 to {}", MAX_OVERLAP.as_secs());
            broken.push(Invalid::new("overlap_seconds", rule));
        }
        let reason = reason.unwrap_or_else(|invalid| {
            broken.push(invalid);
            None
        });
        let task = match self.kind {
            JobKind::Import => JobTask::Import(imports(self.import, &mut broken)),
            JobKind::Export => JobTask::Export(query),
            JobKind::Revoke => JobTask::Revoke(query, reason),
            JobKind::Disable => JobTask::Disable(query),
            JobKind::Enable => JobTask::Enable(query),
            JobKind::Rotate => JobTask::Rotate(query, overlap.unwrap_or_default()),
        };
        if broken.is_empty() { Ok(JobAsked { task, expected: self.expected, dry_run }) } else { Err(broken) }
    }

    /// Fields that this kind of job does not have.
    fn misplaced(&self) -> Vec<Invalid> {
        let kind = self.kind;
        let fields = [
            ("filter", self.filter.is_some(), kind != JobKind::Import),
            ("expected", self.expected.is_some(), kind != JobKind::Import),
            ("dry_run", self.dry_run.is_some(), kind != JobKind::Import),
            ("reason", self.reason.is_some(), kind == JobKind::Revoke),
            ("overlap_seconds", self.overlap_seconds.is_some(), kind == JobKind::Rotate),
            ("import", self.import.is_some(), kind == JobKind::Import),
        ];
        let wrong = fields.into_iter().filter(|(_, is_there, belongs)| *is_there && !belongs);
        wrong
            .map(|(field, ..)| Invalid::new(field, format!("is not for a job of the kind `{kind}`")))
            .collect()
    }
}

const fn changes_keys(kind: JobKind) -> bool {
    match kind {
        JobKind::Import | JobKind::Export => false,
        JobKind::Revoke | JobKind::Disable | JobKind::Enable | JobKind::Rotate => true,
    }
}

fn imports(import: Option<Object<ImportKeys>>, broken: &mut Vec<Invalid>) -> Vec<KeyImport> {
    let Some(Object(import)) = import else {
        broken.push(Invalid::new("import", "must hold the keys"));
        return Vec::new();
    };
    import.parse().unwrap_or_else(|rules| {
        broken.extend(rules.into_iter().map(|rule| rule.at("import")));
        Vec::new()
    })
}

/// How many keys a job would be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobCount {
    /// So many.
    pub total: u64,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct JobListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only jobs that stand there.
    #[param(schema_with = schema::job_state)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Only jobs that do this.
    #[param(schema_with = schema::job_kind)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<JobKind>,
}

/// In which form the result of an export is wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct JobResultQuery {
    /// `ndjson`, one JSON object a line, or, for an export only, `csv`.
    #[param(default = "ndjson", pattern = "^(ndjson|csv)$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// A form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobResultFormat {
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values, with a line of names before them.
    Csv,
}

impl JobResultQuery {
    /// The form.
    ///
    /// # Errors
    /// When there is no such form.
    pub fn parse(&self) -> Result<JobResultFormat, Invalid> {
        match self.format.as_deref() {
            None | Some("ndjson") => Ok(JobResultFormat::Ndjson),
            Some("csv") => Ok(JobResultFormat::Csv),
            Some(_) => Err(Invalid::new("format", "must be one of `ndjson` `csv`")),
        }
    }
}

/// A background job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Which one.
    #[schema(schema_with = schema::job_id)]
    pub id: JobId,
    /// Whose keys it works on.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// What it does.
    #[schema(schema_with = schema::job_kind)]
    pub kind: JobKind,
    /// `waiting`, `running` or `cancelling`; when it is over, `done`, `failed` or `cancelled`. What was done stays whichever it is.
    #[schema(schema_with = schema::job_state)]
    pub state: JobState,
    /// Who asked for it: a person or a key. It may do no more than they may when each step begins.
    #[schema(schema_with = schema::actor)]
    pub actor: String,
    /// What exactly it does, with the moments that its filter means.
    #[schema(schema_with = schema::object)]
    pub parameters: serde_json::Value,
    /// How many keys it was about when it was made.
    pub total: u64,
    /// How many it has handled. Keys that a filter finds no longer when their turn comes are left out.
    pub done: u64,
    /// How many could not be handled.
    pub failed: u64,
    /// Why not; the first 20.
    pub problems: Vec<JobProblemView>,
    /// Why it has failed, or why its last step has to be tried again.
    #[schema(required)]
    pub error: Option<JobErrorView>,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// When its first step began.
    #[schema(schema_with = schema::maybe_time, required)]
    pub started_at: Option<Timestamp>,
    /// When it was over.
    #[schema(schema_with = schema::maybe_time, required)]
    pub ended_at: Option<Timestamp>,
    /// Whether it has a result.
    pub has_result: bool,
    /// Until when its result can be had, and until when it can be tried again if it has failed.
    #[schema(schema_with = schema::maybe_time, required)]
    pub kept_until: Option<Timestamp>,
}

/// Why a job did not handle a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobProblemView {
    /// The key's id; of an import `keys[0]` for its first.
    pub key: String,
    /// One word for programs.
    pub code: String,
    /// What is wrong, in a sentence.
    pub detail: String,
}

/// Why a job has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobErrorView {
    /// One word for programs.
    pub code: String,
    /// What is wrong, in a sentence.
    pub detail: String,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        let has_result = job.result_bytes > 0;
        let problem = |JobProblem { key, code, detail }| JobProblemView { key, code, detail };
        Self {
            id: job.id,
            tenant_id: job.tenant_id,
            kind: job.kind,
            state: job.state,
            actor: job.actor.to_string(),
            parameters: job.parameters,
            total: job.total,
            done: job.done,
            failed: job.failed,
            problems: job.problems.into_iter().map(problem).collect(),
            error: job.error.map(|JobError { code, detail }| JobErrorView { code, detail }),
            created_at: job.created_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            has_result,
            kept_until: job.kept_until,
        }
    }
}

/// The secrets that a job has made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct JobSecrets {
    /// Each with the keys that it is about.
    pub secrets: Vec<JobSecret>,
}

/// A secret that a job has made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct JobSecret {
    /// The key that was rotated.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// The key that has the secret.
    #[schema(schema_with = schema::key_id)]
    pub successor_id: KeyId,
    /// What both are called.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// Shown this once.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub secret: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &serde_json::Value) -> Result<JobAsked, String> {
        let asked: CreateJob = serde_json::from_value(body.clone()).unwrap();
        asked.parse().map_err(|broken| broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn what_changes_keys_says_how_many() {
        let unsaid = parsed(&serde_json::json!({ "kind": "revoke" })).unwrap_err();
        assert!(unsaid.starts_with("expected: "), "{unsaid}");
        assert!(parsed(&serde_json::json!({ "kind": "revoke", "dry_run": true })).unwrap().dry_run);
        assert_eq!(
            parsed(&serde_json::json!({ "kind": "disable", "expected": 0 })).unwrap().expected,
            Some(0)
        );
        assert!(parsed(&serde_json::json!({ "kind": "export" })).is_ok());
    }

    #[test]
    fn each_kind_has_fields_of_its_own() {
        for (body, named) in [
            (serde_json::json!({ "kind": "export", "reason": "x" }), "reason: "),
            (serde_json::json!({ "kind": "import", "filter": {} }), "filter: "),
            (serde_json::json!({ "kind": "import" }), "import: "),
            (serde_json::json!({ "kind": "rotate", "expected": 1 }), "overlap_seconds: "),
            (serde_json::json!({ "kind": "export", "filter": { "unused_days": 0 } }), "filter.unused_days: "),
        ] {
            let refused = parsed(&body).unwrap_err();
            assert!(refused.contains(named), "{body}: {refused}");
        }
    }
}
