-- Keys that stand otherwise since a change, and the secret that it replaced, until the revocation journal outside of the database has been
-- told. Written with the change, so that a server that is killed before it tells the journal does so at its next start.
CREATE TABLE key_ends (
    key_id {id} NOT NULL,
    version {int} NOT NULL,
    replaced {blob},
    PRIMARY KEY (key_id, version)
) {clustered};

-- The revocation journals that this database was told to, of each node one, so that another one, or none, is noticed.
CREATE TABLE revocation_journals (
    journal_id {id} NOT NULL PRIMARY KEY
) {strict};
