-- Servers that serve from one database together; empty where one serves alone. `server` names the node where budgets are leased,
-- `lease_until` is by the clock of the database, `beat` counts renewals, and `applied` is a snapshot: all changes that it sees have reached
-- the memory of the node. `revision` is the last of them.
CREATE TABLE nodes (
    id {id} NOT NULL PRIMARY KEY,
    server {blob} NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at {int} NOT NULL,
    lease_millis {int} NOT NULL,
    lease_until {int} NOT NULL,
    beat {int} NOT NULL,
    applied TEXT NOT NULL,
    revision {int} NOT NULL
) {strict};

-- Which node has the log that is not ended; empty for a server that serves alone.
ALTER TABLE request_breaks ADD COLUMN node {id} NOT NULL DEFAULT '';
