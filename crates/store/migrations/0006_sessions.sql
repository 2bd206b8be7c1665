-- Failed attempts to sign in since the last that succeeded, and from when on the next is looked at.
ALTER TABLE persons ADD COLUMN failed_sign_ins {int} NOT NULL DEFAULT 0;
ALTER TABLE persons ADD COLUMN retry_at {int} NOT NULL DEFAULT 0;

-- Counts the attempts that no person's row counts, so that they cost the same.
CREATE TABLE refused_sign_ins (
    id {int} NOT NULL PRIMARY KEY,
    count {int} NOT NULL
) {strict};

INSERT INTO refused_sign_ins (id, count) VALUES (1, 0);

CREATE TABLE sessions (
    id {id} NOT NULL PRIMARY KEY,
    person_id {id} NOT NULL REFERENCES persons (id),
    tenant_id {id},
    created_at {int} NOT NULL,
    refreshed_at {int} NOT NULL,
    ended_at {int},
    end_reason TEXT,
    ip TEXT,
    user_agent TEXT,
    second_factor {int} NOT NULL
) {strict};

CREATE INDEX sessions_person ON sessions (person_id, refreshed_at);

-- A token that was used stays until its session is swept: shown again, it ends the session.
CREATE TABLE refresh_tokens (
    digest {blob} NOT NULL PRIMARY KEY,
    session_id {id} NOT NULL REFERENCES sessions (id),
    issued_at {int} NOT NULL,
    used_at {int}
) {strict};

CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

-- Tokens with which a password is set anew. `made_by` is null when the operator made it.
CREATE TABLE password_resets (
    digest {blob} NOT NULL PRIMARY KEY,
    person_id {id} NOT NULL REFERENCES persons (id),
    tenant_id {id},
    made_by {id},
    expires_at {int} NOT NULL
) {strict};

CREATE INDEX password_resets_person ON password_resets (person_id);

-- TOTP secrets, sealed under the key with the fingerprint `sealed_by`. `last_step` is never accepted again.
CREATE TABLE second_factors (
    person_id {id} NOT NULL PRIMARY KEY REFERENCES persons (id),
    sealed_by {blob} NOT NULL,
    sealed {blob} NOT NULL,
    created_at {int} NOT NULL,
    confirmed_at {int},
    last_step {int} NOT NULL
) {strict};

CREATE TABLE recovery_codes (
    person_id {id} NOT NULL REFERENCES persons (id),
    digest {blob} NOT NULL,
    PRIMARY KEY (person_id, digest)
) {strict};
