-- What deliveries say, once for all webhooks that are told the same: under the id of the first of them, with how many there are. It goes
-- with the last of them.
CREATE TABLE webhook_messages (
    tenant_id {id} NOT NULL,
    id {id} NOT NULL,
    deliveries {int} NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) {strict};

-- Deliveries of before have a message each, until they are swept.
INSERT INTO webhook_messages (tenant_id, id, deliveries, body)
    SELECT tenant_id, id, 1, body FROM webhook_deliveries;
ALTER TABLE webhook_deliveries ADD COLUMN message_id {id} NOT NULL DEFAULT '';
UPDATE webhook_deliveries SET message_id = id;
ALTER TABLE webhook_deliveries DROP COLUMN body;
