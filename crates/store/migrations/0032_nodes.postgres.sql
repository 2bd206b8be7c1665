-- What other servers have to forget, noted by the transaction that makes it untrue, whoever runs it. Revisions are not in the order of
-- commits: `xid` tells what a snapshot sees. One line of `what` is a word and what it is about; see src/cluster/heard.rs.
CREATE TABLE changes (
    revision BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL,
    what TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX changes_xid ON changes (xid);
CREATE INDEX changes_at ON changes (at);

-- Of one transaction 256 are told one by one, so that the queue of notifications stays short; whoever changes more has everything forgotten.
-- What was told just before is not told again: an import of models says the same thing two thousand times.
-- Nobody is notified where no node listens: one that joins meanwhile finds the row.
CREATE OR REPLACE FUNCTION keystile_note(what TEXT) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $note$
DECLARE
    noted INTEGER := COALESCE(NULLIF(current_setting('keystile.noted', true), ''), '0')::INTEGER;
    told TEXT := what;
    number BIGINT;
BEGIN
    IF noted > 256 OR what = current_setting('keystile.told', true) THEN
        RETURN;
    ELSIF noted = 256 THEN
        told := 'everything';
    END IF;
    PERFORM set_config('keystile.noted', (noted + 1)::TEXT, true), set_config('keystile.told', told, true);
    INSERT INTO changes (xid, what, at)
    VALUES (pg_current_xact_id(), told, (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT)
    RETURNING revision INTO number;
    IF EXISTS (SELECT FROM nodes) THEN
        PERFORM pg_notify('keystile_changes', format('%s %s %s', pg_current_xact_id(), number, told));
    END IF;
END
$note$;

CREATE OR REPLACE FUNCTION keystile_note_everything() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $note$
BEGIN
    PERFORM keystile_note('everything');
    RETURN NULL;
END
$note$;

-- Many keys that come or go at once; a hundred digests fit into one notification.
CREATE OR REPLACE FUNCTION keystile_note_keys() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $note$
DECLARE
    part TEXT;
BEGIN
    FOR part IN
        SELECT string_agg(encode(numbered.digest, 'hex'), ',')
        FROM (SELECT digest, (row_number() OVER () - 1) / 100 AS place FROM changed) AS numbered
        GROUP BY numbered.place
    LOOP
        PERFORM keystile_note('digests ' || part);
    END LOOP;
    RETURN NULL;
END
$note$;

CREATE OR REPLACE FUNCTION keystile_note_key() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $note$
BEGIN
    PERFORM keystile_note('digests ' || encode(OLD.digest, 'hex')
        || CASE WHEN NEW.digest = OLD.digest THEN '' ELSE ',' || encode(NEW.digest, 'hex') END);
    RETURN NULL;
END
$note$;

-- The word is the argument of the trigger.
CREATE OR REPLACE FUNCTION keystile_note_id() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $note$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM keystile_note(TG_ARGV[0] || ' ' || OLD.id);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.id <> OLD.id) THEN
        PERFORM keystile_note(TG_ARGV[0] || ' ' || NEW.id);
    END IF;
    RETURN NULL;
END
$note$;

CREATE OR REPLACE FUNCTION keystile_note_upstreams() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $note$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM keystile_note('upstreams ' || OLD.tenant_id);
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.tenant_id <> OLD.tenant_id) THEN
        PERFORM keystile_note('upstreams ' || NEW.tenant_id);
    END IF;
    RETURN NULL;
END
$note$;

CREATE OR REPLACE FUNCTION keystile_note_budget() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $note$
BEGIN
    PERFORM keystile_note('budget ' || NEW.lineage_id);
    RETURN NULL;
END
$note$;

CREATE OR REPLACE FUNCTION keystile_note_people() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $note$
BEGIN
    PERFORM keystile_note('people');
    RETURN NULL;
END
$note$;

