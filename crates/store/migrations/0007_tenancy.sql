-- Invitations that are open. One that was accepted or taken back is gone; the audit log tells of it.
CREATE TABLE invitations (
    tenant_id {id} NOT NULL REFERENCES tenants (id),
    id {id} NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    digest {blob} NOT NULL,
    invited_by {id} NOT NULL REFERENCES persons (id),
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {strict};

CREATE UNIQUE INDEX invitations_email ON invitations (tenant_id, email);
CREATE UNIQUE INDEX invitations_digest ON invitations (digest);

ALTER TABLE applications ADD COLUMN description TEXT;
ALTER TABLE applications ADD COLUMN archived_at {int};
ALTER TABLE applications ADD COLUMN version {int} NOT NULL DEFAULT 1;

CREATE TABLE permissions (
    tenant_id {id} NOT NULL,
    application_id {id} NOT NULL,
    name {id} NOT NULL,
    label TEXT NOT NULL,
    description TEXT,
    PRIMARY KEY (tenant_id, name, application_id),
    FOREIGN KEY (tenant_id, application_id) REFERENCES applications (tenant_id, id)
) {strict};

CREATE INDEX permissions_application ON permissions (tenant_id, application_id, name);

CREATE TABLE customers (
    tenant_id {id} NOT NULL REFERENCES tenants (id),
    id {id} NOT NULL,
    name TEXT NOT NULL,
    name_search TEXT NOT NULL,
    external_id TEXT,
    metadata TEXT NOT NULL,
    created_at {int} NOT NULL,
    archived_at {int},
    version {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {strict};

CREATE UNIQUE INDEX customers_external_id ON customers (tenant_id, external_id);

-- Until now a key could name a customer that nobody knew. Each becomes one, called by its id.
INSERT INTO customers (tenant_id, id, name, name_search, metadata, created_at, version)
SELECT tenant_id, customer_id, customer_id, LOWER(customer_id), '{}', MIN(created_at), 1
FROM api_keys WHERE customer_id IS NOT NULL GROUP BY tenant_id, customer_id;

-- SQLite can add a foreign key only to a new table.
ALTER TABLE api_keys RENAME TO api_keys_before;

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
    app_id {id},
    FOREIGN KEY (tenant_id, application_id) REFERENCES applications (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
) {strict};

INSERT INTO api_keys (
    id, tenant_id, application_id, customer_id, name, name_search, environment, kind, issued_to_service,
    issued_to_user_id, allowed_models, source_id, trust_level, scopes, allowed_ips, rpm_limit, tpm_limit,
    rate_limits, max_budget_nano_usd, budget_period, spend_nano_usd, enabled, blocked_reason, revoked_at,
    revoked_reason, expires_at, last_used_at, last_used_ip, digest, prefix, key_prefix, last4,
    secret_created_at, rotated_from_key_id, lineage_id, created_by, updated_by, created_at, updated_at,
    deleted_at, deleted_by, source, source_type, tags, metadata, version, schema_version, app_id
) SELECT
    id, tenant_id, application_id, customer_id, name, name_search, environment, kind, issued_to_service,
    issued_to_user_id, allowed_models, source_id, trust_level, scopes, allowed_ips, rpm_limit, tpm_limit,
    rate_limits, max_budget_nano_usd, budget_period, spend_nano_usd, enabled, blocked_reason, revoked_at,
    revoked_reason, expires_at, last_used_at, last_used_ip, digest, prefix, key_prefix, last4,
    secret_created_at, rotated_from_key_id, lineage_id, created_by, updated_by, created_at, updated_at,
    deleted_at, deleted_by, source, source_type, tags, metadata, version, schema_version, app_id
FROM api_keys_before;

DROP TABLE api_keys_before;

CREATE UNIQUE INDEX api_keys_digest ON api_keys (digest);

-- The default list, and the list with deleted keys: a page costs a page.
CREATE INDEX api_keys_listed ON api_keys (tenant_id, id) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_all ON api_keys (tenant_id, id);

-- Whether a key has a successor.
CREATE INDEX api_keys_successor ON api_keys (tenant_id, rotated_from_key_id) WHERE rotated_from_key_id IS NOT NULL;
