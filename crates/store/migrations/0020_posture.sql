-- What became of the events of a space, once for each length of step: 1, 60 or 1,440 minutes, as in `tenant_usage`. The minute is
-- that in which they were received.
CREATE TABLE event_counts (
    space {int} NOT NULL,
    step {int} NOT NULL,
    minute {int} NOT NULL,
    outcome {id} NOT NULL,
    counted {int} NOT NULL,
    PRIMARY KEY (space, step, minute, outcome)
) {clustered};

-- For what is swept.
CREATE INDEX event_counts_minute ON event_counts (minute);

-- When each source last sent events, in which stream, and how many lately: a number for each of the last minutes and hours, so
-- that a row stays as it is large, and there is one for each source however long it sends.
CREATE TABLE source_activity (
    source {int} NOT NULL PRIMARY KEY,
    space {int} NOT NULL,
    stream {int} NOT NULL,
    last_seen_at {int} NOT NULL,
    recent {blob} NOT NULL
) {strict};

-- The sources that were heard last.
CREATE INDEX source_activity_seen ON source_activity (space, last_seen_at, source);

-- For counting the active keys of a source without reading their rows.
CREATE INDEX api_keys_of_source_counted ON api_keys (tenant_id, source_id {by_bytes}, environment, enabled, revoked_at,
    expires_at) WHERE source_id IS NOT NULL AND deleted_at IS NULL;
