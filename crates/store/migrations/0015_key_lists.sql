-- When a key expires, with the end of time for never, as indexes and pages need it.
ALTER TABLE api_keys ADD COLUMN ends_order {int} GENERATED ALWAYS AS (COALESCE(expires_at, 9223372036854775807)) {derived};

-- A page of a sorted list costs a page. Names are ordered byte by byte.
CREATE INDEX api_keys_named ON api_keys (tenant_id, name_search {by_bytes}, id) WHERE deleted_at IS NULL;
CREATE INDEX api_keys_ending ON api_keys (tenant_id, ends_order, id) WHERE deleted_at IS NULL;

-- The default list again, so that a search in names passes over rows without reading them.
CREATE INDEX api_keys_searched ON api_keys (tenant_id, id, name_search) WHERE deleted_at IS NULL;
DROP INDEX api_keys_listed;
