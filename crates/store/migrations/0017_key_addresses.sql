-- From where each key was used lately, a few addresses of each. Keys are not referred to: rows are written in batches for
-- keys that were just read, and are swept by age. The day, counted from 1970, is that of the last use: an index on it is
-- left alone by nearly all of them.
CREATE TABLE key_addresses (
    tenant_id {id} NOT NULL,
    key_id {id} NOT NULL,
    ip {id} NOT NULL,
    first_seen_at {int} NOT NULL,
    last_seen_at {int} NOT NULL,
    last_seen_day {int} GENERATED ALWAYS AS (last_seen_at / 86400000) {derived},
    PRIMARY KEY (tenant_id, key_id, ip)
) {strict};

-- For what is swept.
CREATE INDEX key_addresses_day ON key_addresses (last_seen_day);

-- What is known already: the last address of each key.
INSERT INTO key_addresses (tenant_id, key_id, ip, first_seen_at, last_seen_at)
SELECT tenant_id, id, last_used_ip, last_used_at, last_used_at FROM api_keys
WHERE last_used_ip IS NOT NULL AND last_used_at IS NOT NULL;
