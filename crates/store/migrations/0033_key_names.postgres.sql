-- The names of the keys that are not deleted, so that a search reads nothing else. An index of `api_keys` does not do: the rows of keys
-- are moved by every use that is noted of them, and what has moved lately is read whatever an index has. These rows stay as they are,
-- in the order in which keys were made. They follow from `api_keys`, as an index does, and nobody but these triggers writes them.
CREATE TABLE key_names (
    tenant_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    name_search TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

INSERT INTO key_names (tenant_id, id, name_search)
SELECT tenant_id, id, name_search FROM api_keys WHERE deleted_at IS NULL ORDER BY tenant_id, id;

CREATE INDEX key_names_sorted ON key_names (tenant_id, name_search, id);

CREATE OR REPLACE FUNCTION keystile_name_key() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $name$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM key_names;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM key_names WHERE tenant_id = OLD.tenant_id AND id = OLD.id;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.deleted_at IS NULL THEN
        INSERT INTO key_names (tenant_id, id, name_search) VALUES (NEW.tenant_id, NEW.id, NEW.name_search);
    END IF;
    RETURN NULL;
END
$name$;

CREATE TRIGGER keystile_key_named AFTER INSERT OR DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION keystile_name_key();
CREATE TRIGGER keystile_key_renamed AFTER UPDATE OF tenant_id, id, name_search, deleted_at ON api_keys
    FOR EACH ROW WHEN (
        (OLD.tenant_id, OLD.id, OLD.name_search, OLD.deleted_at IS NULL)
        IS DISTINCT FROM
        (NEW.tenant_id, NEW.id, NEW.name_search, NEW.deleted_at IS NULL)
    ) EXECUTE FUNCTION keystile_name_key();
CREATE TRIGGER keystile_keys_nameless AFTER TRUNCATE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION keystile_name_key();
