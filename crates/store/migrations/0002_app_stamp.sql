-- The application for which automation made a key; null for a key that a person made.
ALTER TABLE api_keys ADD COLUMN app_id {id};
