ALTER TABLE tenants ADD COLUMN event_days {int} NOT NULL DEFAULT 90;
ALTER TABLE tenants ADD COLUMN less_trusted_overwrites {int} NOT NULL DEFAULT 0;

-- Short numbers for what many events have in common: an environment of a tenant, a source within it, and what else is
-- stamped on an event from its key. Rows are never changed or removed.
CREATE TABLE event_spaces (
    id {int} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL REFERENCES tenants (id),
    environment {id} NOT NULL,
    UNIQUE (tenant_id, environment)
) {strict};

CREATE TABLE event_sources (
    id {int} NOT NULL PRIMARY KEY,
    space {int} NOT NULL REFERENCES event_spaces (id),
    source_id {id} NOT NULL,
    UNIQUE (space, source_id)
) {strict};

CREATE TABLE event_streams (
    id {int} NOT NULL PRIMARY KEY,
    source {int} NOT NULL REFERENCES event_sources (id),
    application_id {id} NOT NULL,
    key_id {id} NOT NULL,
    trust_level {id} NOT NULL,
    UNIQUE (source, key_id, application_id, trust_level)
) {strict};

-- Events by when they happened, which the id tells: a page of a list, and what has grown old, lie together. `entity` is a
-- digest of the entity's name. Nothing is referred to, as rows come and go in batches.
CREATE TABLE events (
    space {int} NOT NULL,
    id {blob} NOT NULL,
    source {int} NOT NULL,
    stream {int} NOT NULL,
    entity {int} NOT NULL,
    source_event_id {id},
    received_at {int} NOT NULL,
    event_type {id} NOT NULL,
    entity_type {id} NOT NULL,
    entity_id {id} NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (space, id)
) {clustered};

-- What a source has given an id is kept once.
CREATE UNIQUE INDEX events_said ON events (source, source_event_id) WHERE source_event_id IS NOT NULL;
CREATE INDEX events_of_entity ON events (entity, id);

-- What is known of an entity: of each field the value, when it was so, and who said it.
CREATE TABLE entities (
    space {int} NOT NULL,
    entity_type {id} NOT NULL,
    entity_id {id} NOT NULL,
    first_seen {int} NOT NULL,
    last_seen {int} NOT NULL,
    latest_source_id {id} NOT NULL,
    latest_trust_level {id} NOT NULL,
    counted {int} NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (space, entity_type, entity_id)
) {clustered};
