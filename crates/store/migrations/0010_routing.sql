-- What an application needs of keys, by method and path: a JSON document with versions of its own. NULL needs nothing.
ALTER TABLE applications ADD COLUMN routing TEXT;
ALTER TABLE applications ADD COLUMN routing_version {int} NOT NULL DEFAULT 1;
