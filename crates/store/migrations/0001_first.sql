-- Words in braces are spelled by each engine; see src/dialect.rs. Times are milliseconds since 1970 in UTC,
-- money is nano-dollars, lists and objects are JSON texts, truths are 0 and 1.

CREATE TABLE tenants (
    id {id} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    key_label TEXT NOT NULL,
    created_at {int} NOT NULL
) {strict};

CREATE TABLE persons (
    id {id} NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at {int} NOT NULL,
    disabled_at {int}
) {strict};

CREATE UNIQUE INDEX persons_email ON persons (email);

CREATE TABLE memberships (
    person_id {id} NOT NULL REFERENCES persons (id),
    tenant_id {id} NOT NULL REFERENCES tenants (id),
    role TEXT NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (person_id, tenant_id)
) {strict};

CREATE INDEX memberships_tenant ON memberships (tenant_id, person_id);

CREATE TABLE applications (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    created_at {int} NOT NULL,
    UNIQUE (tenant_id, id)
) {strict};

CREATE UNIQUE INDEX applications_name ON applications (tenant_id, name);

CREATE TABLE api_keys (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    application_id {id} NOT NULL,
    customer_id {id},
    name TEXT NOT NULL,
    name_search TEXT NOT NULL,
    environment TEXT NOT NULL,
    kind TEXT NOT NULL,
    issued_to_service TEXT,
    issued_to_user_id TEXT,
    allowed_models TEXT,
    source_id TEXT,
    trust_level TEXT NOT NULL,
    scopes TEXT NOT NULL,
    allowed_ips TEXT NOT NULL,
    rpm_limit {int},
    tpm_limit {int},
    rate_limits TEXT NOT NULL,
    max_budget_nano_usd {int},
    budget_period TEXT NOT NULL,
    spend_nano_usd {int} NOT NULL,
    enabled {int} NOT NULL,
    blocked_reason TEXT,
    revoked_at {int},
    revoked_reason TEXT,
    expires_at {int},
    last_used_at {int},
    last_used_ip TEXT,
    digest {blob} NOT NULL,
    prefix TEXT NOT NULL,
    key_prefix TEXT NOT NULL,
    last4 TEXT NOT NULL,
    secret_created_at {int} NOT NULL,
    rotated_from_key_id {id},
    lineage_id {id} NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    deleted_at {int},
    deleted_by TEXT,
    source TEXT,
    source_type TEXT NOT NULL,
    tags TEXT NOT NULL,
    metadata TEXT NOT NULL,
    version {int} NOT NULL,
    schema_version {int} NOT NULL,
    FOREIGN KEY (tenant_id, application_id) REFERENCES applications (tenant_id, id)
) {strict};

CREATE UNIQUE INDEX api_keys_digest ON api_keys (digest);

-- The default list, and the list with deleted keys: a page costs a page.
CREATE INDEX api_keys_listed ON api_keys (tenant_id, id) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_all ON api_keys (tenant_id, id);

-- Secrets that were replaced. They stay taken, so that an old secret never opens another key.
CREATE TABLE retired_secrets (
    digest {blob} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    key_id {id} NOT NULL,
    retired_at {int} NOT NULL
) {strict};

-- Without foreign keys: the log outlives what it tells of.
CREATE TABLE audit_entries (
    tenant_id {id} NOT NULL,
    id {id} NOT NULL,
    at {int} NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    ip TEXT,
    request_id TEXT,
    changes TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {strict};
