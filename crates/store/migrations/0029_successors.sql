-- Successors are asked for in the order of their ids. Without the id in this index an engine may rather go through all keys of the tenant,
-- which have that order.
DROP INDEX api_keys_successor;
CREATE INDEX api_keys_successor ON api_keys (tenant_id, rotated_from_key_id, id) WHERE rotated_from_key_id IS NOT NULL;
