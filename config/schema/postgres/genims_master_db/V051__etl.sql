-- Bookkeeping of the jobs that fill reporting and warehouse, apart from the contract in schema public.

CREATE SCHEMA IF NOT EXISTS genims_internal;

CREATE TABLE genims_internal.etl_runs (
    run_id     bigserial PRIMARY KEY,
    job        text        NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('scheduled', 'manual', 'backfill')),
    due_at     timestamptz,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at   timestamptz,
    outcome    text        NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'succeeded', 'failed', 'abandoned')),
    deep       boolean     NOT NULL DEFAULT false,
    days       bigint      NOT NULL DEFAULT 0,
    rows_out   bigint      NOT NULL DEFAULT 0,
    rows_in    bigint      NOT NULL DEFAULT 0,
    watermark  text,
    error      text
);
CREATE INDEX etl_runs_job_started_at_idx ON genims_internal.etl_runs (job, started_at);
COMMENT ON TABLE genims_internal.etl_runs IS 'Every run of a job of config/etl';
COMMENT ON COLUMN genims_internal.etl_runs.due_at IS 'The moment of the schedule that it was for';
COMMENT ON COLUMN genims_internal.etl_runs.outcome IS 'abandoned: it was killed, and a later run found it';
COMMENT ON COLUMN genims_internal.etl_runs.deep IS 'It looked at all days and not only at the latest';
COMMENT ON COLUMN genims_internal.etl_runs.days IS 'Days that it computed anew and stored';
COMMENT ON COLUMN genims_internal.etl_runs.rows_out IS 'Rows read from the sources';
COMMENT ON COLUMN genims_internal.etl_runs.rows_in IS 'Rows computed for the target';
COMMENT ON COLUMN genims_internal.etl_runs.watermark IS 'pg_current_snapshot() of each source: what it saw';

-- What the rows of a watched table and day looked like when the day was last stored: their number and a sum of hashes of the
-- transactions that wrote them. Day 0001-01-01 stands for a whole table.
CREATE TABLE genims_internal.etl_days (
    job    text NOT NULL,
    watch  text NOT NULL,
    day    date NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (job, watch, day)
);
COMMENT ON TABLE genims_internal.etl_days IS 'What each day looked like when it was last stored; a day that looks otherwise is computed anew';
