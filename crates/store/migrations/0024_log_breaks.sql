-- From when on the request log of a tenant has what its settings ask for, but for what has grown old by them since. Nobody knows what
-- the settings of older rows were.
ALTER TABLE tenants ADD COLUMN log_whole_from {int} NOT NULL DEFAULT 0;

-- Spans of time of which nobody can tell how many requests of any tenant are missing in the log. One without an end is the server that
-- runs: everything before `since` is written, or counted. If the server is ended by force, the next one gives it an end.
CREATE TABLE request_breaks (
    since {int} NOT NULL,
    until {int}
) {strict};
