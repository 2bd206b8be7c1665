-- What the log tells of one thing, the last first. Entries get into it when they are sealed, not with the change that they tell of.
CREATE INDEX audit_of_target ON audit_entries (tenant_id, target {by_bytes}, seq) WHERE seq IS NOT NULL;

-- The keys of one application, customer or source, and those that are blocked, newest first: of few among many a page costs a page,
-- too. All but the first hold only keys that have what they are about.
CREATE INDEX api_keys_of_application ON api_keys (tenant_id, application_id, id) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_of_customer ON api_keys (tenant_id, customer_id, id)
    WHERE customer_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX api_keys_of_source ON api_keys (tenant_id, source_id {by_bytes}, id)
    WHERE source_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX api_keys_blocked ON api_keys (tenant_id, id) WHERE blocked_reason IS NOT NULL AND deleted_at IS NULL;
