-- How often each decision about a key was made in a minute, minutes counted from 1970, and how long it waited for its
-- key. Keys are not referred to: rows are written in batches for keys that were just read, and are swept by age.
CREATE TABLE key_usage (
    tenant_id {id} NOT NULL,
    key_id {id} NOT NULL,
    minute {int} NOT NULL,
    code {id} NOT NULL,
    latency {id} NOT NULL,
    counted {int} NOT NULL,
    PRIMARY KEY (tenant_id, key_id, minute, code, latency)
) {strict};

-- For what is swept.
CREATE INDEX key_usage_minute ON key_usage (minute);

-- Batches that were added, so that none is added twice.
CREATE TABLE usage_batches (
    id {blob} NOT NULL PRIMARY KEY,
    added_at {int} NOT NULL
) {strict};

CREATE INDEX usage_batches_added ON usage_batches (added_at);
