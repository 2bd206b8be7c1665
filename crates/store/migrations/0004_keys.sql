-- Whether a key has a successor.
CREATE INDEX api_keys_successor ON api_keys (tenant_id, rotated_from_key_id) WHERE rotated_from_key_id IS NOT NULL;

-- The questions for a tag that find a key, as digests; see src/tags.rs. Keys that are there get theirs from the program.
CREATE TABLE key_tags (
    tenant_id {id} NOT NULL,
    key_id {id} NOT NULL,
    tag {blob} NOT NULL,
    PRIMARY KEY (tenant_id, key_id, tag)
) {strict};

CREATE INDEX key_tags_tag ON key_tags (tenant_id, tag, key_id);

-- Requests that carry an idempotency key. `scope` and `request` are digests; `answer` is sealed with a key that is not here.
CREATE TABLE idempotent_requests (
    scope {blob} NOT NULL PRIMARY KEY,
    request {blob} NOT NULL,
    owner {blob} NOT NULL,
    begun_at {int} NOT NULL,
    committed {int} NOT NULL,
    answer {blob},
    expires_at {int} NOT NULL
) {strict};

CREATE INDEX idempotent_requests_expired ON idempotent_requests (expires_at);
