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

-- The jobs that are not over, in the order in which they were made: of a tenant the first is worked on.
CREATE INDEX jobs_queue ON jobs (tenant_id, id) WHERE ended_at IS NULL;
CREATE INDEX jobs_served ON jobs (tenant_id, served_at);
CREATE INDEX jobs_kept ON jobs (kept_until) WHERE kept_until IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (kind) WHERE state = 'failed';
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
-- Jobs of a tenant that have a result, of which few exports are kept.
CREATE INDEX jobs_results ON jobs (tenant_id, id) WHERE result_bytes > 0;

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

-- Which keys sealed what jobs have made, looked at when a server starts.
CREATE INDEX job_chunks_sealed ON job_chunks (sealed_by) WHERE sealed_by IS NOT NULL;
