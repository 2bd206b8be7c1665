-- Background jobs. `claims` counts how often one was taken up: whoever holds an older number writes nothing any more.
-- `place` is behind what the next step goes on. Without foreign keys to what they are about, like the log.
CREATE TABLE jobs (
    tenant_id {id} NOT NULL REFERENCES tenants (id),
    id {id} NOT NULL,
    kind {id} NOT NULL,
    state {id} NOT NULL,
    actor {id} NOT NULL,
    ip TEXT,
    request_id TEXT,
    parameters TEXT NOT NULL,
    last_key {id},
    total {int} NOT NULL,
    done {int} NOT NULL,
    failed {int} NOT NULL,
    place TEXT,
    attempts {int} NOT NULL,
    due_at {int} NOT NULL,
    problems TEXT NOT NULL,
    error_code TEXT,
    error_detail TEXT,
    created_at {int} NOT NULL,
    started_at {int},
    ended_at {int},
    result_bytes {int} NOT NULL,
    kept_until {int},
    claims {int} NOT NULL,
    leased_until {int},
    served_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {strict};

-- Few jobs are not over, and of one tenant a bounded number.
CREATE INDEX jobs_open ON jobs (tenant_id, due_at) WHERE ended_at IS NULL;
CREATE INDEX jobs_served ON jobs (tenant_id, served_at);
CREATE INDEX jobs_kept ON jobs (kept_until) WHERE kept_until IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (kind) WHERE state = 'failed';
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;

-- Keys that an import is to add, as many as one step adds in each row.
CREATE TABLE job_inputs (
    tenant_id {id} NOT NULL,
    job_id {id} NOT NULL,
    number {int} NOT NULL,
    keys TEXT NOT NULL,
    PRIMARY KEY (tenant_id, job_id, number)
) {strict};

-- What a job has come to, piece by piece; sealed where it holds secrets.
CREATE TABLE job_chunks (
    tenant_id {id} NOT NULL,
    job_id {id} NOT NULL,
    number {int} NOT NULL,
    content {blob} NOT NULL,
    sealed_by {blob},
    PRIMARY KEY (tenant_id, job_id, number)
) {strict};
