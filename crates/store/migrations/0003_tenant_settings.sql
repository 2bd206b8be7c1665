ALTER TABLE tenants ADD COLUMN rotation_days {int} NOT NULL DEFAULT 90;
ALTER TABLE tenants ADD COLUMN mfa_required {int} NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN default_trust_level TEXT NOT NULL DEFAULT 'external';
ALTER TABLE tenants ADD COLUMN version {int} NOT NULL DEFAULT 1;
