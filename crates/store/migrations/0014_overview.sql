-- When a key was last used, with 0 for never, as indexes and pages need it.
ALTER TABLE api_keys ADD COLUMN used_order {int} GENERATED ALWAYS AS (COALESCE(last_used_at, 0)) {derived};

-- For counting the keys of a tenant without reading their rows. Of the two only the second changes with last uses.
CREATE INDEX api_keys_counted ON api_keys (tenant_id, environment, trust_level, kind, enabled, revoked_at, expires_at,
    blocked_reason, secret_created_at) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_used ON api_keys (tenant_id, used_order, id, created_at, enabled, revoked_at, expires_at)
    WHERE deleted_at IS NULL;
