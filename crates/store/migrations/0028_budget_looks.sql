-- The most that was spent of a period when it was last looked at for what is told, and whether more was charged since, 1 or 0. What was spent
-- before this is no news.
ALTER TABLE budgets ADD COLUMN looked_nano {int} NOT NULL DEFAULT 0;
ALTER TABLE budgets ADD COLUMN is_changed {int} NOT NULL DEFAULT 0;
UPDATE budgets SET looked_nano = spent_nano WHERE spent_nano > 0;

-- Only a charge that is the first since a look changes this index.
CREATE INDEX budgets_changed ON budgets (tenant_id, lineage_id, first_day, period) WHERE is_changed = 1;
-- The periods of a tenant that are not over.
CREATE INDEX budgets_of_tenant ON budgets (tenant_id, end_day);
-- The keys of a lineage that have a budget.
CREATE INDEX api_keys_budgeted ON api_keys (tenant_id, lineage_id, id)
    WHERE deleted_at IS NULL AND max_budget_nano_usd IS NOT NULL;