-- Keys: all columns that src/facts.rs reads, and none that their use changes.
CREATE TRIGGER keystile_keys_made AFTER INSERT ON api_keys
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_keys();
CREATE TRIGGER keystile_keys_gone AFTER DELETE ON api_keys
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_keys();
CREATE TRIGGER keystile_key_changed AFTER UPDATE OF digest, id, tenant_id, application_id, customer_id, environment, kind,
    issued_to_service, issued_to_user_id, allowed_models, source_id, trust_level, scopes, allowed_ips, metadata, enabled,
    blocked_reason, revoked_at, deleted_at, expires_at, lineage_id, tpm_limit, max_budget_nano_usd, budget_period, rpm_limit,
    rate_limits ON api_keys
    FOR EACH ROW WHEN (
        (OLD.digest, OLD.id, OLD.tenant_id, OLD.application_id, OLD.customer_id, OLD.environment, OLD.kind,
            OLD.issued_to_service, OLD.issued_to_user_id, OLD.allowed_models, OLD.source_id, OLD.trust_level, OLD.scopes,
            OLD.allowed_ips, OLD.metadata, OLD.enabled, OLD.blocked_reason, OLD.revoked_at, OLD.deleted_at, OLD.expires_at,
            OLD.lineage_id, OLD.tpm_limit, OLD.max_budget_nano_usd, OLD.budget_period, OLD.rpm_limit, OLD.rate_limits)
        IS DISTINCT FROM
        (NEW.digest, NEW.id, NEW.tenant_id, NEW.application_id, NEW.customer_id, NEW.environment, NEW.kind,
            NEW.issued_to_service, NEW.issued_to_user_id, NEW.allowed_models, NEW.source_id, NEW.trust_level, NEW.scopes,
            NEW.allowed_ips, NEW.metadata, NEW.enabled, NEW.blocked_reason, NEW.revoked_at, NEW.deleted_at, NEW.expires_at,
            NEW.lineage_id, NEW.tpm_limit, NEW.max_budget_nano_usd, NEW.budget_period, NEW.rpm_limit, NEW.rate_limits)
    ) EXECUTE FUNCTION keystile_note_key();
CREATE TRIGGER keystile_keys_emptied AFTER TRUNCATE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_everything();

-- Limits that many keys share, and what a tenant wants logged.
CREATE TRIGGER keystile_tenant_limited AFTER UPDATE OF rpm_limit, rate_limits, log_requests ON tenants
    FOR EACH ROW WHEN ((OLD.rpm_limit, OLD.rate_limits, OLD.log_requests)
        IS DISTINCT FROM (NEW.rpm_limit, NEW.rate_limits, NEW.log_requests))
    EXECUTE FUNCTION keystile_note_id('limits');
CREATE TRIGGER keystile_application_limited AFTER UPDATE OF rpm_limit, rate_limits ON applications
    FOR EACH ROW WHEN ((OLD.rpm_limit, OLD.rate_limits) IS DISTINCT FROM (NEW.rpm_limit, NEW.rate_limits))
    EXECUTE FUNCTION keystile_note_id('limits');
CREATE TRIGGER keystile_customer_limited AFTER UPDATE OF rpm_limit, rate_limits ON customers
    FOR EACH ROW WHEN ((OLD.rpm_limit, OLD.rate_limits) IS DISTINCT FROM (NEW.rpm_limit, NEW.rate_limits))
    EXECUTE FUNCTION keystile_note_id('limits');
CREATE TRIGGER keystile_tenants_emptied AFTER TRUNCATE ON tenants
    FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_everything();
CREATE TRIGGER keystile_customers_emptied AFTER TRUNCATE ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_everything();

-- What applications need of keys; that one has none is remembered as well.
CREATE TRIGGER keystile_application_made AFTER INSERT ON applications
    FOR EACH ROW WHEN (NEW.routing IS NOT NULL) EXECUTE FUNCTION keystile_note_id('routes');
CREATE TRIGGER keystile_application_gone AFTER DELETE ON applications
    FOR EACH ROW EXECUTE FUNCTION keystile_note_id('routes');
CREATE TRIGGER keystile_application_routed AFTER UPDATE OF routing ON applications
    FOR EACH ROW WHEN (OLD.routing IS DISTINCT FROM NEW.routing) EXECUTE FUNCTION keystile_note_id('routes');
CREATE TRIGGER keystile_applications_emptied AFTER TRUNCATE ON applications
    FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_everything();

-- Where a tenant's gateway may send requests to. Both change by hand only.
CREATE TRIGGER keystile_provider_changed AFTER INSERT OR UPDATE OR DELETE ON providers
    FOR EACH ROW EXECUTE FUNCTION keystile_note_upstreams();
CREATE TRIGGER keystile_model_changed AFTER INSERT OR UPDATE OR DELETE ON models
    FOR EACH ROW EXECUTE FUNCTION keystile_note_upstreams();
CREATE TRIGGER keystile_providers_emptied AFTER TRUNCATE ON providers
    FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_everything();
CREATE TRIGGER keystile_models_emptied AFTER TRUNCATE ON models
    FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_everything();

-- A correction changes what is left of a budget by hand.
CREATE TRIGGER keystile_charge_corrected AFTER INSERT ON ledger
    FOR EACH ROW WHEN (NEW.corrects IS NOT NULL) EXECUTE FUNCTION keystile_note_budget();

-- Whether somebody is awaited who makes the first person.
CREATE TRIGGER keystile_person_made AFTER INSERT ON persons
    FOR EACH STATEMENT EXECUTE FUNCTION keystile_note_people();
