-- Making partitions. A day is built as a table of its own, filled with what the default partition holds of it, and attached.
--
-- Meanwhile (a few milliseconds) whoever inserts through the parent waits; readers, and writers straight into another day's
-- partition, go on. A weaker lock would do for attaching, but an INSERT that was routed to the default partition just
-- before would then be refused ("violates partition constraint": 14 of 180 in a trial).

CREATE FUNCTION genims_internal.ensure_partition(parent regclass, day date) RETURNS boolean
LANGUAGE plpgsql
-- A role that may write rows may have their day made; it need not own the table. Whoever waits for the locks holds up
-- everybody behind it, so the wait is short: SQLSTATE 55P03, try again later.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
DECLARE
    parent_name text;
    partition_name text;
    default_name text;
BEGIN
    SELECT c.relname INTO parent_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = parent AND c.relkind = 'p' AND n.nspname = 'public';
    IF parent_name IS NULL THEN
        RAISE EXCEPTION '% is no partitioned table of schema public', parent USING ERRCODE = 'wrong_object_type';
    END IF;
    partition_name := format('%s_%s', parent_name, to_char(day, 'YYYYMMDD'));
    IF to_regclass(format('genims_partitions.%I', partition_name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- One maker at a time; whoever waited looks again.
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', parent);
    IF to_regclass(format('genims_partitions.%I', partition_name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    default_name := parent_name || '_default';
    -- Attaching needs it anyway; taken now, so that no lock is raised later.
    EXECUTE format('LOCK TABLE genims_partitions.%I IN ACCESS EXCLUSIVE MODE', default_name);
    EXECUTE format('CREATE TABLE genims_partitions.%I (LIKE %s INCLUDING ALL)', partition_name, parent);
    EXECUTE format(
        'WITH moved AS (DELETE FROM genims_partitions.%I WHERE "timestamp" >= %L AND "timestamp" < %L RETURNING *) '
        'INSERT INTO genims_partitions.%I SELECT * FROM moved',
        default_name, day::timestamp, (day + 1)::timestamp, partition_name);
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION genims_partitions.%I FOR VALUES FROM (%L) TO (%L)',
        parent, partition_name, day::timestamp, (day + 1)::timestamp);
    RETURN true;
END
$$;
COMMENT ON FUNCTION genims_internal.ensure_partition(regclass, date) IS
    'Makes the partition of one UTC day unless it is there; true when it was made';

CREATE FUNCTION genims_internal.ensure_partitions(parent regclass, first_day date, last_day date) RETURNS integer
LANGUAGE sql
AS $$
    SELECT count(*) FILTER (WHERE genims_internal.ensure_partition(parent, day::date))::integer
    FROM generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS day
$$;
COMMENT ON FUNCTION genims_internal.ensure_partitions(regclass, date, date) IS
    'Makes the partitions of all days from first_day to last_day; how many were made';
