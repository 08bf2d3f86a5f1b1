-- The stream's own bookkeeping, apart from the contract in schema public.

CREATE SCHEMA IF NOT EXISTS genims_partitions;
CREATE SCHEMA IF NOT EXISTS genims_internal;

-- How far each sink of each log has come. Moves in the transaction of the batch.
CREATE TABLE IF NOT EXISTS genims_internal.sink_positions (
    spool_id    uuid        NOT NULL,
    sink        text        NOT NULL,
    next_offset bigint      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spool_id, sink)
) WITH (fillfactor = 50);

-- One row a batch. Every offset is in exactly one of the counts:
-- next_offset - first_offset = sensor_rows + superseded_rows + scada_rows + events + dead_letters + refused_rows.
-- Rows of sensor_data that the stream left: sum(sensor_rows) - sum(replaced_rows).
CREATE TABLE IF NOT EXISTS genims_internal.ingest_batches (
    spool_id        uuid        NOT NULL,
    first_offset    bigint      NOT NULL,
    next_offset     bigint      NOT NULL,
    sensor_rows     bigint      NOT NULL,
    superseded_rows bigint      NOT NULL DEFAULT 0, -- replaced within the batch, never written
    replaced_rows   bigint      NOT NULL DEFAULT 0, -- rows of earlier batches deleted (same_timestamp = "last")
    scada_rows      bigint      NOT NULL,
    events          bigint      NOT NULL DEFAULT 0, -- whether or not they have a table here; refused ones not
    dead_letters    bigint      NOT NULL,
    refused_rows    bigint      NOT NULL,
    timestamp_min   timestamp,                      -- of the readings, UTC
    timestamp_max   timestamp,
    committed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (spool_id, first_offset)
);

-- What could not be stored, with what it takes to replay it.
CREATE TABLE IF NOT EXISTS genims_internal.dead_letters (
    letter_id     bigserial   PRIMARY KEY,
    spool_id      uuid        NOT NULL,
    log_offset    bigint      NOT NULL,
    received_at   timestamptz NOT NULL,
    source        text        NOT NULL,
    topic         text        NOT NULL,
    reason        text        NOT NULL,
    sqlstate      text,
    detail        text        NOT NULL,
    payload       bytea       NOT NULL,
    payload_bytes bigint      NOT NULL,             -- before a long payload was cut
    replayed_at   timestamptz
);
CREATE INDEX IF NOT EXISTS dead_letters_spool_id_log_offset_idx ON genims_internal.dead_letters (spool_id, log_offset);
