-- Attempts to sign in that do not count are told to the audit log now and then only: of those that nobody looks at, the
-- next from this moment on; of right passwords without a second factor, none for a while after this one.
ALTER TABLE persons ADD COLUMN refusal_told_until {int} NOT NULL DEFAULT 0;
ALTER TABLE persons ADD COLUMN challenge_told_until {int} NOT NULL DEFAULT 0;
