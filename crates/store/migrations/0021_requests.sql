-- Which requests are logged (`all`, `refused` or `none`), and for how many days the log is kept.
ALTER TABLE tenants ADD COLUMN log_requests TEXT NOT NULL DEFAULT 'all';
ALTER TABLE tenants ADD COLUMN log_days {int} NOT NULL DEFAULT 30;

-- Every decision and every call of the API, by when it was answered, which the id tells: a page of a list, and what has
-- grown old, lie together. Ids are kept as their 128 bits, as there are many in each row. Nothing is referred to, as rows come and go
-- in batches. `asked_by` is the key of a service that asked about another; `person` is who called.
CREATE TABLE requests (
    tenant_id {blob} NOT NULL,
    id {blob} NOT NULL,
    face {id} NOT NULL,
    environment {id},
    application_id {blob},
    customer_id {blob},
    key_id {blob},
    asked_by {blob},
    person {blob},
    method {id},
    path {id},
    ip {id},
    user_agent TEXT,
    code {id} NOT NULL,
    status {int},
    duration_micros {int},
    bytes_in {int},
    bytes_out {int},
    request_id {id},
    PRIMARY KEY (tenant_id, id)
) {clustered};

-- What was done with a key is two spans of time, as few rows as there are.
CREATE INDEX requests_of_key ON requests (key_id, id) WHERE key_id IS NOT NULL;
CREATE INDEX requests_asked_by ON requests (asked_by, id) WHERE asked_by IS NOT NULL;

-- Requests of a minute that found no room on their way here.
CREATE TABLE request_gaps (
    tenant_id {blob} NOT NULL,
    minute {int} NOT NULL,
    missing {int} NOT NULL,
    PRIMARY KEY (tenant_id, minute)
) {clustered};
