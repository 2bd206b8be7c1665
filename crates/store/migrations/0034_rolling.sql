-- How many tokens a hold was for that a row charges, so that whoever settles it once more is told the same. Rows from before do not tell.
ALTER TABLE ledger ADD COLUMN tokens_held {int};

-- The oldest schema whose servers may go on serving when this step was done. Of steps from before this one: none but its own.
ALTER TABLE schema_migrations ADD COLUMN survived_by {int};

-- The last step that a node knows. Nodes from before this one do not tell; they know 32.
ALTER TABLE nodes ADD COLUMN knows_schema {int};
