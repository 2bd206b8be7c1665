-- In which environment the key of a sum works, so that spending can be told of one. A key never changes its own.
ALTER TABLE spend ADD COLUMN environment {id} NOT NULL DEFAULT 'production';
UPDATE spend SET environment =
    (SELECT api_keys.environment FROM api_keys WHERE api_keys.tenant_id = spend.tenant_id AND api_keys.id = spend.key_id)
WHERE EXISTS
    (SELECT 1 FROM api_keys WHERE api_keys.tenant_id = spend.tenant_id AND api_keys.id = spend.key_id);

-- What one key has spent, however many there are.
CREATE INDEX spend_of_key ON spend (key_id, day);
-- What one key was charged for one model, latest first, however many models it uses.
CREATE INDEX ledger_of_key_and_model ON ledger (tenant_id, key_id, model, id);
