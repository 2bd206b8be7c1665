-- Periods of budgets, each made when a part of it is first asked for, with what was spent in it until then. In each `spent_nano`, together with
-- what is leased of all periods of the lineage that share a day with it, is at most what the budget allows; that is kept by the one
-- statement that leases more. Days are counted since 1970-01-01; `end_day` is the first that is no longer in the period.
CREATE TABLE budgets (
    lineage_id {id} NOT NULL,
    period {id} NOT NULL,
    first_day {int} NOT NULL,
    end_day {int} NOT NULL,
    tenant_id {id} NOT NULL,
    spent_nano {int} NOT NULL,
    leased_nano {int} NOT NULL,
    PRIMARY KEY (lineage_id, period, first_day)
) {strict};

CREATE INDEX budgets_end ON budgets (end_day);

-- Which run of which server has leased how much. Their sum for a period is its `leased_nano`.
CREATE TABLE budget_leases (
    server {blob} NOT NULL,
    lineage_id {id} NOT NULL,
    period {id} NOT NULL,
    first_day {int} NOT NULL,
    leased_nano {int} NOT NULL,
    PRIMARY KEY (server, lineage_id, period, first_day)
) {strict};

-- Whoever makes a period of a budget, or writes what was spent, locks this row first: else one could miss what the other does.
CREATE TABLE budget_guard (
    one {int} NOT NULL PRIMARY KEY
) {strict};
INSERT INTO budget_guard (one) VALUES (1);

-- Holds that were open when their server last wrote. Rows come in batches, so keys are not referred to, here and below.
CREATE TABLE holds (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    server {blob} NOT NULL,
    key_id {id} NOT NULL,
    lineage_id {id},
    application_id {id} NOT NULL,
    customer_id {id},
    environment TEXT NOT NULL,
    origin TEXT NOT NULL,
    opened_at {int} NOT NULL,
    deadline_at {int} NOT NULL,
    tokens {int} NOT NULL,
    cost_nano {int} NOT NULL,
    period TEXT,
    first_day {int},
    model TEXT NOT NULL,
    request_id TEXT NOT NULL
) {strict};

CREATE INDEX holds_of_tenant ON holds (tenant_id, id);
CREATE INDEX holds_of_key ON holds (tenant_id, key_id, id);
CREATE INDEX holds_of_server ON holds (server, id);

-- What was charged; rows are added and never changed. The id tells when. A hold is charged once.
CREATE TABLE ledger (
    tenant_id {id} NOT NULL,
    id {id} NOT NULL,
    kind TEXT NOT NULL,
    key_id {id} NOT NULL,
    lineage_id {id} NOT NULL,
    application_id {id} NOT NULL,
    customer_id {id},
    environment TEXT NOT NULL,
    opened_at {int} NOT NULL,
    hold_id {id},
    model {id} NOT NULL,
    provider_id {id},
    price_version {int},
    basis TEXT,
    input {int} NOT NULL,
    cached_input {int} NOT NULL,
    cache_write {int} NOT NULL,
    output {int} NOT NULL,
    images {int} NOT NULL,
    characters {int} NOT NULL,
    audio_millis {int} NOT NULL,
    held_nano {int} NOT NULL,
    cost_nano {int} NOT NULL,
    request_id TEXT NOT NULL,
    corrects {id},
    reason TEXT,
    by_actor TEXT,
    PRIMARY KEY (tenant_id, id)
) {strict};

CREATE UNIQUE INDEX ledger_hold ON ledger (hold_id);
CREATE INDEX ledger_of_key ON ledger (tenant_id, key_id, id);
CREATE INDEX ledger_of_model ON ledger (tenant_id, model, id);
CREATE INDEX ledger_unusual ON ledger (tenant_id, kind, id) WHERE kind <> 'charge';
CREATE INDEX ledger_corrections ON ledger (tenant_id, corrects) WHERE corrects IS NOT NULL;

-- The sums of the ledger, by the day on which requests began. Who has no provider or customer has an empty text for it.
CREATE TABLE spend (
    tenant_id {id} NOT NULL,
    day {int} NOT NULL,
    key_id {id} NOT NULL,
    model {id} NOT NULL,
    provider_id {id} NOT NULL,
    customer_id {id} NOT NULL,
    application_id {id} NOT NULL,
    lineage_id {id} NOT NULL,
    requests {int} NOT NULL,
    input {int} NOT NULL,
    cached_input {int} NOT NULL,
    cache_write {int} NOT NULL,
    output {int} NOT NULL,
    cost_nano {int} NOT NULL,
    PRIMARY KEY (tenant_id, day, key_id, model, provider_id, customer_id)
) {clustered};

CREATE INDEX spend_of_lineage ON spend (lineage_id, day, cost_nano);
