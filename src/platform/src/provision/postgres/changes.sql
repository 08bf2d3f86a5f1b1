-- The outbox of changes in genims_internal. Every statement that changes a business table writes one row here for each row it
-- changed, in its own transaction; `genims serve` delivers them and deletes what was delivered. Executed at each provisioning.
SET client_min_messages = warning;

-- Ids are taken while the changed row is locked, so their order is the order of the changes of a row.
CREATE TABLE IF NOT EXISTS genims_internal.changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    relation text NOT NULL,
    op text NOT NULL CHECK (op IN ('insert', 'update', 'delete', 'truncate', 'action')),
    key text NOT NULL,
    rows bigint NOT NULL DEFAULT 1,
    before jsonb,
    after jsonb,
    actor text NOT NULL,
    login text NOT NULL DEFAULT session_user,
    application text DEFAULT nullif(current_setting('application_name', true), ''),
    client text DEFAULT host(inet_client_addr()),
    reason text,
    -- An index that comes with the table: making one later would wait for every writer.
    UNIQUE (xid, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_cost_delay = 0);

-- How far each target came: everything visible in `done`; of what is visible in `doing` and not in `done`, ids up to `doing_id`.
CREATE TABLE IF NOT EXISTS genims_internal.change_positions (
    target text PRIMARY KEY,
    done pg_snapshot NOT NULL,
    doing pg_snapshot,
    doing_id bigint NOT NULL DEFAULT 0,
    doing_id_max bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Arguments of the trigger: the columns of the primary key. Who changes: the session's genims.actor, else its login.
CREATE OR REPLACE FUNCTION genims_internal.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who text := coalesce(nullif(current_setting('genims.actor', true), ''), session_user);
    why text := nullif(current_setting('genims.reason', true), '');
    counted bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO genims_internal.changes (relation, op, key, after, actor, reason)
        SELECT TG_TABLE_NAME, 'insert', CASE TG_NARGS WHEN 1 THEN n.image ->> TG_ARGV[0] ELSE genims_internal.change_key(n.image, TG_ARGV) END, n.image, who, why
        FROM (SELECT to_jsonb(t) AS image FROM new_rows AS t) AS n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO genims_internal.changes (relation, op, key, before, actor, reason)
        SELECT TG_TABLE_NAME, 'delete', CASE TG_NARGS WHEN 1 THEN o.image ->> TG_ARGV[0] ELSE genims_internal.change_key(o.image, TG_ARGV) END, o.image, who, why
        FROM (SELECT to_jsonb(t) AS image FROM old_rows AS t) AS o;
    ELSIF TG_OP = 'UPDATE' THEN
        -- A key that changed is a row deleted and another inserted.
        INSERT INTO genims_internal.changes (relation, op, key, before, after, actor, reason)
        SELECT TG_TABLE_NAME, CASE WHEN n.key IS NULL THEN 'delete' WHEN o.key IS NULL THEN 'insert' ELSE 'update' END,
               coalesce(n.key, o.key), o.image, n.image, who, why
        FROM (SELECT i.image, CASE TG_NARGS WHEN 1 THEN i.image ->> TG_ARGV[0] ELSE genims_internal.change_key(i.image, TG_ARGV) END AS key
              FROM (SELECT to_jsonb(t) AS image FROM old_rows AS t) AS i) AS o
        FULL JOIN (SELECT i.image, CASE TG_NARGS WHEN 1 THEN i.image ->> TG_ARGV[0] ELSE genims_internal.change_key(i.image, TG_ARGV) END AS key
              FROM (SELECT to_jsonb(t) AS image FROM new_rows AS t) AS i) AS n ON n.key = o.key
        WHERE o.image IS DISTINCT FROM n.image
        ORDER BY n.key IS NOT NULL;
    ELSE
        EXECUTE format('SELECT count(*) FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO counted;
        INSERT INTO genims_internal.changes (relation, op, key, rows, actor, reason)
        VALUES (TG_TABLE_NAME, 'truncate', '*', counted, who, why);
    END IF;
    RETURN NULL;
END $$;

-- The parts of the primary key as text, with bars between. A table without a primary key has its whole rows as keys.
CREATE OR REPLACE FUNCTION genims_internal.change_key(image jsonb, columns text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE coalesce(array_length(columns, 1), 0) WHEN 1 THEN image ->> columns[array_lower(columns, 1)]
        WHEN 0 THEN 'row:' || md5(image::text)
        ELSE (SELECT string_agg(image ->> part.name, '|' ORDER BY part.nth) FROM unnest(columns) WITH ORDINALITY AS part (name, nth))
    END
$$;

-- What GenIMS itself does goes the same way. Who may not write the outbox may enter what it does, and is named.
CREATE OR REPLACE FUNCTION genims_internal.record_action(service text, activity text, module text, database text, description text, rows bigint)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO genims_internal.changes (relation, op, key, rows, after, actor)
    VALUES ('*', 'action', '*', rows, jsonb_build_object('activity', activity, 'module', module, 'database', database,
        'description', left(description, 400) || ' (login ' || session_user || ')'), 'service:' || service)
$$;

-- What was refused at a door of GenIMS, so many times: nobody has proved who it was, so the service tells of it.
CREATE OR REPLACE FUNCTION genims_internal.record_refusal(service text, activity text, module text, description text, host text, times bigint)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO genims_internal.changes (relation, op, key, rows, after, actor, client)
    VALUES ('*', 'action', '*', times, jsonb_build_object('activity', activity, 'module', module, 'outcome', 'denied',
        'description', left(description, 400) || ' (login ' || session_user || ')'), 'service:' || service, nullif(host, ''))
$$;

REVOKE ALL ON FUNCTION genims_internal.record_change() FROM PUBLIC;
RESET client_min_messages
