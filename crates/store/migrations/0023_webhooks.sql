-- Whom tenants want told of their keys. `sealed` is the secret that messages are signed with, `old_sealed` the one before, which
-- signs beside it until `old_secret_until`.
CREATE TABLE webhooks (
    tenant_id {id} NOT NULL REFERENCES tenants (id),
    id {id} NOT NULL,
    url TEXT NOT NULL,
    description TEXT,
    events TEXT NOT NULL,
    environments TEXT NOT NULL,
    disabled_at {int},
    disabled_why TEXT,
    created_at {int} NOT NULL,
    old_secret_until {int},
    last_success_at {int},
    unreachable_since {int},
    version {int} NOT NULL,
    sealed_by {blob} NOT NULL,
    sealed {blob} NOT NULL,
    old_sealed_by {blob},
    old_sealed {blob},
    PRIMARY KEY (tenant_id, id)
) {strict};

-- Of a tenant with webhooks: up to which place its log was told, and how many deliveries it has had. Whoever adds deliveries, or
-- changes which of them are due, holds the lock of this row.
CREATE TABLE webhook_tenants (
    tenant_id {id} NOT NULL PRIMARY KEY,
    told {int} NOT NULL,
    deliveries {int} NOT NULL
) {strict};

-- Messages to webhooks, in the order of `place`. Of the pending ones of a key only the first has a moment at which it is due, also when
-- its webhook is off: whoever sends asks whether it is on. Without foreign keys, as they outlive their webhook until they are swept.
CREATE TABLE webhook_deliveries (
    tenant_id {id} NOT NULL,
    id {id} NOT NULL,
    webhook_id {id} NOT NULL,
    place {int} NOT NULL,
    key_id {id} NOT NULL,
    event TEXT NOT NULL,
    happened_at {int} NOT NULL,
    made_at {int} NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts {int} NOT NULL,
    due_at {int},
    first_tried_at {int},
    tried_at {int},
    millis {int},
    status {int},
    error TEXT,
    excerpt TEXT,
    PRIMARY KEY (tenant_id, id)
) {strict};

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, key_id, place, made_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (tenant_id, webhook_id, id);
-- What was given up, to be sent anew.
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (tenant_id, webhook_id, id) WHERE state = 'failed';
CREATE INDEX webhook_deliveries_made ON webhook_deliveries (made_at);

-- What was told of a key that became true by time alone: of each kind the last. Rows come with batches, so keys are not referred to.
CREATE TABLE key_notices (
    tenant_id {id} NOT NULL,
    key_id {id} NOT NULL,
    kind {id} NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (tenant_id, key_id, kind)
) {strict};
