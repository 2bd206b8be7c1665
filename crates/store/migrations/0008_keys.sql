-- Whether a key has a successor.
CREATE INDEX api_keys_successor ON api_keys (tenant_id, rotated_from_key_id) WHERE rotated_from_key_id IS NOT NULL;
