-- The place of an entry in its tenant's chain, and the hashes that hold it there; null until it is sealed.
ALTER TABLE audit_entries ADD COLUMN seq {int};
ALTER TABLE audit_entries ADD COLUMN previous {blob};
ALTER TABLE audit_entries ADD COLUMN hash {blob};

CREATE UNIQUE INDEX audit_sealed ON audit_entries (tenant_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_unsealed ON audit_entries (tenant_id, id) WHERE seq IS NULL;

-- Where each chain ends. Whoever seals holds the lock of this row.
CREATE TABLE audit_chains (
    tenant_id {id} NOT NULL PRIMARY KEY,
    seq {int} NOT NULL,
    hash {blob} NOT NULL
) {strict};
