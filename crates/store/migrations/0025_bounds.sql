-- The jobs that are not over, in the order in which they were made: of a tenant the first is worked on.
CREATE INDEX jobs_queue ON jobs (tenant_id, id) WHERE ended_at IS NULL;
DROP INDEX jobs_open;
-- Jobs of a tenant that have a result, of which few exports are kept.
CREATE INDEX jobs_results ON jobs (tenant_id, id) WHERE result_bytes > 0;
-- Which keys sealed what jobs have made, looked at when a server starts.
CREATE INDEX job_chunks_sealed ON job_chunks (sealed_by) WHERE sealed_by IS NOT NULL;
-- What was given up, to be sent anew.
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (tenant_id, webhook_id, id) WHERE state = 'failed';
-- Of the pending deliveries of a key the first is due, now also when its webhook is off: whoever sends asks whether it is on.
UPDATE webhook_deliveries SET due_at = made_at WHERE state = 'pending' AND due_at IS NULL AND NOT EXISTS
    (SELECT 1 FROM webhook_deliveries AS earlier WHERE earlier.webhook_id = webhook_deliveries.webhook_id
        AND earlier.key_id = webhook_deliveries.key_id AND earlier.state = 'pending'
        AND earlier.place < webhook_deliveries.place);
