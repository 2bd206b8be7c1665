-- What is used of limits with long windows, so that a restart does not give it back. `owner` is the id of the first key
-- of a lineage, of a customer, an application or a tenant; `used` a list of limits with their levels at `at`.
CREATE TABLE limit_use (
    owner {id} NOT NULL PRIMARY KEY,
    used TEXT NOT NULL,
    at {int} NOT NULL,
    spent_at {int} NOT NULL
) {strict};

CREATE INDEX limit_use_spent ON limit_use (spent_at);
