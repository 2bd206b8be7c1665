-- Limits on requests that many keys share.
ALTER TABLE tenants ADD COLUMN rpm_limit {int};
ALTER TABLE tenants ADD COLUMN rate_limits TEXT NOT NULL DEFAULT '[]';
ALTER TABLE applications ADD COLUMN rpm_limit {int};
ALTER TABLE applications ADD COLUMN rate_limits TEXT NOT NULL DEFAULT '[]';
ALTER TABLE customers ADD COLUMN rpm_limit {int};
ALTER TABLE customers ADD COLUMN rate_limits TEXT NOT NULL DEFAULT '[]';
