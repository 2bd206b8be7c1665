-- The same decisions as in `key_usage`, of all keys of a tenant together, once for each length of step: 1, 60 or 1,440
-- minutes. A series of any length is read from as few rows as it has points, whatever the number of keys.
CREATE TABLE tenant_usage (
    tenant_id {id} NOT NULL,
    step {int} NOT NULL,
    minute {int} NOT NULL,
    environment {id} NOT NULL,
    code {id} NOT NULL,
    latency {id} NOT NULL,
    counted {int} NOT NULL,
    PRIMARY KEY (tenant_id, step, minute, environment, code, latency)
) {strict};

-- For what is swept.
CREATE INDEX tenant_usage_minute ON tenant_usage (minute);

-- What was counted before this table was there.
INSERT INTO tenant_usage (tenant_id, step, minute, environment, code, latency, counted)
SELECT key_usage.tenant_id, steps.step, key_usage.minute - key_usage.minute % steps.step, api_keys.environment,
    key_usage.code, key_usage.latency, CAST(SUM(key_usage.counted) AS BIGINT)
FROM key_usage
JOIN api_keys ON api_keys.tenant_id = key_usage.tenant_id AND api_keys.id = key_usage.key_id
CROSS JOIN (SELECT CAST(1 AS BIGINT) AS step UNION ALL SELECT 60 UNION ALL SELECT 1440) AS steps
GROUP BY 1, 2, 3, 4, 5, 6;
