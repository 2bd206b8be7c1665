-- What becomes of keys that are reported as leaked: `notify`, `block` or `revoke`.
ALTER TABLE tenants ADD COLUMN on_leak TEXT NOT NULL DEFAULT 'notify';

-- Keys that were reported as leaked, with what was done about it; `digest` is that of the secret, which may be replaced since.
-- Without foreign keys, like the log.
CREATE TABLE leak_reports (
    tenant_id {id} NOT NULL,
    id {id} NOT NULL,
    key_id {id} NOT NULL,
    digest {blob} NOT NULL,
    reported_at {int} NOT NULL,
    source TEXT NOT NULL,
    place TEXT,
    done TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {strict};

CREATE INDEX leak_reports_key ON leak_reports (tenant_id, key_id, id);
